"""How much of a feed is read: enough for every real one, and never so much that the parser is busy for long."""

from __future__ import annotations

import pytest

from tenor.errors import SourceError
from tenor.ingest.services.feed_parser import FeedParser
from tenor.ingest.services.news import feeds

HEAD = b'<?xml version="1.0"?><rss version="2.0"><channel>'
ITEM = b"<item><title>Orders rose</title></item>"
END = b"</channel></rss>"


def checked(body: bytes) -> None:
    feed = object.__new__(feeds.Feed)
    feed.name = "feed x"
    feed._require_modest(body)


@pytest.mark.parametrize(
    "body", [HEAD + ITEM * 10_000 + END, HEAD + ITEM * 2_000, b"", HEAD + b"<a>" * 60 + b"</a>" * 60 + END]
)
def test_ordinary_feeds_and_short_broken_ones_are_read(body: bytes) -> None:
    checked(body)


@pytest.mark.parametrize(
    "body",
    [
        HEAD + b"<item><title>x" * 30_000,  # never closed
        HEAD + b"<a>" * 60_000 + b"</a>" * 60_000 + END,  # nested
        HEAD + ITEM * 70_000 + END,  # large
        b"\x00\xff" * 200_000,
    ],
)
def test_others_are_refused_before_they_are_parsed(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FeedParser, "parse", lambda *_: pytest.fail("it was parsed"))
    with pytest.raises(SourceError, match=r"feed x sent a feed.* MB: it is not read"):
        checked(body)
