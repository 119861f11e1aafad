"""Saved forecasts are the answer exactly where the lake, read anew, would give the same."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tenor.calendars import exchange
from tenor.cli import main
from tenor.config import Config, SourcesConfig
from tenor.errors import TenorError
from tenor.ingest.status import stale
from tenor.pipeline import predict
from tenor.pipeline.current import CurrentForecasts, current_forecasts, known_forecasts
from tenor.pipeline.predict import lake_forecasts, stale_forecasts
from tenor.pipeline.refresh import refresh
from tenor.pipeline.train import train
from tenor.schema import Bars, DailySentiment, Events, Forecast, News, news_id
from tenor.store import Lake
from tenor.workspace import Workspace

pytestmark = pytest.mark.torch

QUICK = ("training.seeds=[0]", "training.epochs=1", "model.hidden=4", "model.lookback=10", "features.horizons=[1, 2]")
OPTIONS: dict[str, Any] = {"horizons": [2, 1], "version": None, "as_of": None, "sources": SourcesConfig()}
DAY = pd.Timestamp("2015-03-02")


@pytest.fixture
def store(tmp_path: Path, bars_of: Callable[..., Bars]) -> str:
    """Two symbols from files, two from a service and one of a market that never closes; trained."""
    bars = bars_of(symbols=4, sessions=320)
    lake = Lake(tmp_path)
    lake.append_bars(bars.select(["S00", "S01"]), source="test")
    lake.append_bars(bars.select(["S02"]), source="yahoo")
    frame = bars.select(["S03"]).frame
    lake.append_bars(Bars(frame.assign(symbol="BTC-USD")), source="binance")
    rows = frame[["session"]].iloc[::2].assign(symbol="S00").reset_index(drop=True)
    numbers = dict.fromkeys(("mean", "std", "positive", "negative", "surprise", "recent", "market_mean"), 0.2)
    lake.append_sentiment(DailySentiment(rows.assign(n=2.0, market_n=4.0, **numbers)), source="imported")
    train(str(tmp_path), Config.read(None, QUICK), workers=1)
    return str(tmp_path)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stores that were read since."""
    stores: list[str] = []

    def reading(store: str, *args: Any, **options: Any) -> CurrentForecasts:
        stores.append(store)
        return lake_forecasts(store, *args, **options)

    monkeypatch.setattr(predict, "lake_forecasts", reading)
    return stores


def same(store: str, symbols: tuple[str, ...] = ("S02", "S00"), **options: Any) -> CurrentForecasts:
    """What is shown, after it was compared with what the lake gives."""
    asked = {**OPTIONS, **options}
    shown = current_forecasts(store, symbols, **asked)
    read = lake_forecasts(store, symbols, **{"session": None, **asked})
    assert replace(shown, made_at=0.0) == replace(read, made_at=0.0)
    assert json.dumps(shown.forecasts) == json.dumps(read.forecasts)  # the order of the keys too
    return shown


def test_what_was_saved_is_shown_without_reading_the_lake(store: str, reads: list[str]) -> None:
    shown = same(store, ("s02", "S00", "BTC/USD"))
    assert [(f["symbol"], f["horizon"]) for f in shown.forecasts] == [
        (symbol, horizon) for symbol in ("S02", "S00", "BTC-USD") for horizon in (1, 2)
    ]
    assert "sessions of XNYS behind" in shown.stale["S02"]
    assert "sessions of 24/7 behind" in shown.stale["BTC-USD"]
    assert "the last session used is" in shown.stale["S00"]
    refused = same(store, sources=SourcesConfig(when_stale="refuse"))
    assert list(refused.failed) == ["S02"]
    assert not same(store, sources=SourcesConfig(when_stale="ignore")).stale
    same(store, sources=SourcesConfig(max_stale_sessions=10_000))
    same(store, horizons=[1], as_of="close", version="latest")
    assert not reads


