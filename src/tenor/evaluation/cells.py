"""Which cells count when models are evaluated (mask True, return known, the same for every model), and their kinds."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tenor.errors import DataError, HistoryError
from tenor.schema import Bool, Float32, Float64, Panel, Predictions


def realised(panel: Panel, rows: slice, *, horizon: int) -> tuple[NDArray[np.intp], Float64]:
    """The positions of the sessions in `rows` with a cell that counts, and their returns [day, symbol]; else NaN.

    Raises
    ------
    HistoryError
        No cell counts.
    """
    axis = panel.horizon_index(horizon)
    returns = np.where(panel.mask[rows], panel.targets[rows, :, axis], np.nan).astype("float64")
    known = np.isfinite(returns).any(axis=1)
    if not known.any():
        raise HistoryError(
            f"no forecast {horizon} sessions ahead can be evaluated in the test: no cell has a known return. "
            "Import more history or move the split dates."
        )
    return np.arange(len(panel.sessions))[rows][known], returns[known]


def realised_and_p_up(
    panel: Panel, rows: slice, predictions: Predictions, *, horizon: int
) -> tuple[NDArray[np.intp], Float64, Float64]:
    """What `realised` gives, and the P(up) [day, symbol] of one model, NaN where none counts; raises as both do."""
    days, returns = realised(panel, rows, horizon=horizon)
    counts = np.isfinite(returns)
    _, p_up = predicted(panel, days, counts, predictions.model, predictions, horizon=horizon)
    return days, returns, np.where(counts, p_up, np.nan)


def predicted(
    panel: Panel, days: NDArray[np.intp], counts: Bool, name: str, predictions: Predictions, *, horizon: int
) -> tuple[Float64, Float64]:
    """Mean and P(up) [day, symbol] of one model on `days`.

    Parameters
    ----------
    panel
        The panel that was predicted.
    days, counts
        The sessions' places, and which of their cells count [day, symbol].
    name, predictions
        The model's name, for messages, and its predictions.
    horizon
        Sessions ahead.

    Raises
    ------
    DataError
        The model's shape is not the panel's; or a cell that counts has no prediction, or a P(up) not in 0..1.
    """
    if predictions.mean.shape != panel.targets.shape:
        raise DataError(
            f"predictions of {name} have shape {predictions.mean.shape}, the panel's targets {panel.targets.shape}: "
            "predict the panel that is evaluated."
        )
    axis = panel.horizon_index(horizon)
    mean = predictions.mean[days, :, axis].astype("float64")
    p_up = predictions.p_up[days, :, axis].astype("float64")
    missing = counts & ~(np.isfinite(mean) & np.isfinite(p_up))
    if missing.any():
        day, symbol = np.argwhere(missing)[0]
        raise DataError(
            f"{name} predicts nothing in {int(missing.sum())} of {int(counts.sum())} cells that count, "
            f"the first {panel.symbols[symbol]} on {panel.sessions[days[day]]:%Y-%m-%d}: "
            "let it predict every cell of the panel's mask."
        )
    outside = counts & ((p_up < 0) | (p_up > 1))
    if outside.any():
        raise DataError(f"{name} gives a P(up) of {p_up[outside][0]:g}: it must be from 0 to 1.")
    return mean, p_up


def by_news_and_volatility(panel: Panel, days: NDArray[np.intp], counts: Bool) -> dict[str, Bool]:
    """Kinds of cells by how much news they have and how volatile their day is; the panel must have sentiment.

    Parameters
    ----------
    panel
        The panel.
    days, counts
        The sessions' places, and which of their cells count [day, symbol]. Thirds and fifths are those of these days.

    Returns
    -------
    dict of str to array
        Name -> which cells are of that kind, [day, symbol].
    """
    known = _feature(panel, days, "sentiment_known") > 0
    cell_news = _feature(panel, days, "sentiment_count")
    # the market's count stands in every cell of a session that is masked in: cells that count have it
    day_news = np.where(counts, _feature(panel, days, "sentiment_market_count"), 0.0).max(axis=1)
    much = np.zeros_like(counts)
    if (known & counts).any():
        much = known & (cell_news >= np.quantile(cell_news[known & counts], 0.8))
    by_volatility_alone = by_volatility(panel, days, counts)
    return {
        "all": by_volatility_alone.pop("all"),
        "fifth of days with most news": _of_days(counts, (day_news > 0) & (day_news >= np.quantile(day_news, 0.8))),
        "fifth of news cells with most news": much,
        "cells with news": known,
        "cells without news": ~known,
        **by_volatility_alone,
    }


def by_volatility(panel: Panel, days: NDArray[np.intp], counts: Bool) -> dict[str, Bool]:
    """All cells, and those of each third of days by volatility; parameters as in `by_news_and_volatility`."""
    market = np.nanmean(np.where(counts, panel.volatility[days], np.nan), axis=1)  # each day has a cell that counts
    low, high = np.quantile(market, (1 / 3, 2 / 3))
    return {
        "all": np.ones_like(counts),
        "calm third of days": _of_days(counts, market <= low),
        "middle third of days": _of_days(counts, (market > low) & (market <= high)),
        "volatile third of days": _of_days(counts, market > high),
    }


def _of_days(counts: Bool, chosen: ArrayLike) -> Bool:
    return np.asarray(np.ones_like(counts) & np.asarray(chosen)[:, None])


def _feature(panel: Panel, days: NDArray[np.intp], name: str) -> Float32:
    return panel.values[days, :, panel.features.index(name)]
