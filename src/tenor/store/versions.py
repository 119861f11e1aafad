"""Rows and their versions: they are appended as parts; reading through DuckDB gives the current version of each row."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tenor.errors import StoreError, one_line
from tenor.store import parts as parts_of
from tenor.store.parts import Parts
from tenor.store.spill import spill_folder
from tenor.store.tables import OLD_TABLES, Table

LONGEST = 300
"""The most characters of a message of DuckDB or Arrow that an error quotes."""


@dataclass(frozen=True)
class Appended:
    """The result of an append.

    Attributes
    ----------
    new
        Number of new rows.
    revised
        Number of rows that changed a row of the lake.
    unchanged
        Number of rows that the lake already had; they are not written again.
    """

    new: int
    revised: int
    unchanged: int

    def __add__(self, other: Appended) -> Appended:
        return Appended(self.new + other.new, self.revised + other.revised, self.unchanged + other.unchanged)


@dataclass(frozen=True)
class Versions:
    """The tables whose parts are in `parts`.

    Raises
    ------
    StoreError
        By every method, if they can't be read or written; a damaged part is named.
    """

    parts: Parts

    @property
    def location(self) -> str:
        """The place of the parts."""
        return self.parts.location

    @functools.cached_property
    def _checked(self) -> bool:
        """True, once it is known that no older tenor wrote here: its tables have other names and would be missed."""
        for name in OLD_TABLES:
            if parts_of.part_files(self.parts, name):
                raise StoreError(
                    f"the lake {self.location} was written by an older tenor (it has a table {name!r}): import and "
                    "fetch into a new store."
                )
        return True

    def append(self, table: Table, frame: pd.DataFrame, *, claim: bool = False) -> Appended:
        """Add the rows of `frame` that are new or differ; with `claim`, a row from another source differs."""
        incoming = as_table(table, frame)
        total = len(incoming)
        if not total:
            return Appended(0, 0, 0)
        # compared only with rows of the same symbols and the same span of time, so that a day's bars do not require
        # reading the whole history
        with self.connect(table, among=pc.unique(incoming[table.key[0]]).to_pylist()) as connection:
            connection.register("incoming", incoming)
            span = pc.min_max(incoming[table.when]).as_py() if table.when else {}
            bounds = {"low": span["min"], "high": span["max"]} if span else {}  # $low and $high of the SQL
            changed = connection.sql(table.changed(claim=claim), params=bounds).to_arrow_table()
        new = int(np.count_nonzero(changed["is_new"].to_numpy()))
        if len(changed):
            self.write(table, changed.drop_columns(["is_new"]))
        return Appended(new, len(changed) - new, total - len(changed))

    def write(self, table: Table, rows: pa.Table) -> None:
        """Add `rows` without comparing them, as ingested now."""
        with self.store_errors("written"):
            _ = self._checked
            latest = parts_of.names(self.parts, table.name)[-1:]
            # if the clock was set back, a revision must still be later than the row that it revises
            moment = max([time.time_ns() // 1000] + [parts_of.moment_of(name) // 1000 + 1 for name in latest])
            stamp = pa.array(np.full(len(rows), moment), table.schema.field("ingested_at").type)
            stamped = rows.select(table.columns).append_column("ingested_at", stamp).cast(table.schema)
            parts_of.write(self.parts, table.name, stamped, moment * 1000)
            self.parts.clean()

    def read(
        self,
        table: Table,
        columns: Sequence[str],
        symbols: Sequence[str] | None,
        until: pd.Timestamp | None,
        as_of: pd.Timestamp | None = None,
        *,
        since: pd.Timestamp | None = None,
        interval: str | None = None,
    ) -> pd.DataFrame:
        """`columns` of the current rows of `symbols` (None: all), between `since` and `until` if given.

        With `interval`, only rows of that interval, in a table that has this column.
        """
        where: list[str] = []
        values: list[Any] = []
        if until is not None:
            where.append(f"{table.when} <= ?")
            values.append(until.to_pydatetime())
        if since is not None and table.when:
            where.append(f"{table.when} >= ?")
            values.append(since.to_pydatetime())
        if interval is not None:
            where.append("interval = ?")
            values.append(interval)
        with self.connect(table, as_of=as_of, among=symbols) as connection:
            rows = connection.sql(table.picked(columns, where=where), params=values).to_arrow_table()
        # texts would keep all of DuckDB's memory; after copying them, columns can be freed one by one
        rows = rows.combine_chunks()
        frame: pd.DataFrame = rows.to_pandas(self_destruct=True)
        return frame

    @contextlib.contextmanager
    def connect(
        self, *tables: Table, as_of: pd.Timestamp | None = None, among: Sequence[str] | None = None
    ) -> Iterator[Any]:
        """DuckDB with `tables` (as they were at `as_of`) as views; errors inside become a StoreError.

        With `among`, only rows whose first column of the key is one of these; row groups without any are not read. The
        view ``bars`` has the current rows of that table, ``bars_parts`` all versions; likewise for other tables.
        """
        parts: dict[str, list[str]] = {}
        latest = None if as_of is None else _nanoseconds(as_of)
        with self.store_errors("read"):
            _ = self._checked
            for table in tables:
                parts[table.name] = self._sound(table, latest)
        with database() as connection:
            try:
                for table in tables:
                    names = parts[table.name]
                    rows: Any = table.schema.empty_table()
                    if names:
                        rows = parts_of.dataset(self.parts, table.name, table.schema, names)
                        rows = rows if latest is None else rows.filter(parts_of.ingested_by(latest))
                        if among is not None:
                            rows = rows.filter(pc.field(table.key[0]).isin(pa.array(among, pa.string())))
                    connection.register(table.parts, rows)
                    connection.execute(f"CREATE VIEW {table.name} AS {table.current()}")
                yield connection
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                with self.store_errors("read"):
                    # if a damaged part is the reason, it is named with its remedy
                    for name, part_names in parts.items():
                        parts_of.verify(self.parts, name, part_names)
                raise StoreError(
                    f"the lake {self.location} can't be read: {one_line(error, LONGEST).rstrip('.')}"
                ) from error

    def _sound(self, table: Table, latest: int | None) -> list[str]:
        """The parts of `table` to read for the moment `latest` (None: now), each seen to be undamaged."""
        while True:
            files = parts_of.current_files(self.parts, table.name)
            # a part that begins later has no row of that moment; a part that ends later loses some rows
            chosen = {n: file for n, file in files.items() if latest is None or parts_of.first_of(n) <= latest}
            try:
                parts_of.verify_once(self.parts, table.name, chosen)
            except FileNotFoundError:
                # it was merged into another part and deleted after it was listed, so list again
                if chosen.items() <= parts_of.current_files(self.parts, table.name).items():
                    raise
                continue
            return list(chosen)

    @contextlib.contextmanager
    def store_errors(self, done: str) -> Iterator[None]:
        """Errors of the disk, the bucket or Arrow inside become a StoreError with a remedy.

        Parameters
        ----------
        done
            What is done to the parts, for the message, such as ``written``.
        """
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            remote = "://" in self.location
            remedy = "check bucket, AWS_* keys and endpoint" if remote else "check the folder and its rights"
            message = one_line(error, LONGEST).rstrip(".")
            raise StoreError(f"the lake {self.location} can't be {done}: {message}; {remedy}.") from error


def as_table(table: Table, frame: pd.DataFrame) -> pa.Table:
    """`frame` with the columns and types of `table`, without the time of ingestion."""
    schema = pa.schema([table.schema.field(c) for c in table.columns])
    return pa.Table.from_pandas(frame, schema=schema, preserve_index=False).replace_schema_metadata(None)


def _nanoseconds(moment: pd.Timestamp) -> int:
    if moment.tzinfo is None:
        raise StoreError(f"as_of {moment} has no time zone: give a moment in UTC.")
    return int(moment.as_unit("ns").value)


@contextlib.contextmanager
def database(**settings: str) -> Iterator[Any]:
    """A DuckDB database in memory, in UTC, with the given `settings`."""
    # no extension may be downloaded; data that does not fit in memory goes to the system's temporary folder
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "temp_directory": str(spill_folder()),
        "python_enable_replacements": "false",
        **settings,
    }
    with duckdb.connect(":memory:", config=config) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        # where Python runs no file, a query of two seconds would print a bar to the standard output
        connection.execute("SET enable_progress_bar = false")
        yield connection
