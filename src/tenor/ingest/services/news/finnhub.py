"""Finnhub's company news of US stocks. It needs a key, which goes in a header."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tenor.calendars import market_of, parts_of
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import VARIABLES, Keys
from tenor.ingest.services.news.answer import NewsAnswer, news_answer
from tenor.ingest.services.prices.answer import changed, reach

URL = "https://finnhub.io"
_GAP = 1.0


@dataclass(frozen=True)
class Finnhub:
    """The company-news endpoint: a year back at most."""

    http: Http
    keys: Keys
    url: str = URL
    name: str = "finnhub"
    by_symbol: bool = True

    def serves(self, symbol: str) -> bool:
        """US stocks."""
        return market_of(symbol).calendar == "XNYS" and parts_of(symbol)[1] == ""

    def items(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp) -> NewsAnswer:
        """See `NewsSource`."""
        headers = {"X-Finnhub-Token": self.keys.get(VARIABLES[self.name][0], self.name)}
        params = {"symbol": symbol, "from": f"{since:%Y-%m-%d}", "to": f"{now:%Y-%m-%d}"}
        url = f"{self.url}/api/v1/company-news"
        body = self.http.get_json(url, source=self.name, params=params, headers=headers, gap=_GAP)
        if not isinstance(body, list):
            raise changed(self.name, "company-news")
        return news_answer(
            (
                (
                    reach(item, "datetime", source=self.name),
                    symbol,
                    reach(item, "headline", source=self.name),
                    item.get("url"),
                )
                for item in body
            ),
            since=since,
            now=now,
        )
