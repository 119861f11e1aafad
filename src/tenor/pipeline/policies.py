"""Trained policies of a store, and the champion as a rule of paper trading. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tenor.config import PaperConfig
from tenor.errors import ConfigError, HistoryError, ModelError
from tenor.lake_forecasts import LakeForecasts
from tenor.registry import ONNX, Registry, policies_of
from tenor.schema import Bool
from tenor.trading.rl.graph import run_graph
from tenor.trading.rl.market import Market, market_of
from tenor.trading.rl.policy import POLICY, WEIGHTS, Policy, trade
from tenor.trading.rules import Decision, Forecast
from tenor.workspace import Workspace


def resolve(policies: Registry, name: str | None) -> str:
    """The version of the policy that `name` stands for; raises ModelError with the remedy if there is none."""
    if name in (None, "champion", "latest") and not policies.versions():
        raise ModelError(f"no policy under {policies.location!r}: run 'tenor rl train' first.")
    return policies.resolve(name)


def load_policy(policies: Registry, name: str | None = None) -> Policy:
    """The policy `name`, by default the champion; raises ModelError if it does not exist or can't be read."""
    opened = policies.open(resolve(policies, name))
    return Policy.from_files(opened.read(POLICY, WEIGHTS), opened.location)


def market_for(
    workspace: Workspace, model: str, symbols: tuple[str, ...], *, until: pd.Timestamp | None = None
) -> Market:
    """The market of `symbols` with the forecasts of the version `model`, from the session of the first forecast on."""
    forecasts = LakeForecasts(workspace, workspace.predictor(model), until=until).trained
    if forecasts is None:
        raise ModelError(f"the lake has no bars of the symbols of model {model}: use the lake it was trained on.")
    market = market_of(forecasts.panel, forecasts.predictions, symbols, model)
    known: Bool = np.asarray(market.available.any(axis=1))
    if not known.any():
        raise HistoryError(f"model {model} has no forecast of {', '.join(symbols[:5])}: import more of their history.")
    return market.between(int(np.argmax(known)), len(known))


@dataclass(frozen=True, eq=False)
class PolicyRule:
    """The champion policy of a store as a rule of paper trading; it decides by its ONNX graph.

    Attributes
    ----------
    version
        Version of the policy.
    policy
        Its limits, and the data that it learned from.
    graph
        Its ONNX graph.
    """

    workspace: Workspace
    version: str
    policy: Policy
    graph: bytes

    @classmethod
    def of(cls, store: str) -> PolicyRule:
        """The champion of `store`; raises ModelError if there is none."""
        policies = policies_of(store)
        opened = policies.open(resolve(policies, None))
        policy = Policy.from_files(opened.read(POLICY, WEIGHTS), opened.location)
        return cls(Workspace(store), opened.name, policy, opened.read(ONNX)[ONNX])

    def configured(self, config: PaperConfig) -> PaperConfig:
        """`config`, with the symbols that the policy learned on if it names none."""
        return config if config.symbols else replace(config, symbols=tuple(self.policy.settings["symbols"]))

    def decide(
        self, session: pd.Timestamp, forecasts: Mapping[str, Forecast], held: Mapping[str, float], cap: float
    ) -> Decision:
        """What to hold from the next open on.

        Parameters
        ----------
        session
            The last session that has closed.
        forecasts
            The published forecasts, by symbol.
        held
            The positions after the last booked close, by symbol, as shares of the equity.
        cap
            The highest leverage of the account, in addition to the policy's own limits.

        Raises
        ------
        ConfigError
            The forecasts are of another model than the policy learned from.
        HistoryError
            The lake has no bar of that session.
        """
        self._require_same_model(forecasts)
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
        return self._decision(session, forecasts, dict(zip(symbols, weights.tolist(), strict=True)), cap)

    def replay(
        self, past: Sequence[tuple[pd.Timestamp, Mapping[str, Forecast]]], cap: float, cost: float
    ) -> list[Decision]:
        """What the policy would have decided after each session of `past`, starting with cash only.

        Parameters
        ----------
        past
            Sessions in order, with the published forecasts of each by symbol.
        cap
            As in `decide`.
        cost
            Costs of the account, in basis points of the money traded.

        Raises
        ------
        ConfigError
            The policy learned on those sessions, or the forecasts are of another model.
        """
        first = pd.Timestamp(self.policy.settings["split"]["test"][0])
        if past[0][0] < first:
            raise ConfigError(
                f"--since {past[0][0]:%Y-%m-%d} is before the sessions that policy {self.version} has not seen: they "
                f"begin on {first:%Y-%m-%d}."
            )
        for _, forecasts in past:
            self._require_same_model(forecasts)
        symbols = tuple(sorted({name for _, forecasts in past for name in forecasts}))
        market = market_for(self.workspace, self.policy.model, symbols, until=past[-1][0])
        rows = market.sessions.get_indexer(pd.DatetimeIndex([session for session, _ in past]))
        traded = market.between(int(rows[0]), len(market.sessions))
        ((_, held),) = trade(traded, [self.policy], replace(self.policy.terms, cost=cost, borrow=0.0), ["policy"])
        return [
            self._decision(session, forecasts, dict(zip(symbols, held[row - rows[0]].tolist(), strict=True)), cap)
            for (session, forecasts), row in zip(past, rows, strict=True)
        ]

    def _require_same_model(self, forecasts: Mapping[str, Forecast]) -> None:
        for name, forecast in forecasts.items():
            if forecast.version != self.policy.model:
                raise ConfigError(
                    f"policy {self.version} learned from forecasts of model {self.policy.model}, and that of {name} is "
                    f"of model {forecast.version}: run 'tenor rl train' for the model in use, or 'tenor models promote "
                    f"{self.policy.model}' and 'tenor refresh'."
                )

    def _decision(
        self, session: pd.Timestamp, forecasts: Mapping[str, Forecast], weights: Mapping[str, float], cap: float
    ) -> Decision:
        chosen = {name: weights[name] for name in sorted(forecasts)}
        scale = cap / max(sum(map(abs, chosen.values())), cap)
        targets = {name: weight * scale for name, weight in chosen.items()}
        return Decision(session, dict(forecasts), targets, f"decided by policy {self.version}")
