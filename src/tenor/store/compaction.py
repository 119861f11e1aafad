"""Compaction: small parts are merged into a few large ones, while others append and read.

A merged part has all rows of the parts that it lists, in all versions, with source and time of ingestion. It appears in
one step and replaces the listed parts, so a reader sees either the old parts or the new one. The old parts are deleted
by a later run, when nobody can still be reading them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa

from tenor.errors import StoreError, one_line
from tenor.store import parts as parts_of
from tenor.store.parts import PartFile, Parts
from tenor.store.tables import Table, quoted
from tenor.store.versions import LONGEST, database

FULL = 32 << 20
"""Parts with at least this many bytes are not merged."""
LARGEST = 2 * FULL
"""The most bytes of parts that are merged together, because a merged part is held in memory as a whole."""
KEEP = timedelta(hours=1)
"""How long replaced parts are kept: longer than any read that has listed them takes."""

_SORT_MEMORY = "512MB"  # what does not fit goes to the disk


@dataclass(frozen=True)
class Compacted:
    """The result of a compaction.

    Attributes
    ----------
    old
        Number of parts that were merged.
    new
        Number of parts into which they were merged.
    deleted
        Number of parts that had been replaced earlier and were deleted now.
    """

    old: int = 0
    new: int = 0
    deleted: int = 0

    def __add__(self, other: Compacted) -> Compacted:
        return Compacted(self.old + other.old, self.new + other.new, self.deleted + other.deleted)


def compact(parts: Parts, tables: Sequence[Table], *, least: int = 2, keep: timedelta = KEEP) -> Compacted:
    """Merge the small parts of each of `tables` that has at least `least`; delete parts that were replaced `keep` ago.

    Reads, also of the state at an earlier moment, return the same as before. If the call is killed, there are the old
    parts or the new one. Others may read and append meanwhile; in a folder, a second compaction waits for the first.

    Parameters
    ----------
    parts
        The place of the parts.
    tables
        The tables to compact.
    least
        Number of small parts from which a table is compacted, at least two.
    keep
        How long replaced parts are kept.

    Raises
    ------
    StoreError
        A part is damaged or can't be read; nothing is changed.
    OSError
        The place can't be read or written.
    """
    done = Compacted()
    present = [table for table in tables if parts_of.part_files(parts, table.name)]
    if not present:
        return done  # the lock is a file, and a folder that is not a lake must not be changed
    with parts.alone():
        for table in present:
            done += _merge(parts, table, max(least, 2)) + Compacted(deleted=_sweep(parts, table, keep))
    return done


def _merge(parts: Parts, table: Table, least: int) -> Compacted:
    files = parts_of.part_files(parts, table.name)
    replaced = parts_of.replaced(parts, table.name, files)
    small = [name for name in parts_of.current(files, replaced) if files[name].size < FULL]
    done = Compacted()
    if len(small) < least:
        return done
    for group in _groups(small, files):
        # Merging A (which replaced B and C, still there) into D: D must replace B and C as well, for they would count
        # again as soon as A is deleted.
        below = set(group).union(*(replaced.get(name, ()) for name in group))
        # the merged part gets its own digest, with which a damaged source would count as sound for ever
        parts_of.verify(parts, table.name, group)
        rows = parts_of.dataset(parts, table.name, table.schema, group)
        with _sorted(table, rows) as batches:
            name, data, count = parts_of.merged(batches, group, below)
        if count != rows.count_rows():
            raise StoreError(
                f"{parts.location}: merging {len(group)} parts of {table.name} gave {count} rows instead of "
                f"{rows.count_rows()}; nothing was changed."
            )
        if not set(group) <= set(parts_of.names(parts, table.name)):
            continue  # in a bucket, which has no lock, another compaction was quicker
        parts.write(table.name, name, data)
        done += Compacted(len(group), 1)
    return done


def _groups(small: Sequence[str], files: Mapping[str, PartFile]) -> list[list[str]]:
    """`small` cut, in order, into runs of at most `LARGEST` bytes; runs of one part are left out."""
    groups: list[list[str]] = [[]]
    size = 0
    for name in small:
        if size + files[name].size > LARGEST:
            groups.append([])
            size = 0
        groups[-1].append(name)
        size += files[name].size
    return [group for group in groups if len(group) > 1]


@contextlib.contextmanager
def _sorted(table: Table, rows: pa.dataset.Dataset) -> Iterator[pa.RecordBatchReader]:
    """`rows` by the table's key, streamed: ``SELECT * FROM rows ORDER BY "symbol", "session", "ingested_at"``."""
    order = ", ".join(map(quoted, (*table.key, "ingested_at")))
    with database(memory_limit=_SORT_MEMORY) as connection:
        connection.register("rows", rows)
        try:
            batches = connection.sql(f"SELECT * FROM rows ORDER BY {order}").to_arrow_reader(parts_of.ROW_GROUP)  # noqa: S608
            yield batches.cast(table.schema)
        except duckdb.Error as error:
            raise StoreError(f"the parts of {table.name} can't be merged: {one_line(error, LONGEST)}") from error


def _sweep(parts: Parts, table: Table, keep: timedelta) -> int:
    """Delete what was replaced `keep` ago; of parts that replaced one another, the lowest first."""
    files = parts_of.part_files(parts, table.name)
    replaced = parts_of.replaced(parts, table.name, files)
    now = datetime.now(UTC)
    over = set().union(*(names for by, names in replaced.items() if now - files[by].written >= keep))
    left = set(files)
    # A part that replaced others goes after them: were it deleted first and this process killed, they would count
    # again.
    while ready := sorted(name for name in over & left if not replaced.get(name, frozenset()) & left):
        for name in ready:
            parts_of.delete(parts, table.name, name)
        left.difference_update(ready)
    for name, file in parts_of.unfinished(parts, table.name).items():
        if now - file.written >= KEEP:  # a writer takes seconds: this one was killed
            parts_of.delete(parts, table.name, name)
    return len(files) - len(left)
