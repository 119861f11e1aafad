"""The lake: append what is new or revised, read back what counts, query it with SQL."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tenor.errors import StoreError, UnknownSymbolError
from tenor.schema import BAR_COLUMNS, MOOD_COLUMNS, NEWS_COLUMNS, Bars, Mood, News
from tenor.store import parts as parts_of
from tenor.store.tables import (
    ACTIONS,
    BARS,
    CLEAN,
    FETCHES,
    INTRADAY,
    MOOD,
    NAMES,
    NEWS,
    REFUSALS,
    SCORES,
    TABLES,
    Table,
)

_LIVE = {table.name: table for table in (INTRADAY, ACTIONS, NAMES, FETCHES)}
LIVE_TABLES = tuple(_LIVE)

Probabilities = tuple[float, float, float]


@dataclass(frozen=True)
class Appended:
    """What an append found: rows that were new, that changed a row there was, and that the lake held already."""

    new: int
    revised: int
    unchanged: int

    def __add__(self, other: Appended) -> Appended:
        return Appended(self.new + other.new, self.revised + other.revised, self.unchanged + other.unchanged)


class Lake:
    """Bars, news, moods, scores and refusals as immutable Parquet parts, read through DuckDB.

    Appending is idempotent and atomic: a killed writer leaves nothing or a whole part, and several may write at once,
    for no part is ever changed. Of several versions of a row, the one ingested last counts.

    Parameters
    ----------
    location : a folder (made by the first append) or ``s3://bucket/prefix``. For a bucket, endpoint, region and keys
        come from the usual ``AWS_*`` variables.

    Raises
    ------
    StoreError : by every method, where the lake can't be read or written, naming the damaged part where there is one.
    """

    def __init__(self, location: str | Path) -> None:
        self._parts = parts_of.open_parts(location)
        self.location = self._parts.location

    def append_bars(self, bars: Bars, *, source: str, claim: bool = False) -> Appended:
        """Add `bars`, known from `source`; only rows that are new or differ are written.

        With `claim` a row that the lake has from elsewhere counts as `source`'s from now on, even with the same values.
        """
        return self._append(BARS, bars.frame.assign(source=source), claim=claim)

    def bars(
        self,
        symbols: Sequence[str] | None = None,
        *,
        until: pd.Timestamp | None = None,
        as_of: pd.Timestamp | None = None,
    ) -> Bars:
        """The bars of `symbols` (all of them by default) up to the session `until`.

        Parameters
        ----------
        as_of : tz-aware; what the lake held at that moment, before later revisions and re-adjustments: what a model
            saw that read it then.

        Raises
        ------
        StoreError : there are none.
        UnknownSymbolError : the lake has no such symbol; a near one is suggested.
        """
        frame = self._read(BARS, BAR_COLUMNS, symbols, until, as_of)
        if frame.empty and as_of is not None:
            raise StoreError(f"the lake {self.location} held no such bars at {as_of}: ask for a later moment.")
        if frame.empty or symbols is not None:
            self._require(symbols, frame, until)
        return Bars(frame)

    def symbols(self) -> tuple[str, ...]:
        """The symbols that have bars, sorted."""
        with self._connect(BARS) as connection:
            rows = connection.sql("SELECT DISTINCT symbol FROM bars_parts ORDER BY symbol").fetchall()
        return tuple(row[0] for row in rows)

    def append_news(self, news: News) -> Appended:
        """Add `news`; items that the lake holds already are not written again."""
        return self._append(NEWS, news.frame)

    def news(
        self,
        symbols: Sequence[str] | None = None,
        *,
        until: pd.Timestamp | None = None,
        as_of: pd.Timestamp | None = None,
    ) -> News:
        """The news about `symbols` (all by default) published up to the moment `until`; perhaps none.

        With `as_of` only what the lake held at that moment.
        """
        return News(self._read(NEWS, NEWS_COLUMNS, symbols, until, as_of))

    def append_mood(self, mood: Mood, *, source: str) -> Appended:
        """Add `mood`, as the model `source` saw it. Moods of different models live side by side."""
        return self._append(MOOD, mood.frame.assign(source=source))

    def mood(self, source: str | None = None) -> Mood | None:
        """The mood as `source` saw it (by default: the source appended last), or None where there is none."""
        with self._connect(MOOD) as connection:
            if source is None:
                newest = "SELECT source FROM mood_parts ORDER BY ingested_at DESC, source LIMIT 1"
                found = connection.sql(newest).fetchall()
                source = found[0][0] if found else ""
            rows = connection.sql("SELECT * FROM mood WHERE source = ?", params=[source]).to_arrow_table()
        return Mood(rows.select(MOOD_COLUMNS).to_pandas()) if len(rows) else None

    def put_scores(self, scores: Mapping[str, Probabilities], model_id: str) -> Appended:
        """Keep `scores`: by text hash P(positive), P(neutral), P(negative), as `model_id` gave them."""
        if not scores:
            return Appended(0, 0, 0)
        numbers = np.array(list(scores.values()), dtype="float64")
        frame = pd.DataFrame(numbers, columns=["positive", "neutral", "negative"])
        return self._append(SCORES, frame.assign(text_hash=list(scores), model_id=model_id))

    def get_scores(self, text_hashes: Sequence[str], model_id: str) -> dict[str, Probabilities]:
        """The scores by `model_id` that the lake holds for `text_hashes`, by hash."""
        wanted = pa.table({"text_hash": pa.array(list(text_hashes), pa.string())})
        with self._connect(SCORES) as connection:
            connection.register("wanted", wanted)
            rows = connection.sql(
                "SELECT text_hash, positive, neutral, negative FROM scores "
                "WHERE model_id = ? AND text_hash IN (SELECT text_hash FROM wanted)",
                params=[model_id],
            ).fetchall()
        return {row[0]: (row[1], row[2], row[3]) for row in rows}

    def score_cache(self) -> ScoreCache:
        """The lake as the place where the sentiment room keeps its scores."""
        return ScoreCache(self)

    def append_refusals(self, refusals: pd.DataFrame, *, files: Sequence[str]) -> None:
        """Keep what an import of `files` refused, in place of what an earlier import of the same files refused.

        Parameters
        ----------
        refusals : the columns of `refusals()`.
        files : the files read; the ones that have no refusals (any more) are known from here alone.
        """
        before, now = (frame.groupby("file") for frame in (self.refusals(), refusals))
        changed = []
        for file in dict.fromkeys([*files, *refusals["file"]]):
            old, new = (group.get_group(file) if file in group.groups else None for group in (before, now))
            if new is None and old is not None:
                clean = dict.fromkeys(REFUSALS.columns, "") | {"file": file, "row": 0, "session": None, "kind": CLEAN}
                changed.append(pd.DataFrame([clean]))
            elif new is not None and not _same_rows(old, new):
                changed.append(new)
        if changed:
            self._write(REFUSALS, _table(REFUSALS, pd.concat(changed, ignore_index=True)))

    def refusals(self) -> pd.DataFrame:
        """What the last import of each file refused: file, row, symbol, session, column, value, kind, why, remedy."""
        with self._connect(REFUSALS) as connection:
            rows = connection.sql("SELECT * FROM refusals").to_arrow_table()
        order = [("file", "ascending"), ("row", "ascending")]
        frame: pd.DataFrame = rows.select(REFUSALS.columns).sort_by(order).to_pandas()
        return frame.assign(session=pd.to_datetime(frame["session"]).astype("datetime64[us]"))

    def append_rows(self, table: str, rows: pd.DataFrame) -> Appended:
        """Add `rows` to one of `LIVE_TABLES`, with its columns; only what is new or differs is written."""
        return self._append(_LIVE[table], rows)

    def rows(
        self, table: str, symbols: Sequence[str] | None = None, *, since: pd.Timestamp | None = None
    ) -> pd.DataFrame:
        """The rows that count of ``bars`` (with their sources), ``news`` or one of `LIVE_TABLES`, in the key's order.

        Parameters
        ----------
        since : the first session, or the first moment, of a table that has any.
        """
        found = {BARS.name: BARS, NEWS.name: NEWS, **_LIVE}[table]
        frame = self._read(found, found.columns, symbols, None, since=since)
        return frame.sort_values(list(found.key), kind="stable", ignore_index=True)

    def spans(self, table: str, symbols: Sequence[str] | None = None) -> pd.DataFrame:
        """Per symbol and source: `first`, `last` (session or moment) and `count` of the rows of a table that count."""
        found = {BARS.name: BARS, NEWS.name: NEWS, INTRADAY.name: INTRADAY}[table]
        when = f"{found.when}::TIMESTAMP" if found.when == "session" else found.when
        where = "symbol IN (SELECT unnest(?))" if symbols is not None else "true"
        also = ", interval" if found is INTRADAY else ""
        sql = (
            f"SELECT symbol{also}, source, min({when}) AS first, max({when}) AS last, count(*) AS count "  # noqa: S608
            f"FROM ({found.current(where=where)}) GROUP BY ALL ORDER BY ALL"
        )
        with self._connect(found) as connection:
            params = [list(symbols)] if symbols is not None else []
            frame: pd.DataFrame = connection.sql(sql, params=params).to_arrow_table().to_pandas()
        return frame

    def query(self, sql: str) -> pd.DataFrame:
        """Run `sql` in DuckDB over the tables, as views: bars, intraday, actions, news, names, mood, scores, refusals.

        It sees nothing but the lake: no files, no network.

        Raises
        ------
        StoreError : DuckDB can't run it; its message says why.
        """
        with self._connect(*TABLES) as connection:
            connection.execute("SET enable_external_access = false")
            try:
                result = connection.sql(sql)
            except duckdb.Error as error:
                raise StoreError(f"the query can't be run: {_line(error)}.") from error
            return pd.DataFrame() if result is None else result.to_arrow_table().to_pandas()

    def _append(self, table: Table, frame: pd.DataFrame, *, claim: bool = False) -> Appended:
        incoming = _table(table, frame)
        total = len(incoming)
        if not total:
            return Appended(0, 0, 0)
        with self._connect(table) as connection:
            connection.register("incoming", incoming)
            span = pc.min_max(incoming[table.when]).as_py() if table.when else {}
            bounds = {"low": span["min"], "high": span["max"]} if span else {}
            changed = connection.sql(table.changed(claim=claim), params=bounds).to_arrow_table()
        new = int(np.count_nonzero(changed["is_new"].to_numpy()))
        if len(changed):
            self._write(table, changed.drop_columns(["is_new"]))
        return Appended(new, len(changed) - new, total - len(changed))

    def _write(self, table: Table, rows: pa.Table) -> None:
        with self._told("written"):
            latest = parts_of.names(self._parts, table.name)[-1:]
            # a clock set back must not let a revision count as older than what it revises
            moment = max([time.time_ns() // 1000] + [parts_of.moment_of(name) // 1000 + 1 for name in latest])
            stamp = pa.array(np.full(len(rows), moment), table.schema.field("ingested_at").type)
            stamped = rows.select(table.columns).append_column("ingested_at", stamp).cast(table.schema)
            parts_of.write(self._parts, table.name, stamped, moment * 1000)

    def _read(
        self,
        table: Table,
        columns: Sequence[str],
        symbols: Sequence[str] | None,
        until: pd.Timestamp | None,
        as_of: pd.Timestamp | None = None,
        *,
        since: pd.Timestamp | None = None,
    ) -> pd.DataFrame:
        where: list[str] = []
        values: list[Any] = []
        if symbols is not None:
            where.append("symbol IN (SELECT unnest(?))")
            values.append(list(symbols))
        if until is not None:
            where.append(f"{table.when} <= ?")
            values.append(until.to_pydatetime())
        if since is not None and table.when:
            where.append(f"{table.when} >= ?")
            values.append(since.to_pydatetime())
        with self._connect(table, as_of=as_of) as connection:
            rows = connection.sql(table.picked(columns, where=where), params=values).to_arrow_table()
        frame: pd.DataFrame = rows.to_pandas()
        return frame

    def _require(self, symbols: Sequence[str] | None, frame: pd.DataFrame, until: pd.Timestamp | None) -> None:
        known = self.symbols()
        if not known:
            raise StoreError(
                f"the lake {self.location} has no bars yet: import some with "
                f"'tenor data import PATH --store {self.location}'."
            )
        for symbol in symbols or ():
            if symbol not in known:
                raise UnknownSymbolError(symbol, known)
        if frame.empty:
            if symbols is not None and not symbols:
                raise StoreError(f"no bars were asked of the lake {self.location}: name at least one symbol.")
            raise StoreError(f"the lake {self.location} has no bars up to {until:%Y-%m-%d}: ask for a later day.")

    @contextlib.contextmanager
    def _connect(self, *tables: Table, as_of: pd.Timestamp | None = None) -> Iterator[Any]:
        """DuckDB with `tables` (as they were at `as_of`) as views; what goes wrong inside is told as a StoreError."""
        found = {}
        latest = None if as_of is None else _nanoseconds(as_of)
        with self._told("read"):
            for table in tables:
                names = parts_of.names(self._parts, table.name)
                found[table.name] = [n for n in names if latest is None or parts_of.moment_of(n) <= latest]
        # no extension may be fetched, and what does not fit in memory goes to the system's folder for such things
        config: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "temp_directory": str(Path(tempfile.gettempdir(), f"tenor-duckdb-{os.getpid()}")),
            "python_enable_replacements": "false",
        }
        with duckdb.connect(":memory:", config=config) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            try:
                for table in tables:
                    rows: Any = pa.Table.from_batches([], table.schema)
                    if found[table.name]:
                        rows = parts_of.dataset(self._parts, table.name, table.schema, found[table.name])
                    connection.register(table.parts, rows)
                    connection.execute(f"CREATE VIEW {table.name} AS {table.current()}")
                yield connection
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                with self._told("read"):
                    for name, part_names in found.items():
                        parts_of.check(self._parts, name, part_names)
                raise StoreError(f"the lake {self.location} can't be read: {_line(error)}") from error

    @contextlib.contextmanager
    def _told(self, done: str) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            remote = "://" in self.location
            remedy = "check bucket, AWS_* keys and endpoint" if remote else "check the folder and its rights"
            raise StoreError(f"the lake {self.location} can't be {done}: {_line(error)}; {remedy}.") from error


@dataclass(frozen=True)
class ScoreCache:
    """The scores of `lake`, in the form in which the sentiment room keeps them."""

    lake: Lake

    def get(self, text_hashes: Sequence[str], model_id: str) -> Mapping[str, Probabilities]:
        """The known ones among `text_hashes`, by hash."""
        return self.lake.get_scores(text_hashes, model_id)

    def put(self, scores: Mapping[str, Probabilities], model_id: str) -> None:
        """Keep `scores`, by hash; writing one again changes nothing."""
        self.lake.put_scores(scores, model_id)


def _table(table: Table, frame: pd.DataFrame) -> pa.Table:
    schema = pa.schema([table.schema.field(c) for c in table.columns])
    return pa.Table.from_pandas(frame, schema=schema, preserve_index=False).replace_schema_metadata(None)


def _same_rows(old: pd.DataFrame | None, new: pd.DataFrame) -> bool:
    if old is None or len(old) != len(new):
        return False
    columns = list(REFUSALS.columns)
    first, second = (frame[columns].astype("str").sort_values(columns, ignore_index=True) for frame in (old, new))
    return bool(first.equals(second))


def _nanoseconds(moment: pd.Timestamp) -> int:
    if moment.tzinfo is None:
        raise StoreError(f"as_of {moment} has no time zone: give a moment in UTC.")
    return int(moment.as_unit("ns").value)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")
