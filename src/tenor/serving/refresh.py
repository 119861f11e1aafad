"""A refresh: fetch what is new, score the news, forecast every symbol, publish. Requests read; a refresh computes."""

from __future__ import annotations

import functools
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tenor.calendars import Exchange, exchange
from tenor.config import SourcesConfig
from tenor.errors import DataError, StoreError, TenorError, one_line
from tenor.features.axis import on_axis
from tenor.inference.predictor import Predictor
from tenor.ingest.status import stale
from tenor.schema import BarInterval, DailySentiment, Forecast
from tenor.sentiment.daily import daily_sentiment, sessions_of
from tenor.sentiment.scorer import Scorer
from tenor.serving.attention import looked_at
from tenor.serving.documents import BARS, HISTORY, ITEMS, document
from tenor.serving.monitor import MonitorReport, watch
from tenor.serving.published import PublishedForecasts, SymbolEntry, past_forecasts
from tenor.serving.track_record import track_record, with_verdicts
from tenor.storage.files import json_values
from tenor.store import Lake

AHEAD = pd.Timedelta(days=180)
CLOSES = 2000
"""How far the board knows the exchange's closes, and how many at most, to tell staleness without a calendar."""
A_DAY = pd.Timedelta(days=1)

log = logging.getLogger("tenor.serving")


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did.

    Attributes
    ----------
    symbols
        Those that have new forecasts.
    skipped
        Symbol -> why it has none.
    stale
        Symbol -> how far its bars are behind, by the settings of sources.
    notes
        What could not be done; the board says it too, and counts as stale.
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
    lake: Lake,
    board: PublishedForecasts,
    predictor: Predictor,
    *,
    fetch: Callable[[BarInterval], object] | None = None,
    symbols: Sequence[str] | None = None,
    versions: Sequence[str] = (),
    sources: SourcesConfig | None = None,
    now: pd.Timestamp | None = None,
) -> Refreshed:
    """Forecast `symbols` (by default all of the lake that have history enough) and put them on `board`.

    What can't be fetched or scored is noted, on the board too, and the forecasts are made from what there is.

    Parameters
    ----------
    fetch
        Brings new bars of an interval into the lake, and with the daily ones the news.
    versions
        The models there are, for `/v1/models`.
    sources
        Whose ``when_stale`` counts: told are the symbols whose bars are stale, or they get no new forecast.
    now
        Tz-aware; the moment of the refresh.

    Raises
    ------
    StoreError
        The lake can't be read, or the board not written.
    DataError
        Not one symbol can be forecast.
    """
    begun = time.monotonic()
    moment = now or pd.Timestamp.now("UTC")
    notes: list[str] = []
    axis = predictor.features.calendar
    calendar = exchange(axis)
    if fetch is not None:
        _try(notes, "new bars and news could not be fetched", functools.partial(fetch, "1d"))
        if calendar.interval != "1d":
            shorter = functools.partial(fetch, calendar.interval)
            _try(notes, f"new bars of {calendar.interval} could not be fetched", shorter)
    known = lake.symbols(axis)
    asked = tuple(symbols or known)
    late = stale(lake.location, sources, asked, now=moment, interval=calendar.interval) if sources is not None else {}
    refused = late if sources is not None and sources.when_stale == "refuse" else {}
    wanted = tuple(symbol for symbol in asked if symbol not in refused)
    if not wanted:
        raise DataError(f"all of {len(asked)} symbols are stale, and sources.when_stale is refuse: fetch their bars.")
    bars = lake.bars(predictor.universe(known, wanted), calendar=axis)
    sentiment, items = sentiment_of(lake, predictor, wanted, notes)
    said = predictor.forecasts(bars, sentiment, symbols=wanted)
    made: dict[str, list[Forecast]] = {}
    for forecast in said:
        made.setdefault(forecast.symbol, []).append(forecast)
    skipped = {**refused, **{symbol: str(error) for symbol, error in said.failed.items()}}
    if not made:
        raise DataError(f"not one of {len(wanted)} symbols can be forecast: {next(iter(skipped.values()), 'no bars')}")
    past = predictor.history(bars, sentiment, symbols=list(made), sessions=HISTORY)
    panel = predictor.recipe.panel(bars, sentiment)
    looked = looked_at(predictor, panel, made)
    before, built_on = _before(board, made)
    # dated as the forecasts are, which are of the axis's sessions, so that each finds what became of it
    frames = dict(iter(on_axis(bars.adjusted(), axis).groupby("symbol")))
    sentiments = dict(iter(on_axis(sentiment.frame, axis).groupby("symbol"))) if sentiment is not None else {}
    by_symbol: dict[str, list[Forecast]] = {symbol: [] for symbol in made}
    for forecast in past:
        by_symbol[forecast.symbol].append(forecast)

    def write(symbol: str, standing: Mapping[str, Any] | None) -> dict[str, Any]:
        return document(
            made[symbol],
            bars=frames[symbol].tail(BARS + HISTORY),
            sentiment=sentiments.get(symbol),
            items=items.get(symbol, ()),
            past=by_symbol[symbol],
            looked=looked.get(symbol),
            before=standing,
            behind=_behind(calendar, made[symbol][0].session, moment),
        )

    documents = [write(symbol, before.get(symbol)) for symbol in made]
    track = with_verdicts(
        track_record(
            (row for one in documents for row in past_forecasts(one, horizon)),
            horizon=horizon,
            since=predictor.recipe.split["test"][0],
        )
        for horizon in predictor.horizons
    )
    report = watch(panel, predictor, documents, now=moment)
    head = {
        "published_at": moment.timestamp(),
        "model_version": predictor.version,
        "versions": list(versions) or [predictor.version],
        "horizons": list(predictor.horizons),
        "calendar": axis,
        "closes": _closes(calendar, moment),
        "card": json_values(dict(predictor.card)),
        "track": [asdict(record) for record in track],
        "monitor": report.to_json(),
        "notes": notes,
    }
    index = board.publish(documents, head, again=write, built_on=built_on)
    done = Refreshed(
        predictor.version, index.as_of, tuple(made), skipped, tuple(notes), time.monotonic() - begun, report, late
    )
    log.info("refreshed", extra={"symbols": len(made), "skipped": len(skipped), "seconds": round(done.seconds, 2)})
    return done


