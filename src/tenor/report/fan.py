"""The fan chart of one symbol: its last prices, and the quantiles of the price at each horizon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from tenor.report import style
from tenor.report.style import sessions_ahead
from tenor.schema import Forecast

BANDS = (("0.01", "0.99", 0.12), ("0.05", "0.95", 0.2), ("0.25", "0.75", 0.34))
"""Lower and upper quantile of each band, and its opacity."""


def draw_fan(prices: pd.Series[Any], forecasts: Sequence[Forecast], *, ax: Axes | None = None) -> Axes:
    """Draw `prices`, and after them the fan chart of the `forecasts` of one symbol.

    Parameters
    ----------
    prices
        Adjusted closes, indexed by session.
    forecasts
        One forecast per horizon, all made after the same session.
    ax
        The axes to draw on; new axes by default.

    Returns
    -------
    Axes
        The axes with the chart.
    """
    axes = style.notebook_axes(8, 4) if ax is None else ax
    ordered = sorted(forecasts, key=lambda each: each.horizon)
    first = ordered[0]
    when = pd.DatetimeIndex([first.session, *(each.target_session for each in ordered)]).to_numpy()
    axes.plot(prices.index, prices.to_numpy(), color=style.INK, lw=1.2, label="adjusted close")
    for lower, upper, opacity in BANDS:
        below, above = ([first.last_price, *(each.quantiles[level] for each in ordered)] for level in (lower, upper))
        share = round(100 * (float(upper) - float(lower)))
        axes.fill_between(when, below, above, color=style.OURS, alpha=opacity, lw=0, label=f"{share} % interval")
    middle = [first.last_price, *(each.quantiles["0.5"] for each in ordered)]
    axes.plot(when, middle, color=style.OURS, lw=1.4, label="median")
    # there is a forecast only at each horizon: between two of them the fan is interpolated
    lowest, highest = ([each.quantiles[level] for each in ordered] for level in ("0.05", "0.95"))
    axes.vlines(when[1:], lowest, highest, color=style.OURS, lw=0.8)
    axes.set_title(f"{first.symbol} after {first.session:%Y-%m-%d}, {sessions_ahead(ordered[-1].horizon)}", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left", fontsize=9)
    axes.margins(x=0.01)
    return axes
