"""Reddit: posts about a symbol in the forums of the settings, with or without an application's id and secret."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from tenor.calendars import market_of, parts_of
from tenor.config import SourcesConfig
from tenor.ingest.services.fields import field_at
from tenor.ingest.services.news_source import NewsAnswer, NewsSource, news_answer

if TYPE_CHECKING:
    from tenor.ingest.services.http import Http
    from tenor.ingest.services.keys import SourceKeys

SIGNED_URL = "https://oauth.reddit.com"
_LENGTH = 1000
# a token counts as expired this many seconds before its end, so that it does not expire during a request
_SAFETY = 60.0


@dataclass
class _Token:
    text: str = field(default="", repr=False)
    until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


class Reddit(NewsSource):
    """The search of each forum, newest first. Without keys it reads the public pages, which Reddit may refuse."""

    name = "reddit"
    default_url = "https://www.reddit.com"
    key_variables = ("REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET")
    needs_keys = False
    gap = 1.0

    def __init__(self, http: Http, keys: SourceKeys, url: str = "", *, forums: tuple[str, ...] = ()) -> None:
        super().__init__(http, keys, url)
        # with an application's keys searches go to another host; a mirror serves both
        self.signed_url = url or SIGNED_URL
        self.forums = forums
        self._token = _Token()

    @classmethod
    def from_config(cls, config: SourcesConfig, http: Http, keys: SourceKeys) -> list[Self]:
        """One source, for the forums of `config`."""
        return [cls(http, keys, config.url(cls.name, ""), forums=config.forums)]

    def serves(self, symbol: str) -> bool:
        """Whether `symbol` is a US stock or a cryptocurrency; posts there rarely name others by symbol."""
        market = market_of(symbol)
        return bool(self.forums) and (market.kind == "crypto" or parts_of(symbol)[1] == "")

    def items(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp) -> NewsAnswer:
        """See `NewsSource`."""
        signed = all(variable in self.keys for variable in self.key_variables)
        headers = {"Authorization": f"Bearer {self._bearer()}"} if signed else {}
        word = parts_of(symbol)[0] if market_of(symbol).kind == "crypto" else symbol
        params = {"q": f'"{word}"', "restrict_sr": "1", "sort": "new", "limit": "100", "raw_json": "1"}
        posts: list[Any] = []
        for forum in self.forums:
            url = f"{self.signed_url if signed else self.url}/r/{forum}/search.json"
            body = self.http.get_json(url, source=self.name, params=params, headers=headers, gap=self.gap)
            children = field_at(body, "data", "children", source=self.name)
            posts += [field_at(child, "data", source=self.name) for child in children]
        return news_answer(
            (
                (field_at(post, "created_utc", source=self.name), symbol, _text(post, self.name), _link(post))
                for post in posts
            ),
            since=since,
            now=now,
        )

    def _bearer(self) -> str:
        with self._token.lock:
            if time.monotonic() >= self._token.until:
                body = self.http.post_json(
                    f"{self.url}/api/v1/access_token",
                    source=self.name,
                    form={"grant_type": "client_credentials"},
                    auth=(self.key(0), self.key(1)),
                )
                self._token.text = str(field_at(body, "access_token", source=self.name))
                self._token.until = time.monotonic() + float(field_at(body, "expires_in", source=self.name)) - _SAFETY
            return self._token.text


def _text(post: Any, source: str) -> str:
    title = str(field_at(post, "title", source=source))
    return f"{title} {str(post.get('selftext') or '')[:_LENGTH]}".strip()


def _link(post: Any) -> str:
    return f"https://www.reddit.com{post['permalink']}" if post.get("permalink") else ""
