"""One contract for every source of news: the same items over their wire formats, whole and with faults."""

from __future__ import annotations

import dataclasses
import logging
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field

import pandas as pd
import pytest
from live import PATIENT
from services import LASTING_FAULTS, Service, serving
from wire import ENVIRONMENT, SERVICES
from world import World

from tenor.config import SourcesConfig
from tenor.errors import ConfigError, SourceError
from tenor.ingest.services import NEWS_SOURCES
from tenor.ingest.services.catalogue import news_sources
from tenor.ingest.services.fields import guarded
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys
from tenor.ingest.services.news.feeds import FEEDS, Feed
from tenor.ingest.services.news_source import NewsAnswer, NewsSource, as_news
from tenor.schema import news_id

NAMES = (*(name for name in NEWS_SOURCES if name != "feeds"), "rss", "atom")
DAYS = pd.Timedelta(days=4)


@dataclass
class Made:
    world: World
    services: dict[str, Service]
    keys: SourceKeys
    config: SourcesConfig
    slept: list[float] = field(default_factory=list)

    def source(self, name: str, http: Http) -> NewsSource:
        if name in ("rss", "atom"):
            address = f"{self.services['feeds'].url}/{name}?s={{symbol}}"
            (feed,) = Feed.from_config(dataclasses.replace(self.config, feeds=(address,)), http, self.keys)
            return feed
        config = dataclasses.replace(self.config, news=(name,))
        (source,) = news_sources(config, http, self.keys)
        return source

    def service(self, name: str) -> Service:
        return self.services["feeds" if name in ("rss", "atom") else name]


@pytest.fixture(scope="module")
def _running() -> Iterator[tuple[World, dict[str, Service]]]:
    world = World()
    world.news("AAPL", world.now)
    with serving(world) as services:
        yield world, services


@pytest.fixture
def made(_running: tuple[World, dict[str, Service]]) -> Made:
    world, services = _running
    for service in services.values():
        service.requests.clear()
        service.faults.clear()
    urls = tuple(f"{name}={service.url}" for name, service in services.items())
    config = SourcesConfig(urls=urls, forums=("stocks",), http=PATIENT)
    return Made(world, services, SourceKeys.from_environment(ENVIRONMENT), config)


@pytest.fixture
def http(made: Made) -> Iterator[Http]:
    with Http(PATIENT, keys=made.keys, sleep=made.slept.append) as client:
        yield client


def ask(made: Made, source: NewsSource) -> NewsAnswer:
    now = made.world.now
    return guarded(source.name, lambda: source.items("AAPL", since=now - DAYS, now=now))


