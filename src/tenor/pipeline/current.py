"""The forecasts that a person who asks now is shown: saved ones where nothing that they depend on has changed.

What a refresh or a training saves says which parts the lake had, and all else that is shown with a forecast. Where the
lake has these parts still, to the byte, the saved forecasts are the answer, and neither bars are read nor pandas is
imported. In every other case, an error among them, `tenor.pipeline.predict` reads the lake and says what is to be said.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenor.config import SourcesConfig
from tenor.errors import TenorError
from tenor.forecast_table import forecast_row
from tenor.lateness import bars_behind, behind_reason, grace_of, refusal
from tenor.registry import registry_of
from tenor.registry.manifest import WEIGHTS
from tenor.storage.object_store import ObjectStore, open_store
from tenor.storage.part_names import PART, digest_in
from tenor.symbols import known_as

FORMAT = 1
_AT_ONCE = 8  # parts that are read side by side: from a bucket each waits for the network
_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class CurrentForecasts:
    """What a person who asks now is shown.

    Attributes
    ----------
    forecasts
        As `Forecast.to_json` writes them, by symbol as asked for, then by horizon.
    failed
        Symbol -> why it has no forecast, or none that may be shown.
    stale
        Symbol -> why its forecasts are stale.
    notes
        What else is to be known of them.
    made_at
        Unix time.
    trained_until
        The first session that the model was not trained on; None where its card does not say.
    """

    forecasts: list[dict[str, Any]]
    failed: dict[str, str]
    stale: dict[str, str]
    notes: list[str]
    made_at: float
    trained_until: str | None

    def rows(self) -> list[dict[str, Any]]:
        """The forecasts as rows of a table."""
        return [forecast_row(f, trained_until=self.trained_until, made_at=self.made_at) for f in self.forecasts]


@dataclass(frozen=True)
class Known:
    """What stands in the first line of the saved forecasts of a version.

    Attributes
    ----------
    made_by
        Distribution -> its version, of those whose code or data a forecast depends on.
    files
        Files of this package that it depends on -> their SHA-256.
    parts
        Table -> the names of its parts; None where they may change, and have to be sound all the same.
    body
        SHA-256 of what follows the first line.
    places
        Symbol -> horizon, first byte and number of bytes of each of its forecasts in what follows.
    symbols
        All that the lake has bars of.
    as_of, calendar
        Of the model's features.
    trained_until
        See `CurrentForecasts`.
    sessions
        Calendar -> the names of its sessions from the first one that counts here, and their closes (microseconds).
    bars
        Symbol whose last bar is from a service -> calendar, session and source of that bar.
    notes
        Target session -> what is uncertain about it.
    old_sentiment
        Last session used -> why the sentiment is stale by then.
    """

    made_by: dict[str, str]
    files: dict[str, str]
    parts: dict[str, list[str] | None]
    body: str
    places: dict[str, list[tuple[int, int, int]]]
    symbols: list[str]
    as_of: str
    calendar: str
    trained_until: str | None
    sessions: dict[str, tuple[list[str], list[int]]]
    bars: dict[str, tuple[str, str, str]]
    notes: dict[str, str]
    old_sentiment: dict[str, str]
    format: int = FORMAT


def current_forecasts(
    store: str,
    symbols: Sequence[str],
    *,
    horizons: Sequence[int] = (1,),
    version: str | None = None,
    as_of: str | None = None,
    session: str | None = None,
    sources: SourcesConfig | None = None,
) -> CurrentForecasts:
    """As `tenor.predict`, at several horizons, with what is stale; a symbol without forecast hides no other.

    With `as_of` the model must forecast at that moment, ``close`` or ``open``. With `session` (ISO date) the forecasts
    are those after that session, from what was known then; none is stale, and a note says if the model was trained on
    it.

    Raises
    ------
    ModelError
        Nothing was trained yet, or there is no such version.
    ConfigError
        The model forecasts at another moment.
    DataError
        The model has no such horizon.
    """
    sources = sources or SourcesConfig()
    if session is None:
        known = known_forecasts(store, symbols, horizons=horizons, version=version, as_of=as_of, sources=sources)
        if known is not None:
            return known
    from tenor.pipeline.predict import lake_forecasts

    return lake_forecasts(
        store, symbols, horizons=horizons, version=version, as_of=as_of, session=session, sources=sources
    )


def answer(
    forecasts: list[dict[str, Any]],
    failed: Mapping[str, str],
    *,
    sources: SourcesConfig,
    late: Mapping[str, str],
    from_services: Mapping[str, str],
    old_sentiment: str | None,
    notes: Mapping[str, str],
    trained_until: str | None,
) -> CurrentForecasts:
    """What is shown of `forecasts` by the settings of `sources`.

    Parameters
    ----------
    forecasts, failed, trained_until
        See `CurrentForecasts`.
    late
        Symbol -> why its forecasts are stale by the model's calendar.
    from_services
        Symbol -> why its bars are, by its own; it names the source that is late.
    old_sentiment
        Why the sentiment is stale.
    notes
        See `Known`.
    """
    failed, stale = dict(failed), {} if sources.when_stale == "ignore" else {**late, **from_services}
    if sources.when_stale == "refuse":
        failed |= {symbol: refusal(why) for symbol, why in from_services.items()}
    if old_sentiment is not None and sources.when_stale != "ignore":
        made = dict.fromkeys(forecast["symbol"] for forecast in forecasts)
        stale |= {symbol: "; ".join(filter(None, (stale.get(symbol), old_sentiment))) for symbol in made}
    shown = [forecast for forecast in forecasts if forecast["symbol"] not in failed]
    uncertain = [notes[forecast["target_session"]] for forecast in shown if forecast["target_session"] in notes]
    return CurrentForecasts(
        shown,
        failed,
        {symbol: why for symbol, why in stale.items() if symbol not in failed},
        list(dict.fromkeys(uncertain)),
        time.time(),
        trained_until,
    )


def parts_in(objects: ObjectStore, tables: Iterable[str]) -> dict[str, list[str]]:
    """The names of the parts of `tables`, sorted."""
    names = {table: [key.removeprefix(f"{table}/") for key in objects.keys(f"{table}/")] for table in tables}
    return {table: [name for name in found if PART.fullmatch(name)] for table, found in names.items()}


def made_by() -> dict[str, str]:
    """See `Known`."""
    return {name: importlib.metadata.version(name) for name in ("tenor", "exchange_calendars")}


def digests_of(files: Iterable[str]) -> dict[str, str]:
    """The SHA-256 of `files` of this package."""
    return {name: hashlib.sha256((_PACKAGE / name).read_bytes()).hexdigest() for name in files}


def known_forecasts(
    store: str,
    symbols: Sequence[str],
    *,
    horizons: Sequence[int],
    version: str | None,
    as_of: str | None,
    sources: SourcesConfig,
    now: int | None = None,
) -> CurrentForecasts | None:
    """As `current_forecasts`, from what was saved; None where the lake has to be read.

    Parameters
    ----------
    now
        The moment that they are asked for (Unix time, microseconds).
    """
    now = time.time_ns() // 1000 if now is None else now
    try:
        opened, registry = registry_of(store).open(version), registry_of(store).objects
        first, _, body = registry.get(f"forecasts/{opened.name}.json").data.partition(b"\n")
        known = Known(**json.loads(first.rstrip(b",") + b"}")["known"])
        if known.format != FORMAT or as_of not in (None, known.as_of) or hashlib.sha256(body).hexdigest() != known.body:
            return None
        wanted = dict.fromkeys(known_as(symbol, known.symbols) for symbol in symbols)
        forecasts = []
        for symbol in wanted:
            at = {horizon: body[start : start + count] for horizon, start, count in known.places[symbol]}
            if not set(horizons) <= set(at):
                return None
            forecasts += [json.loads(text) for horizon, text in at.items() if horizon in horizons]
        if not _unchanged(open_store(store), known):
            return None
        opened.read(*(name for name in opened.files if name != WEIGHTS))  # a damaged version forecasts nothing
        return _shown(known, forecasts, sources, now=now)
    except (TenorError, OSError, ImportError, LookupError, TypeError, ValueError):
        return None  # what is wrong, if anything is, is found again and told


def _unchanged(lake: ObjectStore, known: Known) -> bool:
    """Whether all that forecasts are made of is what it was."""
    if known.made_by != made_by() or known.files != digests_of(known.files):
        return False
    there = parts_in(lake, known.parts)
    if any(names is not None and names != there[table] for table, names in known.parts.items()):
        return False

    def sound(key: str) -> bool:
        return lake.digest(key).startswith(digest_in(key.rpartition("/")[2]))

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="tenor-verify") as pool:
        return all(pool.map(sound, [f"{table}/{name}" for table, names in there.items() for name in names]))


def _shown(
    known: Known, forecasts: list[dict[str, Any]], sources: SourcesConfig, *, now: int
) -> CurrentForecasts | None:
    """`answer` at the moment `now` (Unix, microseconds); None where the saved sessions do not reach so far."""
    if any(not closes or now >= closes[-1] for _, closes in known.sessions.values()):
        return None
    names, closes = known.sessions[known.calendar]
    since = now - int(1e6 * grace_of(known.calendar))
    late, from_services = {}, {}
    for forecast in forecasts:
        session = forecast["session"]
        behind = bisect_right(closes, since) - bisect_left(names, session) - 1
        if behind > 0:
            late[forecast["symbol"]] = behind_reason(session, behind)
    for symbol in dict.fromkeys(forecast["symbol"] for forecast in forecasts):
        if symbol in known.bars:
            calendar, last, source = known.bars[symbol]
            names, closes = known.sessions[calendar]
            expected = bisect_right(closes, now) - 1
            behind = expected - bisect_left(names, last)
            if expected >= 0 and last < names[expected] and behind > sources.max_stale_sessions:
                from_services[symbol] = bars_behind(symbol, last, source, behind, calendar, names[expected])
    newest = max(forecast["session"] for forecast in forecasts)
    return answer(
        forecasts,
        {},
        sources=sources,
        late=late,
        from_services=from_services,
        old_sentiment=known.old_sentiment.get(newest),
        notes=known.notes,
        trained_until=known.trained_until,
    )
