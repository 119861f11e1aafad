"""Events: how far the next known one is, how long ago the last; and nothing before it was known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.calendars import exchange
from tenor.config import FeatureConfig
from tenor.errors import ConfigError, DataError
from tenor.features import build_panel
from tenor.features.axis import Axis
from tenor.features.own import Covariates, EventKind, Own
from tenor.features.own.events import FARTHEST
from tenor.schema import Bars, Events

CONFIG = FeatureConfig(horizons=(1,), events=("earnings", "fed"))


def events(*rows: tuple[str, str, str, str]) -> Events:
    frame = pd.DataFrame(rows, columns=["symbol", "session", "kind", "known_since"])
    closes = exchange("XNYS").closes(pd.DatetimeIndex(frame["known_since"]))
    return Events(frame.assign(session=pd.to_datetime(frame["session"]), known_since=closes))


def counted(bars: Bars, made: Events, kind: str = "earnings", symbol: str = "S01") -> pd.DataFrame:
    """Sessions until the next one and since the last, `FARTHEST` where there is none."""
    axis = Axis.of(bars, "XNYS")
    grid = EventKind(kind).features(made, axis, bars.symbols)
    place = bars.symbols.index(symbol)
    lines = {n: np.expm1(line[:, place] * np.log1p(FARTHEST)).round().astype(int) for n, line in grid.items()}
    return pd.DataFrame(lines, index=axis.sessions)


def test_sessions_until_the_next_known_event_and_since_the_last(bars: Bars) -> None:
    rows = counted(bars, events(("S01", "2014-03-05", "earnings", "2014-02-27")))
    assert rows.loc["2014-02-26":"2014-03-07", "earnings_next"].tolist() == [60, 4, 3, 2, 1, 60, 60, 60]
    assert rows.loc["2014-02-26":"2014-03-07", "earnings_last"].tolist() == [60, 60, 60, 60, 60, 0, 1, 2]
    assert (rows.loc["2014-06-05":, "earnings_last"] == FARTHEST).all()


def test_the_nearest_of_several_counts_and_other_symbols_do_not(bars: Bars) -> None:
    made = events(
        ("S01", "2014-03-05", "earnings", "2014-01-06"),
        ("S01", "2014-03-07", "earnings", "2014-01-06"),
        ("S02", "2014-03-04", "earnings", "2014-01-06"),
        ("", "2014-03-06", "fed", "2014-01-06"),
    )
    assert counted(bars, made).loc["2014-03-03":"2014-03-07", "earnings_next"].tolist() == [2, 1, 2, 1, 60]
    assert counted(bars, made, "fed", "S03").loc["2014-03-05", "fed_next"] == 1


def test_an_event_on_a_day_without_a_session_counts_for_the_next(bars: Bars) -> None:
    rows = counted(bars, events(("S01", "2014-03-08", "earnings", "2014-03-03")))
    assert rows.loc["2014-03-07", "earnings_next"] == 1
    assert rows.loc["2014-03-10", "earnings_last"] == 0


def test_an_event_after_the_last_bar_is_seen_ahead(bars: Bars) -> None:
    last = Axis.of(bars, "XNYS").sessions[-1]
    day = exchange("XNYS").following(last, 3)
    rows = counted(bars, events(("S01", f"{day:%Y-%m-%d}", "earnings", "2015-01-05")))
    assert rows.loc[last, "earnings_next"] == 3


def made_up(bars: Bars, rng: np.random.Generator, count: int = 120) -> pd.DataFrame:
    days = exchange("XNYS").sessions(pd.Timestamp("2014-01-02"), pd.Timestamp("2015-09-30"))
    place = rng.integers(30, len(days), count)
    frame = pd.DataFrame(
        {
            "symbol": rng.choice(["", *bars.symbols, "ELSE"], count),
            "session": days[place],
            "kind": rng.choice(["earnings", "fed"], count),
            "known_since": exchange("XNYS").closes(days[np.maximum(place - rng.integers(0, 40, count), 0)]),
        }
    )
    return frame.drop_duplicates(["symbol", "session", "kind"])


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(70, 280))
def test_an_event_that_becomes_known_later_changes_no_earlier_row_by_a_bit(
    bars_of: Callable[..., Bars], seed: int, cut: int
) -> None:
    rng = np.random.default_rng(seed)
    bars = bars_of()
    frame = made_up(bars, rng)
    axis = Axis.of(bars, "XNYS")
    later = (frame["known_since"] > axis.closes[cut]).to_numpy()
    other = made_up(bars, rng)
    changed = pd.concat([frame[~later], other[(other["known_since"] > axis.closes[cut]).to_numpy()]])
    changed = changed.drop_duplicates(["symbol", "session", "kind"])  # what was known by then stays
    panels = [
        build_panel(bars, CONFIG, own=Own(kinds=(EventKind("earnings"), EventKind("fed")), events=Events(each)))
        for each in (frame, changed)
    ]
    before, after = (panel.values[: cut + 1] for panel in panels)
    assert before.tobytes() == after.tobytes()


def test_the_kinds_that_are_named_are_there_or_refused(bars: Bars) -> None:
    made = Covariates(events(("", "2014-03-06", "fed", "2014-01-06"), ("S01", "2014-03-05", "earnings", "2014-01-06")))
    assert Own.of(FeatureConfig(events=True), covariates=made).names == (
        "earnings_next", "earnings_last", "fed_next", "fed_last",
    )  # fmt: skip
    with pytest.raises(
        ConfigError, match=r"names 'earning', and there is no event of that kind\. Did you mean 'earnings'"
    ):
        Own.of(FeatureConfig(events=("earning",)), covariates=made)
    with pytest.raises(DataError, match=r"features\.events is set, and there are no events: import some"):
        Own.of(FeatureConfig(events=True))
    with pytest.raises(DataError, match="names 'earnings', and there are no events"):
        build_panel(bars, CONFIG, own=Own(kinds=(EventKind("earnings"),)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"known_since": pd.Timestamp("2014-03-10", tz="UTC")},
            "known only after the day of the event at S01",
        ),
        ({"known_since": pd.NaT}, "known_since is missing at S01 2014-03-05"),
        ({"kind": ""}, "the kind is missing"),
        ({"session": pd.NaT}, "'session' is missing"),
    ],
)
def test_events_that_contradict_themselves_are_refused(change: dict[str, object], message: str) -> None:
    frame = events(("S01", "2014-03-05", "earnings", "2014-03-03")).frame.copy()
    for column, value in change.items():
        frame[column] = pd.Series([value], dtype=frame[column].dtype)
    with pytest.raises(DataError, match=message):
        Events(frame)
    with pytest.raises(DataError, match="an event appears twice"):
        events(("S01", "2014-03-05", "earnings", "2014-03-03"), ("S01", "2014-03-05", "earnings", "2014-03-04"))
    with pytest.raises(DataError, match="'known_since' has no time zone"):
        Events(frame.assign(known_since=pd.Timestamp("2014-03-03")))
