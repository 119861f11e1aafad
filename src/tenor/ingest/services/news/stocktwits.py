"""StockTwits: posts about a symbol, newest first, page by page, without a key."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pandas as pd

from tenor.calendars import market_of, parts_of
from tenor.ingest.services.fields import field_at
from tenor.ingest.services.news_source import NewsAnswer, NewsSource, iso_moment, news_answer
from tenor.symbols import dotted

_PAGES = 20


class StockTwits(NewsSource):
    """The stream of a symbol. It is read back to the end of the lake's news, at most 20 pages of 30 posts."""

    name = "stocktwits"
    default_url = "https://api.stocktwits.com"
    gap = 1.0

    def serves(self, symbol: str) -> bool:
        """Whether `symbol` is a US stock or a cryptocurrency."""
        market = market_of(symbol)
        return market.kind == "crypto" or (market.calendar == "XNYS" and parts_of(symbol)[1] == "")

    def items(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp) -> NewsAnswer:
        """See `NewsSource`."""
        own = f"{parts_of(symbol)[0]}.X" if market_of(symbol).kind == "crypto" else dotted(symbol)
        path = f"/api/2/streams/symbol/{quote(own, safe='')}.json"
        messages: list[Any] = []
        params: dict[str, str] = {}
        for _ in range(_PAGES):
            body = self.get_json(path, params=params)
            page = field_at(body, "messages", source=self.name)
            messages += page
            oldest = min((m for m in (iso_moment(item.get("created_at")) for item in page) if m), default=since)
            cursor = body.get("cursor") or {}
            if not cursor.get("more") or not cursor.get("max") or oldest <= since:
                break
            params = {"max": str(cursor["max"])}
        return news_answer(
            (
                (
                    iso_moment(field_at(item, "created_at", source=self.name)),
                    symbol,
                    field_at(item, "body", source=self.name),
                    f"https://stocktwits.com/message/{item.get('id', '')}",
                )
                for item in messages
            ),
            since=since,
            now=now,
        )
