"""Published forecasts over HTTP: tenor's server beside a plain FastAPI app that reads the same answers from disk."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from pathlib import Path

from contest import Contender, Contest, Goal
from environments import ROOT
from small_store import small_store

sys.path.insert(0, str(ROOT / "perf"))
from served_store import served

HORIZONS = (1, 5)


def contest(folder: Path) -> Contest:
    """Make a store, and write what its server answers as one JSON file a symbol."""
    store = small_store(folder)
    answers = folder / "answers"
    answers.mkdir()
    with served(store) as (_, host, port):
        address = f"http://{host}:{port}/v1"
        symbols = [row["symbol"] for row in _patiently(f"{address}/symbols")["symbols"]]
        for symbol in symbols:
            by_horizon = {str(h): _patiently(f"{address}/forecast/{symbol}?horizon={h}") for h in HORIZONS}
            (answers / f"{symbol}.json").write_text(json.dumps(by_horizon), encoding="utf-8")
    given = {"answers": str(answers), "symbols": symbols, "horizons": HORIZONS, "clients": 32, "requests": 3_000}
    return Contest(
        "served",
        "published forecasts served to 32 clients, server and clients a process each",
        (
            Contender("tenor serve", "tenor", "served.py", {"command": ["-m", "tenor", "serve", "--store", store]}),
            Contender(
                "FastAPI, JSON from disk", "fastapi", "served.py", {"command": ["served_plain.py", str(answers)]}
            ),
        ),
        (Goal(3.0, measure="cpu"), Goal(3.0, measure="a_second", best="most"), Goal(3.0, measure="p99")),
        given,
        unit="request",
    )


def _patiently(address: str) -> dict[str, object]:
    for _ in range(600):
        try:
            with urllib.request.urlopen(address) as answer:  # noqa: S310 - its own server's
                return dict(json.load(answer))
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"no answer from {address}")
