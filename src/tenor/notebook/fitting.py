"""From frames to a fitted model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from tenor.calendars import exchange
from tenor.config import Config, SplitConfig
from tenor.errors import HistoryError
from tenor.features.catalogue import warmup
from tenor.features.own.bundle import Given
from tenor.notebook.frame_store import FrameStore, frame_store
from tenor.notebook.model import FittedModel
from tenor.pipeline.train import train
from tenor.progress import progress_bars
from tenor.schema import DailySentiment

VALID_SHARE = 0.2
"""Share of the sessions, the latest ones, on which training is stopped and forecasts are calibrated."""


def fit(
    bars: Any,
    news: Any = None,
    config: Config | None = None,
    *,
    symbol: str | None = None,
    horizons: Sequence[int] | None = None,
    calendar: str | None = None,
    seeds: int | Sequence[int] | None = None,
    sentiment: DailySentiment | None = None,
    own: Sequence[Given] = (),
    events: Any = None,
    allow_leak: bool = False,
    progress: bool = True,
) -> FittedModel:
    """Train a model on a frame of bars.

    No store is needed. The settings are those of `tenor.train`, but the sessions are split differently, since nothing
    is tested here (`tenor.evaluate` does that). The networks learn from the first 80 % of the sessions. The last 20 %
    are the validation part, on which training is stopped and forecasts are calibrated.

    Parameters
    ----------
    bars
        Bars of one symbol or many, as `tenor.bars_of` takes them: a pandas, polars or Arrow table as yfinance, Alpaca,
        Stooq or Nixtla give it, a mapping from symbols to such tables, or `Bars`.
    news
        A table of texts, each with its time (with time zone) and symbol, as `tenor.news_of` takes it. The shipped
        encoder scores the texts, and their daily sentiment becomes features.
    config
        All settings; ``Config(split=...)`` sets the parts by date.
    symbol
        The symbol of the bars, if the frame has no column that says it.
    horizons
        Sessions ahead to forecast, in rising order; 1, 5 and 20 by default.
    calendar
        The exchange on whose sessions forecasts are made, by its exchange_calendars name (``XNYS``; ``24/7`` for
        coins). By default the exchange of most of the symbols.
    seeds
        How many networks to train, or the list of their random seeds; five by default. The forecast is their mean.
    sentiment
        Daily sentiment in place of `news`, for example from `tenor.embedded_sentiment`.
    own
        Features of your own: functions, or pairs of a name and a table. Files are named in ``features.own`` of
        `config`.
    events
        A table of events whose dates are known ahead, such as earnings, as `tenor.events_of` takes it. All of its kinds
        become features.
    allow_leak
        Train even where the leak check finds something in an own feature.
    progress
        Show progress bars, in a terminal or a notebook.

    Returns
    -------
    FittedModel
        The model; use its methods `predict`, `plot` and `save`.

    Raises
    ------
    FrameError
        A frame can't be used; the message has column, row, value and the line of code that repairs it.
    ConfigError
        A setting can't be used.
    HistoryError
        There are too few bars.
    LeakError
        An own feature sees the future.
    TrainingError
        The training diverged.

    Examples
    --------
    >>> import pandas as pd
    >>> import tenor
    >>> bars = tenor.embedded_bars().select(["AAPL", "MSFT"]).until(pd.Timestamp("2014-06-30"))
    >>> small = tenor.Config(model=tenor.ModelConfig(hidden=4, lookback=10), training=tenor.TrainConfig(epochs=1))
    >>> model = tenor.fit(bars.frame, config=small, horizons=(1, 5), seeds=1, progress=False)
    >>> model
    FittedModel(2 symbols, horizons 1 and 5, bars up to 2014-06-30)
    >>> list(model.predict("AAPL").columns[:5])
    ['symbol', 'session', 'target_session', 'horizon', 'last_price']
    """
    store = frame_store(
        bars,
        news,
        config,
        symbol=symbol,
        horizons=horizons,
        calendar=calendar,
        seeds=seeds,
        sentiment=sentiment,
        events=events,
    )
    settings = store.config
    if settings.split == SplitConfig():
        settings = replace(settings, split=up_to_the_end(store))
    with progress_bars(quiet=not progress) as shown:
        try:
            result = train(
                store.workspace.store,
                settings,
                progress=shown.epoch,
                scoring=shown.texts,
                own=own,
                allow_leak=allow_leak,
            )
        except HistoryError as error:
            raise HistoryError(_too_short(store, error)) from None
    left_out = (f"{symbol} is not trained on: {why}" for symbol, why in result.left_out.items())
    return FittedModel(store.workspace, notes=(*store.notes, *left_out), folder=store.folder)


def up_to_the_end(store: FrameStore) -> SplitConfig:
    """Parts that learn from nearly all sessions: training, validation up to the end, and one session of test."""
    first, last = store.bars.frame["session"].min(), store.bars.frame["session"].max()
    sessions = exchange(store.config.features.calendar).sessions(pd.Timestamp(first), pd.Timestamp(last))
    if len(sessions) < 10:
        return SplitConfig()
    train_end = sessions[round((1 - VALID_SHARE) * len(sessions))]
    return SplitConfig(train_end=f"{train_end:%Y-%m-%d}", valid_end=f"{sessions[-2]:%Y-%m-%d}")


def least_sessions(config: Config) -> int:
    """About how many sessions a training with `config` needs.

    These are the warm-up of features, the lookback and the purged sessions, with the validation part (a fifth of all)
    after them.
    """
    longest = max(config.features.horizons)
    train = warmup(config.features.groups) + config.model.lookback + 2 * longest
    return max(math.ceil(train / (1 - VALID_SHARE)), math.ceil((longest + 10) / VALID_SHARE))


def _too_short(store: FrameStore, error: HistoryError) -> str:
    counts = store.bars.frame.groupby("symbol", observed=True).size()
    settings = store.config
    closes = store.bars.frame.groupby("symbol", observed=True)["close"].nunique()
    if counts.max() >= least_sessions(settings):  # it is not their number
        still = [str(symbol) for symbol in closes.index[closes == 1]]
        return f"the close of {', '.join(still[:3])} is the same in all sessions: {error}" if still else str(error)
    return (
        f"too little history: {counts.idxmax()} has {counts.max()} sessions, the most of all, and a lookback of "
        f"{settings.model.lookback} with a horizon of {max(settings.features.horizons)} takes about "
        f"{least_sessions(settings)}: {error} A shorter reach takes less, as tenor.fit(df, horizons=(1,), "
        "config=tenor.Config(model=tenor.ModelConfig(lookback=22)))"
    )
