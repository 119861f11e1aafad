"""The board: what a refresh publishes and requests read, as JSON objects in a folder or a bucket.

``symbols/<symbol>-<digest>-<random>.json`` holds all that is known of a symbol and never changes; ``index.json`` names
the ones that count, and is replaced by compare-and-swap. A refresh that is killed leaves the old index, whole, and its
unfinished objects unread; two at once both end up in the index. Reading needs the standard library alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import secrets
import time
import urllib.parse
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tenor.errors import Conflict, MissingObject, StoreError
from tenor.storage.object_store import ObjectStore, open_store

FORMAT = 1
INDEX = "index.json"
KEPT = 900.0
"""Seconds that a replaced object stays, for readers that still hold the index before."""
TRIES = 60
SKEW = 300.0
"""Seconds that two machines' clocks may be apart."""

Document = Mapping[str, Any]


@dataclass(frozen=True)
class SymbolEntry:
    """A symbol in the index.

    Attributes
    ----------
    key, digest
        Where its document lies, and the SHA-256 (hex) of its bytes.
    as_of, session
        Of its forecasts.
    behind
        Sessions that had closed since, when it was published.
    brief
        Horizon -> ``expected_return, p_up, price, lower, upper, last_price, target_session``.
    """

    key: str
    digest: str
    as_of: str
    session: str
    behind: int
    published_at: float
    model_version: str
    brief: Mapping[str, Mapping[str, Any]]

    def rank(self, now: float) -> tuple[str, float]:
        """Of two entries of a symbol, the one of higher rank counts: seen more, then made later.

        One that was made in the future, as `now` goes, was made by a clock that is wrong, and gives way.
        """
        return self.as_of, self.published_at if self.published_at <= now + SKEW else 0.0


@dataclass(frozen=True)
class Index:
    """What the board holds.

    Attributes
    ----------
    head
        What goes for all symbols: ``model_version, horizons, calendar, card, versions, track, closes`` (Unix times of
        the next sessions' closes), ``published_at`` (Unix time), ``notes`` (what the refresh could not do).
    entries
        By symbol.
    etag
        Of the object it was read from; None for a board that is not there yet.
    retired
        Key -> Unix time since when it is not named any more.
    """

    head: Mapping[str, Any]
    entries: Mapping[str, SymbolEntry]
    retired: Mapping[str, float]
    etag: str | None = None

    @property
    def as_of(self) -> str:
        """The latest moment that any forecast saw; empty without forecasts."""
        return max((entry.as_of for entry in self.entries.values()), default="")

    def only(self, symbols: Container[str]) -> Index:
        """The same with the entries of `symbols` alone, which is no longer what an object holds."""
        entries = {symbol: entry for symbol, entry in self.entries.items() if symbol in symbols}
        return replace(self, entries=entries, etag=None)


EMPTY = Index({}, {}, {})


