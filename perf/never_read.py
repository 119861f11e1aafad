"""Sockets that never read: what `tenor serve` answers to others meanwhile, and its memory before, during and after.

``python perf/never_read.py --store LAKE [--sockets 1200] [--path /page/plotly.min.js] [--seconds 30]``; exits 1 where
a probe was refused. The probes come from the same address as the sockets. LAKE needs published forecasts: ``tenor
refresh --store LAKE``. Linux alone (/proc).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import resource
import socket
import sys
import time
from pathlib import Path

from served_store import served


def memory(pid: int) -> float:
    """Resident megabytes of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 2**20, 1)


def probe(host: str, port: int) -> tuple[str, float]:
    """What ``/healthz`` answers, and after how many seconds."""
    begun = time.perf_counter()
    line = http.client.HTTPConnection(host, port, timeout=15)
    try:
        line.request("GET", "/healthz")
        status = str(line.getresponse().status)
    except OSError as error:
        status = type(error).__name__
    finally:
        line.close()
    return status, time.perf_counter() - begun


def silent(host: str, port: int, path: str, sockets: int) -> list[socket.socket]:
    """Sockets that sent two requests and read nothing."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() * 2
    opened = []
    for _ in range(sockets):
        line = socket.create_connection((host, port), timeout=15)
        with contextlib.suppress(OSError):
            line.sendall(request)
        opened.append(line)
    return opened


def still_open(lines: list[socket.socket]) -> int:
    """How many of them the server has not cut, told without reading."""
    established = 1
    states = (line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] for line in lines)
    return sum(state == established for state in states)


def main() -> int:
    """Serve, open the sockets, probe; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", required=True)
    parser.add_argument("--sockets", type=int, default=1200)
    parser.add_argument("--path", default="/page/plotly.min.js")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("options", nargs="*", help="further options of 'tenor serve', after --")
    options = parser.parse_args()
    with served(options.store, options.options) as (server, host, port):
        while probe(host, port)[0] != "200":
            time.sleep(0.2)
        time.sleep(2)
        before, peak = memory(server), 0.0
        lines = silent(host, port, options.path, options.sockets)
        answers: dict[str, int] = {}
        slowest, opened = 0.0, still_open(lines)
        until = time.monotonic() + options.seconds
        while time.monotonic() < until:
            status, seconds = probe(host, port)
            answers[status] = answers.get(status, 0) + 1
            slowest, peak = max(slowest, seconds), max(peak, memory(server))
            time.sleep(0.25)
        left, end = still_open(lines), memory(server)
        for line in lines:
            line.close()
        time.sleep(3)
        result = {
            "sockets": options.sockets,
            "open_at_first": opened,
            "open_in_the_end": left,
            "healthz": answers,
            "healthz_slowest_s": round(slowest, 2),
            "rss_before_mb": before,
            "rss_peak_mb": peak,
            "rss_end_mb": end,
            "rss_after_closing_mb": memory(server),
        }
    print(json.dumps(result))
    return 1 if set(answers) != {"200"} else 0


if __name__ == "__main__":
    sys.exit(main())
