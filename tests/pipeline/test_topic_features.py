"""Topics as daily features: fitted before the training part ends, pinned by version, the same whoever forecasts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tenor
from tenor.calendars import exchange
from tenor.cli import main
from tenor.config import Config, FoldConfig
from tenor.errors import ConfigError, DataError, ModelError
from tenor.inference.news_effect import kinds_of
from tenor.pipeline.evaluate import evaluate
from tenor.pipeline.inputs import last_trained
from tenor.pipeline.news_value import _moments, _with_topics
from tenor.pipeline.topic_features import with_topics
from tenor.pipeline.topics import fit, rename
from tenor.pipeline.train import train
from tenor.pipeline.upload import upload
from tenor.schema import Bars, News, news_id
from tenor.store import Lake
from tenor.workspace import Workspace

QUICK = [
    "features.topics=2", "features.kinds=[]", "features.sentiment=false", "features.horizons=[1]", "training.seeds=[0]",
    "training.epochs=1", "model.lookback=5", "model.hidden=4", "model.attention_size=4", "model.linear=false",
]  # fmt: skip
LINES = (
    "The firm raises its quarterly dividend and buys back shares in plan {}",
    "Board lifts the dividend for shareholders and keeps the payout in year {}",
    "Judge lets the antitrust lawsuit against the firm go ahead in case {}",
    "The firm is sued over patents and the court will hear the lawsuit in room {}",
)
LATER = ("A storm closes the harbour and cargo ships wait at berth {}", "Rain floods the depot in street {}")


def news_of(bars: Bars, lines: tuple[str, ...], days: pd.DatetimeIndex, *, first: int = 0) -> News:
    """Each line about each of two symbols, on every session of `days` one."""
    rows = []
    for i, day in enumerate(days, start=first):
        for symbol in bars.symbols[:2]:
            text = lines[i % len(lines)].format(i)
            moment = exchange("XNYS").close(day) - pd.Timedelta(hours=3)
            rows.append((news_id("desk", text + symbol), moment, symbol, text, "desk", ""))
    return News(pd.DataFrame(rows, columns=["id", "published_at", "symbol", "text", "source", "url"]))


@pytest.fixture(scope="module")
def config() -> Config:
    return Config.read(None, QUICK)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, bars_of: Callable[..., Bars], config: Config) -> Path:
    """Bars of 260 sessions, with news of two topics in the training part."""
    folder = tmp_path_factory.mktemp("topics") / "lake"
    bars = bars_of(symbols=3, sessions=260)
    store = Lake(folder)
    store.append_bars(bars, source="made")
    days = pd.DatetimeIndex(bars.frame["session"].unique())
    store.append_news(news_of(bars, LINES, days[days <= last_trained(config, bars)][-60:]))
    return folder


@pytest.fixture(scope="module")
def trained(lake: Path, config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of `lake` with topics, after news of the time after its training part had come."""
    folder = tmp_path_factory.mktemp("trained") / "lake"
    shutil.copytree(lake, folder)
    bars = Lake(folder).bars()
    days = pd.DatetimeIndex(bars.frame["session"].unique())
    Lake(folder).append_news(news_of(bars, (*LINES, *LATER), days[-20:], first=900))
    train(str(folder), config, workers=1)
    return folder


def topic_columns(store: Path) -> dict[str, np.ndarray]:
    """The values of the features of topics by name, [session, symbol], as the champion of `store` sees them."""
    workspace = Workspace(str(store))
    recipe = workspace.predictor().recipe
    panel = recipe.panel(workspace.bars(None, calendar="XNYS"), workspace.model_news(recipe))
    return {n: panel.values[:, :, i] for i, n in enumerate(panel.features) if n.startswith("news_topic")}


def test_a_training_pins_its_topics_and_their_counts_are_those_of_the_items(trained: Path) -> None:
    workspace = Workspace(str(trained))
    recipe = workspace.predictor().recipe
    topics = workspace.topics.version(recipe.sentiment.topics_model)
    assert isinstance(recipe.features.kinds, tuple)
    assert sorted(recipe.features.kinds) == sorted(workspace.topic_names(recipe.sentiment) or ())
    assert workspace.topics.current_if_any() is None  # those of the user are the user's
    until = pd.Timestamp(recipe.split["train"][1])
    assert pd.Timestamp(topics.settings["until"]) == exchange("XNYS").close(until) - pd.Timedelta(minutes=15)
    assert topics.settings["items"] == 60
    daily = workspace.model_news(recipe)
    assert daily is not None
    assert daily.kinds is not None
    n = daily.kinds.frame.groupby("kind")["n"].sum()
    assert n[""] == 160
    assert n[list(recipe.features.kinds)].sum() == 160  # each item has one
    assert (n[list(recipe.features.kinds)] > 20).all()
    assert len(topic_columns(trained)) == 12


def test_a_later_fit_and_new_names_change_nothing_of_a_trained_model(trained: Path, tmp_path: Path) -> None:
    store = tmp_path / "lake"
    upload(str(trained), str(store))
    before = topic_columns(store)
    recipe = Workspace(str(store)).predictor().recipe
    fit(str(store), k=2, until=Workspace(str(store)).topics.version(recipe.sentiment.topics_model).settings["until"])
    assert Workspace(str(store)).topics.current().version == recipe.sentiment.topics_model
    rename(str(store), "0", "mine")
    rename(str(store), "1", "yours")
    fit(str(store), k=2, until=Workspace(str(store)).topics.current().settings["until"])
    assert Workspace(str(store)).topics.current().names == ("mine", "yours")
    fit(str(store), k=3)
    after = topic_columns(store)
    assert list(after) == list(before)
    assert all(after[name].tobytes() == values.tobytes() for name, values in before.items())
    assert main(["predict", "S00", "--store", str(store), "--json"]) == 0
    assert main(["refresh", "--store", str(store)]) == 0


