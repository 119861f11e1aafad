"""Which sources are asked, in what order, and how patiently."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from tenor.errors import ConfigError, did_you_mean

PRICES = ("yahoo", "stooq", "tiingo", "alphavantage", "binance")
NEWS = ("yahoo", "feeds", "finnhub", "alphavantage", "stocktwits", "reddit")


@dataclass(frozen=True)
class HttpConfig:
    """How patiently a source is asked.

    Attributes
    ----------
    connect_seconds, read_seconds : of one connection, and of one wait for bytes.
    deadline_seconds : of one request as a whole, however busily it drips.
    attempts : how often a request is tried that fails in passing (429, 5xx, a broken line).
    backoff_seconds : the first wait between tries; it doubles, with jitter. A Retry-After counts instead.
    longest_wait_seconds : no single wait is longer; a source that asks for more is given up on.
    max_megabytes : of one answer, unpacked. `max_redirects` : in a row.
    trips : so many requests in a row that failed for good make a host rest for `rest_seconds`.
    requests_per_minute : to one host; a source's own lower limit counts.
    """

    connect_seconds: float = 5.0
    read_seconds: float = 15.0
    deadline_seconds: float = 60.0
    attempts: int = 4
    backoff_seconds: float = 1.0
    longest_wait_seconds: float = 60.0
    max_megabytes: float = 32.0
    max_redirects: int = 3
    trips: int = 5
    rest_seconds: float = 300.0
    requests_per_minute: float = 120.0

    def __post_init__(self) -> None:
        for name in ("connect_seconds", "read_seconds", "deadline_seconds", "max_megabytes", "requests_per_minute"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"sources.http.{name} is {getattr(self, name)}; it takes a number above 0.")
        for name in ("backoff_seconds", "longest_wait_seconds", "rest_seconds"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"sources.http.{name} is {getattr(self, name)}; it takes a number from 0.")
        for name, least in (("attempts", 1), ("max_redirects", 0), ("trips", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"sources.http.{name} is {getattr(self, name)}; it takes a whole number >= {least}.")


@dataclass(frozen=True)
class SourcesConfig:
    """What is fetched from where.

    Attributes
    ----------
    prices, news : sources in the order in which they are tried (prices) or all asked (news).
    feeds : RSS or Atom feeds, by a name that tenor knows or by their address.
    forums : subreddits that are read for news of a symbol.
    urls : ``NAME=URL`` of a source that is reached at another address: a proxy, a mirror.
    since : the first day of a symbol that the lake has nothing of.
    overlap : sessions fetched again each time, to catch revisions.
    disagreement_bps : a daily return on which two sources differ by more is reported.
    cross_check : a second source is asked as well, and compared, each time.
    parallel : symbols fetched at once.
    max_stale_sessions : bars older than that, by the symbol's own calendar, are stale.
    when_stale : what a forecast from stale bars does: ``say`` so, ``refuse``, or ``ignore`` it.
    """

    prices: tuple[str, ...] = PRICES
    news: tuple[str, ...] = ("yahoo", "feeds")
    feeds: tuple[str, ...] = ()
    forums: tuple[str, ...] = ("stocks", "investing")
    urls: tuple[str, ...] = ()
    since: str = "2005-01-01"
    overlap: int = 10
    disagreement_bps: float = 100.0
    cross_check: bool = False
    parallel: int = 4
    max_stale_sessions: int = 2
    when_stale: Literal["say", "refuse", "ignore"] = "say"
    http: HttpConfig = field(default_factory=HttpConfig)

    def __post_init__(self) -> None:
        for key, names, known in (("prices", self.prices, PRICES), ("news", self.news, NEWS)):
            for name in names:
                if name not in known:
                    hint = did_you_mean(name, known) or f" Known: {', '.join(known)}."
                    raise ConfigError(f"unknown source {name!r} in sources.{key}.{hint}")
            if len(set(names)) < len(names):
                raise ConfigError(f"sources.{key} names a source twice: {', '.join(names)}.")
        for text in self.urls:
            name, mark, url = text.partition("=")
            if not mark or name not in (*PRICES, *NEWS) or not url.startswith(("http://", "https://")):
                raise ConfigError(f"sources.urls has {text!r}; it takes NAME=URL, for example yahoo=https://host/path.")
        try:
            first = pd.Timestamp(self.since)
        except ValueError:
            raise ConfigError(f"sources.since is {self.since!r}; it takes a day, YYYY-MM-DD.") from None
        if pd.isna(first) or first.tzinfo is not None:
            raise ConfigError(f"sources.since is {self.since!r}; it takes a day, YYYY-MM-DD.")
        for count, least in (("overlap", 1), ("parallel", 1), ("max_stale_sessions", 0)):
            if getattr(self, count) < least:
                raise ConfigError(f"sources.{count} is {getattr(self, count)}; it takes a whole number >= {least}.")
        if not 0 < self.disagreement_bps < float("inf"):
            raise ConfigError(f"sources.disagreement_bps is {self.disagreement_bps}; it takes a number above 0.")

    def url(self, name: str, default: str) -> str:
        """The address of the source `name`."""
        own = dict(text.split("=", 1) for text in self.urls)
        return own.get(name, default).rstrip("/")
