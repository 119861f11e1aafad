"""The market to trade on: prices, and the signals of every symbol after each close."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tenor.calendars import exchange
from tenor.errors import DataError, HistoryError
from tenor.schema import Bool, Float32, Float64, Panel, Predictions

FORECASTS = ("volatility", "volatility_change", "lower", "upper", "p_up")
PRICES = ("return_1", "return_5", "return_20", "known")
SIGNALS = (*FORECASTS, *PRICES)
"""Signals of a symbol after a close; the first ones come from the forecast."""
MOST = 5.0
"""Signals are clipped to these bounds."""
NORMAL_95 = 1.645
"""The standard normal's 95 % quantile."""
USUAL = 0.20
"""Annual volatility to which the signal ``volatility`` is relative."""
_RUIN = 0.10
"""A fall to this share of the first price is reported like a bankruptcy."""


@dataclass(frozen=True, eq=False)
class Market:
    """Prices and signals of several symbols by session.

    Attributes
    ----------
    sessions, symbols
        The names of the axes.
    open, close
        [session, symbol]; adjusted prices, NaN where the symbol did not trade.
    signals
        [session, symbol, signal] float32, finite; row t holds what was known after the close of session t, in the order
        of `SIGNALS`. 0 if there is no forecast; the last signal says whether there is one.
    volatility, ewma
        [session, symbol]; standard deviation of the log return of the next session, by the forecast and by a moving
        average; NaN where there is none.
    p_up
        [session, symbol]; the forecast P(return > 0); NaN where there is none.
    calendar
        Exchange calendar of the sessions.
    version
        Version of the model that made the forecasts; empty for simulated markets.
    """

    sessions: pd.DatetimeIndex
    symbols: tuple[str, ...]
    open: Float64
    close: Float64
    signals: Float32
    volatility: Float64
    ewma: Float64
    p_up: Float64
    calendar: str = "XNYS"
    version: str = ""

    def __post_init__(self) -> None:
        grid = (len(self.sessions), len(self.symbols))
        for name, shape in (("open", grid), ("close", grid), ("signals", (*grid, len(SIGNALS))), ("p_up", grid)):
            if getattr(self, name).shape != shape:
                raise DataError(f"market: {name} has shape {getattr(self, name).shape}, its axes say {shape}.")
        if not self.symbols:
            raise DataError("there is no symbol to trade: name some in rl.symbols.")
        if not np.isfinite(self.signals).all():
            raise DataError("market: signals are not all finite: NaN or infinite forecasts must be 0 and not known.")

    @property
    def year(self) -> float:
        """Number of sessions in a year."""
        return exchange(self.calendar).sessions_per_year

    @property
    def available(self) -> Bool:
        """[session, symbol]; whether there is a forecast of volatility and a price."""
        usable: Bool = np.isfinite(self.volatility) & (self.volatility > 0) & np.isfinite(self.close)
        return usable

    def between(self, start: int, stop: int) -> Market:
        """The market of the sessions start .. stop - 1."""
        cut = slice(start, stop)
        names = ("open", "close", "signals", "volatility", "ewma", "p_up", "sessions")
        return replace(self, **{name: getattr(self, name)[cut] for name in names})

    def shuffled(self, seed: int) -> Market:
        """The same market with forecasts moved to other sessions: an agent can gain nothing from them.

        Whole sessions are permuted, so that the symbols of a session stay together; prices and their signals stay.
        """
        order = np.random.default_rng(seed).permutation(len(self.sessions))
        signals = self.signals.copy()
        signals[:, :, : len(FORECASTS)] = self.signals[order][:, :, : len(FORECASTS)]
        return replace(self, signals=signals)

    def leaked(self) -> Market:
        """The same market with forecasts that know the future: the return from the next open to the one after it.

        An agent that can learn at all must earn a lot here. The last two sessions have no such return.
        """
        gain = np.zeros_like(self.open)
        gain[:-2] = np.nan_to_num(np.log(self.open[2:]) - np.log(self.open[1:-1]))
        unit = np.where(self.available, self.volatility, 0.01)
        scaled = np.clip(2 * gain / unit, -MOST, MOST)
        signals = self.signals.copy()
        for name in ("lower", "upper", "p_up"):
            signals[:, :, SIGNALS.index(name)] = scaled
        return replace(self, signals=signals)

    def notes(self) -> tuple[str, ...]:
        """Caveats: a single symbol, gaps, bankruptcies."""
        lines = []
        if len(self.symbols) == 1:
            lines.append(
                f"{self.symbols[0]} alone is traded: equal weight, minimum variance and holding are nearly one and the "
                "same."
            )
        closed = np.isfinite(self.close)
        last = np.where(closed.any(axis=0), len(closed) - 1 - np.argmax(closed[::-1], axis=0), -1)
        for i, symbol in enumerate(self.symbols):
            known = closed[:, i]
            if not known.any():
                lines.append(f"{symbol} has no price in these sessions: it is never held.")
                continue
            prices = self.close[known, i]
            day = f"{self.sessions[last[i]]:%Y-%m-%d}"
            if prices[-1] < _RUIN * prices[0]:
                lines.append(
                    f"{symbol} lost {1 - prices[-1] / prices[0]:.0%} from its first price to {day}, as a bankrupt does."
                )
            if last[i] < len(known) - 1:
                lines.append(f"{symbol} has no price after {day}: what is held of it then stays at that price.")
            missing = int((~known[np.argmax(known) : last[i]]).sum())
            if missing:
                lines.append(f"{symbol} has no price in {missing} of the sessions between: its orders lapse there.")
        return tuple(lines)


