"""News from frames: the rules of files, and a message with the line that mends the frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from tenor.errors import FrameError
from tenor.ingest.frames import news_of

NOW = pd.Timestamp("2026-11-27 09:00", tz="UTC")
NEWS = pd.DataFrame(
    {
        "headline": ["Sales beat estimates", "The chief executive resigns"],
        "tickers": ["AAPL", "MSFT, AAPL"],
        "published": ["2024-05-02T20:31:00Z", "2024-05-03T08:00:00-04:00"],
    }
)


def rows(news: Any) -> list[tuple[str, str, str]]:
    frame = news.frame
    times = frame["published_at"].dt.strftime("%Y-%m-%dT%H:%M")
    return sorted(zip(frame["symbol"], times, frame["text"], strict=True))


@pytest.mark.parametrize(
    "frame",
    [
        NEWS,
        NEWS.assign(published=pd.to_datetime(NEWS["published"], utc=True)),
        NEWS.assign(published=pd.to_datetime(NEWS["published"], utc=True)).set_index("published"),
        NEWS.assign(tickers=[["AAPL"], ["MSFT", "AAPL"]]),
        NEWS.rename(columns={"headline": "Title", "tickers": "relatedTickers", "published": "providerPublishTime"}),
        pa.Table.from_pandas(NEWS),
        news_of(NEWS, now=NOW),
    ],
    ids=["texts", "times", "index", "lists", "other names", "arrow", "news"],
)
def test_every_shape_gives_the_same_news(frame: Any) -> None:
    assert rows(news_of(frame, now=NOW)) == [
        ("AAPL", "2024-05-02T20:31", "Sales beat estimates"),
        ("AAPL", "2024-05-03T12:00", "The chief executive resigns"),
        ("MSFT", "2024-05-03T12:00", "The chief executive resigns"),
    ]


BAD: dict[str, tuple[Callable[[], pd.DataFrame], str]] = {
    "a date alone": (
        lambda: NEWS.assign(published="2024-05-02"),
        "row 0: 'published' is '2024-05-02', which is a date without a time",
    ),
    "no zone": (
        lambda: NEWS.assign(published=pd.Timestamp("2024-05-02 10:00")),
        "row 0: 'published' is '2024-05-02 10:00:00', which has no zone; 2 rows have this fault",
    ),
    "no text": (lambda: NEWS.assign(headline=["Sales beat estimates", None]), "row 1: 'headline' is missing"),
    "future": (lambda: NEWS.assign(published=["2024-05-02T20:31Z", "2031-01-01T10:00Z"]), "which is from the future"),
    "no symbol": (lambda: NEWS.drop(columns="tickers"), "has no column for symbol"),
    "an odd symbol": (lambda: NEWS.assign(tickers=["AAPL", "?!"]), "row 1: 'tickers' is '?!', which"),
    "an unknown text": (lambda: NEWS.rename(columns={"headline": "what"}), "has no column for text"),
}


@pytest.mark.parametrize("name", BAD)
def test_the_message_has_the_row_and_its_line_mends_the_frame(name: str) -> None:
    make, message = BAD[name]
    with pytest.raises(FrameError) as refused:
        news_of(make(), now=NOW)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    scope = {"df": make(), "pd": pd}
    exec(refused.value.mend, scope)
    assert len(news_of(scope["df"], now=NOW).frame)


def test_a_date_alone_counts_when_its_day_is_over() -> None:
    frame = NEWS.assign(published="2024-05-02")
    with pytest.raises(FrameError) as refused:
        news_of(frame, now=NOW)
    scope = {"df": frame, "pd": pd}
    exec(refused.value.mend, scope)
    assert (news_of(scope["df"], now=NOW).frame["published_at"] == pd.Timestamp("2024-05-03", tz="UTC")).all()


def test_rows_are_dropped_by_their_place_and_not_by_a_label_that_others_have() -> None:
    frame = pd.concat([NEWS, NEWS.assign(headline=["New products", None])])
    with pytest.raises(FrameError, match="row 3: 'headline' is missing") as refused:
        news_of(frame, now=NOW)
    scope = {"df": frame}
    exec(refused.value.mend, scope)
    assert len(scope["df"]) == 3


def test_zones_here_and_not_there_are_named_with_the_row() -> None:
    times = [pd.Timestamp("2024-05-02 20:31", tz="UTC"), pd.Timestamp("2024-05-03 12:00")]
    with pytest.raises(FrameError, match="row 1: 'published' is '2024-05-03 12:00:00', which has no time zone") as bad:
        news_of(NEWS.assign(published=times), now=NOW)
    scope = {"df": NEWS.assign(published=times), "pd": pd}
    exec(bad.value.mend, scope)
    assert rows(news_of(scope["df"], now=NOW)) == rows(news_of(NEWS, now=NOW))


@pytest.mark.parametrize(
    ("column", "values", "line"),
    [
        ("headline", [1, 2], "df['headline'] = texts  # one a row"),
        ("headline", [True, False], "df = df.drop(columns='headline')"),
        ("tickers", [[], []], "df['tickers'] = symbols  # one a row"),
        ("published", ["2131-01-01T10:00Z"] * 2, "df['published'] = pd.to_datetime(times, utc=True)  # one a row"),
    ],
)
def test_where_no_row_can_be_used_no_line_drops_them_all(column: str, values: list[Any], line: str) -> None:
    with pytest.raises(FrameError) as refused:
        news_of(NEWS.assign(**{column: values}), now=NOW)
    assert refused.value.mend == line


def test_a_mapping_of_frames_becomes_one_frame() -> None:
    frames = {"AAPL": NEWS.iloc[:1].drop(columns="tickers"), "MSFT": NEWS.iloc[1:].drop(columns="tickers")}
    with pytest.raises(FrameError, match="news is a dict, not a table") as refused:
        news_of(frames, now=NOW)
    scope = {"df": frames, "pd": pd}
    exec(refused.value.mend, scope)
    assert len(news_of(scope["df"], now=NOW).frame) == 2
