"""A month of fetching from services that fail at random, killed every third day, against the same month undisturbed."""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from live import ENVIRONMENT, Live
from services import FAULTS
from world import World

from tenor.config import to_mapping
from tenor.schema import PRICES
from tenor.store import Lake

pytestmark = pytest.mark.processes

SYMBOLS = ("AAPL", "MSFT", "SAP.DE", "7203.T", "BTC-USD", "EURUSD=X")
SCRIPT = Path(__file__).parents[1] / "support" / "fetch_once.py"

Make = Callable[..., Live]


def a_world() -> World:
    return World(
        splits={"AAPL": {"2024-05-16": 4.0}, "7203.T": {"2024-06-04": 5.0}},
        dividends={"MSFT": {"2024-05-15": 0.75, "2024-06-05": 0.5}, "SAP.DE": {"2024-05-17": 2.2}},
        corrections={
            "AAPL": {"2024-05-14": ("2024-05-16 12:00", 1.03)},
            "BTC-USD": {"2024-05-20": ("2024-05-23 00:00", 0.98)},
            "MSFT": {"2024-06-03": ("2024-06-07 12:00", 1.01)},
        },
        news_days=60,
    )


def kill_midway(live: Live, symbols: tuple[str, ...], chance: random.Random) -> None:
    """Start the day's fetch in a process of its own, and kill it somewhere on the way."""
    settings = {
        "store": live.lake.location,
        "symbols": symbols,
        "config": to_mapping(live.config),
        "environment": ENVIRONMENT,
        "now": str(live.world.now),
    }
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), json.dumps(settings)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0.0, 1.5))
        child.kill()


def a_month(live: Live, symbols: tuple[str, ...], days: int, *, disturbed: int | None = None) -> None:
    """Fetch once a day; `disturbed` is the seed of the faults and of the kills, None for a quiet month."""
    chance = random.Random(disturbed)

    def choose(_: int) -> str | None:
        return chance.choice(FAULTS) if chance.random() < 0.25 else None

    for service in live.services.values():
        service.choose = choose if disturbed is not None else None
    for i, day in enumerate(pd.date_range("2024-05-13", periods=days, freq="D"), 1):
        live.world.now = pd.Timestamp(f"{day:%Y-%m-%d} 23:30", tz="UTC")
        if disturbed is not None and i % 3 == 0:
            kill_midway(live, symbols, chance)
            Lake(live.lake.location).query("SELECT count(*) FROM bars")  # whole at every moment
        else:
            live.fetch(*symbols, news=True)
    for service in live.services.values():
        service.choose = None
    live.fetch(*symbols, news=True)


def settled(live: Live) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return live.lake.rows("bars"), live.lake.rows("news"), live.lake.rows("actions")


def check(live_with: Make, tmp_path: Path, symbols: tuple[str, ...], *, days: int, seeds: int) -> None:
    settings: dict[str, Any] = {"prices": ("yahoo", "tiingo", "stooq", "binance"), "news": ("yahoo", "feeds")}
    settings |= {"feeds": ("yahoo-symbol",), "since": "2024-03-01"}
    quiet: Live = live_with(a_world(), **settings)
    a_month(quiet, symbols, days)
    bars, news, actions = settled(quiet)
    assert set(bars["source"]) == {"yahoo"}
    for symbol in symbols:
        truth = quiet.world.bars(symbol, pd.Timestamp("2024-03-01"))
        np.testing.assert_allclose(bars.loc[bars["symbol"] == symbol, "adj_close"], truth["adj_close"], rtol=2e-6)
    for seed in range(seeds):
        stormy = dataclasses.replace(quiet, lake=Lake(tmp_path / f"stormy {seed}"), world=quiet.world)
        http = dataclasses.replace(quiet.config.http, deadline_seconds=1.0)
        stormy.config = dataclasses.replace(quiet.config, http=http)
        a_month(stormy, symbols, days, disturbed=seed)
        passed_over = stormy.lake.rows("fetches")
        assert (passed_over["note"].str.len() > 0).any()  # there was a storm
        got, got_news, got_actions = settled(stormy)
        keys = ["symbol", "session", "source"]
        pd.testing.assert_frame_equal(got[keys], bars[keys])
        np.testing.assert_allclose(got[[*PRICES, "volume"]], bars[[*PRICES, "volume"]], rtol=1e-9)
        pd.testing.assert_frame_equal(got_news, news)
        keys = ["symbol", "session", "kind"]
        pd.testing.assert_frame_equal(got_actions[keys], actions[keys])
        # nothing lies twice, and nothing that was ever known is gone
        parts = Lake(stormy.lake.location).query("SELECT symbol, session, count(*) AS n FROM bars GROUP BY ALL")
        assert (parts["n"] == 1).all()


def test_six_days(live_with: Make, tmp_path: Path) -> None:
    check(live_with, tmp_path, ("AAPL", "MSFT", "BTC-USD"), days=6, seeds=1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_thirty_days(live_with: Make, tmp_path: Path) -> None:
    check(live_with, tmp_path, SYMBOLS, days=30, seeds=2)
