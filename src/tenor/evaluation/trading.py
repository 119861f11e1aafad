"""The forecasts as portfolios: each rule at several costs and fills, and how much of its Sharpe ratio could be luck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tenor.evaluation.backtest import FILLS, RULES, Backtest, Fill, Rule, backtest, buy_and_hold
from tenor.evaluation.sharpe import Sharpe, sharpe
from tenor.schema import Panel, Predictions
from tenor.storage.files import json_values

COSTS = (0.0, 5.0, 10.0, 20.0)
"""Bps of the money traded."""

HOLD = "buy and hold"


@dataclass(frozen=True)
class Run:
    """One rule at one cost and fill."""

    rule: str
    fill: Fill
    cost: float
    backtest: Backtest
    sharpe: Sharpe


@dataclass(frozen=True)
class Trading:
    """What the forecasts of one model would have earned.

    Attributes
    ----------
    horizon
        Of the forecasts, sessions ahead.
    tried
        Configurations that the model was chosen from. Each rule is a trial of its own.
    runs
        Rule by fill by cost; buy and hold last.
    """

    horizon: int
    tried: int
    runs: tuple[Run, ...]

    def of(self, rule: str, fill: Fill = "open") -> tuple[Run, ...]:
        """The runs of `rule` at `fill`, by rising cost."""
        return tuple(run for run in self.runs if (run.rule, run.fill) == (rule, fill))

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values; what is undefined is None."""
        return {
            "horizon": self.horizon,
            "tried": self.tried,
            "runs": [
                {
                    "rule": run.rule,
                    "fill": run.fill,
                    **json_values(run.backtest),
                    "sharpe": json_values(run.sharpe),
                }
                for run in self.runs
            ],
        }


def trade(
    panel: Panel,
    rows: slice,
    predictions: Predictions,
    *,
    horizon: int,
    tried: int = 1,
    costs: Sequence[float] = COSTS,
    rules: Sequence[Rule] = RULES,
) -> Trading:
    """Trade the forecasts of `horizon` on `rows` by all rules, at all costs and fills.

    Parameters
    ----------
    tried
        Configurations that the model was chosen from, itself included, as far as is known.

    Raises
    ------
    ConfigError
        A cost below 0.
    HistoryError
        Fewer than two sessions.
    """
    trials = max(1, tried) * len(rules)
    runs = []
    for rule in rules:
        for fill in FILLS:
            for cost in costs:
                run = backtest(panel, rows, predictions, horizon=horizon, rule=rule, cost=cost, fill=fill)
                runs.append(Run(rule, fill, cost, run, sharpe(run.returns, trials=trials, per_year=run.year)))
    for fill in FILLS:
        for cost in costs:
            run = buy_and_hold(panel, rows, cost=cost, fill=fill)
            runs.append(Run(HOLD, fill, cost, run, sharpe(run.returns, per_year=run.year)))
    return Trading(horizon, max(1, tried), tuple(runs))
