"""Keep the newest forecasts beside their model, with what shows later that nothing they depend on has changed."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd

from tenor.calendars import Exchange, exchange, interval_of
from tenor.config import SourcesConfig
from tenor.errors import TenorError
from tenor.forecast_table import trained_until_of
from tenor.ingest.status import status
from tenor.lake_forecasts import LakeForecasts
from tenor.pipeline.current import FORMAT, digests_of, made_by, parts_in
from tenor.pipeline.predict import stale_sentiment
from tenor.storage.object_store import open_store
from tenor.store.tables import (
    DAILY_KINDS,
    FETCHES,
    INTRADAY_SENTIMENT,
    ITEM_EMBEDDINGS,
    ITEM_KINDS,
    OLD_TABLES,
    PAPER,
    REFUSALS,
    SCORES,
    SENTIMENT,
    TABLES,
)
from tenor.workspace import NEWS, Workspace

log = logging.getLogger("tenor.pipeline.keep")

_OF_NEWS = (SENTIMENT.name, INTRADAY_SENTIMENT.name, DAILY_KINDS.name)
"""Made from news by the model's settings, or imported."""
_UNREAD = (SCORES, ITEM_KINDS, ITEM_EMBEDDINGS, REFUSALS, PAPER)
"""What no forecast depends on: scores are what the same encoder would find again."""
_ENCODER = ("sentiment/weights/config.json", "sentiment/weights/entities.npz")
"""Files of this package that stand for the encoder that it ships; the first has the SHA-256 of the others."""
_END = pd.Timestamp("2200-01-01")


def lake_parts(store: str) -> dict[str, list[str]]:
    """The parts of each table that a forecast may depend on."""
    tables = [table.name for table in TABLES if table not in _UNREAD]
    return parts_in(open_store(store), [*tables, *OLD_TABLES])


def keep(workspace: Workspace, run: LakeForecasts, before: dict[str, list[str]] | None) -> None:
    """Keep the newest forecasts of `run`; `LakeForecasts.save` says what can't be kept.

    Parameters
    ----------
    before
        The lake's parts (`lake_parts`) before `run` or its sentiment was first read; None where the sentiment is not
        what the model would see otherwise.
    """
    known = None
    if before is not None and run.trained is not None:
        try:
            known = _known(workspace, run, before)
        except (TenorError, OSError) as error:  # they are read and compared then
            log.warning("the newest forecasts are kept without their parts", extra={"error": str(error)})
    run.save(known)


def _known(workspace: Workspace, run: LakeForecasts, before: dict[str, list[str]]) -> dict[str, Any] | None:
    """`tenor.pipeline.current.Known` but for the places; None where it can't be told what a forecast depends on."""
    recipe, newest = run.recipe, run.newest_of_trained
    axis, config = recipe.features.calendar, recipe.sentiment
    if recipe.with_sentiment:
        config = workspace.resolve_sentiment(config, calendar=axis, as_of=recipe.features.as_of)
    from_news = recipe.with_sentiment and config.source == NEWS
    own_encoder = config.model not in ("", "default") or config.kinds_model
    if not newest or (from_news and own_encoder):  # whose files may change at any time
        return None
    free = {FETCHES.name, *(_OF_NEWS if from_news else ())}
    parts = {table: None if table in free else names for table, names in lake_parts(workspace.store).items()}
    if any(names is not None and names != before[table] for table, names in parts.items()):
        return None
    symbols = list(dict.fromkeys(forecast.symbol for forecast in newest))
    rows = status(workspace.store, SourcesConfig(), symbols, interval=interval_of(axis))
    live = [row for row in rows if row.live]
    begun = {axis: [forecast.session for forecast in newest]}
    for row in live:
        begun.setdefault(row.calendar, []).append(row.last_bar)
    calendar = exchange(axis)
    return {
        "format": FORMAT,
        "made_by": made_by(),
        "files": digests_of(_ENCODER) if from_news else {},
        "parts": parts,
        "symbols": list(run.known),
        "as_of": recipe.features.as_of,
        "calendar": axis,
        "trained_until": trained_until_of(run.card),
        "sessions": {code: _sessions(exchange(code), min(first)) for code, first in begun.items()},
        "bars": {row.symbol: (row.calendar, exchange(row.calendar).label(row.last_bar), row.source) for row in live},
        "notes": {
            calendar.label(target): calendar.note
            for target in {forecast.target_session for forecast in newest}
            if calendar.uncertain(target)
        },
        "old_sentiment": {
            calendar.label(session): why
            for session in {forecast.session for forecast in newest}
            if (why := stale_sentiment(run.sentiment, axis, session)) is not None
        },
    }


def _sessions(calendar: Exchange, first: pd.Timestamp) -> tuple[list[str], list[int]]:
    """The names of all sessions from `first` on, and their closes: Unix time in microseconds."""
    sessions = calendar.sessions(first, _END)
    return list(map(calendar.label, sessions)), calendar.closes(sessions).as_unit("us").asi8.tolist()
