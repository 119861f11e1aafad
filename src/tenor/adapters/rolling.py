"""The rolling loop of any model: session by session, each forecast is made only from the bars up to its session."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.calendars import exchange, market_of
from tenor.errors import ConfigError, DataError, HistoryError, RaisedError, TenorError, one_line
from tenor.forecast_table import level_of, quantile_column
from tenor.schema import Bars, Float64

LEAST = 32
"""Least number of sessions in a window: a symbol is forecast from its 32nd session on."""
DECILES = tuple(round(0.1 * i, 1) for i in range(1, 10))

Columns = Mapping[str, NDArray[Any]]
"""By column of a forecast file (``price``, ``return``, ``volatility``, ``p_up``, ``q05``), the values 1, 2, …, H
sessions ahead. ``price`` and the quantiles are prices."""
Progress = Callable[[int, int], None]
"""Called with the number of finished windows, and the number of all windows."""

_QUANTILE = re.compile(r"q(\d\d|0?\.\d+)")


@dataclass(frozen=True)
class Window:
    """The data that a model gets to forecast one symbol after one session.

    Attributes
    ----------
    symbol
        The symbol.
    bars
        Adjusted bars up to that session, oldest first: ``session, open, high, low, close, volume``. A copy.
    """

    symbol: str
    bars: pd.DataFrame

    @property
    def close(self) -> Float64:
        """[T]; adjusted closes, the last one that of the session after which the forecast is made."""
        return self.bars["close"].to_numpy(dtype="float64", copy=True)

    @property
    def session(self) -> pd.Timestamp:
        """The session after which the forecast is made."""
        return pd.Timestamp(self.bars["session"].iloc[-1])

    def ahead(self, horizon: int) -> pd.DatetimeIndex:
        """The dates of the next `horizon` sessions, which the exchange calendar has in advance."""
        days = exchange(market_of(self.symbol).calendar)
        last = days.following(self.session, horizon)
        return days.sessions(self.session, last)[-horizon:]


@dataclass(frozen=True)
class Model:
    """A forecasting model.

    Attributes
    ----------
    name
        Name in the file's column ``model``.
    predict
        ``predict(windows, horizon)`` returns one `Columns` for each window, with arrays of length `horizon`.
    context
        Largest number of sessions that it uses.
    """

    name: str
    predict: Callable[[Sequence[Window], int], Sequence[Columns]]
    context: int = 512


def by_quantiles(quantiles: Any, levels: Sequence[float], *, point: Any = None) -> dict[str, Float64]:
    """The columns for quantiles [horizon, level] of the price; without a `point` forecast, the median is the price."""
    values = np.asarray(quantiles, dtype="float64").reshape(-1, len(levels))
    columns: dict[str, Float64] = {quantile_column(level): values[:, i] for i, level in enumerate(levels)}
    if point is not None:
        columns["price"] = np.asarray(point, dtype="float64").reshape(-1)
    return columns


def roll(
    model: Model,
    bars: Bars,
    *,
    first: pd.Timestamp,
    last: pd.Timestamp,
    horizons: Sequence[int],
    every: int = 1,
    batch: int = 64,
    trained_until: str | None = None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Forecast each symbol after each session from `first` to `last`.

    Parameters
    ----------
    model
        The model; it is called once for every `batch` windows.
    bars
        Daily bars. A forecast after session t is made from copies of the rows up to t.
    first, last
        Sessions after which forecasts are made, both included.
    horizons
        Horizons to write, in sessions ahead; the model forecasts up to the longest.
    every
        Forecast only after every `every`-th session of each symbol.
    batch
        Number of windows in one call of the model.
    trained_until
        The last date whose close was in the model's training data, YYYY-MM-DD, as its authors state it.
    progress
        Called after each batch.

    Returns
    -------
    list of dict
        The rows of a forecast file.

    Raises
    ------
    ConfigError
        A horizon, `every` or `trained_until` is not possible, or `first` is after `last`.
    DataError
        The bars are not daily, or the model's output has another form.
    HistoryError
        No symbol has enough sessions before the dates.
    RaisedError
        The model raised; the message names symbol and session.
    """
    _check(bars, first, last, horizons, every, batch, trained_until)
    frames = {str(symbol): frame for symbol, frame in _adjusted(bars).groupby("symbol", sort=True)}
    origins = list(_origins(frames, first, last, every))
    if not origins:
        raise HistoryError(
            f"no symbol has {LEAST} sessions up to {last:%Y-%m-%d} and one from {first:%Y-%m-%d} on: "
            "import more history, or take other dates."
        )
    rows: list[dict[str, Any]] = []
    for start in range(0, len(origins), batch):
        some = [
            Window(symbol, frames[symbol].iloc[max(0, row + 1 - model.context) : row + 1].drop(columns="symbol").copy())
            for symbol, row in origins[start : start + batch]
        ]
        for window, columns in zip(some, _asked(model, some, max(horizons)), strict=True):
            rows += _rows(model, window, columns, horizons, trained_until)
        if progress is not None:
            progress(min(start + batch, len(origins)), len(origins))
    return rows


