"""Own features from tables: values that change over time, for a symbol or for all, and constant ones such as a sector.

In a table with ``session`` or ``known_since``, a row is used from its ``known_since`` on, until a row of a later
session is known. A table with neither column has one row for each symbol, which is used for all sessions.
"""

from __future__ import annotations

import io
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from tenor.errors import CellError, DataError
from tenor.features.axis import Axis
from tenor.features.own.moments import days_of_cells, moments_of_cells
from tenor.schema import Float64
from tenor.symbols import clean_symbol

OLDEST = 250
"""The highest age of a value, in sessions; older values have the same age."""
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
        Name of the features.
    frame
        Columns ``symbol`` (empty for a row that concerns all symbols), ``session``, ``known_since`` (UTC), and numbers;
        sorted by `known_since` and `session`.
    numbers
        Names of the numeric columns.
    dated
        Whether the table states when a row became known; otherwise that is the close of its session.
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

        A symbol without a known value gets the mean of those that have one, and the age 1 (the highest).
        """
        by_symbol = {str(s): rows for s, rows in self.frame.groupby("symbol", sort=True)}
        common = by_symbol.pop("", self.frame[:0])
        # the mean is over the table's symbols, not the panel's, because which of them have bars is known only later
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
        """Raise DataError if no row of the table concerns `symbols`, or none is known by `last` (the last close)."""
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
        """The same with rows of `later` added, for each symbol those that became known after its last row here."""
        last = self.frame.groupby("symbol")["known_since"].max()
        before = later["symbol"].map(last)
        fresh = later[(before.isna() | (later["known_since"] > before)).to_numpy()]
        if fresh.empty:
            return self
        frame = pd.concat([self.frame, fresh.reindex(columns=self.frame.columns)], ignore_index=True)
        return replace(self, frame=_ordered(frame))

    def data(self) -> bytes:
        """The table as CSV; `of_data` reads it back, equal in every bit."""
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
    """A table of values that do not change, with one row for each symbol.

    Attributes
    ----------
    name
        Name of the features.
    frame
        Columns ``symbol``, numbers and texts.
    texts
        The columns that hold categories.
    categories
        From each text column to its categories. Each of these becomes a column of zeros and ones; any other category
        has zeros in all of them.
    means
        From each numeric column to the value of symbols without a row.
    """

    name: str
    frame: pd.DataFrame
    texts: tuple[str, ...]
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    means: dict[str, float] = field(default_factory=dict)

    @property
    def values(self) -> tuple[str, ...]:
        """The columns other than the symbol."""
        return tuple(str(c) for c in self.frame.columns if c != "symbol")

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the features: one for each numeric column, and after `fitted` one for each category."""
        names: list[str] = []
        for column in self.values:
            one = _feature(self.name, column, self.values)
            of_text = [f"{one}_{category}" for category in self.categories.get(column, ())]
            names += of_text if column in self.texts else [one]
        return tuple(names)

    def fitted(self, symbols: Sequence[str]) -> StaticTable:
        """The same with the categories and means of `symbols`, those of the training part.

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
    """The table in `frame`; it is static if it has neither a column ``session`` nor ``known_since``.

    Parameters
    ----------
    name
        Name of the features.
    frame
        Columns ``symbol`` (or ``ticker``; without it, rows concern all symbols), ``session`` (or ``date``),
        ``known_since``, and values.
    calendar
        Calendar by which days without a time are read, for symbols whose names show no market.
    where
        Name of the file or frame, for messages.

    Raises
    ------
    CellError
        It has no rows or values, a cell is not a date, symbol or number, or rows contradict each other.
    """
    frame = _with_keys(frame, where)
    values = [str(c) for c in frame.columns if c not in KEYS]
    if not values or frame.empty:
        has = ", ".join(map(str, frame.columns))
        why = f"it has {len(frame)} rows and the columns {has}"
        raise CellError(where, why, "it needs rows and a column with values", mend='df["value"] = values  # one a row')
    static = "session" not in frame and "known_since" not in frame
    frame = frame.assign(symbol=_symbols(frame, where))
    symbols = frame["symbol"]
    if static:
        return _static(name, frame[["symbol", *values]], values, where)
    numbers = {column: _numbers(frame[column], column, where) for column in values}
    for column, cells in numbers.items():
        if cells.isna().all():
            why = f"{column} has no number at all"
            raise CellError(where, why, "leave the column out", column=column, mend="df = df.drop(columns=NAME)")
    dated = "known_since" in frame
    session = days_of_cells(frame["session"], "session", where) if "session" in frame else None
    if dated:
        known = moments_of_cells(frame["known_since"], symbols, "known_since", where, calendar=calendar)
    else:
        assert session is not None
        known = moments_of_cells(frame["session"], symbols, "session", where, calendar=calendar)
    missing = np.flatnonzero(known.isna().to_numpy())
    if len(missing):
        column, remedy = "known_since" if dated else "session", "nobody can tell from when on the row was known"
        mend = "df = df[CELLS.notna()]" if len(missing) < len(frame) else "CELLS = days  # one a row"
        raise CellError(where, f"{column} is missing", remedy, rows=missing, column=column, mend=mend)
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
    # Python reads back exactly what it wrote; a CSV reader may differ in the last bit
    return pd.Series([float(cell) if cell else np.nan for cell in cells], index=cells.index, dtype="float64")


def _feature(name: str, column: str, columns: Sequence[str]) -> str:
    return name if len(columns) == 1 else f"{name}_{column}"


def own_names(frame: pd.DataFrame) -> Mapping[str, Hashable]:
    """From tenor's names of columns to those of `frame`, for the columns of `KEYS` that it has."""
    plain = {str(c).strip().lower().replace(" ", "_"): c for c in reversed(list(frame.columns))}
    names = {}
    for key, known in _NAMES.items():
        own_name = next((plain[alias] for alias in known if alias in plain), None)
        if own_name is not None:
            names[key] = own_name
    return names


