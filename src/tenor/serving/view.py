"""The board as a server sees it: the last good state in memory, whatever becomes of the place it came from."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tenor.errors import StoreError, TenorError, UnknownSymbolError, one_line
from tenor.serving.published import PublishedForecasts, SymbolEntry, Index
from tenor.serving.schemas import Staleness
from tenor.serving.staleness import staleness

READERS = 8


@dataclass(frozen=True)
class Snapshot:
    """One state of the board, whole: every entry of `index` has its document, as the bytes that were published."""

    index: Index
    documents: Mapping[str, bytes]

    def entry(self, symbol: str) -> SymbolEntry:
        """The entry of `symbol`; raises UnknownSymbolError with a suggestion."""
        entry = self.index.entries.get(symbol)
        if entry is None:
            raise UnknownSymbolError(symbol[:40], self.index.entries)
        return entry


class View:
    """What of `board` is served.

    Parameters
    ----------
    preload
        Read every document at once, so that all of them can be served when the board's place goes away; without it a
        document is read when it is first asked for.
    last
        A state from an earlier run, served until the board is read.
    keep
        Takes each new state.
    clock
        Gives the Unix time.
    """

    def __init__(
        self,
        published: PublishedForecasts,
        *,
        preload: bool = True,
        last: Snapshot | None = None,
        keep: Callable[[Snapshot], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.published = published
        self.clock = clock
        self._keep = keep
        self._preload = preload
        self._snapshot: Snapshot | None = last
        self._problems: dict[str, str] = {"board": "the board was not read yet"} if last else {}
        self._lock = threading.Lock()
        self._polling = threading.Lock()
        self.last_good = 0.0

    @property
    def snapshot(self) -> Snapshot:
        """The last good state.

        Raises
        ------
        StoreError
            There was none yet; the message says why.
        """
        if self._snapshot is None:
            reasons = "; ".join(self.problems) or "nothing was published yet: run 'tenor refresh'"
            raise StoreError(f"there are no forecasts to serve: {reasons.rstrip('.')}.")
        return self._snapshot

    @property
    def ready(self) -> bool:
        """Whether there is anything to serve."""
        return self._snapshot is not None and bool(self._snapshot.index.entries)

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps the view from being what the board now holds."""
        with self._lock:
            return tuple(self._problems.values())

    def note(self, name: str, problem: str | None) -> None:
        """Remember a problem under `name`, or that it is over."""
        with self._lock:
            if problem is None:
                self._problems.pop(name, None)
            else:
                self._problems[name] = problem

    def staleness(self, entry: SymbolEntry | None = None) -> Staleness:
        """How stale `entry` is, or the whole board."""
        return staleness(self.snapshot.index, entry, self.clock(), self.problems)

    def document(self, symbol: str) -> dict[str, Any]:
        """All that is known of `symbol`.

        Raises
        ------
        UnknownSymbolError
            The board has no such symbol.
        StoreError
            Its document can't be read.
        """
        snapshot = self.snapshot
        entry = snapshot.entry(symbol)
        data = snapshot.documents.get(symbol)
        if data is None:
            data = self.published.read(entry)
            snapshot = Snapshot(snapshot.index, {**snapshot.documents, symbol: data})
            if self._snapshot is not None and self._snapshot.index is snapshot.index:
                self._snapshot = snapshot
        document: dict[str, Any] = json.loads(data)
        return document

    def poll(self, *, wait: bool = False) -> tuple[str, ...]:
        """Read what changed on the board; the symbols whose documents are new. Never raises: see `problems`.

        Parameters
        ----------
        wait
            For another's look that is under way; without it that one's is taken for this one's.
        """
        if not self._polling.acquire(blocking=wait):
            return ()  # the poll before still waits for an answer
        try:
            return self._read()
        except (TenorError, OSError) as error:
            self.note("board", f"the board can't be read: {one_line(error, 200)}")
            return ()
        finally:
            self._polling.release()

    def _read(self) -> tuple[str, ...]:
        index = self.published.index()
        if index is None:
            known = "the board is gone: its index is not there any more" if self._snapshot else None
            self.note("board", known or "nothing was published yet: run 'tenor refresh'")
            return ()
        self.last_good = self.clock()
        before = self._snapshot
        if before is not None and before.index.etag == index.etag and not self._problems.keys() & {"documents"}:
            self.note("board", None)
            return ()
        held = dict(before.documents) if before else {}
        changed = [
            symbol
            for symbol, entry in index.entries.items()
            if before is None or symbol not in held or before.index.entries[symbol].digest != entry.digest
        ]
        documents = {symbol: held[symbol] for symbol in index.entries if symbol in held and symbol not in changed}
        entries, damaged = dict(index.entries), []
        if self._preload:
            with ThreadPoolExecutor(READERS) as pool:
                for symbol, data in zip(changed, pool.map(self._fetch, [entries[s] for s in changed]), strict=True):
                    if data is not None:
                        documents[symbol] = data
                        continue
                    damaged.append(symbol)
                    entries.pop(symbol)
                    if before is not None and symbol in held:  # the last good one goes on being served
                        entries[symbol], documents[symbol] = before.index.entries[symbol], held[symbol]
        self._snapshot = Snapshot(Index(index.head, entries, index.retired, index.etag), documents)
        if self._keep is not None and entries:
            self._keep(self._snapshot)
        self.note("board", None)
        told = f"{len(damaged)} documents can't be read ({', '.join(damaged[:3])})" if damaged else None
        self.note("documents", told)
        return tuple(symbol for symbol in changed if symbol not in damaged)

    def _fetch(self, entry: SymbolEntry) -> bytes | None:
        try:
            return self.published.read(entry)
        except (TenorError, OSError):
            return None
