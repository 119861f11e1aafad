"""The model itself: learning curves, what it attended to, and whether attention tells what forecasts rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.faithfulness import LATEST, LEAST, MOST, RANDOM, Deletion, Faithfulness
from tenor.evaluation.significance import side_of_zero
from tenor.report import style
from tenor.report.page import PageSection, Paragraph, Picture
from tenor.report.style import format_percent, join_names, sessions_ahead
from tenor.schema import Bool, Float32, Float64, Panel

LEAST_DISTANCE = 0.1
"""Weights that differ from an equal weight by less than this share of it do not choose."""
MOST_FEATURES = 40
"""Features shown, those with the highest mean weight."""
ARM_COLOURS = {MOST: style.OURS, RANDOM: style.CALM, LEAST: style.FOURTH, LATEST: style.AGAINST}


class AttentionLike(Protocol):
    """Weights of the test's sessions, each forecast's summing to 1."""

    @property
    def time(self) -> Float32:
        """[session, symbol, lag]; the last lag is the session of the forecast itself."""

    @property
    def feature(self) -> Float32:
        """[session, symbol, feature]."""


def attention_section(panel: Panel, rows: slice, attention: AttentionLike) -> PageSection:
    """What the model attended to, over time and over features."""
    mask, sessions = panel.mask[rows], panel.sessions[rows]
    by_lag = _mean_over_symbols(attention.time, mask)[:, ::-1]  # the session of the forecast first
    by_feature = _mean_over_symbols(attention.feature, mask)
    if not (np.isfinite(by_lag).any() and np.isfinite(by_feature).any()):
        return PageSection("Attention", (Paragraph("The test has no session with attention."),))
    before = Paragraph(
        "Attention shows what the network gave weight to, not that there is a signal in it: a model without skill has "
        "attention too. The weights of a forecast sum to 100 %. In the heat maps blue is more than an equal weight, "
        "orange less; beside them, the dashed line is an equal weight."
    )
    lag_means = np.nanmean(by_lag, axis=0)
    recent = min(5, len(lag_means))
    over_time = Picture(
        figure_attention_time(by_lag, sessions),
        "Each column is a session on which forecasts were made, each row a session before it; mean over stocks. The "
        f"last {recent} sessions get {format_percent(float(lag_means[:recent].sum()), 0)} of the weight; equal weights "
        f"would give them {format_percent(recent / len(lag_means), 0)}. "
        f"{_distance_from_equal(attention.time, mask, 'sessions')}",
        "Heat map of attention by lag and session, and bars of its mean by lag.",
    )
    feature_means = np.nanmean(by_feature, axis=0)
    top = [panel.features[i] for i in np.argsort(-feature_means, kind="stable")[:3]]
    shown = min(len(feature_means), MOST_FEATURES)
    over_features = Picture(
        figure_attention_features(by_feature, sessions, panel.features),
        f"{'All' if shown == len(feature_means) else 'The first'} {shown} features by mean weight: {join_names(top)} "
        f"have the most; equal weights would be {format_percent(1 / len(feature_means), 1)} each. "
        f"{_distance_from_equal(attention.feature, mask, 'features')}",
        "Heat map of attention by feature and month, and sorted bars of its mean.",
    )
    return PageSection("Attention", (before, over_time, over_features))


def _distance_from_equal(weights: Float32, mask: Bool, what: str) -> str:
    times_equal = weights[mask].astype("float64") * weights.shape[-1]
    distance = float(np.nanmean(np.abs(times_equal - 1.0)))
    text = f"In a single forecast a weight is on average {format_percent(distance, 0)} away from equal"
    return f"{text}: the network hardly chooses among {what}." if distance < LEAST_DISTANCE else f"{text}."


def _mean_over_symbols(weights: Float32, mask: Bool) -> Float64:
    known = mask[:, :, None] & np.isfinite(weights)
    counts = known.sum(axis=1)
    sums: Float64 = np.where(known, weights, 0.0).sum(axis=1, dtype="float64")
    means: Float64 = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return means


def training_section(history: Sequence[Mapping[str, Any]]) -> PageSection:
    """Learning curves."""
    if not history:
        return PageSection("Training", (Paragraph("No learning curves were saved."),))
    epochs = sorted(int(run["best_epoch"]) for run in history)
    span = f"epoch {epochs[0]}" if epochs[0] == epochs[-1] else f"epochs {epochs[0]} to {epochs[-1]}"
    caption = (
        f"A line for each of {len(history)} seed{'s' if len(history) > 1 else ''}; dots mark the weights that the "
        f"model uses, those with the lowest validation loss ({span}). Where the training loss falls on while the "
        "validation loss rises, the network overfits. The two panels have scales of their own."
    )
    alt = "Training and validation loss by epoch, a line a seed, the epoch in use marked."
    return PageSection("Training", (Picture(figure_learning(history), caption, alt),))


def faithfulness_section(faithfulness: Faithfulness) -> PageSection:
    """The deletion curves, and their result in plain words."""
    time, features = faithfulness.time, faithfulness.features
    before = Paragraph(
        "If attention shows what a forecast depends on, then hiding what it attends to most must change the forecast "
        "more, and increase its error more, than hiding as much at random. This was tested on "
        f"{faithfulness.forecasts} forecasts {sessions_ahead(faithfulness.horizon)}, on {faithfulness.days} days of "
        f"the test. {describe_deletion(time)} {describe_deletion(features)}"
    )
    return PageSection("Is the attention honest?", (before, _deletion_picture(time), _deletion_picture(features)))


def _deletion_picture(deletion: Deletion) -> Picture:
    caption = (
        f"Hiding up to {max(deletion.hidden)} of {deletion.of} {deletion.what}. Left: how far the forecast moves. "
        "Right: how much its squared error grows; below zero it became smaller. Bands are 95 % intervals from "
        "resampled days. Blue must be above grey. Permutation test against random rankings: "
        f"p {deletion.p:.3f}."
    )
    alt = (
        f"Curves of the change of the forecast and of its error by how many {deletion.what} were hidden: most "
        "attended, random, least attended."
    )
    return Picture(figure_deletion(deletion), caption, alt)


def describe_deletion(deletion: Deletion) -> str:
    """Two sentences at most: whether hiding the most attended moves forecasts more, and whether it hurts more."""
    what = deletion.what
    moved, error = side_of_zero(deletion.moved_over_random), side_of_zero(deletion.error_over_random)
    if moved is None or error is None:
        return f"There are too few days to tell for {what}."
    more = "more" if deletion.honest else "no more"
    moves = f"Hiding the most-attended {what} moves the forecast {more} than hiding random ones (p {deletion.p:.3f})"
    if error == 1:
        hurts = "and increases the squared error more"
    elif error == -1:
        hurts = "and increases the squared error less: what it attends to most did not help the forecast"
    elif deletion.honest:
        hurts = "but does not increase the squared error more"
    else:
        hurts = "and does not increase the squared error more: these weights explain nothing"
    return f"{moves} {hurts}.{_latest_sentence(deletion)}"


def _latest_sentence(deletion: Deletion) -> str:
    if LATEST not in deletion.moved:
        return ""
    most = float(np.mean([interval.value for interval in deletion.moved[MOST]]))
    latest = float(np.mean([interval.value for interval in deletion.moved[LATEST]]))
    if not most or latest <= most:
        return ""
    return f" Hiding the latest {deletion.what} moves it even further, {latest / most:.1f} times as far."


@style.styled
def figure_learning(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss on training and validation rows epoch by epoch, a line a seed, the epoch whose weights are used marked."""
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

    The scale contains 99.5 % of them, so that a single extreme session does not bleach all others. It is never
    narrower than a tenth more or less, so that weights that are nearly equal look nearly equal.
    """
    times = weights * (weights.shape[1] if count is None else count)
    ratio = np.maximum(times, 1 / np.maximum(times, 1e-9))
    reach = float(np.clip(np.nanquantile(ratio, 0.995), 1.1, 8.0))
    return np.clip(times, 1 / reach, reach), LogNorm(1 / reach, reach)


def _scale(figure: Figure, axes: Axes, image: ScalarMappable, norm: LogNorm) -> None:
    bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=8 * figure.get_figheight())
    bar.outline.set_visible(False)
    ticks = np.geomspace(float(norm.vmin or 0), float(norm.vmax or 0), 5)
    bar.set_ticks(ticks.tolist(), labels=[f"{style.format_number(tick)} ×" for tick in ticks], minor=False)
    bar.ax.minorticks_off()


@style.styled
def figure_deletion(deletion: Deletion) -> Figure:
    """Change of the forecast, and of its squared error, by how many items were hidden."""
    figure = style.canvas(3.5)
    left, right = figure.subplots(1, 2)
    for axes, curves, title in (
        (left, deletion.moved, "Change of the forecast, in volatilities"),
        (right, deletion.error, "Growth of the squared error, in squared volatilities"),
    ):
        for arm, values in curves.items():
            _curve(axes, deletion.hidden, values, ARM_COLOURS[arm], arm)
        axes.axhline(0, color=style.MUTED, lw=0.8)
        axes.set_title(title)
        axes.set_xlabel(f"{deletion.what} hidden, of {deletion.of}")
        axes.set_xticks([0, *deletion.hidden])
        style.plain_axis(axes.yaxis)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper right", ncols=len(labels), frameon=False, fontsize=9, labelcolor=style.MUTED
    )
    return figure


def _curve(axes: Axes, hidden: Sequence[int], values: Sequence[ConfidenceInterval], colour: str, name: str) -> None:
    at = [0, *hidden]  # hiding nothing changes nothing
    axes.fill_between(at, [0, *(v.low for v in values)], [0, *(v.high for v in values)], color=colour, alpha=0.13, lw=0)
    axes.plot(at, [0, *(v.value for v in values)], color=colour, marker="o", ms=4, label=name)
