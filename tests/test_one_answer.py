"""Whoever asks (server, command line, Python) gets the same forecasts, at settings other than the defaults; and what a
model was trained on is what it is judged and served on, whatever else the lake holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tenor
from tenor.calendars import exchange
from tenor.cli import main
from tenor.config import Config, SentimentConfig
from tenor.errors import DataError, StoreError
from tenor.pipeline.live import OnDemand
from tenor.pipeline.refresh import refresh
from tenor.pipeline.train import load, train
from tenor.schema import Bars, DailySentiment, News, news_id
from tenor.storage.object_store import FolderStore
from tenor.store import Lake
from tenor.store.tables import TABLES
from tenor.workspace import Workspace, settings_key

pytestmark = pytest.mark.torch

QUICK = ("training.seeds=[0]", "training.epochs=1", "model.hidden=4", "model.lookback=10")
WORDS = ("profit rose and the outlook was raised", "the plant burned down and sales fell", "the meeting is on Monday")


def daily_of(bars: Bars, seed: int = 0) -> DailySentiment:
    """Made-up daily sentiment on about half of the sessions."""
    rng = np.random.default_rng(seed)
    rows = bars.frame[["symbol", "session"]][rng.random(len(bars.frame)) < 0.4].reset_index(drop=True)
    mean = rng.uniform(-1, 1, len(rows))
    return DailySentiment(
        rows.assign(
            n=2.0, mean=mean, std=0.1, positive=0.5, negative=0.3, surprise=mean / 2, recent=mean / 3, market_n=4.0,
            market_mean=0.1,
        )
    )  # fmt: skip


def news_of(bars: Bars) -> News:
    """An item on every fifth session of each symbol."""
    rows = []
    for symbol in bars.symbols:
        days = bars.frame.loc[bars.frame["symbol"] == symbol, "session"].iloc[::5]
        for i, close in enumerate(exchange("XNYS").closes(pd.DatetimeIndex(days))):
            text = f"{symbol}: {WORDS[i % 3]}, day {i}."
            rows.append((news_id("test", text), close - pd.Timedelta(hours=3), symbol, text, "test", ""))
    return News(pd.DataFrame(rows, columns=["id", "published_at", "symbol", "text", "source", "url"]))


@pytest.fixture
def store(tmp_path: Path, bars_of: Callable[..., Bars]) -> str:
    """Bars and imported daily sentiment, without news: as the embedded ones are."""
    bars = bars_of(symbols=4, sessions=320)
    lake = Lake(tmp_path)
    lake.append_bars(bars, source="test")
    lake.append_sentiment(daily_of(bars), source="imported")
    return str(tmp_path)


def published(store: str) -> dict[tuple[str, int], dict[str, Any]]:
    """What a refresh publishes, by symbol and horizon."""
    workspace = Workspace(store)
    refresh(workspace, workspace.predictor)
    index = workspace.published.index()
    assert index is not None
    documents = [json.loads(workspace.published.read(entry)) for entry in index.entries.values()]
    return {(f["symbol"], f["horizon"]): f for document in documents for f in document["forecasts"]}


# a setting other than its default in every section that changes a forecast
SETTINGS = (
    ("sentiment.half_life=2.0",),
    ('symbols=["S00", "S02"]',),  # the lake holds others as well, which must not change what is said of these
    ('features.groups=["returns", "context"]', "features.horizons=[2, 7]"),
    ("features.sentiment=false",),
    ("model.attention=false",),
    ("training.direction_weight=0.0", "training.seeds=[3, 4]"),
    ("split.train_end=2014-08-01", "split.valid_end=2014-12-01"),
    ("folds.folds=2", "sources.when_stale=ignore"),
)


@pytest.mark.parametrize("changed", SETTINGS, ids=lambda changed: changed[0].partition("=")[0])
def test_server_command_line_and_python_agree_to_the_bit(
    store: str, changed: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    config = Config.read(None, [*QUICK, *changed])
    train(store, config, workers=1)
    saved = Path(store) / "models" / "forecasts"
    for from_saved in (True, False):  # what training saved, then computed anew
        if not from_saved:
            for file in saved.glob("*.json"):
                file.unlink()
        by_python = {
            (f.symbol, f.horizon): f.to_json()
            for horizon in config.features.horizons
            for symbol in ("S00", "S02", "S03")
            for f in tenor.predict(store, [symbol], horizon=horizon)
        }
        capsys.readouterr()
        for (symbol, horizon), forecast in by_python.items():
            assert main(["predict", symbol, "--horizon", str(horizon), "--store", store, "--json"]) == 0
            printed = json.loads(capsys.readouterr().out)
            printed.pop("stale")
            assert printed == forecast
        live = OnDemand(store, seconds=120)
        assert {key: next(f for f in live(key[0]) if f["horizon"] == key[1]) for key in by_python} == by_python
    served = published(store)
    assert {key: served[key] for key in by_python} == by_python


def test_a_saved_forecast_is_used_only_for_the_same_inputs(store: str) -> None:
    train(store, Config.read(None, QUICK), workers=1)
    (before,) = tenor.predict(store, ["S00"])
    lake = Lake(store)
    frame = lake.bars().frame
    last = frame["session"].max()
    changed = frame[(frame["symbol"] == "S01") & (frame["session"] == last)].copy()
    changed[["open", "high", "low", "close", "adj_close"]] *= 1.5
    lake.append_bars(Bars(changed), source="test")
    (after,) = tenor.predict(store, ["S00"])
    assert after.session == before.session
    assert after.expected_return != before.expected_return  # the market of S00 moved
    (saved,) = (Path(store) / "models" / "forecasts").glob("*.json")
    saved.write_text("{")
    assert tenor.predict(store, ["S00"]) == [after]  # a damaged copy is computed anew


def test_what_is_kept_is_no_condition_for_a_refresh_or_a_training(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    train(store, Config.read(None, QUICK), workers=1)
    (before,) = tenor.predict(store, ["S00"])
    put = FolderStore.put

    def denied(self: FolderStore, key: str, *args: Any, **kwargs: Any) -> str:
        if key.startswith("forecasts/"):
            raise StoreError(f"{key!r} can't be written: access denied.")
        return put(self, key, *args, **kwargs)

    monkeypatch.setattr(FolderStore, "put", denied)
    assert published(store)["S00", 1] == before.to_json()
    # the champion's graph is damaged: it can't forecast, and the version just trained is registered all the same
    champion = Workspace(store).registry.champion()
    graph = Path(store) / "models" / "versions" / champion / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    result = train(store, Config.read(None, [*QUICK, "training.seeds=[5]"]), workers=1)
    assert result.forecaster.version in Workspace(store).registry.versions()


def test_a_refresh_on_aws_may_write_every_table_and_what_is_kept() -> None:
    template = (Path(__file__).parents[1] / "deployment" / "template.yaml").read_text(encoding="utf-8")
    objects = template.partition("Sid: Objects")[2].partition("- Sid:")[0]
    folders = set(re.findall(r"\$\{Bucket\.Arn\}/([\w/]+)/\*", objects))
    assert folders == {table.name for table in TABLES} | {"serving", "models/forecasts"}


def test_a_symbol_unseen_in_training_changes_nothing_for_the_others(store: str, bars_of: Callable[..., Bars]) -> None:
    train(store, Config.read(None, QUICK), workers=1)
    before = tenor.predict(store, ["S00", "S01"])
    more = bars_of(symbols=6, sessions=400, seed=5, first="2013-09-03").select(["S05"])
    Lake(store).append_bars(more, source="test")
    (Path(store) / "models" / "forecasts").rename(Path(store) / "elsewhere")
    after = tenor.predict(store, ["S00", "S05", "S01"])
    assert [after[0], after[2]] == before
    assert after[1].symbol == "S05"
    served = published(store)
    assert served["S05", 1] == after[1].to_json()
    assert served["S00", 1] == before[0].to_json()


def test_two_configurations_see_their_own_sentiment(store: str, bars_of: Callable[..., Bars]) -> None:
    """A second way to make daily sentiment from the same news changes nothing for the model of the first."""
    lake = Lake(store)
    lake.append_news(news_of(lake.bars()))
    first = Config.read(None, [*QUICK, "sentiment.window=60"])
    second = Config.read(None, [*QUICK, "sentiment.window=3", "sentiment.repeats=1.0", "training.seeds=[9]"])
    one = train(store, first, workers=1).forecaster
    workspace = Workspace(store)

    def seen(recipe_of: Any) -> str:
        daily = workspace.daily_sentiment(recipe_of.recipe.sentiment, calendar="XNYS")
        assert daily is not None
        return daily.fingerprint()

    before, forecast = seen(one), tenor.predict(store, ["S00"], version=one.version)
    other = train(store, second, workers=1).forecaster
    assert seen(other) != before
    assert seen(one) == before
    assert seen(load(workspace.registry, one.version)) == before
    assert tenor.predict(store, ["S00"], version=one.version) == forecast
    # both are kept for queries, each under the key of its settings
    for config in (first, second):
        key = settings_key(config.sentiment, "XNYS")
        assert lake.sentiment(settings=key) is not None
    assert settings_key(first.sentiment, "XNYS") != settings_key(second.sentiment, "XNYS")


def test_every_setting_that_changes_daily_sentiment_changes_its_key() -> None:
    changed = {
        "margin_minutes": 30, "half_life": 2.0, "window": 3, "repeats": 1.0, "once": True, "model": "elsewhere",
    }  # fmt: skip
    keys = {settings_key(SentimentConfig(**{name: value}), "XNYS") for name, value in changed.items()}
    keys |= {settings_key(SentimentConfig(), "XNYS"), settings_key(SentimentConfig(), "XLON")}
    assert len(keys) == len(changed) + 2
    # which one of a lake's it is does not change how it is made
    assert settings_key(SentimentConfig(source="news"), "XNYS") == settings_key(SentimentConfig(), "XNYS")


def test_news_that_comes_later_does_not_replace_what_a_model_was_trained_on(store: str) -> None:
    trained = train(store, Config.read(None, QUICK), workers=1).forecaster
    assert trained.recipe.sentiment.source == "imported"
    before = tenor.predict(store, ["S00"])
    lake = Lake(store)
    lake.append_news(news_of(lake.bars()))
    assert tenor.predict(store, ["S00"]) == before
    assert Workspace(store).resolve_sentiment(SentimentConfig(), calendar="XNYS").source == "news"
    missing = SentimentConfig(source="nobody's")
    with pytest.raises(DataError, match=r"sentiment.source is \"nobody's\", and .* \(it has 'imported'\)"):
        Workspace(store).daily_sentiment(missing, calendar="XNYS")


def test_reading_never_writes(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    lake = Lake(store)
    lake.append_news(news_of(lake.bars()))
    train(store, Config.read(None, QUICK), workers=1)
    lake.append_news(  # not scored yet
        News(
            pd.DataFrame(
                [("0" * 16, pd.Timestamp("2015-03-02 15:00", tz="UTC"), "S00", "The outlook was cut.", "test", "")],
                columns=["id", "published_at", "symbol", "text", "source", "url"],
            )
        )
    )

    def contents() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in Path(store).rglob("*") if p.is_file()}

    before = contents()
    for verb in (["predict", "S00"], ["data", "status"], ["models", "list"], ["models", "show"]):
        assert main([*verb, "--store", store]) == 0
        assert contents() == before, verb
    # what evaluation and the report ask for: the new item is scored, and not kept
    workspace = Workspace(store)
    scored = workspace.scored_news(SentimentConfig(), symbols=["S00"])
    assert scored is not None
    assert "The outlook was cut." in scored.news.frame["text"].tolist()
    assert workspace.daily_sentiment(SentimentConfig(), calendar="XNYS") is not None
    assert contents() == before
    assert workspace.daily_sentiment(SentimentConfig(), calendar="XNYS", save=True) is not None
    assert contents() != before


def test_a_lake_of_before_is_refused_in_one_line(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    (Path(store) / "mood").mkdir()
    (Path(store) / "mood" / "1795733746837226000-62a700884a35c85e.parquet").write_bytes(b"")
    capsys.readouterr()
    assert main(["data", "status", "--store", store]) == 1
    error = capsys.readouterr().err
    assert "was written by an older tenor" in error
    assert error.count("\n") == 1
