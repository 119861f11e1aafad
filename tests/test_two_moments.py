"""News by kind and the two moments, the whole way: news, scores, counts, panel, training, forecasts, refresh."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tenor
from tenor import news_scoring
from tenor.calendars import exchange
from tenor.cli import main
from tenor.config import Config, SentimentConfig
from tenor.errors import ConfigError, DataError, ModelError
from tenor.inference.recipe import Recipe
from tenor.lake_forecasts import LakeForecasts
from tenor.pipeline.evaluate import evaluate
from tenor.pipeline.refresh import refresh
from tenor.pipeline.train import train
from tenor.schema import Bars, Forecast, News, news_id
from tenor.sentiment.scorer import Scorer
from tenor.serving.staleness import due
from tenor.store import Lake
from tenor.workspace import Workspace

pytestmark = pytest.mark.torch

QUICK = ("training.seeds=[0]", "training.epochs=1", "model.hidden=4", "model.lookback=10")
AT_THE_OPEN = ('features.kinds=["earnings", "any"]', "features.as_of=open")
WORDS = (
    "quarterly earnings beat estimates and the company raised its guidance",
    "regulators sue the company over its accounts",
    "the meeting is on Monday",
)


def items(*rows: tuple[pd.Timestamp, str, str]) -> News:
    frame = pd.DataFrame(list(rows), columns=["published_at", "symbol", "text"])
    ids = [news_id("test", text) for text in frame["text"]]
    return News(frame.assign(id=ids, source="test", url=""))


def night_news(bars: Bars) -> News:
    """An item in the night after every fourth session of each symbol."""
    rows = []
    for symbol in bars.symbols:
        days = bars.frame.loc[bars.frame["symbol"] == symbol, "session"].iloc[::4]
        for i, close in enumerate(exchange("XNYS").closes(pd.DatetimeIndex(days))):
            rows.append((close + pd.Timedelta(hours=2), symbol, f"{symbol}: {WORDS[i % 3]}, day {i}."))
    return items(*rows)


@pytest.fixture
def store(tmp_path: Path, bars_of: Callable[..., Bars]) -> str:
    bars = bars_of(symbols=3, sessions=320)
    lake = Lake(tmp_path)
    lake.append_bars(bars, source="test")
    lake.append_news(night_news(bars))
    return str(tmp_path)


def newest(store: str) -> dict[tuple[str, int], Forecast]:
    workspace = Workspace(store)
    run = LakeForecasts(workspace, workspace.predictor())
    return {(each.symbol, each.horizon): each for each in run.newest(run.known)}


def test_a_model_at_the_open_uses_the_night_and_nothing_later(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    train(store, Config.read(None, [*QUICK, *AT_THE_OPEN]), workers=1)
    recipe = Workspace(store).predictor().recipe
    assert (recipe.features.as_of, recipe.features.kinds) == ("open", ("earnings", "any"))
    assert recipe.with_kinds
    before = newest(store)
    one = before["S00", 1]
    assert one.before_open == exchange("XNYS").opens(pd.DatetimeIndex([one.target_session]))[0]
    assert one.news_until == one.before_open - pd.Timedelta(minutes=15)
    assert one.as_of == exchange("XNYS").close(one.session)
    assert Forecast.from_json(json.loads(json.dumps(one.to_json()))) == one
    assert not one.intraday

    # what is published from the cut-off on changes no forecast by one bit
    lake = Lake(store)
    lake.append_news(items(*((one.news_until, s, f"{s}: {WORDS[0]} late") for s in ("S00", "S01", "S02"))))
    assert newest(store) == before
    # what is published in the night before it does
    in_time = one.news_until - pd.Timedelta(seconds=1)
    lake.append_news(items(*((in_time, "S00", f"S00: {WORDS[0]} {i}") for i in range(6))))
    after = newest(store)
    assert after["S00", 1].volatility != before["S00", 1].volatility

    assert main(["predict", "S00", "--store", store, "--as-of", "open"]) == 0
    assert f"before the open of {one.before_open:%Y-%m-%d %H:%M} UTC" in capsys.readouterr().out
    assert main(["predict", "S00", "--store", store, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[0])
    assert printed["before_open"] == one.before_open.isoformat()
    assert main(["predict", "S00", "--store", store, "--as-of", "close"]) == 2
    assert "forecasts at the open, not at the close: train one with --as-of close" in capsys.readouterr().err
    assert "before_open" in tenor.load(store).predict("S00").columns

    # a refresh publishes the same, and is due again once the night's news is complete
    workspace = Workspace(store)
    refresh(workspace, workspace.predictor, now=one.as_of + pd.Timedelta(hours=1))
    index = workspace.published.index()
    assert index is not None
    document = json.loads(workspace.published.read(index.entries["S00"]))
    assert {f["horizon"]: Forecast.from_json(f) for f in document["forecasts"]}[1] == after["S00", 1]
    assert {row["session"] for row in document["items"]} >= {f"{one.session:%Y-%m-%d}"}
    moment = one.news_until.timestamp()
    assert index.head["cut_offs"][0] == moment
    soon = one.as_of.timestamp() + 3700
    assert not due(index, soon, delay=60.0)
    assert due(index, moment, delay=60.0)
    with pytest.raises(ConfigError, match=r"features.as_of is 'close', but version \w+ was trained with 'open'"):
        evaluate(store, config=Config.read(None, [*QUICK, AT_THE_OPEN[0]]), report=Path(store) / "report.html")


def test_a_model_without_kinds_is_what_it_was(store: str) -> None:
    train(store, Config.read(None, [*QUICK, "features.kinds=[]"]), workers=1)
    workspace = Workspace(store)
    recipe = workspace.predictor().recipe
    assert (recipe.features.as_of, recipe.features.kinds, recipe.with_kinds) == ("close", (), False)
    one = newest(store)["S00", 1]
    assert one.before_open is None
    assert not {"before_open", "news_until"} & set(one.to_json())

    # one of an older tenor, which knew neither kinds nor moments
    document = recipe.to_mapping()
    assert document["features"].pop("kinds") == []
    assert not {"topics", "as_of"} & set(document["features"])
    older = Recipe.from_mapping(document, recipe.version)
    assert older.to_mapping() == document
    panel = older.panel(workspace.bars(None, calendar="XNYS"), workspace.model_news(older))
    assert panel.features == recipe.scaler.features


def test_counts_are_read_while_nothing_has_come(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(store)
    config = SentimentConfig(source="news")
    first = workspace.daily_kinds(config, calendar="XNYS", as_of="open", save=True)
    assert first is not None
    assert {"earnings", "legal"} <= set(first.kinds)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("scored again")

    with monkeypatch.context() as patched:
        patched.setattr(Scorer, "score", refuse)
        again = Workspace(store).daily_sentiment(config, calendar="XNYS", as_of="open", kinds=True)
        assert again is not None
        assert again.kinds is not None
        assert again.kinds.fingerprint() == first.fingerprint()
        without = Workspace(store).daily_sentiment(config, calendar="XNYS", as_of="open")
        assert without is not None
        assert without.kinds is None
        with pytest.raises(AssertionError, match="scored again"):
            Workspace(store).daily_kinds(config, calendar="XNYS")  # the other moment
    late = pd.Timestamp(first.frame["session"].max(), tz="UTC") + pd.Timedelta(hours=23)
    Lake(store).append_news(items((late, "S00", "S00: dividend raised and shares bought back")))
    more = Workspace(store).daily_kinds(config, calendar="XNYS", as_of="open", save=True)
    assert more is not None
    assert more.frame["n"].sum() > first.frame["n"].sum()
    assert "payout" in more.kinds


@pytest.mark.parametrize("size", [1, 7, 50])
def test_the_size_of_blocks_changes_nothing(store: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    config = SentimentConfig(source="news")
    # a text's score has float noise by the batch that it is scored in: each is scored once
    Workspace(store).scored_news(config, kinds=True, save=True)
    whole = Workspace(store).daily_sentiment(config, calendar="XNYS", kinds=True)
    monkeypatch.setattr(news_scoring, "BLOCK", size)
    seen: list[tuple[int, int]] = []
    blocks = Workspace(store).daily_sentiment(
        config, calendar="XNYS", kinds=True, progress=lambda done, total: seen.append((done, total))
    )
    assert whole is not None
    assert blocks is not None
    assert blocks.fingerprint() == whole.fingerprint()
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


def test_imported_sentiment_without_kinds(store: str, tmp_path: Path) -> None:
    daily = Workspace(store).daily_sentiment(SentimentConfig(source="news"), calendar="XNYS")
    assert daily is not None
    other = str(tmp_path / "other")
    lake = Lake(other)
    lake.append_bars(Lake(store).bars(), source="test")
    lake.append_sentiment(daily, source="bought")
    workspace = Workspace(other)
    # what is only a default is left out in silence
    config, seen = workspace.training_news(Config())
    assert seen is not None
    assert config.features.kinds is None
    assert config.sentiment.source == "bought"
    with pytest.raises(DataError, match=r"features.kinds is set, and .* has no daily counts of kinds of news"):
        workspace.training_news(Config.read(None, [AT_THE_OPEN[0]]))
    with pytest.raises(DataError, match=r"as_of is open, and .* at the close alone \('bought'\) and no news: import"):
        workspace.training_news(Config.read(None, [AT_THE_OPEN[1]]))
    train(store, Config.read(None, [*QUICK, AT_THE_OPEN[0]]), workers=1)
    recipe = Workspace(store).predictor().recipe
    with pytest.raises(ModelError, match=r"with kinds of news \(earnings, any\), and the daily sentiment has no"):
        recipe.panel(lake.bars(), daily)


def test_frames_of_news_at_the_open(store: str) -> None:
    lake = Lake(store)
    features = tenor.FeatureConfig(as_of="open", kinds=("earnings",), horizons=(1,))
    settings = Config.read(None, QUICK)
    model = tenor.fit(
        lake.bars().frame,
        lake.news().frame[["published_at", "symbol", "text"]],
        dataclasses.replace(settings, features=features),
        progress=False,
    )
    assert model.predictor.recipe.with_kinds
    assert "earnings" in (model.predictor.recipe.features.kinds or ())  # the network does not read them
    assert model.forecasts("S00")[0].before_open is not None
    handed = model.forecasts(lake.bars().frame, "S00", news=lake.news().frame[["published_at", "symbol", "text"]])
    assert handed[0].volatility == model.forecasts("S00")[0].volatility
    daily = Workspace(store).daily_sentiment(SentimentConfig(source="news"), calendar="XNYS")
    with pytest.raises(ConfigError, match=r"sentiment was made at the close, and features.as_of is 'open'"):
        tenor.fit(lake.bars().frame, sentiment=daily, config=dataclasses.replace(settings, features=features))
