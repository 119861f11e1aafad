"""Parts: the Parquet files of the lake, in a local folder or an S3 bucket, with the few operations that it needs.

A part is written once and never changed. Its name has the time of ingestion and a digest of the content. It appears
completely or not at all: in a folder by renaming, in a bucket when its upload is complete. A merged part lists, in its
metadata, the parts that it replaces. From then on these no longer count; they are deleted later
(`tenor.store.compaction`).

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
"""Number of rows in a row group, the unit that a read skips or reads."""
_AT_ONCE = 8  # parts whose checksums are computed side by side: from a bucket each waits for the network
_PIECE = 1 << 20
_ABANDONED = 10.0
"""Seconds after which an unlocked, half-written file counts as left by a process that was killed."""
_sound: set[tuple[Any, ...]] = set()
"""Parts whose checksum this process has verified: place, table, name, size and time of writing."""


@dataclass(frozen=True)
class PartFile:
    """A file in a table's folder.

    Attributes
    ----------
    size
        Size in bytes.
    written
        Time of writing, by the clock of the place.
    """

    size: int
    written: datetime


class Parts(Protocol):
    """A place that holds parts.

    Attributes
    ----------
    location
        The place, as the user wrote it, for messages.
    filesystem, root
        The file system of pyarrow, and the folder of the tables in it.
    """

    location: str
    filesystem: Any
    root: str

    def write(self, table: str, name: str, data: bytes) -> None:
        """Store `data` as part `name`, completely or not at all."""

    def alone(self) -> AbstractContextManager[None]:
        """Wait until no other process is compacting here, and let others wait, if the place supports this."""

    def clean(self) -> None:
        """Delete half-written files of processes that were killed, if the place can recognise them."""


class FolderParts:
    """Parts in a local folder, which is made by the first write."""

    def __init__(self, folder: Path) -> None:
        self.location = str(folder)
        self.filesystem = pyarrow.fs.LocalFileSystem()
        self.root = str(folder.expanduser().resolve())

    def write(self, table: str, name: str, data: bytes) -> None:
        """Store `data` under a temporary name, and rename it when it is on disk."""
        folder = Path(self.root, table)
        # the temporary name shows a later compaction which part was being written, see `unfinished`
        write_whole(folder / name, data, fresh=folder / f".{name}.{secrets.token_hex(4)}.tmp")

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Use a lock on a file of the folder, which the system releases if the process dies."""
        with Path(self.root, ".compacting").open("ab") as file:
            lock(file)
            yield

    def clean(self) -> None:
        """Delete half-written files that no process has locked (see `write_whole`)."""
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
            # a bucket that limits requests may refuse the same request several times in a row
            retry_strategy=pyarrow.fs.AwsStandardS3RetryStrategy(max_attempts=5),
        )

    def write(self, table: str, name: str, data: bytes) -> None:
        """Upload `data`; the object appears when the upload is complete."""
        with self.filesystem.open_output_stream(f"{self.root}/{table}/{name}") as stream:
            stream.write(data)

    def alone(self) -> AbstractContextManager[None]:
        """Do nothing, because buckets have no such locks: two compactions at once do the work twice, without harm."""
        return contextlib.nullcontext()

    def clean(self) -> None:
        """Do nothing, because an incomplete upload is not an object."""


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
    """All parts of `table`, oldest first, including replaced ones. Half-written and foreign files are left out."""
    return {name: file for name, file in _files(parts, table).items() if PART.fullmatch(name)}


def unfinished(parts: Parts, table: str) -> dict[str, PartFile]:
    """Half-written files, of writers that are working or were killed."""
    return {name: file for name, file in _files(parts, table).items() if _UNFINISHED.fullmatch(name)}


def names(parts: Parts, table: str) -> list[str]:
    """The parts of `table` that count, oldest first."""
    return list(current_files(parts, table))


def current_files(parts: Parts, table: str) -> dict[str, PartFile]:
    """As `names`, with their sizes and times."""
    there = part_files(parts, table)
    return {name: there[name] for name in current(there, replaced(parts, table, there))}


def current(part_names: Iterable[str], replacing: Mapping[str, Iterable[str]]) -> list[str]:
    """The `part_names` that none of `replacing` (see `replaced`) replaces."""
    over = set().union(*replacing.values())
    return [name for name in part_names if name not in over]


def replaced(parts: Parts, table: str, there: Mapping[str, PartFile]) -> dict[str, frozenset[str]]:
    """For each merged part, which of the parts `there` it replaces. Only parts that may replace one are opened."""
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
        # It was replaced and deleted after it was listed. The part that replaced it names the same parts; this one is
        # gone and must not be read.
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
    """A filter of a dataset for rows ingested by `moment_ns`, since a merged part has rows of many moments."""
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
    """The part with the rows of the parts `old`, which replaces the parts `replaces`.

    Parameters
    ----------
    batches
        The rows, sorted.
    old
        Names of the parts from which they come.
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
    """When the part `name` (or the last row of a merged one) was ingested, in nanoseconds since 1970, UTC."""
    return int(name[:19])


def first_of(name: str) -> int:
    """When the first row of the part `name` was ingested, in nanoseconds since 1970, UTC."""
    return int(name[37:56] if len(name) > 56 else name[:19])


def verify(parts: Parts, table: str, part_names: Iterable[str]) -> None:
    """Raise StoreError for the first part whose content does not match the digest in its name."""
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
    """What is wrong with a part, and what to do; empty if its content matches the digest in its name.

    With `schema`, a part with other columns is also wrong.
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
    # not `content_key`, because digests are in the names of parts, which must stay readable for years
    return hashlib.sha256(data).hexdigest()[:DIGITS]
