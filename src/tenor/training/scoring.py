"""How good forecasts of some sessions are, each as one number of which more is better."""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import matthews_corrcoef

from tenor.schema import Bool, Float64, Panel, Predictions

SCORINGS = ("skill", "rank_ic", "mcc")
"""What `scores` gives. The first is the default: it is the part of the loss that every horizon and model shares."""

FEWEST_SYMBOLS = 5
"""A session's rank correlation over fewer symbols than this is undefined."""


def scores(panel: Panel, said: Predictions, cells: Bool, *, horizon: int) -> dict[str, float]:
    """Scores of `said` over `cells`; NaN where one is undefined.

    ``skill``: 1 - squared error / squared error of the zero forecast, both in units of each cell's volatility.
    ``rank_ic``: Spearman correlation of forecast and return across symbols, mean over sessions.
    ``mcc``: Matthews correlation of (P(up) > .5) and (return > 0).

    Parameters
    ----------
    cells
        [session, symbol]; those that count, where forecast and return are known as well.
    """
    k = panel.horizon_index(horizon)
    realised, mean, p_up = (a[:, :, k].astype(np.float64) for a in (panel.targets, said.mean, said.p_up))
    known = cells & np.isfinite(realised) & np.isfinite(mean) & (panel.volatility > 0)
    if not known.any():
        return dict.fromkeys(SCORINGS, float("nan"))
    unit = panel.volatility.astype(np.float64)[known]
    error, plain = (mean[known] - realised[known]) / unit, realised[known] / unit
    spread = float(np.square(plain).sum())
    return {
        "skill": 1 - float(np.square(error).sum()) / spread if spread > 0 else float("nan"),
        "rank_ic": _rank_ic(mean, realised, known),
        "mcc": _mcc(realised[known] > 0, p_up[known] > 0.5),
    }


def _mcc(rose: Bool, said: Bool) -> float:
    if rose.all() or said.all() or not (rose.any() and said.any()):
        return 0.0  # as is the custom; scikit-learn gives it as well, with a warning
    return float(matthews_corrcoef(rose, said))


def _rank_ic(mean: Float64, realised: Float64, known: Bool) -> float:
    days = []
    for m, r, on in zip(mean, realised, known, strict=True):
        enough = on.sum() >= FEWEST_SYMBOLS and np.ptp(m[on]) > 0 and np.ptp(r[on]) > 0
        if enough:
            days.append(float(spearmanr(m[on], r[on]).statistic))
    return float(np.mean(days)) if days else float("nan")
