"""Bars and mood to a Panel: own indicators symbol by symbol, placed on the exchange's sessions, then the context."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.errors import DataError, HistoryError
from tenor.features.catalogue import MOOD, feature_names, warmup
from tenor.features.config import FeatureConfig
from tenor.features.context import context
from tenor.features.indicators import Series, ewma_volatility, indicators, span_return
from tenor.features.mood import mood_features
from tenor.schema import Bars, Float32, Float64, Mood, Panel
from tenor.sessions import exchange


@np.errstate(all="ignore")
def build_panel(bars: Bars, config: FeatureConfig, *, mood: Mood | None = None) -> Panel:
    """The unscaled panel of all symbols of `bars`, over the sessions from the first bar to the last.

    Row t holds what was known after the close of session t; nothing after t changes it by one bit. Returns and
    indicators run on each symbol's own bars: a gap is one step. A cell is masked in once the symbol has more bars than
    the longest warm-up of the features chosen.

    Parameters
    ----------
    mood : adds the mood features if `config.sentiment` is on; without it there are none.

    Raises
    ------
    DataError : a bar, or a mood, lies on a day that is no session of `config.calendar`.
    HistoryError : a horizon is longer than the data, or no symbol has enough bars for the warm-up.
    """
    sessions, place = _sessions(bars, config)
    symbols = bars.symbols
    names = feature_names([*config.groups, MOOD] if mood is not None and config.sentiment else config.groups)
    column = {name: i for i, name in enumerate(names)}
    grid = (len(sessions), len(symbols))

    values: Float32 = np.full((*grid, len(names)), np.nan, dtype=np.float32)
    open_, close, volatility, one, five = (np.full(grid, np.nan) for _ in range(5))
    warm = np.zeros(grid, dtype=bool)
    needed = warmup(config.groups)
    longest = 0
    for i, (rows, series) in enumerate(_series(bars, place)):
        one[rows, i], five[rows, i] = span_return(series.close, 1), span_return(series.close, 5)
        volatility[rows, i] = ewma_volatility(one[rows, i])
        open_[rows, i], close[rows, i] = series.open, series.close
        warm[rows[needed:], i] = True
        longest = max(longest, len(rows))
        for name, row in indicators(series, config.groups).items():
            values[rows, i, column[name]] = _narrow(row)
    if longest <= needed:
        raise HistoryError(
            f"too little history: of {len(symbols)} symbols the longest has {longest} sessions, and the features "
            f"chosen need at least {needed + 1}: import more history or choose fewer features.groups."
        )
    across: dict[str, Float64] = {}
    if "context" in config.groups:
        across |= context({1: one, 5: five}, volatility)
    if mood is not None and config.sentiment:
        across |= mood_features(mood, sessions, symbols, config.calendar)
    for name, cells in across.items():
        values[:, :, column[name]] = _narrow(cells)

    mask = warm & np.isfinite(values).all(axis=2)
    values[~mask] = 0.0
    return Panel(
        values=values,
        mask=mask,
        targets=_targets(close, config.horizons),
        volatility=np.where(mask, volatility, np.nan).astype(np.float32),
        open=open_,
        close=close,
        sessions=sessions,
        symbols=symbols,
        features=names,
        horizons=config.horizons,
    )


def _sessions(bars: Bars, config: FeatureConfig) -> tuple[pd.DatetimeIndex, NDArray[np.intp]]:
    """The panel's sessions, and the place of each bar among them."""
    days = pd.DatetimeIndex(bars.frame["session"])
    sessions = exchange(config.calendar).sessions(days.min(), days.max())
    place = sessions.get_indexer(days)
    stray = place < 0
    if stray.any():
        rows = bars.frame.loc[stray, ["symbol", "session"]]
        named = ", ".join(f"{symbol} {day:%Y-%m-%d}" for symbol, day in rows.head(3).itertuples(index=False))
        more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
        raise DataError(
            f"bars: {named}{more}: no session of {config.calendar}. Drop these rows, or set features.calendar to the "
            "exchange they come from (24/7 for coins)."
        )
    if config.horizons[-1] >= len(sessions):
        raise HistoryError(
            f"horizon {config.horizons[-1]} is longer than the data, {len(sessions)} sessions from "
            f"{sessions[0]:%Y-%m-%d} to {sessions[-1]:%Y-%m-%d}: import more history or lower features.horizons."
        )
    return sessions, place


def _series(bars: Bars, place: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.intp], Series]]:
    """For each symbol, in order: the places of its bars among the sessions, and its adjusted bars."""
    frame = bars.frame
    number = {c: frame[c].to_numpy(dtype="float64") for c in ("open", "high", "low", "close", "adj_close", "volume")}
    factor = number["adj_close"] / number["close"]
    adjusted = [number[c] * factor for c in ("open", "high", "low")] + [number["adj_close"], number["volume"] / factor]
    starts = np.flatnonzero(~frame["symbol"].duplicated().to_numpy())
    for start, stop in zip(starts, [*starts[1:], len(frame)], strict=True):
        yield place[start:stop], Series(*(np.ascontiguousarray(a[start:stop]) for a in adjusted))


def _targets(close: Float64, horizons: tuple[int, ...]) -> Float32:
    """[session, symbol, horizon]: log return to the close h sessions later; NaN unless the symbol traded in both."""
    targets = np.full((*close.shape, len(horizons)), np.nan, dtype=np.float32)
    for i, horizon in enumerate(horizons):
        targets[:-horizon, :, i] = np.log(close[horizon:]) - np.log(close[:-horizon])
    return targets


def _narrow(values: Float64) -> Float32:
    """As float32; what does not fit becomes infinite, and so is masked."""
    return values.astype(np.float32)
