"""Scores by which a grid search ranks settings; for each of them, higher is better."""

from __future__ import annotations

import math

import numpy as np

from tenor import metrics
from tenor.schema import Bool, Panel, Predictions

SCORINGS = ("log_variance_r2", "error_reduction", "rank_ic", "mcc")
"""The names of the scores. The first is the default, because the size of price moves is what can be forecast."""


def scores(panel: Panel, predictions: Predictions, cells: Bool, *, horizon: int) -> dict[str, float]:
    """Scores of `predictions` over `cells`, by name; NaN if undefined.

    ``log_variance_r2``: 1 - squared error of the forecast log variance / squared deviation of the realised one from its
    mean over the cells; NaN for a model that forecasts no volatility.
    ``error_reduction``: 1 - squared error / squared error of the zero forecast, both in units of each cell's volatility
    (the skill of an evaluation differs: it uses plain returns and the roots of both errors).
    ``rank_ic``: `tenor.metrics.rank_ic`.
    ``mcc``: `tenor.metrics.mcc`; also 0 for a model that forecasts no direction, so that it can be ranked.

    Parameters
    ----------
    panel
        The panel that was predicted; its targets and volatilities are used.
    predictions
        The predictions for the whole panel.
    cells
        [session, symbol]; the cells to use, of those with a known forecast and return.
    horizon
        Sessions ahead.
    """
    k = panel.horizon_index(horizon)
    realised = panel.targets[:, :, k].astype(np.float64)
    mean = predictions.mean[:, :, k].astype(np.float64)
    p_up = predictions.p_up[:, :, k].astype(np.float64)
    known = cells & np.isfinite(realised) & np.isfinite(mean) & (panel.volatility > 0)
    if not known.any():
        return dict.fromkeys(SCORINGS, math.nan)
    unit = panel.volatility.astype(np.float64)[known]
    squared_error = np.square((mean[known] - realised[known]) / unit).sum()
    squared_return = np.square(realised[known] / unit).sum()
    correlation = metrics.mcc(p_up[known], realised[known])
    return {
        "log_variance_r2": _r2(panel, predictions, cells, k),
        "error_reduction": 1 - float(metrics.ratio(squared_error, squared_return)),
        "rank_ic": metrics.rank_ic(np.where(known, mean, np.nan), realised),
        "mcc": correlation if math.isfinite(correlation) else 0.0,
    }


def _r2(panel: Panel, predictions: Predictions, cells: Bool, k: int) -> float:
    if predictions.risk is None:
        return math.nan
    realised = panel.log_variance[:, :, k].astype(np.float64)
    error = predictions.risk.log_variance[:, :, k].astype(np.float64) - realised
    known = cells & np.isfinite(error)
    if not known.any():
        return math.nan
    return 1 - float(
        metrics.ratio(np.square(error[known]).sum(), np.square(realised[known] - realised[known].mean()).sum())
    )
