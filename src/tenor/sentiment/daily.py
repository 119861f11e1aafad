"""News and its scores -> DailySentiment: what was published about each symbol by a session's cut-off."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tenor import calendars
from tenor.calendars import calendar_of, exchange, interval_of
from tenor.config import SentimentConfig
from tenor.duplicates import near_duplicates
from tenor.errors import DataError
from tenor.schema import DailySentiment, Float64, News
from tenor.sentiment.scores import LABELS, Scores
from tenor.sentiment.text import duplicate_key

Int64 = npt.NDArray[np.int64]

_POSITIVE, _NEGATIVE = LABELS.index("positive"), LABELS.index("negative")
DEFAULT = SentimentConfig()
_RETWEET = re.compile(r"^\s*(?:RT\s+@\w+\s*:?\s*)+", re.IGNORECASE)


def daily_sentiment(
    news: News, scores: Scores, config: SentimentConfig = DEFAULT, *, calendar: str = "XNYS"
) -> DailySentiment:
    """The sentiment of every symbol at every session that has at least one readable item.

    An item belongs to the first session, of its symbol's own market, whose cut-off lies after its publication, so a row
    holds nothing that was published later: items after a cut-off change no row up to it, to the bit. Empty texts and
    those that do not look English count nowhere, not even in `n`.

    With w the weight of an item (see `SentimentConfig.repeats`) and s its score in -1..1, the columns are: `n` readable
    items, repeats counted each; `mean` and `std` the w-weighted mean and deviation of s (`std` is 0 for a single item);
    `positive` and `negative` the weighted shares of items whose likeliest class that is; `surprise` = `mean` less the
    weighted mean of the items of the `window` sessions before, 0 where these have none; `recent` the weighted mean of
    all items so far, this session's included, a session's weight halving every `half_life` sessions; `market_n` and
    `market_mean` the same as `n` and `mean` over the items of all symbols of the same calendar.

    Parameters
    ----------
    news
        Items of any number of symbols.
    scores
        Of the texts of `news.frame`, row by row.
    config
        Cut-off, window, half-life and the weight of duplicates.
    calendar
        Of the exchange whose cut-offs count for symbols without a market in their name (`tenor.calendars`); an
        exchange_calendars name. With ``@1h`` the sessions, of every market, are its bars of one hour.

    Raises
    ------
    DataError
        `scores` has another number of rows, a score is missing, nothing is readable, or an item was published when
        the calendar has no session.
    """
    items = _items(news, scores, config, calendar)
    calendar_names = {symbol: calendar_of(symbol, calendar) for symbol in items["symbol"].unique()}
    # items are sorted by moment, symbol and id, and sums run in that order: the same items, the same bits
    rows = items[["symbol", "session"]].drop_duplicates().sort_values(["symbol", "session"], ignore_index=True)
    row = items.groupby(["symbol", "session"], sort=True).ngroup().to_numpy()
    # one market's session may end before another's of the same date
    day_of_row = rows.groupby([rows["symbol"].map(calendar_names), "session"], sort=True).ngroup().to_numpy()
    day = day_of_row[row]
    weight, score = items["weight"].to_numpy(), items["score"].to_numpy()
    mass, total = _sums(row, weight), _sums(row, weight * score)
    mean = _ratio(total, mass)
    market = _ratio(_sums(day, weight * score), _sums(day, weight))
    surprise, recent = np.empty(len(rows)), np.empty(len(rows))
    for symbol, of_symbol in rows.groupby("symbol", sort=False).indices.items():
        place = _places(rows["session"].iloc[of_symbol], calendar_names[str(symbol)])
        past = _Past(place, mass[of_symbol], total[of_symbol])
        trailing = past.trailing(config.window)
        surprise[of_symbol] = np.where(np.isnan(trailing), 0.0, mean[of_symbol] - trailing)
        recent[of_symbol] = past.decayed(config.half_life)
    return DailySentiment(
        rows.assign(
            n=np.bincount(row),
            mean=mean,
            std=np.sqrt(_sums(row, weight * (score - mean[row]) ** 2) / mass),
            positive=np.minimum(_sums(row, weight * (items["likeliest"] == _POSITIVE)) / mass, 1.0),
            negative=np.minimum(_sums(row, weight * (items["likeliest"] == _NEGATIVE)) / mass, 1.0),
            surprise=surprise,
            recent=recent,
            market_n=np.bincount(day)[day_of_row],
            market_mean=market[day_of_row],
        ),
        interval_of(calendar),
    )


def item_sessions(news: News, config: SentimentConfig, *, calendar: str) -> pd.Series[pd.Timestamp]:
    """The session that each item of `news` belongs to, by its symbol's own market; NaT where there is none."""
    published, symbols = news.frame["published_at"], news.frame["symbol"]
    return calendars.sessions_of(published, symbols, calendar, margin_minutes=config.margin_minutes)


