"""Features across symbols: the market's mean, dispersion and breadth in a session, and each symbol's place in it.

They are computed from the symbols that traded in the session. Sums are added symbol by symbol, so that a symbol without
data (for example one that starts years later) adds exact zeros and changes no bit.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tenor.features.feature import Declarations
from tenor.features.indicators import ewma_volatility
from tenor.schema import Bool, Float64


@dataclass(frozen=True)
class CrossSection:
    """The data of all symbols: float64 arrays [session, symbol], NaN where a symbol did not trade.

    Quantities that several features need are properties, computed once.

    Attributes
    ----------
    return_1, return_5
        Log returns over 1 and over 5 of the symbol's own bars.
    volatility
        Volatility of one session.
    log_variances
        From each number of bars to the log of the mean variance over so many of the symbol's own bars.
    whole_market
        [session]; `market_volatility`, if these sessions are only a part of those that it was computed over; else None.
    """

    return_1: Float64
    return_5: Float64
    volatility: Float64
    log_variances: Mapping[int, Float64] = field(default_factory=dict)
    whole_market: Float64 | None = None

    @functools.cached_property
    def traded(self) -> Bool:
        """[session, symbol]; whether the symbol traded."""
        return ~np.isnan(self.return_1)

    @functools.cached_property
    def count(self) -> Float64:
        """[session]; the number of symbols that traded."""
        return np.asarray(self.traded.sum(axis=1).astype(np.float64))

    @functools.cached_property
    def market_1(self) -> Float64:
        """[session]; mean return over 1 bar."""
        return mean_over_symbols(self.return_1)

    @functools.cached_property
    def market_5(self) -> Float64:
        """[session]; mean return over 5 bars."""
        return mean_over_symbols(self.return_5)

    @functools.cached_property
    def market_volatility(self) -> Float64:
        """[session]; volatility of the mean return."""
        return volatility_of_mean(self.market_1) if self.whole_market is None else self.whole_market

    @functools.cached_property
    def scale(self) -> Float64:
        """[session, symbol]; the divisor of returns relative to the market."""
        # both volatilities, or a symbol that hardly moves would be hundreds of its own volatilities from the market
        scale: Float64 = np.sqrt(self.volatility**2 + self.market_volatility[:, None] ** 2)
        return scale

    def of_all(self, values: Float64) -> Float64:
        """`values` [session] repeated for each symbol that traded: [session, symbol]."""
        return np.where(self.traded, values[:, None], np.nan)


context_feature: Declarations[CrossSection] = Declarations()
"""The decorator that declares a feature of the group ``context``; it also holds all declared ones."""


def context(
    returns: dict[int, Float64],
    volatility: Float64,
    log_variances: Mapping[int, Float64] | None = None,
    *,
    groups: Sequence[str] = ("context",),
    whole_market: Float64 | None = None,
) -> dict[str, Float64]:
    """The features across symbols, by name, each [session, symbol]; NaN where a symbol did not trade.

    With one symbol they are still defined: the market is that symbol, and dispersion, rank and relative returns are 0.

    Parameters
    ----------
    returns
        Log returns over 1 and over 5 of the symbols' own bars, each [session, symbol]; NaN where not known.
    volatility
        [session, symbol]; volatility of one session; NaN where not known.
    log_variances
        Log of the mean variance over 1, 5, 22 and 66 of the symbols' own bars, each [session, symbol]; the group
        ``risk`` needs them.
    groups
        The groups of features to compute.
    whole_market
        As in `CrossSection`.
    """
    with np.errstate(all="ignore"):
        section = CrossSection(returns[1], returns[5], volatility, log_variances or {}, whole_market)
        return context_feature.compute(section, groups)


@context_feature(name="market_return_1", group="context", formula="m₁ / mvol", source="mean over symbols", warmup=20)
def _market_return_1(x: CrossSection) -> Float64:
    return x.of_all(x.market_1 / x.market_volatility)


@context_feature(
    name="market_return_5", group="context", formula="m₅ / (mvol √5)", source="mean over symbols", warmup=20
)
def _market_return_5(x: CrossSection) -> Float64:
    return x.of_all(x.market_5 / (x.market_volatility * np.sqrt(5)))


@context_feature(name="market_volatility", group="context", formula="log(mvol)", source="EWMA, half-life 20", warmup=20)
def _market_volatility(x: CrossSection) -> Float64:
    return x.of_all(np.log(x.market_volatility))


@context_feature(
    name="dispersion",
    group="context",
    formula="sd over symbols of r / mean over symbols of vol",
    source="spread over symbols",
    warmup=20,
)
def _dispersion(x: CrossSection) -> Float64:
    spread = np.sqrt(mean_over_symbols((x.return_1 - x.market_1[:, None]) ** 2))
    return x.of_all(spread / mean_over_symbols(x.volatility))


@context_feature(
    name="breadth",
    group="context",
    formula="share of symbols with r > 0 − share with r < 0",
    source="count of symbols",
    warmup=1,
)
def _breadth(x: CrossSection) -> Float64:
    return x.of_all(((x.return_1 > 0).sum(axis=1) - (x.return_1 < 0).sum(axis=1)) / x.count)


@context_feature(
    name="relative_return_1",
    group="context",
    formula="(r − m₁) / √(vol² + mvol²)",
    source="stock − market",
    warmup=20,
)
def _relative_return_1(x: CrossSection) -> Float64:
    return (x.return_1 - x.market_1[:, None]) / x.scale


@context_feature(
    name="relative_return_5",
    group="context",
    formula="(log(c / c[-5]) − m₅) / √(5 vol² + 5 mvol²)",
    source="stock − market",
    warmup=20,
)
def _relative_return_5(x: CrossSection) -> Float64:
    return np.asarray((x.return_5 - x.market_5[:, None]) / (x.scale * np.sqrt(5)))


@context_feature(
    name="rank_return_1",
    group="context",
    formula="(rank of r among symbols − ½) / count − ½, ties averaged",
    source="rank over symbols",
    warmup=1,
)
def _rank_return_1(x: CrossSection) -> Float64:
    rank: Float64 = pd.DataFrame(x.return_1).rank(axis=1).to_numpy()
    return (rank - 0.5) / x.count[:, None] - 0.5


def _market_log_variance(x: CrossSection, bars: int) -> Float64:
    return x.of_all(mean_over_symbols(x.log_variances[bars]))


@context_feature(
    name="market_log_variance",
    group="risk",
    formula="mean over symbols of log_variance",
    source="mean over symbols",
    warmup=1,
)
def _market_log_variance_1(x: CrossSection) -> Float64:
    return _market_log_variance(x, 1)


@context_feature(
    name="market_log_variance_5",
    group="risk",
    formula="mean over symbols of log_variance_5",
    source="mean over symbols",
    warmup=5,
)
def _market_log_variance_5(x: CrossSection) -> Float64:
    return _market_log_variance(x, 5)


@context_feature(
    name="market_log_variance_22",
    group="risk",
    formula="mean over symbols of log_variance_22",
    source="mean over symbols",
    warmup=22,
)
def _market_log_variance_22(x: CrossSection) -> Float64:
    return _market_log_variance(x, 22)


@context_feature(
    name="market_log_variance_66",
    group="risk",
    formula="mean over symbols of log_variance_66",
    source="mean over symbols",
    warmup=66,
)
def _market_log_variance_66(x: CrossSection) -> Float64:
    return _market_log_variance(x, 66)


def mean_over_symbols(values: Float64) -> Float64:
    """[session]; mean over the symbols with a value; NaN if there is none."""
    here = ~np.isnan(values)
    total: Float64 = np.cumsum(np.where(here, values, 0.0), axis=1)[:, -1]
    mean: Float64 = total / here.sum(axis=1)
    return mean


def volatility_of_mean(market: Float64) -> Float64:
    """Volatility of the market's mean return; a session in which nothing traded is skipped."""
    out = np.full(len(market), np.nan)
    known = ~np.isnan(market)
    out[known] = ewma_volatility(market[known])
    return out
