"""The rules of paper trading, from forecasts to target positions, with the formulas of the evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tenor.calendars import exchange
from tenor.config import PaperConfig
from tenor.evaluation.backtest import long_flat
from tenor.evaluation.volatility_targeting import MEMORY, average_correlation, weights_at_target
from tenor.schema import Float64

_UNCAPPED = 1e12  # no cap on the sum; not infinity, because 0 times infinity is NaN


@dataclass(frozen=True)
class Forecast:
    """The forecast that a rule uses.

    Attributes
    ----------
    symbol
        Name of the symbol.
    version
        Version of the model.
    volatility
        Standard deviation of the log return of one session.
    p_up
        P(return > 0).
    """

    symbol: str
    version: str
    volatility: float
    p_up: float


@dataclass(frozen=True)
class Decision:
    """Target positions from the next open on.

    Attributes
    ----------
    session
        The session after whose close it was decided.
    forecasts
        The forecasts that it is based on, by symbol.
    targets
        Target positions by symbol, shares of the equity.
    note
        The reason if nothing is held because of the rule; else empty.
    """

    session: pd.Timestamp
    forecasts: Mapping[str, Forecast]
    targets: Mapping[str, float]
    note: str = ""


def decide(
    config: PaperConfig,
    session: pd.Timestamp,
    forecasts: Mapping[str, Forecast],
    closes: pd.DataFrame,
    *,
    calendar: str,
    directional: bool,
    evidence: str,
) -> Decision:
    """The target positions by ``config.rule``.

    Parameters
    ----------
    config
        The rule and its settings.
    session
        The last closed session.
    forecasts
        Forecasts by symbol; those whose volatility is not above 0 are left out.
    closes
        Adjusted closes [session, symbol] up to `session`, for the correlation of ``basket``.
    calendar
        Exchange calendar of the symbols, for the number of sessions in a year.
    directional
        Whether the track record has evidence of skill in forecasting direction.
    evidence
        That record in one sentence.

    Returns
    -------
    Decision
        The target positions.
    """
    usable = {name: f for name, f in sorted(forecasts.items()) if math.isfinite(f.volatility) and f.volatility > 0}
    names = list(usable)
    if not names:
        return Decision(session, {}, {}, "there is no usable forecast")
    note = ""
    if config.rule == "long/flat":
        p_up = np.array([[usable[name].p_up for name in names]])
        weights = long_flat(p_up, np.isfinite(p_up)) * min(config.cap, 1.0)
        if not directional:
            weights, note = np.zeros_like(weights), f"nothing is held: no evidence of direction. {evidence}"
    else:
        volatility = np.array([[usable[name].volatility for name in names]])
        available = np.ones_like(volatility, dtype=bool)
        target = config.volatility / math.sqrt(exchange(calendar).sessions_per_year)
        # with a correlation of 1, each symbol gets 1/n of the equity, scaled to the target volatility on its own
        correlation = _correlation(closes, names, session) if config.rule == "basket" else np.ones(1)
        cap = config.cap if config.rule == "basket" else _UNCAPPED
        weights = weights_at_target(volatility, available, correlation, target, cap)
        if config.rule == "each":
            weights = np.minimum(weights, config.cap / len(names))
    return Decision(session, usable, dict(zip(names, weights[0].tolist(), strict=True)), note)


def _correlation(closes: pd.DataFrame, names: list[str], session: pd.Timestamp) -> Float64:
    known = closes.reindex(columns=names).loc[:session].tail(MEMORY + 1).to_numpy("float64")
    if len(known) < 2:
        return np.ones(1)
    return average_correlation(known, np.ones((1, len(names)), dtype=bool), len(known) - 1)


def settings_of(config: PaperConfig) -> dict[str, Any]:
    """The settings that are fixed when an account starts."""
    return {
        "rule": config.rule,
        "volatility": config.volatility,
        "cap": config.cap,
        "cost": config.cost,
        "capital": config.capital,
        "symbols": sorted(config.symbols),
    }
