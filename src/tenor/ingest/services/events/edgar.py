"""SEC EDGAR's public JSON: when a company filed results, by the items of its 8-K filings."""

from __future__ import annotations

import re
import threading
from typing import Any

import numpy as np
import pandas as pd

from tenor.calendars import market_of
from tenor.errors import SourceError
from tenor.ingest.services.event_source import (
    EARNINGS,
    EXPECTED,
    EventAnswer,
    EventSource,
    event_frame,
    reacting_session,
    us_stock,
)
from tenor.ingest.services.fields import field_at, format_changed
from tenor.schema import Bool

_TICKERS = "https://www.sec.gov"
"""Where the table of tickers is; everything else is at `Edgar.default_url`."""
_RESULTS = "2.02"
"""The item of 8-K for results of operations and financial condition."""
_A_YEAR = pd.Timedelta(weeks=52)
"""52 weeks, to the same day of the week."""
_COLUMNS = ("form", "items", "filingDate", "acceptanceDateTime")
_ZONE = "America/New_York"
_PAGE = re.compile(r"CIK\d{10}-submissions-\d{1,4}\.json")
# these forms are filed the next day if they are accepted after 17:30; the forms of insiders have other rules
_FILED_BY_CLOCK = ("8-K", "8-K/A", "10-K", "10-Q")
_LAST_FILING = 17 * 60 + 30
_YEARS = pd.Timestamp("1993-01-01"), pd.Timestamp("2200-01-01")
"""Plausible times of acceptance: from the first electronic filings to the end of calendars."""
_OPEN, _CLOSE = 6 * 60, 22 * 60
"""First and last minute of New York's day at which filings are accepted."""


class Edgar(EventSource):
    """Filings with item 2.02 of form 8-K. The event's session is the first whose close is after the acceptance.

    Amendments (8-K/A) are not new results. Of several filings before one close, the first counts. Foreign companies
    file 6-K, which has no items. Filings appear together with the results, so their dates are not known in advance.
    Known in advance, also in the past, is when to expect results from those of the year before: the kind `EXPECTED`,
    52 weeks after each.
    """

    name = "edgar"
    default_url = "https://data.sec.gov"
    key_variables = ("EDGAR_IDENTITY",)
    key_is = "a contact, as SEC asks of programs (your name and e-mail address)"
    gap = 0.15

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lock = threading.Lock()
        self._ciks: dict[str, int] | SourceError | None = None

    def serves(self, symbol: str) -> bool:
        """Whether `symbol` is a US stock."""
        return us_stock(symbol)

    def events(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp) -> EventAnswer:
        """See `EventSource`."""
        cik = self._cik(symbol)
        filings = field_at(self._asked(f"/submissions/CIK{cik:010d}.json"), "filings", source=self.name)
        recent = self._table(field_at(filings, "recent", source=self.name))
        tables = [recent]
        for page in filings.get("files") or ():
            name = field_at(page, "name", source=self.name)
            last = pd.to_datetime(page.get("filingTo"), format="%Y-%m-%d", errors="coerce", utc=True)
            if not (isinstance(name, str) and _PAGE.fullmatch(name)):
                raise format_changed(self.name, "files.name")
            if pd.isna(last) or last + pd.Timedelta(days=2) >= since:
                tables.append(self._table(self._asked(f"/submissions/{name}")))
        table = pd.concat(tables, ignore_index=True)
        note = ""
        if not table["form"].str.startswith("8-K").any() and table["form"].str.startswith("6-K").any():
            note = f"{symbol} files 6-K, as foreign companies do: its filings have no items that tell results"
        known = accepted_at(table)
        results = ((table["form"] == "8-K") & table["items"].map(_has_results)).to_numpy()
        unread = results & known.isna().to_numpy()
        chosen = results & ((known >= since) & (known <= now)).to_numpy()
        moments = known[chosen]
        sessions = market_of(symbol).exchange.session_of(moments, margin=pd.Timedelta(0))
        frame = pd.DataFrame({"symbol": symbol, "session": sessions, "kind": EARNINGS, "known_since": moments})
        first = frame.dropna(subset=["session"]).sort_values("known_since").drop_duplicates("session")
        return EventAnswer(event_frame(pd.concat([first, _expected(first)])), refused=int(unread.sum()), note=note)

    def _cik(self, symbol: str) -> int:
        """The CIK (number of the company) of `symbol`; the table of all tickers is requested only once."""
        with self._lock:
            if self._ciks is None:
                try:
                    self._ciks = self._all_ciks()
                except SourceError as error:
                    self._ciks = error
        if isinstance(self._ciks, SourceError):
            raise SourceError(str(self._ciks), kind=self._ciks.kind)
        if symbol not in self._ciks:
            raise SourceError(f"{self.name} has no company of the ticker {symbol}.", kind="unknown")
        return self._ciks[symbol]

    def _all_ciks(self) -> dict[str, int]:
        base = _TICKERS if self.url == self.default_url else self.url
        body = self._asked("/files/company_tickers.json", base=base)
        if not isinstance(body, dict) or not body:
            raise format_changed(self.name, "company_tickers")
        ciks: dict[str, int] = {}
        for row in body.values():
            ticker, cik = (field_at(row, key, source=self.name) for key in ("ticker", "cik_str"))
            if not isinstance(ticker, str) or not str(cik).isdigit() or int(cik) >= 10**10:
                raise format_changed(self.name, "company_tickers.cik_str")
            ciks.setdefault(ticker.upper().replace(".", "-"), int(cik))
        return ciks

    def _asked(self, path: str, *, base: str = "") -> Any:
        """The JSON at `path`, requested with the contact that the SEC asks for."""
        url = (base or self.url) + path
        try:
            return self.http.get_json(url, source=self.name, headers={"User-Agent": self._contact()}, gap=self.gap)
        except SourceError as error:
            if error.kind != "refused" or "403" not in str(error):
                raise
            raise SourceError(
                f"{self.name} refuses the request (403): SEC wants {self.key_variables[0]} to name a person and an "
                "e-mail address, and rests senders of more than 10 requests a second for some minutes.",
                kind="refused",
            ) from None

    def _contact(self) -> str:
        contact = self.key()
        if "@" not in contact or not (contact.isascii() and contact.isprintable()):
            raise SourceError(
                f"{self.name} needs a contact: set {self.key_variables[0]} to a name and an e-mail address in plain "
                "letters, such as 'Ada Example ada@example.org'.",
                kind="refused",
            )
        return contact

    def _table(self, columns: Any) -> pd.DataFrame:
        """The columns of filings, each a list, as a frame of texts."""
        lists = {name: field_at(columns, name, source=self.name) for name in _COLUMNS}
        if not all(isinstance(each, list) for each in lists.values()) or len({*map(len, lists.values())}) != 1:
            raise format_changed(self.name, "filings.form")
        return pd.DataFrame({name: pd.Series(list(map(_text, each)), dtype="str") for name, each in lists.items()})