def _with_keys(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """`frame` with the columns of `KEYS` under these names, and an index 0 .. n - 1."""
    names = {own: key for key, own in own_names(frame).items()}
    frame = frame.rename(columns=names).rename(columns=str).reset_index(drop=True)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        mend = "df = df.loc[:, ~df.columns.duplicated()]"
        raise CellError(where, f"it has two columns named {twice[0]!r}", "rename one", mend=mend)
    return frame


def _symbols(frame: pd.DataFrame, where: str) -> pd.Series[Any]:
    """The symbol of each row; empty where the row is of all."""
    if "symbol" not in frame:
        return pd.Series([""] * len(frame), index=frame.index, dtype="str")
    texts = frame["symbol"].fillna("").astype("str").str.strip()
    symbols = texts.map(clean_symbol).astype("str")
    bad = np.flatnonzero(((texts != "") & (symbols == "")).to_numpy())
    if len(bad):  # if it were read as a row of all symbols, it would change the features of each
        why, remedy = f"symbol {texts.iloc[bad[0]][:40]!r} is not a symbol", "correct it, or leave it empty for all"
        mend = r'CELLS = CELLS.astype(str).str.replace(r"[^A-Za-z0-9.^=&-]+", "-", regex=True).str.strip("-.").str[:32]'
        raise CellError(where, why, remedy, rows=bad, column="symbol", mend=mend)
    return symbols


def _numbers(cells: pd.Series[Any], column: str, where: str) -> pd.Series[Any]:
    numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
    bad = np.flatnonzero((cells.notna() & ~np.isfinite(numbers)).to_numpy())
    if len(bad):
        raise CellError(
            where,
            f"{column} {str(cells.iloc[bad[0]])[:40]!r} is not a number",
            "write one (or leave the cell empty); categories belong into a table without session and known_since",
            rows=bad,
            column=column,
            mend='CELLS = pd.to_numeric(CELLS, errors="coerce").replace([np.inf, -np.inf], np.nan)',
        )
    return numbers


def _static(name: str, frame: pd.DataFrame, values: Sequence[str], where: str) -> StaticTable:
    empty = np.flatnonzero((frame["symbol"] == "").to_numpy())
    if len(empty):
        why = "the symbol is missing, and the table has no session"
        mend = "df = df[CELLS.notna()]" if len(empty) < len(frame) else 'df["symbol"] = symbols  # one a row'
        raise CellError(where, why, "add one of both", rows=empty, column="symbol", mend=mend)
    twice = np.flatnonzero(frame.duplicated("symbol", keep=False).to_numpy() & ~frame.duplicated(keep=False).to_numpy())
    if len(twice):
        symbol = frame["symbol"].iloc[twice[0]]
        raise CellError(
            where,
            f"{symbol} has several rows that differ",
            "keep one, or add a column known_since if its values change",
            rows=twice,
            column="symbol",
            mend='df = df.drop_duplicates(NAME, keep="last")',
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
        raise CellError(where, "every value is missing", "fill them in, or leave the table out")
    return StaticTable(name, frame, tuple(texts))


def _refuse_contradictions(table: pd.DataFrame, where: str) -> None:
    keys = table.duplicated(list(KEYS), keep=False).to_numpy()
    bad = np.flatnonzero(keys & ~table.duplicated(keep=False).to_numpy())
    if len(bad):
        row = table.iloc[bad[0]]
        raise CellError(
            where,
            f"{row['symbol'] or 'all symbols'} {row['session']:%Y-%m-%d} has two rows that differ and were known at "
            "the same moment",
            "keep one, or say by known_since which came later",
            rows=bad,
            mend='df = df.drop_duplicates(KEYS, keep="last")',
        )


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(["known_since", "session", "symbol"], kind="stable", ignore_index=True)


def _mean(lines: Sequence[Float64], count: int) -> Float64:
    """[session]; the mean of those of `lines` that are known, NaN where none is."""
    total, known = np.zeros(count), np.zeros(count)
    for line in lines:  # one after another, so that a line without known values adds exact zeros
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
    # a row of an earlier session that becomes known late is not used, since a newer one is known
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