def _items(news: News, scores: Scores, config: SentimentConfig, calendar: str) -> pd.DataFrame:
    """The readable items in the order of `news`: symbol, session, weight, score, likeliest (class)."""
    frame = news.frame
    if len(scores) != len(frame):
        raise DataError(f"sentiment: {len(scores)} scores for {len(frame)} news items: score news.frame['text'].")
    readable = scores.language_ok & ~scores.empty
    if not readable.any():
        raise DataError(f"sentiment: none of {len(frame)} news items can be read: they are empty or not in English.")
    frame, probabilities = frame[readable], scores.probabilities[readable].astype(np.float64)
    if not np.isfinite(probabilities).all():
        raise DataError("sentiment: a readable item has no score: score the texts of news.frame again.")
    sessions = item_sessions(news, config, calendar=calendar)[readable]
    if sessions.isna().any():
        example = frame.loc[sessions.isna().to_numpy()].iloc[0]
        raise DataError(
            f"sentiment: {calendar_of(example['symbol'], calendar)} has no session for {example['symbol']} news of "
            f"{example['published_at']:%Y-%m-%d %H:%M} UTC "
            f"({int(sessions.isna().sum())} such items): drop them or correct their dates."
        )
    if config.once:
        groups = [f"{symbol} {day}" for symbol, day in zip(frame["symbol"], sessions, strict=True)]
        first = ~near_duplicates(frame["text"].tolist(), groups=groups)
        frame, probabilities, sessions = frame[first], probabilities[first], sessions[first]
    keys = {text: duplicate_key(_RETWEET.sub("", text)) for text in frame["text"].unique()}
    items = pd.DataFrame({"symbol": frame["symbol"], "session": sessions, "key": frame["text"].map(keys)})
    copies = items.groupby(["symbol", "session", "key"])["key"].transform("size").to_numpy()
    # a table of Python floats: a vectorised power may differ in its last bit by an item's place in the array;
    # an item of k copies weighs k ** repeats / k
    weight_of_count = np.array([0.0, *(k ** (config.repeats - 1.0) for k in range(1, int(copies.max()) + 1))])
    return items.assign(
        weight=weight_of_count[copies],
        score=probabilities[:, _POSITIVE] - probabilities[:, _NEGATIVE],
        likeliest=probabilities.argmax(axis=1),
    )


@dataclass(frozen=True)
class _Past:
    """One symbol's rows in order: session number, weight and weighted sum of scores, each ``[row]``."""

    place: Int64
    mass: Float64
    total: Float64

    def trailing(self, window: int) -> Float64:
        """Mean over the items of the `window` sessions before each row's own; NaN where there are none."""
        # cumsum runs from the past on, one symbol at a time: no later or foreign item reaches an earlier bit
        mass = np.concatenate([[0.0], np.cumsum(self.mass)])
        total = np.concatenate([[0.0], np.cumsum(self.total)])
        stop = np.arange(len(self.place))
        start = np.searchsorted(self.place, self.place - window)
        with np.errstate(invalid="ignore"):
            return np.where(start < stop, _ratio(total[stop] - total[start], mass[stop] - mass[start]), np.nan)

    def decayed(self, half_life: float) -> Float64:
        """Mean over all items up to each row, a session's weight halving every `half_life` sessions."""
        # a loop, not a cumulative product: its sums run from the past on, to the bit, and never under- or overflow
        means = np.empty(len(self.place))
        mass = total = 0.0
        last = int(self.place[0])
        for i, (place, m, s) in enumerate(
            zip(self.place.tolist(), self.mass.tolist(), self.total.tolist(), strict=True)
        ):
            fade = 0.5 ** ((place - last) / half_life)
            mass, total, last = mass * fade + m, total * fade + s, place
            means[i] = total / mass
        return np.clip(means, -1.0, 1.0)


def _sums(index: npt.NDArray[np.integer[Any]], values: Float64) -> Float64:
    """The sum of `values` by `index`, added in order."""
    return np.asarray(np.bincount(index, values), dtype=np.float64)


def _ratio(total: Float64, mass: Float64) -> Float64:
    """Weighted mean of scores; clipped to -1..1, as rounded sums may pass it."""
    return np.clip(total / mass, -1.0, 1.0)


def _places(sessions: pd.Series[pd.Timestamp], calendar: str) -> Int64:
    """The number of each session in `calendar`, so that differences count sessions."""
    every = exchange(calendar).sessions(sessions.min(), sessions.max())
    return every.searchsorted(pd.DatetimeIndex(sessions)).astype(np.int64)
