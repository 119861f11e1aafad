"""The account of paper trading in the service: what a run and a reset publish, and ``GET /v1/paper``."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from paper_store import after_close, fill_lake, publish
from serving import run_service

from tenor.config import PaperConfig
from tenor.errors import StoreError
from tenor.pipeline.paper import reset, run, show
from tenor.serving.client import Client
from tenor.serving.published import PublishedForecasts, published_forecasts
from tenor.serving.schemas import PaperResponse, from_plain
from tenor.serving.service import Service
from tenor.serving.view import View

DAY, NEXT = "2020-01-06", "2020-01-07"
EACH = PaperConfig(rule="each", volatility=0.10, cap=1.0, cost=10.0, capital=10_000.0)
VOLATILITY = {"CALM": 0.10 / np.sqrt(252), "WILD": 0.40 / np.sqrt(252)}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    fill_lake(tmp_path, tuple(VOLATILITY), until=DAY)
    publish(tmp_path, DAY, VOLATILITY)
    return tmp_path


def account_of(store: Path) -> PaperResponse:
    published = published_forecasts(str(store)).paper()
    assert published is not None
    return from_plain(PaperResponse, json.loads(published.data))


def test_a_run_publishes_what_show_shows(store: Path) -> None:
    assert published_forecasts(str(store)).paper() is None
    run(str(store), EACH, now=after_close(DAY))
    waiting = account_of(store).account
    assert waiting is not None
    assert (waiting.positions, waiting.fills, waiting.curve, waiting.turnover) == ((), (), None, None)
    assert {order.symbol for order in waiting.orders} == set(VOLATILITY)
    fill_lake(store, tuple(VOLATILITY), until=NEXT)
    run(str(store), EACH, now=after_close(NEXT))
    account, shown = account_of(store).account, show(str(store))
    assert account is not None
    assert account.equity == shown.equity
    assert [(p.symbol, p.money) for p in account.positions] == [(p.symbol, p.money) for p in shown.positions]
    assert {fill.symbol: fill.session for fill in account.fills} == dict.fromkeys(VOLATILITY, NEXT)
    assert sum(fill.cost for fill in account.fills) == pytest.approx(shown.costs)
    assert account.curve is not None
    assert account.curve.sessions == (DAY, NEXT)
    assert account.curve.equity[-1] == pytest.approx(account.equity / 10_000, abs=1e-6)
    assert (account.verdict, account.closed) == (shown.verdict, False)
    reset(str(store))
    closed = account_of(store).account
    assert closed is not None
    assert (closed.closed, closed.equity) == (True, account.equity)


def test_a_place_that_can_not_be_written_costs_the_copy_alone(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreError("the disk is full.")

    monkeypatch.setattr(PublishedForecasts, "set_paper", full)
    result = run(str(store), EACH, now=after_close(DAY))
    assert any("was not published for the dashboard: the disk is full" in note for note in result.notes)
    assert show(str(store)).decided == DAY


def test_the_service_and_its_client_show_it_and_what_a_later_run_changes(store: Path) -> None:
    running = run_service(Service(View(published_forecasts(str(store))), poll=0))
    try:
        assert httpx.get(f"{running.url}/v1/paper").json() == {"account": None}
        run(str(store), EACH, now=after_close(DAY))
        running.service.view.poll()
        first = httpx.get(f"{running.url}/v1/paper")
        assert first.json()["account"]["decided"] == DAY
        again = httpx.get(f"{running.url}/v1/paper", headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304
        with Client(running.url) as client:
            account = client.paper().account
            assert account is not None
            assert account.settings["rule"] == "each"
        reset(str(store))
        running.service.view.poll()
        assert httpx.get(f"{running.url}/v1/paper").json()["account"]["closed"]
    finally:
        running.stop()


def test_the_example_is_one() -> None:
    assert from_plain(PaperResponse, PaperResponse.example).account is not None
