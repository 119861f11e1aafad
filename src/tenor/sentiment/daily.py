"""Daily sentiment from news and its scores: what was published about each symbol by each session's cut-off."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
from tenor.kinds import KINDS, PRESENT
from tenor.schema import KIND_COLUMNS, AsOf, DailyKinds, DailySentiment, Float64, News
from tenor.sentiment.scores import LABELS, Scores
from tenor.sentiment.text import duplicate_key

Int64 = npt.NDArray[np.int64]

_POSITIVE, _NEGATIVE = LABELS.index("positive"), LABELS.index("negative")
DEFAULT = SentimentConfig()
_KIND = "kind "  # before the name of a column of flags
_RETWEET = re.compile(r"^\s*(?:RT\s+@\w+\s*:?\s*)+", re.IGNORECASE)


Labels = Mapping[str, npt.NDArray[np.bool_]]
"""Further kinds (such as ``topic:NAME``): a name, and for each item whether it is of that kind, ``[n]``."""


def daily_sentiment(
    news: News,
    scores: Scores,
    config: SentimentConfig = DEFAULT,
    *,
    calendar: str = "XNYS",
    as_of: AsOf = "close",
    labels: Labels | None = None,
) -> DailySentiment:
    """The sentiment of each symbol at each session with at least one readable item, and the counts of items by kind.

    An item belongs to the first session of its symbol's own market whose cut-off lies after its publication. So a row
    holds nothing that was published later: items after a cut-off do not change any earlier row, bit for bit. Texts
    that are empty or do not look English are not counted anywhere, not even in `n`.

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
        Scores of the texts of `news.frame`, row by row. If they include kinds, `DailySentiment.kinds` is filled.
    config
        Cut-off, window, half-life and the weight of duplicates.
    calendar
        Name, as in exchange_calendars, of the exchange whose cut-offs apply to symbols without a market in their name
        (`tenor.calendars`). With ``@1h`` at its end, each bar of one hour counts as a session, on every market.
    as_of
        Whether the cut-off of a session lies before its close or before the next open (`Exchange.cut_offs`).
    labels
        Further kinds.

    Raises
    ------
    DataError
        `scores` has another number of rows, a score is missing, nothing is readable, or an item was published when
        the calendar has no session.
    """
    days = DailyNews(config, calendar=calendar, as_of=as_of)
    days.add(news, scores, labels)
    return days.sentiment()


def daily_kinds(
    news: News,
    scores: Scores,
    config: SentimentConfig = DEFAULT,
    *,
    calendar: str = "XNYS",
    as_of: AsOf = "close",
    labels: Labels | None = None,
) -> DailyKinds:
    """The number of readable items of each kind, by symbol and session: the `kinds` of `daily_sentiment`.

    An item is of a kind if its probability is at least `tenor.kinds.PRESENT`, or if a label says so. `n` is the number
    of items, with each repeat counted; `mean` is their mean score, weighted as in `daily_sentiment`. The kind with the
    empty name stands for all items.
    Parameters and errors are those of `daily_sentiment`.
    """
    kinds = daily_sentiment(news, scores, config, calendar=calendar, as_of=as_of, labels=labels).kinds
    if kinds is None:
        raise DataError(
            f"kinds: {scores.model_id} gives no kinds of news: score with an encoder that does, as the shipped one."
        )
    return kinds


class DailyNews:
    """Daily sentiment from items that come in blocks: memory holds one block, and the sums of each session.

    The result is the same, bit for bit, wherever the blocks end: items of a session that may get more are held back.

    Parameters
    ----------
    config, calendar, as_of
        As in `daily_sentiment`.
    """

    def __init__(self, config: SentimentConfig = DEFAULT, *, calendar: str = "XNYS", as_of: AsOf = "close") -> None:
        self._config, self._calendar, self._as_of = config, calendar, as_of
        self._waiting: pd.DataFrame | None = None
        self._rows: list[pd.DataFrame] = []
        self._kinds: list[pd.DataFrame] = []
        self._items = 0
        self._with_kinds = True

    def add(self, news: News, scores: Scores, labels: Labels | None = None) -> None:
        """Add a block of items; none may be older than the last item of the block before it.

        Parameters are those of `daily_sentiment`, and so are the errors.
        """
        self._items += len(news.frame)
        if not len(news.frame):
            return
        items = _readable(news, scores, self._config, self._calendar, self._as_of, labels)
        self._with_kinds &= scores.kinds is not None or bool(labels)
        if self._waiting is not None:
            items = pd.concat([self._waiting, items], ignore_index=True)
            # where only one of two blocks has a column for a kind, the other has no items of that kind
            flags = [c for c in items.columns if c.startswith(_KIND)]
            items[flags] = items[flags].fillna(value=False).astype(bool)
        # no later item is older than that moment, so the sessions before its own are complete
        last = news.frame["published_at"].iloc[-1:]
        symbols = items["symbol"].unique()
        own = {symbol: calendar_of(symbol, self._calendar) for symbol in symbols}
        open_since = {name: self._session_of(last, name) for name in dict.fromkeys(own.values())}
        complete = (items["session"] < items["symbol"].map(own).map(open_since).astype("datetime64[us]")).to_numpy()
        self._sum(items[complete])
        self._waiting = items[~complete]

    def sentiment(self) -> DailySentiment:
        """The sentiment of all items so far; call it last, after all blocks were added.

        Raises
        ------
        DataError
            None of the items can be read.
        """
        if self._waiting is not None:
            self._sum(self._waiting)
            self._waiting = None
        if not self._rows:
            raise DataError(
                f"sentiment: none of {self._items} news items can be read: they are empty or not in English. Take a "
                "scorer of their language (sentiment.model), or read no news (features.sentiment = false, "
                "features.kinds = [])."
            )
        rows = pd.concat(self._rows).sort_values(["symbol", "session"], ignore_index=True)
        kinds = None
        if self._with_kinds:
            kinds = DailyKinds(pd.concat(self._kinds, ignore_index=True), interval_of(self._calendar), self._as_of)
        return DailySentiment(
            _across_sessions(rows, self._config, self._calendar), interval_of(self._calendar), self._as_of, kinds
        )

    def _session_of(self, moments: pd.Series[Any], calendar: str) -> pd.Timestamp:
        margin = pd.Timedelta(minutes=self._config.margin_minutes)
        sessions = exchange(calendar).session_of(moments, margin=margin, as_of=self._as_of, axis=self._calendar)
        session: pd.Timestamp = sessions.iloc[0]
        return session

    def _sum(self, items: pd.DataFrame) -> None:
        if len(items):
            items = _weighted(items, self._config)
            self._rows.append(_by_session(items))
            self._kinds.append(_by_kind(items))


def item_sessions(
    news: News, config: SentimentConfig, *, calendar: str, as_of: AsOf = "close"
) -> pd.Series[pd.Timestamp]:
    """The session that each item of `news` belongs to, by its symbol's own market; NaT where there is none."""
    published, symbols = news.frame["published_at"], news.frame["symbol"]
    return calendars.sessions_of(published, symbols, calendar, margin_minutes=config.margin_minutes, as_of=as_of)


