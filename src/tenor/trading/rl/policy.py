"""The policy of an agent: one small network with the same weights for every symbol; it runs without torch.

Its inputs for a symbol are the signals and the position, and the means of both over all symbols. Because all symbols
share the weights, a policy works for any number of symbols.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as unpack
from safetensors.numpy import save as pack

from tenor.errors import DataError, ModelError
from tenor.evaluation.backtest import Backtest
from tenor.schema import Float32, Float64
from tenor.storage.files import read_json
from tenor.trading.rl.accounts import Accounts, Terms
from tenor.trading.rl.market import SIGNALS, Market

POLICY, WEIGHTS = "policy.json", "weights.safetensors"
SEEN = 2 * (len(SIGNALS) + 1)
"""Number of inputs of the network for a symbol."""
LAYERS = ("first", "second", "action")


@dataclass(frozen=True, eq=False)
class Network:
    """The weights of one seed.

    Attributes
    ----------
    weights
        ``first``, ``second`` and ``action``, each with ``.weight`` [out, in] and ``.bias`` [out]; float32.
    squash
        Whether actions go through a tanh (``sac``) or are clipped to -1 and 1 (``ppo``).
    """

    weights: Mapping[str, Float32]
    squash: bool

    def act(self, seen: Float32) -> Float64:
        """Actions [account, symbol] within -1..1, from the result of `Accounts.observe`."""
        mean = np.broadcast_to(seen.mean(axis=1, keepdims=True), seen.shape)
        hidden = np.concatenate((seen, mean), axis=2)
        for name in LAYERS[:-1]:
            hidden = np.tanh(hidden @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"])
        action = (hidden @ self.weights["action.weight"].T + self.weights["action.bias"])[:, :, 0]
        return np.asarray(np.tanh(action) if self.squash else np.clip(action, -1, 1), dtype="float64")


@dataclass(frozen=True, eq=False)
class Policy:
    """The policies of several seeds; the action is the mean of theirs.

    Attributes
    ----------
    networks
        One network per seed.
    terms
        The costs and limits used in training.
    model
        The version of the model whose forecasts were used in training; empty for simulated markets.
    settings
        All settings of the training, and its split, as JSON values.
    """

    networks: tuple[Network, ...]
    terms: Terms
    model: str
    settings: Mapping[str, Any]

    @property
    def version(self) -> str:
        """A hash, twelve hex digits, of its weights and settings."""
        files = self.files()
        return hashlib.sha256(files[POLICY] + files[WEIGHTS]).hexdigest()[:12]

    def weights(self, seen: Float32) -> Float64:
        """Target weights [account, symbol] within the limits, from the result of `Accounts.observe`."""
        return self.terms.weights_of(np.mean([network.act(seen) for network in self.networks], axis=0))

    def files(self) -> dict[str, bytes]:
        """Its files by name; `from_files` reads them."""
        document = {
            "signals": list(SIGNALS),
            "squash": [network.squash for network in self.networks],
            "terms": dict(self.terms.__dict__),
            "model": self.model,
            "settings": dict(self.settings),
        }
        tensors = {
            f"{i}.{name}": np.ascontiguousarray(value, dtype=np.float32)
            for i, network in enumerate(self.networks)
            for name, value in network.weights.items()
        }
        return {POLICY: (json.dumps(document, indent=1, sort_keys=True) + "\n").encode(), WEIGHTS: pack(tensors)}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], where: str) -> Policy:
        """Read the result of `files`; `where` is their place, for messages.

        Raises
        ------
        ModelError
            They are not a policy, or one of another version of tenor.
        """
        try:
            document, tensors = read_json(files[POLICY]), unpack(files[WEIGHTS])
            if document["signals"] != list(SIGNALS):
                raise ValueError(f"it sees {document['signals']}")
            networks = tuple(
                Network({f"{n}.{p}": tensors[f"{i}.{n}.{p}"] for n in LAYERS for p in ("weight", "bias")}, bool(squash))
                for i, squash in enumerate(document["squash"])
            )
            if any(network.weights["first.weight"].shape[1] != SEEN for network in networks):
                raise ValueError("its first layer has another width")
            return cls(networks, Terms(**document["terms"]), str(document["model"]), document["settings"])
        except (KeyError, TypeError, ValueError, AttributeError, SafetensorError) as error:
            raise ModelError(
                f"{where} holds a policy that this tenor can't read ({error}): train it again with 'tenor rl train'."
            ) from error

    def to_onnx(self) -> bytes:
        """The mean of the networks as one ONNX graph; see `tenor.trading.rl.graph.policy_graph`."""
        from tenor.trading.rl.graph import policy_graph

        return policy_graph([(network.weights, network.squash) for network in self.networks])


class Trader(Protocol):
    """Anything that decides on positions."""

    def weights(self, seen: Float32) -> Float64:
        """Target weights [account, symbol] within the limits, from the result of `Accounts.observe`."""


def trade(
    market: Market, policies: Sequence[Trader], terms: Terms, names: Sequence[str]
) -> list[tuple[Backtest, Float64]]:
    """Let each of `policies` trade on `market` with an account of its own, from the first session on, starting in cash.

    Returns
    -------
    list
        For each policy, its backtest and its weights [session, symbol]; those of the last session are the next targets.
    """
    if len(market.sessions) < 2:
        raise DataError(f"{len(market.sessions)} session is too little to trade on.")
    return [_traded(market, policy, terms, name) for policy, name in zip(policies, names, strict=True)]


def _traded(market: Market, policy: Trader, terms: Terms, name: str) -> tuple[Backtest, Float64]:
    accounts = Accounts(market, terms, 1)
    shadow = Accounts(market, Terms(0.0, 0.0, terms.cap, terms.limit, terms.short), 1)
    sessions = len(market.sessions)
    equity, gross, turnover = np.ones(sessions), np.ones(sessions), np.zeros(sessions)
    held = np.zeros((sessions, len(market.symbols)))
    for t in range(sessions):
        held[t] = policy.weights(accounts.observe())[0]
        if t < sessions - 1:
            outcome = accounts.step(held[t][None])
            shadow.step(held[t][None])
            equity[t + 1], gross[t + 1], turnover[t + 1] = accounts.worth[0], shadow.worth[0], outcome.turnover[0]
    return Backtest(name, terms.cost, market.sessions, equity, gross, turnover, market.calendar), held
