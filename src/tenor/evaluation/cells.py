"""Which cells count when models are evaluated: mask True and return known; the same for every model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tenor.errors import DataError, HistoryError
from tenor.schema import Bool, Float64, Panel, Predictions


def realised(panel: Panel, rows: slice, *, horizon: int) -> tuple[NDArray[np.intp], Float64]:
    """Places of the sessions in `rows` with a cell that counts, and their returns [day, symbol], NaN where none counts.

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
        Of the model; its name is for messages.
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
        raise DataError(f"{name} gives a P(up) of {p_up[outside][0]:g}: it must lie in 0..1.")
    return mean, p_up