def _readable(
    news: News, scores: Scores, config: SentimentConfig, calendar: str, as_of: AsOf, labels: Labels | None
) -> pd.DataFrame:
    """The readable items in the order of `news`: symbol, session, text, score, likeliest (class), a flag a kind."""
    frame = news.frame
    if len(scores) != len(frame):
        raise DataError(
            f"sentiment: {len(scores)} scores for {len(frame)} news items: give the scores of news.frame['text']."
        )
    readable = scores.language_ok & ~scores.empty
    frame, probabilities = frame[readable], scores.probabilities[readable].astype(np.float64)
    if not np.isfinite(probabilities).all():
        raise DataError("sentiment: a readable item has no score: score the texts of news.frame again.")
    sessions = item_sessions(news, config, calendar=calendar, as_of=as_of)[readable]
    if sessions.isna().any():
        example = frame.loc[sessions.isna().to_numpy()].iloc[0]
        raise DataError(
            f"sentiment: {calendar_of(example['symbol'], calendar)} has no session for {example['symbol']} news of "
            f"{example['published_at']:%Y-%m-%d %H:%M} UTC "
            f"({int(sessions.isna().sum())} such items): drop them or correct their dates."
        )
    flags = {}
    if scores.kinds is not None:
        if scores.kinds.shape != (len(scores), len(KINDS)) or not np.isfinite(scores.kinds[readable]).all():
            raise DataError("kinds: a readable item has no probabilities of kinds: score the texts again.")
        flags = {f"{_KIND}{kind}": scores.kinds[readable, i] >= PRESENT for i, kind in enumerate(KINDS)}
    for name, label in (labels or {}).items():
        if len(label) != len(frame_all := news.frame):
            raise DataError(f"kinds: {name!r} labels {len(label)} items of {len(frame_all)}: give a label for each.")
        flags[f"{_KIND}{name}"] = np.asarray(label, dtype=bool)[readable]
    return pd.DataFrame(
        {
            "symbol": frame["symbol"].to_numpy(),
            "session": sessions.to_numpy(),
            "text": frame["text"].to_numpy(),
            "score": probabilities[:, _POSITIVE] - probabilities[:, _NEGATIVE],
            "likeliest": probabilities.argmax(axis=1),
            **flags,
        }
    )


