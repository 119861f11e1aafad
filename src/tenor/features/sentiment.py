"""DailySentiment rows to features on the panel's grid. No news is not neutral news: it has a flag of its own."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.calendars import exchange
from tenor.errors import DataError
from tenor.schema import DailySentiment, Float64

FORGOTTEN = 60
OLDEST = 20


def sentiment_features(
    sentiment: DailySentiment, sessions: pd.DatetimeIndex, symbols: tuple[str, ...], calendar: str, half_life: float
) -> dict[str, Float64]:
    """The sentiment features by name, each [session, symbol] and finite everywhere.

    Rows of other symbols count for the market alone; rows before the first or after the last of `sessions` for nothing.

    Raises
    ------
    DataError
        The sentiment has rows on days that are no session of `calendar`.
    """
    frame = sentiment.frame[sentiment.frame["session"].between(sessions[0], sessions[-1])]
    place = sessions.get_indexer(pd.DatetimeIndex(frame["session"]))
    if (place < 0).any():
        days = ", ".join(map(exchange(calendar).label, sorted(set(frame["session"][place < 0]))[:3]))
        raise DataError(
            f"sentiment: {days} is no session of {calendar}: date the sentiment by the calendar of features.calendar."
        )

    symbol = pd.Index(symbols).get_indexer(pd.Index(frame["symbol"]))
    ours = symbol >= 0
    cell = (place[ours], symbol[ours])
    shape = (len(sessions), len(symbols))

    def spread(values: NDArray[np.float64]) -> Float64:
        grid = np.zeros(shape)
        grid[cell] = values[ours]
        return grid

    column = {
        name: frame[name].to_numpy(dtype="float64") for name in frame.columns if name not in ("symbol", "session")
    }
    known = spread(np.ones(len(frame)))
    market_mean, market_n = (np.zeros(len(sessions)) for _ in range(2))
    market_mean[place], market_n[place] = column["market_mean"], column["market_n"]

    age = _age(known > 0)
    fade = np.array([0.5 ** (sessions_ago / half_life) for sessions_ago in range(FORGOTTEN)] + [0.0])
    index = np.arange(len(sessions))[:, None] - age
    last = np.take_along_axis(spread(column["recent"]), np.maximum(index, 0), axis=0)
    return {
        "sentiment_known": known,
        "sentiment_mean": spread(column["mean"]),
        "sentiment_std": spread(column["std"]),
        "sentiment_balance": spread(column["positive"] - column["negative"]),
        "sentiment_surprise": spread(column["surprise"]),
        "sentiment_count": spread(np.log1p(column["n"])),
        "sentiment_recent": last * fade[np.minimum(age, FORGOTTEN)],
        "sentiment_age": np.minimum(age, OLDEST) / OLDEST,
        "sentiment_market": np.tile(market_mean[:, None], shape[1]),
        "sentiment_market_count": np.tile(np.log1p(market_n)[:, None], shape[1]),
        "sentiment_relative": spread(column["mean"] - column["market_mean"]),
    }


def _age(known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Sessions since the last news, [session, symbol]; `FORGOTTEN` and more where there was none yet."""
    sessions = np.arange(len(known))[:, None]
    last = np.maximum.accumulate(np.where(known, sessions, -1), axis=0)
    return np.where(last < 0, FORGOTTEN + sessions, sessions - last)