def sentiment_of(
    lake: Lake, predictor: Predictor, symbols: Sequence[str], notes: list[str]
) -> tuple[DailySentiment | None, dict[str, list[dict[str, Any]]]]:
    """The sentiment of the lake, scored anew where there is news, and each symbol's latest items with their scores."""
    if not predictor.with_sentiment:
        return None, {}
    calendar = predictor.features.calendar
    news = lake.news()
    if news.frame.empty:
        return lake.sentiment(calendar=calendar), {}
    found: list[tuple[DailySentiment, dict[str, list[dict[str, Any]]]]] = []

    def score() -> None:
        scorer = Scorer.load(predictor.sentiment.model)
        scores = scorer.score(news.frame["text"].tolist(), cache=lake.score_cache())
        sentiment = daily_sentiment(news, scores, predictor.sentiment, calendar=calendar)
        lake.append_sentiment(sentiment, source=scorer.model_id)
        sessions = sessions_of(news, predictor.sentiment, calendar=calendar)
        frame = news.frame.assign(session=sessions, row=np.arange(len(news.frame)))
        frame = frame[frame["symbol"].isin(list(symbols)) & frame["session"].notna()]
        rows = scores.rows()
        items: dict[str, list[dict[str, Any]]] = {}
        for symbol, group in frame.groupby("symbol"):
            items[str(symbol)] = [
                {
                    "session": exchange(calendar).label(item["session"]),
                    "published_at": item["published_at"].isoformat(),
                    "text": str(item["text"])[:400],
                    "source": item["source"],
                    "url": item["url"],
                    **rows[item["row"]],
                }
                for item in group.tail(ITEMS).iloc[::-1].to_dict("records")
            ]
        found.append((sentiment, items))

    _try(notes, "the news could not be scored", score)
    return found[0] if found else (lake.sentiment(calendar=calendar), {})


def _before(
    board: PublishedForecasts, symbols: Mapping[str, object]
) -> tuple[dict[str, dict[str, Any]], dict[str, SymbolEntry]]:
    """The documents that stand on the board, for what was published before, and their entries."""
    try:
        index = board.index()
    except StoreError as error:
        log.warning("board index is written anew", extra={"error": str(error)})
        return {}, {}
    entries = {symbol: entry for symbol, entry in index.entries.items() if symbol in symbols} if index else {}
    found = {}
    for symbol, entry in entries.items():
        try:
            found[symbol] = json.loads(board.read(entry))
        except StoreError as error:
            log.warning("published forecasts are lost", extra={"symbol": symbol, "error": str(error)})
    return found, entries


def _behind(calendar: Exchange, session: pd.Timestamp, now: pd.Timestamp) -> int:
    return int((calendar.closes(calendar.sessions(session, _today(now) + A_DAY)[1:]) <= now).sum())


def _closes(calendar: Exchange, now: pd.Timestamp) -> list[float]:
    """The next sessions' closes, and the last few: a refresh may come between a close and its bars."""
    closes = calendar.closes(calendar.sessions(_today(now) - 5 * A_DAY, _today(now) + AHEAD))
    ahead = closes.searchsorted(now) + CLOSES
    return [moment.timestamp() for moment in closes[:ahead]]


def _today(now: pd.Timestamp) -> pd.Timestamp:
    return now.tz_convert("UTC").tz_localize(None).normalize()


def _try(notes: list[str], what: str, act: Callable[[], object]) -> None:
    try:
        act()
    except (TenorError, OSError) as error:
        notes.append(f"{what}: {one_line(error, 200)}")
        log.warning(what, extra={"error": str(error)})
