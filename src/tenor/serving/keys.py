"""API keys, each shown only once; their SHA-256 is stored in ``keys.json`` beside the forecasts.

A key has 256 random bits, so it can't be found from its hash by search. A slow hash is not needed; it would only let
many wrong keys keep the server busy.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tenor.errors import MissingObject, StoreError, UsageError
from tenor.storage.files import read_json
from tenor.storage.object_store import ObjectStore, change

KEYS = "keys.json"
_FORM = re.compile(r"tenor_([0-9a-f]{8})_([0-9a-f]{64})")
_NO_DIGEST = "0" * 64


@dataclass(frozen=True)
class ApiKey:
    """A key that may be used.

    Attributes
    ----------
    name
        Name of the holder.
    id
        The public part of the key.
    sha256
        The hash (hex) of the whole key.
    made
        Unix time.
    """

    name: str
    id: str
    sha256: str
    made: float


class ApiKeys:
    """The keys stored under `objects`."""

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects
        self._known: dict[str, ApiKey] = {}

    def make(self, name: str) -> str:
        """A new key for `name`, to be shown once.

        Raises
        ------
        UsageError
            The name has a key already, or is not 1 to 40 letters, digits, dots, dashes and underscores.
        """
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,40}", name):
            raise UsageError(f"key name {name!r}: take 1 to 40 letters, digits, dots, dashes or underscores.")
        public = secrets.token_hex(4)
        text = f"tenor_{public}_{secrets.token_hex(32)}"
        key = ApiKey(name, public, hashlib.sha256(text.encode()).hexdigest(), time.time())

        def with_key(keys: dict[str, ApiKey]) -> dict[str, ApiKey]:
            if any(other.name == name for other in keys.values()):
                raise UsageError(f"there is a key for {name!r} already: revoke it first, or take another name.")
            return {**keys, public: key}

        self._change(with_key)
        return text

    def revoke(self, name: str) -> None:
        """Make the key of `name` invalid; raises UsageError if there is none."""

        def without_key(keys: dict[str, ApiKey]) -> dict[str, ApiKey]:
            remaining = {public: key for public, key in keys.items() if key.name != name}
            if len(remaining) == len(keys):
                raise UsageError(f"there is no key for {name!r}.")
            return remaining

        self._change(without_key)

    def all(self) -> tuple[ApiKey, ...]:
        """All valid keys, oldest first."""
        self.poll()
        return tuple(sorted(self._known.values(), key=lambda key: key.made))

    def poll(self) -> None:
        """Read the keys again.

        Raises
        ------
        StoreError
            The keys can't be read; those known before stay valid.
        """
        try:
            data = self.objects.get(KEYS).data
        except MissingObject:
            data = None
        self._known = _read_keys(data)

    def holder(self, presented: str) -> str | None:
        """The name of the holder of the key `presented`, or None; takes as long for a wrong key as for a right one."""
        form = _FORM.fullmatch(presented)
        known = self._known.get(form[1]) if form else None
        digest = hashlib.sha256(presented.encode("utf-8", "replace")).hexdigest()
        same = hmac.compare_digest(digest, known.sha256 if known else _NO_DIGEST)
        return known.name if known and same else None

    def _change(self, update: Callable[[dict[str, ApiKey]], dict[str, ApiKey]]) -> None:
        def new_data(data: bytes | None) -> bytes:
            keys = update(_read_keys(data))
            return json.dumps({"keys": [vars(key) for key in keys.values()]}, indent=1).encode()

        self._known = _read_keys(change(self.objects, KEYS, new_data))


def _read_keys(data: bytes | None) -> dict[str, ApiKey]:
    """The keys in the text of ``keys.json``, by their public parts; raises StoreError for a damaged one."""
    if data is None:
        return {}
    try:
        keys: list[Mapping[str, object]] = read_json(data)["keys"]
        return {str(key["id"]): ApiKey(**key) for key in keys}  # type: ignore[arg-type]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{KEYS} is damaged ({error}): delete it and make new keys with 'tenor keys make'.") from error
