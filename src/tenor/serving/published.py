"""The published forecasts: what a refresh writes and requests read, as JSON objects in a folder or a bucket.

``symbols/<symbol>-<digest>-<random>.json`` is the document of a symbol and never changes; ``index.json`` names the
current ones, and is replaced by compare-and-swap. If a refresh is killed, the old index remains valid, and unfinished
objects are not read. If two refreshes run at the same time, the index has the results of both. Reading needs only the
standard library.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import math
import secrets
import time
import urllib.parse
import zlib
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tenor.errors import MissingObject, StoreError
from tenor.serving.overview import overview_row
from tenor.serving.schemas import PastForecast
from tenor.storage.files import read_json
from tenor.storage.object_store import ObjectStore, StoredObject, change, open_store

FORMAT = 3
READABLE = (2, FORMAT)
"""Formats of the index that can be read; in format 2, entries have no `SymbolEntry.overview`."""
INDEX, PAPER = "index.json", "paper.json"
LARGE = 2**20
"""An index of at least this many bytes is compressed; for 5,000 symbols it has 12 MB, and every reader fetches it."""
_GZIP = b"\x1f\x8b"
RETENTION = 900.0
"""Seconds for which a replaced object is kept, for readers that still use the previous index."""
SKEW = 300.0
"""The largest difference between the clocks of two machines, in seconds."""
HISTORY_COLUMNS = (
    "session", "target_session", "last_price", "mean", "low", "high", "volatility", "baseline", "p_up",
    "realised_price", "made", "model_version",
)  # fmt: skip
"""The columns of past forecasts in a document; storing them by column takes less space.

`mean`, `low`, `high` are log returns from `last_price`, the adjusted close of `session`. `volatility` is the forecast
volatility of one session, and `baseline` the EWMA volatility with which it is compared.
"""

TAILS = "tails"
TAIL_QUANTILES, TAIL_SHORTFALLS = ("0.01", "0.25", "0.5", "0.75", "0.99"), ("0.95", "0.99")
"""A further column of past forecasts: the other quantiles, then the expected shortfalls.

Quantiles are log returns from `last_price`; those at 0.05 and 0.95 are `low` and `high`. The value is None for a
forecast that an older tenor published.
"""

BRIEF = (
    "last_price", "lower", "upper", "volatility", "volatility_rank", "value_at_risk",
    "price", "expected_return", "p_up", "target_session",
)  # fmt: skip
"""The values of a symbol's forecast at a horizon in the index."""

Document = Mapping[str, Any]


@dataclass(frozen=True)
class SymbolEntry:
    """A symbol in the index.

    Attributes
    ----------
    key
        The key of its document.
    digest
        The SHA-256 (hex) of the document's bytes.
    as_of, session
        The moment and the session of its forecasts.
    behind
        Number of sessions that had closed since `session` when it was published.
    published_at
        Time of publication (Unix time).
    model_version
        The model that made its forecasts.
    brief
        From each horizon to the values named in `BRIEF`.
    overview
        Its row of the overview (`tenor.serving.overview.overview_row`), with ``name`` and ``currency``.
    """

    key: str
    digest: str
    as_of: str
    session: str
    behind: int
    published_at: float
    model_version: str
    brief: Mapping[str, Mapping[str, Any]]
    overview: Mapping[str, Any] = field(default_factory=dict)

    def rank(self, now: float) -> tuple[str, float]:
        """A rank for comparing two entries of a symbol; the higher one counts.

        Later information ranks higher, then later publication. An entry published after `now` comes from a wrong clock
        and ranks lower.
        """
        return self.as_of, self.published_at if self.published_at <= now + SKEW else 0.0


@dataclass(frozen=True)
class Index:
    """The index of what is published.

    Attributes
    ----------
    head
        Values that are the same for all symbols: ``model_version, horizons, calendar, card, versions, track, closes``
        (Unix times of the next sessions' closes), ``published_at`` (Unix time), ``notes`` (what the refresh could not
        do), ``sessions`` (of past forecasts, oldest first), ``session_closes`` (their Unix times), ``registry`` (the
        versions there are), ``replay`` (whether the store's data end in the past for good).
    entries
        The entries by symbol.
    retired
        From the key of each document that is no longer current to the Unix time since when.
    etag
        The etag of the stored index; None if this one was not read from the store.
    """

    head: Mapping[str, Any]
    entries: Mapping[str, SymbolEntry]
    retired: Mapping[str, float]
    etag: str | None = None

    @property
    def as_of(self) -> str:
        """The latest moment of information in any forecast; empty without forecasts."""
        return max((entry.as_of for entry in self.entries.values()), default="")

    def only(self, symbols: Container[str]) -> Index:
        """The index with only the entries of `symbols`; it is not stored, so it has no etag."""
        entries = {symbol: entry for symbol, entry in self.entries.items() if symbol in symbols}
        return replace(self, entries=entries, etag=None)


EMPTY = Index({}, {}, {})


