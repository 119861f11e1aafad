"""Small objects by key, in a folder or an S3 bucket, with the same interface: atomic writes and compare-and-swap.

A put is visible completely or not at all. With ``if_match`` it happens only if the object still has that etag (the tag
of its content), with ``if_absent`` only if there is no object. If several do this at the same time, one succeeds and
the others get `Conflict`.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from tenor.errors import ConfigError, Conflict, MissingObject, StoreError, UsageError
from tenor.storage.files import sync_names, write_whole
from tenor.storage.locks import lock

LONGEST_KEY = 512
TRIES = 60
_PART = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]*")


@dataclass(frozen=True)
class StoredObject:
    """An object's bytes, and the etag that identifies exactly these bytes."""

    data: bytes = field(repr=False)
    etag: str


class ObjectStore(Protocol):
    """A place that holds objects.

    Keys have parts separated by ``/``. Each part consists of ASCII letters, digits and ``. _ - =`` and does not begin
    with a dot. No key may continue another one (``a`` and ``a/b``).

    Attributes
    ----------
    location
        The place, as the user wrote it, for messages.

    Raises
    ------
    UsageError
        By every method, if a key is not valid.
    StoreError
        By every method, if the place can't be read or written.
    """

    location: str

    def get(self, key: str) -> StoredObject:
        """The object `key`; raises MissingObject."""

    def digest(self, key: str) -> str:
        """The SHA-256 of the object `key`, which is never held in memory as a whole; raises MissingObject."""

    def changed(self, key: str, etag: str) -> StoredObject | None:
        """As `get`; None where the object still has `etag`, which is found out without reading it, if possible."""

    def put(self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False) -> str:
        """Write `data` under `key` and return its etag; raises Conflict where the condition does not hold."""

    def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted."""

    def delete(self, key: str) -> None:
        """Remove the object `key`, if it is there."""


def open_store(location: str | Path) -> ObjectStore:
    """The objects in `location`: a folder (made by the first put), or ``s3://bucket/prefix``.

    For a bucket, keys, region and endpoint come from the usual ``AWS_*`` variables (or the machine's own role);
    ``AWS_ENDPOINT_URL`` may use http only for this machine and private networks.

    Raises
    ------
    ConfigError
        The location or the endpoint is not valid.
    """
    text = str(location)
    if text.startswith("s3://"):
        return S3Store(text)
    if "://" in text:
        raise ConfigError(f"{text!r}: only a folder or s3://BUCKET/PREFIX can hold objects.")
    return FolderStore(Path(text))


class FolderStore:
    """Objects as files of `folder`. Conditions hold between all processes of the machine, by a lock on the folder."""

    def __init__(self, folder: Path) -> None:
        self.location = str(folder)
        self._root = folder.expanduser().resolve()
        self._seen: dict[str, tuple[tuple[int, int, int], str]] = {}  # by key: state of the file, etag

    def get(self, key: str) -> StoredObject:
        """The object `key`; raises MissingObject."""
        with self._reading(key) as path:
            data = path.read_bytes()
        return StoredObject(data, _etag(data))

    def digest(self, key: str) -> str:
        """The SHA-256 of the object `key`, which is never held in memory as a whole; raises MissingObject."""
        with self._reading(key) as path, path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @contextlib.contextmanager
    def _reading(self, key: str) -> Iterator[Path]:
        try:
            yield self._root / checked(key)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise MissingObject(f"no object {key!r} in {self.location}.") from None
        except OSError as error:
            raise self._failed("read", key, error) from error

    def changed(self, key: str, etag: str) -> StoredObject | None:
        """As `get`; None where the object still has `etag`: its file is read again only when it was written anew."""
        state = self._state(key)  # before reading, so that a write meanwhile is noticed the next time
        if state is not None and self._seen.get(key) == (state, etag):
            return None
        stored = self.get(key)
        if state is not None:
            self._seen[key] = (state, stored.etag)
        return None if stored.etag == etag else stored

    def _state(self, key: str) -> tuple[int, int, int] | None:
        try:
            status = (self._root / checked(key)).stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def put(self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False) -> str:
        """Write `data` under `key` and return its etag; raises Conflict where the condition does not hold."""
        path = self._root / checked(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._alone():
                if if_absent or if_match is not None:
                    self._compare(key, if_match)
                write_whole(path, data, fresh=self._root / ".new")
        except OSError as error:
            raise self._failed("written", key, error) from error
        return _etag(data)

    def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted."""
        start, _, _ = prefix.rpartition("/")
        top = self._root / checked(start) if start else self._root
        keys = []
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if _PART.fullmatch(name)]
            here = Path(folder).relative_to(self._root)
            keys += [(here / name).as_posix() for name in names if _PART.fullmatch(name)]
        return sorted(key for key in keys if key.startswith(prefix))

    def delete(self, key: str) -> None:
        """Remove the object `key`, if it is there."""
        path = self._root / checked(key)
        try:
            if path.parent.is_dir():
                with self._alone():
                    path.unlink(missing_ok=True)
                    sync_names(path.parent)
        except OSError as error:
            raise self._failed("deleted", key, error) from error

    def _compare(self, key: str, if_match: str | None) -> None:
        try:
            etag: str | None = self.get(key).etag
        except MissingObject:
            etag = None
        if etag != if_match:
            raise _conflict(key, self.location)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else writes meanwhile; the lock of a killed process is gone with it."""
        handle = os.open(self._root / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            lock(handle)
            yield
        finally:
            os.close(handle)

    def _failed(self, done: str, key: str, error: OSError) -> StoreError:
        why = error.strerror or type(error).__name__
        return StoreError(
            f"{key!r} in {self.location} can't be {done}: {why}; check the folder, its rights and the disk."
        )


class S3Store:
    """Objects of an S3 bucket. The conditions are S3's own (``If-Match``, ``If-None-Match``)."""

    def __init__(self, location: str) -> None:
        from obstore.store import S3Store as Client  # a registry in a folder needs no S3 client

        self.location = location
        bucket, _, prefix = location.removeprefix("s3://").rstrip("/").partition("/")
        if not bucket:
            raise ConfigError(f"{location!r} names no bucket: write s3://BUCKET/PREFIX.")
        if prefix:
            checked(prefix)
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        config: Any = {"region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"}
        if endpoint:
            config["endpoint"] = endpoint
        self._store = Client(
            bucket,
            prefix=prefix or None,
            config=config,
            client_options={
                "allow_http": _may_be_http(endpoint),
                "connect_timeout": timedelta(seconds=5),
                "timeout": timedelta(seconds=30),
            },
            retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=40)},
        )

    def get(self, key: str) -> StoredObject:
        """The object `key`; raises MissingObject."""
        import obstore

        checked(key)
        with self._errors("read", key):
            result = obstore.get(self._store, key)
            return StoredObject(bytes(result.bytes()), str(result.meta["e_tag"]))

    def digest(self, key: str) -> str:
        """The SHA-256 of the object `key`, which is never held in memory as a whole; raises MissingObject."""
        import obstore

        checked(key)
        digest = hashlib.sha256()
        with self._errors("read", key):
            for piece in obstore.get(self._store, key):
                digest.update(piece)
        return digest.hexdigest()

    def changed(self, key: str, etag: str) -> StoredObject | None:
        """As `get`; None where the object still has `etag`: the bucket then sends no bytes (If-None-Match)."""
        import obstore
        from obstore.exceptions import NotModifiedError

        checked(key)
        with self._errors("read", key):
            try:
                result = obstore.get(self._store, key, options={"if_none_match": etag})
            except NotModifiedError:
                return None
            return StoredObject(bytes(result.bytes()), str(result.meta["e_tag"]))

    def put(self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False) -> str:
        """Write `data` under `key` and return its etag; raises Conflict where the condition does not hold."""
        import obstore

        checked(key)
        mode: Any = "create" if if_absent else "overwrite" if if_match is None else {"e_tag": if_match}
        with self._errors("written", key, conditional=mode != "overwrite"):
            # in one request, because a condition on an upload in parts would only be tested at its end
            result = obstore.put(self._store, key, data, mode=mode, use_multipart=False)
            return str(result["e_tag"])

    def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted."""
        import obstore

        start, _, _ = prefix.rpartition("/")
        if start:
            checked(start)
        with self._errors("listed", prefix):
            keys = [meta["path"] for batch in obstore.list(self._store, start or None) for meta in batch]
        return sorted(key for key in keys if key.startswith(prefix))

    def delete(self, key: str) -> None:
        """Remove the object `key`, if it is there."""
        import obstore

        checked(key)
        with self._errors("deleted", key), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, key)

    @contextlib.contextmanager
    def _errors(self, done: str, key: str, *, conditional: bool = False) -> Iterator[None]:
        from obstore import exceptions

        where = f"{key!r} in {self.location}"
        try:
            yield
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
            raise _conflict(key, self.location) from None
        except FileNotFoundError:
            if conditional:  # AWS answers 404, others 412, if the object to be replaced is gone
                raise _conflict(key, self.location) from None
            if done == "read":
                raise MissingObject(f"no object {where}.") from None
            raise StoreError(f"{where} can't be {done}: there is no such bucket; create it first.") from None
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError):
            raise StoreError(
                f"{where} can't be {done}: access denied; check the AWS_* keys and the rights on the bucket."
            ) from None
        except (exceptions.BaseError, OSError, ValueError) as error:
            # not the error's own text, which can contain signed addresses and what was sent to the server
            raise StoreError(
                f"{where} can't be {done} ({_kind(str(error))}); check the endpoint, the AWS_* keys and the network."
            ) from None


def change(objects: ObjectStore, key: str, make: Callable[[bytes | None], bytes | None]) -> bytes | None:
    """Replace the object `key` by the result of `make`, safely even if others do so at the same time.

    This is compare-and-swap: the object is read, `make` is called, and the result is put only if the object is still
    the one that was read. Otherwise everything is tried again, after a random and growing wait.

    Parameters
    ----------
    objects
        The place of the object.
    key
        The object's key.
    make
        Function from the object's bytes (None if there is no object) to the new bytes (None to change nothing). It may
        be called several times; if it raises, nothing is changed.

    Returns
    -------
    bytes or None
        What `make` returned last.

    Raises
    ------
    Conflict
        Others were faster `TRIES` times in a row.
    """
    for attempt in range(TRIES):
        try:
            current: StoredObject | None = objects.get(key)
        except MissingObject:
            current = None
        data = make(None if current is None else current.data)
        if data is None:
            return None
        try:
            objects.put(key, data, if_match=None if current is None else current.etag, if_absent=current is None)
        except Conflict:
            time.sleep(random.uniform(0, min(1.0, 0.01 * 2**attempt)))  # noqa: S311 - spreads retries, no secret
            continue
        return data
    raise Conflict(f"{key!r} in {objects.location} was changed by others {TRIES} times in a row: try again.")


def checked(key: str) -> str:
    """`key` if it is valid; otherwise raises UsageError."""
    if len(key) > LONGEST_KEY or not all(_PART.fullmatch(part) for part in key.split("/")):
        raise UsageError(
            f"object key {key[:80]!r} can't be: its parts are made of letters, digits and . _ - = and do not begin "
            f"with a dot, {LONGEST_KEY} characters in all."
        )
    return key


def _may_be_http(endpoint: str) -> bool:
    """Whether `endpoint` is plain http, which only this machine and private networks may be spoken to in."""
    parts = urlsplit(endpoint)
    if parts.scheme != "http":
        return False
    host = parts.hostname or ""
    try:
        near = ipaddress.ip_address(host).is_private  # loopback and link-local are private as well
    except ValueError:
        near = "." not in host or host.endswith((".localhost", ".local", ".internal"))
    if not near:
        raise ConfigError(f"the S3 endpoint http://{host} is not encrypted and not local: use https.")
    return True


def _kind(text: str) -> str:
    for sign, kind in (
        ("kind: Timeout", "it did not answer in time"),
        ("kind: Connect", "it can't be reached"),
        ("NoSuchBucket", "there is no such bucket"),
        ("SlowDown", "it is overloaded"),
        ("AccessDenied", "access denied"),
        ("SignatureDoesNotMatch", "access denied"),
        ("InvalidAccessKeyId", "access denied"),
    ):
        if sign in text:
            return kind
    status = re.search(r"\b([45]\d\d) [A-Z]", text)
    return f"it answered {status[1]}" if status else "the request failed"


def _conflict(key: str, location: str) -> Conflict:
    return Conflict(f"{key!r} in {location} was written by somebody else meanwhile: try again.")


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
