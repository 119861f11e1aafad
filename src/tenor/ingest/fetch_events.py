"""Fetch dates of events into the lake. A date is known from the moment that its source states, or from the answer.

A calendar of coming dates is compared with the dates that the lake has from it. A new date is added. A date that the
calendar no longer lists was moved or called off, and is withdrawn from this answer on. What was known before is not
changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tenor.calendars import market_of
from tenor.config import SourcesConfig
from tenor.errors import SourceError
from tenor.ingest.services.catalogue import event_sources
from tenor.ingest.services.event_source import EventAnswer, EventSource
from tenor.ingest.services.fields import guarded
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys
from tenor.schema import WITHDRAWN, Bool, Events
from tenor.store import Lake

KIND = "events"
"""The kind of these fetches in the lake's table ``fetches``."""
_BATCH = 64
_AGAIN = pd.Timedelta(days=14)
"""A source is asked again for this much time before the last request."""
_A_QUARTER = pd.Timedelta(days=45)
"""Two events of a company of the same kind that are not further apart are the same event, which was moved."""
_KEY = ["symbol", "session", "kind"]


@dataclass(frozen=True)
class EventsResult:
    """The result of fetching from one source of events.

    Attributes
    ----------
    source
        The name of the source.
    new
        Number of dates that the lake did not have from it, or that it announced again.
    known
        Number of dates that the lake already had.
    withdrawn
        Number of dates that the source no longer lists.
    refused
        Number of rows without a usable date.
    requests
        How many symbols it was asked about; 1 if it is asked once for all.
    failures
        How many of these requests failed.
    errors
        The messages of the failures, each once.
    notes
        What a person should know.
    """

    source: str
    new: int
    known: int
    withdrawn: int
    refused: int
    requests: int
    failures: int
    errors: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether no request was answered."""
        return self.failures >= self.requests

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {**self.__dict__, "errors": list(self.errors), "notes": list(self.notes)}


def fetch_events(
    lake: Lake,
    symbols: Sequence[str],
    config: SourcesConfig,
    *,
    http: Http,
    keys: SourceKeys,
    now: pd.Timestamp | None = None,
) -> list[EventsResult]:
    """Fetch the events of `symbols` into the lake, batch by batch; an interrupted fetch keeps its earlier batches.

    Parameters
    ----------
    lake
        The lake.
    symbols
        Symbols in Yahoo's notation.
    config
        Which sources to ask, and how.
    http
        Sends the requests.
    keys
        Keys of the services.
    now
        UTC; by default the current time after each answer. A date counts as known from then on.

    Raises
    ------
    ConfigError
        `config` names an unknown source.
    StoreError
        The lake can't be read or written. The failures of sources are in the results.
    """
    moment = (lambda: pd.Timestamp.now("UTC")) if now is None else (lambda: now)
    return [_from(source, lake, symbols, config, moment) for source in event_sources(config, http, keys)]


def _from(
    source: EventSource, lake: Lake, symbols: Sequence[str], config: SourcesConfig, moment: Callable[[], pd.Timestamp]
) -> EventsResult:
    served = [symbol for symbol in symbols if source.serves(symbol)]
    requested = (served if source.by_symbol else [""]) if served else []
    starts = _starts(lake, source.name, requested, config)

    def ask(symbol: str) -> EventAnswer | SourceError:
        try:
            return guarded(source.name, lambda: source.events(symbol, since=starts[symbol], now=moment()))
        except SourceError as error:
            return error

    new = known = withdrawn = refused = failures = 0
    errors: list[str] = []
    notes: list[str] = []
    for start in range(0, len(requested), _BATCH):
        batch = requested[start : start + _BATCH]
        with ThreadPoolExecutor(config.parallel, thread_name_prefix="tenor-events") as pool:
            answers = list(pool.map(ask, batch))
        at = moment()  # after the answers: a date must not count as known before its answer arrived
        sound = {s: a for s, a in zip(batch, answers, strict=True) if isinstance(a, EventAnswer)}
        failures += len(batch) - len(sound)
        errors += [str(answer) for answer in answers if isinstance(answer, SourceError)]
        refused += sum(answer.refused for answer in sound.values())
        notes += [answer.note for answer in sound.values() if answer.note]
        if sound:
            counts = _store(lake, source.name, list(sound.values()), list(sound) if source.by_symbol else served, at)
            new, known, withdrawn = new + counts[0], known + counts[1], withdrawn + counts[2]
        _log_fetch(lake, source.name, batch, answers, at)
    return EventsResult(
        source=source.name,
        new=new,
        known=known,
        withdrawn=withdrawn,
        refused=refused,
        requests=len(requested),
        failures=failures,
        errors=tuple(dict.fromkeys(errors)),
        notes=tuple(dict.fromkeys(notes)),
    )


def _store(
    lake: Lake, source: str, answers: Sequence[EventAnswer], about: Sequence[str], at: pd.Timestamp
) -> tuple[int, int, int]:
    """Store the `answers` for the symbols `about`; returns how many dates are new, known and withdrawn."""
    listed = pd.concat([answer.frame for answer in answers], ignore_index=True)
    listed = listed[listed["symbol"].isin(list(about)).to_numpy()]
    listed = listed.assign(known_since=listed["known_since"].fillna(at))
    covers = [answer.covered for answer in answers if answer.covered is not None]
    covered = min(covers) if len(covers) == len(answers) else None
    before = lake.events(symbols=about, source=source)
    if before is None:
        return (lake.append_events(Events(listed), source=source).new if len(listed) else 0), 0, 0
    stored = before.frame.drop_duplicates(_KEY, keep="last")  # the latest row of each date
    both = listed.merge(stored[[*_KEY, WITHDRAWN]], on=_KEY, how="left", indicator="stored")
    there = (both["stored"] == "both").to_numpy()
    again = there & both[WITHDRAWN].notna().to_numpy()
    restored = both.loc[again, [*_KEY, WITHDRAWN]].assign(restored_since=at)
    standing = stored[stored[WITHDRAWN].isna().to_numpy()]
    gone = standing.loc[_no_longer_listed(standing, listed, covered, at), [*_KEY, WITHDRAWN]]
    for changes in (gone.assign(withdrawn_since=at, restored_since=gone[WITHDRAWN]), restored):
        if len(changes):
            lake.append_withdrawals(changes, source=source)
    fresh = both[~there]
    if len(fresh):
        lake.append_events(Events(fresh), source=source)
    return len(fresh) + int(again.sum()), int(there.sum() - again.sum()), len(gone)


def _no_longer_listed(
    standing: pd.DataFrame, listed: pd.DataFrame, covered: pd.Timestamp | None, at: pd.Timestamp
) -> Bool:
    """Which `standing` dates are withdrawn by a calendar that covers the days up to `covered` and now lists `listed`.

    If the calendar lists no date of a symbol, it may lack the symbol today, and nothing is withdrawn. A date of the
    current or the next session disappears from calendars when the results are published, so it is withdrawn only if
    another date within 45 days shows that it was moved.
    """
    gone = np.zeros(len(standing), dtype=bool)
    if covered is None:
        return gone
    days = {str(symbol): frame["session"] for symbol, frame in listed.groupby("symbol")}
    for i, row in enumerate(standing.itertuples(index=False)):
        symbol, session = str(row.symbol), pd.Timestamp(row.session)  # type: ignore[arg-type]
        exchange = market_of(symbol).exchange
        current = exchange.following(exchange.last_closed(at))
        others = days.get(symbol)
        if others is None or session < current or session > covered or (others == session).any():
            continue
        gone[i] = session > exchange.following(current) or bool(((others - session).abs() <= _A_QUARTER).any())
    return gone


def _starts(lake: Lake, source: str, requested: Sequence[str], config: SourcesConfig) -> dict[str, pd.Timestamp]:
    """From when `source` is asked about each symbol: from its last answer, or from the first day in the settings."""
    starts = dict.fromkeys(requested, pd.Timestamp(config.since, tz="UTC"))
    for row in lake.rows("fetches", list(requested)).to_dict("records"):
        if row["kind"] == KIND and row["source"] == source and not row["note"]:
            starts[str(row["symbol"])] = max(starts[str(row["symbol"])], row["asked_at"] - _AGAIN)
    return starts


def _log_fetch(
    lake: Lake, source: str, batch: Sequence[str], answers: Sequence[EventAnswer | SourceError], at: pd.Timestamp
) -> None:
    """Record the requests and their failures: the next fetch begins where the last answer ended."""
    note = pd.Series([str(a) if isinstance(a, SourceError) else "" for a in answers], dtype="str")
    asked_at = pd.Series([at] * len(batch), dtype="datetime64[us, UTC]")
    rows = {"symbol": list(batch), "kind": KIND, "asked_at": asked_at, "source": source, "new": 0, "revised": 0}
    lake.append_rows("fetches", pd.DataFrame({**rows, "note": note}))
