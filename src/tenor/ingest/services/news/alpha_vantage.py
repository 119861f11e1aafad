"""Alpha Vantage's NEWS_SENTIMENT: headlines of a ticker. It needs a key. Its own scores are not taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tenor.calendars import market_of, parts_of
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import Keys
from tenor.ingest.services.news.answer import NewsAnswer, iso_moment, news_answer
from tenor.ingest.services.prices.alpha_vantage import URL, ask
from tenor.ingest.services.prices.answer import reach


@dataclass(frozen=True)
class AlphaVantageNews:
    """The feed. Its times have no zone; they are UTC."""

    http: Http
    keys: Keys
    url: str = URL
    name: str = "alphavantage"
    by_symbol: bool = True

    def serves(self, symbol: str) -> bool:
        """US stocks, coins and currencies."""
        return market_of(symbol).kind != "stock" or parts_of(symbol)[1] == ""

    def items(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp) -> NewsAnswer:
        """See `NewsSource`."""
        prefix = {"crypto": "CRYPTO:", "currency": "FOREX:", "stock": ""}[market_of(symbol).kind]
        ticker = prefix + (parts_of(symbol)[0] if prefix else symbol)
        params = {"function": "NEWS_SENTIMENT", "tickers": ticker, "time_from": f"{since:%Y%m%dT%H%M}"}
        body = ask(self.http, self.keys, self.url, self.name, {**params, "sort": "EARLIEST", "limit": "1000"})
        return news_answer(
            (
                (
                    _moment(reach(item, "time_published", source=self.name)),
                    symbol,
                    reach(item, "title", source=self.name),
                    item.get("url"),
                )
                for item in reach(body, "feed", source=self.name)
            ),
            since=since,
            now=now,
        )


def _moment(text: Any) -> pd.Timestamp | None:
    return iso_moment(text, zoned=False)
