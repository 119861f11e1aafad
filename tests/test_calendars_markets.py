"""Symbols to markets, and several markets on one axis of moments."""

from __future__ import annotations

import exchange_calendars
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.calendars import _SUFFIXES, exchange, known_rows, market_of, parts_of
from tenor.errors import DataError


@pytest.mark.parametrize(
    ("symbol", "calendar", "currency", "kind", "zone"),
    [
        ("AAPL", "XNYS", "USD", "stock", "America/New_York"),
        ("BRK-B", "XNYS", "USD", "stock", "America/New_York"),
        ("^GSPC", "XNYS", "USD", "stock", "America/New_York"),
        ("SAP.DE", "XETR", "EUR", "stock", "Europe/Berlin"),
        ("VOD.L", "XLON", "GBp", "stock", "Europe/London"),
        ("MC.PA", "XPAR", "EUR", "stock", "Europe/Paris"),
        ("NESN.SW", "XSWX", "CHF", "stock", "Europe/Zurich"),
        ("7203.T", "XTKS", "JPY", "stock", "Asia/Tokyo"),
        ("RELIANCE.NS", "XBOM", "INR", "stock", "Asia/Kolkata"),
        ("500325.BO", "XBOM", "INR", "stock", "Asia/Kolkata"),
        ("BTC-USD", "24/7", "USD", "crypto", "UTC"),
        ("ETH-BTC", "24/7", "BTC", "crypto", "UTC"),
        ("EURUSD=X", "24/5", "USD", "currency", "UTC"),
        ("WHAT.ZZ", "XNYS", "USD", "stock", "America/New_York"),
    ],
)
def test_the_market_of_a_symbol(symbol: str, calendar: str, currency: str, kind: str, zone: str) -> None:
    market = market_of(symbol)
    assert (market.calendar, market.currency, market.kind, market.exchange.zone) == (calendar, currency, kind, zone)


def test_every_suffix_has_a_calendar() -> None:
    assert {calendar for calendar, _ in _SUFFIXES.values()} <= set(exchange_calendars.get_calendar_names())
    assert parts_of("BTC-USD") == ("BTC", "USD")
    assert parts_of("WHAT.ZZ") == ("WHAT.ZZ", "")


def test_closes_zones_and_years_follow_the_market() -> None:
    day = pd.Timestamp("2024-06-27")
    closes = {s: market_of(s).exchange.close(day) for s in ("AAPL", "SAP.DE", "7203.T", "RELIANCE.NS", "BTC-USD")}
    assert {s: f"{c:%d %H:%M}" for s, c in closes.items()} == {
        "AAPL": "27 20:00", "SAP.DE": "27 15:30", "7203.T": "27 06:00", "RELIANCE.NS": "27 10:00",
        "BTC-USD": "28 00:00",
    }  # fmt: skip
    years = {s: market_of(s).sessions_per_year for s in ("AAPL", "BTC-USD", "EURUSD=X", "7203.T")}
    assert years["AAPL"] == pytest.approx(251.7, abs=1)
    assert years["BTC-USD"] == pytest.approx(365.25, abs=0.3)
    assert years["EURUSD=X"] == pytest.approx(260.9, abs=0.5)
    assert years["7203.T"] == pytest.approx(244.5, abs=1.5)


def test_at_new_yorks_close_what_is_known_of_each_market() -> None:
    axis = exchange("XNYS").sessions(pd.Timestamp("2024-06-26"), pd.Timestamp("2024-07-01"))
    moments = exchange("XNYS").closes(axis)
    last = {}
    for symbol in ("AAPL", "7203.T", "BTC-USD", "EURUSD=X"):
        calendar = market_of(symbol).calendar
        days = exchange(calendar).sessions(pd.Timestamp("2024-06-20"), pd.Timestamp("2024-07-05"))
        last[symbol] = [f"{days[place]:%m-%d}" for place in known_rows(days, calendar, moments)]
    assert [f"{day:%m-%d}" for day in axis] == last["AAPL"] == ["06-26", "06-27", "06-28", "07-01"]
    assert last["7203.T"] == ["06-26", "06-27", "06-28", "07-01"]
    # the coin's day ends at midnight UTC, after New York: the day before is what is known; on Monday, Sunday's
    assert last["BTC-USD"] == ["06-25", "06-26", "06-27", "06-30"]
    assert last["EURUSD=X"] == ["06-25", "06-26", "06-27", "06-28"]


@settings(max_examples=60, deadline=None)
@given(
    calendar=st.sampled_from(["XNYS", "XTKS", "XETR", "XBOM", "24/7", "24/5"]),
    anchor=st.sampled_from(["XNYS", "XTKS", "24/7"]),
    missing=st.sets(st.integers(0, 40), max_size=30),
)
def test_no_row_is_shown_before_its_close(calendar: str, anchor: str, missing: set[int]) -> None:
    span = (pd.Timestamp("2024-03-01"), pd.Timestamp("2024-04-30"))
    days = exchange(calendar).sessions(*span)
    days = days[[i for i in range(len(days)) if i not in missing]]
    moments = exchange(anchor).closes(exchange(anchor).sessions(*span))
    closes = exchange(calendar).closes(days)
    for place, moment in zip(known_rows(days, calendar, moments), moments, strict=True):
        # the last one over, and none that is not
        assert place == -1 or closes[place] <= moment
        assert place + 1 >= len(closes) or closes[place + 1] > moment


def test_days_out_of_order_and_moments_before_the_first() -> None:
    days = exchange("XNYS").sessions(pd.Timestamp("2024-06-03"), pd.Timestamp("2024-06-07"))
    with pytest.raises(DataError, match="rising"):
        known_rows(days[::-1], "XNYS", exchange("XNYS").closes(days))
    early = pd.DatetimeIndex(["2024-06-03 19:59:59", "2024-06-03 20:00:00", "1950-01-01"], tz="UTC")
    assert np.asarray(known_rows(days, "XNYS", early)).tolist() == [-1, 0, -1]
