"""Yahoo Finance's search: the latest headlines of a symbol, and the company's name."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tenor.ingest.services.http import Http
from tenor.ingest.services.news.answer import NewsAnswer, news_answer
from tenor.ingest.services.prices.answer import reach

URL = "https://query1.finance.yahoo.com"
_COUNT = 50


@dataclass(frozen=True)
class YahooNews:
    """The search service. It has no archive: what was not fetched in time is gone."""

    http: Http
    url: str = URL
    name: str = "yahoo"
    by_symbol: bool = True

    def serves(self, symbol: str) -> bool:
        """Every symbol."""
        return bool(symbol)

    def items(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp) -> NewsAnswer:
        """See `NewsSource`. What is not about `symbol`, by its related tickers, is passed over."""
        params = {"q": symbol, "newsCount": str(_COUNT), "quotesCount": "1"}
        body = self.http.get_json(f"{self.url}/v1/finance/search", source=self.name, params=params)
        news = reach(body, "news", source=self.name)
        about = [item for item in news if symbol in (item.get("relatedTickers") or [symbol])]
        quotes = body.get("quotes") or []
        named = {q["symbol"]: q.get("longname") or q.get("shortname") for q in quotes if q.get("symbol") == symbol}
        return news_answer(
            (
                (
                    reach(item, "providerPublishTime", source=self.name),
                    symbol,
                    reach(item, "title", source=self.name),
                    item.get("link"),
                )
                for item in about
            ),
            since=since,
            now=now,
            names={symbol: str(title) for symbol, title in named.items() if title},
        )
