"""Forecasts beside what happened: prices, outcomes, probabilities, intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.evaluate import Evaluation
from tenor.evaluation.metrics import Bin
from tenor.evaluation.significance import bins_by_day
from tenor.report import style
from tenor.report.page import Paragraph, Picture, Section
from tenor.report.style import format_number, format_percent, join_names, sessions_ahead
from tenor.schema import Bool, Float64, Panel, Predictions

SESSIONS_SHOWN = 120
LEVEL = 0.9


def prices_section(
    panel: Panel, rows: slice, ours: Predictions, symbols: Sequence[str], judged: ForecastCells
) -> Section:
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
            f"{symbol}, the last {int(known.sum())} sessions of the test; what was said {sessions_ahead(judged.horizon)} stands "
            f"at the session it is about. The mean size of a forecast return is {_size(said[known])}, that of a "
            f"realised one {_size(came[known])}."
        )
        if np.isfinite(inside).any():
            caption += f" {format_percent(float(np.nanmean(inside)), 0)} of the returns lie inside the 90 % interval."
        figure = figure_price(panel, rows, ours, symbol, horizon=judged.horizon, sessions=SESSIONS_SHOWN)
        alt = f"Price of {symbol} with its forecast and 90 % interval, and below the returns."
        blocks.append(Picture(figure, caption, alt))
    return Section("Prices and forecasts", tuple(blocks))


def _size(returns: Float64) -> str:
    return format_percent(float(np.abs(returns).mean()))


def outcomes_section(judged: ForecastCells) -> Section:
    """Predicted against realised returns."""
    known = np.isfinite(judged.mean) & np.isfinite(judged.realised)
    if not known.any():
        return Section("Forecast and outcome", (Paragraph("No forecast of the test has a known outcome."),))
    said, came = judged.mean[known], judged.realised[known]
    if said.std() > 0:
        wide = (
            f"Realised returns spread {format_number(float(came.std() / said.std()), 0)} times as far as the forecasts, so "
            "the cloud on the left is a thin upright band: that is what honest forecasts of daily returns look like."
        )
    else:
        wide = "All forecasts are the same."
    caption = (
        f"{sessions_ahead(judged.horizon).capitalize()}, {len(said):,} forecasts. {wide} On the right, the outcomes rise with "
        "the forecasts if there is something in these, and lie on the orange line if they also have the right size."
    )
    alt = (
        "Left: density of realised against forecast return, equal axes. Right: mean outcome of each tenth of forecasts."
    )
    return Section("Forecast and outcome", (Picture(figure_scatter(judged), caption, alt),))


def probabilities_section(evaluations: Mapping[int, Evaluation], judged: Mapping[int, ForecastCells]) -> Section:
    """Reliability of P(up)."""
    bins = {h: e.reliability for h, e in evaluations.items() if e.reliability}
    if not bins:
        return Section("Probabilities", (Paragraph("No probability of the test has a known outcome."),))
    said = " ".join(
        f"{sessions_ahead(h).capitalize()}, the lowest tenth says {format_percent(found[0].p_up, 1)}, the highest "
        f"{format_percent(found[-1].p_up, 1)}; they are {format_number(100 * _off(found), 1)} points off on average."
        for h, found in bins.items()
    )
    caption = (
        "Where the model says 55 %, 55 % should go up: dots on the orange line, each a tenth of the forecasts with its "
        "95 % interval. Dots level with the dashed line, the share of all that went up, mean that what it says makes "
        f"no difference. {said}"
    )
    alt = "Share of stocks that went up against the probability said, and how often each probability was said."
    figure = figure_reliability({h: judged[h] for h in bins})
    return Section("Probabilities", (Picture(figure, caption, alt),))


def _off(bins: Sequence[Bin]) -> float:
    return sum(abs(b.p_up - b.share_up) * b.count for b in bins) / sum(b.count for b in bins)


def intervals_section(evaluations: Mapping[int, Evaluation], judged: Mapping[int, ForecastCells]) -> Section:
    """Coverage of the 90 % intervals."""
    given = {h: c for h, c in judged.items() if np.isfinite(c.inside).any()}
    if not given:
        return Section("Intervals", (Paragraph("The model gives no intervals."),))
    covered = join_names([f"{_covered(evaluations[h].coverage)} {sessions_ahead(h)}" for h in given])
    caption = (
        "A 90 % interval should hold 90 % of what comes, at any time and for any kind of stock (dashed line); above it "
        f"is too wide, below too narrow. Over the whole test it held {covered}."
    )
    alt = "Share of realised returns inside the 90 % interval over time, and by fifth of volatility."
    return Section("Intervals", (Picture(figure_coverage(given), caption, alt),))


def _covered(found: ConfidenceInterval) -> str:
    if not np.isfinite(found.low + found.high):
        return format_percent(found.value, 1)
    return (
        f"{format_percent(found.value, 1)} [{format_number(found.low * 100, 1)}, {format_number(found.high * 100, 1)}]"
    )


@dataclass(frozen=True)
class ForecastCells:
    """What was forecast and what came, [session, symbol], NaN where a cell does not count.

    A cell counts where the panel's mask is True and its return is known: the same rule as in `tenor.evaluation`.
    Returns are natural logs over `horizon` sessions. `lower` and `upper` are all NaN for a model without intervals.
    """

    horizon: int
    sessions: pd.DatetimeIndex
    realised: Float64
    mean: Float64
    p_up: Float64
    lower: Float64
    upper: Float64
    volatility: Float64

    @property
    def inside(self) -> Float64:
        """1 where the realised return lies in the 90 % interval, 0 where not, NaN where a cell does not count."""
        within = (self.realised >= self.lower) & (self.realised <= self.upper)
        return np.where(np.isfinite(self.realised + self.lower + self.upper), within.astype("float64"), np.nan)


def forecast_cells(panel: Panel, rows: slice, predictions: Predictions, horizon: int) -> ForecastCells:
    """The cells of `rows` that count at `horizon`."""
    h = panel.horizon_index(horizon)
    target = panel.targets[rows, :, h].astype("float64")
    counts: Bool = panel.mask[rows] & np.isfinite(target)
    nothing = np.full(target.shape, np.nan)

    def cut(values: np.ndarray | None) -> Float64:
        return nothing if values is None else np.where(counts, values[rows, :, h].astype("float64"), np.nan)

    return ForecastCells(
        horizon=horizon,
        sessions=panel.sessions[rows],
        realised=np.where(counts, target, np.nan),
        mean=cut(predictions.mean),
        p_up=cut(predictions.p_up),
        lower=cut(predictions.lower),
        upper=cut(predictions.upper),
        volatility=np.where(counts, panel.volatility[rows].astype("float64"), np.nan),
    )


@style.styled
def figure_price(
    panel: Panel, rows: slice, predictions: Predictions, symbol: str, *, horizon: int, sessions: int
) -> Figure:
    """Adjusted close and forecast of one symbol over the last `sessions` of `rows`, and below them the returns.

    What was said after the close of t stands at t + `horizon`, the session it is about.
    """
    n, h = panel.symbol_index(symbol), panel.horizon_index(horizon)
    said = np.arange(*rows.indices(len(panel.sessions)))[-sessions:]
    said = said[said + horizon < len(panel.sessions)]
    when = panel.sessions[said + horizon]
    start, came = panel.close[said, n], panel.close[said + horizon, n]
    mean = np.where(panel.mask[said, n], predictions.mean[said, n, h], np.nan).astype("float64")
    realised = np.log(came / start)

    low = high = np.full(len(said), np.nan)
    if predictions.lower is not None and predictions.upper is not None:
        low = np.where(np.isfinite(mean), predictions.lower[said, n, h], np.nan).astype("float64")
        high = np.where(np.isfinite(mean), predictions.upper[said, n, h], np.nan).astype("float64")
    outside = (realised < low) | (realised > high)

    figure = style.canvas(5.6)
    price, returns, alone = figure.subplots(3, 1, sharex=True, height_ratios=(2.4, 1.2, 0.8))
    band = {"color": style.OURS, "alpha": 0.16, "lw": 0}
    price.fill_between(when, start * np.exp(low), start * np.exp(high), label="90 % interval", **band)
    price.plot(when, start * np.exp(mean), color=style.OURS, label="forecast")
    price.plot(when, came, color=style.INK, lw=1.1, label="adjusted close")
    price.set_title(f"{symbol}: price")
    style.legend(price, columns=4)
    returns.fill_between(when, low, high, **band)
    width = 0.8 * _spacing(when)
    for here, colour, label in ((~outside, style.CALM, "realised"), (outside, style.AGAINST, "outside the interval")):
        returns.bar(when[here], realised[here], width=width, color=colour, label=label)
    returns.plot(when, mean, color=style.OURS, lw=1.2, label="forecast")
    returns.set_title(f"Return over {_sessions(horizon)}")
    style.legend(returns, columns=4)
    alone.bar(when, mean, width=width, color=style.OURS)
    alone.set_title("The forecast returns alone, on their own scale")
    for axes in (returns, alone):
        axes.axhline(0, color=style.MUTED, lw=0.8)
        axes.grid(visible=False, axis="x")
        axes.locator_params(axis="y", nbins=5)
        style.percent_axis(axes.yaxis)
    alone.locator_params(axis="y", nbins=3)
    style.plain_axis(price.yaxis)
    for axes in (price, returns, alone):
        axes.margins(x=0.01)
    style.date_ticks(alone, when)
    return figure


@style.styled
def figure_scatter(judged: ForecastCells) -> Figure:
    """Forecast against realised returns: every cell on equal axes, and realised means of tenths of the forecasts."""
    figure = style.canvas(4.4)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    known = np.isfinite(judged.realised) & np.isfinite(judged.mean)
    x, y = judged.mean[known], judged.realised[known]
    reach = float(max(np.quantile(np.abs(y), 0.995), np.abs(x).max())) * 1.05 if len(x) else 0.01
    reach = reach or 0.01
    if len(x):
        left.hexbin(
            x, y, gridsize=60, extent=(-reach, reach, -reach, reach), bins="log", mincnt=1, linewidths=0,
            cmap=style.ramp(), rasterized=True,
        )  # fmt: skip
    left.plot([-reach, reach], [-reach, reach], color=style.AGAINST, lw=1)
    left.set(
        xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="forecast return", ylabel="realised return"
    )
    left.annotate(
        "forecast = realised",
        (reach * 0.93, reach * 0.93),
        xytext=(-8, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        color=style.AGAINST,
        size=9,
    )
    left.set_title("Each stock on each session")
    for axis in (left.xaxis, left.yaxis, right.xaxis, right.yaxis):
        style.percent_axis(axis)

    right.locator_params(axis="x", nbins=5)
    at, means = bins_by_day(judged.realised, judged.mean, judged.horizon, bins=10)
    _whiskers(right, at, means)
    right.axhline(0, color=style.MUTED, lw=0.8)
    if at:
        ends = np.array([min(at), max(at)])
        right.plot(ends, ends, color=style.AGAINST, lw=1)
    right.set(xlabel="forecast return, mean of the tenth", ylabel="mean realised return")
    right.set_title("Mean outcome of each tenth, with 95 % interval")
    return figure


@style.styled
def figure_reliability(judged: Mapping[int, ForecastCells]) -> Figure:
    """Share that went up against P(up) said, in tenths, a column a horizon, with how often each was said below."""
    figure = style.canvas(4.8)
    panels = figure.subplots(2, len(judged), squeeze=False, sharex="col", height_ratios=(2.4, 1))
    for column, (horizon, part) in enumerate(judged.items()):
        above, below = panels[0, column], panels[1, column]
        rose = np.where(np.isfinite(part.realised), part.realised > 0, np.nan)
        said = part.p_up[np.isfinite(part.p_up)]
        ends = _around(said, 0.01)
        above.plot(ends, ends, color=style.AGAINST, lw=1)
        base = float(np.nanmean(rose))
        above.axhline(base, color=style.MUTED, lw=0.9, ls="--")
        at, means = bins_by_day(rose, part.p_up, horizon, bins=10)
        _whiskers(above, at, means)
        above.annotate(
            "said = came", (ends[1], ends[1]), xytext=(-2, 6), textcoords="offset points",
            ha="right", color=style.AGAINST, size=9,
        )  # fmt: skip
        above.annotate(
            f"all: {style.format_percent(base, 1)}", (ends[0], base), xytext=(2, 4), textcoords="offset points",
            color=style.MUTED, size=9,
        )  # fmt: skip
        above.set_title(f"Share that went up over {_sessions(horizon)}")
        below.hist(said, bins=40, range=ends, color=style.CALM)
        below.set_title("How often it was said")
        below.set(xlim=ends, xlabel="P(up) said")
        below.grid(visible=False, axis="x")
        style.plain_axis(below.yaxis)
        below.locator_params(axis="both", nbins=5)
        style.percent_axis(above.yaxis)
        style.percent_axis(below.xaxis)
    return figure


@style.styled
def figure_coverage(judged: Mapping[int, ForecastCells], *, window: int = 21) -> Figure:
    """Share of realised returns inside the 90 % interval: over time, and by the stock's volatility on the day."""
    figure = style.canvas(3.6)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.5, 1))
    shift = np.linspace(-0.08, 0.08, len(judged)) if len(judged) > 1 else [0.0]
    for colour, offset, (horizon, part) in zip(style.SERIES, shift, judged.items(), strict=False):
        inside = part.inside
        known = np.isfinite(inside)
        by_day = pd.DataFrame({"hits": np.where(known, inside, 0.0).sum(axis=1), "cells": known.sum(axis=1)})
        rolled = by_day.rolling(window, min_periods=window).sum()
        left.plot(
            part.sessions,
            (rolled["hits"] / rolled["cells"].where(rolled["cells"] > 0)).to_numpy(),
            color=colour,
            label=_sessions(horizon),
        )
        _, means = bins_by_day(inside, part.volatility, horizon, bins=5)
        _whiskers(right, [i + offset for i in range(len(means))], means, colour)
    left.set_title(f"Share inside, {window} sessions rolling")
    right.set_title("The same by fifth of volatility")
    right.set_xticks(range(5), ["calmest", "2", "3", "4", "wildest"])
    right.tick_params(axis="y", length=0)
    for axes in (left, right):
        axes.axhline(LEVEL, color=style.MUTED, lw=0.9, ls="--")
        style.percent_axis(axes.yaxis)
    style.date_ticks(left, next(iter(judged.values())).sessions)
    style.legend(left, columns=4)
    return figure


def _whiskers(axes: Axes, at: Sequence[float], means: Sequence[ConfidenceInterval], colour: str = style.OURS) -> None:
    for x, mean in zip(at, means, strict=True):
        axes.plot([x, x], [mean.low, mean.high], color=colour, lw=1.4)
    axes.plot(at, [m.value for m in means], "o", color=colour, ms=5)


def _spacing(when: pd.DatetimeIndex) -> float:
    return (
        float(np.min(np.diff(when.to_numpy()).astype("timedelta64[h]").astype("float64"))) / 24
        if len(when) > 1
        else 1.0
    )


def _around(values: Float64, least: float) -> tuple[float, float]:
    if not len(values):
        return 0.4, 0.6
    margin = max(float(np.ptp(values)) * 0.06, least)
    return float(values.min()) - margin, float(values.max()) + margin


def _sessions(horizon: int) -> str:
    return "1 session" if horizon == 1 else f"{horizon} sessions"
