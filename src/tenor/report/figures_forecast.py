"""Figures of forecasts beside what came: prices, scatter, probabilities, intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.significance import bins_by_day
from tenor.report import style
from tenor.report.cells import Cells
from tenor.schema import Float64, Panel, Predictions

LEVEL = 0.9


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
    style.key(price, columns=4)
    returns.fill_between(when, low, high, **band)
    width = 0.8 * _spacing(when)
    for here, colour, label in ((~outside, style.CALM, "realised"), (outside, style.AGAINST, "outside the interval")):
        returns.bar(when[here], realised[here], width=width, color=colour, label=label)
    returns.plot(when, mean, color=style.OURS, lw=1.2, label="forecast")
    returns.set_title(f"Return over {_sessions(horizon)}")
    style.key(returns, columns=4)
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
def figure_scatter(judged: Cells) -> Figure:
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
def figure_reliability(judged: Mapping[int, Cells]) -> Figure:
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
            f"all: {style.percent(base, 1)}", (ends[0], base), xytext=(2, 4), textcoords="offset points",
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
def figure_coverage(judged: Mapping[int, Cells], *, window: int = 21) -> Figure:
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
    style.key(left, columns=4)
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
