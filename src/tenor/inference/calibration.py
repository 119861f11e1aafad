"""What validation teaches about a forecast's certainty: how far to trust its P(up), and how wide its interval is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenor.errors import ModelError
from tenor.schema import Float64

COVERAGE = 0.90
TRUSTS = np.geomspace(0.05, 5.0, 200)
PRIOR = 0.7
"""Spread of the prior of log trust about 0, which is the network's own confidence."""


@dataclass(frozen=True)
class Calibration:
    """Two numbers a horizon fitted on validation, one on train; none of them can turn a forecast round.

    P(up) has the logit ``base + trust * (logit - base)``: it rises with the network's, and falls back to the base rate
    as trust does. The interval is ``mean ± width`` in units of the return's volatility.

    Attributes
    ----------
    base
        Log-odds of an up target on the training part.
    trust
        0.05 .. 5; below 1 where the network is surer than validation bears out.
    width
        Split-conformal 90 % quantile of the absolute error on validation.
    """

    base: tuple[float, ...]
    trust: tuple[float, ...]
    width: tuple[float, ...]

    def p_up(self, logit: NDArray[np.floating[Any]]) -> Float64:
        """P(return > 0) from the network's log-odds [..., K]."""
        base = np.asarray(self.base)
        p: Float64 = 1 / (1 + np.exp(-(base + np.asarray(self.trust) * (logit - base))))
        return p

    def to_mapping(self) -> dict[str, Any]:
        """Lists of numbers, fit for JSON."""
        return {"base": list(self.base), "trust": list(self.trust), "width": list(self.width)}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Calibration:
        """Read what `to_mapping` wrote; raises ModelError for anything else."""
        if set(values) != {"base", "trust", "width"} or not all(np.isfinite(v).all() for v in values.values()):
            raise ModelError(f"calibration: {dict(values)} can't be used: save the model again.")
        return cls(*(tuple(map(float, values[k])) for k in ("base", "trust", "width")))


def base_rate(up: float, count: float) -> float:
    """Log-odds of `up` of `count` targets, one added to either side so that it is finite."""
    return float(np.log((up + 1) / (count - up + 1)))


def trust(logit: Float64, up: NDArray[np.bool_], *, base: float, days: float) -> float:
    """The trust in the network's log-odds with the highest posterior.

    Stocks move together and targets of five sessions overlap: cells are no independent witnesses. The mean
    log-likelihood therefore counts as often as there are separate days, against a log-normal prior about 1.

    Parameters
    ----------
    logit, up
        The network's log-odds and what happened, over the cells of validation.
    base
        Log-odds of the base rate.
    days
        Sessions of validation over the horizon.
    """
    toward = np.where(up, 1.0, -1.0)
    likelihood = np.array([-np.logaddexp(0, -toward * (base + t * (logit - base))).mean() for t in TRUSTS])
    posterior = days * likelihood - 0.5 * (np.log(TRUSTS) / PRIOR) ** 2
    return float(TRUSTS[int(posterior.argmax())])


def width(error: Float64) -> float:
    """The split-conformal quantile of the absolute `error`: the ``ceil((n + 1) * 0.9)``-th smallest of n.

    For exchangeable errors a new one lies below it with at least 90 %. Errors of overlapping horizons, and of stocks
    that move together, are not: the share out of sample can differ, and evaluation measures it.
    """
    rank = min(len(error), int(np.ceil((len(error) + 1) * COVERAGE)))
    return float(np.partition(np.abs(error), rank - 1)[rank - 1])