def _adjusted(bars: Bars) -> pd.DataFrame:
    return bars.adjusted()[["symbol", "session", "open", "high", "low", "close", "volume"]]


def _origins(
    frames: Mapping[str, pd.DataFrame], first: pd.Timestamp, last: pd.Timestamp, every: int
) -> Iterator[tuple[str, int]]:
    """Symbol and row of each session after which a forecast is made."""
    for symbol, frame in frames.items():
        sessions = pd.DatetimeIndex(frame["session"])
        begin = max(int(sessions.searchsorted(first)), LEAST - 1)
        for row in range(begin, int(sessions.searchsorted(last, side="right")), every):
            yield symbol, row


def _asked(model: Model, windows: Sequence[Window], horizon: int) -> Sequence[Columns]:
    where = f"{windows[0].symbol} {windows[0].session:%Y-%m-%d}"
    try:
        answers = model.predict(windows, horizon)
    except TenorError:
        raise
    except Exception as error:
        raise RaisedError(
            f"{model.name} raised {type(error).__name__} ({one_line(error, 200)}) at {where} or in the {len(windows)} "
            "windows from there: run it on these closes alone to see more."
        ) from error
    if len(answers) != len(windows):
        raise DataError(f"{model.name} gave {len(answers)} forecasts of {len(windows)} windows from {where} on.")
    return answers


def _rows(
    model: Model, window: Window, columns: Columns, horizons: Sequence[int], trained_until: str | None
) -> list[dict[str, Any]]:
    where, longest = f"{window.symbol} {window.session:%Y-%m-%d}", max(horizons)
    checked: dict[str, Float64] = {}
    for name, values in columns.items():
        array = np.asarray(values, dtype="float64")
        if name not in ("price", "return", "volatility", "p_up") and not _QUANTILE.fullmatch(name):
            raise DataError(f"{model.name} gave a column {name!r} at {where}: price, return, volatility, p_up or q05.")
        if array.shape != (longest,):
            raise DataError(f"{model.name} gave {name} of shape {array.shape} at {where}: it has to be ({longest},).")
        checked[name] = array
    if not checked:
        raise DataError(f"{model.name} gave no columns at {where}.")
    last_price = float(window.bars["close"].iloc[-1])
    levels = sorted((name for name in checked if name.startswith("q")), key=level_of)
    rows = []
    for horizon in horizons:
        made = {name: float(array[horizon - 1]) for name, array in checked.items()}
        quantiles = sorted(made[name] for name in levels)  # quantiles of networks may cross
        if len(levels) > 1 and all(map(math.isfinite, quantiles)):
            made |= dict(zip(levels, quantiles, strict=True))
            if "q50" in made and not {"price", "return"} & made.keys():
                made["price"] = made["q50"]
            made.setdefault("p_up", _chance_above(last_price, quantiles, [level_of(n) for n in levels]))
        rows.append(
            {
                "symbol": window.symbol,
                "session": f"{window.session:%Y-%m-%d}",
                "horizon": horizon,
                "last_price": last_price,
                **{name: value if math.isfinite(value) else None for name, value in made.items()},
                "trained_until": trained_until,
                "model": model.name,
            }
        )
    return rows


def _chance_above(price: float, quantiles: Sequence[float], levels: Sequence[float]) -> float:
    """P(above `price`), by linear interpolation between the quantiles; beyond them, that of the outermost level."""
    return 1 - float(np.interp(price, quantiles, levels))


def _check(
    bars: Bars,
    first: pd.Timestamp,
    last: pd.Timestamp,
    horizons: Sequence[int],
    every: int,
    batch: int,
    trained_until: str | None,
) -> None:
    if bars.interval != "1d":
        raise DataError(f"forecast files are of daily bars, these are of {bars.interval}: import daily ones.")
    if not horizons or any(h < 1 or h > 1000 for h in horizons) or len(set(horizons)) < len(horizons):
        raise ConfigError(f"horizons {list(horizons)} can't be: give different ones from 1 to 1000, as 1,5.")
    if every < 1 or batch < 1:
        raise ConfigError(f"every {every} and batch {batch} can't be: give 1 or more.")
    if first > last:
        raise ConfigError(f"the first session {first:%Y-%m-%d} comes after the last, {last:%Y-%m-%d}: exchange them.")
    if trained_until is not None and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", trained_until):
        raise ConfigError(f"trained_until {trained_until!r} is not a date: write YYYY-MM-DD.")
