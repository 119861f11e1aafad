"""From a forecast of log variance to the distribution of the return: volatility, quantiles, VaR, expected shortfall.

The network and every rival that forecasts a variance are calibrated here in the same way. Let p be the forecast of the
log of the mean variance of h sessions. The volatility of one session is then exp((p + level) / 2). The return divided
by this volatility is assumed to have the same distribution at all times, which is measured on earlier returns. Only
NumPy is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

TAILS = (0.01, 0.025, 0.05)
LEVELS = (*TAILS, *(round(0.05 * i, 2) for i in range(2, 19)), 0.95, 0.975, 0.99)
"""Levels of the quantiles that every forecast has. They include 0.05, 0.10 … 0.95, over which the CRPS is averaged."""
CONFIDENCES = (0.95, 0.99)
"""Confidence levels of value at risk and expected shortfall."""
FEWEST = 30
"""With fewer returns than this, the normal distribution is used in place of the observed quantiles."""

_NORMAL = (
    -2.326348, -1.959964, -1.644854, -1.281552, -1.036433, -0.841621, -0.67449, -0.524401, -0.38532, -0.253347,
    -0.125661, 0.0, 0.125661, 0.253347, 0.38532, 0.524401, 0.67449, 0.841621, 1.036433, 1.281552, 1.644854, 1.959964,
    2.326348,
)  # fmt: skip
"""Quantiles of the standard normal distribution at `LEVELS`."""
_NORMAL_SHORTFALL = (2.062713, 2.665214)


@dataclass(frozen=True)
class Shape:
    """What earlier forecasts of one horizon teach: how far they are off on average, and how returns are distributed.

    Attributes
    ----------
    level
        Added to the forecast log variance, so that the forecast variances are right on average.
    quantiles
        Quantiles at `LEVELS` of the return over the horizon, in units of the volatility of one session.
    shortfalls
        For each of `CONFIDENCES` the mean loss beyond the quantile at 1 - confidence, in the same units, above 0.
    scale
        The root mean square of the return in units of the volatility over the horizon. It is usually below 1, because
        prices that move and come back within a session add to the variance of ranges and gaps, not to that of closes.
    """

    level: float
    quantiles: tuple[float, ...]
    shortfalls: tuple[float, ...]
    scale: float = 1.0

    @classmethod
    def fit(cls, forecast: Float64, realised: Float64, returns: Float64, horizon: int) -> Shape:
        """Fit level and distribution to earlier forecasts.

        The level is log(mean(exp(realised - forecast))), which minimises the QLIKE loss. Cells with a NaN do not count.
        With fewer than `FEWEST` cells the level is 0 and the distribution the normal one.

        Parameters
        ----------
        forecast, realised
            [cell]; forecast and realised log of the mean variance of the next `horizon` sessions.
        returns
            [cell]; log return over these sessions.
        horizon
            Sessions ahead.
        """
        known = np.isfinite(forecast) & np.isfinite(realised) & np.isfinite(returns)
        p, y, r = (np.asarray(a, "float64")[known] for a in (forecast, realised, returns))
        root = float(np.sqrt(horizon))
        if len(p) < FEWEST:
            return cls(0.0, tuple(root * z for z in _NORMAL), tuple(root * z for z in _NORMAL_SHORTFALL))
        level = float(np.log(np.mean(np.exp(y - p))))
        standard = np.sort(r * np.exp(-(p + level) / 2))
        quantiles = np.quantile(standard, LEVELS)
        shortfalls = []
        for confidence in CONFIDENCES:
            beyond = standard[: max(1, int(np.floor(len(standard) * (1 - confidence))))]
            # of few returns the mean beyond a quantile that lies between two of them can be closer to zero than it
            shortfalls.append(max(float(-beyond.mean()), float(-quantiles[LEVELS.index(round(1 - confidence, 2))])))
        scale = float(np.sqrt(np.mean(standard**2))) / root
        return cls(level, tuple(map(float, quantiles)), tuple(shortfalls), scale)

    def to_mapping(self) -> dict[str, float]:
        """Its numbers by name; `from_mapping` reads them back."""
        names = [*(f"quantile_{level:g}" for level in LEVELS), *(f"shortfall_{c:g}" for c in CONFIDENCES)]
        return {
            "level": self.level,
            "scale": self.scale,
            **dict(zip(names, (*self.quantiles, *self.shortfalls), strict=True)),
        }

    @classmethod
    def from_mapping(cls, values: Mapping[str, float]) -> Shape:
        """Read what `to_mapping` gave; a missing name raises KeyError."""
        return cls(
            values["level"],
            tuple(values[f"quantile_{level:g}"] for level in LEVELS),
            tuple(values[f"shortfall_{c:g}"] for c in CONFIDENCES),
            values["scale"],
        )


@dataclass(frozen=True, eq=False)
class Risk:
    """One model's forecast volatility and distribution of the return at every cell of a panel.

    Attributes
    ----------
    log_variance
        [session, symbol, horizon]; forecast log of the mean variance of the next h sessions; NaN where there is none.
    volatility
        [session, symbol, horizon]; forecast volatility of one session, in log returns, with the calibrated level.
    quantiles
        [session, horizon, level]; quantiles at `LEVELS` of the return over the horizon, in units of `volatility`; the
        same for all symbols.
    shortfalls
        [session, horizon, confidence]; expected shortfall in the same units, above 0.
    scale
        [session, horizon]; root mean square of the return in units of `volatility` over the horizon.
    widening
        [session, symbol, horizon]; factor by which the distribution is wider than `quantiles`, learned from how often
        earlier intervals held; 1 without such adaptation.
    """

    log_variance: Float32
    volatility: Float32
    quantiles: Float32
    shortfalls: Float32
    scale: Float32
    widening: Float32

    @classmethod
    def of(cls, log_variance: Float32, shapes: Sequence[Shape]) -> Risk:
        """Forecasts with the same shape for all sessions.

        Parameters
        ----------
        log_variance
            [session, symbol, horizon]; the forecasts.
        shapes
            One for each horizon.
        """
        log_variance = np.asarray(log_variance, dtype=np.float32)
        level = np.array([shape.level for shape in shapes])
        sessions = len(log_variance)

        def every_session(rows: Sequence[tuple[float, ...]]) -> Float32:
            return np.tile(np.array(rows, dtype=np.float32), (sessions, 1, 1))

        return cls(
            log_variance,
            np.exp((log_variance + level) / 2).astype(np.float32),
            every_session([shape.quantiles for shape in shapes]),
            every_session([shape.shortfalls for shape in shapes]),
            every_session([(shape.scale,) for shape in shapes])[:, :, 0],
            np.ones_like(log_variance),
        )

    def quantile(self, level: float, k: int) -> Float32:
        """[session, symbol]; the quantile of the log return at `level`, one of `LEVELS`, at the k-th horizon."""
        standard = self.quantiles[:, k, LEVELS.index(level)]
        reach: Float32 = self.volatility[:, :, k] * self.widening[:, :, k] * standard[:, None]
        return reach

    @property
    def return_volatility(self) -> Float32:
        """[session, symbol, horizon]; the standard deviation of the log return of one session, over the horizon.

        `volatility` is the root of the variance that gaps and ranges show, this one of the variance that closes show.
        """
        scaled: Float32 = self.volatility * self.scale[:, None, :]
        return scaled

    def value_at_risk(self, confidence: float, k: int) -> Float32:
        """[session, symbol]; the log loss, usually above 0, that is exceeded with probability 1 - `confidence`."""
        return -self.quantile(round(1 - confidence, 4), k)

    def expected_shortfall(self, confidence: float, k: int) -> Float32:
        """[session, symbol]; the mean log loss where it exceeds `value_at_risk`."""
        standard = self.shortfalls[:, k, CONFIDENCES.index(confidence)]
        loss: Float32 = self.volatility[:, :, k] * self.widening[:, :, k] * standard[:, None]
        return loss

    @classmethod
    def blank(cls, shape: tuple[int, int, int]) -> Risk:
        """Forecasts that are NaN everywhere, of `shape` (sessions, symbols, horizons), to be filled in."""
        sessions, _, horizons = shape
        cells = [np.full(shape, np.nan, dtype=np.float32) for _ in range(3)]
        by_session = [
            np.full((sessions, horizons, count), np.nan, dtype=np.float32) for count in (len(LEVELS), len(CONFIDENCES))
        ]
        scale = np.full((sessions, horizons), np.nan, dtype=np.float32)
        return cls(cells[0], cells[1], by_session[0], by_session[1], scale, cells[2])

    def fill(self, rows: slice, part: Risk) -> None:
        """Copy the sessions `rows` of `part` into this object, which is changed."""
        for name, array in self.__dict__.items():
            array[rows] = getattr(part, name)[rows]

    def on(self, rows: slice) -> Risk:
        """Only the sessions `rows`, as views."""
        return Risk(**{name: array[rows] for name, array in self.__dict__.items()})

    def widened(self, widening: Float32) -> Risk:
        """The same with `widening` in place of its own."""
        return replace(self, widening=np.asarray(widening, dtype=np.float32))


def calibrated(
    log_variance: Float32,
    realised: Float32,
    returns: Float32,
    rows: slice,
    horizons: Sequence[int],
) -> Risk:
    """The `Risk` of any model's forecasts of log variance, with level and distribution fitted on the sessions `rows`.

    Parameters
    ----------
    log_variance, realised, returns
        [session, symbol, horizon]; forecast and realised log of the mean variance, and the log return. NaN: not known.
    rows
        The validation part; no target of it reaches beyond it.
    horizons
        Sessions ahead, in the order of the last axis.
    """
    shapes = []
    for k, horizon in enumerate(horizons):
        cells = [each[rows, :, k].ravel().astype("float64") for each in (log_variance, realised, returns)]
        shapes.append(Shape.fit(cells[0], cells[1], cells[2], horizon))
    return Risk.of(log_variance, shapes)
