"""The model itself: learning curves, attention weights, and whether forecasts depend on what has the most attention."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.faithfulness import (
    LATEST,
    LEAST,
    MOST,
    RANDOM,
    RECENT,
    Deletion,
    Faithfulness,
    attention_entropy,
)
from tenor.evaluation.significance import format_p
from tenor.report import style
from tenor.report.page import Block, Paragraph, Picture, TextTable
from tenor.report.results import interval_cell
from tenor.report.style import format_number, format_percent, join_names, sessions_ahead
from tenor.schema import Float32, Float64, Panel

UNIFORM = 0.99
"""If the entropy, as a share of that of uniform attention, is above this, attention is uniform: no picture is shown."""
TIMES_UNIFORM, FEATURE_TIMES_UNIFORM = 8, 4
"""Upper ends of the colour scales of the weights of sessions and of features, in multiples of the uniform weight."""
MOST_FEATURES = 40
"""Number of features shown, those with the highest mean weight."""
ARM_COLOURS = {MOST: style.OURS, RANDOM: style.CALM, LEAST: style.FOURTH, LATEST: style.AGAINST}


class AttentionLike(Protocol):
    """Attention weights for the sessions of the test; the weights of each forecast sum to 1."""

    @property
    def time(self) -> Float32:
        """[session, symbol, horizon, lag]; weights of sessions; the last lag is the session of the forecast itself."""

    @property
    def feature(self) -> Float32:
        """[session, symbol, feature]; weights of features."""


def attention_blocks(panel: Panel, rows: slice, attention: AttentionLike) -> tuple[Block, ...]:
    """Attention weights: of past sessions in the forecasts of risk, by horizon, and of features."""
    known = panel.mask[rows] & np.isfinite(attention.time).all(axis=(2, 3))
    if not (known.any() and np.isfinite(attention.feature[known]).any()):
        return (Paragraph("The test has no session with attention."),)
    time = np.where(known[:, :, None, None], attention.time, np.nan)[..., ::-1]  # the session of the forecast first
    before = Paragraph(
        "The forecast of risk starts from past sessions' variances, weighted by attention, by horizon. A gate weights "
        "the features. Whether forecasts depend on these weights is tested below."
    )
    blocks = [before, _time_table(panel.horizons, time), *_over_time(panel.horizons, time, panel.sessions[rows])]
    blocks.append(_over_features(panel, rows, attention.feature))
    return tuple(blocks)


def _time_table(horizons: Sequence[int], time: Float32) -> TextTable:
    lags = time.shape[-1]
    recent = min(RECENT, lags)
    rows = []
    for k, (horizon, entropy) in enumerate(zip(horizons, attention_entropy(time), strict=True)):
        shares = np.nanmean(time[:, :, k, :recent].sum(axis=-1, dtype="float64"))
        rows.append((sessions_ahead(horizon), format_number(float(entropy), 3), format_percent(float(shares), 0)))
    rows.append(("uniform attention", format_number(1.0, 3), format_percent(recent / lags, 0)))
    return TextTable(
        ("forecasts", "entropy", f"weight of the last {recent} sessions"),
        tuple(rows),
        f"Attention over the last {lags} sessions: the lower the entropy, the more the network chooses.",
    )


def _over_time(horizons: Sequence[int], time: Float32, sessions: pd.DatetimeIndex) -> list[Picture | Paragraph]:
    entropy = attention_entropy(time)
    chosen = [k for k in range(len(horizons)) if not entropy[k] > UNIFORM]
    uniform = [sessions_ahead(horizon) for k, horizon in enumerate(horizons) if k not in chosen]
    blocks: list[Picture | Paragraph] = []
    if uniform:
        blocks.append(
            Paragraph(
                f"Attention over time is uniform in forecasts {join_names(uniform)}: all sessions of the lookback have "
                "nearly the same weight, and no picture is shown."
            )
        )
    if not chosen:
        return blocks
    shown = tuple(horizons[k] for k in chosen)
    by_lag = Picture(
        figure_attention_lags(time[:, :, chosen], shown),
        "Mean weight by how many sessions before the forecast; bands hold 80 % of forecasts, dashed is uniform.",
        f"Lines of the mean attention weight by lag. Of the session itself: {_latest(time[:, :, chosen], shown)}.",
    )
    over_sessions = Picture(
        figure_attention_time(_mean_over_symbols(time[:, :, chosen]), sessions, shown),
        f"By session, mean over stocks. The scale ends at {TIMES_UNIFORM} times the uniform weight, whatever the "
        "weights are; uniform attention is one even colour.",
        f"Heat maps of attention by lag and session. Of the session itself: {_latest(time[:, :, chosen], shown)}.",
    )
    return [*blocks, by_lag, over_sessions]


def _latest(time: Float32, horizons: Sequence[int]) -> str:
    weights = np.nanmean(time[..., 0], axis=(0, 1), dtype="float64")
    listed = zip(horizons, weights, strict=True)
    return ", ".join(f"{format_percent(float(weight), 1)} {sessions_ahead(horizon)}" for horizon, weight in listed)


def _over_features(panel: Panel, rows: slice, weights: Float32) -> Picture | Paragraph:
    known = np.where(panel.mask[rows][:, :, None], weights, np.nan)
    entropy = float(attention_entropy(known[:, :, None])[0])
    if entropy > UNIFORM:
        return Paragraph(
            f"Attention over features is uniform (entropy {format_number(entropy, 3)}, uniform 1.000): all features "
            "have nearly the same weight, and no picture is shown."
        )
    by_feature = _mean_over_symbols(known)
    means = np.nanmean(by_feature, axis=0)
    top = [panel.features[i] for i in np.argsort(-means, kind="stable")[:3]]
    shown = min(len(means), MOST_FEATURES)
    return Picture(
        figure_attention_features(by_feature, panel.sessions[rows], panel.features),
        f"{'All' if shown == len(means) else 'The first'} {shown} features by mean weight: {join_names(top)} "
        f"have the most. Entropy {format_number(entropy, 3)}, of uniform weights 1.000. The scale ends at "
        f"{FEATURE_TIMES_UNIFORM} times the uniform weight (dashed).",
        f"Heat map of attention by feature and month, and sorted bars of its mean: {join_names(top)} first, up to "
        f"{format_percent(float(means.max()), 1)}.",
    )


def _mean_over_symbols(weights: Float32) -> Float64:
    """[session, ...]; the mean over the second axis, NaN left out; NaN where all values are NaN."""
    known = np.isfinite(weights)
    counts = known.sum(axis=1)
    sums: Float64 = np.where(known, weights, 0.0).sum(axis=1, dtype="float64")
    means: Float64 = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return means


def training_blocks(history: Sequence[Mapping[str, Any]]) -> tuple[Block, ...]:
    """The learning curves."""
    if not history:
        return (Paragraph("No learning curves were saved."),)
    epochs = sorted(int(run["best_epoch"]) for run in history)
    span = f"epoch {epochs[0]}" if epochs[0] == epochs[-1] else f"epochs {epochs[0]} to {epochs[-1]}"
    caption = (
        f"A line for each of {len(history)} seed{'s' if len(history) > 1 else ''}; dots mark the weights that the "
        f"model uses, of lowest validation loss ({span}). Validation loss that rises while training loss falls is "
        "overfitting."
    )
    early = sum(epoch == 1 for epoch in epochs)
    if early:
        caption += (
            f" {early} of {len(epochs)} stopped after the first epoch: they learned nothing more that holds on "
            "validation."
        )
    losses = ", ".join(_loss_text(run) for run in history)
    alt = f"Training and validation loss by epoch, a line a seed. Validation loss in use: {losses}."
    return (Picture(figure_learning(history), caption, alt),)


def _loss_text(run: Mapping[str, Any]) -> str:
    losses, epoch = run["valid"], int(run["best_epoch"])
    return format_number(float(losses[epoch - 1]), 3) if 1 <= epoch <= len(losses) else "–"


def faithfulness_blocks(faithfulness: Faithfulness) -> tuple[Block, ...]:
    """The deletion curves, and a table of their results."""
    before = Paragraph(
        "Do forecasts depend on what attention shows? Then hiding what it attends to most must change the forecast log "
        "variance, and increase its squared error, more than hiding as much at random: blue above grey."
    )
    tests = [test for test in (faithfulness.time, faithfulness.older, faithfulness.features) if test is not None]
    table = TextTable(
        ("hidden", "change, times random", "times latest", "shown", "error over random", "shown"),
        tuple(map(_deletion_cells, tests)),
        f"Hiding the most attended, of {faithfulness.forecasts} forecasts {sessions_ahead(faithfulness.horizon)} on "
        f"{faithfulness.days} days; shown: more than random at 5 %, with its p",
    )
    return (before, table, *map(_deletion_picture, tests))


def _deletion_cells(deletion: Deletion) -> tuple[str, ...]:
    def shown(result: bool, p: float) -> str:
        return f"{'✓' if result else '✗'}\n{format_p(p)}" if math.isfinite(deletion.moved_over_random.low) else "–"

    return (
        deletion.what,
        format_number(deletion.times(RANDOM)),
        format_number(deletion.times(LATEST)),
        shown(deletion.honest, deletion.p_moved),
        interval_cell(deletion.error_over_random, 4, as_percent=False),
        shown(deletion.hurts, deletion.p_error),
    )


def _deletion_picture(deletion: Deletion) -> Picture:
    caption = f"Hiding up to {max(deletion.hidden)} of {deletion.of} {deletion.what}."
    alt = (
        f"Curves of the change of the forecast and of its error by how many {deletion.what} were hidden. Change at the "
        f"end: {', '.join(f'{arm} {format_number(values[-1].value, 3)}' for arm, values in deletion.moved.items())}."
    )
    return Picture(figure_deletion(deletion), caption, alt)


@style.styled
def figure_learning(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Training and validation loss by epoch, one line per seed; a dot marks the epoch whose weights are used."""
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
def figure_attention_lags(weights: Float32, horizons: Sequence[int]) -> Figure:
    """Mean weight by lag, one line per horizon, with a band for the middle 80 % of single forecasts.

    Parameters
    ----------
    weights
        [session, symbol, horizon, lag]; lag 0 (the session of the forecast itself) first; NaN where there is none.
    horizons
        The horizons, in sessions ahead.

    Returns
    -------
    Figure
        The figure.
    """
    lags = weights.shape[-1]
    figure = style.canvas(3.6)
    axes = figure.subplots()
    at = np.arange(lags)
    for k, horizon in enumerate(horizons):
        of_horizon = weights[:, :, k].reshape(-1, lags)
        of_horizon = of_horizon[np.isfinite(of_horizon).all(axis=1)]
        colour = style.SERIES[k % len(style.SERIES)]
        low, high = np.quantile(of_horizon, (0.1, 0.9), axis=0)
        axes.fill_between(at, low, high, color=colour, alpha=0.12, lw=0)
        axes.plot(at, of_horizon.mean(axis=0), color=colour, marker="o", ms=2.5, label=sessions_ahead(horizon))
    axes.axhline(1 / lags, color=style.MUTED, lw=1, ls="--", label="uniform")
    axes.set_ylim(bottom=0)
    axes.set_xlim(-0.5, lags - 0.5)
    axes.set_title("Weight of each past session")
    axes.set_xlabel("sessions before the forecast")
    style.percent_axis(axes.yaxis)
    style.legend(axes, columns=len(horizons) + 1)
    return figure


