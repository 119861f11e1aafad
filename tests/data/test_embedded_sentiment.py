"""The embedded sentiment: what it says of itself, and against the published posts where they are at hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tenor.calendars import exchange
from tenor.config import SentimentConfig, from_mapping
from tenor.data import SENTIMENT_FILE, embedded_bars, embedded_sentiment
from tenor.ingest.files.stocknet import read_stocknet_news
from tenor.schema import SENTIMENT_COLUMNS, News
from tenor.sentiment.daily import daily_sentiment
from tenor.sentiment.denials import put_denials_as_change
from tenor.sentiment.scorer import Scorer
from tenor.sentiment.text import clean, looks_english

FEW = ("HRG", "PTR", "CODI")  # with some 140 posts in all


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    with files("tenor.data").joinpath(SENTIMENT_FILE).open("rb") as file:
        written: dict[str, Any] = json.loads(pq.read_schema(file).metadata[b"tenor"])
    return written


@pytest.fixture(scope="module")
def some(published: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> News:
    """The posts about FEW and about one of the larger stocks."""
    folder = tmp_path_factory.mktemp("stocknet")
    (folder / "price" / "raw").mkdir(parents=True)
    for symbol in (*FEW, "GE"):
        shutil.copytree(published("stocknet-dataset") / "tweet" / "raw" / symbol, folder / "tweet" / "raw" / symbol)
    news = read_stocknet_news(folder).news
    assert news is not None
    return news


def test_it_is_a_sentiment_of_new_york_sessions_and_embedded_symbols(about: dict[str, Any]) -> None:
    frame = embedded_sentiment().frame
    assert len(frame) == about["rows"] > 20_000
    first, last = frame["session"].min(), frame["session"].max()
    assert (f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}") == ("2014-01-02", "2016-03-31")
    assert frame["session"].isin(exchange("XNYS").sessions(first, last)).all()
    assert set(frame["symbol"]) <= set(embedded_bars().symbols)
    assert frame["symbol"].nunique() > 80


def test_it_holds_numbers_alone() -> None:
    with files("tenor.data").joinpath(SENTIMENT_FILE).open("rb") as file:
        schema = pq.read_schema(file)
        assert file.seek(0, 2) < 600_000
    assert schema.names == list(SENTIMENT_COLUMNS)
    assert {str(schema.field(name).type) for name in SENTIMENT_COLUMNS[2:]} <= {"int32", "float"}


def test_its_numbers_agree_with_each_other() -> None:
    frame = embedded_sentiment().frame
    assert frame[["mean", "recent", "market_mean"]].abs().le(1).all(axis=None)
    assert (frame["positive"] + frame["negative"]).between(0, 1.0002).all()
    assert frame.loc[frame["n"] == 1, "std"].eq(0).all()
    days = frame.groupby("session")
    assert (days["n"].sum() == days["market_n"].first()).all()
    assert (days[["market_n", "market_mean"]].nunique() == 1).all(axis=None)
    first = frame.drop_duplicates("symbol")
    assert first["surprise"].eq(0).all()
    np.testing.assert_allclose(first["recent"], first["mean"], atol=1e-4)


def test_it_is_no_constant() -> None:
    """Scores of a model that always says the same would pass every other test without the datasets."""
    frame = embedded_sentiment().frame
    assert frame["mean"].std() > 0.1
    assert frame["mean"].gt(0.3).mean() > 0.02
    assert frame["mean"].lt(-0.3).mean() > 0.02


def test_the_model_and_settings_of_the_package_made_it(about: dict[str, Any]) -> None:
    assert about["model"] == Scorer.load().model_id
    assert from_mapping(SentimentConfig, about["config"]) == SentimentConfig()
    assert about["refused"] == 0
    assert about["unreadable"] < 0.05 * about["items"]


def test_counts_are_those_of_the_posts_own_times(some: News, about: dict[str, Any]) -> None:
    frame = some.frame
    readable = frame[[looks_english(clean(text)) for text in frame["text"]]]
    margin = pd.Timedelta(minutes=about["config"]["margin_minutes"])
    sessions = exchange("XNYS").session_of(readable["published_at"], margin=margin).rename("session")
    counted = readable.groupby([readable["symbol"], sessions]).size()
    embedded = embedded_sentiment().frame.set_index(["symbol", "session"])["n"]
    embedded = embedded[embedded.index.isin(frame["symbol"].unique(), level="symbol")]
    counted = counted[counted.index.get_level_values("session") <= embedded_sentiment().frame["session"].max()]
    assert counted.to_dict() == embedded.to_dict()
    assert counted.sum() > 1800


def test_denials_change_few_of_its_posts(some: News) -> None:
    texts = [clean(text) for text in some.frame["text"]]
    assert np.mean([put_denials_as_change(text) != text for text in texts]) < 0.005


def test_scores_are_those_of_the_model_of_the_package(some: News) -> None:
    frame = some.frame
    few = News(frame[frame["symbol"].isin(FEW)])
    scores = Scorer.load().score(few.frame["text"].tolist())
    fresh = daily_sentiment(few, scores).frame
    embedded = embedded_sentiment().frame
    embedded = embedded[embedded["symbol"].isin(FEW)].reset_index(drop=True)
    fresh = fresh[fresh["session"] <= embedded_sentiment().frame["session"].max()].reset_index(drop=True)
    assert fresh["session"].tolist() == embedded["session"].tolist()
    # other processors round eight-bit products alike, and float32 ones nearly so
    for column in ("mean", "std", "surprise", "recent"):
        np.testing.assert_allclose(embedded[column], fresh[column], atol=1e-3, err_msg=column)