class PublishedForecasts:
    """What is published under `objects`."""

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects

    def index(self) -> Index | None:
        """The index, or None where nothing was published yet.

        Raises
        ------
        StoreError
            It can't be read, or is damaged.
        """
        try:
            found = self.objects.get(INDEX)
        except MissingObject:
            return None
        return _read_index(found.data, found.etag)

    def read(self, entry: SymbolEntry) -> bytes:
        """All that is known of a symbol, as JSON.

        Raises
        ------
        StoreError
            It is gone, can't be read, or a byte of it was changed; the message names the object.
        """
        data = self.objects.get(entry.key).data
        if hashlib.sha256(data).hexdigest() != entry.digest:
            raise StoreError(f"board: {entry.key} was changed since it was published: run 'tenor refresh'.")
        return data

    def publish(
        self,
        documents: Iterable[Document],
        head: Mapping[str, Any],
        *,
        again: Callable[[str, Document], Document] | None = None,
        built_on: Mapping[str, SymbolEntry] | None = None,
    ) -> Index:
        """Put `documents` on the board, beside and in place of what is there, and return the index that stands then.

        Parameters
        ----------
        documents
            One a symbol, JSON mappings; ``symbol, as_of, session, behind, model_version, forecasts`` go into the
            index as well.
        head
            See `Index.head`; the one published last counts.
        again
            Makes a symbol's document anew, given the one that it takes the place of, where that is not the one in
            `built_on`: what another refresh published meanwhile is kept.

        Raises
        ------
        StoreError
            The place can't be written, or others keep changing the index.
        """
        published_at = float(head["published_at"])
        entries = {str(document["symbol"]): self._put(document, published_at) for document in documents}
        seen = {symbol: entry.key for symbol, entry in (built_on or {}).items()}

        def change(index: Index) -> Index:
            if again is not None:
                for symbol, entry in entries.items():
                    there, now = index.entries.get(symbol), time.time()
                    if there is None or there.key == seen.get(symbol) or there.rank(now) > entry.rank(now):
                        continue
                    seen[symbol] = there.key
                    with contextlib.suppress(StoreError):  # what is damaged can't be kept
                        entries[symbol] = self._put(again(symbol, json.loads(self.read(there))), published_at)
            return _merge(index, entries, head, time.time())

        return self._change(change)

    def copy(self, index: Index) -> None:
        """Make `index`, of another board whose documents are here already, this board's."""
        self.objects.put(INDEX, _write_index(index))

    def tell(self, note: str) -> None:
        """Add `note` to what the last refresh could not do; nothing happens on a board without forecasts.

        Raises
        ------
        StoreError
            The place can't be written.
        """

        def change(index: Index) -> Index:
            notes = [*dict.fromkeys([*index.head.get("notes", ()), note])]
            return replace(index, head={**index.head, "notes": notes}) if index.entries else index

        self._change(change)

    def _change(self, change: Callable[[Index], Index]) -> Index:
        """Replace the index by what `change` makes of it, however many others do so at the same time."""
        for attempt in range(TRIES):
            index, etag = self._current()
            changed = change(index)
            if changed is index:
                return index
            retired = self._retired(changed)
            gone = [key for key, since in retired.items() if time.time() - since > KEPT]
            kept = {key: since for key, since in retired.items() if key not in gone}
            changed = replace(changed, retired=kept)
            try:
                etag = self.objects.put(INDEX, _write_index(changed), if_match=etag, if_absent=etag is None)
            except Conflict:
                time.sleep(random.uniform(0, min(1.0, 0.02 * 2**attempt)))  # noqa: S311 - spreads retries, no secret
                continue
            for key in gone:
                self.objects.delete(key)
            return replace(changed, etag=etag)
        raise StoreError(f"board: {INDEX} changed {TRIES} times under our hands: stop some of the refreshes.")

    def _retired(self, index: Index) -> dict[str, float]:
        """What `index` does not name (any more): replaced, or left by a refresh that was killed."""
        named, now = {entry.key for entry in index.entries.values()}, time.time()
        lying = {*index.retired, *self.objects.keys("symbols/")}
        # a refresh under way has its documents here before the index names them: they have `KEPT` seconds for that
        return {key: min(index.retired.get(key, now), now) for key in sorted(lying - named)}

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

    def _put(self, document: Mapping[str, Any], now: float) -> SymbolEntry:
        data = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
        digest = hashlib.sha256(data).hexdigest()
        symbol = _spelt(str(document["symbol"]))
        # a key of its own even for the same bytes: nobody's clean-up can take away what another just published
        key = f"symbols/{symbol}-{digest[:16]}-{secrets.token_hex(4)}.json"
        self.objects.put(key, data)
        wanted = ("expected_return", "p_up", "price", "lower", "upper", "last_price", "target_session")
        return SymbolEntry(
            key=key,
            digest=digest,
            as_of=str(document["as_of"]),
            session=str(document["session"]),
            behind=int(document["behind"]),
            published_at=now,
            model_version=str(document["model_version"]),
            brief={str(said["horizon"]): {name: said[name] for name in wanted} for said in document["forecasts"]},
        )


def published_forecasts(store: str) -> PublishedForecasts:
    """The board of `store`, a lake's folder or ``s3://bucket/prefix``: in ``serving`` under it."""
    return PublishedForecasts(open_store(f"{store.rstrip('/')}/serving"))


def _spelt(symbol: str) -> str:
    """`symbol` in the letters that a key may have."""
    spelt = urllib.parse.quote(symbol, safe="").replace("%", "=").replace("~", "=7E")
    return (spelt.replace(".", "=2E", 1) if spelt.startswith(".") else spelt)[:120]


def _merge(index: Index, fresh: Mapping[str, SymbolEntry], head: Mapping[str, Any], now: float) -> Index:
    entries, retired = dict(index.entries), dict(index.retired)
    for symbol, entry in fresh.items():
        before = entries.get(symbol)
        if before is None:
            entries[symbol] = entry
            continue
        entries[symbol], loser = (entry, before) if entry.rank(now) >= before.rank(now) else (before, entry)
        retired.setdefault(loser.key, now)
    last = float(index.head.get("published_at", 0))
    newer = float(head["published_at"]) >= last or last > now + SKEW
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
        entries = {symbol: SymbolEntry(**entry) for symbol, entry in plain["entries"].items()}
        return Index(plain["head"], entries, plain["retired"], etag)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"board: {INDEX} is damaged ({error}): run 'tenor refresh' to write it again.") from error
