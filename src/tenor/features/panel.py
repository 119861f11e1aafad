"""From bars and sentiment to a panel: indicators of each symbol, placed on one axis, then features across symbols."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.calendars import calendar_of, exchange, interval_of
from tenor.config import FeatureConfig, SentimentConfig
from tenor.errors import DataError, HistoryError
from tenor.features.axis import Axis, Places, calendars_of
from tenor.features.catalogue import SENTIMENT, check_groups, feature_names, warmup
from tenor.features.context import context
from tenor.features.indicators import Series, indicators, log_mean_variance, share_volatility
from tenor.features.kinds import TOPIC, chosen_kinds, kind_names, news_features, with_kinds
from tenor.features.own.bundle import Own
from tenor.features.schedule import Schedule, schedule_feature
from tenor.features.sentiment import sentiment_features
from tenor.schema import Bars, Bool, DailyKinds, DailySentiment, Float32, Float64, Panel
from tenor.variance import suspended

_OfCalendar = Callable[[pd.DataFrame, pd.DatetimeIndex, tuple[str, ...], str], dict[str, Float64]]
"""Function to features by name, from daily rows of one calendar, its sessions, its symbols in the panel, its name."""


Kind = TypeVar("Kind", np.float64, np.bool_)


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
    """The unscaled panel of features and targets of all symbols of `bars`, over the sessions of `config.calendar`.

    Row t holds what was known after the close of session t; nothing later changes it in any bit. Returns and indicators
    are computed on each symbol's own bars, so a gap counts as one step. A cell of the mask is True once the symbol has
    more bars than the longest warm-up of the chosen features.

    The name of a symbol may show that it trades on another market (`tenor.calendars`). In row t it then has its last
    own bar that was over by then, if that bar is new since t - 1 (`tenor.features.axis`). Its targets are from its last
    close known at t to its last close known at t + h. Its sentiment is that of its own last session. Its open is NaN if
    it was before the close of t - 1, like that of a coin on New York's sessions, because nobody could have traded there
    on the information of row t - 1.

    Parameters
    ----------
    bars
        The bars of all symbols.
    config
        Settings of the features.
    sentiment
        Daily sentiment. It gives the sentiment features if `config.sentiment` is on, and from its counts those of
        `config.kinds` (`with_kinds` names them). Without it there are no such features.
    half_life
        Sessions in which `sentiment_recent` halves without news, above 0 (`SentimentConfig.half_life`).
    own
        The own features after `Own.fitted`; by default those that `config.own` names.

    Raises
    ------
    DataError
        Bars or sentiment are of a day that is not a session of their calendar, or of another interval; or the sentiment
        was made for another moment.
    HistoryError
        A horizon is longer than the data, or no symbol has enough bars for the warm-up.
    ConfigError
        An own feature that `config` names does not exist.
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
        across[name] = line[:, None]
    if sentiment is not None and config.sentiment:
        across |= _sentiment(sentiment, axis, symbols, half_life)
    if sentiment is not None and sentiment.kinds is not None and kinds:
        across |= _news(sentiment.kinds, axis, symbols, kinds)
    across |= own.across(axis, symbols)
    mask = columns.known
    complete(values, mask, names, across)
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
"""Numbers of bars over which the mean variance of a symbol is compared with that of others."""


