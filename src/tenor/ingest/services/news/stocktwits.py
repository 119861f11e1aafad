"""StockTwits: what people write about a symbol, newest first, page by page, without a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pandas as pd

from tenor.calendars import market_of, parts_of
from tenor.ingest.services.http import Http
from tenor.ingest.services.news.answer import NewsAnswer, iso_moment, news_answer
from tenor.ingest.services.prices.answer import reach

URL = "https://api.stocktwits.com"
_PAGES = 20
_GAP = 1.0


@dataclass(frozen=True)
class StockTwits:
    """The stream of a symbol. It is read back to where the lake ends, 20 pages of 30 at most."""

    http: Http
    url: str = URL
    name: str = "stocktwits"
    by_symbol: bool = True

    def serves(self, symbol: str) -> bool:
        """US stocks and coins."""
        market = market_of(symbol)
        return market.kind == "crypto" or (market.calendar == "XNYS" and parts_of(symbol)[1] == "")

    def items(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp) -> NewsAnswer:
        """See `NewsSource`."""
        own = f"{parts_of(symbol)[0]}.X" if market_of(symbol).kind == "crypto" else symbol
        url = f"{self.url}/api/2/streams/symbol/{quote(own, safe='')}.json"
        messages: list[Any] = []
        params: dict[str, str] = {}
        for _ in range(_PAGES):
            body = self.http.get_json(url, source=self.name, params=params, gap=_GAP)
            page = reach(body, "messages", source=self.name)
            messages += page
            oldest = min((m for m in (iso_moment(item.get("created_at")) for item in page) if m), default=since)
            cursor = body.get("cursor") or {}
            if not cursor.get("more") or not cursor.get("max") or oldest <= since:
                break
            params = {"max": str(cursor["max"])}
        return news_answer(
            (
                (
                    iso_moment(reach(item, "created_at", source=self.name)),
                    symbol,
                    reach(item, "body", source=self.name),
                    f"https://stocktwits.com/message/{item.get('id', '')}",
                )
                for item in messages
            ),
            since=since,
            now=now,
        )
