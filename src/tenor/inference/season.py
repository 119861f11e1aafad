"""The effect of the season of quarterly reports on a forecast of log variance, from the symbols' own bars alone.

Companies report every 13 weeks, mostly on the same weekday, and their prices then move several times as much as usual.
The networks look back only one quarter, and the regressions of `tenor.har` contain only averages, so neither can see
this. Two linear regressions are fitted: on the terms of HAR-X, and on the same terms with those of the season. Their
difference is added to the forecast, multiplied by a factor that validation chooses (`tenor.heads`). Needs only NumPy
and pandas.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tenor.har import HAR_X_SESSIONS, Moments, har_terms, refits
from tenor.schema import Float64, Panel

QUARTER = pd.Timedelta(weeks=13)
QUARTERS = 4
REPORTED = 1.0
"""The `excess_variance` (e times the usual variance) above which a session probably had a report; the slope changes."""
BOUND = 3.0
"""The largest effect on a log variance, in both directions.

On the stocks tried it was never above 2.3; a larger one comes from wrong bars.
"""


def excess_variance(panel: Panel, terms: Float64) -> Float64:
    """[session, symbol]; log variance of a session minus the log of the mean of the last 66; NaN where not known.

    Parameters
    ----------
    panel
        The panel whose variances are used.
    terms
        `tenor.har.har_terms` of the panel.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        excess: Float64 = np.log(panel.variance) - terms[:, :, HAR_X_SESSIONS.index(66)]
    return np.where(np.isfinite(excess), excess, np.nan)


def season_terms(sessions: pd.DatetimeIndex, excess: Float64, ahead: int) -> Float64:
    """How much a symbol moved at this time of the last four quarters.

    For each session, the next `ahead` sessions are looked up 13, 26, 39 and 52 weeks earlier. This is done by date,
    because counting sessions would miss the weekday after a holiday. The one with the largest excess counts.

    Parameters
    ----------
    sessions
        The sessions, in order.
    excess
        [session, symbol]; their `excess_variance`.
    ahead
        How many sessions the forecast looks ahead.

    Returns
    -------
    array
        [session, symbol, 4]. First the mean over the quarters that are known, then the value of a year ago (the mean if
        that is not known); both are 0 if no quarter is known. The last two are the parts of the first two above
        `REPORTED`.
    """
    largest = pd.DataFrame(excess).rolling(ahead, min_periods=1).max().to_numpy()
    peaks = np.full((QUARTERS, *excess.shape), np.nan)
    row = np.arange(len(sessions))
    for number in range(QUARTERS):
        before = sessions - (number + 1) * QUARTER
        last = sessions.searchsorted(before) + ahead
        # nothing is known before the first session; and no row depends on later ones
        there = (before >= sessions.min()) & (last <= row)
        peaks[number, there] = largest[last[there]]
    known = np.isfinite(peaks)
    usual = np.where(known, peaks, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    values = np.stack([usual, np.where(known[-1], peaks[-1], usual)], axis=2)
    return np.concatenate([values, np.maximum(values - REPORTED, 0.0)], axis=2)


def season_effect(panel: Panel, first: int, *, terms: Float64 | None = None) -> Float64:
    """What the season adds to the forecast log variance, from the session `first` on.

    It is the difference of two regressions over all symbols together, with and without the season's terms. Both are
    refitted every `tenor.har.REFIT_EVERY` sessions on all targets known by then. The effect at session t depends only
    on the panel's rows up to t.

    Parameters
    ----------
    panel
        The panel; its mask says which rows are used.
    first
        Session of the first fit, as a place on the panel's session axis.
    terms
        `tenor.har.har_terms` of the panel; computed if not given.

    Returns
    -------
    array
        [session, symbol, horizon]; 0 before `first`, where a term is not known, and where fewer than
        `tenor.har.FEWEST_ROWS` rows were known when the coefficients were last fitted.
    """
    terms = har_terms(panel) if terms is None else terms
    excess = excess_variance(panel, terms)
    complete = panel.mask & np.isfinite(terms).all(axis=2)
    effect = np.zeros(panel.log_variance.shape)
    for k, horizon in enumerate(panel.horizons):
        season = season_terms(panel.sessions, excess, horizon)
        target = np.where(complete, panel.log_variance[:, :, k], np.nan).astype("float64")
        width = terms.shape[2]
        without, with_season = Moments.none(1, width), Moments.none(1, width + season.shape[2])
        for new, ahead in refits(first, len(panel.sessions), horizon):
            forecasts = []
            for moments, each in ((without, [terms]), (with_season, [terms, season])):
                moments.add(_pooled(each, new), target[new].reshape(-1, 1))
                forecasts.append(moments.fit().predict(_pooled(each, ahead)).reshape(terms[ahead].shape[:2]))
            added = forecasts[1] - forecasts[0]
            effect[ahead, :, k] = np.where(np.isfinite(added), np.clip(added, -BOUND, BOUND), 0.0)
    return effect


def _pooled(terms: Sequence[Float64], rows: slice) -> Float64:
    """Sessions `rows` of each [session, symbol, term], side by side, as those of one symbol, [row, 1, term]."""
    some = terms[0][rows] if len(terms) == 1 else np.concatenate([each[rows] for each in terms], axis=2)
    return some.reshape(-1, 1, some.shape[2])