def _expected(results: pd.DataFrame) -> pd.DataFrame:
    """The days on which next year's results are expected, known since this year's results were filed."""
    days = (results["session"] + _A_YEAR).dt.strftime("%Y-%m-%d")
    sessions = [reacting_session(s, day, after_close=False) for s, day in zip(results["symbol"], days, strict=True)]
    expected = results.assign(session=pd.Series(sessions, index=results.index, dtype="datetime64[us]"), kind=EXPECTED)
    return expected.dropna(subset=["session"]).drop_duplicates("session")


def accepted_at(table: pd.DataFrame) -> pd.Series[Any]:
    """When each filing was accepted (UTC); NaT if that can't be read.

    ``acceptanceDateTime`` ends in Z, but for about every fifth company it is New York's time, not UTC. All filings of a
    company together show which it is: none is accepted at night, and a filing accepted by 17:30 has the date of that
    day, a later one that of the next day. If the filings do not decide, New York's time is used: it is the later
    moment, so that nothing counts as known too early.

    Parameters
    ----------
    table
        The filings of one company, with the columns ``form``, ``filingDate`` and ``acceptanceDateTime`` as texts.
    """
    texts = table["acceptanceDateTime"].where(table["acceptanceDateTime"].str.endswith("Z"))
    clock = pd.to_datetime(texts.str.removesuffix("Z"), format="ISO8601", errors="coerce").astype("datetime64[us]")
    clock = clock.where(clock.between(*_YEARS))
    filed = pd.to_datetime(table["filingDate"], format="%Y-%m-%d", errors="coerce").astype("datetime64[us]")
    by_clock = table["form"].isin(_FILED_BY_CLOCK).to_numpy()
    utc = clock.dt.tz_localize("UTC")
    # of an hour that occurs twice, the later one is used; nothing is filed at that hour anyway
    later = np.zeros(len(clock), dtype=bool)
    local = clock.dt.tz_localize(_ZONE, ambiguous=later, nonexistent="shift_forward").dt.tz_convert("UTC")
    against_utc = _impossible(utc.dt.tz_convert(_ZONE).dt.tz_localize(None), filed, by_clock)
    against_local = _impossible(clock, filed, by_clock)
    if against_utc.sum() < against_local.sum():
        return utc.where(~(against_utc & ~against_local), local)
    return local.where(~(against_local & ~against_utc), utc)


def _impossible(clock: pd.Series[Any], filed: pd.Series[Any], by_clock: Bool) -> Bool:
    """Which filings can't have been accepted at the time `clock` in New York."""
    minute = clock.dt.hour * 60 + clock.dt.minute
    closed = (minute < _OPEN) | (minute > _CLOSE) | (clock.dt.day_of_week >= 5)
    same_day = filed == clock.dt.normalize()
    by_then = minute <= _LAST_FILING
    misfiled = filed.notna() & ((by_then & ~same_day) | (~by_then & same_day))
    return np.asarray(clock.notna() & (closed | (misfiled & by_clock)))


def _has_results(items: str) -> bool:
    return _RESULTS in (item.strip() for item in items.split(","))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
