"""What a network reads and what it predicts: dense arrays over sessions, symbols and horizons."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tenor.distribution import Risk
from tenor.errors import DataError, HistoryError, UnknownSymbolError
from tenor.schema.arrays import Bool, Float32, Float64
from tenor.schema.tables import labels
from tenor.variance import close_to_close, log_mean_ahead
from tenor.views import listed, table_view

_LEFT_OUT: Any = None
"""The default of a field that `Panel` computes if it is not given."""


@dataclass(frozen=True, repr=False)
class Panel:
    """Everything a model may see, dense over sessions and symbols.

    Attributes
    ----------
    values
        [session, symbol, feature] float32, finite; 0 where `mask` is False. Row t holds what was known after the
        close of session t.
    mask
        [session, symbol] bool; True where the symbol traded and every feature was known.
    targets
        [session, symbol, horizon] float32; log return of the adjusted close from t to t + h sessions; NaN where it is
        not known (yet).
    volatility
        [session, symbol] float32; volatility of one session: the root of the exponentially weighted mean of squared log
        returns up to t; NaN where `mask` is False.
    variance
        [session, symbol] float64; variance of the session, including the gap since the last close (`tenor.variance`);
        NaN where the symbol did not trade. If it is not given, it is computed from the closes alone.
    log_variance
        [session, symbol, horizon] float32; log of the mean of `variance` over t + 1 .. t + h, the target of the
        forecast of risk; NaN where it is not known (yet). If it is not given, it is computed from `variance`.
    open, close
        [session, symbol] float64; adjusted prices; NaN where the symbol did not trade.
    sessions, symbols, features, horizons
        The names of the axes.
    calendar
        Name of the calendar of the sessions, which also says how many sessions a year has.
    """

    values: Float32
    mask: Bool
    targets: Float32
    volatility: Float32
    open: Float64
    close: Float64
    sessions: pd.DatetimeIndex
    symbols: tuple[str, ...]
    features: tuple[str, ...]
    horizons: tuple[int, ...]
    calendar: str = "XNYS"
    variance: Float64 = _LEFT_OUT
    log_variance: Float32 = _LEFT_OUT

    def __post_init__(self) -> None:
        if self.variance is _LEFT_OUT:
            object.__setattr__(self, "variance", close_to_close(self.close))
        if self.log_variance is _LEFT_OUT:
            object.__setattr__(self, "log_variance", log_mean_ahead(self.variance, self.close, self.horizons))
        grid = (len(self.sessions), len(self.symbols))
        shapes = {
            "values": (*grid, len(self.features)),
            "mask": grid,
            "targets": (*grid, len(self.horizons)),
            "volatility": grid,
            "variance": grid,
            "log_variance": (*grid, len(self.horizons)),
            "open": grid,
            "close": grid,
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise DataError(f"panel: {name} has shape {getattr(self, name).shape}, its axes say {shape}.")
        if not self.sessions.is_monotonic_increasing or not self.sessions.is_unique:
            raise DataError("panel: its sessions are not in order.")

    def __repr__(self) -> str:
        span = " … ".join(labels(self.sessions[[0, -1]])) if len(self.sessions) else "no sessions"
        size = f"{len(self.symbols)} symbols, {len(self.sessions):,} sessions {span}, {len(self.features)} features"
        return f"Panel({size}, horizons {listed(self.horizons)}, {self.calendar})"

    def _repr_html_(self) -> str:
        names = {"symbols": self.symbols, "features": self.features}
        rows = [
            (axis, len(each), ", ".join(each[:8]) + (" …" if len(each) > 8 else "")) for axis, each in names.items()
        ]
        rows.insert(
            1,
            ("sessions", len(self.sessions), " … ".join(labels(self.sessions[[0, -1]])) if len(self.sessions) else ""),
        )
        rows.append(("horizons", len(self.horizons), ", ".join(map(str, self.horizons))))
        cells = f"{int(self.mask.sum()):,} cells have all features: .to_frame() has them, a row each."
        return table_view(repr(self), pd.DataFrame(rows, columns=["axis", "length", "values"]), notes=(cells,))

    def to_frame(self) -> pd.DataFrame:
        """A table with one row for each cell whose `mask` is True.

        Its columns are ``symbol, session``, the features, and the returns ahead as ``target_1`` and so on, by horizon.
        """
        rows, columns = np.nonzero(self.mask.T)[::-1]
        numbers = np.concatenate((self.values[rows, columns], self.targets[rows, columns]), axis=1)
        frame = pd.DataFrame(numbers, columns=[*self.features, *(f"target_{horizon}" for horizon in self.horizons)])
        frame.insert(0, "session", self.sessions[rows])
        frame.insert(0, "symbol", np.array(self.symbols, dtype=object)[columns])
        return frame

    def windows(self, lookback: int) -> Float32:
        """Every run of `lookback` sessions, [session - lookback + 1, symbol, lookback, feature], as a view: no copy.

        Window i ends at session i + lookback - 1.
        """
        if len(self.sessions) < lookback:
            raise HistoryError(
                f"{len(self.sessions)} sessions are too few for a lookback of {lookback}: "
                "import more history or lower model.lookback."
            )
        view = np.lib.stride_tricks.sliding_window_view(self.values, lookback, axis=0)
        return np.moveaxis(view, -1, 2)

    def between(self, start: int, stop: int) -> Panel:
        """The panel of the sessions at the places start .. stop - 1, as views: no copy."""
        cut = slice(start, stop)
        return replace(
            self,
            values=self.values[cut],
            mask=self.mask[cut],
            targets=self.targets[cut],
            volatility=self.volatility[cut],
            variance=self.variance[cut],
            log_variance=self.log_variance[cut],
            open=self.open[cut],
            close=self.close[cut],
            sessions=self.sessions[cut],
        )

    def of_symbols(self, columns: slice) -> Panel:
        """Some of its symbols, by their places, as views."""
        return replace(
            self,
            values=self.values[:, columns],
            mask=self.mask[:, columns],
            targets=self.targets[:, columns],
            volatility=self.volatility[:, columns],
            variance=self.variance[:, columns],
            log_variance=self.log_variance[:, columns],
            open=self.open[:, columns],
            close=self.close[:, columns],
            symbols=self.symbols[columns],
        )

    def without(self, features: Collection[str]) -> Panel:
        """The panel without the named features, or this object if it has none of them. The mask is unchanged."""
        rest = [i for i, name in enumerate(self.features) if name not in features]
        if len(rest) == len(self.features):
            return self
        return replace(self, values=self.values[:, :, rest], features=tuple(self.features[i] for i in rest))

    def horizon_index(self, horizon: int) -> int:
        """The place of `horizon` on the last axis of `targets`."""
        if horizon not in self.horizons:
            raise DataError(f"horizon {horizon} is not in this panel; it has {list(self.horizons)}.")
        return self.horizons.index(horizon)

    def symbol_index(self, symbol: str) -> int:
        """The place of `symbol` on the symbol axis; raises UnknownSymbolError with a suggestion."""
        if symbol not in self.symbols:
            raise UnknownSymbolError(symbol, self.symbols)
        return self.symbols.index(symbol)


@dataclass(frozen=True)
class Predictions:
    """The predictions of one model at every cell of a panel.

    Attributes
    ----------
    model
        The model's name, as it stands in tables.
    mean
        [session, symbol, horizon] float32; expected log return from t to t + h, made after the close of t; NaN where
        there is none.
    p_up
        [session, symbol, horizon] float32; P(return > 0); NaN where there is no prediction.
    lower, upper
        The same shape, bounds of the 90 % interval of the return, or None for a model that gives none.
    risk
        Forecast volatility and distribution of the return, or None for a model that forecasts no volatility.
    """

    model: str
    mean: Float32
    p_up: Float32
    lower: Float32 | None = None
    upper: Float32 | None = None
    risk: Risk | None = None

    def __post_init__(self) -> None:
        for name in ("p_up", "lower", "upper"):
            value = getattr(self, name)
            if value is not None and value.shape != self.mean.shape:
                raise DataError(f"predictions of {self.model}: {name} has shape {value.shape}, mean {self.mean.shape}.")
