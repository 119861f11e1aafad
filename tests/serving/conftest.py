"""A small lake with a trained champion and published forecasts, and the service running on a port of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from browsing import CHROMIUM, Open
from serving import Running, Serve, clock_of, run_refresh, run_service, written_news

from tenor.calendars import exchange
from tenor.schema import Bars
from tenor.serving.limits import Limits
from tenor.serving.published import PublishedForecasts, published_forecasts
from tenor.serving.service import Service
from tenor.serving.view import View
from tenor.storage.object_store import open_store


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, bars_of: Callable[..., Bars]) -> Path:
    """A lake of six symbols with news and a champion; not to be changed."""
    from tenor.config import Config
    from tenor.pipeline.train import train
    from tenor.store import Lake

    store = tmp_path_factory.mktemp("served") / "lake"
    bars = bars_of(symbols=6, sessions=420, seed=5)
    lake = Lake(store)
    lake.append_bars(bars, source="test")
    lake.append_news(written_news(bars))
    settings = ("training.seeds=[0]", "training.epochs=1", "model.hidden=4", "model.lookback=10")
    train(str(store), Config.read(None, settings), workers=1)
    return store


@pytest.fixture(scope="session")
def published_store(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake, refreshed minutes after its last close; not to be changed."""
    store = tmp_path_factory.mktemp("published") / "lake"
    shutil.copytree(trained, store)
    from tenor.store import Lake

    last = Lake(store).bars().frame["session"].max()
    run_refresh(store, now=exchange("XNYS").close(last) + pd.Timedelta(minutes=20))
    return store


@pytest.fixture
def store(published_store: Path, tmp_path: Path) -> Path:
    """A copy of the published lake, to be changed."""
    shutil.copytree(published_store, tmp_path / "lake")
    return tmp_path / "lake"


@pytest.fixture
def published(store: Path) -> PublishedForecasts:
    """What is published in it."""
    return published_forecasts(str(store))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts services; they are stopped after the test."""
    started: list[Running] = []

    def start(published: PublishedForecasts, *, clock: Callable[[], float] | None = None, **options: Any) -> Running:
        limits = options.pop("limits", Limits())
        view = View(published, clock=clock or clock_of(published))
        service = Service(view, limits=limits, poll=options.pop("poll", 0.1), **options)
        running = run_service(service)
        started.append(running)
        return running

    yield start
    for running in started:
        running.stop()


@pytest.fixture(scope="module")
def up(published_store: Path) -> Iterator[Running]:
    """One running service for tests that change nothing."""
    published = PublishedForecasts(open_store(f"{published_store}/serving"))
    running = run_service(Service(View(published, clock=clock_of(published)), poll=0))
    yield running
    running.stop()


@pytest.fixture
def http(up: Running) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=up.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Open]:
    """Opens the page of a service; fails when the console complains or anything is asked of another place."""
    complaints: list[str] = []
    contexts = []

    def go(
        running: Running,
        fragment: str = "",
        *,
        expected: str = "",
        prepare: Callable[[Any], None] = lambda page: None,
        **options: Any,
    ) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: None if expected and expected in m.text else complaints.append(m.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request", lambda r: None if r.url.startswith((running.url, "data:", "blob:")) else complaints.append(r.url)
        )
        prepare(page)
        page.goto(f"{running.url}/{fragment}")
        return page

    yield go
    for context in contexts:
        context.close()
    assert complaints == []
