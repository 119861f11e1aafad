"""The outputs ("heads") of the network, in one table with a row for each. Needs no torch.

A head is an output of the network at every session, symbol and horizon. Its row in `HEADS` defines it: the loss that it
is trained with, where its bias starts, how it is calibrated on validation, and which columns of a prediction it
becomes. The network, the training, the ONNX graph, the saved model and the predictions loop over the table. So a new
head needs a row here, a weight in `TrainConfig` and, for a new column, a field of `Predictions`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tenor.distribution import Shape
from tenor.errors import ModelError
from tenor.schema import Float32, Float64

Outputs = dict[str, Float32]
"""The network's outputs by head, each [session, symbol, horizon]."""

Parameters = Mapping[str, Float64]
"""The calibration of one head: from the name of each parameter to its numbers [K], one for each horizon."""

TARGETS = ("return", "log_variance")
"""The targets of heads: the return in units of its volatility, and the log of the mean variance ahead."""
Target = Literal["return", "log_variance"]
SLOPES = np.geomspace(0.05, 5.0, 200)
PRIOR = 0.7
"""Standard deviation of the prior of the log slope of P(up). Its mean, 0, keeps the network's own confidence."""
SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
"""Shares of the network in the forecast of log variance; validation chooses one. The rest is the linear forecast's."""
SEASONS = (0.0, 0.5, 1.0, 1.5)
"""Factors by which the effect of the season on the log variance is multiplied; validation chooses one."""


@dataclass(frozen=True)
class Surroundings:
    """What a head's output is combined with; each array is [..., K], for K horizons.

    Attributes
    ----------
    scale
        The volatility of the return over each horizon.
    linear
        Each symbol's own linear forecast of log variance (`tenor.har.refitted`); NaN where there is none.
    news
        What the news adds to the log variance (`tenor.inference.news_effect`); 0 where nothing is known of it.
    season
        What the season of reports adds to the log variance (`tenor.inference.season`); 0 where it is not known.
    """

    scale: Float32
    linear: Float64
    news: Float64 | float = 0.0
    season: Float64 | float = 0.0


@dataclass(frozen=True)
class Outcomes:
    """The data on which one head is calibrated at one horizon: the cells whose target is known.

    Attributes
    ----------
    output
        The head's output over the validation part.
    linear
        Each symbol's own linear forecast of log variance in the same cells; NaN where there is none.
    target
        The head's target in the same cells; not clipped.
    train_target
        The head's targets in the training part.
    returns
        Log return over the horizon, in the cells of `target`.
    days
        Number of sessions of the validation part divided by the horizon: so many targets do not overlap.
    horizon
        Sessions ahead.
    news
        What the news adds to the log variance in the same cells, as in `Surroundings`.
    season
        What the season of reports adds to it, as in `Surroundings`.
    """

    output: Float64
    linear: Float64
    target: Float64
    train_target: Float64
    returns: Float64
    days: float
    horizon: int
    news: Float64 | float = 0.0
    season: Float64 | float = 0.0


@dataclass(frozen=True)
class Head:
    """One output of the network.

    Attributes
    ----------
    name
        Its name in the network, the ONNX graph and the saved calibration.
    target
        The target that it is trained on, one of `TARGETS`.
    loss
        The loss: the squared error, or the cross-entropy if the output is the log-odds of a positive target.
    weight
        The key of `TrainConfig` by which the loss is weighted.
    start
        Where its bias starts: at zero, at the log-odds of a positive target in the training part, or at the mean
        difference between the target and the log of the pooled variance there.
    pools_variance
        Whether the log of the attention-weighted mean of past variances is added to its output.
    calibrate
        Function from the outcomes to the head's parameters, one number each.
    columns
        Function from the output [..., K], the parameters and the surroundings to columns of `Predictions`.
    """

    name: str
    target: Target
    loss: Literal["squared_error", "cross_entropy"]
    weight: str
    start: Literal["zero", "base_rate", "pooled"]
    pools_variance: bool
    calibrate: Callable[[Outcomes], dict[str, float]]
    columns: Callable[[Float32, Parameters, Surroundings], dict[str, NDArray[Any]]]


def base_rate(up: float, count: float) -> float:
    """Log-odds of `up` rises among `count` targets, with one rise and one fall added so that they are finite."""
    return float(np.log((up + 1) / (count - up + 1)))


def platt_slope(logit: Float64, up: NDArray[np.bool_], *, base: float, days: float) -> float:
    """How far to trust the network's log-odds: the slope, around the base rate, with the highest posterior density.

    Cells are not independent, because stocks move together and targets of several sessions overlap. The mean
    log-likelihood is therefore multiplied by the number of separate days (`days`), not of cells. The prior is
    log-normal around 1. This is Platt scaling with a prior and a fixed point (Platt 1999, Probabilistic outputs for
    support vector machines).

    Parameters
    ----------
    logit, up
        [cell]; the network's log-odds, and whether the price rose, in the cells of the validation part.
    base
        Log-odds of the base rate.
    days
        Number of sessions of the validation part divided by the horizon.
    """
    toward = np.where(up, 1.0, -1.0)
    likelihood = np.array([-np.logaddexp(0, -toward * (base + slope * (logit - base))).mean() for slope in SLOPES])
    posterior = days * likelihood - 0.5 * (np.log(SLOPES) / PRIOR) ** 2
    return float(SLOPES[int(posterior.argmax())])