def _weighted(items: pd.DataFrame, config: SentimentConfig) -> pd.DataFrame:
    """`items`, all of their sessions, with the weight of each; where that is asked for without near-duplicates."""
    if config.once:
        groups = [f"{symbol} {day}" for symbol, day in zip(items["symbol"], items["session"], strict=True)]
        items = items[~near_duplicates(items["text"].tolist(), groups=groups)]
    keys = {text: duplicate_key(_RETWEET.sub("", text)) for text in items["text"].unique()}
    same = items[["symbol", "session"]].assign(key=items["text"].map(keys))
    copies = same.groupby(["symbol", "session", "key"])["key"].transform("size").to_numpy()
    # a table of Python floats: a vectorised power may differ in its last bit by an item's place in the array;
    # an item of k copies weighs k ** repeats / k
    weight_of_count = np.array([0.0, *(k ** (config.repeats - 1.0) for k in range(1, int(copies.max()) + 1))])
    return items.assign(weight=weight_of_count[copies])


def _by_session(items: pd.DataFrame) -> pd.DataFrame:
    """What the items of each symbol and session add up to, sorted by both."""
    # items are sorted by moment, symbol and id, and sums run in that order: the same items, the same bits
    rows = items[["symbol", "session"]].drop_duplicates().sort_values(["symbol", "session"], ignore_index=True)
    row = items.groupby(["symbol", "session"], sort=True).ngroup().to_numpy()
    weight, score = items["weight"].to_numpy(), items["score"].to_numpy()
    mass, total = _sums(row, weight), _sums(row, weight * score)
    mean = _ratio(total, mass)
    return rows.assign(
        n=np.bincount(row),
        mass=mass,
        total=total,
        mean=mean,
        std=np.sqrt(_sums(row, weight * (score - mean[row]) ** 2) / mass),
        positive=np.minimum(_sums(row, weight * (items["likeliest"] == _POSITIVE)) / mass, 1.0),
        negative=np.minimum(_sums(row, weight * (items["likeliest"] == _NEGATIVE)) / mass, 1.0),
    )


def _by_kind(items: pd.DataFrame) -> pd.DataFrame:
    """The items of each symbol, session and kind, and of all kinds together, as `DailyKinds` has them."""
    flags = [c for c in items.columns if c.startswith(_KIND)]
    parts = [_by_session(items).assign(kind="")]
    parts += [_by_session(items[items[c]]).assign(kind=c.removeprefix(_KIND)) for c in flags if items[c].any()]
    return pd.concat(parts, ignore_index=True)[list(KIND_COLUMNS)]


def _across_sessions(rows: pd.DataFrame, config: SentimentConfig, calendar: str) -> pd.DataFrame:
    """`rows` with what depends on other sessions and other symbols, as `DailySentiment` has them."""
    calendar_names = {symbol: calendar_of(symbol, calendar) for symbol in rows["symbol"].unique()}
    # one market's session may end before another's of the same date
    day = rows.groupby([rows["symbol"].map(calendar_names), "session"], sort=True).ngroup().to_numpy()
    mass, total, mean = (rows[name].to_numpy() for name in ("mass", "total", "mean"))
    surprise, recent = np.empty(len(rows)), np.empty(len(rows))
    for symbol, of_symbol in rows.groupby("symbol", sort=False).indices.items():
        place = _places(rows["session"].iloc[of_symbol], calendar_names[str(symbol)])
        past = _Past(place, mass[of_symbol], total[of_symbol])
        trailing = past.trailing(config.window)
        surprise[of_symbol] = np.where(np.isnan(trailing), 0.0, mean[of_symbol] - trailing)
        recent[of_symbol] = past.decayed(config.half_life)
    return rows.assign(
        surprise=surprise,
        recent=recent,
        market_n=np.bincount(day, rows["n"])[day],
        market_mean=_ratio(_sums(day, total), _sums(day, mass))[day],
    )


@dataclass(frozen=True)
class _Past:
    """One symbol's rows in order: session number, weight and weighted sum of scores, each ``[row]``."""

    place: Int64
    mass: Float64
    total: Float64

    def trailing(self, window: int) -> Float64:
        """Mean score of the items in the `window` sessions before each row's session; NaN if there are none."""
        # cumsum runs from the past on, one symbol at a time: no later or foreign item reaches an earlier bit
        mass = np.concatenate([[0.0], np.cumsum(self.mass)])
        total = np.concatenate([[0.0], np.cumsum(self.total)])
        stop = np.arange(len(self.place))
        start = np.searchsorted(self.place, self.place - window)
        with np.errstate(invalid="ignore"):
            return np.where(start < stop, _ratio(total[stop] - total[start], mass[stop] - mass[start]), np.nan)

    def decayed(self, half_life: float) -> Float64:
        """Mean score of all items up to each row; the weight of a session halves every `half_life` sessions."""
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