@pytest.mark.parametrize("name", NAMES)
class TestNewsSource:
    def test_every_item_with_its_time_in_utc(self, made: Made, http: Http, name: str) -> None:
        source = made.source(name, http)
        answer = ask(made, source)
        truth = made.world.news("AAPL", made.world.now - DAYS)
        assert len(truth) == 9
        frame = answer.frame.sort_values("published_at", ignore_index=True)
        assert list(frame["published_at"]) == [item["at"].floor("s") for item in truth]
        assert answer.refused == 0
        assert set(frame["symbol"]) == {"AAPL"}
        for text, item in zip(frame["text"], truth, strict=True):
            assert item["title"] in text
        assert (frame["url"].str.startswith("http")).all()
        news = as_news(answer.frame, source.name)
        assert news.frame["id"].iloc[0] == news_id(source.name, news.frame["text"].iloc[0])

    @pytest.mark.parametrize("fault", ["429", "500", "length"])
    def test_what_passes_is_tried_again(self, made: Made, http: Http, name: str, fault: str) -> None:
        made.service(name).faults = [fault]
        assert len(ask(made, made.source(name, http)).frame) == 9

    @pytest.mark.parametrize(
        ("fault", "kind"),
        LASTING_FAULTS,
    )
    def test_what_does_not_pass_is_one_clear_error(
        self, made: Made, name: str, fault: str, kind: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        made.service(name).faults = [f"*{fault}"]
        config = dataclasses.replace(PATIENT, deadline_seconds=0.3, attempts=1) if fault == "drip" else PATIENT
        if fault == "truncated" and not SERVICES[made.service(name).name].cut_off_is_seen:
            pytest.skip("nothing in its answer says that it is cut off")
        with Http(config, keys=made.keys, sleep=made.slept.append) as http, pytest.raises(SourceError) as caught:
            ask(made, made.source(name, http))
        assert caught.value.kind == kind
        assert "\n" not in str(caught.value)
        text = "".join(traceback.format_exception(caught.value)) + caplog.text
        assert not [key for key in ENVIRONMENT.values() if key in text]

    def test_an_empty_result_is_no_items(self, made: Made, http: Http, name: str) -> None:
        source = made.source(name, http)
        future = made.world.now
        answer = source.items("AAPL", since=future, now=future)
        assert answer.frame.empty
        assert str(answer.frame["published_at"].dtype) == "datetime64[us, UTC]"


def speaking(name: str, body: bytes, kind: str = "application/json") -> None:
    SERVICES[name] = dataclasses.replace(SERVICES[name], speak=lambda *_: (200, kind, body))


@pytest.fixture
def restored() -> Iterator[None]:
    before = dict(SERVICES)
    yield
    SERVICES.update(before)


@pytest.mark.usefixtures("restored")
def test_items_without_a_usable_time_are_refused_and_counted(made: Made, http: Http) -> None:
    now = made.world.now
    dates = [
        "Thu, 27 Jun 2024 10:00:00",
        "yesterday",
        "",
        "Thu, 27 Jun 2034 10:00:00 GMT",
        "Thu, 27 Jun 2024 10:00 GMT",
    ]
    items = "".join(f"<item><title>Depot {i} opens</title><pubDate>{d}</pubDate></item>" for i, d in enumerate(dates))
    speaking("feeds", f"<rss version='2.0'><channel><title>x</title>{items}</channel></rss>".encode())
    answer = made.source("rss", http).items("AAPL", since=now - DAYS, now=now)
    assert (len(answer.frame), answer.refused) == (1, 4)
    assert answer.frame["text"].tolist() == ["Depot 4 opens"]
    speaking(
        "finnhub",
        b'[{"datetime": 0, "headline": "no time"}, {"datetime": 1719480000, "headline": ""},'
        b' {"datetime": 1719480000, "headline": "a tender \\ud83d is won", "url": null},'
        b' {"datetime": null, "headline": "x"}, {"datetime": "soon", "headline": "x"}]',
    )
    answer = made.source("finnhub", http).items("AAPL", since=now - DAYS, now=now)
    assert (len(answer.frame), answer.refused) == (1, 4)


@pytest.mark.usefixtures("restored")
def test_a_feed_that_is_none(made: Made, http: Http) -> None:
    speaking("feeds", b"just words", "text/plain")
    with pytest.raises(SourceError, match="neither RSS nor Atom"):
        ask(made, made.source("rss", http))


def test_feeds_by_name_and_by_address(made: Made, http: Http) -> None:
    config = SourcesConfig(
        feeds=(*FEEDS, "https://me.example/my.xml?token=abc"), news=("feeds",), urls=("feeds=http://127.0.0.1:9",)
    )
    sources = news_sources(config, http, made.keys)
    assert len(sources) == len(FEEDS) + 1
    assert all(feed.url.startswith("http://127.0.0.1:9/") for feed in sources[:-1])
    assert sources[-1].name == "feed me.example/my.xml"
    assert [feed.by_symbol for feed in sources[:2]] == [True, True]
    with pytest.raises(ConfigError, match=r"unknown feed 'cnb' in sources.feeds.* Did you mean 'cnbc'"):
        news_sources(dataclasses.replace(config, feeds=("cnb",)), http, made.keys)


def test_reddit_asks_for_a_token_once_and_without_keys_reads_what_is_public(made: Made, http: Http) -> None:
    source = made.source("reddit", http)
    ask(made, source)
    ask(made, source)
    paths = [path for path, _ in made.services["reddit"].requests]
    assert paths == ["/api/v1/access_token", "/r/stocks/search.json", "/r/stocks/search.json"]
    assert "bearer-token" not in repr(source)
    made.services["reddit"].requests.clear()
    made.keys = SourceKeys.from_environment({})
    assert len(ask(made, made.source("reddit", http)).frame) == 9
    assert [path for path, _ in made.services["reddit"].requests] == ["/r/stocks/search.json"]


def test_stocktwits_reads_page_by_page_back_to_where_it_stopped(made: Made, http: Http) -> None:
    now = made.world.now
    source = made.source("stocktwits", http)
    answer = source.items("AAPL", since=now - pd.Timedelta(days=25), now=now)
    assert len(answer.frame) == 51
    assert len(made.services["stocktwits"].requests) == 2


def test_sources_without_a_key_are_left_out(made: Made, http: Http) -> None:
    config = dataclasses.replace(made.config, news=("finnhub", "alphavantage", "yahoo", "reddit"))
    assert [s.name for s in news_sources(config, http, SourceKeys.from_environment({}))] == ["yahoo", "reddit"]
