"""Sessions and markets: which session a moment belongs to, where a symbol trades, several markets on one axis."""

from __future__ import annotations

import exchange_calendars
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.calendars import MARKET_SUFFIXES, Exchange, exchange, known_rows, market_of, parts_of
from tenor.errors import ConfigError, DataError

NEW_YORK, LONDON, TOKYO = "America/New_York", "Europe/London", "Asia/Tokyo"

# calendar, local time, zone, margin in minutes, session
MOMENTS = [
    # an ordinary Friday, the cut-off at 16:00 itself
    ("XNYS", "2015-06-12 15:59:59.999999", NEW_YORK, 0, "2015-06-12"),
    ("XNYS", "2015-06-12 16:00:00", NEW_YORK, 0, "2015-06-15"),
    ("XNYS", "2015-06-12 17:00:00", NEW_YORK, 0, "2015-06-15"),
    ("XNYS", "2015-06-13 12:00:00", NEW_YORK, 0, "2015-06-15"),
    ("XNYS", "2015-06-15 09:00:00", NEW_YORK, 0, "2015-06-15"),
    # a margin moves the cut-off, not the close
    ("XNYS", "2015-06-12 15:44:59", NEW_YORK, 15, "2015-06-12"),
    ("XNYS", "2015-06-12 15:45:00", NEW_YORK, 15, "2015-06-15"),
    # half days close at 13:00: the day after Thanksgiving, Christmas Eve, the day before Independence Day
    ("XNYS", "2014-11-28 12:59:59", NEW_YORK, 0, "2014-11-28"),
    ("XNYS", "2014-11-28 13:00:00", NEW_YORK, 0, "2014-12-01"),
    ("XNYS", "2014-11-28 12:44:59", NEW_YORK, 15, "2014-11-28"),
    ("XNYS", "2014-11-28 12:45:00", NEW_YORK, 15, "2014-12-01"),
    ("XNYS", "2014-12-24 14:00:00", NEW_YORK, 0, "2014-12-26"),
    ("XNYS", "2014-07-03 13:30:00", NEW_YORK, 0, "2014-07-07"),
    # holidays: Thanksgiving, Good Friday, New Year's Day
    ("XNYS", "2014-11-27 10:00:00", NEW_YORK, 0, "2014-11-28"),
    ("XNYS", "2015-04-03 10:00:00", NEW_YORK, 0, "2015-04-06"),
    ("XNYS", "2015-12-31 16:00:00", NEW_YORK, 0, "2016-01-04"),
    ("XNYS", "2016-01-01 12:00:00", NEW_YORK, 0, "2016-01-04"),
    # summer time begins on Sunday 2015-03-08: the close moves from 21:00 to 20:00 UTC
    ("XNYS", "2015-03-06 20:59:59", "UTC", 0, "2015-03-06"),
    ("XNYS", "2015-03-06 21:00:00", "UTC", 0, "2015-03-09"),
    ("XNYS", "2015-03-09 19:59:59", "UTC", 0, "2015-03-09"),
    ("XNYS", "2015-03-09 20:00:00", "UTC", 0, "2015-03-10"),
    ("XNYS", "2015-03-09 20:30:00", "UTC", 0, "2015-03-10"),
    # and ends on Sunday 2015-11-01
    ("XNYS", "2015-10-30 20:00:00", "UTC", 0, "2015-11-02"),
    ("XNYS", "2015-11-02 20:30:00", "UTC", 0, "2015-11-02"),
    ("XNYS", "2015-11-02 21:00:00", "UTC", 0, "2015-11-03"),
    # the repeated hour of that night, both times round
    ("XNYS", "2015-11-01 05:30:00", "UTC", 0, "2015-11-02"),
    ("XNYS", "2015-11-01 06:30:00", "UTC", 0, "2015-11-02"),
    # midnight UTC is the evening before in New York
    ("XNYS", "2015-06-10 00:00:00", "UTC", 0, "2015-06-10"),
    ("XNYS", "2015-06-09 23:59:59", "UTC", 0, "2015-06-10"),
    ("XNYS", "2015-06-13 00:00:00", "UTC", 0, "2015-06-15"),
    # the same instant in other zones
    ("XNYS", "2015-06-13 04:59:59", TOKYO, 0, "2015-06-12"),
    ("XNYS", "2015-06-13 05:00:00", TOKYO, 0, "2015-06-15"),
    # London closes at 16:30, at 12:30 on Christmas Eve; its summer time begins three weeks after New York's
    ("XLON", "2015-06-12 16:29:59", LONDON, 0, "2015-06-12"),
    ("XLON", "2015-06-12 16:30:00", LONDON, 0, "2015-06-15"),
    ("XLON", "2015-12-24 12:30:00", LONDON, 0, "2015-12-29"),
    ("XLON", "2015-08-31 12:00:00", LONDON, 0, "2015-09-01"),
    ("XLON", "2015-03-27 16:29:59", "UTC", 0, "2015-03-27"),
    ("XLON", "2015-03-30 15:29:59", "UTC", 0, "2015-03-30"),
    ("XLON", "2015-03-30 15:30:00", "UTC", 0, "2015-03-31"),
    # Tokyo closed at 15:00 until November 2024 (15:30 since), and keeps no summer time
    ("XTKS", "2015-06-12 14:59:59", TOKYO, 0, "2015-06-12"),
    ("XTKS", "2015-06-12 15:00:00", TOKYO, 0, "2015-06-15"),
    ("XTKS", "2015-06-12 05:59:59", "UTC", 0, "2015-06-12"),
    ("XTKS", "2024-11-05 15:29:59", TOKYO, 0, "2024-11-05"),
    ("XTKS", "2015-05-04 10:00:00", TOKYO, 0, "2015-05-07"),
    # what never closes has a session a UTC day, its cut-off at the next midnight
    ("24/7", "2015-06-13 00:00:00", "UTC", 0, "2015-06-13"),
    ("24/7", "2015-06-13 23:59:59", "UTC", 0, "2015-06-13"),
    ("24/7", "2015-06-13 23:45:00", "UTC", 15, "2015-06-14"),
    # a margin longer than the session still names exactly one
    ("XNYS", "2015-06-11 16:00:00", NEW_YORK, 1440, "2015-06-15"),
    ("XNYS", "2015-06-11 15:59:59", NEW_YORK, 1440, "2015-06-12"),
]


