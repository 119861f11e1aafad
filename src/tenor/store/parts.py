"""Where parts lie: a local folder or an S3 bucket, behind the few operations that the lake needs.

A part is written once, under a name that says when and what, and never changed. It appears whole or not at all: in a
folder by rename, in a bucket by the completion of its upload. A merged part lists, in its metadata, the parts that it
replaces; as soon as it is there these no longer count, and later they are deleted (`tenor.store.compaction`).

A part ingested at 1 700 000 000 s, and the part that two were merged into::

    1700000000000000000-0f3a5c77d2e41b96.parquet                         moment of ingestion - digest of the content
    1700000100000000000-9b1d4e60aa72c3f5-1700000000000000000.parquet     last moment - digest - first moment
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet

from tenor.errors import ConfigError, StoreError
from tenor.storage.files import write_whole
from tenor.storage.locks import lock
from tenor.storage.part_names import DIGITS, PART, digest_in

_UNFINISHED = re.compile(rf"\.{PART.pattern}\.[0-9a-f]{{8}}\.tmp")
_REPLACES = b"tenor.replaces"
ROW_GROUP = 200_000
"""Rows in a row group: what a read skips or takes as a whole."""
_AT_ONCE = 8  # parts whose checksums are computed side by side: from a bucket each waits for the network
_PIECE = 1 << 20
_ABANDONED = 10.0
"""Seconds after which a half-written file that nobody holds a lock on was left by a process that was killed."""
_sound: set[tuple[Any, ...]] = set()
"""The parts whose checksum this process has seen match: place, table, name, size and time of writing."""


@dataclass(frozen=True)
class PartFile:
    """A file in a table's folder.

    Attributes
    ----------
    size
        In bytes.
    written
        When it was, by the clock of the place.
    """

    size: int
    written: datetime


class Parts(Protocol):
    """A place that holds parts.

    Attributes
    ----------
    location
        As the user gave it, for messages.
    filesystem, root
        Where pyarrow finds the tables' folders.
    """

    location: str
    filesystem: Any
    root: str

    def write(self, table: str, name: str, data: bytes) -> None:
        """Store `data` as part `name`, whole or not at all."""

    def alone(self) -> AbstractContextManager[None]:
        """Wait until no other process compacts here, and keep others waiting, as far as the place can."""

    def clean(self) -> None:
        """Delete the half-written files of processes that were killed, as far as the place can tell."""


class FolderParts:
    """Parts in a local folder, which is made by the first write."""

    def __init__(self, folder: Path) -> None:
        self.location = str(folder)
        self.filesystem = pyarrow.fs.LocalFileSystem()
        self.root = str(folder.expanduser().resolve())

    def write(self, table: str, name: str, data: bytes) -> None:
        """Store `data` under a temporary name and rename it once it lies on the disk."""
        folder = Path(self.root, table)
        # the temporary name tells a later compaction which part was being written, see `unfinished`
        write_whole(folder / name, data, fresh=folder / f".{name}.{secrets.token_hex(4)}.tmp")

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """By a lock on a file of the folder, which the system takes back from a process that dies."""
        with Path(self.root, ".compacting").open("ab") as file:
            lock(file)
            yield

    def clean(self) -> None:
        """Delete those that no process holds its lock on (see `write_whole`): the lock dies with its process."""
        for path in Path(self.root).glob("*/.*.tmp"):
            # what can't be deleted now is left to the next writer
            with contextlib.suppress(OSError):
                if _UNFINISHED.fullmatch(path.name) and time.time() - path.stat().st_mtime >= _ABANDONED:
                    with path.open("r+b") as file:
                        lock(file, wait=False)
                        if os.name != "nt":
                            path.unlink()
                    if os.name == "nt":  # an open file can't be deleted there
                        path.unlink()


class BucketParts:
    """Parts in an S3 bucket; keys, region and endpoint come from the usual ``AWS_*`` variables."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.root = location.removeprefix("s3://").strip("/")
        if not self.root:
            raise ConfigError(f"lake {location!r} names no bucket: write s3://BUCKET/PREFIX.")
        self.filesystem = pyarrow.fs.S3FileSystem(
            endpoint_override=os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"),
            region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
            connect_timeout=10,
            request_timeout=60,
            # a bucket that asks for fewer requests refuses many a one several times in a row
            retry_strategy=pyarrow.fs.AwsStandardS3RetryStrategy(max_attempts=5),
        )

    def write(self, table: str, name: str, data: bytes) -> None:
        """Upload `data`; the object appears when the upload is complete."""
        with self.filesystem.open_output_stream(f"{self.root}/{table}/{name}") as stream:
            stream.write(data)

    def alone(self) -> AbstractContextManager[None]:
        """A bucket has no lock that a dying process gives back: two at once do the work twice, and harm nothing."""
        return contextlib.nullcontext()

    def clean(self) -> None:
        """Nothing: an upload that was not completed is no object."""


