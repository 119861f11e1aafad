"""Bars and sentiment to a Panel: own indicators symbol by symbol, placed on one axis of sessions, then the context."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from tenor.calendars import calendar_of, exchange, interval_of
from tenor.config import FeatureConfig, SentimentConfig
from tenor.errors import DataError, HistoryError
from tenor.features.axis import Axis, Places, calendars_of
from tenor.features.catalogue import SENTIMENT, check_groups, feature_names, warmup
from tenor.features.context import context
from tenor.features.indicators import Series, indicators, log_mean_variance, span_return
from tenor.features.kinds import TOPIC, chosen_kinds, kind_names, news_features, with_kinds
from tenor.features.own.bundle import Own
from tenor.features.schedule import Schedule, schedule_feature
from tenor.features.sentiment import sentiment_features
from tenor.schema import Bars, Bool, DailyKinds, DailySentiment, Float32, Float64, Panel
from tenor.variance import suspended

_OfCalendar = Callable[[pd.DataFrame, pd.DatetimeIndex, tuple[str, ...], str], dict[str, Float64]]
"""Features by name, from daily rows of one calendar, its sessions, the panel's symbols that trade there, its name."""


class _Shown(NamedTuple):
    """Which bars of a symbol stand where.

    Attributes
    ----------
    rows
        Of the axis.
    bar
        The place of the bar that each shows among the symbol's own.
    fills
        Whether that bar's open came after the close of the row before.
    """

    rows: Places
    bar: Places
    fills: Bool


@np.errstate(all="ignore")
def build_panel(
    bars: Bars,
    config: FeatureConfig,
    *,
    sentiment: DailySentiment | None = None,
    half_life: float = SentimentConfig.half_life,
    own: Own | None = None,
) -> Panel:
    """The unscaled panel of all symbols of `bars`, over the sessions of `config.calendar`.

    Row t holds what was known after the close of session t; nothing after t changes it by one bit. Returns and
    indicators run on each symbol's own bars: a gap is one step. A cell is masked in once the symbol has more bars than
    the longest warm-up of the features chosen.

    A symbol whose name tells another market (`tenor.calendars`) shows in row t its last own bar that was over then, if
    that is new since t - 1 (`tenor.features.axis`). So its targets run from its last close known at t to its last one
    known at t + h; its sentiment is that of its own last session; and its open is NaN where it lies before the close of
    t - 1, as a coin's does on New York's sessions: nobody could have traded there on what row t - 1 knew.

    Parameters
    ----------
    sentiment
        Adds the sentiment features if `config.sentiment` is on, and those of `config.kinds` (`with_kinds` names them)
        from its daily counts; without it there are none.
    half_life
        Sessions after which `sentiment_recent` fades by half while there is no news, > 0 (`SentimentConfig.half_life`).
    own
        The own features, `Own.fitted`; by default what `config.own` names, from where it lies.

    Raises
    ------
    DataError
        A bar, or a sentiment, lies on a day that is not a session of its calendar, or is of another interval; or the
        sentiment was made for another moment.
    HistoryError
        A horizon is longer than the data, or no symbol has enough bars for the warm-up.
    ConfigError
        An own feature that `config` names is not there.
    """
    for what, given in (("bars", bars), ("sentiment", sentiment if config.sentiment else None)):
        if given is not None and given.interval != interval_of(config.calendar):
            raise DataError(
                f"{what}: they are of {given.interval}, and features.calendar is {config.calendar}: read them by that "
                "calendar, as Lake does with calendar=."
            )
    if sentiment is not None and sentiment.as_of != config.as_of:
        raise DataError(
            f"sentiment: it was made at the {sentiment.as_of}, and features.as_of is {config.as_of}: make it with "
            f'as_of="{config.as_of}", or change the setting.'
        )
    axis = Axis.of(bars, config.calendar)
    sessions, symbols = axis.sessions, bars.symbols
    require_horizon(config, sessions)
    check_groups(config.groups)
    own = Own.of(config).fitted(bars) if own is None else own
    names = feature_names([*config.groups, SENTIMENT] if sentiment is not None and config.sentiment else config.groups)
    kinds = () if sentiment is None else _kinds(config, sentiment)
    names += (*kind_names(kinds), *own.names)
    columns = Columns.of(bars, axis, names, config, own)
    require_history(columns.longest, len(symbols), max(warmup(config.groups), own.warmup))
    values = columns.values
    across = columns.across(config.groups)
    for name, line in schedule_feature.compute(Schedule(config.calendar, sessions), config.groups).items():
        across[name] = np.repeat(line[:, None], len(symbols), axis=1)
    if sentiment is not None and config.sentiment:
        across |= _sentiment(sentiment, axis, symbols, half_life)
    if sentiment is not None and sentiment.kinds is not None and kinds:
        across |= _news(sentiment.kinds, axis, symbols, kinds)
    across |= own.across(axis, symbols)
    for name, cells in across.items():
        values[:, :, names.index(name)] = narrow(cells)

    mask = columns.warm & np.isfinite(values).all(axis=2)
    values[~mask] = 0.0
    return Panel(
        values=values,
        mask=mask,
        targets=targets(columns.close, config.horizons),
        volatility=np.where(mask, columns.volatility, np.nan).astype(np.float32),
        open=columns.open,
        close=columns.close,
        sessions=sessions,
        symbols=symbols,
        features=names,
        horizons=config.horizons,
        calendar=config.calendar,
        variance=columns.variance,
    )


