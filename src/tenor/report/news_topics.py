"""The kinds and topics of the news, for the report: shares over time and by stock, and their drift."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tenor.evaluation.significance import drawn_days, resampled
from tenor.features.kinds import TOPIC
from tenor.metrics import ratio
from tenor.report import style
from tenor.report.page import Fold, Paragraph, Picture, TextTable
from tenor.report.style import format_day, format_number, format_percent, format_signed, join_names
from tenor.schema import KINDS, DailyKinds, Float64

STOCKS_SHOWN = 20
"""Number of stocks in the figure of shares by stock, those with the most items."""
WORDS_SHOWN = 4
"""Number of words shown of a topic, besides those of its name."""
COLUMNS_SHOWN = 60
"""Most columns of the figure over time; each has the same number of sessions."""


def topics_fold(
    counts: DailyKinds | None,
    sessions: pd.DatetimeIndex,
    parts: Mapping[str, slice],
    words: Mapping[str, Sequence[str]],
) -> Fold:
    """Shares of each kind and topic over time, by stock, and in the test against the training part.

    Parameters
    ----------
    counts
        Daily counts of the model's news by kind; None if it counts none.
    sessions
        Sessions of the panel.
    parts
        ``train`` and ``test``, as slices of `sessions`.
    words
        The words of each topic, by its name without ``topic:``.

    Returns
    -------
    Fold
        The figures and the table, or a sentence that says why there are none.
    """
    title = "What the news is about"
    if counts is None or not counts.kinds:
        return Fold(
            title,
            (
                Paragraph(
                    "This model counts no news by kind: train with features.kinds = true for kinds, and "
                    "features.topics = 20 for topics of your own news."
                ),
            ),
        )
    frame = counts.frame[counts.frame["session"].isin(sessions)]
    about = (*(kind for kind in KINDS if kind in counts.kinds), *(k for k in counts.kinds if k.startswith(TOPIC)))
    if frame.empty:
        return Fold(title, (Paragraph("No session of the bars has news that was counted by kind."),))
    all_items = frame[frame["kind"] == ""]
    by_day = frame.pivot_table(index="session", columns="kind", values="n", aggfunc="sum", fill_value=0.0)
    by_day = by_day.reindex(columns=["", *about], fill_value=0.0)
    blocks: list[Picture | TextTable | Paragraph] = [
        _over_time(by_day, about),
        _by_stock(frame, all_items, about),
        _table(frame, by_day, about, sessions, parts, words),
    ]
    if not any(kind.startswith(TOPIC) for kind in about):
        blocks.append(
            Paragraph(
                "The model counts no topics: features.topics = 20 fits them on what was published before its training "
                "part ends; 'tenor topics fit' and 'tenor topics show' look at them by themselves."
            )
        )
    return Fold(title, tuple(blocks))


def _over_time(by_day: pd.DataFrame, about: Sequence[str]) -> Picture:
    days = pd.DatetimeIndex(by_day.index)
    step = max(1, math.ceil(len(days) / COLUMNS_SHOWN))
    group = np.arange(len(days)) // step
    sums = np.stack([np.bincount(group, by_day[kind]) for kind in ("", *about)])
    shares = ratio(sums[1:], sums[0])
    starts = days[::step]
    peaks = [(share, name, format_day(starts[place])) for share, name, place in _highest(shares, about)]
    often = sorted(zip(sums[1:].sum(axis=1) / sums[0].sum(), map(_name, about), strict=True), reverse=True)
    caption = (
        f"Share of all items that are about each kind{_and_topics(about)}, in stretches of {step} "
        f"session{'s' if step > 1 else ''}, {format_day(days[0])} – {format_day(days[-1])}; an item may be of several "
        "kinds, or of none."
    )
    alt = (
        f"Heat map of {len(about)} rows. Most frequent: "
        + ", ".join(f"{name} {format_percent(share, 1)}" for share, name in often[:4])
        + ". Highest: "
        + ", ".join(f"{name} {format_percent(share, 1)} from {day}" for share, name, day in peaks[:4])
        + "."
    )
    return Picture(_figure(shares, list(map(_name, about)), "Share over time", starts=starts), caption, alt)


def _by_stock(frame: pd.DataFrame, all_items: pd.DataFrame, about: Sequence[str]) -> Picture:
    totals = all_items.groupby("symbol")["n"].sum().sort_values(ascending=False, kind="stable")
    stocks = list(totals.index[:STOCKS_SHOWN])
    table = frame.pivot_table(index="kind", columns="symbol", values="n", aggfunc="sum", fill_value=0.0)
    table = table.reindex(index=list(about), columns=stocks, fill_value=0.0)
    shares = ratio(table.to_numpy("float64"), totals[stocks].to_numpy("float64"))
    top = [(share, name, stocks[place]) for share, name, place in _highest(shares, about)]
    most = float(totals.iloc[0] / totals.sum())
    of = f"the {len(stocks)} stocks with the most items, of {len(totals)}" if len(totals) > 1 else "one stock alone"
    caption = (
        f"Share of a stock's items that are about each kind{_and_topics(about)}; {of}. {stocks[0]} has "
        f"{format_percent(most, 0)} of all."
    )
    listed = ", ".join(f"{name} {format_percent(share, 0)} of {symbol}" for share, name, symbol in top[:5])
    alt = f"Heat map of {len(about)} rows and {len(stocks)} column{'s' if len(stocks) > 1 else ''}. Highest: {listed}."
    return Picture(_figure(shares, list(map(_name, about)), "Share by stock", stocks=stocks), caption, alt)


def _table(
    frame: pd.DataFrame,
    by_day: pd.DataFrame,
    about: Sequence[str],
    sessions: pd.DatetimeIndex,
    parts: Mapping[str, slice],
    words: Mapping[str, Sequence[str]],
) -> TextTable:
    """One row per kind or topic: items, shares in training and test, their difference, and the largest day."""
    train, test = (by_day[by_day.index.isin(sessions[parts[name]])] for name in ("train", "test"))
    rows, moved = [], []
    for kind in about:
        own = frame[frame["kind"] == kind]
        largest = own.sort_values(["n", "session", "symbol"], ascending=[False, True, True], kind="stable").iloc[0]
        before, after = (_share(part, kind) for part in (train, test))
        drift = _drift(train, test, kind)
        if drift is not None and (drift[1] > 0 or drift[2] < 0):
            moved.append(f"{_name(kind)} ({format_signed(100 * drift[0], 1)} points)")
        rows.append(
            (
                f"{_name(kind)}\n{' '.join(more)}" if (more := _more_words(kind, words)) else _name(kind),
                f"{own['n'].sum():,.0f}",
                format_percent(before, 1),
                format_percent(after, 1),
                "–"
                if drift is None
                else f"{format_signed(100 * drift[0], 1)}\n[{format_signed(100 * drift[1], 1)}, "
                f"{format_signed(100 * drift[2], 1)}]",
                f"{largest['symbol']} {format_day(largest['session'])}\n{_items(largest['n'])}",
            )
        )
    changed = (
        f"Another share than in training, at 5 % each by itself: {join_names(moved, 6)}."
        if moved
        else "No share is shown to drift."
    )
    caption = f"Kinds and topics of the news. Drift is in points, with a 95 % interval from resampled days. {changed}"
    return TextTable(
        ("about", "items", "share in training", "share in test", "drift", "most in one session"), tuple(rows), caption
    )


def _highest(shares: Float64, about: Sequence[str]) -> list[tuple[float, str, int]]:
    """The largest share of each row of `shares`, its name and its column; the highest first."""
    tops = [
        (float(np.nanmax(row)), _name(kind), int(np.nanargmax(row))) for kind, row in zip(about, shares, strict=True)
    ]
    return sorted(tops, key=lambda top: -top[0])


def _items(n: float) -> str:
    return f"{format_number(n, 0)} item{'' if n == 1 else 's'}"


def _more_words(kind: str, words: Mapping[str, Sequence[str]]) -> list[str]:
    """Words of a topic that are not in its name; none for a kind."""
    named = _name(kind).split("-")
    return [word for word in words.get(_name(kind), ()) if word not in named][:WORDS_SHOWN]


def _share(days: pd.DataFrame, kind: str) -> float:
    return float(ratio(days[kind].sum(), days[""].sum()))


def _drift(train: pd.DataFrame, test: pd.DataFrame, kind: str) -> tuple[float, float, float] | None:
    """Share in the test minus that in training, and its interval; None if either has too few days."""
    differences: list[Any] = []
    for days in (train, test):
        if len(days) < 2:
            return None
        drawn, block = drawn_days(len(days), horizon=1)
        sums: Float64 = days[[kind, ""]].to_numpy("float64")
        draws = drawn @ sums
        share = _share(days, kind)
        differences.append(resampled(share, ratio(draws[:, 0], draws[:, 1]), days=len(days), block=block))
    before, after = differences
    value = after.value - before.value
    # the parts have different days, so their errors are taken as independent
    reach = math.hypot(before.high - before.value, after.high - after.value)
    return (value, value - reach, value + reach) if math.isfinite(reach) else None


def _name(kind: str) -> str:
    return kind.removeprefix(TOPIC)


def _and_topics(about: Sequence[str]) -> str:
    return " and topic" if any(kind.startswith(TOPIC) for kind in about) else ""


@style.styled
def _figure(
    shares: Float64,
    names: Sequence[str],
    title: str,
    *,
    starts: pd.DatetimeIndex | None = None,
    stocks: Sequence[str] = (),
) -> Figure:
    """Heat map with one row per kind or topic, and one column per period (`starts`) or per stock (`stocks`)."""
    figure = style.canvas(1.3 + 0.24 * len(names))
    axes = figure.subplots()
    known = shares[np.isfinite(shares)]
    # otherwise one session with only one kind would make all other cells pale
    top = float(np.quantile(known, 0.98)) if len(known) else 1.0
    image = axes.imshow(shares, aspect="auto", cmap=style.ramp(), interpolation="none", vmin=0, vmax=max(top, 1e-6))
    axes.set_title(title)
    axes.set_yticks(range(len(names)), names)
    axes.grid(visible=False)
    if starts is not None:
        style.date_ticks(axes, starts, np.arange(len(starts), dtype="float64"))
    else:
        axes.set_xticks(range(len(stocks)), stocks, rotation=60, ha="right")
    bar = figure.colorbar(image, ax=axes, fraction=0.025, pad=0.01, extend="max")
    style.percent_axis(bar.ax.yaxis)
    return figure
