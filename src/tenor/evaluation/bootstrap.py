"""95 % intervals from resampling days, because stocks move together and a day is what is drawn, not a cell.

Circular moving blocks of days (Politis & Romano 1992), percentile bounds. Each model's cells are first summed by day;
a resample is then a vector of how often each day was drawn, and every metric of every resample one matrix product.
The AUC, which no sum by day gives, comes exactly from the counts of concordant pairs between each two days.
All models are measured on the same resampled days, so that differences are paired.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tenor import metrics
from tenor.schema import Bool, Float64

RESAMPLES = 1000
FEWEST_BLOCKS = 4
"""If there are fewer days than this many blocks, nothing is resampled: the bounds are NaN rather than too narrow."""

AUC_CHUNK = 4_000_000
"""Most running counts held in memory at a time for the AUC, four bytes each."""

METRICS = (
    "return_rmse", "return_mae", "price_rmse", "price_mae", "skill", "mase",
    "direction", "mcc", "auc", "brier", "rank_ic", "icir",
)  # fmt: skip

_SUMS = ("n", "se", "ae", "se0", "pse", "pae", "pae0", "tp", "fp", "tn", "fn", "be", "ic", "ic2", "ics")


@dataclass(frozen=True)
class ConfidenceInterval:
    """A value and its 95 % interval; NaN for what is undefined (see `FEWEST_BLOCKS`).

    Attributes
    ----------
    value
        The value on all days, each counted once.
    low, high
        Bounds of the interval.
    """

    value: float
    low: float
    high: float


def block_length(horizon: int) -> int:
    """Days in a block: max(5, 2 h); targets of h sessions overlap for h - 1 days, and blocks must be longer."""
    return max(5, 2 * horizon)


def resampled_days(days: int, *, horizon: int, resamples: int = RESAMPLES, seed: int = 0) -> Float64:
    """How often each day was drawn, [resample, day]; rows sum to `days`. No rows with too few days to resample."""
    block = block_length(horizon)
    if days < FEWEST_BLOCKS * block:
        return np.zeros((0, days))
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, days, size=(resamples, -(-days // block), 1))  # -(-a // b) rounds up
    # circular: a block that starts near the end goes on at the beginning, so that every day is drawn equally often;
    # surplus days of the last block are cut off
    drawn = ((starts + np.arange(block)) % days).reshape(resamples, -1)[:, :days]
    # counts of all resamples by one bincount: day d of resample i has the number i * days + d
    flat = (drawn + days * np.arange(resamples)[:, None]).ravel()
    return np.bincount(flat, minlength=resamples * days).reshape(resamples, days).astype("float64")


def interval(value: float, draws: Float64) -> ConfidenceInterval:
    """`value` between the 2.5 % and 97.5 % quantiles of `draws`; NaN bounds where half the draws are undefined."""
    known = draws[np.isfinite(draws)]
    if not math.isfinite(value) or 2 * len(known) <= len(draws):
        return ConfidenceInterval(value, math.nan, math.nan)
    low, high = np.quantile(known, (0.025, 0.975))
    return ConfidenceInterval(value, float(low), float(high))


@dataclass(frozen=True)
class DayTotals:
    """The sums by day from which the metrics of a model are computed.

    Attributes
    ----------
    sums
        [day, statistic], the statistics of `_SUMS`.
    concordant
        [day, day]; over pairs of a cell that rose on day d and one that did not on day e, how often the first had the
        higher P(up), ties one half.
    directed
        False for a model that does not forecast directions; its direction metrics are NaN.
    """

    sums: Float64
    concordant: Float64
    directed: bool

    @classmethod
    def of(cls, mean: Float64, p_up: Float64, realised: Float64) -> DayTotals:
        """Sum cells [day, symbol]; only those with a finite `realised` count, and the others must be finite there.

        Parameters
        ----------
        mean, realised
            Log returns.
        p_up
            P(up), 0..1.
        """
        counts = np.isfinite(realised)
        # zeros where nothing counts add nothing to a sum, while NaN would spoil its day
        r = np.where(counts, realised, 0.0)
        f = np.where(counts, mean, 0.0)
        # as a fraction of the last close: in currency, the symbol with the highest price would decide alone
        price_error = np.exp(f) - np.exp(r)
        up = (p_up > 0.5) & counts
        rose = (r > 0) & counts
        ic = metrics.daily_ic(np.where(counts, mean, np.nan), realised)
        defined = np.isfinite(ic)
        ic = np.where(defined, ic, 0.0)
        columns = {
            "n": counts,
            "se": (f - r) ** 2,
            "ae": np.abs(f - r),
            "se0": r**2,
            "pse": price_error**2,
            "pae": np.abs(price_error),
            "pae0": np.abs(1.0 - np.exp(r)),
            "tp": up & rose,
            "fp": up & ~rose,
            "tn": counts & ~up & ~rose,
            "fn": ~up & rose,
            "be": np.where(counts, p_up - rose, 0.0) ** 2,
        }
        sums = [columns[name].sum(axis=1, dtype="float64") for name in columns]
        directed = metrics.names_direction(np.where(counts, p_up, np.nan))
        days = len(realised)
        concordant = _concordant(p_up, rose, counts) if directed else np.zeros((days, days))
        return cls(np.stack([*sums, ic, ic**2, defined.astype("float64")], axis=1), concordant, directed)

    @property
    def counts(self) -> Float64:
        """The number of cells of each day."""
        return self.sums[:, _SUMS.index("n")]

    @property
    def ups(self) -> Float64:
        """The number of cells of each day whose return was above zero."""
        return self.sums[:, _SUMS.index("tp")] + self.sums[:, _SUMS.index("fn")]

    def on(self, days: slice) -> DayTotals:
        """The same for only some of the days."""
        return DayTotals(self.sums[days], self.concordant[days, days], self.directed)

    def measure(self, drawn: Float64) -> dict[str, Float64]:
        """Every metric of `METRICS` on every resample: name -> [resample].

        Parameters
        ----------
        drawn
            [resample, day], how often each day counts; a row of ones gives the plain metrics.
        """
        total = dict(zip(_SUMS, (drawn @ self.sums).T, strict=True))
        n = total["n"]
        values = {
            "return_rmse": np.sqrt(metrics.ratio(total["se"], n)),
            "return_mae": metrics.ratio(total["ae"], n),
            "price_rmse": np.sqrt(metrics.ratio(total["pse"], n)),
            "price_mae": metrics.ratio(total["pae"], n),
            "skill": metrics.skill_of_sums(total["se"], total["se0"]),
            "mase": metrics.ratio(total["pae"], total["pae0"]),
            "brier": metrics.ratio(total["be"], n),
            "rank_ic": metrics.ratio(total["ic"], total["ics"]),
            "icir": metrics.icir_of_sums(total["ic"], total["ic2"], total["ics"]),
        }
        if self.directed:
            tp, fp, tn, fn = total["tp"], total["fp"], total["tn"], total["fn"]
            values["direction"] = metrics.ratio(tp + tn, n)
            values["mcc"] = metrics.mcc_of_counts(tp, fp, tn, fn)
            # a pair of days d and e counts as often as d was drawn times e was drawn: w' C w for each resample w
            pairs = ((drawn @ self.concordant) * drawn).sum(axis=1)
            values["auc"] = metrics.ratio(pairs, (tp + fn) * (tn + fp))
        undefined = np.full(len(drawn), np.nan)
        return {name: values.get(name, undefined) for name in METRICS}

    def values(self) -> dict[str, float]:
        """Every metric on all days, each counted once."""
        return {name: float(draws[0]) for name, draws in self.measure(np.ones((1, len(self.sums)))).items()}


def _concordant(p_up: Float64, rose: Bool, counts: Bool) -> Float64:
    """The [day, day] counts of `DayTotals.concordant`.

    By ranks: for each day e, a running count along all distinct P(up) of the cells that did not rise, read off at the
    cells that rose and summed by their day. Counts and their halves are exact in float32 for any day's cells.
    """
    days = len(p_up)
    pairs = np.zeros((days, days))
    day, _ = np.nonzero(counts)  # of every cell that counts, in order of days
    values, rank = np.unique(p_up[counts], return_inverse=True)
    up = rose[counts]
    up_day, up_rank = day[up], rank[up]
    down_day, down_rank = day[~up], rank[~up]
    if not len(up_day) or not len(down_day):
        return pairs
    firsts = np.flatnonzero(np.r_[True, np.diff(up_day) > 0])  # the first riser of each day that has one
    with_ups = up_day[firsts]
    step = max(1, AUC_CHUNK // len(values))  # days e at a time, which bounds memory
    for start in range(0, days, step):
        stop = min(start + step, days)
        here = slice(*np.searchsorted(down_day, (start, stop)))
        at = np.zeros((stop - start, len(values)), dtype="float32")  # [day e, distinct P(up)]
        np.add.at(at, (down_day[here] - start, down_rank[here]), 1.0)
        below = np.cumsum(at, axis=1)
        below -= at / 2  # those of the same P(up) are ties, and count one half
        pairs[with_ups, start:stop] = np.add.reduceat(below[:, up_rank], firsts, axis=1).T
    return pairs