class PublishedForecasts:
    """The forecasts published under `objects`."""

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects

    def index(self, known: Index | None = None) -> Index | None:
        """The index, or None if nothing was published yet.

        Parameters
        ----------
        known
            The index that was read last; if it is still current, it is returned and nothing is read.

        Raises
        ------
        StoreError
            The index can't be read or is damaged.
        """
        try:
            if known is None or known.etag is None:
                stored = self.objects.get(INDEX)
            else:
                changed = self.objects.changed(INDEX, known.etag)
                if changed is None:
                    return known
                stored = changed
        except MissingObject:
            return None
        return _read_index(stored.data, stored.etag)

    def paper(self, known: StoredObject | None = None) -> StoredObject | None:
        """The account of paper trading that `set_paper` wrote, or None; `known` itself if it has not changed."""
        try:
            if known is None:
                return self.objects.get(PAPER)
            return self.objects.changed(PAPER, known.etag) or known
        except MissingObject:
            return None

    def set_paper(self, account: Mapping[str, Any]) -> None:
        """Publish an account of paper trading, with the fields of `schemas.PaperAccount`."""
        self.objects.put(PAPER, json.dumps({"account": account}, allow_nan=False, separators=(",", ":")).encode())

    def read(self, entry: SymbolEntry) -> bytes:
        """The document of a symbol, as JSON.

        Raises
        ------
        StoreError
            It is missing, can't be read, or was changed since it was published; the message names the object.
        """
        data = self.objects.get(entry.key).data
        if hashlib.sha256(data).hexdigest() != entry.digest:
            raise StoreError(f"{entry.key} was changed since it was published: run 'tenor refresh'.")
        return data

    def publish(
        self,
        documents: Iterable[Document],
        head: Mapping[str, Any],
        *,
        again: Callable[[str, Document], Document] | None = None,
        built_on: Mapping[str, SymbolEntry] | None = None,
    ) -> Index:
        """Publish `documents`; they replace those of the same symbols, and others are kept.

        Parameters
        ----------
        documents
            One JSON mapping for each symbol; ``symbol, as_of, session, behind, model_version, forecasts`` also go into
            the index.
        head
            See `Index.head`; it replaces the previous one.
        again
            Makes a symbol's document again from a newer document, if another refresh has meanwhile replaced the one in
            `built_on`, so that nothing is lost.
        built_on
            The entries of the documents from which `documents` were made.

        Returns
        -------
        Index
            The index that was written.

        Raises
        ------
        StoreError
            The place can't be written, or others keep changing the index.
        """
        published_at = float(head["published_at"])
        entries = {str(document["symbol"]): self._put(document, published_at) for document in documents}
        built_on_keys = {symbol: entry.key for symbol, entry in (built_on or {}).items()}

        def updated(index: Index) -> Index:
            if again is not None:
                for symbol, entry in entries.items():
                    current, now = index.entries.get(symbol), time.time()
                    if current is None or current.key == built_on_keys.get(symbol):
                        continue  # nobody published this symbol meanwhile
                    if current.rank(now) > entry.rank(now):
                        continue  # the other one is newer and is kept
                    built_on_keys[symbol] = current.key
                    with contextlib.suppress(StoreError):  # a damaged document can't be used
                        entries[symbol] = self._put(again(symbol, read_json(self.read(current))), published_at)
            return _merge(index, entries, head, time.time())

        return self._change(updated)

    def set_index(self, index: Index) -> None:
        """Replace the index by `index`, whose documents are already stored."""
        self.objects.put(INDEX, _write_index(index))

    def add_note(self, note: str) -> None:
        """Add `note` to the notes of the last refresh; if there are no forecasts, nothing happens.

        Raises
        ------
        StoreError
            The place can't be written.
        """

        def updated(index: Index) -> Index:
            notes = [*dict.fromkeys([*index.head.get("notes", ()), note])]
            return replace(index, head={**index.head, "notes": notes}) if index.entries else index

        self._change(updated)

    def add_to_head(self, values: Mapping[str, Any]) -> None:
        """Set `values` in the head, and keep its other values; if there are no forecasts, nothing happens.

        Raises
        ------
        StoreError
            The place can't be written.
        """

        def updated(index: Index) -> Index:
            return replace(index, head={**index.head, **values}) if index.entries else index

        self._change(updated)

    def _change(self, update: Callable[[Index], Index]) -> Index:
        """Replace the index by what `update` returns, however many others do so at the same time.

        A damaged index counts as empty: the next refresh writes it again.
        """
        written: Index = EMPTY
        expired: list[str] = []

        def new_data(data: bytes | None) -> bytes | None:
            nonlocal written, expired
            index, expired = EMPTY, []  # of this attempt, since earlier ones failed
            if data is not None:
                with contextlib.suppress(StoreError):
                    index = _read_index(data)
            written = update(index)
            if written is index:
                return None
            retired, now = self._retired(written), time.time()
            expired = [key for key, since in retired.items() if now - since > RETENTION]
            written = replace(written, retired={key: since for key, since in retired.items() if key not in expired})
            return _write_index(written)

        change(self.objects, INDEX, new_data)
        for key in expired:  # only now no index names them any more
            self.objects.delete(key)
        return written

    def _retired(self, index: Index) -> dict[str, float]:
        """The documents that `index` does not name: replaced ones, and those of a refresh that was killed."""
        current, now = {entry.key for entry in index.entries.values()}, time.time()
        present = {*index.retired, *self.objects.keys("symbols/")}
        # documents of a running refresh are stored before the index names them, and are kept for `RETENTION` seconds
        return {key: min(index.retired.get(key, now), now) for key in sorted(present - current)}

    def _put(self, document: Mapping[str, Any], now: float) -> SymbolEntry:
        data = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
        digest = hashlib.sha256(data).hexdigest()
        symbol = _key_part(str(document["symbol"]))
        # its own key even for equal bytes, so that no other refresh's clean-up can delete what this one publishes
        key = f"symbols/{symbol}-{digest[:16]}-{secrets.token_hex(4)}.json"
        self.objects.put(key, data)
        return SymbolEntry(
            key=key,
            digest=digest,
            as_of=str(document["as_of"]),
            session=str(document["session"]),
            behind=int(document["behind"]),
            published_at=now,
            model_version=str(document["model_version"]),
            brief={
                str(forecast["horizon"]): {name: forecast[name] for name in BRIEF} for forecast in document["forecasts"]
            },
            overview=_overview(document),
        )