def open_parts(location: str | Path) -> Parts:
    """The place `location`: a folder, or ``s3://bucket/prefix``."""
    text = str(location)
    if text.startswith("s3://"):
        return BucketParts(text)
    if "://" in text:
        raise ConfigError(f"lake {text!r}: only a folder or s3://BUCKET/PREFIX can hold a lake.")
    if Path(location).is_file():
        raise StoreError(f"the lake {text} is a file: name a folder (it may not exist yet).")
    return FolderParts(Path(location))


def part_files(parts: Parts, table: str) -> dict[str, PartFile]:
    """All parts of `table`, oldest first, replaced ones too. Half-written and foreign files are no parts."""
    return {name: file for name, file in _files(parts, table).items() if PART.fullmatch(name)}


def unfinished(parts: Parts, table: str) -> dict[str, PartFile]:
    """Half-written files: of writers at work, or killed."""
    return {name: file for name, file in _files(parts, table).items() if _UNFINISHED.fullmatch(name)}


def names(parts: Parts, table: str) -> list[str]:
    """The parts of `table` that count, oldest first."""
    return list(current_files(parts, table))


def current_files(parts: Parts, table: str) -> dict[str, PartFile]:
    """As `names`, with their sizes and times."""
    there = part_files(parts, table)
    return {name: there[name] for name in current(there, replaced(parts, table, there))}


def current(part_names: Iterable[str], replacing: Mapping[str, Iterable[str]]) -> list[str]:
    """Those of `part_names` that none of `replacing` (see `replaced`) replaces."""
    over = set().union(*replacing.values())
    return [name for name in part_names if name not in over]


def replaced(parts: Parts, table: str, there: Mapping[str, PartFile]) -> dict[str, frozenset[str]]:
    """By merged part: which of the parts `there` it replaces. Only what may replace one of them is opened."""
    by_part: dict[str, frozenset[str]] = {}
    for name in sorted(there):
        if not PART.fullmatch(name)[3]:  # type: ignore[index]  # all are names of parts
            continue  # not merged
        # A merged part replaces only parts whose moments lie within its own, and its name has both ends. So most merged
        # parts, whose sources were deleted long ago, need not be opened: in a bucket each costs a request.
        low, high = first_of(name), moment_of(name)
        if any(low <= first_of(other) and moment_of(other) <= high for other in there if other != name):
            by_part[name] = frozenset(there) & _replaces(parts, table, name, there[name])
    return by_part


def _files(parts: Parts, table: str) -> dict[str, PartFile]:
    selector = pyarrow.fs.FileSelector(f"{parts.root}/{table}", allow_not_found=True)
    infos = sorted(parts.filesystem.get_file_info(selector), key=lambda info: info.base_name)
    return {info.base_name: PartFile(info.size or 0, info.mtime) for info in infos if info.is_file}


def _replaces(parts: Parts, table: str, name: str, file_info: PartFile) -> frozenset[str]:
    try:
        verify_once(parts, table, {name: file_info})  # a damaged list would hide sound parts
        with parts.filesystem.open_input_file(f"{parts.root}/{table}/{name}") as file:
            metadata = pyarrow.parquet.read_metadata(file).metadata or {}
    except FileNotFoundError:
        # Itself replaced, and deleted since it was listed. What replaced it names the same parts; this one is gone, and
        # must not be read.
        return frozenset([name])
    except (OSError, pa.ArrowException):
        verify(parts, table, [name])  # a damaged part is named as such
        raise
    return frozenset(metadata.get(_REPLACES, b"").decode().split())


def dataset(parts: Parts, table: str, schema: pa.Schema, part_names: Iterable[str]) -> Any:
    """The parts `part_names` as one Arrow dataset; nothing is read yet."""
    paths = [f"{parts.root}/{table}/{name}" for name in part_names]
    return pyarrow.dataset.dataset(paths, schema=schema, format="parquet", filesystem=parts.filesystem)


