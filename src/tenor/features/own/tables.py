"""A table as features: what was known of a symbol, or of all, from when on; and what does not change (a sector).

A table with ``session`` or ``known_since`` is read as of each session: a row counts from its ``known_since`` on, until
one of a later session is known. A table with neither has one row a symbol and holds for all time.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from tenor.errors import DataError
from tenor.features.axis import Axis
from tenor.features.own.moments import days_of_cells, moments_of_cells
from tenor.schema import Float64
from tenor.symbols import clean_symbol

OLDEST = 250
"""Sessions after which a value counts as old as one can be."""
MOST_CATEGORIES = 50
_NAMES = {
    "symbol": ("symbol", "ticker"),
    "session": ("session", "date"),
    "known_since": ("known_since", "known_at", "available_from"),
}
KEYS = ("symbol", "session", "known_since")


@dataclass(frozen=True, eq=False)
class OwnTable:
    """Numbers by symbol that change over time.

    Attributes
    ----------
    name
        Of the features.
    frame
        Columns ``symbol`` (empty: of all symbols), ``session``, ``known_since`` (UTC), and numbers; sorted by
        `known_since` and `session`.
    numbers
        Names of the numeric columns.
    dated
        Whether the table says itself when a row became known; else it is the close of its session.
    """

    name: str
    frame: pd.DataFrame
    numbers: tuple[str, ...]
    dated: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """The features: each number, then the age of the row."""
        return (*(_feature(self.name, column, self.numbers) for column in self.numbers), f"{self.name}_age")

    def features(self, axis: Axis, symbols: Sequence[str]) -> dict[str, Float64]:
        """The features by name, each [session, symbol] and finite.

        A symbol of which nothing is known yet has the mean of those of which something is, and an age of 1.
        """
        by_symbol = {str(s): rows for s, rows in self.frame.groupby("symbol", sort=True)}
        common = by_symbol.pop("", self.frame[:0])
        # the mean is over the table's symbols, not the panel's: which of them have bars is known only later
        known = {s: pd.concat([common, rows]) if len(common) else rows for s, rows in by_symbol.items()}
        grid = {}
        for column in self.numbers:
            lines = {s: _as_of(rows, column, axis)[0] for s, rows in known.items()}
            rest = _as_of(common, column, axis)[0] if len(common) else _mean(list(lines.values()), len(axis.sessions))
            rest = np.nan_to_num(rest)
            cells = np.column_stack([lines.get(symbol, rest) for symbol in symbols])
            grid[_feature(self.name, column, self.numbers)] = np.where(np.isfinite(cells), cells, rest[:, None])
        ages = np.column_stack([_as_of(known.get(symbol, common), None, axis)[1] for symbol in symbols])
        grid[f"{self.name}_age"] = np.minimum(ages, OLDEST) / OLDEST
        return grid

    def require(self, symbols: Sequence[str], last: pd.Timestamp) -> None:
        """Raise DataError where nothing of the table is of `symbols`, or is known by `last` (the last close)."""
        rows = self.frame[self.frame["symbol"].isin(["", *symbols])]
        if rows.empty:
            raise DataError(
                f"own table {self.name!r} has none of the symbols trained on ({', '.join(list(symbols)[:3])} …): its "
                f"symbols are {', '.join(self.frame['symbol'].unique()[:3])} …"
            )
        if rows["known_since"].min() > last:
            raise DataError(
                f"own table {self.name!r} is known from {rows['known_since'].min():%Y-%m-%d} on, after the last bar: "
                "there is nothing in it to learn from."
            )

    def extended(self, later: pd.DataFrame) -> OwnTable:
        """The same with the rows of `later` that became known after the last one that a symbol has here."""
        last = self.frame.groupby("symbol")["known_since"].max()
        before = later["symbol"].map(last)
        fresh = later[(before.isna() | (later["known_since"] > before)).to_numpy()]
        if fresh.empty:
            return self
        frame = pd.concat([self.frame, fresh.reindex(columns=self.frame.columns)], ignore_index=True)
        return replace(self, frame=_ordered(frame))

    def data(self) -> bytes:
        """The table as CSV; `of_data` reads it back, the same to the bit."""
        frame = self.frame.assign(
            session=self.frame["session"].dt.strftime("%Y-%m-%d"),
            known_since=self.frame["known_since"].dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        )
        return frame.to_csv(index=False, lineterminator="\n").encode()

    @classmethod
    def of_data(cls, name: str, data: bytes, *, dated: bool) -> OwnTable:
        """Read what `data` gave."""
        frame = _read_csv(data)
        numbers = tuple(str(c) for c in frame.columns if c not in KEYS)
        frame = frame.assign(
            session=pd.to_datetime(frame["session"]).astype("datetime64[us]"),
            known_since=pd.to_datetime(frame["known_since"], utc=True).astype("datetime64[us, UTC]"),
            **{c: _floats(frame[c]) for c in numbers},
        )
        return cls(name, frame, numbers, dated)


@dataclass(frozen=True, eq=False)
class StaticTable:
    """What does not change: one row a symbol.

    Attributes
    ----------
    name
        Of the features.
    frame
        Columns ``symbol``, numbers and texts.
    texts
        The columns that hold categories.
    categories
        Text column -> the categories that have a column of zeros and ones each; another one is all zeros.
    means
        Numeric column -> what a symbol without a row has.
    """

    name: str
    frame: pd.DataFrame
    texts: tuple[str, ...]
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    means: dict[str, float] = field(default_factory=dict)

    @property
    def values(self) -> tuple[str, ...]:
        """The columns beside the symbol."""
        return tuple(str(c) for c in self.frame.columns if c != "symbol")

    @property
    def columns(self) -> tuple[str, ...]:
        """The features: a number is one, of a text each category once they are known (`fitted`)."""
        names: list[str] = []
        for column in self.values:
            one = _feature(self.name, column, self.values)
            of_text = [f"{one}_{category}" for category in self.categories.get(column, ())]
            names += of_text if column in self.texts else [one]
        return tuple(names)

    def fitted(self, symbols: Sequence[str]) -> StaticTable:
        """The same with categories and means as `symbols`, those of the training part, have them.

        Raises
        ------
        DataError
            A column has too many categories, or none of the symbols is in the table.
        """
        known = self.frame[self.frame["symbol"].isin(list(symbols))]
        if known.empty:
            raise DataError(
                f"own table {self.name!r} has none of the symbols trained on ({', '.join(list(symbols)[:3])} …): its "
                f"symbols are {', '.join(self.frame['symbol'][:3])} …"
            )
        categories = {}
        for column in self.texts:
            each = tuple(sorted(set(known[column].dropna())))
            if len(each) > MOST_CATEGORIES:
                raise DataError(
                    f"own table {self.name!r}: column {column!r} has {len(each)} categories, and {MOST_CATEGORIES} are "
                    "the most: group them, or leave the column out."
                )
            categories[column] = each
        numbers = [c for c in self.values if c not in self.texts]
        means = {c: float(np.nan_to_num(np.nanmean(known[c]))) if known[c].notna().any() else 0.0 for c in numbers}
        return replace(self, categories=categories, means=means)

    def features(self, axis: Axis, symbols: Sequence[str]) -> dict[str, Float64]:
        """The features by name, each [session, symbol] and finite."""
        rows = self.frame.set_index("symbol").reindex(list(symbols))
        grid = {}
        for column in self.values:
            one = _feature(self.name, column, self.values)
            if column in self.texts:
                cells = rows[column].to_numpy(dtype=object)
                lines = {f"{one}_{category}": cells == category for category in self.categories[column]}
            else:
                lines = {one: rows[column].fillna(self.means[column]).to_numpy(dtype="float64")}
            for name, line in lines.items():
                grid[name] = np.tile(np.asarray(line, dtype="float64"), (len(axis.sessions), 1))
        return grid

    def data(self) -> bytes:
        """The table as CSV; `of_data` reads it back."""
        return self.frame.to_csv(index=False, lineterminator="\n").encode()

    @classmethod
    def of_data(
        cls, name: str, data: bytes, texts: Sequence[str], categories: dict[str, Any], means: dict[str, float]
    ) -> StaticTable:
        """Read what `data` gave."""
        frame = _read_csv(data)
        numbers = {str(c): _floats(frame[c]) for c in frame.columns if c not in ("symbol", *texts)}
        frame = frame.assign(**numbers, **{c: frame[c].where(frame[c] != "") for c in texts})
        return cls(name, frame, tuple(texts), {c: tuple(each) for c, each in categories.items()}, dict(means))


def read_own_table(name: str, frame: pd.DataFrame, *, calendar: str, where: str) -> OwnTable | StaticTable:
    """The table in `frame`, by its columns: static where it has neither a session nor a moment.

    Parameters
    ----------
    name
        Of the features.
    frame
        Columns ``symbol`` (or ``ticker``; may be missing: of all symbols), ``session`` (or ``date``),
        ``known_since``, and values.
    calendar
        Of days without a time, for symbols whose names show no market.
    where
        The file, for messages.

    Raises
    ------
    DataError
        It has no rows or values, a cell is not a date or number, or rows contradict each other; the row is named.
    """
    frame = _with_keys(frame, where)
    values = [str(c) for c in frame.columns if c not in KEYS]
    if not values or frame.empty:
        has = ", ".join(map(str, frame.columns))
        raise DataError(f"{where} has {len(frame)} rows and the columns {has}: it needs rows and a column with values.")
    static = "session" not in frame and "known_since" not in frame
    symbols = frame["symbol"].fillna("").astype("str").map(clean_symbol) if "symbol" in frame else _repeated("", frame)
    frame = frame.assign(symbol=symbols.astype("str"))
    if static:
        return _static(name, frame[["symbol", *values]], values, where)
    numbers = {column: _numbers(frame[column], column, where) for column in values}
    for column, cells in numbers.items():
        if cells.isna().all():
            raise DataError(f"{where}: {column} has no number at all: leave the column out.")
    dated = "known_since" in frame
    session = days_of_cells(frame["session"], "session", where) if "session" in frame else None
    if dated:
        known = moments_of_cells(frame["known_since"], symbols, "known_since", where, calendar=calendar)
    else:
        assert session is not None
        known = moments_of_cells(frame["session"], symbols, "session", where, calendar=calendar)
    missing = np.flatnonzero(known.isna().to_numpy())
    if len(missing):
        raise DataError(
            f"{where} row {missing[0] + 1}{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}: "
            f"{'known_since' if dated else 'session'} is missing: nobody can tell from when on the row was known."
        )
    if session is None:
        session = known.dt.tz_localize(None).dt.normalize()
    table = pd.DataFrame({"symbol": frame["symbol"], "session": session, "known_since": known, **numbers})
    _refuse_contradictions(table, where)
    table = _ordered(table.drop_duplicates(list(KEYS)).reset_index(drop=True))
    return OwnTable(name, table, tuple(values), dated)


def _read_csv(data: bytes) -> pd.DataFrame:
    """The cells as texts, empty ones too."""
    return pd.read_csv(io.BytesIO(data), dtype="str", keep_default_na=False)


def _floats(cells: pd.Series[Any]) -> pd.Series[Any]:
    # Python reads back what it wrote to the last bit, a CSV reader need not
    return pd.Series([float(cell) if cell else np.nan for cell in cells], index=cells.index, dtype="float64")


def _feature(name: str, column: str, columns: Sequence[str]) -> str:
    return name if len(columns) == 1 else f"{name}_{column}"


def _repeated(value: str, frame: pd.DataFrame) -> pd.Series[Any]:
    return pd.Series([value] * len(frame), index=frame.index, dtype="str")


def _with_keys(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """`frame` with the columns of `KEYS` under these names, and an index 0 .. n - 1."""
    plain = {str(c).strip().lower().replace(" ", "_"): c for c in reversed(list(frame.columns))}
    names = {}
    for key, known in _NAMES.items():
        own_name = next((plain[alias] for alias in known if alias in plain), None)
        if own_name is not None:
            names[own_name] = key
    frame = frame.rename(columns=names).rename(columns=str).reset_index(drop=True)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(f"{where} has two columns named {twice[0]!r}: rename one.")
    return frame


def _numbers(cells: pd.Series[Any], column: str, where: str) -> pd.Series[Any]:
    numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
    bad = np.flatnonzero((cells.notna() & ~np.isfinite(numbers)).to_numpy())
    if len(bad):
        raise DataError(
            f"{where} row {bad[0] + 1}: {column} {str(cells.iloc[bad[0]])[:40]!r} is not a number: write one (or leave "
            "the cell empty); categories belong into a table without session and known_since."
        )
    return numbers


def _static(name: str, frame: pd.DataFrame, values: Sequence[str], where: str) -> StaticTable:
    empty = np.flatnonzero((frame["symbol"] == "").to_numpy())
    if len(empty):
        raise DataError(
            f"{where} row {empty[0] + 1}: the symbol is missing, and the table has no session: add one of both."
        )
    twice = np.flatnonzero(frame.duplicated("symbol", keep=False).to_numpy() & ~frame.duplicated(keep=False).to_numpy())
    if len(twice):
        symbol = frame["symbol"].iloc[twice[0]]
        raise DataError(
            f"{where} row {twice[0] + 1}: {symbol} has several rows that differ: keep one, or add a column known_since "
            "if its values change."
        )
    frame = frame.drop_duplicates().reset_index(drop=True)
    texts = []
    for column in values:
        cells = frame[column]
        if pd.to_numeric(cells, errors="coerce").notna().equals(cells.notna()) and cells.notna().any():
            frame[column] = _numbers(cells, column, where)
        else:
            texts.append(column)
            frame[column] = cells.where(cells.isna(), cells.astype("str").str.strip())
    if not any(frame[column].notna().any() for column in values):
        raise DataError(f"{where}: every value is missing.")
    return StaticTable(name, frame, tuple(texts))


def _refuse_contradictions(table: pd.DataFrame, where: str) -> None:
    keys = table.duplicated(list(KEYS), keep=False).to_numpy()
    bad = np.flatnonzero(keys & ~table.duplicated(keep=False).to_numpy())
    if len(bad):
        row = table.iloc[bad[0]]
        raise DataError(
            f"{where} row {bad[0] + 1}: {row['symbol'] or 'all symbols'} {row['session']:%Y-%m-%d} has two rows that "
            "differ and were known at the same moment: keep one, or say by known_since which came later."
        )


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(["known_since", "session", "symbol"], kind="stable", ignore_index=True)


def _mean(lines: Sequence[Float64], count: int) -> Float64:
    """[session]; the mean of those of `lines` that are known, NaN where none is."""
    total, known = np.zeros(count), np.zeros(count)
    for line in lines:  # one after another: one that is not known yet adds exact zeros
        total += np.nan_to_num(line)
        known += np.isfinite(line)
    return np.where(known > 0, total / np.maximum(known, 1), np.nan)


def _as_of(rows: pd.DataFrame, column: str | None, axis: Axis) -> tuple[Float64, Float64]:
    """The value that counts in each session, NaN before the first, and the sessions since it became known."""
    values, ages = np.full(len(axis.sessions), np.nan), np.full(len(axis.sessions), float(OLDEST))
    rows = rows if column is None else rows[rows[column].notna()]
    if rows.empty:
        return values, ages
    rows = rows.sort_values(["known_since", "session"], kind="stable")
    # a row of an earlier session that comes in late changes nothing: the later one is newer
    session = rows["session"].to_numpy().astype("int64")
    newest = session >= np.maximum.accumulate(session)
    known = pd.DatetimeIndex(rows["known_since"][newest])
    first = np.asarray(axis.closes.searchsorted(known))  # the first row of the axis that knows each
    last = np.asarray(known.searchsorted(axis.closes, side="right")) - 1
    there = last >= 0
    place = np.maximum(last, 0)
    if column is not None:
        values[there] = rows[column].to_numpy(dtype="float64")[newest][place][there]
    ages[there] = (np.arange(len(axis.sessions)) - first[place])[there]
    return values, ages
