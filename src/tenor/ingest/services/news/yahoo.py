"""Yahoo Finance's search: the latest headlines of a symbol, and the company's name."""

from __future__ import annotations

import pandas as pd

from tenor.ingest.services.fields import field_at
from tenor.ingest.services.news_source import NewsAnswer, NewsSource, news_answer
from tenor.symbols import clean_symbol

_COUNT = 50


class YahooNews(NewsSource):
    """The search service. It has no archive: older items can't be fetched later."""

    name = "yahoo"
    default_url = "https://query1.finance.yahoo.com"
    browsers_only = True

    def serves(self, symbol: str) -> bool:
        """True for every symbol."""
        return bool(symbol)

    def items(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp) -> NewsAnswer:
        """See `NewsSource`. Items whose related tickers lack `symbol` are left out."""
        params = {"q": symbol, "newsCount": str(_COUNT), "quotesCount": "1"}
        body = self.get_json("/v1/finance/search", params=params)
        news = field_at(body, "news", source=self.name)
        about = [item for item in news if symbol in map(_symbol, item.get("relatedTickers") or [symbol])]
        quotes = body.get("quotes") or []
        named = {q["symbol"]: q.get("longname") or q.get("shortname") for q in quotes if q.get("symbol") == symbol}
        return news_answer(
            (
                (
                    field_at(item, "providerPublishTime", source=self.name),
                    symbol,
                    field_at(item, "title", source=self.name),
                    item.get("link"),
                )
                for item in about
            ),
            since=since,
            now=now,
            names={symbol: str(title) for symbol, title in named.items() if title},
        )


def _symbol(text: object) -> str:
    return clean_symbol(str(text)) or str(text)
