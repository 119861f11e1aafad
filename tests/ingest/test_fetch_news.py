"""News from services into the lake: assigned to symbols, stored once, continued from where a fetch stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest
from live import Live
from wire import SERVICES
from world import World

Make = Callable[..., Live]


@pytest.fixture
def restored() -> Iterator[None]:
    before = dict(SERVICES)
    yield
    SERVICES.update(before)


def test_each_day_brings_what_is_new(live_with: Make) -> None:
    live = live_with(World(news_days=60), news=("yahoo", "stocktwits"))
    first = live.fetch("AAPL", "SAP.DE", day="2024-06-20", news=True).news
    assert [(n.source, n.failed, n.requests) for n in first] == [("yahoo", False, 2), ("stocktwits", False, 1)]
    second = live.fetch("AAPL", "SAP.DE", day="2024-06-21", news=True).news
    assert [n.new for n in second] == [4, 2]
    assert all(n.known > 0 for n in second)
    stored = live.lake.news(["AAPL"]).frame
    yahoo = stored[stored["source"] == "yahoo"]
    assert len(yahoo) == 52  # the service gives the latest 50
    truth = live.world.news("AAPL", yahoo["published_at"].min())
    assert set(yahoo["published_at"]) == {i["at"].floor("s") for i in truth}
    assert not yahoo.duplicated(["published_at", "text"]).any()
    assert live.lake.rows("names")["name"].tolist() == ["AAPL Example Corporation", "SAP.DE Example Corporation"]


def test_a_source_that_failed_the_first_days_loses_nothing(live_with: Make) -> None:
    live = live_with(World(), news=("finnhub",))
    live.services["finnhub"].faults = ["*500"]
    failed = live.fetch("AAPL", day="2024-06-10", news=True).news[0]
    assert failed.failed
    assert failed.errors[0].startswith("finnhub at ")
    live.services["finnhub"].faults = []
    live.fetch("AAPL", day="2024-06-14", news=True)
    first = pd.Timestamp("2024-06-10 23:30", tz="UTC") - pd.Timedelta(days=30)
    assert len(live.lake.news(["AAPL"]).frame) == len(live.world.news("AAPL", first))


def test_partial_news_are_kept(live_with: Make) -> None:
    live = live_with(World(), news=("yahoo", "finnhub"))
    live.services["yahoo"].faults = ["*html"]
    yahoo, finnhub = live.fetch("AAPL", day="2024-06-20", news=True).news
    assert yahoo.failed
    assert (finnhub.failed, finnhub.new > 0) == (False, True)
    assert set(live.lake.news().frame["source"]) == {"finnhub"}


@pytest.mark.usefixtures("restored")
def test_items_of_a_general_feed_are_assigned_to_symbols_and_repeats_are_counted(live_with: Make) -> None:
    live = live_with(World(), news=("yahoo", "feeds"))
    live.fetch("AAPL", "MSFT", day="2024-06-20", news=True)  # brings the companies' names
    titles = [
        "AAPL Example wins a tender for harbour cranes in the north",
        "AAPL Example wins a tender for harbour cranes in the North!",
        "$MSFT and $AAPL: two depots, one story",
        "Weather stays fair",
    ]
    items = "".join(
        f"<item><title>{t}</title><pubDate>Thu, 20 Jun 2024 1{i}:00:00 GMT</pubDate></item>"
        for i, t in enumerate(titles)
    )
    body = f"<rss version='2.0'><channel><title>x</title>{items}</channel></rss>".encode()
    answer = (200, "application/rss+xml", body)
    SERVICES["feeds"] = dataclasses.replace(SERVICES["feeds"], speak=lambda *_: answer)
    config: Any = live.config.__class__(**{**live.config.__dict__, "feeds": ("fed-press",), "news": ("feeds",)})
    (result,) = live.fetch("AAPL", "MSFT", news=True, config=config).news
    assert (result.source, result.new, result.repeats, result.unassigned) == ("feed fed-press", 4, 1, 1)
    rows = live.lake.news().frame
    feed = rows[rows["source"] == "feed fed-press"]
    assert feed.groupby("symbol").size().to_dict() == {"AAPL": 3, "MSFT": 1}


def test_a_fetch_that_is_broken_off_keeps_what_came(live_with: Make) -> None:
    live = live_with(World())

    def progress(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        live.fetch("AAPL", "MSFT", "IBM", "KO", day="2024-06-20", progress=progress)
    assert live.lake.symbols() == ("AAPL", "MSFT")
    live.fetch("AAPL", "MSFT", "IBM", "KO")
    assert live.lake.symbols() == ("AAPL", "IBM", "KO", "MSFT")
