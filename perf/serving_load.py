"""200 concurrent clients on precomputed forecasts, from a second process: errors, p50, p99 and requests a second.

``python perf/serving_load.py --store LAKE [--clients 200] [--seconds 60]``; exits 1 where a request failed or p99
is more than 20 times p50. LAKE needs published forecasts: ``tenor refresh --store LAKE``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import time
from dataclasses import dataclass, field

from served_store import served

MOST = 20.0


@dataclass
class Measured:
    """What the clients met: seconds of each good answer, and what else came."""

    seconds: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)

    def failed(self, why: str) -> None:
        """One request failed, for this reason."""
        self.errors[why] = self.errors.get(why, 0) + 1


async def client(host: str, port: int, symbols: list[str], until: float, found: Measured, seed: int) -> None:
    """One client: keeps its line open, asks for a symbol after another, waits for each answer."""
    draw = random.Random(seed)  # noqa: S311 - which symbol is asked for is no secret
    reader, writer = await asyncio.open_connection(host, port)
    try:
        while time.perf_counter() < until:
            path = f"/v1/forecast/{draw.choice(symbols)}?horizon={draw.choice((1, 5))}"
            begun = time.perf_counter()
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            length = re.search(rb"content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            status = head.split(b" ", 2)[1].decode()
            if status != "200" or json.loads(body)["live"]:
                found.failed(status)
            found.seconds.append(time.perf_counter() - begun)
    except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
        found.failed(type(error).__name__)
    finally:
        writer.close()


async def load(host: str, port: int, symbols: list[str], clients: int, seconds: float) -> Measured:
    """All clients side by side."""
    found, until = Measured(), time.perf_counter() + seconds
    await asyncio.gather(*(client(host, port, symbols, until, found, seed) for seed in range(clients)))
    return found


def main() -> int:
    """Serve, load, tell; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", required=True)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with served(options.store) as (_, host, port):
        symbols = _symbols(host, port)
        asyncio.run(load(host, port, symbols, 20, 2.0))  # answers are rendered once
        found = asyncio.run(load(host, port, symbols, options.clients, options.seconds))
    ordered = sorted(found.seconds)
    p50, p99 = (ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
    told = {
        "clients": options.clients,
        "seconds": options.seconds,
        "requests": len(ordered),
        "a_second": round(len(ordered) / options.seconds),
        "p50_ms": round(p50 * 1000, 1),
        "p99_ms": round(p99 * 1000, 1),
        "p99_over_p50": round(p99 / p50, 2),
        "errors": found.errors,
    }
    print(json.dumps(told))
    return 1 if found.errors or p99 > MOST * p50 else 0


def _symbols(host: str, port: int) -> list[str]:
    import urllib.request

    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://{host}:{port}/v1/symbols") as answer:
                return [row["symbol"] for row in json.load(answer)["symbols"]]
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"nothing to serve on port {port}")


if __name__ == "__main__":
    sys.exit(main())