def test_a_refresh_saves_them_too(store: str, reads: list[str]) -> None:
    for saved in (Path(store) / "models" / "forecasts").glob("*.json"):
        saved.unlink()
    workspace = Workspace(store)
    refresh(workspace, workspace.predictor)
    same(store)
    assert not reads


def bars_revised(store: str) -> None:
    frame = Lake(store).bars(["S01"]).frame.tail(1).copy()
    frame[["open", "high", "low", "close", "adj_close"]] *= 1.5
    Lake(store).append_bars(Bars(frame), source="test")


def symbol_added(store: str) -> None:
    frame = Lake(store).bars(["S01"]).frame.assign(symbol="S0")
    Lake(store).append_bars(Bars(frame), source="test")


def sentiment_revised(store: str) -> None:
    daily = Lake(store).sentiment("imported")
    assert daily is not None
    Lake(store).append_sentiment(DailySentiment(daily.frame.assign(mean=-0.9)), source="imported")


def news_added(store: str) -> None:
    Lake(store).append_news(news("Sales fell."))


def news(*texts: str) -> News:
    moment = DAY.tz_localize("UTC") + pd.Timedelta(hours=15)
    rows = [(news_id("test", text), moment, "S00", text, "test", "") for text in texts]
    return News(pd.DataFrame(rows, columns=["id", "published_at", "symbol", "text", "source", "url"]))


def event_added(store: str) -> None:
    row = {"symbol": "S00", "session": DAY, "kind": "earnings", "known_since": DAY.tz_localize("UTC")}
    Lake(store).append_events(Events(pd.DataFrame([row])))


def lake_compacted(store: str) -> None:
    assert Lake(store).compact().old


def champion_replaced(store: str) -> None:
    train(store, Config.read(None, [*QUICK, "training.seeds=[7]"]), workers=1)
    workspace = Workspace(store)
    workspace.registry.promote(workspace.registry.resolve("latest"))
    for saved in (Path(store) / "models" / "forecasts").glob(f"{workspace.registry.champion()}.json"):
        saved.unlink()


def copy_changed(store: str) -> None:
    (saved,) = (Path(store) / "models" / "forecasts").glob("*.json")
    saved.write_text(saved.read_text().replace('"p_up": 0.', '"p_up": 1.', 1))


@pytest.mark.parametrize(
    "change",
    [bars_revised, symbol_added, sentiment_revised, news_added, event_added, lake_compacted, copy_changed],
)
def test_the_lake_is_read_where_anything_in_it_has_changed(
    store: str, reads: list[str], change: Callable[[str], None]
) -> None:
    before = same(store)
    change(store)
    if change is copy_changed:  # nobody but its writer can tell what was there
        assert known_forecasts(store, ["S00"], **OPTIONS) is None
        return
    after = same(store)
    assert reads == [store]
    moved = after.forecasts != before.forecasts
    assert moved == (change in (bars_revised, sentiment_revised))


def test_each_version_has_its_own(store: str, reads: list[str]) -> None:
    first = same(store)
    champion_replaced(store)
    second = same(store)
    assert second.forecasts[0]["model_version"] != first.forecasts[0]["model_version"]
    assert reads == [store]
    same(store, version=first.forecasts[0]["model_version"])  # nothing of the lake is another
    assert reads == [store]


