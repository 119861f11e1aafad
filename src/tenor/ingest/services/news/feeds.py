"""RSS and Atom: any feed, and a set of finance feeds by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self
from urllib.parse import quote
from xml.parsers import expat

import pandas as pd

from tenor.config import SourcesConfig
from tenor.errors import ConfigError, SourceError, did_you_mean, one_line
from tenor.ingest.services.feed_parser import FeedParser
from tenor.ingest.services.news_source import NewsAnswer, NewsSource, news_answer

if TYPE_CHECKING:
    from tenor.ingest.services.http import Http
    from tenor.ingest.services.keys import SourceKeys

FEEDS = {
    "yahoo-symbol": "https://feeds.finance.yahoo.com/rss/2.0/headline?s={symbol}&region=US&lang=en-US",
    "google-symbol": "https://news.google.com/rss/search?q={symbol}+stock&hl=en-US&gl=US&ceid=US:en",
    "nasdaq-symbol": "https://www.nasdaq.com/feed/rssoundbound?symbol={symbol}",
    "seeking-alpha-symbol": "https://seekingalpha.com/api/sa/combined/{symbol}.xml",
    "marketwatch": "https://feeds.content.dowjones.io/public/rss/mw_topstories",
    "wsj-markets": "https://feeds.content.dowjones.io/public/rss/RSSMarketsMain",
    "cnbc": "https://search.cnbc.com/rs/search/combinedcms/view.xml?partnerId=wrss01&id=100003114",
    "sec-press": "https://www.sec.gov/news/pressreleases.rss",
    "fed-press": "https://www.federalreserve.gov/feeds/press_all.xml",
    "ecb-press": "https://www.ecb.europa.eu/rss/press.html",
    "coindesk": "https://www.coindesk.com/arc/outboundfeeds/rss/",
}
"""From names to addresses of feeds; those with ``{symbol}`` are requested for each symbol, the others once."""
LARGEST = 2 << 20
"""Largest feed, in bytes. The parser was measured to take one to two seconds per megabyte of ordinary items."""
LARGEST_BROKEN = 256 << 10
"""Largest feed that is not well-formed, in bytes; measured were up to four seconds per megabyte."""
DEEPEST = 64
"""Largest depth of nested elements."""
PARSER = FeedParser()


class Feed(NewsSource):
    """One feed; `from_config` creates all feeds of ``sources.feeds``.

    Parameters
    ----------
    http
        Sends the requests.
    keys
        Keys of all services; a feed needs none.
    url
        The address of the feed; ``{symbol}`` in it stands for the symbol.
    name
        The name of the feed in messages, and the source of its items.
    """

    name = "feeds"

    def __init__(self, http: Http, keys: SourceKeys, url: str, name: str) -> None:
        super().__init__(http, keys, url)
        self.name = name
        self.by_symbol = "{symbol}" in url

    @classmethod
    def from_config(cls, config: SourcesConfig, http: Http, keys: SourceKeys) -> list[Self]:
        """The feeds whose names or addresses are in `config`; a mirror serves all named feeds.

        Raises
        ------
        ConfigError
            A text is neither a known name nor an address.
        """
        mirror = config.url(cls.name, "")
        sources = []
        for text in config.feeds:
            if text.startswith(("http://", "https://")):
                # without the query, which may contain a token
                address, name = text, re.sub(r"^https?://", "", text).split("?")[0][:60]
            elif text in FEEDS:
                address, name = FEEDS[text], text
                if mirror:
                    address = re.sub(r"^https?://[^/]+", mirror, address)
            else:
                hint = did_you_mean(text, FEEDS) or f" Known: {', '.join(FEEDS)}."
                raise ConfigError(f"unknown feed {text!r} in sources.feeds: give a name or an address.{hint}")
            sources.append(cls(http, keys, address, f"feed {name}"))
        return sources

    def serves(self, symbol: str) -> bool:
        """True for every symbol."""
        return bool(symbol) or not self.by_symbol

    def items(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp) -> NewsAnswer:
        """See `NewsSource`. An item whose time has no zone is refused, because it may not be UTC."""
        url = self.url.replace("{symbol}", quote(symbol, safe=""))
        body = self.http.get_text(url, source=self.name, form="xml")
        self._require_modest(body)
        try:
            parsed = PARSER.parse(body)
        except TimeoutError:
            what = f"a feed of {len(body) / 1e6:.2f} MB whose parsing took too long"
            raise SourceError(f"{self.name} sent {what}: it is not read.", kind="malformed") from None
        except OSError as error:
            raise SourceError(
                f"{self.name} can't be parsed ({one_line(error, 80)}): try later.", kind="away"
            ) from error
        if not parsed.is_feed:
            raise SourceError(f"{self.name} sent what is neither RSS nor Atom: check its address.", kind="malformed")
        if parsed.broken and not parsed.entries:
            raise SourceError(f"{self.name} sent a feed that is cut off or broken: try later.", kind="malformed")
        about = symbol if self.by_symbol else ""
        return news_answer(
            ((published, about, title, link) for published, title, link in parsed.entries),
            since=since,
            now=now,
        )

    def _require_modest(self, body: bytes) -> None:
        """Refuse feeds that would take the parser too long; it reads a broken feed a second time, and more slowly."""
        sound = _well_formed(body)
        if len(body) > (LARGEST if sound else LARGEST_BROKEN):
            what = "a feed" if sound else f"a feed that is broken, or nested more than {DEEPEST} deep,"
            raise SourceError(f"{self.name} sent {what} of {len(body) / 1e6:.1f} MB: it is not read.", kind="malformed")


def _well_formed(body: bytes) -> bool:
    """Whether `body` is well-formed XML of ordinary depth; this takes some milliseconds per megabyte."""
    depth = 0

    def opened(_name: str, _attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise ValueError

    def closed(_name: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = opened, closed
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError):
        return False
    return True