def ingested_by(moment_ns: int) -> Any:
    """The filter of a dataset for the rows that were there at `moment_ns`: a merged part has rows of many moments."""
    return pc.field("ingested_at") <= pa.scalar(moment_ns // 1000, pa.timestamp("us", "UTC"))


def write(parts: Parts, table: str, rows: pa.Table, moment_ns: int) -> str:
    """Store `rows` as a new part of `table`, ingested at `moment_ns` (UTC, since 1970); returns its name."""
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(rows, sink, compression="zstd", row_group_size=ROW_GROUP)
    data = sink.getvalue().to_pybytes()
    name = f"{moment_ns:019d}-{_digest(data)}.parquet"
    parts.write(table, name, data)
    return name


def merged(batches: pa.RecordBatchReader, old: Iterable[str], replaces: Iterable[str]) -> tuple[str, bytes, int]:
    """The part that has the rows of the parts `old` and replaces the parts `replaces`.

    Parameters
    ----------
    batches
        The rows, sorted.
    old
        Names of the parts that they come from.
    replaces
        Names of the parts that no longer count.

    Returns
    -------
    tuple
        Its name, its content, and how many rows it has.
    """
    sink = pa.BufferOutputStream()
    count = 0
    with pyarrow.parquet.ParquetWriter(sink, batches.schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch, row_group_size=ROW_GROUP)
            count += batch.num_rows
        writer.add_key_value_metadata({_REPLACES: " ".join(sorted(replaces)).encode()})
    data = sink.getvalue().to_pybytes()
    first = min(map(first_of, old))
    last = max(map(moment_of, old))
    return f"{last:019d}-{_digest(data)}-{first:019d}.parquet", data, count


def delete(parts: Parts, table: str, name: str) -> None:
    """Delete the file `name` of `table`, if it is still there."""
    with contextlib.suppress(FileNotFoundError):
        parts.filesystem.delete_file(f"{parts.root}/{table}/{name}")


def moment_of(name: str) -> int:
    """When the part `name` was ingested, a merged one's last row: nanoseconds since 1970, UTC."""
    return int(name[:19])


def first_of(name: str) -> int:
    """When the first row of the part `name` was ingested: nanoseconds since 1970, UTC."""
    return int(name[37:56] if len(name) > 56 else name[:19])


def verify(parts: Parts, table: str, part_names: Iterable[str]) -> None:
    """Raise StoreError for the first part whose content is not what its name says."""
    for name in part_names:
        try:
            if why := damage(parts, table, name):
                raise StoreError(why)
        except FileNotFoundError:
            raise StoreError(
                f"the part {parts.location}/{table}/{name} went while it was read, merged into another: read again."
            ) from None


def verify_once(parts: Parts, table: str, files: Mapping[str, PartFile]) -> None:
    """As `verify`, for those of `files` that this process has not verified yet.

    Raises
    ------
    FileNotFoundError
        A part is gone.
    """
    keys = {name: (parts.root, parts.location, table, name, file.size, file.written) for name, file in files.items()}
    unseen = [name for name, key in keys.items() if key not in _sound]
    if not unseen:
        return
    with ThreadPoolExecutor(min(len(unseen), _AT_ONCE), thread_name_prefix="tenor-verify") as pool:
        for name, why in zip(unseen, pool.map(lambda name: damage(parts, table, name), unseen), strict=True):
            if why:
                raise StoreError(why)
            _sound.add(keys[name])


def damage(parts: Parts, table: str, name: str, *, schema: pa.Schema | None = None) -> str:
    """What is wrong with a part, and what to do; empty where its content is what its name says.

    With `schema`, what has other columns is wrong as well.
    """
    path, part = f"{parts.root}/{table}/{name}", f"the part {parts.location}/{table}/{name}"
    digest, size = hashlib.sha256(), 0
    with parts.filesystem.open_input_stream(path) as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    remedy = "delete it and import or fetch its source again."
    if digest.hexdigest()[:DIGITS] != digest_in(name):
        return f"{part} is damaged ({size} bytes that do not match its name): {remedy}"
    if schema is not None:
        try:
            with parts.filesystem.open_input_file(path) as file:
                if not pyarrow.parquet.read_schema(file).remove_metadata().equals(schema):
                    return f"{part} has other columns than the table {table}: {remedy}"
        except pa.ArrowException:
            return f"{part} is no Parquet file: {remedy}"
    return ""


def _digest(data: bytes) -> str:
    # no `content_key`: this is in the names of parts, and the parts of a lake are read for years
    return hashlib.sha256(data).hexdigest()[:DIGITS]
