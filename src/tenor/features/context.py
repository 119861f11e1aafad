"""What a session looked like across symbols: the market's mean, spread and breadth, and where each symbol stood in it.

Each session is computed from the symbols that traded in it alone. Sums run over symbols one after another, so that a
symbol without data (one that starts years later, say) adds exact zeros and changes no bit.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tenor.features.indicators import ewma_volatility
from tenor.schema import Float64


def context(returns: dict[int, Float64], volatility: Float64) -> dict[str, Float64]:
    """The features of the group ``context``, by name, each [session, symbol]; NaN where a symbol did not trade.

    With one symbol they stay defined: the market is that symbol, spread, rank and relative returns are 0.

    Parameters
    ----------
    returns
        Log returns over 1 and over 5 of the symbols' own bars, each [session, symbol]; NaN where not known.
    volatility
        [session, symbol], of one session; NaN where not known.
    """
    one, five = returns[1], returns[5]
    here = ~np.isnan(one)
    with np.errstate(all="ignore"):
        count = here.sum(axis=1)
        market_1, market_5 = _mean(one), _mean(five)
        market_volatility = _market_volatility(market_1)
        spread = np.sqrt(_mean((one - market_1[:, None]) ** 2))
        breadth = ((one > 0).sum(axis=1) - (one < 0).sum(axis=1)) / count
        rank = (pd.DataFrame(one).rank(axis=1).to_numpy() - 0.5) / count[:, None] - 0.5
        # by both volatilities: a symbol that stands still while the market moves must not be hundreds of its own away
        scale = np.sqrt(volatility**2 + market_volatility[:, None] ** 2)
        market = {
            "market_return_1": market_1 / market_volatility,
            "market_return_5": market_5 / (market_volatility * np.sqrt(5)),
            "market_volatility": np.log(market_volatility),
            "dispersion": spread / _mean(volatility),
            "breadth": breadth,
        }
        return {
            **{name: np.where(here, row[:, None], np.nan) for name, row in market.items()},
            "relative_return_1": (one - market_1[:, None]) / scale,
            "relative_return_5": (five - market_5[:, None]) / (scale * np.sqrt(5)),
            "rank_return_1": rank,
        }


def _mean(values: Float64) -> Float64:
    """Mean over the symbols that are there, [session]; NaN where none is."""
    here = ~np.isnan(values)
    total: Float64 = np.cumsum(np.where(here, values, 0.0), axis=1)[:, -1]
    mean: Float64 = total / here.sum(axis=1)
    return mean


def _market_volatility(market: Float64) -> Float64:
    """Volatility of the market's mean return; a session in which nobody traded is no step."""
    out = np.full(len(market), np.nan)
    known = ~np.isnan(market)
    out[known] = ewma_volatility(market[known])
    return out
