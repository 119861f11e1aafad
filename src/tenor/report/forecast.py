"""Sections of the forecasts and of the model: prices, outcomes, probabilities, intervals, attention, training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.evaluate import Evaluation
from tenor.metrics import Bin
from tenor.report import figures_forecast, model
from tenor.report.cells import Cells
from tenor.report.page import Paragraph, Picture, Section
from tenor.report.style import ahead, listed, number, percent
from tenor.schema import Bool, Float32, Float64, Panel, Predictions

SESSIONS_SHOWN = 120
HARDLY = 0.1
"""Weights nearer to equal than this, a share of the equal weight, choose nothing worth the name."""


class AttentionLike(Protocol):
    """Weights of the test's sessions, each forecast's summing to 1."""

    @property
    def time(self) -> Float32:
        """[session, symbol, lag]; the last lag is the session of the forecast itself."""

    @property
    def feature(self) -> Float32:
        """[session, symbol, feature]."""


def prices(panel: Panel, rows: slice, ours: Predictions, symbols: Sequence[str], judged: Cells) -> Section:
    """Price and forecast of the chosen symbols."""
    blocks: list[Picture | Paragraph] = [
        Paragraph(
            "On a price chart every forecast looks good, because it starts from the last price: 'nothing changes' "
            "would be drawn as nearly the same line. What the model adds is the forecast return, in the lower panels."
        )
    ]
    last = slice(-SESSIONS_SHOWN, None)
    for symbol in symbols:
        n = panel.symbol_index(symbol)
        said, came, inside = judged.mean[last, n], judged.realised[last, n], judged.inside[last, n]
        known = np.isfinite(said) & np.isfinite(came)
        if not known.any():
            blocks.append(Paragraph(f"{symbol} has no forecast with a known outcome in the last sessions of the test."))
            continue
        caption = (
            f"{symbol}, the last {int(known.sum())} sessions of the test; what was said {ahead(judged.horizon)} stands "
            f"at the session it is about. The mean size of a forecast return is {_size(said[known])}, that of a "
            f"realised one {_size(came[known])}."
        )
        if np.isfinite(inside).any():
            caption += f" {percent(float(np.nanmean(inside)), 0)} of the returns lie inside the 90 % interval."
        figure = figures_forecast.figure_price(
            panel, rows, ours, symbol, horizon=judged.horizon, sessions=SESSIONS_SHOWN
        )
        alt = f"Price of {symbol} with its forecast and 90 % interval, and below the returns."
        blocks.append(Picture(figure, caption, alt))
    return Section("Prices and forecasts", tuple(blocks))


def _size(returns: Float64) -> str:
    return percent(float(np.abs(returns).mean()))


def outcomes(judged: Cells) -> Section:
    """Predicted against realised returns."""
    known = np.isfinite(judged.mean) & np.isfinite(judged.realised)
    if not known.any():
        return Section("Forecast and outcome", (Paragraph("No forecast of the test has a known outcome."),))
    said, came = judged.mean[known], judged.realised[known]
    if said.std() > 0:
        wide = (
            f"Realised returns spread {number(float(came.std() / said.std()), 0)} times as far as the forecasts, so "
            "the cloud on the left is a thin upright band: that is what honest forecasts of daily returns look like."
        )
    else:
        wide = "All forecasts are the same."
    caption = (
        f"{ahead(judged.horizon).capitalize()}, {len(said):,} forecasts. {wide} On the right, the outcomes rise with "
        "the forecasts if there is something in these, and lie on the orange line if they also have the right size."
    )
    alt = (
        "Left: density of realised against forecast return, equal axes. Right: mean outcome of each tenth of forecasts."
    )
    return Section("Forecast and outcome", (Picture(figures_forecast.figure_scatter(judged), caption, alt),))


def probabilities(evaluations: Mapping[int, Evaluation], judged: Mapping[int, Cells]) -> Section:
    """Reliability of P(up)."""
    bins = {h: e.reliability for h, e in evaluations.items() if e.reliability}
    if not bins:
        return Section("Probabilities", (Paragraph("No probability of the test has a known outcome."),))
    said = " ".join(
        f"{ahead(h).capitalize()}, the lowest tenth says {percent(found[0].p_up, 1)}, the highest "
        f"{percent(found[-1].p_up, 1)}; they are {number(100 * _off(found), 1)} points off on average."
        for h, found in bins.items()
    )
    caption = (
        "Where the model says 55 %, 55 % should go up: dots on the orange line, each a tenth of the forecasts with its "
        "95 % interval. Dots level with the dashed line, the share of all that went up, mean that what it says makes "
        f"no difference. {said}"
    )
    alt = "Share of stocks that went up against the probability said, and how often each probability was said."
    figure = figures_forecast.figure_reliability({h: judged[h] for h in bins})
    return Section("Probabilities", (Picture(figure, caption, alt),))


def _off(bins: Sequence[Bin]) -> float:
    return sum(abs(b.p_up - b.share_up) * b.count for b in bins) / sum(b.count for b in bins)


def intervals(evaluations: Mapping[int, Evaluation], judged: Mapping[int, Cells]) -> Section:
    """Coverage of the 90 % intervals."""
    given = {h: c for h, c in judged.items() if np.isfinite(c.inside).any()}
    if not given:
        return Section("Intervals", (Paragraph("The model gives no intervals."),))
    covered = listed([f"{_covered(evaluations[h].coverage)} {ahead(h)}" for h in given])
    caption = (
        "A 90 % interval should hold 90 % of what comes, at any time and for any kind of stock (dashed line); above it "
        f"is too wide, below too narrow. Over the whole test it held {covered}."
    )
    alt = "Share of realised returns inside the 90 % interval over time, and by fifth of volatility."
    return Section("Intervals", (Picture(figures_forecast.figure_coverage(given), caption, alt),))


def _covered(found: ConfidenceInterval) -> str:
    if not np.isfinite(found.low + found.high):
        return percent(found.value, 1)
    return f"{percent(found.value, 1)} [{number(found.low * 100, 1)}, {number(found.high * 100, 1)}]"


def attention(panel: Panel, rows: slice, found: AttentionLike) -> Section:
    """What the model attended to, over time and over features."""
    mask, sessions = panel.mask[rows], panel.sessions[rows]
    time = _mean_over_symbols(found.time, mask)[:, ::-1]  # the session itself first
    feature = _mean_over_symbols(found.feature, mask)
    if not (np.isfinite(time).any() and np.isfinite(feature).any()):
        return Section("Attention", (Paragraph("The test has no session with attention."),))
    before = Paragraph(
        "Attention says what the network weighed, not that there is a signal in it: a model without skill has "
        "attention too. The weights of a forecast sum to 100 %. In the maps blue is more than an equal weight, "
        "orange less; beside them, the dashed line is an equal weight."
    )
    by_lag = np.nanmean(time, axis=0)
    recent = min(5, len(by_lag))
    over_time = Picture(
        model.figure_attention_time(time, sessions),
        f"Each column is a session on which forecasts were made, each row a session before it; mean over stocks. The "
        f"last {recent} sessions get {percent(float(by_lag[:recent].sum()), 0)} of the weight; equal weights would "
        f"give them {percent(recent / len(by_lag), 0)}. {_choice(found.time, mask, 'sessions')}",
        "Heat map of attention by lag and session, and bars of its mean by lag.",
    )
    means = np.nanmean(feature, axis=0)
    top = [panel.features[i] for i in np.argsort(-means, kind="stable")[:3]]
    shown = min(len(means), model.MOST_FEATURES)
    over_features = Picture(
        model.figure_attention_features(feature, sessions, panel.features),
        f"{'All' if shown == len(means) else 'The first'} {shown} features by mean weight: {listed(top)} lead; equal "
        f"weights would be {percent(1 / len(means), 1)} each. {_choice(found.feature, mask, 'features')}",
        "Heat map of attention by feature and month, and sorted bars of its mean.",
    )
    return Section("Attention", (before, over_time, over_features))


def _choice(weights: Float32, mask: Bool, what: str) -> str:
    times = weights[mask].astype("float64") * weights.shape[-1]
    away = float(np.nanmean(np.abs(times - 1.0)))
    said = f"In a single forecast a weight is on average {percent(away, 0)} away from equal"
    return f"{said}: the network hardly chooses among {what}." if away < HARDLY else f"{said}."


def _mean_over_symbols(weights: Float32, mask: Bool) -> Float64:
    known = mask[:, :, None] & np.isfinite(weights)
    counts = known.sum(axis=1)
    sums: Float64 = np.where(known, weights, 0.0).sum(axis=1, dtype="float64")
    means: Float64 = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return means


def training(history: Sequence[Mapping[str, Any]]) -> Section:
    """Learning curves."""
    if not history:
        return Section("Training", (Paragraph("No learning curves were kept."),))
    kept = sorted(int(run["best_epoch"]) for run in history)
    span = f"epoch {kept[0]}" if kept[0] == kept[-1] else f"epochs {kept[0]} to {kept[-1]}"
    caption = (
        f"A line for each of {len(history)} seed{'s' if len(history) > 1 else ''}; dots mark the weights that were "
        f"kept, those with the lowest validation loss ({span}). A training loss that falls on while validation rises "
        "is learning by heart. The two panels have scales of their own."
    )
    alt = "Training and validation loss by epoch, a line a seed, the kept epoch marked."
    return Section("Training", (Picture(model.figure_learning(history), caption, alt),))
