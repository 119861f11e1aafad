"""Reddit: posts about a symbol in the forums that config names; with an application's id and secret, or without."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from tenor.calendars import market_of, parts_of
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import VARIABLES, Keys
from tenor.ingest.services.news.answer import NewsAnswer, news_answer
from tenor.ingest.services.prices.answer import reach

URL = "https://www.reddit.com"
SIGNED_URL = "https://oauth.reddit.com"
_GAP = 1.0
_LENGTH = 1000


@dataclass
class _Token:
    text: str = field(default="", repr=False)
    until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


@dataclass(frozen=True)
class Reddit:
    """The search of each forum, newest first. Without keys it reads the public pages, which Reddit may refuse."""

    http: Http
    keys: Keys
    forums: tuple[str, ...]
    url: str = URL
    signed_url: str = SIGNED_URL
    name: str = "reddit"
    by_symbol: bool = True
    clock: Callable[[], float] = time.monotonic
    _token: _Token = field(default_factory=_Token)

    def serves(self, symbol: str) -> bool:
        """US stocks and coins: other symbols are not how people write there."""
        market = market_of(symbol)
        return bool(self.forums) and (market.kind == "crypto" or parts_of(symbol)[1] == "")

    def items(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp) -> NewsAnswer:
        """See `NewsSource`."""
        signed = all(variable in self.keys for variable in VARIABLES[self.name])
        headers = {"Authorization": f"Bearer {self._bearer()}"} if signed else {}
        word = parts_of(symbol)[0] if market_of(symbol).kind == "crypto" else symbol
        params = {"q": f'"{word}"', "restrict_sr": "1", "sort": "new", "limit": "100", "raw_json": "1"}
        rows: list[Any] = []
        for forum in self.forums:
            url = f"{self.signed_url if signed else self.url}/r/{forum}/search.json"
            body = self.http.get_json(url, source=self.name, params=params, headers=headers, gap=_GAP)
            rows += [
                reach(post, "data", source=self.name) for post in reach(body, "data", "children", source=self.name)
            ]
        return news_answer(
            (
                (reach(post, "created_utc", source=self.name), symbol, _text(post, self.name), _link(post))
                for post in rows
            ),
            since=since,
            now=now,
        )

    def _bearer(self) -> str:
        user, secret = (self.keys.get(variable, self.name) for variable in VARIABLES[self.name])
        with self._token.lock:
            if self.clock() >= self._token.until:
                body = self.http.post_json(
                    f"{self.url}/api/v1/access_token",
                    source=self.name,
                    form={"grant_type": "client_credentials"},
                    auth=(user, secret),
                )
                self._token.text = str(reach(body, "access_token", source=self.name))
                self._token.until = self.clock() + float(reach(body, "expires_in", source=self.name)) - 60.0
            return self._token.text


def _text(post: Any, source: str) -> str:
    title = str(reach(post, "title", source=source))
    return f"{title} {str(post.get('selftext') or '')[:_LENGTH]}".strip()


def _link(post: Any) -> str:
    return f"https://www.reddit.com{post['permalink']}" if post.get("permalink") else ""
