"""From a forecast of log variance to the distribution of the return: volatility, quantiles, VaR, expected shortfall.

The network, and every rival that forecasts a variance, are calibrated here alike. A forecast p of the log of the mean
variance of h sessions becomes a volatility, exp((p + level) / 2) a session; the return divided by it has a shape that
is taken to be the same at all times, and is read off from earlier returns. Needs NumPy alone.
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
"""Of the quantiles that every forecast has; 0.05 to 0.95 by 0.05, over which the CRPS is averaged, are among them."""
CONFIDENCES = (0.95, 0.99)
"""Of value at risk and expected shortfall."""
FEWEST = 30
"""Returns below which a tail is not read off, but taken from the normal distribution."""

_NORMAL = (
    -2.326348, -1.959964, -1.644854, -1.281552, -1.036433, -0.841621, -0.67449, -0.524401, -0.38532, -0.253347,
    -0.125661, 0.0, 0.125661, 0.253347, 0.38532, 0.524401, 0.67449, 0.841621, 1.036433, 1.281552, 1.644854, 1.959964,
    2.326348,
)  # fmt: skip
"""The standard normal's quantiles at `LEVELS`."""
_NORMAL_SHORTFALL = (2.062713, 2.665214)


@dataclass(frozen=True)
class Shape:
    """What earlier forecasts of one horizon teach about their level, and about the return in their units.

    Attributes
    ----------
    level
        Added to the forecast log variance, so that the forecast variances are right on average.
    quantiles
        Of the return over the horizon in units of the volatility of one session, at `LEVELS`.
    shortfalls
        Its mean loss beyond the quantile at 1 - each of `CONFIDENCES`, in the same units, above 0.
    scale
        The root mean square of the return in units of the volatility over the horizon. Ranges and gaps show more
        variance than closes do where prices fall back, so that it is below 1 as a rule.
    """

    level: float
    quantiles: tuple[float, ...]
    shortfalls: tuple[float, ...]
    scale: float = 1.0

    @classmethod
    def fit(cls, forecast: Float64, realised: Float64, returns: Float64, horizon: int) -> Shape:
        """From one cell each: forecast and realised log variance, and the log return over `horizon` sessions.

        The level is log(mean(exp(realised - forecast))), where the QLIKE loss is least. Cells with a NaN do not count;
        with fewer than `FEWEST` the shape is the normal one.
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
    """How far: one model's forecast volatility and distribution of the return at every cell of a panel.

    Attributes
    ----------
    log_variance
        [session, symbol, horizon]; forecast log of the mean variance of the next h sessions; NaN where there is none.
    volatility
        [session, symbol, horizon]; of one session, as a log return, level calibrated.
    quantiles
        [session, horizon, level]; of the return over the horizon in units of `volatility`, at `LEVELS`; the same for
        all symbols.
    shortfalls
        [session, horizon, confidence]; expected shortfall in those units, above 0.
    scale
        [session, horizon]; root mean square of the return in units of `volatility` over the horizon.
    widening
        [session, symbol, horizon]; how much wider than `quantiles` the distribution is, as earlier intervals taught; 1
        without such adaptation.
    """

    log_variance: Float32
    volatility: Float32
    quantiles: Float32
    shortfalls: Float32
    scale: Float32
    widening: Float32

    @classmethod
    def of(cls, log_variance: Float32, shapes: Sequence[Shape]) -> Risk:
        """The forecasts `log_variance` [session, symbol, horizon] with one shape a horizon for all sessions."""
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

        `volatility` is the root of the variance that gaps and ranges show; this one is what closes are expected to.
        """
        scaled: Float32 = self.volatility * self.scale[:, None, :]
        return scaled

    def value_at_risk(self, confidence: float, k: int) -> Float32:
        """[session, symbol]; the log loss, above 0 as a rule, that a return exceeds with 1 - `confidence`."""
        return -self.quantile(round(1 - confidence, 4), k)

    def expected_shortfall(self, confidence: float, k: int) -> Float32:
        """[session, symbol]; the mean log loss where it exceeds `value_at_risk`."""
        standard = self.shortfalls[:, k, CONFIDENCES.index(confidence)]
        loss: Float32 = self.volatility[:, :, k] * self.widening[:, :, k] * standard[:, None]
        return loss

    @classmethod
    def blank(cls, shape: tuple[int, int, int]) -> Risk:
        """Forecasts of nothing, [session, symbol, horizon], to be filled in."""
        sessions, _, horizons = shape
        cells = [np.full(shape, np.nan, dtype=np.float32) for _ in range(3)]
        by_session = [
            np.full((sessions, horizons, count), np.nan, dtype=np.float32) for count in (len(LEVELS), len(CONFIDENCES))
        ]
        scale = np.full((sessions, horizons), np.nan, dtype=np.float32)
        return cls(cells[0], cells[1], by_session[0], by_session[1], scale, cells[2])

    def fill(self, rows: slice, part: Risk) -> None:
        """Copy the sessions `rows` of `part`, which has as many sessions or ends after them, in place."""
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
    """The `Risk` of any model's forecast log variances, its shape fitted on the sessions `rows`.

    Parameters
    ----------
    log_variance, realised, returns
        [session, symbol, horizon]; forecast and realised log of the mean variance, and the log return. NaN: not known.
    rows
        The validation part, whose targets do not reach past it.
    horizons
        Sessions ahead of each.
    """
    shapes = []
    for k, horizon in enumerate(horizons):
        cells = [each[rows, :, k].ravel().astype("float64") for each in (log_variance, realised, returns)]
        shapes.append(Shape.fit(cells[0], cells[1], cells[2], horizon))
    return Risk.of(log_variance, shapes)