@pytest.mark.parametrize(("calendar", "local", "zone", "margin", "session"), MOMENTS)
def test_a_moment_belongs_to_the_first_session_whose_cut_off_lies_after_it(
    calendar: str, local: str, zone: str, margin: int, session: str
) -> None:
    moments = pd.Series([pd.Timestamp(local, tz=zone)])
    sessions = exchange(calendar).session_of(moments, margin=pd.Timedelta(minutes=margin))
    assert sessions.tolist() == [pd.Timestamp(session)]
    assert sessions.dtype == "datetime64[us]"


def test_every_moment_of_a_year_lies_between_the_cut_offs_around_it() -> None:
    new_york, margin = exchange("XNYS"), pd.Timedelta(minutes=15)
    moments = pd.Series(pd.date_range("2014-12-20", "2015-12-31", freq="37min", tz="UTC"))
    sessions = new_york.session_of(moments, margin=margin)
    assert sessions.is_monotonic_increasing
    for session, of_session in moments.groupby(sessions):
        assert of_session.max() < new_york.close(session) - margin
        assert of_session.min() >= new_york.close(new_york.following(session, -1)) - margin


def test_index_order_and_resolution_of_the_moments_do_not_matter() -> None:
    moments = pd.Series(
        pd.DatetimeIndex(["2015-06-15 21:00", "2015-06-12 15:00"], tz="UTC").as_unit("ns"), index=["late", "early"]
    )
    sessions = exchange("XNYS").session_of(moments, margin=pd.Timedelta(0))
    assert sessions.to_dict() == {"late": pd.Timestamp("2015-06-16"), "early": pd.Timestamp("2015-06-12")}


