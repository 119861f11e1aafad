"""Figures of the model itself: learning curves and what it attended to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tenor.report import style
from tenor.schema import Float64

MOST_FEATURES = 40
"""Features shown, those with the highest mean weight."""


@style.styled
def figure_learning(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss on training and validation rows epoch by epoch, a line a seed, the epoch that was kept marked."""
    figure = style.canvas(3.4)
    panels = figure.subplots(1, 2)
    for axes, part, title in zip(panels, ("train", "valid"), ("Training loss", "Validation loss"), strict=True):
        for run in history:
            losses = np.asarray(run[part], dtype="float64")
            epochs = np.arange(1, len(losses) + 1)
            axes.plot(epochs, losses, color=style.OURS if part == "valid" else style.CALM, lw=1.3, alpha=0.75)
            best = int(run["best_epoch"])
            if 1 <= best <= len(losses):
                axes.plot(best, losses[best - 1], "o", ms=6, color=style.AGAINST)
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


@style.styled
def figure_attention_time(weights: Float64, sessions: pd.DatetimeIndex) -> Figure:
    """Attention over the last sessions: heat map of lag and session, and its mean by lag.

    Parameters
    ----------
    weights
        [session, lag]; mean over symbols, lag 0 (the session of the forecast itself) first; rows sum to 1.
    """
    lags = weights.shape[1]
    figure = style.canvas(3.9)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3.2, 1))
    times, norm = _times_equal(weights)
    image = left.imshow(times.T, aspect="auto", cmap=style.both_ways(), interpolation="none", norm=norm)
    style.date_ticks(left, sessions, np.arange(len(sessions), dtype="float64"))
    left.set_ylabel("sessions before the forecast")
    left.set_title("Weight of each past session, times an equal weight")
    left.grid(visible=False)
    _scale(figure, left, image, norm)
    right.barh(range(lags), np.nanmean(weights, axis=0), color=style.OURS, height=0.75)
    right.axvline(1 / lags, color=style.MUTED, lw=1, ls="--")
    right.set_title("Mean by lag")
    right.grid(visible=False, axis="y")
    right.tick_params(axis="y", length=0)
    style.percent_axis(right.xaxis)
    return figure


@style.styled
def figure_attention_features(weights: Float64, sessions: pd.DatetimeIndex, names: Sequence[str]) -> Figure:
    """Attention over features: heat map of feature and month, and the sorted means.

    Parameters
    ----------
    weights
        [session, feature]; mean over symbols; rows sum to 1.
    """
    means = np.nanmean(weights, axis=0)
    order = np.argsort(-means, kind="stable")[:MOST_FEATURES]
    months = pd.DataFrame(weights[:, order], index=sessions, columns=[names[i] for i in order]).resample("MS").mean()
    figure = style.canvas(1.3 + 0.2 * len(order))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(2.6, 1))
    times, norm = _times_equal(months.to_numpy(), len(means))
    sns.heatmap(times.T, ax=left, cmap=style.both_ways(), norm=norm, cbar=False, rasterized=True)
    _scale(figure, left, left.collections[0], norm)
    left.set_yticks(np.arange(len(order)) + 0.5, list(months.columns), rotation=0)
    style.date_ticks(left, pd.DatetimeIndex(months.index), np.arange(len(months), dtype="float64") + 0.5)
    left.tick_params(axis="y", length=0, labelcolor=style.INK, labelsize=9)
    left.set_title("Weight of each feature by month, times an equal weight")
    left.grid(visible=False)
    right.barh(np.arange(len(order)) + 0.5, means[order], color=style.OURS, height=0.7)
    right.axvline(1 / len(means), color=style.MUTED, lw=1, ls="--")
    right.set_title("Mean")
    right.grid(visible=False, axis="y")
    right.tick_params(axis="y", length=0)
    style.percent_axis(right.xaxis)
    return figure


def _times_equal(weights: Float64, count: int | None = None) -> tuple[Float64, LogNorm]:
    """`weights` as multiples of an equal weight of `count` inputs, and a colour scale about 1 for them.

    The scale holds 99.5 % of them: a single session must not bleach all others. It never
    shrinks below a tenth more or less, so that what is nearly equal looks nearly equal.
    """
    times = weights * (weights.shape[1] if count is None else count)
    ratio = np.maximum(times, 1 / np.maximum(times, 1e-9))
    reach = float(np.clip(np.nanquantile(ratio, 0.995), 1.1, 8.0))
    return np.clip(times, 1 / reach, reach), LogNorm(1 / reach, reach)


def _scale(figure: Figure, axes: Axes, image: ScalarMappable, norm: LogNorm) -> None:
    bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=8 * figure.get_figheight())
    bar.outline.set_visible(False)
    ticks = np.geomspace(float(norm.vmin or 0), float(norm.vmax or 0), 5)
    bar.set_ticks(ticks.tolist(), labels=[f"{style.number(tick)} ×" for tick in ticks], minor=False)
    bar.ax.minorticks_off()