@style.styled
def figure_attention_time(weights: Float64, sessions: pd.DatetimeIndex, horizons: Sequence[int]) -> Figure:
    """Attention over past sessions, through time: a heat map of lag and session for each horizon.

    Parameters
    ----------
    weights
        [session, horizon, lag]; mean over symbols, lag 0 (the session of the forecast itself) first; lags sum to 1.
    sessions
        The sessions of the forecasts.
    horizons
        The horizons, in sessions ahead.

    Returns
    -------
    Figure
        The figure.
    """
    figure = style.canvas(0.9 + 1.8 * len(horizons))
    panels = figure.subplots(len(horizons), 1, sharex=True, squeeze=False)[:, 0]
    top = min(1.0, TIMES_UNIFORM / weights.shape[-1])
    for k, (axes, horizon) in enumerate(zip(panels, horizons, strict=True)):
        image = axes.imshow(
            weights[:, k].T, aspect="auto", cmap=style.ramp(), interpolation="none", vmin=0, vmax=top
        )  # fmt: skip
        axes.set_title(f"Forecasts {sessions_ahead(horizon)}")
        axes.set_ylabel("sessions before")
        axes.grid(visible=False)
    style.date_ticks(panels[-1], sessions, np.arange(len(sessions), dtype="float64"))
    _scale(figure, list(panels), image)
    return figure