BACK = (1, 5, 22, 66)
"""Bars over which the mean variance of a symbol is compared with that of the others."""


@dataclass(frozen=True)
class Columns:
    """What the bars of some symbols give without those of the others, each on its column of the axis.

    Attributes
    ----------
    values
        [session, symbol, feature] float32; NaN where a feature needs other symbols, or is not known.
    open, close, volatility, variance, return_1, return_5
        [session, symbol] float64; NaN where not known.
    log_variances
        By `BACK`, likewise; nothing without the group ``risk``.
    warm
        [session, symbol]; whether the symbol has more bars than the longest warm-up.
    longest
        Bars of the symbol that has most.
    """

    values: Float32
    open: Float64
    close: Float64
    volatility: Float64
    variance: Float64
    return_1: Float64
    return_5: Float64
    log_variances: dict[int, Float64]
    warm: Bool
    longest: int

    @classmethod
    def of(cls, bars: Bars, axis: Axis, names: tuple[str, ...], config: FeatureConfig, own: Own) -> Columns:
        """The columns of all symbols of `bars`; `names` are the features of the panel."""
        column = {name: i for i, name in enumerate(names)}
        symbols = bars.symbols
        grid = (len(axis.sessions), len(symbols))
        values: Float32 = np.full((*grid, len(names)), np.nan, dtype=np.float32)
        open_, close, volatility, variance, one, five = (np.full(grid, np.nan) for _ in range(6))
        log_variances = {back: np.full(grid, np.nan) for back in (BACK if "risk" in config.groups else ())}
        warm = np.zeros(grid, dtype=bool)
        needed = max(warmup(config.groups), own.warmup)
        longest = 0
        for i, (shown, days, series) in enumerate(_series(bars, axis)):
            rows, bar = shown.rows, shown.bar
            one[rows, i], five[rows, i] = series.step[bar], span_return(series.close, 5)[bar]
            volatility[rows, i] = series.vol[bar]
            variance[rows, i] = _since(series.variance, bar)
            open_[rows, i] = np.where(shown.fills, series.open[bar], np.nan)
            close[rows, i] = series.close[bar]
            # a suspended symbol is not there: nothing is learned from it, and no average over symbols has it
            still = suspended(series.high, series.low, series.close)[bar]
            for grid_of in (one, five, volatility):
                grid_of[rows[still], i] = np.nan
            for back, grid_of in log_variances.items():
                moving = log_mean_variance(series.variance, back)[bar]
                grid_of[rows, i] = np.where(still, np.nan, moving)
            warm[rows[(bar >= needed) & ~still], i] = True
            longest = max(longest, len(series))
            for name, row in indicators(series, config.groups).items():
                values[rows, i, column[name]] = narrow(row[bar])
            if len(series) > needed:  # of a symbol with fewer bars no cell counts
                for name, row in own.of_symbol(days, series, symbols[i]).items():
                    values[rows, i, column[name]] = narrow(row[bar])
        return cls(values, open_, close, volatility, variance, one, five, log_variances, warm, longest)

    def across(self, groups: Sequence[str]) -> dict[str, Float64]:
        """The features across these symbols."""
        return context({1: self.return_1, 5: self.return_5}, self.volatility, self.log_variances, groups=groups)


def require_history(longest: int, symbols: int, needed: int) -> None:
    """Raise HistoryError where the `longest` of `symbols` has no more bars than are `needed`."""
    if longest <= needed:
        raise HistoryError(
            f"too little history: of {symbols} symbols the longest has {longest} sessions, and the features "
            f"chosen need at least {needed + 1}: import more history or choose fewer features.groups."
        )


def require_horizon(config: FeatureConfig, sessions: pd.DatetimeIndex) -> None:
    """Raise HistoryError where the longest horizon is longer than `sessions`."""
    if config.horizons[-1] >= len(sessions):
        first, last = map(exchange(config.calendar).label, sessions[[0, -1]])
        raise HistoryError(
            f"horizon {config.horizons[-1]} is longer than the data, {len(sessions)} sessions from "
            f"{first} to {last}: import more history or lower features.horizons."
        )


