"""Finnhub's company news of US stocks. It needs a key, which goes in a header."""

from __future__ import annotations

import pandas as pd

from tenor.calendars import market_of, parts_of
from tenor.ingest.services.fields import field_at, format_changed
from tenor.ingest.services.news_source import NewsAnswer, NewsSource, news_answer
from tenor.symbols import dotted


class Finnhub(NewsSource):
    """The company-news endpoint, which reaches back at most one year."""

    name = "finnhub"
    default_url = "https://finnhub.io"
    key_variables = ("FINNHUB_API_KEY",)
    gap = 1.0

    def serves(self, symbol: str) -> bool:
        """Whether `symbol` is a US stock."""
        return market_of(symbol).calendar == "XNYS" and parts_of(symbol)[1] == ""

    def items(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp) -> NewsAnswer:
        """See `NewsSource`."""
        headers = {"X-Finnhub-Token": self.key()}
        params = {"symbol": dotted(symbol), "from": f"{since:%Y-%m-%d}", "to": f"{now:%Y-%m-%d}"}
        body = self.get_json("/api/v1/company-news", params=params, headers=headers)
        if not isinstance(body, list):
            raise format_changed(self.name, "company-news")
        return news_answer(
            (
                (
                    field_at(item, "datetime", source=self.name),
                    symbol,
                    field_at(item, "headline", source=self.name),
                    item.get("url"),
                )
                for item in body
            ),
            since=since,
            now=now,
        )
