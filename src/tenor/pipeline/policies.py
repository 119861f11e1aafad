"""Trained policies of a store, and the champion as a rule of paper trading. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tenor.config import PaperConfig
from tenor.errors import ConfigError, HistoryError, ModelError
from tenor.registry import ONNX, Registry, policies_of
from tenor.schema import Bool
from tenor.trading.rl.graph import run_graph
from tenor.trading.rl.market import Market, market_of
from tenor.trading.rl.policy import POLICY, WEIGHTS, Policy
from tenor.trading.rules import Decision, Forecast
from tenor.workspace import Workspace


def resolve(policies: Registry, name: str | None) -> str:
    """The policy that `name` stands for; raises ModelError, which says how to train one, where there is none."""
    if name in (None, "champion", "latest") and not policies.versions():
        raise ModelError(f"no policy under {policies.location!r}: run 'tenor rl train' first.")
    return policies.resolve(name)


def load_policy(policies: Registry, name: str | None = None) -> Policy:
    """The policy of `name`, the champion by default; raises ModelError where there is none, or it can't be read."""
    opened = policies.open(resolve(policies, name))
    return Policy.from_files(opened.read(POLICY, WEIGHTS), opened.location)


def market_for(
    workspace: Workspace, model: str, symbols: tuple[str, ...], *, until: pd.Timestamp | None = None
) -> Market:
    """The market of `symbols` by the forecasts of the version `model`, of sessions from the first forecast on."""
    forecasts = workspace.forecasts(workspace.predictor(model), until=until).trained
    if forecasts is None:
        raise ModelError(f"the lake has no bars of the symbols of model {model}: use the lake it was trained on.")
    market = market_of(forecasts.panel, forecasts.predictions, symbols, model)
    known: Bool = np.asarray(market.available.any(axis=1))
    if not known.any():
        raise HistoryError(f"model {model} has no forecast of {', '.join(symbols[:5])}: import more of their history.")
    return market.between(int(np.argmax(known)), len(known))


@dataclass(frozen=True, eq=False)
class PolicyRule:
    """The champion policy of a store, which decides on paper by its ONNX graph.

    Attributes
    ----------
    version
        Of the policy.
    policy
        Its limits, and what it learned from.
    graph
        Its ONNX graph.
    """

    workspace: Workspace
    version: str
    policy: Policy
    graph: bytes

    @classmethod
    def of(cls, store: str) -> PolicyRule:
        """The champion of `store`; raises ModelError where there is none."""
        policies = policies_of(store)
        opened = policies.open(resolve(policies, None))
        policy = Policy.from_files(opened.read(POLICY, WEIGHTS), opened.location)
        return cls(Workspace(store), opened.name, policy, opened.read(ONNX)[ONNX])

    def configured(self, config: PaperConfig) -> PaperConfig:
        """`config` with the symbols that the policy learned on, where it names none."""
        return config if config.symbols else replace(config, symbols=tuple(self.policy.settings["symbols"]))

    def decide(
        self, session: pd.Timestamp, forecasts: Mapping[str, Forecast], held: Mapping[str, float], cap: float
    ) -> Decision:
        """What to hold from the next open on.

        Parameters
        ----------
        session
            The last closed one.
        forecasts
            By symbol, as they were published.
        held
            By symbol, shares of the equity after the last booked close.
        cap
            Most leverage of the account, beside the policy's own limits.

        Raises
        ------
        ConfigError
            The forecasts are of another model than the policy learned from.
        HistoryError
            The lake has no bar of that session.
        """
        for name, forecast in forecasts.items():
            if forecast.version != self.policy.model:
                raise ConfigError(
                    f"policy {self.version} learned from forecasts of model {self.policy.model}, and that of {name} is "
                    f"of model {forecast.version}: run 'tenor rl train' for the model in use, or 'tenor models promote "
                    f"{self.policy.model}' and 'tenor refresh'."
                )
        if not forecasts:
            return Decision(session, {}, {}, "there is no usable forecast")
        symbols = tuple(sorted(forecasts))
        market = market_for(self.workspace, self.policy.model, symbols, until=session)
        if market.sessions[-1] != session:
            raise HistoryError(
                f"the lake's bars end on {market.sessions[-1]:%Y-%m-%d}, and the forecasts are of {session:%Y-%m-%d}: "
                "run 'tenor refresh'."
            )
        n = len(symbols)
        shares = np.array([held.get(symbol, 0.0) for symbol in symbols])
        seen = np.concatenate([market.signals[-1], np.clip(n * shares, -10, 10)[:, None]], axis=1)
        weights = self.policy.terms.weights_of(run_graph(self.graph, seen[None].astype("float32")))[0]
        weights = np.where(market.available[-1], weights, 0.0)
        weights = weights * (cap / max(float(np.abs(weights).sum()), cap))
        targets = dict(zip(symbols, weights.tolist(), strict=True))
        return Decision(session, dict(forecasts), targets, f"decided by policy {self.version}")
