"""API keys: made once and shown once; what is kept is their SHA-256, in ``keys.json`` beside the board.

A key holds 256 random bits, so that a plain hash can't be searched; a slow one would only let a flood of wrong keys
keep the server busy.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tenor.errors import Conflict, MissingObject, StoreError, UsageError
from tenor.storage.object_store import ObjectStore

KEYS = "keys.json"
_FORM = re.compile(r"tenor_([0-9a-f]{8})_([0-9a-f]{64})")
_NOBODY = "0" * 64


@dataclass(frozen=True)
class ApiKey:
    """A key that may be used: its name and public part, the hash of the whole, and when it was made (Unix time)."""

    name: str
    id: str
    sha256: str
    made: float


class ApiKeys:
    """The keys kept under `objects`."""

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects
        self._known: dict[str, ApiKey] = {}

    def make(self, name: str) -> str:
        """A new key for `name`, to be shown once.

        Raises
        ------
        UsageError
            The name is taken, or is not 1 to 40 letters, digits, dots, dashes and underscores.
        """
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,40}", name):
            raise UsageError(f"key name {name!r}: take 1 to 40 letters, digits, dots, dashes or underscores.")
        public = secrets.token_hex(4)
        text = f"tenor_{public}_{secrets.token_hex(32)}"
        key = ApiKey(name, public, hashlib.sha256(text.encode()).hexdigest(), time.time())

        def with_it(keys: dict[str, ApiKey]) -> None:
            if any(other.name == name for other in keys.values()):
                raise UsageError(f"there is a key for {name!r} already: revoke it first, or take another name.")
            keys[public] = key

        self._change(with_it)
        return text

    def revoke(self, name: str) -> None:
        """Let the key of `name` open nothing any more; raises UsageError when there is none."""

        def without(keys: dict[str, ApiKey]) -> None:
            found = [public for public, key in keys.items() if key.name == name]
            if not found:
                raise UsageError(f"there is no key for {name!r}.")
            for public in found:
                del keys[public]

        self._change(without)

    def all(self) -> tuple[ApiKey, ...]:
        """The keys there are, oldest first."""
        self.poll()
        return tuple(sorted(self._known.values(), key=lambda key: key.made))

    def poll(self) -> None:
        """Read the keys again; raises StoreError where they can't be read, and keeps those known."""
        self._known = self._read()[0]

    def holder(self, presented: str) -> str | None:
        """The name of the holder of the key `presented`, or None. How long it takes does not tell how near it was."""
        form = _FORM.fullmatch(presented)
        known = self._known.get(form[1]) if form else None
        digest = hashlib.sha256(presented.encode("utf-8", "replace")).hexdigest()
        same = hmac.compare_digest(digest, known.sha256 if known else _NOBODY)
        return known.name if known and same else None

    def _read(self) -> tuple[dict[str, ApiKey], str | None]:
        try:
            found = self.objects.get(KEYS)
        except MissingObject:
            return {}, None
        try:
            keys: list[Mapping[str, object]] = json.loads(found.data)["keys"]
            return {str(key["id"]): ApiKey(**key) for key in keys}, found.etag  # type: ignore[arg-type]
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{KEYS} is damaged ({error}): delete it and make new keys with 'tenor keys make'."
            ) from error

    def _change(self, change: object) -> None:
        assert callable(change)
        for _ in range(20):
            keys, etag = self._read()
            change(keys)
            data = json.dumps({"keys": [vars(key) for key in keys.values()]}, indent=1).encode()
            try:
                self.objects.put(KEYS, data, if_match=etag, if_absent=etag is None)
            except Conflict:
                continue
            self._known = keys
            return
        raise StoreError(f"{KEYS} keeps changing under our hands: try again.")
