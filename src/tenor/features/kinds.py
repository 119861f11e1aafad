"""Features from daily counts of news by kind: how many items, how unusual that is, and sessions since a spike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.calendars import exchange
from tenor.config import DEFAULT_KINDS, FeatureConfig
from tenor.errors import ConfigError, DataError, did_you_mean
from tenor.features.feature import Feature
from tenor.schema import KINDS, DailyKinds, Float64

ANY = "any"
"""Stands for all readable items, whatever they are about, in ``features.kinds``."""
TOPIC = "topic:"
"""Prefix of the names of topics, in ``features.kinds`` and in daily counts."""
GROUP = "news"
WINDOW = 60
"""Number of earlier sessions with which the number of items is compared."""
SPIKE_ITEMS, SPIKE_TIMES = 4, 3
"""A spike has at least this many items, and at least this many times the mean of the `WINDOW` sessions before."""
_OLDEST = np.log1p(WINDOW)

KNOWN = Feature("news_known", GROUP, "1 with news of the symbol in the session, else 0", "daily counts")
_FORMULAS = {
    "count": "log(1 + n), n items of the kind; 0 without news",
    "share": "n / all items of the symbol; 0 without news",
    "surprise": f"count less its mean over the {WINDOW} sessions before",
    "spike": f"log(1 + sessions since the last spike) / log(1 + {WINDOW}), at most 1; a spike has n ≥ {SPIKE_ITEMS} "
    f"and n ≥ {SPIKE_TIMES} × its mean over the {WINDOW} sessions before",
    "sentiment": "mean sentiment of the items of the kind; 0 where n = 0",
    "market": "items of the kind / all items, over all symbols; 0 in a session without any news",
}


def kind_features(kind: str) -> tuple[Feature, ...]:
    """The features of one kind of news, or of a topic, in the panel's order."""
    name = "".join(c if c.isalnum() else "_" for c in kind.lower())
    return tuple(Feature(f"news_{name}_{what}", GROUP, text, "daily counts") for what, text in _FORMULAS.items())


KIND_FEATURES = (KNOWN, *(feature for kind in (ANY, *KINDS) for feature in kind_features(kind)))
"""The features of all kinds that tenor's classifier knows."""
TEMPLATES = (KNOWN, *(replace(each, name=each.name.replace("_kind_", "_KIND_")) for each in kind_features("kind")))
"""The features as ``docs/features.md`` shows them, with a placeholder for the kind."""


def kind_names(kinds: Sequence[str]) -> tuple[str, ...]:
    """The names of the features of `kinds`, in the panel's order; none where there are no kinds."""
    return (KNOWN.name, *(feature.name for kind in kinds for feature in kind_features(kind))) if kinds else ()


def chosen_kinds(config: FeatureConfig) -> tuple[str, ...]:
    """The kinds of a config from `with_kinds`; empty if it was made without counts."""
    return config.kinds if isinstance(config.kinds, tuple) else ()


def with_kinds(
    config: FeatureConfig, counts: DailyKinds | None, *, where: str = "the panel", topics: Sequence[str] | None = None
) -> FeatureConfig:
    """`config` with the names of the kinds and topics that it stands for, given the daily `counts`.

    If ``features.kinds`` is not set and there are no counts, the config is unchanged and has no such features.

    Parameters
    ----------
    config
        Settings, of which ``kinds`` and ``topics`` are used. A config from this function is returned unchanged.
    counts
        Counts up to the end of the training part; the most frequent topics are used.
    where
        Name of the data without counts, for the message of an error.
    topics
        All existing topics, if `counts` may lack some; by default those of `counts`.

    Raises
    ------
    DataError
        Kinds are named, but there are no counts; or topics are asked for, but there are none.
    ConfigError
        There is no such kind.
    """
    frequent = () if counts is None else _by_frequency(counts)
    topics = (*frequent, *sorted(set(topics or ()) - set(frequent)))
    if config.kinds is None:
        kinds: tuple[str, ...] = DEFAULT_KINDS if counts is not None else ()
    elif isinstance(config.kinds, bool):
        kinds = KINDS if config.kinds else ()
    else:
        kinds = config.kinds
    if counts is None and (kinds or config.topics):
        raise DataError(
            f"features.{'kinds' if kinds else 'topics'} is set, and {where} has no daily counts of kinds of news: "
            "import news, or leave it out."
        )
    known = (ANY, *KINDS, *topics)
    for kind in kinds:
        if kind not in known and kind.startswith(TOPIC) and not topics:
            raise DataError(
                f"features.kinds names {kind!r}, and no topics are counted: set features.topics to their number, or to "
                "true with sentiment.topics_model, a version of 'tenor topics fit'."
            )
        if kind not in known:
            hint = did_you_mean(kind, known) or f" There are {', '.join(known)}."
            raise ConfigError(f"features.kinds names {kind!r}, and there is no kind of news of that name.{hint}")
    if config.topics and not any(kind.startswith(TOPIC) for kind in kinds):
        if not topics:
            raise DataError(
                f"features.topics is set, and the imported counts of {where} have no topics: import the news itself "
                '(sentiment.source = "news"), or leave it out.'
            )
        count = len(topics) if config.topics is True else int(config.topics)
        kinds = (*kinds, *topics[:count])
    names = kind_names(kinds)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"features.kinds has two kinds with a feature {twice!r}: rename a topic.")
    if not kinds and config.kinds is None:
        return config
    return replace(config, kinds=kinds)