@pytest.mark.parametrize("moment", ["1989-12-29 12:00", "2199-01-01 12:00", None])
def test_where_the_calendar_does_not_reach_there_is_no_session(moment: str | None) -> None:
    moments = pd.Series(pd.DatetimeIndex([moment, "2015-06-12 12:00"], tz="UTC"))
    assert exchange("XNYS").session_of(moments, margin=pd.Timedelta(0)).isna().tolist() == [True, False]


def test_no_moments_have_no_sessions() -> None:
    none = pd.Series([], dtype="datetime64[us, UTC]")
    assert exchange("XNYS").session_of(none, margin=pd.Timedelta(0)).empty


def test_moments_without_a_zone_are_refused() -> None:
    with pytest.raises(DataError, match="no time zone: convert them to UTC"):
        exchange("XNYS").session_of(pd.Series([pd.Timestamp("2015-06-12")]), margin=pd.Timedelta(0))


@pytest.mark.parametrize(
    ("session", "utc"),
    [("2015-06-12", "20:00"), ("2015-01-05", "21:00"), ("2014-11-28", "18:00"), ("2014-07-03", "17:00")],
)
def test_closes_know_half_days_and_summer_time(session: str, utc: str) -> None:
    assert exchange("XNYS").close(pd.Timestamp(session)) == pd.Timestamp(f"{session} {utc}", tz="UTC")


def test_the_close_of_a_holiday_is_refused() -> None:
    with pytest.raises(DataError, match="2014-11-27 is not a session of XNYS"):
        exchange("XNYS").close(pd.Timestamp("2014-11-27"))


@pytest.mark.parametrize(
    ("session", "count", "expected"),
    [
        ("2015-06-12", 1, "2015-06-15"),
        ("2015-06-12", 5, "2015-06-19"),
        ("2015-06-12", -1, "2015-06-11"),
        ("2015-06-13", 1, "2015-06-15"),
        ("2014-11-26", 1, "2014-11-28"),
    ],
)
def test_following_counts_sessions(session: str, count: int, expected: str) -> None:
    assert exchange("XNYS").following(pd.Timestamp(session), count) == pd.Timestamp(expected)


def test_following_past_the_calendar_is_refused() -> None:
    with pytest.raises(DataError, match="no session 100000 after 2015-06-12"):
        exchange("XNYS").following(pd.Timestamp("2015-06-12"), 100_000)


def test_sessions_include_both_ends_and_no_holiday() -> None:
    week = exchange("XNYS").sessions(pd.Timestamp("2014-11-24"), pd.Timestamp("2014-11-28"))
    assert [f"{day:%d}" for day in week] == ["24", "25", "26", "28"]
    assert week.tz is None


def test_an_unknown_calendar_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"unknown exchange calendar 'XNSY'\. Did you mean 'XNYS'"):
        Exchange("XNSY")


def test_the_last_session_over_at_a_moment() -> None:
    ny = exchange("XNYS")
    close = pd.Timestamp("2024-06-28 20:00", tz="UTC")
    assert ny.last_closed(close) == pd.Timestamp("2024-06-28")
    assert ny.last_closed(close - pd.Timedelta(microseconds=1)) == pd.Timestamp("2024-06-27")
    assert ny.last_closed(pd.Timestamp("2024-06-30 12:00", tz="Asia/Tokyo")) == pd.Timestamp("2024-06-28")
    with pytest.raises(DataError, match="no session that was over"):
        ny.last_closed(pd.Timestamp("1950-01-01", tz="UTC"))
    days = ny.sessions(pd.Timestamp("2024-07-02"), pd.Timestamp("2024-07-05"))
    closes = ny.closes(days)
    assert [f"{c:%d %H:%M}" for c in closes] == ["02 20:00", "03 17:00", "05 20:00"]  # the 3rd closes early
    assert list(ny.closed_by(closes)) == list(days)
    with pytest.raises(DataError, match="2024-07-04 is not a session of XNYS"):
        ny.closes(pd.DatetimeIndex(["2024-07-04"]))


