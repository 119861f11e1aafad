from __future__ import annotations

import numpy as np
import pytest
from rl_markets import walking

from tenor.errors import DataError, ModelError
from tenor.trading.rl.accounts import Accounts, Terms, follow
from tenor.trading.rl.graph import run_graph
from tenor.trading.rl.policy import POLICY, SEEN, WEIGHTS, Network, Policy, trade


def network(seed: int, *, squash: bool) -> Network:
    rng = np.random.default_rng(seed)
    shapes = {"first": (16, SEEN), "second": (16, 16), "action": (1, 16)}
    weights = {}
    for name, shape in shapes.items():
        weights[f"{name}.weight"] = rng.normal(0, 0.5, shape).astype("float32")
        weights[f"{name}.bias"] = rng.normal(0, 0.5, shape[:1]).astype("float32")
    return Network(weights, squash)


@pytest.fixture
def policy() -> Policy:
    networks = (network(0, squash=False), network(1, squash=True))
    return Policy(networks, Terms(cap=0.9, short=True), "abc", {"symbols": ["S0"]})


def test_what_is_written_is_read_back(policy: Policy) -> None:
    again = Policy.from_files(policy.files(), "here")
    assert again.version == policy.version
    assert (again.terms, again.model, again.settings) == (policy.terms, "abc", {"symbols": ["S0"]})
    assert again.files() == policy.files()


@pytest.mark.parametrize("symbols", [1, 3, 12])
def test_the_graph_acts_as_the_numbers_do_for_any_number_of_symbols(policy: Policy, symbols: int) -> None:
    pytest.importorskip("onnx")
    accounts = Accounts(walking(symbols=symbols), policy.terms, 4)
    accounts.open_at(np.arange(4), np.array([30, 40, 50, 60]))
    seen = accounts.observe()
    expected = np.mean([each.act(seen) for each in policy.networks], axis=0)
    np.testing.assert_allclose(run_graph(policy.to_onnx(), seen), expected, atol=1e-5)
    assert policy.to_onnx() == policy.to_onnx()


@pytest.mark.parametrize("name", [POLICY, WEIGHTS])
def test_a_damaged_policy_is_one_line(policy: Policy, name: str) -> None:
    files = policy.files()
    files[name] = files[name][:-20]
    with pytest.raises(ModelError, match="here holds a policy that this tenor can't read"):
        Policy.from_files(files, "here")
    with pytest.raises(ModelError, match="graph can't be run"):
        run_graph(b"nothing", np.zeros((1, 1, 10), "float32"))


def test_trading_a_policy_books_what_it_aims_at(policy: Policy) -> None:
    market = walking()
    ((account, held),) = trade(market, [policy], policy.terms, ["agent"])
    again = follow(market, held, policy.terms, "agent")
    np.testing.assert_allclose(account.equity, again.equity, rtol=1e-12)
    np.testing.assert_allclose(account.gross, again.gross, rtol=1e-12)
    assert held.std() > 0
    with pytest.raises(DataError, match="too little to trade on"):
        trade(market.between(0, 1), [policy], policy.terms, ["agent"])


def test_a_policy_sees_what_it_holds(policy: Policy) -> None:
    market = walking()
    accounts = Accounts(market, policy.terms, 2)
    accounts.positions[1] = 0.3
    accounts.cash[1] = 0.1
    one, other = policy.weights(accounts.observe())
    assert not np.allclose(one, other)