def news_features(
    counts: DailyKinds, sessions: pd.DatetimeIndex, symbols: tuple[str, ...], calendar: str, kinds: Sequence[str]
) -> dict[str, Float64]:
    """The features of `kinds` by name, each [session, symbol] and finite everywhere.

    The usual number of items is measured from the first session with news of any symbol on, even if it is before
    `sessions`. Rows of other symbols are used only for the market; rows after the last of `sessions` are not used.

    Raises
    ------
    DataError
        There are rows on days that are not sessions of `calendar`.
    """
    frame = counts.frame[counts.frame["session"] <= sessions[-1]]
    shape = (len(sessions), len(symbols))
    if frame.empty:
        quiet = {name: np.zeros(shape) for name in kind_names(kinds)}
        return quiet | {name: np.ones(shape) for name in quiet if name.endswith("_spike")}
    first = min(frame["session"].min(), sessions[0])
    every = exchange(calendar).sessions(first, sessions[-1])
    place = every.get_indexer(pd.DatetimeIndex(frame["session"]))
    if (place < 0).any():
        days = ", ".join(map(exchange(calendar).label, sorted(set(frame["session"][place < 0]))[:3]))
        raise DataError(f"kinds: {days} is not a session of {calendar}: date them by features.calendar.")
    column = pd.Index(symbols).get_indexer(pd.Index(frame["symbol"]))
    kind, n, mean = frame["kind"].to_numpy(), frame["n"].to_numpy(), frame["mean"].to_numpy()
    wanted = slice(len(every) - len(sessions), None)  # both end at the same session and have no gaps
    begin = int(place.min())

    def spread(rows: NDArray[np.bool_], values: Float64) -> Float64:
        grid = np.zeros((len(every), len(symbols)))
        here = rows & (column >= 0)
        grid[place[here], column[here]] = values[here]
        return grid

    everything = kind == ""
    items = spread(everything, n)
    market = np.bincount(place[everything], n[everything], minlength=len(every))
    features = {KNOWN.name: (items > 0).astype(np.float64)[wanted]}
    for one in kinds:
        rows = everything if one == ANY else kind == one
        count = items if one == ANY else spread(rows, n)
        level = np.log1p(count)
        of_kind = np.bincount(place[rows], n[rows], minlength=len(every))
        columns = (
            level,
            count / np.maximum(items, 1),
            level - _trailing(level, begin, level),
            np.log1p(_since_spike(count, begin)) / _OLDEST,
            spread(rows, mean),
            np.repeat((of_kind / np.maximum(market, 1))[:, None], len(symbols), axis=1),
        )
        features |= {f.name: values[wanted] for f, values in zip(kind_features(one), columns, strict=True)}
    return features


def _trailing(values: Float64, begin: int, without: Float64) -> Float64:
    """The mean over the `WINDOW` sessions before each, [session, symbol], from the session `begin` on.

    Where no session lies before, it is that of `without`.
    """
    # sums run forwards in time, so later values change no earlier bit, and equal sums differ by exactly 0
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    stop = np.arange(len(values))
    start = np.maximum(stop - WINDOW, begin)
    known = stop > start
    count = np.where(known, stop - start, 1)[:, None]
    mean = (total[stop] - total[np.minimum(start, stop)]) / count
    return np.where(known[:, None], mean, without)


def _since_spike(count: Float64, begin: int) -> NDArray[np.int64]:
    """Sessions since the last spike, [session, symbol], at most `WINDOW`; that many before the first."""
    usual = _trailing(count, begin, np.full_like(count, np.inf))
    spike = (count >= SPIKE_ITEMS) & (count >= SPIKE_TIMES * usual)
    sessions = np.arange(len(count))[:, None]
    last = np.maximum.accumulate(np.where(spike, sessions, -WINDOW), axis=0)
    return np.minimum(sessions - last, WINDOW)


def _by_frequency(counts: DailyKinds) -> tuple[str, ...]:
    """The topics, those with most items first; equal ones by name."""
    topics = counts.frame[counts.frame["kind"].str.startswith(TOPIC)]
    total = topics.groupby("kind")["n"].sum().sort_index()
    return tuple(map(str, total.sort_values(ascending=False, kind="stable").index))