def market_of(panel: Panel, predictions: Predictions, symbols: tuple[str, ...], version: str) -> Market:
    """The market of `symbols` with `predictions` at the shortest horizon of `panel`.

    Raises
    ------
    DataError
        The predictions have no volatility, or belong to another panel.
    HistoryError
        There are fewer than three sessions.
    UnknownSymbolError
        A symbol is not in the panel.
    """
    if predictions.risk is None:
        raise DataError(f"{predictions.model} forecasts no volatility: agents trade on forecasts that have one.")
    if predictions.mean.shape != panel.targets.shape:
        raise DataError(
            f"predictions of {predictions.model} have shape {predictions.mean.shape}, the panel's targets "
            f"{panel.targets.shape}: predict this panel."
        )
    if len(panel.sessions) < 3:
        raise HistoryError(f"{len(panel.sessions)} sessions are too few to trade on: import more history.")
    at = [panel.symbol_index(symbol) for symbol in symbols]

    def of(values: Float32) -> Float64:
        return np.asarray(values[:, at, 0], dtype="float64")

    volatility = of(predictions.risk.return_volatility)
    blank = np.full_like(volatility, np.nan)
    return made(
        panel.sessions,
        symbols,
        panel.open[:, at],
        panel.close[:, at],
        volatility,
        ewma=np.asarray(panel.volatility[:, at], dtype="float64"),
        p_up=of(predictions.p_up),
        lower=blank if predictions.lower is None else of(predictions.lower),
        upper=blank if predictions.upper is None else of(predictions.upper),
        calendar=panel.calendar,
        version=version,
    )


def made(
    sessions: pd.DatetimeIndex,
    symbols: tuple[str, ...],
    opens: Float64,
    closes: Float64,
    volatility: Float64,
    *,
    ewma: Float64,
    p_up: Float64,
    lower: Float64,
    upper: Float64,
    calendar: str,
    version: str,
) -> Market:
    """Make a market from arrays [session, symbol]; NaN where something is not known.

    `lower` and `upper` are the bounds of the 90 % interval of the log return of one session.
    """
    known = np.isfinite(volatility) & (volatility > 0) & np.isfinite(closes)
    unit = np.where(known, volatility, 1.0)
    year = exchange(calendar).sessions_per_year
    last = pd.DataFrame(np.log(closes)).ffill().to_numpy()
    by_name = {
        "volatility": np.log(unit * np.sqrt(year) / USUAL),
        "volatility_change": np.log(unit / np.where(ewma > 0, ewma, unit)),
        "lower": lower / unit + NORMAL_95,
        "upper": upper / unit - NORMAL_95,
        "p_up": 10 * (p_up - 0.5),
        **{f"return_{h}": _moved(last, h) / (unit * np.sqrt(h)) for h in (1, 5, 20)},
        "known": np.ones_like(unit),
    }
    stacked = np.stack([by_name[name] for name in SIGNALS], axis=2)
    signals = np.where(known[:, :, None], np.clip(np.nan_to_num(stacked), -MOST, MOST), 0.0).astype("float32")
    return Market(sessions, symbols, opens, closes, signals, volatility, ewma, p_up, calendar, version)


def _moved(log_close: Float64, sessions: int) -> Float64:
    moved = np.full_like(log_close, np.nan)
    moved[sessions:] = log_close[sessions:] - log_close[:-sessions]
    return moved
