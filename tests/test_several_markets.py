"""One model over New York, Tokyo, Frankfurt and a coin, from files to a forecast, through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tenor.calendars import market_of
from tenor.cli import main
from tenor.schema import Bars
from tenor.store import Lake

pytestmark = pytest.mark.torch  # the store has a model, trained by the command line
SYMBOLS = ("AAPL", "7203.T", "SAP.DE", "BTC-USD")
LAST = {"AAPL": "2024-07-09", "7203.T": "2024-07-10", "SAP.DE": "2024-07-09", "BTC-USD": "2024-07-09"}
MODEL = ("model.hidden=4", "model.lookback=5", "training.epochs=2", "training.seeds=[0]")
SMALL = [part for text in MODEL for part in ("--set", text)]
FOLDS = ["--set", "folds.folds=2", "--set", "folds.test_sessions=60", "--set", "folds.valid_sessions=60"]


def made(symbol: str, seed: int) -> Bars:
    rng = np.random.default_rng(seed)
    days = market_of(symbol).exchange.sessions(pd.Timestamp("2022-06-01"), pd.Timestamp(LAST[symbol]))
    close = 80 * np.exp(np.cumsum(rng.normal(0, 0.02, len(days))))
    open_ = close * np.exp(rng.normal(0, 0.004, len(days)))
    high, low = np.maximum(open_, close) * 1.01, np.minimum(open_, close) * 0.99
    numbers = {"open": open_, "high": high, "low": low, "close": close, "adj_close": close, "volume": 1e6}
    return Bars(pd.DataFrame({"symbol": symbol, "session": days, **numbers}))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lake as of the morning of 2024-07-10 in New York, and a model."""
    folder = str(tmp_path_factory.mktemp("markets") / "lake")
    for seed, symbol in enumerate(SYMBOLS):
        Lake(folder).append_bars(made(symbol, seed), source="yahoo")
    assert main(["train", "--store", folder, *SMALL]) == 0
    return folder


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, list[dict[str, Any]], str]:
    code = main([*argv, "--json"])
    out, err = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err


def test_each_forecast_says_what_its_axis_means(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, forecasts, err = run(capsys, "predict", *SYMBOLS, "--store", store)
    assert code == 0
    assert [f["symbol"] for f in forecasts] == list(SYMBOLS)
    # all are made at New York's close of the 9th, and for its session of the 10th, whichever market they trade on
    assert {(f["as_of"], f["session"], f["target_session"]) for f in forecasts} == {
        ("2024-07-09T20:00:00+00:00", "2024-07-09", "2024-07-10")
    }
    known = {"AAPL": "2024-07-09", "7203.T": "2024-07-09", "SAP.DE": "2024-07-09", "BTC-USD": "2024-07-08"}
    for forecast in forecasts:
        frame = Lake(store).bars([forecast["symbol"]]).frame.set_index("session")
        assert forecast["last_price"] == pytest.approx(frame.loc[known[forecast["symbol"]], "adj_close"])
        assert forecast["lower"] < forecast["price"] < forecast["upper"]
        assert forecast["stale"].startswith(f"the last bar of {forecast['symbol']} is of {LAST[forecast['symbol']]}")
    assert err.count("tenor: stale: ") == 4


def test_stale_bars_are_refused_or_passed_over_as_config_says(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, forecasts, err = run(capsys, "predict", "AAPL", "--store", store, "--set", "sources.when_stale=refuse")
    assert (code, forecasts) == (1, [])
    assert "the last bar of AAPL is of 2024-07-09 (from yahoo)" in err
    code, (forecast,), err = run(capsys, "predict", "AAPL", "--store", store, "--set", "sources.when_stale=ignore")
    assert (code, forecast["stale"], err) == (0, None, "")


def test_a_refresh_tells_and_refuses_likewise(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, (told,), _ = run(capsys, "refresh", "--store", store)
    assert (code, sorted(told["symbols"]), sorted(told["stale"])) == (0, sorted(SYMBOLS), sorted(SYMBOLS))
    code, _, err = run(capsys, "refresh", "--store", store, "--set", "sources.when_stale=refuse")
    assert code == 1
    assert "all of 4 symbols are stale" in err


def test_what_became_of_past_forecasts_is_found_on_every_market(store: str) -> None:
    from tenor.serving.published import published_forecasts

    board = published_forecasts(store)
    index = board.index()
    assert index is not None
    for symbol in SYMBOLS:
        document = json.loads(board.read(index.entries[symbol]))
        history = document["history"]["1"]
        frame = Lake(store).bars([symbol]).frame
        closes = frame["adj_close"].to_numpy()
        for price in history["last_price"]:
            assert np.abs(closes / price - 1).min() < 1e-5, symbol
        assert sum(price is not None for price in history["realised_price"]) > 100, symbol


@pytest.mark.slow
def test_it_is_evaluated(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.html"
    code, (judged,), err = run(capsys, "evaluate", "--store", store, "--report", str(report), *SMALL, *FOLDS)
    assert (code, err) == (0, "")
    assert report.stat().st_size > 100_000
    assert judged["version"]
