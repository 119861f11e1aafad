"""A refresh: fetch new data, score the news, forecast every symbol, and publish the forecasts.

Requests to the service only read what a refresh has computed.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tenor.calendars import Exchange, exchange, market_of
from tenor.config import AlertsConfig, SentimentConfig, SourcesConfig
from tenor.errors import DataError, StoreError, TenorError, one_line
from tenor.features.axis import on_axis
from tenor.inference.predictor import Predictor
from tenor.inference.recipe import Recipe
from tenor.ingest.status import stale
from tenor.kinds import PRESENT
from tenor.lake_forecasts import LakeForecasts
from tenor.news_scoring import ScoredNews
from tenor.pipeline import alerting
from tenor.pipeline.keep import keep, lake_parts
from tenor.pipeline.predict import sessions_behind, stale_sentiment
from tenor.schema import AsOf, BarInterval, DailySentiment, Forecast
from tenor.sentiment.daily import item_sessions
from tenor.sentiment.scorer import Scorer
from tenor.serving import logs
from tenor.serving.documents import HISTORY, ITEMS, document, past_sessions
from tenor.serving.monitor import MonitorReport, notify, watch
from tenor.serving.published import PublishedForecasts, SymbolEntry, past_forecasts
from tenor.serving.track_record import track_record, with_verdicts
from tenor.serving.versions import version_rows
from tenor.storage.files import json_values, read_json
from tenor.symbols import known_as
from tenor.workspace import NEWS, Workspace

AHEAD = pd.Timedelta(days=180)
CLOSES = 2000
"""The most closes of the exchange that the index lists ahead, so that staleness can be judged without a calendar."""

PROGRESS_STEP = 5
"""Number of symbols written between two lines of progress."""
REPLAY_AFTER = 20
"""A store whose bars were never fetched, and are this many sessions behind, counts as historical (`Index.head`)."""
EXAMPLE = "example"
"""The source of the items that come with the embedded data."""

log = logging.getLogger("tenor.serving")


@dataclass(frozen=True)
class Refreshed:
    """The result of a refresh.

    Attributes
    ----------
    symbols
        The symbols that have new forecasts.
    skipped
        From each symbol without a new forecast to the reason.
    stale
        From each symbol with stale bars to how far they are behind, by the settings of sources.
    notes
        What could not be done. The published forecasts say so too, and count as stale.
    """

    version: str
    as_of: str
    symbols: tuple[str, ...]
    skipped: dict[str, str]
    notes: tuple[str, ...]
    seconds: float
    monitor: MonitorReport
    stale: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {**asdict(self), "monitor": self.monitor.to_json()}


def refresh(
    workspace: Workspace,
    load: Callable[[], Predictor],
    *,
    fetch: Callable[[BarInterval], object] | None = None,
    symbols: Sequence[str] | None = None,
    sources: SourcesConfig | None = None,
    webhook: str | None = None,
    alerts: AlertsConfig | None = None,
    now: pd.Timestamp | None = None,
) -> Refreshed:
    """Forecast `symbols` (by default all symbols of the lake with enough history) and publish the forecasts.

    If something can't be fetched or scored, the forecasts are made from the data at hand, and published with a note. An
    error that ends the refresh is noted there too, if possible, before it is raised.

    Parameters
    ----------
    load
        Loads the model (`Workspace.predictor`). A failure is noted like any other error.
    fetch
        Fetches new bars of an interval into the lake, and with daily bars the news too.
    symbols
        The symbols to forecast.
    sources
        Settings, of which ``when_stale`` is used: symbols with stale bars are reported, or get no new forecast.
    webhook
        Address to which new alarms (those that the last refresh did not have) are posted as JSON.
    alerts
        Rules on the forecasts, and channels over which new alerts are sent.
    now
        The moment of the refresh, with time zone.

    Raises
    ------
    ConfigError
        A rule of `alerts` can't be read, or a channel lacks its variable.
    StoreError
        The lake can't be read, or the forecasts not published.
    DataError
        Not one symbol can be forecast.
    """
    published = workspace.published
    if alerts is not None:
        alerting.check(alerts)
    before = _last_head(published)
    try:
        result = _refresh(workspace, load(), fetch, symbols, sources, now or pd.Timestamp.now("UTC"))
    except (TenorError, OSError) as error:
        # services that read the published forecasts find the error there, if it can be written
        with contextlib.suppress(TenorError, OSError):
            published.add_note(f"the last refresh failed: {one_line(error, 200)}")
        raise
    notify(result.monitor, before.get("monitor"), webhook=webhook)
    if alerts is not None:
        try:
            alerting.send_new_alerts(published, alerts, before)
        except (TenorError, OSError) as error:  # the forecasts are published even if alerts fail
            log.error("the alerts were not sent", extra={"error": one_line(error, 200)})
    return result


def _refresh(
    workspace: Workspace,
    predictor: Predictor,
    fetch: Callable[[BarInterval], object] | None,
    symbols: Sequence[str] | None,
    sources: SourcesConfig | None,
    now: pd.Timestamp,
) -> Refreshed:
    begun = time.monotonic()
    notes: list[str] = []
    lake, published, recipe = workspace.lake, workspace.published, predictor.recipe
    axis = recipe.features.calendar
    calendar = exchange(axis)
    if fetch is not None:
        _try(notes, "new bars and news could not be fetched", functools.partial(fetch, "1d"))
        if calendar.interval != "1d":
            shorter = functools.partial(fetch, calendar.interval)
            _try(notes, f"new bars of {calendar.interval} could not be fetched", shorter)
    before = lake_parts(workspace.store)
    run = LakeForecasts(workspace, predictor)
    requested = tuple(dict.fromkeys(known_as(symbol, run.known) for symbol in symbols or run.known))
    present = [symbol for symbol in requested if symbol in run.known]
    late = stale(lake.location, sources, present, now=now, interval=calendar.interval) if sources and present else {}
    refused = late if sources is not None and sources.when_stale == "refuse" else {}
    wanted = tuple(symbol for symbol in requested if symbol not in refused)
    if not wanted:
        raise DataError(
            f"all of {len(requested)} symbols are stale, and sources.when_stale is refuse: fetch their bars."
        )
    _progress("scoring the news", 0, len(wanted))
    made_notes = len(notes)
    run.sentiment, items = _sentiment(workspace, recipe, wanted, notes)
    scored = len(notes) == made_notes
    _progress("running the model", 0, len(wanted))
    # features, networks and intervals are computed once; everything below selects from that run
    newest = run.newest(wanted)
    if len(newest):
        old = stale_sentiment(run.sentiment, axis, max(forecast.session for forecast in newest))
        notes += [old] if old is not None else []
    forecasts: dict[str, list[Forecast]] = {}
    for forecast in newest:
        forecasts.setdefault(forecast.symbol, []).append(forecast)
    skipped = {**refused, **{symbol: str(error) for symbol, error in newest.failed.items()}}
    for horizon, error in newest.incomplete.items():
        _note(notes, f"no forecast {horizon} sessions ahead", error)
    if any(calendar.uncertain(forecast.target_session) for forecast in newest):
        log.warning(calendar.note)
    if not forecasts:
        raise DataError(f"not one of {len(wanted)} symbols can be forecast: {next(iter(skipped.values()), 'no bars')}")
    history: dict[str, list[Forecast]] = {symbol: [] for symbol in forecasts}
    for forecast in run.history(list(forecasts), HISTORY):
        history[forecast.symbol].append(forecast)
    standing, built_on = _before(published, forecasts)
    # dated by the sessions of the axis, as the forecasts are, so that each finds its realised return
    bars = run.all_bars.select(list(forecasts))
    frames = dict(iter(on_axis(bars.adjusted(), axis).groupby("symbol")))
    sentiments = dict(iter(on_axis(run.sentiment.frame, axis).groupby("symbol"))) if run.sentiment is not None else {}

    names, events = _names(workspace, forecasts), _events(workspace, calendar)
    counts = run.sentiment.kinds if run.sentiment is not None else None
    by_kind = counts.frame[counts.frame["kind"] != ""] if counts is not None else None
    kinds = dict(iter(on_axis(by_kind, axis).groupby("symbol"))) if by_kind is not None else {}

    def write(symbol: str, before: Mapping[str, Any] | None) -> dict[str, Any]:
        return document(
            forecasts[symbol],
            bars=frames[symbol],
            sentiment=sentiments.get(symbol),
            items=items.get(symbol, ()),
            past=history[symbol],
            looked=run.attention(symbol),
            before=before,
            behind=sessions_behind(calendar, forecasts[symbol][0].session, now),
            name=names.get(symbol, ""),
            currency=market_of(symbol).currency,
            events=events[events["symbol"].isin([symbol, ""])] if events is not None else None,
            kinds=kinds.get(symbol),
        )

    documents = []
    for symbol in forecasts:
        documents.append(write(symbol, standing.get(symbol)))
        if len(documents) % PROGRESS_STEP == 0 or len(documents) == len(forecasts):
            _progress("writing forecasts", len(documents), len(forecasts))
    track = with_verdicts(
        track_record(
            (row for one in documents for row in past_forecasts(one, horizon)),
            horizon=horizon,
            since=recipe.split["test"][0],
        )
        for horizon in recipe.horizons
    )
    closes = {
        calendar.label(forecast.session): forecast.as_of.timestamp() for each in history.values() for forecast in each
    }
    report = watch((run.trained or run.everything).panel, recipe, documents, now=now)
    head = {
        "published_at": now.timestamp(),
        "model_version": recipe.version,
        "versions": list(workspace.registry.versions()) or [recipe.version],
        "horizons": list(recipe.horizons),
        "calendar": axis,
        "closes": _closes(calendar, now),
        **({} if recipe.features.as_of == "close" else {"cut_offs": _cut_offs(recipe, now)}),
        "card": json_values(dict(predictor.card)),
        "registry": version_rows(workspace.registry),
        "track": [asdict(record) for record in track],
        "monitor": report.to_json(),
        "notes": notes,
        "sessions": (past := past_sessions(documents)),
        "session_closes": list(map(closes.get, past)),
        "replay": fetch is None and _looks_back(workspace, documents),
    }
    keep(workspace, run, before if scored else None)
    index = published.publish(documents, head, again=write, built_on=built_on)
    result = Refreshed(
        recipe.version, index.as_of, tuple(forecasts), skipped, tuple(notes), time.monotonic() - begun, report, late
    )
    log.info(
        "refreshed", extra={"symbols": len(forecasts), "skipped": len(skipped), "seconds": round(result.seconds, 2)}
    )
    return result


def _sentiment(
    workspace: Workspace, recipe: Recipe, symbols: Sequence[str], notes: list[str]
) -> tuple[DailySentiment | None, dict[str, list[dict[str, Any]]]]:
    """The daily sentiment that the model sees, and each symbol's latest items with their scores."""
    if not recipe.with_sentiment:
        return None, {}
    calendar, as_of, kinds = recipe.features.calendar, recipe.features.as_of, recipe.with_kinds
    config = workspace.resolve_sentiment(recipe.sentiment, calendar=calendar, as_of=as_of)
    if config.source != NEWS:
        return workspace.model_news(recipe), _examples(config, symbols, calendar, as_of)
    try:
        daily = workspace.daily_sentiment(config, calendar=calendar, as_of=as_of, kinds=kinds, save=True)
        scored = workspace.scored_news(config, symbols=symbols, newest=ITEMS, kinds=kinds, save=True)
    except (TenorError, OSError) as error:
        _note(notes, "the news could not be scored", error)
        return workspace.saved_news(recipe), {}
    return daily, {} if scored is None else _items(scored, config, symbols, calendar, as_of)


