"""The adapter against a server that speaks Alpaca's documented wire format, with its faults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from alpaca_server import KEY, SECRET, PaperAccount, serving
from paper_store import after_close, bars, fill_lake, publish

from tenor.config import HttpConfig, PaperConfig
from tenor.errors import ConfigError, SourceError
from tenor.pipeline.paper import run
from tenor.pipeline.paper_orders import Orders, orders
from tenor.trading.alpaca import PAPER_URL, address

DAY = "2020-01-06"
PLAN = PaperConfig(rule="each", volatility=0.10)
HTTP = HttpConfig(attempts=2, backoff_seconds=0.0, read_seconds=0.5, deadline_seconds=1.0, requests_per_minute=1e6)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    fill_lake(folder, ("CALM", "WILD-B"), until=DAY)
    publish(folder, DAY, {"CALM": 0.10 / np.sqrt(252), "WILD-B": 0.40 / np.sqrt(252)})
    run(str(folder), PLAN, now=after_close(DAY))
    return folder


@pytest.fixture
def account() -> Iterator[PaperAccount]:
    with serving(PaperAccount()) as one:
        yield one


def ask(store: Path, account: PaperAccount, *, send: bool = True, plan: PaperConfig = PLAN) -> Orders:
    keys = {"APCA_API_KEY_ID": KEY, "APCA_API_SECRET_KEY": SECRET, "APCA_API_BASE_URL": account.url}
    return orders(str(store), plan, HTTP, send=send, environment=keys)


def test_nothing_is_posted_without_send(store: Path, account: PaperAccount) -> None:
    planned = ask(store, account, send=False)
    assert [(o.symbol, o.side, o.status) for o in planned.orders] == [
        ("CALM", "buy", "planned"), ("WILD.B", "buy", "planned"),
    ]  # fmt: skip
    assert not any(verb == "POST" for verb, _ in account.requests)


def test_orders_bring_the_account_to_its_targets_and_are_sent_once(store: Path, account: PaperAccount) -> None:
    account.shares = {"CALM": 1000.0, "OTHER": 5.0}
    frame = bars(("CALM", "WILD-B"), until=DAY)
    close = frame[frame["session"] == DAY].set_index("symbol")["close"]
    first = ask(store, account)
    calm, wild = first.orders  # the sale first
    assert (calm.side, wild.side) == ("sell", "buy")
    assert float(calm.qty) == pytest.approx(1000 - 5000 / close["CALM"], rel=1e-3)
    assert float(wild.qty) == pytest.approx(1250 / close["WILD-B"], rel=1e-3)
    assert [o["client_order_id"] for o in account.orders] == ["tenor-1-20200106-CALM", "tenor-1-20200106-WILD-B"]
    account.orders[0] |= {"status": "partially_filled", "filled_qty": "3"}
    again = ask(store, account)
    assert len(account.orders) == 2
    assert (again.orders[0].status, again.orders[0].filled) == ("partially_filled", "3")
    assert not again.unsettled


def test_whole_shares_by_setting(store: Path, account: PaperAccount) -> None:
    planned = ask(store, account, send=False, plan=PaperConfig(rule="each", volatility=0.10, fractional=False))
    assert all(o.qty.isdigit() for o in planned.orders)


def test_an_order_whose_answer_never_came_is_looked_up_and_not_sent_twice(store: Path, account: PaperAccount) -> None:
    account.faults = ["hang"]
    done = ask(store, account)
    assert [o.status for o in done.orders] == ["accepted", "accepted"]
    assert len(account.orders) == 2


@pytest.mark.parametrize("fault", ["drop", "500"])
def test_an_order_that_was_lost_is_sent_again_after_a_look(store: Path, account: PaperAccount, fault: str) -> None:
    account.faults = [fault]
    assert [o.status for o in ask(store, account).orders] == ["accepted", "accepted"]
    posts = [i for i, (verb, _) in enumerate(account.requests) if verb == "POST"]
    assert any("by_client_order_id" in path for _, path in account.requests[posts[0] + 1 : posts[1]])


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("403", "refused", "insufficient buying power"),
        ("422", "refused", "not fractionable"),
        ("429", "not sent", "fewer requests"),
    ],
)
def test_what_is_refused_is_named_and_leaves_the_others(
    store: Path, account: PaperAccount, fault: str, status: str, words: str
) -> None:
    account.faults = [fault]
    done = ask(store, account)
    assert [o.status for o in done.orders] == [status, "accepted"]
    assert any(words in note for note in done.notes)
    assert done.unsettled
    assert len(account.orders) == 1


def test_keys_and_orders_follow_no_redirect(store: Path, account: PaperAccount) -> None:
    with serving(PaperAccount()) as other:
        account.elsewhere, account.faults = other.url.replace("127.0.0.1", "localhost"), ["redirect", "redirect"]
        done = ask(store, account)
        assert other.requests == []
    assert done.orders[0].status == "not sent"
    assert not any(SECRET in note or KEY in note for note in done.notes)


def test_orders_wait_for_their_own_open(store: Path, account: PaperAccount) -> None:
    account.is_open = True
    with pytest.raises(ConfigError, match="the market is open"):
        ask(store, account)
    account.is_open, account.next_open = False, "2020-01-08T09:30:00-05:00"
    with pytest.raises(ConfigError, match="is for the open of 2020-01-07, the next one is of 2020-01-08"):
        ask(store, account)
    account.next_open, account.status = "2020-01-07T09:30:00-05:00", "ACCOUNT_CLOSED"
    with pytest.raises(SourceError, match="may not trade"):
        ask(store, account)
    assert account.orders == []


def test_a_symbol_with_a_foreign_open_order_is_left_alone(store: Path, account: PaperAccount) -> None:
    account.take({"symbol": "CALM", "client_order_id": "by-hand", "type": "market", "qty": "1", "side": "buy"})
    done = ask(store, account)
    assert [o.symbol for o in done.orders] == ["WILD.B"]
    assert "CALM has an open order of another origin" in done.notes[0]


def test_a_rejected_order_is_unsettled(store: Path, account: PaperAccount) -> None:
    account.first_status = "rejected"
    assert ask(store, account).unsettled


@pytest.mark.parametrize(
    "url",
    [
        "https://api.alpaca.markets",
        "https://paper-api.alpaca.markets.example.com",
        "http://paper-api.alpaca.markets",
        "https://paper-api.alpaca.markets@api.alpaca.markets",
        "http://paper-api.alpaca.markets@127.0.0.1",
        "https://127.0.0.1",
    ],
)
def test_any_other_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="paper accounts alone"):
        address({"APCA_API_BASE_URL": url})


def test_the_paper_address_stands_without_a_setting() -> None:
    assert address({}) == PAPER_URL == address({"APCA_API_BASE_URL": f"{PAPER_URL}/v2/"})


def test_a_missing_key_is_named_and_a_wrong_one_not_shown(store: Path, account: PaperAccount) -> None:
    with pytest.raises(ConfigError, match="APCA_API_KEY_ID"):
        orders(str(store), PLAN, HTTP, environment={})
    keys = {"APCA_API_KEY_ID": "wrong-key", "APCA_API_SECRET_KEY": SECRET, "APCA_API_BASE_URL": account.url}
    with pytest.raises(SourceError, match="401") as error:
        orders(str(store), PLAN, HTTP, environment=keys)
    assert "wrong-key" not in str(error.value)
