"""Find the places of forecasts on the sessions and symbols of a panel, and the reasons why some can't be judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.calendars import by_calendar, exchange
from tenor.errors import did_you_mean
from tenor.features.axis import Axis, calendars_of
from tenor.ingest.files.forecast_files import ForecastRows
from tenor.schema import Bars, Bool, Float32, Float64, Panel
from tenor.symbols import known_as

UNKNOWN_SYMBOL = "unknown symbol"
NO_SESSION = "no session of the exchange"
NO_BARS_YET = "before the first bars"
AFTER_LAST_BAR = "after the last bar: not over yet"
NO_BAR = "no bar of that session"
NOT_KNOWN_YET = "outcome not known yet"
NO_OUTCOME = "no bar of the target session"
SHORT_HISTORY = "the symbol has too little history"
TOO_EARLY = "too few sessions before it to fit the baselines on"
OTHER_TARGET = "the horizon does not lead from session to target_session"
REPEATED = "another forecast of the same symbol, session and horizon: the first counts"
_SHOWN = 3


@dataclass(frozen=True)
class Unjudged:
    """Forecasts that can't be judged, for one reason.

    Attributes
    ----------
    why
        The reason.
    count
        How many there are.
    examples
        Some of them, as row, symbol and session.
    """

    why: str
    count: int
    examples: tuple[str, ...]

    def describe(self) -> str:
        """The reason, the number and examples in one line."""
        return f"{self.count:,} {self.why} ({'; '.join(self.examples)})"


@dataclass(frozen=True)
class Places:
    """The places of rows on a panel.

    Attributes
    ----------
    session, symbol, horizon
        [row]; places on the panel's axes, only for rows that can be judged.
    index
        [row]; the number of each of these rows in the file.
    last_session
        [row]; the last session that each forecast knew, as a date.
    unjudged
        The rows that can't be judged.
    """

    session: NDArray[np.intp]
    symbol: NDArray[np.intp]
    horizon: NDArray[np.intp]
    index: NDArray[np.intp]
    last_session: pd.DatetimeIndex
    unjudged: tuple[Unjudged, ...]

    def select(self, rows: Bool) -> Places:
        """The places of the rows where `rows` is True."""
        return Places(
            self.session[rows],
            self.symbol[rows],
            self.horizon[rows],
            self.index[rows],
            self.last_session[rows],
            self.unjudged,
        )

    def grid(self, values: NDArray[Any], panel: Panel) -> Float32:
        """`values` [row] as [session, symbol, horizon]; NaN elsewhere."""
        cells = np.full(panel.targets.shape, np.nan, dtype=np.float32)
        cells[self.session, self.symbol, self.horizon] = values
        return cells


def horizons_of(rows: ForecastRows, calendar: str) -> NDArray[np.int64]:
    """[row]; the horizon of each row, computed from session and target session if the file does not state it."""
    horizon = rows.frame["horizon"].to_numpy()
    if (horizon > 0).all():
        return horizon
    place = _session_places(pd.DatetimeIndex(sessions_of_rows(rows, calendar, horizon)), calendar)
    target = _session_places(pd.DatetimeIndex(rows.frame["target_session"]), calendar)
    ahead = np.where((place >= 0) & (target > place), target - place, 0)
    return np.where(horizon > 0, horizon, ahead)


def sessions_of_rows(rows: ForecastRows, calendar: str, horizon: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """[row]; the last session that each row knew.

    It is the stated one, or the last one that was over at ``as_of``, or `horizon` sessions before the target session.
    """
    frame = rows.frame
    sessions = frame["session"].to_numpy().astype("datetime64[us]")
    open_ = np.isnat(sessions) & frame["as_of"].notna().to_numpy()
    if open_.any():
        sessions = sessions.copy()
        moments = frame["as_of"]
        for own, here in by_calendar(frame["symbol"], calendar):
            chosen = here & open_
            if chosen.any():
                closed = exchange(own).closed_by(pd.DatetimeIndex(moments[chosen]))
                sessions[chosen] = closed.to_numpy().astype("datetime64[us]")
    open_ = np.isnat(sessions) & frame["target_session"].notna().to_numpy()
    if open_.any():
        sessions = sessions.copy()
        known = _all_sessions(calendar)
        place = known.get_indexer(pd.DatetimeIndex(frame["target_session"])) - horizon
        sound = open_ & (place >= 0) & (horizon > 0)
        # a target that is not a session has place -1; such a row gets no session
        sound &= known.get_indexer(pd.DatetimeIndex(frame["target_session"])) >= 0
        sessions[sound] = known.to_numpy()[place[sound]].astype("datetime64[us]")
    return sessions


def place(rows: ForecastRows, panel: Panel, *, first: int = 0) -> Places:
    """The place of each row on `panel`; rows that can't be judged are counted by reason.

    Parameters
    ----------
    rows
        The forecasts.
    panel
        The panel; its horizons are those of the rows.
    first
        The first session that can be judged, as a place on the panel's axis.
    """
    calendar = panel.calendar
    horizon = horizons_of(rows, calendar)
    sessions = pd.DatetimeIndex(sessions_of_rows(rows, calendar, horizon))
    names = rows.frame["symbol"]
    known = set(panel.symbols)
    of_name = {name: known_as(name, known) for name in names.unique()}
    column_of = {symbol: i for i, symbol in enumerate(panel.symbols)}
    symbol = names.map({name: column_of.get(own, -1) for name, own in of_name.items()}).to_numpy(dtype=np.intp)
    session = np.asarray(panel.sessions.get_indexer(sessions), dtype=np.intp)
    axis = {h: k for k, h in enumerate(panel.horizons)}
    ahead = np.array([axis.get(int(h), -1) for h in np.unique(horizon)], dtype=np.intp)
    k = ahead[np.searchsorted(np.unique(horizon), horizon)] if len(horizon) else horizon.astype(np.intp)

    why = np.full(len(rows), "", dtype=object)

    def mark(bad: Bool, reason: str) -> None:
        why[bad & (why == "")] = reason

    on_calendar = np.asarray(_session_places(sessions, calendar) >= 0)
    mark(symbol < 0, UNKNOWN_SYMBOL)
    mark(_other_target(rows, sessions, horizon, calendar) | (k < 0), OTHER_TARGET)
    mark(np.asarray(sessions < panel.sessions[0]), NO_BARS_YET)
    mark(np.asarray(sessions > panel.sessions[-1]), AFTER_LAST_BAR)
    mark(~on_calendar | (session < 0), NO_SESSION)
    t, i, h = (np.maximum(each, 0) for each in (session, symbol, k))
    mark(~np.isfinite(panel.close[t, i]), NO_BAR)
    span = np.array(panel.horizons)[h]
    known_target = np.isfinite(panel.targets[t, i, h])
    mark(~known_target & (t + span >= len(panel.sessions)), NOT_KNOWN_YET)
    mark(~known_target, NO_OUTCOME)
    mark(~panel.mask[t, i], SHORT_HISTORY)
    mark(t < first, TOO_EARLY)
    cells = pd.DataFrame({"session": session, "symbol": symbol, "horizon": k})[why == ""]
    mark(np.isin(np.arange(len(rows)), cells.index[cells.duplicated()]), REPEATED)
    good = why == ""
    return Places(t[good], i[good], h[good], np.flatnonzero(good), sessions[good], _reasons(rows, sessions, why, panel))


def _other_target(
    rows: ForecastRows, sessions: pd.DatetimeIndex, horizon: NDArray[np.int64], calendar: str
) -> NDArray[np.bool_]:
    """Rows whose session, horizon and target do not fit each other."""
    target = rows.frame["target_session"]
    if not target.notna().any():
        return np.zeros(len(rows), dtype=bool)
    begins = _session_places(sessions, calendar)
    ends = _session_places(pd.DatetimeIndex(target), calendar)
    return np.asarray(target.notna().to_numpy() & (begins >= 0) & (ends - begins != horizon))


def _reasons(
    rows: ForecastRows, sessions: pd.DatetimeIndex, why: NDArray[np.object_], panel: Panel
) -> tuple[Unjudged, ...]:
    reasons = []
    for reason in dict.fromkeys(why[why != ""].tolist()):
        places = np.flatnonzero(why == reason)
        if reason == UNKNOWN_SYMBOL:
            names = rows.frame["symbol"].iloc[places]
            examples = tuple(
                f"{name}, {count:,} rows{did_you_mean(str(name), panel.symbols)}"
                for name, count in names.value_counts().head(_SHOWN).items()
            )
        else:
            examples = tuple(
                f"row {int(rows.frame['row'].iloc[i])}: {rows.frame['symbol'].iloc[i]}"
                + ("" if pd.isna(sessions[i]) else f" {sessions[i]:%Y-%m-%d}")
                for i in places[:_SHOWN]
            )
        reasons.append(Unjudged(reason, len(places), examples))
    return tuple(reasons)


def raw_closes(bars: Bars, panel: Panel) -> Float64:
    """[session, symbol]; unadjusted closes on the panel's axis."""
    axis = Axis.of(bars, panel.calendar)
    rows_of = np.asarray(panel.sessions.get_indexer(axis.sessions))
    closes = np.full(panel.close.shape, np.nan)
    frames: Mapping[Any, pd.DataFrame] = dict(list(bars.frame.groupby("symbol", sort=False)))
    for i, (symbol, calendar) in enumerate(
        zip(panel.symbols, calendars_of(panel.symbols, panel.calendar), strict=True)
    ):
        own = frames[symbol]
        rows, bar = axis.rows(pd.DatetimeIndex(own["session"]), calendar)
        places = rows_of[rows]
        closes[places[places >= 0], i] = own["close"].to_numpy()[bar][places >= 0]
    return closes


def _all_sessions(calendar: str) -> pd.DatetimeIndex:
    return exchange(calendar).sessions(pd.Timestamp("1900-01-01"), pd.Timestamp("2200-01-01"))


def _session_places(sessions: pd.DatetimeIndex, calendar: str) -> NDArray[np.intp]:
    return np.asarray(_all_sessions(calendar).get_indexer(sessions), dtype=np.intp)