def _items(
    scored: ScoredNews, config: SentimentConfig, symbols: Sequence[str], calendar: str, as_of: AsOf
) -> dict[str, list[dict[str, Any]]]:
    """Each symbol's latest items with their scores, newest first."""
    sessions = item_sessions(scored.news, config, calendar=calendar, as_of=as_of)
    frame = scored.news.frame.assign(session=sessions, row=np.arange(len(scored.news.frame)))
    frame = frame[frame["symbol"].isin(list(symbols)) & frame["session"].notna()]
    rows = scored.scores.rows()
    label = exchange(calendar).label
    return {
        str(symbol): [
            {
                "session": label(item["session"]),
                "published_at": item["published_at"].isoformat(),
                "text": str(item["text"])[:400],
                "source": item["source"],
                "url": item["url"],
                **rows[item["row"]],
                "kinds": _kinds(rows[item["row"]].get("kinds")),
            }
            for item in group.tail(ITEMS).iloc[::-1].to_dict("records")
        ]
        for symbol, group in frame.groupby("symbol")
    }


def _kinds(probabilities: Mapping[str, float] | None) -> list[str]:
    """The kinds that an item is of, the likeliest first."""
    present = {kind: p for kind, p in (probabilities or {}).items() if p >= PRESENT}
    return sorted(present, key=lambda kind: -present[kind])


