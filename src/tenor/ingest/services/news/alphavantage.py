"""Alpha Vantage's NEWS_SENTIMENT: headlines of a ticker. It needs a key. Its own scores are not used."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tenor.calendars import market_of, parts_of
from tenor.ingest.services.fields import field_at
from tenor.ingest.services.news_source import NewsAnswer, NewsSource, iso_moment, news_answer
from tenor.ingest.services.prices.alphavantage import AlphaVantage, query


class AlphaVantageNews(NewsSource):
    """The news feed of Alpha Vantage. Its times have no zone; they are UTC."""

    name = "alphavantage"
    default_url = AlphaVantage.default_url
    key_variables = AlphaVantage.key_variables
    gap = AlphaVantage.gap

    def serves(self, symbol: str) -> bool:
        """Whether `symbol` is a US stock, a cryptocurrency or a currency pair."""
        return market_of(symbol).kind != "stock" or parts_of(symbol)[1] == ""

    def items(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp) -> NewsAnswer:
        """See `NewsSource`."""
        prefix = {"crypto": "CRYPTO:", "currency": "FOREX:", "stock": ""}[market_of(symbol).kind]
        ticker = prefix + (parts_of(symbol)[0] if prefix else symbol)
        params = {"function": "NEWS_SENTIMENT", "tickers": ticker, "time_from": f"{since:%Y%m%dT%H%M}"}
        body = query(self, {**params, "sort": "EARLIEST", "limit": "1000"})
        return news_answer(
            (
                (
                    _moment(field_at(item, "time_published", source=self.name)),
                    symbol,
                    field_at(item, "title", source=self.name),
                    item.get("url"),
                )
                for item in field_at(body, "feed", source=self.name)
            ),
            since=since,
            now=now,
        )


def _moment(text: Any) -> pd.Timestamp | None:
    return iso_moment(text, zoned=False)
