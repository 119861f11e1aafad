"""Feeds are parsed by a process that is killed when it takes too long."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from tenor.errors import SourceError
from tenor.ingest.services.feed_parser import FeedParser, ParsedFeed
from tenor.ingest.services.news import feeds
from tenor.ingest.services.news.feeds import Feed

TIME = "<pubDate>Thu, 27 Jun 2024 10:00:00 GMT</pubDate>"
ITEM = f"<item><title>A mill opens</title><link>https://x.example/{{}}</link>{TIME}</item>"
AT = 1719482400.0


def rss(inside: str) -> bytes:
    return f"<rss version='2.0'><channel><title>x</title>{inside}</channel></rss>".encode()


# well-formed, far below the limit of size, and hours of work: the parser looks for addresses of mail in it
ENDLESS = rss(f"<item><title>t</title><author>{'a' * 1_500_000}</author></item>")
SMALL = rss(ITEM.format(1))
READ = ParsedFeed(True, False, ((AT, "A mill opens", "https://x.example/1"),))


@pytest.fixture
def parser() -> Iterator[FeedParser]:
    made = FeedParser(seconds=1.0)
    assert made.parse(SMALL) == READ  # its modules are loaded
    yield made
    made.close()


def test_a_feed_that_takes_too_long_is_given_up_and_the_next_is_read(parser: FeedParser) -> None:
    with pytest.raises(TimeoutError):
        parser.parse(ENDLESS)
    assert parser.parse(SMALL) == READ


def test_a_source_says_that_its_feed_took_too_long(parser: FeedParser, monkeypatch: pytest.MonkeyPatch) -> None:
    class Answers:
        def get_text(self, *_: object, **__: object) -> bytes:
            return ENDLESS

    monkeypatch.setattr(feeds, "PARSER", parser)
    feed = Feed(Answers(), None, "https://x.example/rss", "feed x")  # type: ignore[arg-type]
    with pytest.raises(SourceError, match=r"feed x sent a feed of 1.50 MB whose parsing took too long: it is not read"):
        feed.items("", since=None, now=None)  # type: ignore[arg-type]


def test_threads_get_each_their_own_answer(parser: FeedParser) -> None:
    answers: dict[int, ParsedFeed] = {}

    def ask(number: int) -> None:
        answers[number] = parser.parse(rss(ITEM.format(number) * number))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for number, answer in answers.items():
        assert answer.entries == ((AT, "A mill opens", f"https://x.example/{number}"),) * number
    assert len(answers) == 8


def test_a_process_that_was_killed_is_started_again(parser: FeedParser) -> None:
    assert parser._process is not None
    os.kill(parser._process.pid, signal.SIGKILL)
    parser._process.wait(60)
    assert parser.parse(SMALL) == READ


def test_a_large_feed_goes_through() -> None:
    parser = FeedParser()
    body = rss(ITEM.format(1) + "<!--" + "x" * 1_900_000 + "-->")
    assert parser.parse(body) == READ
    parser.close()
    assert parser.parse(SMALL) == READ
    parser.close()


def test_what_the_parser_fails_at_is_a_broken_feed(parser: FeedParser) -> None:
    for body in (b"", b"words", b"\x00" * 100, b"<rss version='2.0'><channel><item>", rss("<b>" * 2000)):
        answer = parser.parse(body)
        assert answer.entries == () or answer.broken
    assert parser.parse(SMALL) == READ


def test_a_time_without_a_zone_is_none(parser: FeedParser) -> None:
    answer = parser.parse(rss("<item><title>t</title><pubDate>Thu, 27 Jun 2024 10:00:00</pubDate></item>"))
    assert answer.entries == ((None, "t", None),)