def test_news_after_the_training_part_change_no_bit_of_the_topics(lake: Path, trained: Path, config: Config) -> None:
    pinned = []
    for store in (lake, trained):
        workspace = Workspace(str(store))
        made = with_topics(workspace, config, last_trained(config, workspace.bars(None, calendar="XNYS")))
        pinned.append(made.sentiment.topics_model)
    assert pinned[0] == pinned[1] == Workspace(str(trained)).predictor().recipe.sentiment.topics_model


def test_a_topic_without_later_items_stays_a_feature(trained: Path) -> None:
    workspace = Workspace(str(trained))
    recipe = workspace.predictor().recipe
    bars = workspace.bars(None, calendar="XNYS")
    days = pd.DatetimeIndex(bars.frame["session"].unique())[-4:]
    panel = recipe.panel(bars, workspace.sentiment_of(news_of(bars, LINES[:1], days), recipe))
    assert [name for name in panel.features if name.startswith("news_topic")] == list(topic_columns(trained))


def test_ablate_counts_topics_that_know_nothing_of_its_tests(trained: Path, config: Config) -> None:
    workspace = Workspace(str(trained))
    bars = workspace.bars(None, calendar="XNYS")
    plain = replace(config, features=replace(config.features, topics=False))

    def build(made: Config) -> list[object]:
        return _moments(workspace, made, bars=bars, own=None, texts=None)  # type: ignore[return-value]

    without = build(plain)
    until = pd.Timestamp(workspace.predictor().recipe.split["train"][1])
    made = _with_topics(workspace, config, until, named=True, texts=None, otherwise=without, build=build)  # type: ignore[arg-type]
    assert [moment for moment, *_ in made] == ["close", "open"]
    for _, panel, _ in made:
        assert len([kind for kind in kinds_of(panel.features) if kind.startswith("topic_")]) == 2
    early = pd.Timestamp(bars.frame["session"].min())
    assert _with_topics(workspace, plain, early, named=False, texts=None, otherwise=without, build=build) is without  # type: ignore[arg-type]
    with pytest.raises(DataError, match="has no news published before"):
        _with_topics(workspace, plain, early, named=True, texts=None, otherwise=without, build=build)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (["features.topics=1"], ConfigError, "features.topics is 1; it must be at least 2"),
        (["features.topics=50"], DataError, "too few for 50 topics"),
        (["sentiment.topics_model='0123456789ab'"], ModelError, "has no topics of version 0123456789ab"),
        (["features.topics=false", "features.kinds=['topic:oil']"], DataError, "no topics are counted: set features"),
        (["features.kinds=['topic:oil']"], ConfigError, "'topic:oil', and there is no kind of news of that name"),
    ],
)
def test_what_can_not_be_is_one_line(lake: Path, settings: list[str], error: type, message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        train(str(lake), Config.read(None, [*QUICK, *settings]), workers=1)
    assert "\n" not in str(raised.value)
    assert not list(Path(lake).glob("models/versions/*"))


def test_topics_that_know_later_news_or_another_encoder_are_refused(
    trained: Path, config: Config, tmp_path: Path
) -> None:
    store = tmp_path / "lake"
    shutil.copytree(trained, store)
    workspace = Workspace(str(store))
    model = fit(str(store), k=2).model
    pinned = replace(config, sentiment=replace(config.sentiment, topics_model=model.version))
    with pytest.raises(ConfigError, match=r"fitted on all news, and the training part ends.*--until"):
        train(str(store), pinned, workers=1)
    other = workspace.topics.save_version(
        replace(model, encoder="another", settings={**model.settings, "until": "2014-03-01T00:00:00+00:00"})
    )
    foreign = replace(config, sentiment=replace(config.sentiment, topics_model=other.version))
    with pytest.raises(ModelError, match="fitted on embeddings of another, and the scorer is"):
        train(str(store), foreign, workers=1)


def test_folds_that_test_what_topics_know_are_refused(trained: Path, config: Config, tmp_path: Path) -> None:
    folds = FoldConfig(folds=3, valid_sessions=20, test_sessions=45)
    with pytest.raises(ConfigError, match=r"\[folds\] test from .* and the topics of version .* fitted on news up to"):
        evaluate(str(trained), config=replace(config, folds=folds), report=tmp_path / "report.html")


def test_without_news_topics_are_refused(tmp_path: Path, bars_of: Callable[..., Bars], config: Config) -> None:
    store = tmp_path / "lake"
    Lake(store).append_bars(bars_of(symbols=2, sessions=260), source="made")
    with pytest.raises(DataError, match=r"features.topics is set, and .* has no daily counts"):
        train(str(store), config, workers=1)


def test_a_saved_model_of_a_frame_takes_its_topics_along(trained: Path, tmp_path: Path) -> None:
    tenor.load(trained).save(tmp_path / "saved")
    saved, before = topic_columns(tmp_path / "saved"), topic_columns(trained)
    assert {name: values.tobytes() for name, values in saved.items()} == {n: v.tobytes() for n, v in before.items()}
