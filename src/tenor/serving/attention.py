"""What the networks looked at in the newest forecast of each symbol: how much of each feature, in which session."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tenor.calendars import exchange
from tenor.inference.cells import usable
from tenor.inference.predictor import Predictor
from tenor.schema import Float32, Panel


@dataclass(frozen=True)
class Looked:
    """Attention of one forecast.

    Attributes
    ----------
    sessions, features
        The names of the axes, L and F.
    time
        [L], the weight of each session; sums to 1.
    feature
        [L, F], of each feature in it; rows sum to 1.
    """

    sessions: tuple[str, ...]
    features: tuple[str, ...]
    time: Float32
    feature: Float32


def looked_at(predictor: Predictor, panel: Panel, symbols: Iterable[str]) -> dict[str, Looked]:
    """By symbol, the attention of its forecast from its last usable session; empty for a model without attention.

    Parameters
    ----------
    panel
        Unscaled, of the predictor's own recipe.
    """
    recipe = predictor.recipe
    if not recipe.attention:
        return {}
    cells = usable(panel, recipe.lookback)
    wanted = {panel.symbol_index(symbol): symbol for symbol in symbols if symbol in panel.symbols}
    named = exchange(panel.calendar).label
    found: dict[str, Looked] = {}
    for columns, run in predictor.runs(recipe.scaled(panel)):
        assert run.time_weights is not None
        assert run.feature_weights is not None
        for place, column in enumerate(range(columns.start, columns.start + len(run.mean))):
            rows = np.flatnonzero(cells[:, column])
            if column in wanted and len(rows):
                seen = slice(int(rows[-1]) - recipe.lookback + 1, int(rows[-1]) + 1)
                days = tuple(map(named, panel.sessions[seen]))
                found[wanted[column]] = Looked(
                    days,
                    panel.features,
                    run.time_weights[place, rows[-1]].copy(),
                    run.feature_weights[place, seen].copy(),
                )
    return found
