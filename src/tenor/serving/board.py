"""The board: what a refresh publishes and requests read, as JSON objects in a folder or a bucket.

``symbols/<symbol>-<digest>-<random>.json`` holds all that is known of a symbol and never changes; ``index.json`` names
the ones that count, and is replaced by compare-and-swap. A refresh that is killed leaves the old index, whole, and its
unfinished objects unread; two at once both end up in the index. Reading needs the standard library alone.
"""

from __future__ import annotations

import hashlib
import json
import random
import secrets
import time
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tenor.errors import StoreError
from tenor.objects import Conflict, MissingObject, Objects, open_objects

FORMAT = 1
INDEX = "index.json"
KEPT = 900.0
"""Seconds that a replaced object stays, for readers that still hold the index before."""
TRIES = 60


@dataclass(frozen=True)
class Entry:
    """A symbol in the index.

    Attributes
    ----------
    key, digest : where its document lies, and the SHA-256 (hex) of its bytes.
    as_of, session : of its forecasts. `behind` : sessions that had closed since, when it was published.
    brief : horizon -> ``expected_return, p_up, price, lower, upper, last_price, target_session``.
    """

    key: str
    digest: str
    as_of: str
    session: str
    behind: int
    published_at: float
    model_version: str
    brief: Mapping[str, Mapping[str, Any]]

    @property
    def rank(self) -> tuple[str, float]:
        """Of two entries of a symbol, the one of higher rank counts: seen more, then made later."""
        return self.as_of, self.published_at


@dataclass(frozen=True)
class Index:
    """What the board holds.

    Attributes
    ----------
    head : what goes for all symbols: ``model_version, horizons, calendar, card, versions, track, closes`` (Unix times
        of the next sessions' closes), ``published_at`` (Unix time), ``notes`` (what the refresh could not do).
    entries : by symbol. `etag` : of the object it was read from; None for a board that is not there yet.
    retired : key -> Unix time since when it is not named any more.
    """

    head: Mapping[str, Any]
    entries: Mapping[str, Entry]
    retired: Mapping[str, float]
    etag: str | None = None

    @property
    def as_of(self) -> str:
        """The latest moment that any forecast saw; empty without forecasts."""
        return max((entry.as_of for entry in self.entries.values()), default="")


EMPTY = Index({}, {}, {})


class Board:
    """What is published under `objects`."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def index(self) -> Index | None:
        """The index, or None where nothing was published yet.

        Raises
        ------
        StoreError : it can't be read, or is damaged.
        """
        try:
            found = self.objects.get(INDEX)
        except MissingObject:
            return None
        return _read_index(found.data, found.etag)

    def read(self, entry: Entry) -> bytes:
        """All that is known of a symbol, as JSON.

        Raises
        ------
        StoreError : it is gone, can't be read, or a byte of it was changed; the message names the object.
        """
        data = self.objects.get(entry.key).data
        if hashlib.sha256(data).hexdigest() != entry.digest:
            raise StoreError(f"board: {entry.key} was changed since it was published: run 'tenor refresh'.")
        return data

    def publish(self, documents: Iterable[Mapping[str, Any]], head: Mapping[str, Any]) -> Index:
        """Put `documents` on the board, beside and in place of what is there, and return the index that stands then.

        Parameters
        ----------
        documents : one a symbol, JSON mappings; ``symbol, as_of, session, behind, model_version, forecasts`` go into
            the index as well.
        head : see `Index.head`; the one published last counts.

        Raises
        ------
        StoreError : the place can't be written, or others keep changing the index.
        """
        now = float(head["published_at"])
        entries = {str(document["symbol"]): self._put(document, now) for document in documents}
        for attempt in range(TRIES):
            index, etag = self._current()
            merged = _merge(index, entries, head, time.time())
            gone = [key for key, since in merged.retired.items() if time.time() - since > KEPT]
            kept = {key: since for key, since in merged.retired.items() if key not in gone}
            merged = Index(merged.head, merged.entries, kept)
            try:
                data = _write_index(merged)
                etag = self.objects.put(INDEX, data, if_match=etag, if_absent=etag is None)
            except Conflict:
                time.sleep(random.uniform(0, min(1.0, 0.02 * 2**attempt)))  # noqa: S311 - spreads retries, no secret
                continue
            for key in gone:
                self.objects.delete(key)
            return Index(merged.head, merged.entries, kept, etag)
        raise StoreError(f"board: {INDEX} changed {TRIES} times under our hands: stop some of the refreshes.")

    def _current(self) -> tuple[Index, str | None]:
        """The index to build on and its etag; a damaged one is built anew."""
        try:
            found = self.objects.get(INDEX)
        except MissingObject:
            return EMPTY, None
        try:
            return _read_index(found.data, found.etag), found.etag
        except StoreError:
            return EMPTY, found.etag

    def _put(self, document: Mapping[str, Any], now: float) -> Entry:
        data = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
        digest = hashlib.sha256(data).hexdigest()
        symbol = _spelt(str(document["symbol"]))
        # a key of its own even for the same bytes: nobody's clean-up can take away what another just published
        key = f"symbols/{symbol}-{digest[:16]}-{secrets.token_hex(4)}.json"
        self.objects.put(key, data)
        wanted = ("expected_return", "p_up", "price", "lower", "upper", "last_price", "target_session")
        return Entry(
            key=key,
            digest=digest,
            as_of=str(document["as_of"]),
            session=str(document["session"]),
            behind=int(document["behind"]),
            published_at=now,
            model_version=str(document["model_version"]),
            brief={str(said["horizon"]): {name: said[name] for name in wanted} for said in document["forecasts"]},
        )


def board_of(store: str) -> Board:
    """The board of `store`, a lake's folder or ``s3://bucket/prefix``: in ``serving`` under it."""
    return Board(open_objects(f"{store.rstrip('/')}/serving"))


def _spelt(symbol: str) -> str:
    """`symbol` in the letters that a key may have."""
    spelt = urllib.parse.quote(symbol, safe="").replace("%", "=").replace("~", "=7E")
    return (spelt.replace(".", "=2E", 1) if spelt.startswith(".") else spelt)[:120]


def _merge(index: Index, fresh: Mapping[str, Entry], head: Mapping[str, Any], now: float) -> Index:
    entries, retired = dict(index.entries), dict(index.retired)
    for symbol, entry in fresh.items():
        before = entries.get(symbol)
        if before is None:
            entries[symbol] = entry
            continue
        entries[symbol], loser = (entry, before) if entry.rank >= before.rank else (before, entry)
        retired.setdefault(loser.key, now)
    newer = float(head["published_at"]) >= float(index.head.get("published_at", 0))
    return Index(head if newer else index.head, entries, retired)


def _write_index(index: Index) -> bytes:
    plain = {
        "format": FORMAT,
        "head": dict(index.head),
        "entries": {symbol: vars(entry) for symbol, entry in sorted(index.entries.items())},
        "retired": dict(index.retired),
    }
    return json.dumps(plain, allow_nan=False, separators=(",", ":")).encode()


def _read_index(data: bytes, etag: str) -> Index:
    try:
        plain = json.loads(data)
        if plain["format"] != FORMAT:
            raise StoreError(f"board: {INDEX} has format {plain['format']!r}, this tenor reads {FORMAT}: refresh it.")
        entries = {symbol: Entry(**entry) for symbol, entry in plain["entries"].items()}
        return Index(plain["head"], entries, plain["retired"], etag)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"board: {INDEX} is damaged ({error}): run 'tenor refresh' to write it again.") from error