def _since(variance: Float64, bar: Places) -> Float64:
    """What a symbol moved from the bar shown before to each of those shown, `bar`: those between them add to it."""
    total = np.cumsum(np.nan_to_num(variance))[bar]
    since = np.diff(total, prepend=0.0)
    # the bar's own where none lies between: a difference of running sums would lose its last digits
    alone = np.diff(bar, prepend=bar[:1] - 1) == 1
    return np.where(alone, variance[bar], np.where(since > 0, since, np.nan))


def _series(bars: Bars, axis: Axis) -> Iterator[tuple[_Shown, pd.DatetimeIndex, Series]]:
    """For each symbol, in order: where its bars stand on the axis, their days, and all of its bars, adjusted."""
    frame = bars.frame
    number = {c: frame[c].to_numpy(dtype="float64") for c in ("open", "high", "low", "close", "adj_close", "volume")}
    factor = number["adj_close"] / number["close"]
    adjusted = [number[c] * factor for c in ("open", "high", "low")] + [number["adj_close"], number["volume"] / factor]
    days = pd.DatetimeIndex(frame["session"])
    starts = np.flatnonzero(~frame["symbol"].duplicated().to_numpy())
    calendars = calendars_of(bars.symbols, axis.calendar)
    for start, stop, calendar in zip(starts, [*starts[1:], len(frame)], calendars, strict=True):
        own = days[start:stop]
        rows, bar = axis.rows(own, calendar)
        fills = axis.open_after(rows, own[bar], calendar)
        yield _Shown(rows, bar, fills), own, Series(*(np.ascontiguousarray(a[start:stop]) for a in adjusted))


def _kinds(config: FeatureConfig, sentiment: DailySentiment) -> tuple[str, ...]:
    """The kinds of news with features: of a config that leaves them open none, as that of a model without them does."""
    if config.kinds is None and not config.topics:
        return ()
    # topics that a training chose stay features where later, or fewer, news have no item of theirs
    named = [kind for kind in chosen_kinds(config) if kind.startswith(TOPIC)] if config.topics else None
    return chosen_kinds(with_kinds(config, sentiment.kinds, topics=named))


def _sentiment(sentiment: DailySentiment, axis: Axis, symbols: tuple[str, ...], half_life: float) -> dict[str, Float64]:
    """The sentiment features on the axis."""

    def of_calendar(
        rows: pd.DataFrame, days: pd.DatetimeIndex, own: tuple[str, ...], calendar: str
    ) -> dict[str, Float64]:
        return sentiment_features(replace(sentiment, frame=rows, kinds=None), days, own, calendar, half_life)

    return _on_axis(sentiment.frame, axis, symbols, of_calendar)


def _news(counts: DailyKinds, axis: Axis, symbols: tuple[str, ...], kinds: tuple[str, ...]) -> dict[str, Float64]:
    """The features of kinds of news on the axis."""

    def of_calendar(
        rows: pd.DataFrame, days: pd.DatetimeIndex, own: tuple[str, ...], calendar: str
    ) -> dict[str, Float64]:
        return news_features(replace(counts, frame=rows), days, own, calendar, kinds)

    return _on_axis(counts.frame, axis, symbols, of_calendar)


def _on_axis(frame: pd.DataFrame, axis: Axis, symbols: tuple[str, ...], of_calendar: _OfCalendar) -> dict[str, Float64]:
    """Features of daily rows, made on the sessions of each symbol's own calendar, by which the rows are dated."""
    own = np.array(calendars_of(symbols, axis.calendar))
    dated = {symbol: calendar_of(symbol, axis.calendar) for symbol in frame["symbol"].unique()}
    if {*own, *dated.values()} == {axis.calendar}:
        return of_calendar(frame, axis.sessions, symbols, axis.calendar)
    across: dict[str, Float64] = {}
    for calendar in sorted(set(own)):
        columns = np.flatnonzero(own == calendar)
        days, last = axis.known(calendar)
        rows = frame[(frame["symbol"].map(dated) == calendar).to_numpy()]
        own_symbols = tuple(symbols[i] for i in columns)
        for name, cells in of_calendar(rows, days, own_symbols, calendar).items():
            across.setdefault(name, np.zeros((len(axis.sessions), len(symbols))))[:, columns] = cells[last]
    return across


def targets(close: Float64, horizons: tuple[int, ...]) -> Float32:
    """[session, symbol, horizon]: log return to the close h sessions later; NaN unless the symbol traded in both."""
    targets = np.full((*close.shape, len(horizons)), np.nan, dtype=np.float32)
    for i, horizon in enumerate(horizons):
        targets[:-horizon, :, i] = np.log(close[horizon:]) - np.log(close[:-horizon])
    return targets


def narrow(values: Float64) -> Float32:
    """As float32; what does not fit becomes infinite, and so is masked."""
    return values.astype(np.float32)
