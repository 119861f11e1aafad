"""Forecasts of many symbols from one run of the networks: the newest ones, and those of past sessions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tenor.calendars import exchange
from tenor.errors import HistoryError, TenorError
from tenor.inference.cells import usable
from tenor.inference.recipe import Recipe, Run
from tenor.schema import Float32, Forecast, Panel, Predictions

CHUNK = 32
"""Symbols that run through the networks at once: it bounds memory."""

Runs = Callable[[Panel], Iterator[tuple[slice, Run]]]
"""Runs the networks along all sessions of a scaled panel, `CHUNK` symbols at a time."""


class Forecasts(list[Forecast]):
    """Forecasts, and why there is none of some symbols: ``failed`` has the error by symbol."""

    def __init__(self, made: Sequence[Forecast] = (), failed: dict[str, TenorError] | None = None) -> None:
        super().__init__(made)
        self.failed = failed or {}


@dataclass(frozen=True)
class _Looked:
    """Where the networks looked in one symbol's forecast: `time` [lookback], and `feature`, the mean over these."""

    time: Float32
    feature: Float32


def newest(recipe: Recipe, runs: Runs, panel: Panel, symbols: Sequence[str], horizons: Sequence[int]) -> Forecasts:
    """The forecasts of `symbols` at `horizons`, each from the symbol's last session with all features.

    The networks run over all symbols of `panel`: their intervals learn from all of them. A symbol without a forecast
    is told in ``failed``: UnknownSymbolError where the panel has none such, HistoryError where it has too few sessions.

    Raises
    ------
    ModelError
        The panel is not what the model was fitted on.
    DataError
        It has no such horizon.
    """
    axes = [panel.horizon_index(horizon) for horizon in horizons]
    cells = usable(panel, recipe.lookback)
    last = np.where(cells.any(axis=0), len(cells) - 1 - cells[::-1].argmax(axis=0), -1)
    failed: dict[str, TenorError] = {}
    columns: dict[str, int] = {}
    for symbol in dict.fromkeys(symbols):
        try:
            columns[symbol] = _column(recipe, panel, symbol, last)
        except TenorError as error:
            failed[symbol] = error
    wanted = {column: int(last[column]) for column in columns.values()}
    said, looked = _run(recipe, runs, panel, wanted if recipe.attention else {})
    said = recipe.adapted(panel, said)
    named = exchange(panel.calendar).label
    made = []
    for column, row in wanted.items():
        seen = looked.get(column)
        attention: tuple[dict[str, float], dict[str, float]] = ({}, {})
        if seen is not None:
            days = map(named, panel.sessions[row - recipe.lookback + 1 : row + 1])
            attention = (
                dict(zip(days, seen.time.tolist(), strict=True)),
                dict(zip(panel.features, seen.feature.tolist(), strict=True)),
            )
        made += [_forecast(recipe, panel, said, row, column, k, *attention) for k in axes]
    return Forecasts(made, failed)


def past(recipe: Recipe, runs: Runs, panel: Panel, symbols: Sequence[str], sessions: int) -> Forecasts:
    """What the model says of each of the last `sessions` sessions of `panel`, at every horizon, without attention.

    Sessions in which a symbol has no forecast are left out; a symbol that the panel does not have is in ``failed``.
    Ordered by symbol as asked, session and horizon.
    """
    said, _ = _run(recipe, runs, panel, {})
    said = recipe.adapted(panel, said)
    cells = usable(panel, recipe.lookback)
    made, failed = [], dict[str, TenorError]()
    for symbol in dict.fromkeys(symbols):
        try:
            column = panel.symbol_index(symbol)
        except TenorError as error:
            failed[symbol] = error
            continue
        for row in range(max(0, len(panel.sessions) - sessions), len(panel.sessions)):
            if cells[row, column]:
                made += [_forecast(recipe, panel, said, row, column, k, {}, {}) for k in range(len(panel.horizons))]
    return Forecasts(made, failed)


def _column(recipe: Recipe, panel: Panel, symbol: str, last: np.ndarray[tuple[int], np.dtype[np.intp]]) -> int:
    column = panel.symbol_index(symbol)
    if last[column] < 0:
        raise HistoryError(
            f"{symbol} has {int(panel.mask[:, column].sum())} sessions with all features, and the model needs "
            f"{recipe.lookback} (model.lookback): import more of its history."
        )
    return column


def _run(recipe: Recipe, runs: Runs, panel: Panel, rows: dict[int, int]) -> tuple[Predictions, dict[int, _Looked]]:
    """What the networks say in every cell, and where they looked in row ``rows[column]`` of some columns."""
    scaled = recipe.scaled(panel)
    shape = (len(panel.sessions), len(panel.symbols), len(panel.horizons))
    mean, logit = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
    looked: dict[int, _Looked] = {}
    cells = usable(panel, recipe.lookback)
    for columns, run in runs(scaled):
        mean[:, columns] = run.mean.transpose(1, 0, 2)
        logit[:, columns] = run.up_logit.transpose(1, 0, 2)
        for place, column in enumerate(range(columns.start, columns.start + len(run.mean))):
            if column in rows and run.time_weights is not None and run.feature_weights is not None:
                seen = slice(rows[column] - recipe.lookback + 1, rows[column] + 1)
                told = run.feature_weights[place, seen][cells[seen, column]]
                looked[column] = _Looked(run.time_weights[place, rows[column]], told.mean(axis=0))
    return recipe.predictions(panel, mean, logit), looked


def _forecast(
    recipe: Recipe,
    panel: Panel,
    said: Predictions,
    row: int,
    column: int,
    k: int,
    attention_time: dict[str, float],
    attention_features: dict[str, float],
) -> Forecast:
    assert said.lower is not None
    assert said.upper is not None
    horizon = panel.horizons[k]
    close, session = float(panel.close[row, column]), pd.Timestamp(panel.sessions[row])
    mean, low, high = (float(a[row, column, k]) for a in (said.mean, said.lower, said.upper))
    as_of, target = _dates(recipe.features.calendar, session, horizon)
    return Forecast(
        symbol=panel.symbols[column],
        as_of=as_of,
        session=session,
        target_session=target,
        horizon=horizon,
        expected_return=mean,
        last_price=close,
        price=close * float(np.exp(mean)),
        lower=close * float(np.exp(low)),
        upper=close * float(np.exp(high)),
        p_up=float(said.p_up[row, column, k]),
        attention_time=attention_time,
        attention_features=attention_features,
        model_version=recipe.version,
    )


@functools.lru_cache(maxsize=4096)
def _dates(calendar: str, session: pd.Timestamp, horizon: int) -> tuple[pd.Timestamp, pd.Timestamp]:
    """The close of `session`, and the session that a forecast made then is for: the same for every symbol."""
    days = exchange(calendar)
    return days.close(session), days.following(session, horizon)
