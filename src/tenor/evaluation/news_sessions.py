"""Did sentiment help this version? It and its twin without sentiment, on the test sessions that sentiment reaches.

One split, the version as it was trained: outside these sessions the two differ by chance alone, which would dilute what
news does where there is some. `tenor evaluate` reports it; whether sentiment is worth having in the method is asked by
`tenor.evaluation.ablation`.
"""

from __future__ import annotations

from collections.abc import Mapping

from tenor.errors import DataError
from tenor.evaluation.bootstrap import RESAMPLES
from tenor.evaluation.evaluate import Evaluation, evaluate
from tenor.evaluation.risk import RiskEvaluation, evaluate_risk
from tenor.schema import DailySentiment, Panel, Predictions


def compare_on_news_sessions(
    panel: Panel,
    rows: slice,
    sentiment: DailySentiment,
    predictions: Mapping[str, Predictions],
    *,
    ours: str,
    without: str,
    resamples: int = RESAMPLES,
) -> dict[int, Evaluation]:
    """A model beside the same model without sentiment, on the sessions of `rows` that sentiment reaches.

    Parameters
    ----------
    panel
        The panel that was predicted, with only the cells that count in its mask.
    rows
        The sessions of the test, as a slice of the panel's session axis.
    sentiment
        What the model saw; `rows` are cut to the sessions from its first to its last.
    predictions
        Name -> predictions over the whole panel; those of other models than the two are not used.
    ours, without
        The names of the two models.
    resamples
        Number of resamples of the days.

    Returns
    -------
    dict of int to Evaluation
        Horizon -> evaluation of `ours` against `without`; empty where sentiment reaches no session of `rows`.

    Raises
    ------
    HistoryError
        As `evaluate` does.
    DataError
        As `evaluate` does.
    """
    reached = _news_sessions(panel, rows, sentiment)
    if reached is None:
        return {}
    pair = {name: predictions[name] for name in (ours, without)}
    return {h: evaluate(panel, reached, pair, horizon=h, resamples=resamples) for h in panel.horizons}


def compare_risk_on_news_sessions(
    panel: Panel,
    rows: slice,
    sentiment: DailySentiment,
    predictions: Mapping[str, Predictions],
    *,
    ours: str,
    without: str,
    resamples: int = RESAMPLES,
) -> dict[int, RiskEvaluation]:
    """What `compare_on_news_sessions` does, for the forecasts of risk of the two models.

    Parameters
    ----------
    panel, rows, sentiment, predictions, ours, without, resamples
        As there; the two models must have forecasts of risk.

    Returns
    -------
    dict of int to RiskEvaluation
        Horizon -> evaluation of `ours` against `without`; empty where sentiment reaches no session of `rows`.

    Raises
    ------
    HistoryError
        As `evaluate_risk` does.
    DataError
        As `evaluate_risk` does, and where one of the two models has no forecast of risk.
    """
    reached = _news_sessions(panel, rows, sentiment)
    if reached is None:
        return {}
    pair = {}
    for name in (ours, without):
        risk = predictions[name].risk
        if risk is None:
            raise DataError(f"{name} has no forecast of risk to compare: predict with a model that has one.")
        pair[name] = risk
    return {h: evaluate_risk(panel, reached, pair, horizon=h, resamples=resamples) for h in panel.horizons}


def _news_sessions(panel: Panel, rows: slice, sentiment: DailySentiment) -> slice | None:
    """The part of `rows` from the first session with sentiment to the last; None where there is no such session."""
    start, stop, _ = rows.indices(len(panel.sessions))
    first, last = sentiment.frame["session"].min(), sentiment.frame["session"].max()
    start = max(start, int(panel.sessions.searchsorted(first)))
    stop = min(stop, int(panel.sessions.searchsorted(last, side="right")))
    return slice(start, stop) if stop > start else None