def _calibrate_mean(_cells: Outcomes) -> dict[str, float]:
    return {}  # calibrating a mean that is near zero would fit noise


def _mean_columns(output: Float32, _fitted: Parameters, around: Surroundings) -> dict[str, NDArray[Any]]:
    return {"mean": output * around.scale}


def mixed(network: NDArray[Any], linear: Float64, share: float | Float64) -> NDArray[Any]:
    """The mixture of both forecasts of log variance: `share` of the network's and 1 - `share` of the linear one.

    Where there is no linear forecast (NaN), it is the network's.
    """
    return np.where(np.isfinite(linear), share * network + (1 - share) * linear, network)


def _calibrate_log_variance(cells: Outcomes) -> dict[str, float]:
    def forecast_with(share: float, season: float) -> Float64:
        return mixed(cells.output, cells.linear, share) + cells.news + season * cells.season

    def error(parts: tuple[float, float]) -> float:
        return float(np.mean((forecast_with(*parts) - cells.target) ** 2))

    # of equal errors the first: where a part adds nothing, it is left out
    share, season = min(itertools.product(SHARES, SEASONS), key=error)
    shape = Shape.fit(forecast_with(share, season), cells.target, cells.returns, cells.horizon)
    return {"share": share, "season": season, **shape.to_mapping()}


def _log_variance_columns(output: Float32, fitted: Parameters, around: Surroundings) -> dict[str, NDArray[Any]]:
    # `Calibration.shapes` makes a distribution from it
    season = fitted.get("season", 0.0)  # models from before the season was added have none
    forecast = mixed(output, around.linear, fitted["share"]) + around.news + season * around.season
    return {"log_variance": forecast.astype(output.dtype)}


def _calibrate_direction(cells: Outcomes) -> dict[str, float]:
    rose = cells.train_target > 0
    base = base_rate(float(rose.sum()), float(rose.size))
    return {"base": base, "slope": platt_slope(cells.output, cells.target > 0, base=base, days=cells.days)}


def _direction_columns(output: Float32, fitted: Parameters, _around: Surroundings) -> dict[str, NDArray[Any]]:
    # P(up) always rises with the network's log-odds, and approaches the base rate as the slope approaches 0
    base, slope = fitted["base"], fitted["slope"]
    return {"p_up": 1 / (1 + np.exp(-(base + slope * (output - base))))}


HEADS = (
    Head("mean", "return", "squared_error", "return_weight", "zero", False, _calibrate_mean, _mean_columns),
    Head(
        "up_logit", "return", "cross_entropy", "direction_weight", "base_rate", False,
        _calibrate_direction, _direction_columns,
    ),
    Head(
        "log_variance", "log_variance", "squared_error", "risk_weight", "pooled", True,
        _calibrate_log_variance, _log_variance_columns,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Calibration:
    """The calibration of every head, from the validation part and the base rate of the training part.

    No calibration can reverse the order of forecasts.

    Attributes
    ----------
    fitted
        From each head to its parameters, and from each parameter to one number for each horizon.
    """

    fitted: Mapping[str, Mapping[str, tuple[float, ...]]]

    @classmethod
    def fit(cls, outcomes: Callable[[Head, int], Outcomes], horizons: int) -> Calibration:
        """Calibrate every head at every horizon.

        Parameters
        ----------
        outcomes
            ``outcomes(head, k)`` gives the outcomes of a head at the k-th horizon.
        horizons
            How many horizons there are.
        """
        fitted: dict[str, dict[str, tuple[float, ...]]] = {}
        for head in HEADS:
            each = [head.calibrate(outcomes(head, k)) for k in range(horizons)]
            fitted[head.name] = {name: tuple(values[name] for values in each) for name in each[0]}
        return cls(fitted)

    def columns(self, outputs: Outputs, around: Surroundings) -> dict[str, NDArray[Any]]:
        """The columns of `Predictions` that follow from the network's `outputs`, [..., K] by head."""
        columns: dict[str, NDArray[Any]] = {}
        for head in HEADS:
            parameters = {name: np.asarray(values) for name, values in self.fitted[head.name].items()}
            columns |= head.columns(outputs[head.name], parameters, around)
        return columns

    def shapes(self) -> list[Shape]:
        """The shape of the return's distribution at each horizon."""
        fitted = self.fitted["log_variance"]
        count = len(next(iter(fitted.values())))
        return [Shape.from_mapping({name: numbers[k] for name, numbers in fitted.items()}) for k in range(count)]

    def to_mapping(self) -> dict[str, Any]:
        """Lists of numbers by head and parameter, fit for JSON."""
        return {head: {name: list(values) for name, values in each.items()} for head, each in self.fitted.items()}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Calibration:
        """The calibration from which `to_mapping` made `values`; raises ModelError for anything else."""
        try:
            fitted = {
                head: {name: tuple(map(float, numbers)) for name, numbers in each.items()}
                for head, each in values.items()
            }
            usable = set(fitted) == {head.name for head in HEADS} and all(
                len(numbers) and np.isfinite(numbers).all() for each in fitted.values() for numbers in each.values()
            )
            cls(fitted).shapes()
            usable = usable and all(share in SHARES for share in fitted["log_variance"]["share"])
            usable = usable and all(season in SEASONS for season in fitted["log_variance"].get("season", ()))
        except (AttributeError, IndexError, KeyError, StopIteration, TypeError, ValueError):
            usable = False
        if not usable:
            raise ModelError(f"calibration: {dict(values)} can't be used: save the model again.")
        return cls(fitted)
