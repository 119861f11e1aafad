"""Changed futures: inputs that are the same up to a session, and different after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.calendars import by_calendar, exchange, market_of, parts_of, sessions_of
from tenor.errors import DataError
from tenor.schema import Bars, Bool, DailySentiment, News

Days = NDArray[np.datetime64]
Pick = Callable[[Days], Bool]
"""Selects the rows to change, given the session at whose close each row is known."""

KEY_COLUMNS = frozenset({"symbol", "session", "published_at", "id"})
NEWCOMER = "~NEW"  # sorts after every real symbol, so that codes by sort order do not change
_FEW = 8  # a column with at most this many different values is a code or a small count
_LATEST = np.datetime64("9999-12-31", "us")


@dataclass(frozen=True)
class Inputs:
    """The arguments of a feature function.

    Attributes
    ----------
    tables
        ``bars`` and, if given, ``sentiment`` and ``news``, each with index 0 .. n - 1.
    days
        The session at whose close each row is known, by table.
    """

    tables: Mapping[str, pd.DataFrame]
    days: Mapping[str, Days]

    def columns(self) -> list[tuple[str, str]]:
        """Every (table, column) that can be changed."""
        return [(table, str(c)) for table, frame in self.tables.items() for c in frame.columns if c not in KEY_COLUMNS]

    def with_table(self, table: str, frame: pd.DataFrame, days: Days) -> Inputs:
        """A copy with `table` replaced; its rows are numbered from 0."""
        return replace(
            self,
            tables={**self.tables, table: frame.reset_index(drop=True)},
            days={**self.days, table: days},
        )


def gather_inputs(
    bars: Bars | pd.DataFrame,
    sentiment: DailySentiment | pd.DataFrame | None,
    news: News | pd.DataFrame | None,
    calendar: str,
) -> Inputs:
    """Collect the inputs; a row is known at the close of its session, an item of news at the first close after it.

    The close is that of the symbol's market, or of `calendar` if the symbol's name contains no market.

    Raises
    ------
    DataError
        `bars` has no column symbol or session, no rows, or a (symbol, session) twice; news has no zoned time.
    """
    frame = bars.frame if isinstance(bars, Bars) else bars
    frame = _sorted(frame, "bars")
    tables, days = {"bars": frame}, {"bars": frame["session"].to_numpy().astype("datetime64[us]")}
    if sentiment is not None:
        table = _sorted(sentiment.frame if isinstance(sentiment, DailySentiment) else sentiment, "sentiment")
        tables["sentiment"], days["sentiment"] = table, table["session"].to_numpy().astype("datetime64[us]")
    if news is not None:
        table = (news.frame if isinstance(news, News) else news).reset_index(drop=True)
        if "symbol" not in table:
            raise DataError("news: no column 'symbol': rename yours, or add one.")
        if "published_at" not in table or not isinstance(table["published_at"].dtype, pd.DatetimeTZDtype):
            raise DataError("news: no column 'published_at' with a time zone: add one, in UTC.")
        session = sessions_of(table["published_at"], table["symbol"], calendar)
        known = session.to_numpy().astype("datetime64[us]")
        tables["news"], days["news"] = table, np.where(np.isnat(known), _LATEST, known)
    return Inputs(tables, days)


def after(at: pd.Timestamp) -> Pick:
    """Select the rows that become known after the close of `at`."""
    moment = at.to_datetime64()
    return lambda days: days > moment


def only_at(at: pd.Timestamp) -> Pick:
    """Select the rows of the session `at`."""
    moment = at.to_datetime64()
    return lambda days: days == moment


def with_changed_values(
    inputs: Inputs,
    pick: Pick,
    rng: np.random.Generator,
    *,
    only: tuple[str, str] | None = None,
    keep: frozenset[str] = frozenset(),
    push: float = 0.0,
) -> Inputs:
    """Change the values in the picked rows.

    Parameters
    ----------
    inputs, pick, rng
        The tables, the rows to change, and the source of the changes.
    only
        The only (table, column) to change; None changes all.
    keep
        Columns of the bars that are not changed.
    push
        0 draws changes in both directions; 1 and -1 move all values up or down (high only up, low only down).

    Returns
    -------
    Inputs
        A changed copy.
    """
    for table, frame in inputs.tables.items():
        rows = pick(inputs.days[table])
        if not rows.any() or (only and only[0] != table):
            continue
        new = {}
        for name in frame.columns:
            column = str(name)
            if column in KEY_COLUMNS or (only and only[1] != column) or (table == "bars" and column in keep):
                continue
            new[name] = _other(frame[name], rows, rng, _direction(column, push))
        inputs = inputs.with_table(table, frame.assign(**new), inputs.days[table])
    return inputs


def with_shuffled_days(inputs: Inputs, pick: Pick, rng: np.random.Generator) -> Inputs:
    """Shuffle the picked rows: the values of each symbol are permuted over its days."""
    for table, frame in inputs.tables.items():
        rows = np.flatnonzero(pick(inputs.days[table]))
        order = rows.copy()  # [picked row] -> the row whose values it gets
        for places in pd.Series(np.arange(len(rows))).groupby(frame["symbol"].to_numpy()[rows]).groups.values():
            where = np.asarray(places)
            order[where] = rows[rng.permutation(where)]
        columns = [c for c in frame.columns if c not in KEY_COLUMNS]
        values = {c: _put(frame[c], rows, frame[c].iloc[order]) for c in columns}
        inputs = inputs.with_table(table, frame.assign(**values), inputs.days[table])
    return inputs


def with_other_rows(inputs: Inputs, pick: Pick, rng: np.random.Generator, calendar: str) -> Inputs:
    """Drop picked rows (a third of them, and all of every fourth symbol), and add others.

    The added rows are a symbol that begins after the cut, five more sessions, and copies of news and sentiment rows.
    """
    bars, days = inputs.tables["bars"], inputs.days["bars"]
    symbols = bars["symbol"].unique()
    gone = set(rng.choice(symbols, (len(symbols) + 2) // 4, replace=False))
    # only picked rows are dropped: nothing before the cut may change
    dropped = pick(days) & (bars["symbol"].isin(gone).to_numpy() | (rng.random(len(bars)) < 1 / 3))
    # the new symbol begins after the cut, with copies of another symbol's bars
    twin = pick(days) & (bars["symbol"] == symbols[0]).to_numpy()
    name = _newcomer(str(symbols[0]))
    newcomer = bars[twin].assign(symbol=name)
    more = _more_sessions(bars, calendar)
    parts = [bars[~dropped], newcomer, more[~more["symbol"].isin(gone)]]
    frame = pd.concat([part for part in parts if len(part)])
    frame = frame.sort_values(["symbol", "session"], kind="stable", ignore_index=True)
    result = inputs.with_table("bars", frame, frame["session"].to_numpy().astype("datetime64[us]"))
    for table in ("sentiment", "news"):
        if table not in inputs.tables:
            continue
        rows, known = inputs.tables[table], inputs.days[table]
        late = np.flatnonzero(pick(known))
        remaining = np.setdiff1d(np.arange(len(rows)), late[rng.random(len(late)) < 1 / 3])
        extra = rng.choice(late, len(late) // 3, replace=False) if len(late) > 2 else late[:0]
        more = rows.iloc[extra]
        if table == "news":
            # the same texts again, a little later
            more = more.assign(published_at=more["published_at"] + pd.Timedelta(minutes=7))
        else:
            more = more.assign(symbol=name).drop_duplicates(["symbol", "session"])
            extra = np.asarray(more.index)
        frame = pd.concat([rows.iloc[remaining], more])
        result = result.with_table(table, frame, np.concatenate([known[remaining], known[extra]]))
    return result


def without_rows(inputs: Inputs, pick: Pick, *, only: str | None = None) -> Inputs:
    """Remove the picked rows, from all tables or from the table `only`."""
    for table, frame in inputs.tables.items():
        if only not in (None, table):
            continue
        remaining = ~pick(inputs.days[table])
        inputs = inputs.with_table(table, frame[remaining], inputs.days[table][remaining])
    return inputs


def with_holes(inputs: Inputs, at: pd.Timestamp, *, rows: bool) -> Inputs:
    """For every second symbol, remove the session `at` and the one before: the rows, or the numbers in them."""
    bars, days = inputs.tables["bars"], inputs.days["bars"]
    sessions = np.unique(days)
    place = int(np.searchsorted(sessions, at.to_datetime64()))
    hit = np.isin(days, sessions[max(place - 1, 0) : place + 1])
    hit &= np.isin(bars["symbol"].to_numpy(), bars["symbol"].unique()[::2])
    if rows:
        return inputs.with_table("bars", bars[~hit], days[~hit])
    holed = {c: bars[c].astype("float64").mask(hit) for c in _numeric(bars)}
    return inputs.with_table("bars", bars.assign(**holed), days)


def _sorted(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    missing = [c for c in ("symbol", "session") if c not in frame.columns]
    if missing:
        raise DataError(f"{table}: no column {', '.join(map(repr, missing))}: rename yours to symbol and session.")
    if frame.empty:
        raise DataError(f"{table}: no rows to check.")
    days = pd.to_datetime(frame["session"])
    if isinstance(days.dtype, pd.DatetimeTZDtype) or days.isna().any():
        raise DataError(f"{table}: 'session' is missing in some rows or has a time zone: it is a date.")
    frame = frame.assign(session=days.astype("datetime64[us]"), symbol=frame["symbol"].astype("str"))
    frame = frame.sort_values(["symbol", "session"], kind="stable", ignore_index=True)
    twice = frame.duplicated(["symbol", "session"])
    if twice.any():
        row = frame[twice].iloc[0]
        raise DataError(f"{table}: {row['symbol']} {row['session']:%Y-%m-%d} appears twice: keep one row.")
    return frame


def _numeric(frame: pd.DataFrame) -> list[Any]:
    return [c for c in frame.columns if c not in KEY_COLUMNS and pd.api.types.is_numeric_dtype(frame[c].dtype)]


def _direction(column: str, push: float) -> float:
    """The `push` to use for a column: the high only rises and the low only falls, so that high stays above low."""
    return {"high": 1.0, "low": -1.0}.get(column.lower(), push)


def _other(column: pd.Series[Any], rows: Bool, rng: np.random.Generator, push: float) -> pd.Series[Any]:
    """`column` with other values in `rows`, of the same kind and within the range of the column."""
    picked = column[rows]
    if pd.api.types.is_bool_dtype(column.dtype):
        return _put(column, rows, picked ^ (rng.random(len(picked)) < 0.5 if push == 0 else True))
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return column
    if not pd.api.types.is_numeric_dtype(column.dtype):
        codes, names = pd.factorize(column)
        step = rng.integers(1, max(len(names), 2), len(picked))
        other = np.where(codes[rows] < 0, -1, (codes[rows] + step) % max(len(names), 1))
        return _put(column, rows, pd.Series(names.take(other, allow_fill=True, fill_value=None)))
    number = column.to_numpy(dtype="float64", na_value=np.nan)
    known = number[np.isfinite(number)]
    if not len(known):
        return column
    noise = rng.normal(0, 0.3, len(picked)) if push == 0 else push * rng.uniform(0.3, 0.7, len(picked))
    values = number[rows]
    levels = np.unique(known)
    if len(levels) <= _FEW:  # a code or a small count: another of its values
        place = np.searchsorted(levels, values).clip(max=len(levels) - 1)
        step = rng.integers(1, max(len(levels), 2), len(values)) if push == 0 else np.ones(len(values), dtype=np.int64)
        values = np.where(np.isnan(values), np.nan, levels[(place + step) % len(levels)])
    elif (known > 0).all():
        scaled = values * np.exp(noise)
        if (known == np.round(known)).all():  # not below the smallest count, always another
            scaled = np.maximum(np.round(scaled), known.min())
            scaled = np.where(scaled == values, values + 1, scaled)
        values = scaled
    elif (known >= 0).all():
        values = values * np.exp(noise) + known.mean() * np.abs(noise) / 4
    else:
        # bounded scores stay within their range: values outside are clipped
        values = np.clip(values + known.std() * 4 * noise, known.min(), known.max())
    if (known == np.round(known)).all():
        values = np.round(values)
    whole = number.copy()
    whole[rows] = values
    if pd.api.types.is_integer_dtype(column.dtype) and np.isfinite(whole).all():
        return pd.Series(np.round(whole), index=column.index).astype(column.dtype)
    return pd.Series(whole, index=column.index).astype("float64")


def _put(column: pd.Series[Any], rows: Any, values: pd.Series[Any]) -> pd.Series[Any]:
    changed = column.copy()
    changed.iloc[rows] = values.to_numpy()
    return changed


def _newcomer(twin: str) -> str:
    """The name of a new symbol in the market of `twin`."""
    _, market = parts_of(twin)
    if not market:
        return NEWCOMER
    # names of cryptocurrencies and currencies are recognised only in capitals
    others = {"crypto": f"ZZZZZZZZZZ-{market}", "currency": f"ZZZ{market}=X"}
    return others.get(market_of(twin).kind, f"{NEWCOMER}.{market}")


def _more_sessions(bars: pd.DataFrame, calendar: str) -> pd.DataFrame:
    """The five sessions that follow on each symbol's calendar, with copies of the last bars."""
    more = [bars.iloc[:0]]
    for each, rows in by_calendar(bars["symbol"], calendar):
        here = bars[rows]
        last = here["session"].max()
        sessions = pd.DatetimeIndex(here["session"].unique()).sort_values()
        # dates with another frequency (weekly, for example): the next date is not known
        if sessions.isin(exchange(each).sessions(sessions[0], last)).all():
            newest = here[here["session"] == last]
            more += [newest.assign(session=exchange(each).following(last, k)) for k in range(1, 6)]
    return pd.concat(more) if len(more) > 1 else more[0]