def test_sessions_per_year_annualise() -> None:
    assert exchange("24/7").sessions_per_year == pytest.approx(365.25, abs=0.3)
    assert exchange("XNYS").sessions_per_year == pytest.approx(251.7, abs=0.7)


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
    assert {calendar for calendar, _ in MARKET_SUFFIXES.values()} <= set(exchange_calendars.get_calendar_names())
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


@settings(max_examples=60)
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


@pytest.mark.parametrize(
    ("moment", "at_the_close", "at_the_open"),
    [
        ("2024-07-02 19:44", "2024-07-02", "2024-07-02"),
        ("2024-07-02 19:45", "2024-07-03", "2024-07-02"),
        ("2024-07-03 13:14", "2024-07-03", "2024-07-02"),
        ("2024-07-03 13:15", "2024-07-03", "2024-07-03"),
        ("2024-07-03 17:00", "2024-07-05", "2024-07-03"),  # a half day, then Independence Day
        ("2024-07-05 13:14", "2024-07-05", "2024-07-03"),
        ("2024-07-07 12:00", "2024-07-08", "2024-07-05"),  # a Sunday
    ],
)
def test_at_the_open_the_night_belongs_to_the_session_before_it(
    moment: str, at_the_close: str, at_the_open: str
) -> None:
    moments = pd.Series([pd.Timestamp(moment, tz="UTC")])
    margin = pd.Timedelta(minutes=15)
    new_york = exchange("XNYS")
    assert new_york.session_of(moments, margin=margin)[0] == pd.Timestamp(at_the_close)
    assert new_york.session_of(moments, margin=margin, as_of="open")[0] == pd.Timestamp(at_the_open)


@pytest.mark.parametrize("calendar", ["24/7", "24/7@1h"])
def test_a_market_that_never_closes_has_one_moment(calendar: str) -> None:
    always = exchange(calendar)
    pd.testing.assert_index_equal(always.cut_offs("open"), always.cut_offs("close"), check_names=False)


def test_within_a_day_only_the_last_bar_has_another_moment() -> None:
    hours = exchange("XNYS@1h")
    sessions = hours.sessions(pd.Timestamp("2024-07-02 13:00"), pd.Timestamp("2024-07-02 21:00"))
    places = [hours._place(session) for session in sessions]
    nights = hours.cut_offs("open")[places] - hours.cut_offs("close")[places]
    assert [night / pd.Timedelta(hours=1) for night in nights] == [0, 0, 0, 0, 0, 0, 17.5]


@pytest.mark.parametrize("axis", ["XNYS", "XTKS", "24/7", "XLON", "XNYS@1h"])
@pytest.mark.parametrize("own", ["XNYS", "XTKS", "24/7", "24/5", "XETR"])
def test_another_market_knows_nothing_after_the_moment_of_the_axis(axis: str, own: str) -> None:
    interval = "@1h" if "@" in axis else ""
    other, rows = exchange(own + interval), exchange(axis)
    days = other.sessions(pd.Timestamp("2023-11-20"), pd.Timestamp("2024-03-20"))
    place = [other._place(day) for day in days]
    cut_offs = other.cut_offs("open", axis=axis)[place]
    closes = other.closes(days)
    assert (cut_offs >= closes).all()
    assert cut_offs.is_monotonic_increasing
    # the row that shows a session is the first one whose close knows it; its forecast is made before the next open
    every = rows.sessions(pd.Timestamp("2023-11-01"), pd.Timestamp("2024-04-20"))
    row = rows.closes(every).searchsorted(closes)
    assert (cut_offs <= rows.opens(every)[row + 1]).all()


def test_after_the_last_session_of_a_calendar_no_open_is_known() -> None:
    new_york = exchange("XNYS")
    assert new_york.cut_offs("open")[-1] == new_york.cut_offs("close")[-1]
    assert (new_york.cut_offs("open")[:-1] == new_york.opens(new_york._sessions[1:])).all()
