"""Where parts lie: a local folder or an S3 bucket, behind the few operations that the lake needs.

A part is written once, under a name that says when and what, and never changed or deleted. It appears whole or not at
all: a folder gets it by rename, a bucket by the completion of its upload.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet

from tenor.errors import ConfigError, StoreError

_NAME = re.compile(r"(\d{19})-([0-9a-f]{16})\.parquet")


class Parts(Protocol):
    """A place that holds parts.

    Attributes
    ----------
    location : as the user gave it, for messages.
    filesystem, root : where pyarrow finds the tables' folders.
    """

    location: str
    filesystem: Any
    root: str

    def write(self, table: str, name: str, data: bytes) -> None:
        """Store `data` as part `name`, whole or not at all."""


class FolderParts:
    """Parts in a local folder, which is made by the first write."""

    def __init__(self, folder: Path) -> None:
        self.location = str(folder)
        self.filesystem = pyarrow.fs.LocalFileSystem()
        self.root = str(folder.expanduser().resolve())

    def write(self, table: str, name: str, data: bytes) -> None:
        """Store `data` under a temporary name and rename it once it lies on the disk."""
        folder = Path(self.root, table)
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{name}.{secrets.token_hex(4)}.tmp"
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(folder / name)
        finally:
            temporary.unlink(missing_ok=True)
        self._sync(folder)

    @staticmethod
    def _sync(folder: Path) -> None:
        # the rename itself must outlive a power cut
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


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
            retry_strategy=pyarrow.fs.AwsStandardS3RetryStrategy(max_attempts=3),
        )

    def write(self, table: str, name: str, data: bytes) -> None:
        """Upload `data`; the object appears when the upload is complete."""
        with self.filesystem.open_output_stream(f"{self.root}/{table}/{name}") as stream:
            stream.write(data)


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


def names(parts: Parts, table: str) -> list[str]:
    """The parts of `table`, oldest first. Half-written and foreign files are no parts."""
    selector = pyarrow.fs.FileSelector(f"{parts.root}/{table}", allow_not_found=True)
    found = (info.base_name for info in parts.filesystem.get_file_info(selector))
    return sorted(name for name in found if _NAME.fullmatch(name))


def dataset(parts: Parts, table: str, schema: pa.Schema, part_names: list[str]) -> Any:
    """The parts `part_names` as one Arrow dataset; nothing is read yet."""
    paths = [f"{parts.root}/{table}/{name}" for name in part_names]
    return pyarrow.dataset.dataset(paths, schema=schema, format="parquet", filesystem=parts.filesystem)


def write(parts: Parts, table: str, rows: pa.Table, moment_ns: int) -> str:
    """Store `rows` as a new part of `table`, ingested at `moment_ns` (UTC, since 1970); returns its name."""
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(rows, sink, compression="zstd", row_group_size=200_000)
    data = sink.getvalue().to_pybytes()
    name = f"{moment_ns:019d}-{_digest(data)}.parquet"
    parts.write(table, name, data)
    return name


def moment_of(name: str) -> int:
    """When the part `name` was ingested: nanoseconds since 1970, UTC."""
    return int(name[:19])


def check(parts: Parts, table: str, part_names: list[str]) -> None:
    """Raise StoreError for the first part whose content is not what its name says."""
    for name in part_names:
        path = f"{parts.root}/{table}/{name}"
        with parts.filesystem.open_input_stream(path) as stream:
            data = stream.read()
        if _digest(data) != name[20:36]:
            where = f"{parts.location}/{table}/{name}"
            raise StoreError(
                f"the part {where} is damaged ({len(data)} bytes that do not match its name): delete it and import "
                "its source again."
            )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
