"""Features from daily sentiment. A feature of its own tells a session without news from one with neutral news."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.calendars import exchange
from tenor.errors import DataError
from tenor.features.feature import Feature
from tenor.schema import DailySentiment, Float64

FORGOTTEN = 60
OLDEST = 20

_FORMULAS = {
    "sentiment_known": "1 with news in the session, else 0",
    "sentiment_mean": "mean; 0 without news",
    "sentiment_std": "std; 0 without news",
    "sentiment_balance": "positive − negative; 0 without news",
    "sentiment_surprise": "surprise; 0 without news",
    "sentiment_count": "log(1 + n); 0 without news",
    "sentiment_recent": "the last recent, halved every `sentiment.half_life` sessions; 0 after 60",
    "sentiment_age": "sessions since the last news / 20, at most 1; 1 before the first",
    "sentiment_market": "market_mean; 0 in a session without any news",
    "sentiment_market_count": "log(1 + market_n); 0 in a session without any news",
    "sentiment_relative": "mean − market_mean; 0 without news",
}
SENTIMENT_FEATURES = tuple(Feature(name, "sentiment", formula, "Sentiment") for name, formula in _FORMULAS.items())
"""What `sentiment_features` computes, in its order."""


def sentiment_features(
    sentiment: DailySentiment, sessions: pd.DatetimeIndex, symbols: tuple[str, ...], calendar: str, half_life: float
) -> dict[str, Float64]:
    """The sentiment features by name, each [session, symbol] and finite everywhere.

    Rows of other symbols are used only for the market; rows before the first or after the last of `sessions` are not
    used.

    Raises
    ------
    DataError
        The sentiment has rows on days that are not sessions of `calendar`.
    """
    frame = sentiment.frame[sentiment.frame["session"].between(sessions[0], sessions[-1])]
    place = sessions.get_indexer(pd.DatetimeIndex(frame["session"]))
    if (place < 0).any():
        days = ", ".join(map(exchange(calendar).label, sorted(set(frame["session"][place < 0]))[:3]))
        raise DataError(f"sentiment: {days} is not a session of {calendar}: date the sentiment by features.calendar.")

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