@dataclass(frozen=True)
class Columns:
    """The part of a panel that follows from each symbol's own bars, without other symbols.

    Attributes
    ----------
    values
        [session, symbol, feature] float32; NaN where a feature needs other symbols or is not known; 0 where a symbol
        has no bar.
    open, close, volatility, variance, return_1, return_5
        [session, symbol] float64; NaN where not known.
    log_variances
        From each of `BACK` to the log of the mean variance, in the same shape; empty without the group ``risk``.
    known
        [session, symbol]; whether the symbol has more bars than the longest warm-up, and all features that need no
        other symbols are finite.
    longest
        Number of bars of the symbol with the most bars.
    """

    values: Float32
    open: Float64
    close: Float64
    volatility: Float64
    variance: Float64
    return_1: Float64
    return_5: Float64
    log_variances: dict[int, Float64]
    known: Bool
    longest: int

    @classmethod
    def of(cls, bars: Bars, axis: Axis, names: tuple[str, ...], config: FeatureConfig, own: Own) -> Columns:
        """The columns of all symbols of `bars`; `names` are the features of the panel."""
        symbols = bars.symbols
        grid = (len(axis.sessions), len(symbols))
        values: Float32 = np.empty((*grid, len(names)), dtype=np.float32)
        cells = _Cells(values, names)
        backs = BACK if "risk" in config.groups else ()
        # a symbol's values are written as a line and transposed at the end, because cells of a column are far apart in
        # memory
        lines = [np.full(grid[::-1], np.nan) for _ in range(6 + len(backs))]
        known = np.zeros(grid[::-1], dtype=bool)
        needed = max(warmup(config.groups), own.warmup)
        longest = 0
        for i, (shown, days, series) in enumerate(_series(bars, axis)):
            # slices where they say the same, which copies nothing
            bar = slice(None) if len(shown.bar) == len(series) else shown.bar
            rows = slice(None) if len(shown.rows) == grid[0] else shown.rows
            # a suspended symbol is left out: nothing is learned from it, and averages over symbols do not include it
            still = suspended(series.high, series.low, series.close)[bar]
            moving = [series.step, series.return_5, series.vol]
            moving += [log_mean_variance(series.variance, back) for back in backs]
            lines[0][i, rows] = _since(series.variance, shown.bar)
            lines[1][i, rows] = np.where(shown.fills, series.open[bar], np.nan)
            lines[2][i, rows] = series.close[bar]
            for line, each in zip(lines[3:], moving, strict=True):
                line[i, rows] = np.where(still, np.nan, each[bar])
            longest = max(longest, len(series))
            features = indicators(series, config.groups)
            if len(series) > needed:  # a symbol with fewer bars has no valid cell
                features |= own.of_symbol(days, series, symbols[i])
            finite = cells.write(i, rows, {name: feature[bar] for name, feature in features.items()})
            known[i, rows] = finite & (shown.bar >= needed) & ~still
        # one by one, so that the memory of a line is free before the next is transposed
        variance, open_, close, one, five, volatility, *variances = (_turned(lines.pop(0)) for _ in range(len(lines)))
        log_variances = dict(zip(backs, variances, strict=True))
        return cls(values, open_, close, volatility, variance, one, five, log_variances, _turned(known), longest)

    def across(self, groups: Sequence[str]) -> dict[str, Float64]:
        """The features across these symbols, by name."""
        return context({1: self.return_1, 5: self.return_5}, self.volatility, self.log_variances, groups=groups)


class _Cells:
    """Writes features of one symbol after the other into `values`, [session, symbol, feature].

    The cells of a symbol are far apart there, and its features side by side. So some symbols are collected as lines,
    and written together.

    Parameters
    ----------
    values
        Is filled, but for the features that no symbol writes, which are NaN; 0 in rows that a symbol does not write.
    names
        Its features.
    """

    TOGETHER = 4
    """Of 4, 8, 16 and 32 symbols the fastest: their lines stay in the processor's caches."""

    def __init__(self, values: Float32, names: Sequence[str]) -> None:
        self._values = values
        self._column = {name: i for i, name in enumerate(names)}
        self._lines = np.empty((self.TOGETHER, len(names), len(values)), dtype=np.float32)

    def write(self, symbol: int, rows: Places | slice, features: Mapping[str, Float64]) -> Bool:
        """Write the `features` of the symbol at this place to `rows`; returns [row], whether all are finite."""
        place = symbol % self.TOGETHER
        lines = self._lines[place]
        if not isinstance(rows, slice):
            lines[:] = 0.0
        for name in self._column.keys() - features.keys():
            lines[self._column[name], rows] = np.nan
        for name, feature in features.items():
            lines[self._column[name], rows] = feature  # as `narrow` does
        written = lines if len(features) == len(lines) else lines[[self._column[name] for name in features]]
        finite: Bool = np.isfinite(written[:, rows]).all(axis=0)
        if place == self.TOGETHER - 1 or symbol == self._values.shape[1] - 1:
            self._values[:, symbol - place : symbol + 1] = self._lines[: place + 1].transpose(2, 0, 1)
        return finite


def require_history(longest: int, symbols: int, needed: int) -> None:
    """Raise HistoryError if the `longest` history among `symbols` symbols has not more bars than `needed`."""
    if longest <= needed:
        raise HistoryError(
            f"too little history: of {symbols} symbols the longest has {longest} sessions, and the features "
            f"chosen need at least {needed + 1}: import more history or choose fewer features.groups."
        )