def _examples(
    config: SentimentConfig, symbols: Sequence[str], calendar: str, as_of: AsOf
) -> dict[str, list[dict[str, Any]]]:
    """The sentences that come with the embedded sentiment, whose own texts do not; none for any other sentiment."""
    try:
        from tenor.data import embedded_examples
        from tenor.ingest.importing import EMBEDDED_SOURCE
    except ImportError:  # a container image without the embedded data
        return {}
    if config.source != EMBEDDED_SOURCE:
        return {}
    news = embedded_examples(EXAMPLE)
    try:
        scores = Scorer.load(config.model, device=config.device).score(news.frame["text"].tolist())
    except (TenorError, OSError) as error:
        log.warning("the examples could not be scored", extra={"error": str(error)})
        return {}
    return _items(ScoredNews(news, scores), config, symbols, calendar, as_of)


def _names(workspace: Workspace, symbols: Collection[str]) -> dict[str, str]:
    """The companies' names that the lake knows."""
    frame = workspace.lake.rows("names", list(symbols))
    return dict(zip(frame["symbol"], frame["name"], strict=True))


def _events(workspace: Workspace, calendar: Exchange) -> pd.DataFrame | None:
    """The dates known ahead that still stand, for bars of a day; an empty `symbol` means all."""
    known = workspace.lake.events() if calendar.interval == "1d" else None
    if known is None:
        return None
    standing = known.frame[known.frame["withdrawn_since"].isna()]
    return standing[["symbol", "session", "kind", "known_since"]]