@style.styled
def figure_attention_features(weights: Float64, sessions: pd.DatetimeIndex, names: Sequence[str]) -> Figure:
    """Attention over features: a heat map of feature and month, and the sorted means.

    Parameters
    ----------
    weights
        [session, feature]; mean over symbols; rows sum to 1.
    sessions
        The sessions of the forecasts.
    names
        Names of the features.

    Returns
    -------
    Figure
        The figure.
    """
    means = np.nanmean(weights, axis=0)
    order = np.argsort(-means, kind="stable")[:MOST_FEATURES]
    months = pd.DataFrame(weights[:, order], index=sessions, columns=[names[i] for i in order]).resample("MS").mean()
    figure = style.canvas(1.3 + 0.2 * len(order))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(2.6, 1))
    top = min(1.0, FEATURE_TIMES_UNIFORM / len(means))
    sns.heatmap(months.T, ax=left, cmap=style.ramp(), vmin=0, vmax=top, cbar=False, rasterized=True)
    _scale(figure, [left], left.collections[0])
    left.set_xlabel("")
    left.set_yticks(np.arange(len(order)) + 0.5, list(months.columns), rotation=0)
    style.date_ticks(left, pd.DatetimeIndex(months.index), np.arange(len(months), dtype="float64") + 0.5)
    left.tick_params(axis="y", length=0, labelcolor=style.INK, labelsize=9)
    left.set_title("Weight of each feature by month")
    left.grid(visible=False)
    right.barh(np.arange(len(order)) + 0.5, means[order], color=style.OURS, height=0.7)
    right.axvline(1 / len(means), color=style.MUTED, lw=1, ls="--")
    right.set_title("Mean")
    right.grid(visible=False, axis="y")
    right.tick_params(axis="y", length=0)
    style.percent_axis(right.xaxis)
    return figure


def _scale(figure: Figure, panels: list[Axes], image: ScalarMappable) -> None:
    bar = figure.colorbar(image, ax=panels, pad=0.01, aspect=8 * figure.get_figheight())
    bar.outline.set_visible(False)
    style.percent_axis(bar.ax.yaxis)


@style.styled
def figure_deletion(deletion: Deletion) -> Figure:
    """Change of the forecast, and of its squared error, by how many items were hidden."""
    figure = style.canvas(3.5)
    left, right = figure.subplots(1, 2)
    for axes, curves, title in (
        (left, deletion.moved, "Change of the forecast log variance"),
        (right, deletion.error, "Growth of its squared error"),
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
