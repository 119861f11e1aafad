"""Clients that ask a server in a process of its own for one forecast after another, on connections that stay open."""

from __future__ import annotations

import asyncio
import atexit
import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from started import cpu_of
from worker import Run, serve


def prepare(arguments: dict[str, Any]) -> Run:
    """Start the server, and compare each of its answers with those on disk once."""
    command = [sys.executable, *arguments["command"]]
    if command[1].endswith(".py"):
        command[1] = str(Path(__file__).with_name(command[1]))
    else:
        command += ["--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    atexit.register(server.terminate)
    assert server.stdout is not None
    address = re.search(r"http://([\d.]+):(\d+)", server.stdout.readline())
    assert address is not None
    # both write a line a request, by their defaults; somebody reads it
    atexit.register(subprocess.Popen(["cat"], stdin=server.stdout, stdout=subprocess.DEVNULL).terminate)
    host, port = address[1], int(address[2])
    paths = [f"/v1/forecast/{s}?horizon={h}" for s in arguments["symbols"] for h in arguments["horizons"]]
    expected = {
        f"/v1/forecast/{symbol}?horizon={horizon}": answer
        for symbol in arguments["symbols"]
        for horizon, answer in json.loads((Path(arguments["answers"]) / f"{symbol}.json").read_text()).items()
    }
    compared: list[bool] = []

    def run() -> dict[str, Any]:
        if not compared:
            for path, body in zip(paths, asyncio.run(ask(host, port, [paths]))[1], strict=True):
                if json.loads(body) != expected[path]:
                    raise ValueError(f"another answer to {path}: {body[:200]!r}")
            compared.append(True)
        draw = random.Random(0)  # noqa: S311 - which symbol is asked for is no secret
        each = arguments["requests"] // arguments["clients"]
        asked = [draw.choices(paths, k=each) for _ in range(arguments["clients"])]
        before, begun = cpu_of(server.pid), time.perf_counter()
        seconds, bodies = asyncio.run(ask(host, port, asked))
        wall = time.perf_counter() - begun
        seconds.sort()
        return {
            "work": len(bodies),
            "cpu": cpu_of(server.pid) - before,
            "peak": peak(server.pid),
            "a_second": len(bodies) / wall,
            "p50": seconds[len(seconds) // 2],
            "p99": seconds[int(0.99 * len(seconds))],
        }

    return run


async def ask(host: str, port: int, asked: list[list[str]]) -> tuple[list[float], list[bytes]]:
    """A client for each list of paths, all side by side: the seconds of each answer, and the bodies."""
    seconds: list[float] = []
    bodies: list[bytes] = []

    async def client(paths: list[str]) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        for path in paths:
            begun = time.perf_counter()
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise ValueError(f"{path}: {head[:80]!r}")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            bodies.append(await reader.readexactly(length))
            seconds.append(time.perf_counter() - begun)
        writer.close()

    await asyncio.gather(*map(client, asked))
    return seconds, bodies


def peak(process: int) -> float:
    """The server's largest resident memory, MiB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    serve(prepare)