def test_the_lake_is_read_by_another_tenor_or_another_calendar(
    store: str, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = importlib.metadata.version
    for name in ("tenor", "exchange_calendars"):
        with monkeypatch.context() as patch:
            patch.setattr(importlib.metadata, "version", lambda of, name=name: "9" if of == name else version(of))
            same(store)
    assert len(reads) == 2


def test_the_lake_is_read_for_what_was_not_saved(store: str, reads: list[str]) -> None:
    symbol_added(store)
    workspace = Workspace(store)
    refresh(workspace, workspace.predictor)
    assert same(store, ("S0",)).forecasts  # not trained on
    assert list(same(store, ("S00", "NOPE")).failed) == ["NOPE"]
    past = {"horizons": [1], "version": None, "as_of": None, "sources": SourcesConfig()}
    assert current_forecasts(store, ["S00"], session="2015-01-05", **past).forecasts
    assert len(reads) == 3


def test_what_is_damaged_is_told_as_ever(store: str) -> None:
    def error(path: Path, **options: Any) -> str:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(TenorError) as raised:
            current_forecasts(store, ["S00"], **{**OPTIONS, **options})
        path.write_bytes(content)
        return str(raised.value)

    part = next((Path(store) / "bars").glob("*.parquet"))
    assert f"{part.name} is damaged" in error(part)
    (graph,) = Path(store).glob("models/versions/*/model.onnx")
    assert "model.onnx is truncated or was changed" in error(graph)
    with pytest.raises(TenorError, match="forecasts at the close, not at the open"):
        current_forecasts(store, ["S00"], as_of="open")
    with pytest.raises(TenorError, match="horizon 3 is not in model"):
        current_forecasts(store, ["S00"], horizons=[3])


def test_what_is_late_follows_the_clock(store: str) -> None:
    symbols = ["S00", "S02", "BTC-USD"]
    read = lake_forecasts(store, symbols, **{**OPTIONS, "session": None})
    forecasts = [Forecast.from_json(forecast) for forecast in read.forecasts]
    session, close = forecasts[0].session, exchange("XNYS").close(forecasts[0].session)
    following = exchange("XNYS").closes(exchange("XNYS").sessions(session, session + pd.Timedelta(days=30)))
    grace = pd.Timedelta(hours=6)
    moments = [close - pd.Timedelta(days=1), close, *following[1:4], *(following[1:4] + grace), following[9]]
    for moment in moments:
        for after in (pd.Timedelta(0), -pd.Timedelta(microseconds=1)):
            now = moment + after
            known = known_forecasts(store, symbols, **OPTIONS, now=now.value // 1000)
            assert known is not None
            late = {**stale_forecasts(forecasts, "XNYS", now=now), **stale(store, SourcesConfig(), symbols, now=now)}
            assert {symbol: why.partition("; the sentiment")[0] for symbol, why in known.stale.items()} == late
    assert late  # the last moment is late enough
    # the saved sessions end a year after they were saved
    beyond = pd.Timestamp.now("UTC") + pd.Timedelta(days=500)
    assert known_forecasts(store, symbols, **OPTIONS, now=beyond.value // 1000) is None


def test_news_that_is_scored_already_is_not_scored_again(
    tmp_path: Path, bars_of: Callable[..., Bars], reads: list[str]
) -> None:
    store, lake = str(tmp_path), Lake(tmp_path)
    lake.append_bars(bars_of(symbols=2, sessions=320), source="test")
    lake.append_news(news("Profit rose.", "The plant burned down."))
    train(store, Config.read(None, QUICK), workers=1)
    same(store, ("S00",))
    assert not reads
    news_added(store)
    same(store, ("S00",))
    assert reads == [store]
    workspace = Workspace(store)
    refresh(workspace, workspace.predictor)  # scores it
    same(store, ("S00",))
    assert reads == [store]


def test_the_command_needs_neither_numpy_nor_pandas(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "import sys; from tenor.cli import main; code = main(sys.argv[1:]); "
        "heavy = {'numpy', 'pandas', 'pyarrow', 'duckdb', 'onnxruntime', 'exchange_calendars'} & set(sys.modules); "
        "sys.exit(f'{heavy} was imported' if heavy else code)"
    )
    command = ["predict", "S02", "S00", "--store", store]
    run = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    (saved,) = (Path(store) / "models" / "forecasts").glob("*.json")
    saved.unlink()
    capsys.readouterr()
    assert main(command) == 0
    assert capsys.readouterr().out == run.stdout
