"""Finnhub's earnings calendar of US stocks. It needs a key, which goes in a header."""

from __future__ import annotations

import pandas as pd

from tenor.errors import SourceError
from tenor.ingest.services.event_source import EARNINGS, EventAnswer, EventSource, calendar_answer, us_stock
from tenor.ingest.services.fields import field_at, format_changed
from tenor.ingest.services.news.finnhub import Finnhub
from tenor.symbols import dotted

AHEAD = pd.Timedelta(days=120)
"""How far ahead dates are requested."""


class FinnhubEarnings(EventSource):
    """The calendar: a day, and whether the results come before the open (bmo), in the session (dmh) or after (amc)."""

    name = "finnhub"
    default_url = Finnhub.default_url
    key_variables = Finnhub.key_variables
    gap = Finnhub.gap

    def serves(self, symbol: str) -> bool:
        """Whether `symbol` is a US stock."""
        return us_stock(symbol)

    def events(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp) -> EventAnswer:  # noqa: ARG002
        """See `EventSource`."""
        until = (now + AHEAD).tz_localize(None).normalize()
        params = {"symbol": dotted(symbol), "from": f"{now:%Y-%m-%d}", "to": f"{until:%Y-%m-%d}"}
        body = self.get_json("/api/v1/calendar/earnings", params=params, headers={"X-Finnhub-Token": self.key()})
        listed = field_at(body, "earningsCalendar", source=self.name)
        if not isinstance(listed, list):
            raise format_changed(self.name, "earningsCalendar")
        rows = []
        for row in listed:
            day, own = field_at(row, "date", source=self.name), row.get("symbol")
            if own in (None, "", symbol, dotted(symbol)):
                rows.append((symbol, day, row.get("hour") == "amc"))
        answer = calendar_answer(rows, kind=EARNINGS, now=now, covered=until)
        if rows and answer.refused == len(rows):
            raise SourceError(
                f"{self.name} sent {len(rows)} dates of {symbol}, none of which can be read: see 'tenor data doctor'.",
                kind="malformed",
            )
        return answer
