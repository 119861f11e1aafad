"""Alpha Vantage's EARNINGS_CALENDAR: one request returns the coming dates of all US stocks. It needs a key."""

from __future__ import annotations

import csv
import io
import json

import pandas as pd

from tenor.errors import SourceError
from tenor.ingest.services.event_source import EARNINGS, EventAnswer, EventSource, calendar_answer, us_stock
from tenor.ingest.services.fields import format_changed
from tenor.ingest.services.prices.alphavantage import AlphaVantage, refuse_excuses
from tenor.symbols import clean_symbol


class AlphaVantageEarnings(EventSource):
    """The calendar of the next three months, as CSV. A row without a time of day belongs to the session of its day."""

    name = "alphavantage"
    default_url = AlphaVantage.default_url
    key_variables = AlphaVantage.key_variables
    gap = AlphaVantage.gap
    by_symbol = False

    def serves(self, symbol: str) -> bool:
        """Whether `symbol` is a US stock."""
        return symbol == "" or us_stock(symbol)

    def events(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp) -> EventAnswer:  # noqa: ARG002
        """See `EventSource`."""
        params = {"function": "EARNINGS_CALENDAR", "horizon": "3month", "apikey": self.key()}
        body = self.get_text("/query", form="csv", params=params)
        if body.lstrip()[:1] == b"{":  # refusals come as JSON, with status 200
            self._refuse(body)
        text = body.decode("utf-8-sig", "replace")
        try:
            lines = list(csv.reader(io.StringIO(text)))
        except csv.Error:
            raise format_changed(self.name, "symbol") from None
        header = [name.strip() for name in lines[0]] if lines else []
        for column in ("symbol", "reportDate"):
            if column not in header:
                raise format_changed(self.name, column)
        if len(lines) > 1 and not text.endswith("\n") and len(lines[-1]) < len(header):
            raise SourceError(f"{self.name} sent a calendar that is cut off: try later.", kind="malformed")
        listed = [dict(zip(header, line, strict=False)) for line in lines[1:] if line]
        rows = [
            (own, row.get("reportDate", ""), row.get("timeOfTheDay", "").strip().lower() == "post-market")
            for row in listed
            if (own := clean_symbol(row["symbol"])) and us_stock(own)
        ]
        days = [day for _, day, _ in rows]
        answer = calendar_answer(rows, kind=EARNINGS, now=now, covered=_last_day(days))
        if answer.frame.empty:
            # the whole market always has some dates: an empty answer must not withdraw them
            raise SourceError(f"{self.name} sent a calendar without a usable date: try later.", kind="malformed")
        return answer

    def _refuse(self, body: bytes) -> None:
        try:
            value = json.loads(body)
        except ValueError:
            raise format_changed(self.name, "symbol") from None
        refuse_excuses(self, value if isinstance(value, dict) else {})
        raise format_changed(self.name, "symbol")


def _last_day(days: list[str]) -> pd.Timestamp:
    read = pd.to_datetime(pd.Series(days, dtype="str"), format="%Y-%m-%d", errors="coerce").dropna()
    return pd.Timestamp("1970-01-01") if read.empty else pd.Timestamp(read.max())