def _looks_back(workspace: Workspace, documents: Sequence[Mapping[str, Any]]) -> bool:
    """Whether nothing ever fetched the store's bars, and they end more than `REPLAY_AFTER` sessions ago."""
    fetched = workspace.lake.rows("fetches")
    return fetched[fetched["kind"] != "news"].empty and min(one["behind"] for one in documents) > REPLAY_AFTER


def _progress(stage: str, done: int, total: int) -> None:
    """Log how far the refresh is: a service that started it shows it to those who wait for their first forecasts."""
    log.info(logs.PROGRESS, extra={"stage": stage, "done": done, "total": total})


def _last_head(published: PublishedForecasts) -> Mapping[str, Any]:
    """The head that the last refresh published, where there is one that can be read."""
    try:
        index = published.index()
    except StoreError:
        return {}
    return index.head if index else {}


def _before(
    published: PublishedForecasts, symbols: Mapping[str, object]
) -> tuple[dict[str, dict[str, Any]], dict[str, SymbolEntry]]:
    """The documents that are published now, for what was published before, and their entries."""
    try:
        index = published.index()
    except StoreError as error:
        log.warning("the index of the published forecasts is written anew", extra={"error": str(error)})
        return {}, {}
    entries = {symbol: entry for symbol, entry in index.entries.items() if symbol in symbols} if index else {}
    documents = {}
    for symbol, entry in entries.items():
        try:
            documents[symbol] = read_json(published.read(entry))
        except StoreError as error:
            log.warning("published forecasts are lost", extra={"symbol": symbol, "error": str(error)})
    return documents, entries


def _closes(calendar: Exchange, now: pd.Timestamp) -> list[float]:
    """The next sessions' closes, and the last few: a refresh may come between a close and its bars."""
    closes = calendar.closes(calendar.sessions(_today(now) - pd.Timedelta(days=5), _today(now) + AHEAD))
    ahead = closes.searchsorted(now) + CLOSES
    return [moment.timestamp() for moment in closes[:ahead]]


def _cut_offs(recipe: Recipe, now: pd.Timestamp) -> list[float]:
    """The next moments from which on all news of a session is known that a forecast before the open may use."""
    margin = pd.Timedelta(minutes=recipe.sentiment.margin_minutes)
    moments = exchange(recipe.features.calendar).cut_offs(recipe.features.as_of) - margin
    first = int(moments.searchsorted(now))
    return [moment.timestamp() for moment in moments[first : first + CLOSES]]


def _today(now: pd.Timestamp) -> pd.Timestamp:
    return now.tz_convert("UTC").tz_localize(None).normalize()


def _try(notes: list[str], what: str, act: Callable[[], object]) -> None:
    try:
        act()
    except (TenorError, OSError) as error:
        _note(notes, what, error)


def _note(notes: list[str], what: str, error: Exception) -> None:
    notes.append(f"{what}: {one_line(error, 200)}")
    log.warning(what, extra={"error": str(error)})