def require_horizon(config: FeatureConfig, sessions: pd.DatetimeIndex) -> None:
    """Raise HistoryError if the longest horizon is longer than `sessions`."""
    if config.horizons[-1] >= len(sessions):
        first, last = map(exchange(config.calendar).label, sessions[[0, -1]])
        raise HistoryError(
            f"horizon {config.horizons[-1]} is longer than the data, {len(sessions)} sessions from "
            f"{first} to {last}: import more history or lower features.horizons."
        )


def _since(variance: Float64, bar: Places) -> Float64:
    """What a symbol moved from the bar shown before to each of those shown, `bar`: those between them add to it."""
    if len(bar) == len(variance):  # all are shown
        return variance
    total = np.cumsum(np.nan_to_num(variance))[bar]
    since = np.diff(total, prepend=0.0)
    # the bar's own variance if no other bar is between, since a difference of running sums would lose digits
    alone = np.diff(bar, prepend=bar[:1] - 1) == 1
    return np.where(alone, variance[bar], np.where(since > 0, since, np.nan))


def _series(bars: Bars, axis: Axis) -> Iterator[tuple[_Shown, pd.DatetimeIndex, Series]]:
    """For each symbol, in order: where its bars stand on the axis, their days, and all of its bars, adjusted."""
    each = _each_series(bars, axis)
    while some := deque(itertools.islice(each, 32)):
        share_volatility([series for *_, series in some])
        while some:  # what a symbol's indicators share goes with it
            yield some.popleft()


def _each_series(bars: Bars, axis: Axis) -> Iterator[tuple[_Shown, pd.DatetimeIndex, Series]]:
    frame = bars.frame
    number = {c: frame[c].to_numpy(dtype="float64") for c in ("open", "high", "low", "close", "adj_close", "volume")}
    factor = number["adj_close"] / number["close"]
    adjusted = [number[c] * factor for c in ("open", "high", "low")] + [number["adj_close"], number["volume"] / factor]
    days = pd.DatetimeIndex(frame["session"])
    calendars = calendars_of(bars.symbols, axis.calendar)
    numbers = days.asi8
    before: tuple[NDArray[np.int64], str, _Shown, pd.DatetimeIndex] | None = None
    for start, stop, calendar in zip(bars.starts, [*bars.starts[1:], len(frame)], calendars, strict=True):
        # most symbols of a market trade on the same days
        if before is None or before[1] != calendar or not np.array_equal(before[0], numbers[start:stop]):
            own = days[start:stop]
            rows, bar = axis.rows(own, calendar)
            shown = _Shown(rows, bar, axis.open_after(rows, own[bar], calendar))
            before = numbers[start:stop], calendar, shown, own
        yield before[2], before[3], Series(*(np.ascontiguousarray(a[start:stop]) for a in adjusted))


def _kinds(config: FeatureConfig, sentiment: DailySentiment) -> tuple[str, ...]:
    """The kinds of news with features: of a config that leaves them open none, as that of a model without them does."""
    if config.kinds is None and not config.topics:
        return ()
    # topics that a training chose stay features even if other news has no item of them
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
    """[session, symbol, horizon]; log return to the close h sessions later; NaN unless the symbol traded in both."""
    targets = np.full((*close.shape, len(horizons)), np.nan, dtype=np.float32)
    for i, horizon in enumerate(horizons):
        targets[:-horizon, :, i] = np.log(close[horizon:]) - np.log(close[:-horizon])
    return targets


def _turned(lines: NDArray[Kind]) -> NDArray[Kind]:
    """[symbol, session] as [session, symbol], in this order in memory, in which sums over symbols are defined."""
    return np.ascontiguousarray(lines.T)


def complete(values: Float32, mask: Bool, names: Sequence[str], across: dict[str, Float64]) -> None:
    """Write the features across symbols beside those of each symbol, and leave out the cells that lack one of them.

    Parameters
    ----------
    values, mask
        [session, symbol, feature] and [session, symbol], as in `Columns` (`known`); changed. Cells that are not in the
        mask become 0.
    names
        The features of `values`.
    across
        [session, symbol] by name, or [session, 1] where all symbols have the same; emptied, which frees memory.
    """
    for name in list(across):
        cells = narrow(across.pop(name))
        values[:, :, names.index(name)] = cells
        mask &= np.isfinite(cells)
    values[~mask] = 0.0


def narrow(values: Float64) -> Float32:
    """`values` as float32; values that are too large become infinite, and are therefore masked."""
    return values.astype(np.float32)