def published_forecasts(store: str) -> PublishedForecasts:
    """The published forecasts of `store` (a folder or ``s3://bucket/prefix``), in ``serving`` under it."""
    return PublishedForecasts(open_store(f"{store.rstrip('/')}/serving"))


def past_forecasts(document: Document, horizon: int, *, last: int | None = None) -> tuple[PastForecast, ...]:
    """The past forecasts at `horizon` in the document of a symbol, oldest first; only the `last` ones, if given."""
    columns = document["history"].get(str(horizon))
    if columns is None:
        return ()
    names = (*HISTORY_COLUMNS, TAILS)
    tails = columns.get(TAILS) or [None] * len(columns["session"])
    rows = list(zip(*(columns[name] for name in HISTORY_COLUMNS), tails, strict=True))
    shown = rows if last is None else rows[max(0, len(rows) - last) :]
    return tuple(_past_forecast(dict(zip(names, row, strict=True))) for row in shown)


def _past_forecast(row: Mapping[str, Any]) -> PastForecast:
    last_price, realised_price = row["last_price"], row["realised_price"]
    realised_return = None if realised_price is None else math.log(realised_price / last_price)
    return PastForecast(
        session=row["session"],
        target_session=row["target_session"],
        last_price=last_price,
        expected_return=row["mean"],
        price=last_price * math.exp(row["mean"]),
        lower=last_price * math.exp(row["low"]),
        upper=last_price * math.exp(row["high"]),
        volatility=row["volatility"],
        baseline_volatility=row["baseline"],
        p_up=row["p_up"],
        made=row["made"],
        model_version=row["model_version"],
        realised_return=realised_return,
        realised_price=realised_price,
        held=None if realised_return is None else row["low"] <= realised_return <= row["high"],
        **_tails(row),
    )


def _tails(row: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """The quantiles, value at risk and expected shortfall of a past forecast; nothing where they were not kept."""
    values = row[TAILS]
    if values is None:
        return {}
    returns = dict(zip(TAIL_QUANTILES, values, strict=False)) | {"0.05": row["low"], "0.95": row["high"]}
    return {
        "quantiles": {level: row["last_price"] * math.exp(returns[level]) for level in sorted(returns)},
        "value_at_risk": {"0.95": -math.expm1(returns["0.05"]), "0.99": -math.expm1(returns["0.01"])},
        "expected_shortfall": dict(zip(TAIL_SHORTFALLS, values[len(TAIL_QUANTILES) :], strict=True)),
    }


def _overview(document: Document) -> dict[str, Any]:
    if "bars" not in document:
        return {}
    row = overview_row(document) or {}
    return {"name": document.get("name", ""), "currency": document.get("currency", ""), **row}


def _key_part(symbol: str) -> str:
    """`symbol` in the characters that a key may have: ``^GSPC`` becomes ``=5EGSPC``."""
    quoted = urllib.parse.quote(symbol, safe="").replace("%", "=").replace("~", "=7E")
    return (quoted.replace(".", "=2E", 1) if quoted.startswith(".") else quoted)[:120]


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
    data = json.dumps(plain, allow_nan=False, separators=(",", ":")).encode()
    return data if len(data) < LARGE else gzip.compress(data, 6, mtime=0)


def _read_index(data: bytes, etag: str | None = None) -> Index:
    try:
        plain = read_json(gzip.decompress(data) if data.startswith(_GZIP) else data)
        if plain["format"] not in READABLE:
            known = " and ".join(map(str, READABLE))
            raise StoreError(f"{INDEX} has format {plain['format']!r}, this tenor reads {known}: run 'tenor refresh'.")
        entries = {symbol: SymbolEntry(**entry) for symbol, entry in plain["entries"].items()}
        return Index(plain["head"], entries, plain["retired"], etag)
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, OSError, zlib.error) as error:
        raise StoreError(f"{INDEX} is damaged ({error}): run 'tenor refresh' to write it again.") from error
