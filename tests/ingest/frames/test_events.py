"""Events in a frame, and what is said of those that can't be used."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from tenor.errors import FrameError
from tenor.ingest.frames import events_of

EVENTS = pd.DataFrame(
    {
        "Ticker": ["AAPL", "BRK.B", ""],
        "date": ["2024-05-02", "2024-05-04", "2024-06-12"],
        "kind": ["earnings", "Earnings", "fed"],
        "known_since": ["2024-04-11", "2024-04-20T09:00-04:00", "2023-08-01"],
    }
)


def test_they_are_read_as_files_are() -> None:
    rows = events_of(EVENTS).frame
    assert rows["symbol"].tolist() == ["AAPL", "BRK-B", ""]
    assert rows["kind"].tolist() == ["earnings", "earnings", "fed"]
    assert rows["known_since"].tolist()[:2] == [
        pd.Timestamp("2024-04-11T20:00Z"),  # the close of that day
        pd.Timestamp("2024-04-20T13:00Z"),
    ]
    assert events_of(events_of(EVENTS)).frame.equals(rows)


def test_days_may_be_timestamps_and_arrow_will_do() -> None:
    typed = EVENTS.assign(date=pd.to_datetime(EVENTS["date"]), known_since=pd.to_datetime("2024-04-11"))
    import pyarrow as pa

    for frame in (typed, pa.Table.from_pandas(typed)):
        assert events_of(frame).frame["session"].tolist() == list(typed["date"])


BAD: dict[str, tuple[Callable[[], pd.DataFrame], str]] = {
    "nothing says since when": (lambda: EVENTS.drop(columns="known_since"), "has no column 'known_since'"),
    "no rows": (lambda: EVENTS.iloc[:0], "the frame has no rows"),
    "known afterwards": (
        lambda: EVENTS.assign(known_since=["2024-05-09", "2024-04-20", "2023-08-01"]),
        "row 0: 'known_since' is '2024-05-09', which lies after the event itself",
    ),
    "no date": (
        lambda: EVENTS.assign(date=["2024-05-02", "soon", "2024-06-12"]),
        "row 1: 'session' is 'soon', which is no",
    ),
    "no kind": (lambda: EVENTS.assign(kind=["earnings", None, "fed"]), "row 1: 'kind' is missing"),
    "a moment without a zone": (
        lambda: EVENTS.assign(known_since=["2024-04-11 10:00", "2024-04-20", "2023-08-01"]),
        "known_since",
    ),
    "no table": (lambda: [1, 2], "not a table"),  # type: ignore[return-value]
}


@pytest.mark.parametrize("name", BAD)
def test_the_message_names_the_row(name: str) -> None:
    make, message = BAD[name]
    with pytest.raises(FrameError) as refused:
        events_of(make())
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


# what is wrong -> the frame, and how many events its mended one has
MENDED: dict[str, tuple[pd.DataFrame, int]] = {
    "no kind": (EVENTS.drop(columns="kind"), 3),
    "whole numbers as days": (EVENTS.assign(date=[20240502, 20240503, 20240612]), 3),
    "moments without a zone": (EVENTS.assign(known_since="2023-04-11T10:00"), 3),
    "lists": (EVENTS.assign(kind=[["earnings"]] * 3), 3),
    # the labels of the index are there twice: a line that drops labels would drop all rows
    "contradictions": (pd.concat([EVENTS, EVENTS.assign(known_since="2023-01-05")]), 3),
}


@pytest.mark.parametrize("name", MENDED)
def test_the_line_mends_the_frame(name: str) -> None:
    df, count = MENDED[name]
    with pytest.raises(FrameError) as refused:
        events_of(df)
    scope = {"df": df.copy(), "pd": pd}
    exec(refused.value.mend, scope)
    assert len(events_of(scope["df"]).frame) == count


@pytest.mark.parametrize(
    ("column", "value", "line"),
    [
        ("known_since", "2025-01-01", "df['known_since'] = announced  # the day on which each date was announced"),
        ("symbol", "my stock", "df['Ticker'] = symbols  # one a row, or empty for all"),
        ("date", "soon", "df['date'] = dates  # one a row: the day of the event"),
    ],
)
def test_where_no_row_can_be_used_no_line_drops_them_all(column: str, value: str, line: str) -> None:
    with pytest.raises(FrameError) as refused:
        events_of(EVENTS.assign(**{column: value}))
    assert refused.value.mend == line
