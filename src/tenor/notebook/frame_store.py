"""Frames of bars and news as a store in a temporary folder, so that training and evaluation run as on any store."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

from tenor.calendars import market_of
from tenor.config import Config, FeatureConfig
from tenor.errors import ConfigError, FrameError
from tenor.ingest.frames import FrameBars, events_of, read_frame, read_news
from tenor.schema import Bars, DailySentiment
from tenor.workspace import Workspace

SOURCE = "frame"
"""The name of the source, in a store, of bars and sentiment that came from a frame."""


class TemporaryFolder:
    """A folder that is removed with this object, or when the program ends, without a warning.

    Attributes
    ----------
    path : str
        The folder.
    remove : callable
        Removes the folder now.
    """

    def __init__(self) -> None:
        self.path: str = tempfile.mkdtemp(prefix="tenor-")
        self.remove: Callable[[], Any] = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(frozen=True, eq=False)
class FrameStore:
    """A store made of frames.

    Attributes
    ----------
    workspace
        The store; its folder is removed with `folder`.
    config
        The settings, including those that were given as keyword arguments.
    bars
        The bars of the frame.
    notes
        What was assumed in reading the frames.
    folder
        The temporary folder; the files live as long as it does.
    """

    workspace: Workspace
    config: Config
    bars: Bars
    notes: tuple[str, ...]
    folder: TemporaryFolder


def frame_store(
    bars: Any,
    news: Any = None,
    config: Any = None,
    *,
    symbol: str | None = None,
    horizons: Sequence[int] | None = None,
    calendar: str | None = None,
    seeds: int | Sequence[int] | None = None,
    sentiment: Any = None,
    events: Any = None,
) -> FrameStore:
    """Read the frames and settings that `tenor.fit` and `tenor.evaluate` take.

    Raises
    ------
    FrameError
        A frame can't be used.
    ConfigError
        A setting can't be used.
    """
    settings = with_settings(config, horizons=horizons, calendar=calendar, seeds=seeds)
    if news is not None and sentiment is not None:
        raise ConfigError("news and sentiment are both given: sentiment is computed from news, so give only one.")
    if sentiment is not None and not isinstance(sentiment, DailySentiment):
        kind = type(sentiment).__name__
        raise ConfigError(f"sentiment is a {kind}; it takes a DailySentiment. Hand texts over as news=.")
    if sentiment is not None and sentiment.as_of != settings.features.as_of:
        raise ConfigError(
            f"sentiment was made at the {sentiment.as_of}, and features.as_of is {settings.features.as_of!r}: take "
            f"tenor.Config(features=tenor.FeatureConfig(as_of={sentiment.as_of!r})), or the sentiment of that moment."
        )
    # if nobody chose a calendar, coins and foreign stocks get the calendar of their own market
    chosen = settings.features.calendar != FeatureConfig().calendar or calendar is not None
    read = read_frame(bars, symbol=symbol, calendar=settings.features.calendar if chosen else None)
    if read.bars.interval != "1d":
        raise ConfigError(
            f"bars are of {read.bars.interval}; fit and evaluate take daily ones: put others into a store."
        )
    if not chosen:
        settings = replace(settings, features=replace(settings.features, calendar=usual_calendar(read.bars.symbols)))
    about = read_news(news) if news is not None else None
    ahead = events_of(events, calendar=settings.features.calendar) if events is not None else None
    if ahead is not None and not settings.features.events:
        settings = replace(settings, features=replace(settings.features, events=True))
    folder = TemporaryFolder()
    workspace = Workspace(folder.path)
    workspace.lake.append_bars(read.bars, source=SOURCE)
    if about is not None:
        _require_symbols(about.news.frame["symbol"].unique().tolist(), read)
        workspace.lake.append_news(about.news)
    if ahead is not None:
        workspace.lake.append_events(ahead, source=SOURCE)
    if sentiment is not None:
        workspace.lake.append_sentiment(sentiment, source=SOURCE)
    notes = (*read.notes, *(about.notes if about is not None else ()))
    return FrameStore(workspace, settings, read.bars, notes, folder)


def with_settings(
    config: Any,
    *,
    horizons: Sequence[int] | None = None,
    calendar: str | None = None,
    seeds: int | Sequence[int] | None = None,
) -> Config:
    """`config` (tenor's defaults if it is None) with the settings that are given as keyword arguments.

    Raises
    ------
    ConfigError
        A setting can't be used.
    """
    if config is not None and not isinstance(config, Config):
        kind = type(config).__name__
        raise ConfigError(
            f"config is a {kind}; it takes a Config, as tenor.Config(model=tenor.ModelConfig(hidden=32))."
        )
    settings: Config = config or Config()
    features = settings.features
    if horizons is not None:
        features = replace(features, horizons=_whole(horizons, "horizons", "sessions ahead, horizons=(1, 5)"))
    if calendar is not None:
        features = replace(features, calendar=calendar)
    training = settings.training
    if seeds is not None:
        numbers = _whole(seeds, "seeds", "how many networks, seeds=3, or their seeds, seeds=(0, 1)")
        training = replace(training, seeds=tuple(range(*numbers)) if isinstance(seeds, Integral) else numbers)
    return replace(settings, features=features, training=training)


def _whole(values: Any, name: str, what: str) -> tuple[int, ...]:
    """One or several whole numbers as a tuple."""
    several = (values,) if isinstance(values, Integral) else values
    if isinstance(several, str) or not isinstance(several, Iterable):
        raise ConfigError(f"{name} is {values!r}; it takes {what}.")
    numbers = tuple(several)
    if not all(isinstance(number, Integral) and not isinstance(number, bool) for number in numbers):
        raise ConfigError(f"{name} is {values!r}; it takes {what}.")
    return tuple(int(number) for number in numbers)


def usual_calendar(symbols: Sequence[str]) -> str:
    """The calendar that most of `symbols` trade on; New York's if several are equally frequent.

    >>> usual_calendar(["AAPL", "MSFT", "SAP.DE"]), usual_calendar(["BTC-USD", "ETH-USD"])
    ('XNYS', '24/7')
    """
    counts = Counter(market_of(symbol).calendar for symbol in symbols)
    most = max(counts.values())
    usual = [calendar for calendar, count in counts.items() if count == most]
    return "XNYS" if "XNYS" in usual else usual[0]


def _require_symbols(about: list[str], read: FrameBars) -> None:
    """Refuse news of which no item is about a symbol of the bars."""
    if not set(about) & set(read.bars.symbols):
        shown, known = ", ".join(map(str, about[:4])), ", ".join(read.bars.symbols[:4])
        raise FrameError(f"news: no item is about a symbol of the bars (items are about {shown}; bars are of {known})")
