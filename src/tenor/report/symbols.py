"""Single symbols, chosen by the coverage of their intervals: the interval and the realised close of each day."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tenor.calendars import market_of
from tenor.report import style
from tenor.report.forecast import INTERVAL_LEVEL, ForecastCells
from tenor.report.page import Fold, PageSection, Paragraph, Picture
from tenor.report.style import format_day, format_number, format_percent, sessions_ahead
from tenor.schema import Bool, Float64, Panel

SESSIONS_SHOWN = 90
CLOSEST, MEDIAN, FARTHEST = "best covered", "median coverage", "worst covered"


def symbols_by_coverage(held: Mapping[str, float], level: float = INTERVAL_LEVEL) -> dict[str, str]:
    """The symbols whose coverage is closest to `level`, in the middle, and farthest from it.

    Parameters
    ----------
    held
        Coverage of the interval, by symbol; a symbol with NaN is not chosen.
    level
        The nominal coverage.

    Returns
    -------
    dict of str to str
        The reason why a symbol is shown, by symbol; fewer than three if there are fewer symbols.

    Examples
    --------
    >>> symbols_by_coverage({"A": 0.95, "B": 0.90, "C": 0.88})
    {'B': 'best covered', 'C': 'median coverage', 'A': 'worst covered'}
    """
    ranked = sorted((s for s in held if math.isfinite(held[s])), key=lambda s: (round(abs(held[s] - level), 9), s))
    if len(ranked) < 3:
        return dict(zip(ranked, (CLOSEST, FARTHEST), strict=False))
    return {ranked[0]: CLOSEST, ranked[len(ranked) // 2]: MEDIAN, ranked[-1]: FARTHEST}


def currency_of(symbols: Sequence[str]) -> str:
    """The currency of the prices of all symbols, by their exchanges; empty if there is more than one."""
    currencies = {market_of(symbol).currency for symbol in symbols}
    return currencies.pop() if len(currencies) == 1 else ""


def symbols_section(
    panel: Panel, cells: ForecastCells, chosen: Mapping[str, str], held: Mapping[str, float]
) -> PageSection:
    """The section of the `chosen` symbols (symbol -> reason), one fold for each.

    Raises
    ------
    UnknownSymbolError
        A symbol that the panel does not have.
    """
    before = Paragraph(
        f"Each line is the 90 % interval forecast {sessions_ahead(cells.horizon)}, at the session that it is for; a "
        "dot is the adjusted close that came. Point at a day for its numbers. Chosen by how well intervals held."
    )
    folds = []
    for symbol, why in chosen.items():
        share = held.get(symbol, math.nan)
        inside = f", {format_percent(share, 1)} inside" if math.isfinite(share) else ""
        picture = interval_picture(panel, cells, symbol)
        blocks = (picture,) if picture else (Paragraph(f"{symbol} has no interval with a known return in the test."),)
        folds.append(Fold(f"{symbol}: {why}{inside}", blocks))
    return PageSection("Symbols", (before, *folds))


def interval_picture(
    panel: Panel, cells: ForecastCells, symbol: str, why: str = "", *, small: bool = False
) -> Picture | None:
    """The last intervals of `symbol` and the realised closes; None if it has no intervals. `why` goes into the caption.

    Parameters
    ----------
    panel
        The panel that was forecast.
    cells
        Forecasts and realised values at one horizon.
    symbol
        The symbol to show.
    why
        The reason why it is shown, for the caption.
    small
        Whether to draw a small figure, with half the number of sessions.

    Returns
    -------
    Picture or None
        The picture.

    Raises
    ------
    UnknownSymbolError
        The panel does not have it.
    """
    n = panel.symbol_index(symbol)
    known = np.flatnonzero(np.isfinite(cells.inside[:, n]))[-(SESSIONS_SHOWN // 2 if small else SESSIONS_SHOWN) :]
    if not len(known):
        return None
    origin = cells.start + known
    start, target = panel.close[origin, n], origin + cells.horizon
    low, high = (start * np.exp(bound[known, n]) for bound in (cells.lower, cells.upper))
    close, inside = panel.close[target, n], cells.inside[known, n] == 1
    sessions = panel.sessions[target]
    currency = market_of(symbol).currency
    tips = {
        f"day-{i}": f"{format_day(day)}: {format_number(low[i])} … {format_number(high[i])} {currency}, close "
        f"{format_number(close[i])}, {'inside' if inside[i] else 'outside'}"
        for i, day in enumerate(sessions)
    }
    width = float(np.mean((high - low) / start)) / 2
    summary = (
        f"{symbol}{f' ({why})' if why else ''}, {format_day(sessions[0])} – {format_day(sessions[-1])}: "
        f"{int(inside.sum())} of {len(inside)} "
        f"closes inside; the interval is ±{format_percent(width, 1)} on average."
    )
    figure = _figure(sessions, low, high, close, inside, f"{symbol}, {currency}" if currency else symbol, small=small)
    return Picture(figure, summary, f"Intervals of the price and closes of {summary}", tips)


@style.styled
def _figure(
    sessions: pd.DatetimeIndex,
    low: Float64,
    high: Float64,
    close: Float64,
    inside: Bool,
    title: str,
    *,
    small: bool,
) -> Figure:
    figure = style.small_canvas() if small else style.canvas(3.6)
    axes = figure.subplots()
    at = np.arange(len(low), dtype="float64")  # evenly spaced, without gaps at weekends
    for i in range(len(low)):
        (line,) = axes.plot([at[i], at[i]], [low[i], high[i]], color=style.OURS, lw=3 if small else 4, alpha=0.35)
        line.set_gid(f"day-{i}")
        line.set_solid_capstyle("butt")
    for here, colour, label in ((inside, style.INK, "close inside"), (~inside, style.AGAINST, "close outside")):
        axes.plot(at[here], close[here], "o", color=colour, ms=2.4 if small else 3.4, label=label)
    axes.set_title(title)
    style.plain_axis(axes.yaxis)
    axes.margins(x=0.01)
    axes.grid(visible=False, axis="x")
    style.date_ticks(axes, sessions, at)
    style.legend(axes, columns=2)
    return figure
