"""The routes: ``/v1`` for callers, and those for operators (health, readiness, counters).

A new route needs a response in `schemas`, a function here and, if it is called from Python, a method of `Client`. The
body of a GET is rendered once for each state of its data: `_body` caches it under the digest of the published document
and its staleness, which do not change with time alone.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import gzip
import itertools
import json
import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from tenor.errors import LiveError, StoreError, UsageError
from tenor.news_words import news_sentence
from tenor.serving import board, schemas
from tenor.serving.declared import DeclaredRouter
from tenor.serving.limits import SYMBOLS
from tenor.serving.logs import LOGGER
from tenor.serving.published import past_forecasts
from tenor.serving.replayed import forecasts_after, of_the_past, rows_until, session_until
from tenor.serving.responses import (
    NO_STORE,
    PROBLEM_RESPONSES,
    Body,
    PiecesResponse,
    json_response,
    matches,
    problem,
    problem_of,
    problem_response,
    tagged,
)
from tenor.serving.schemas import Staleness, to_plain
from tenor.serving.service import Service
from tenor.serving.tables import DESCRIBED, JSON, format_asked, table_response
from tenor.serving.view import NOTHING_PUBLISHED, View
from tenor.storage.files import content_key, read_json
from tenor.symbols import LONGEST

MOST_SYMBOLS = 500
MOST_TEXTS = 64
MOST_EXPLAINED_TEXTS = 4
EXPLAINED = 20
"""The work of explaining a text, which is scored once for each word; scoring a text is 1."""
TOGETHER = 25
"""How many symbols of a batch are rendered before other requests get their turn."""
LONGEST_TEXT = 5_000

Symbol = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9^$][A-Za-z0-9.^=_&+$#!*~@: -]{0,31}$",
        description="As in /v1/symbols, in capitals or not; also as other services write it (BRK.B).",
        examples=["AAPL"],
    ),
]
Horizon = Annotated[
    int | None, Query(ge=1, le=1000, description="Sessions ahead; by default the shortest there is.", examples=[1])
]
TableHorizon = Annotated[
    int | None, Query(ge=1, le=1000, description="Sessions ahead; by default the shortest, in a table all.")
]
Format = Annotated[
    Literal["json", "csv", "parquet"] | None, Query(alias="format", description="By default what Accept says, or JSON.")
]
Session = Annotated[
    str | None,
    Query(
        pattern=r"^[0-9T:-]{10,16}$",
        description="As forecast after this past session; by default the newest, or what --as-of names.",
        examples=["2017-06-16"],
    ),
]
Explain = Annotated[bool, Query(description="With the weights that the network gave to sessions and features.")]
Responses = dict[int | str, dict[str, Any]]

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
UNCHANGED: Responses = {304: {"description": "The response that If-None-Match names is still current."}}

router = DeclaredRouter(prefix="/v1", responses=PROBLEM_RESPONSES)
operator = DeclaredRouter(tags=["operating"])
log = logging.getLogger(LOGGER)


def _example(response: type[Any]) -> Responses:
    """The example of `response` as that of status 200."""
    return {200: {"content": {"application/json": {"example": response.example}}}}


def _tables(more: Responses) -> Responses:
    """The example of many forecasts, and the tables that they can be had as."""
    tables = DESCRIBED[200]["content"]
    json_too = _example(schemas.ForecastsResponse)[200]["content"]
    return DESCRIBED | {200: {"content": json_too | tables}} | more


def _whole(value: object) -> object:
    """What JSON Schema takes for an integer: 5.0 is one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Batch(BaseModel):
    """Symbols to forecast together."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"symbols": ["AAPL", "MSFT"], "horizon": 1}}
    )
    symbols: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=LONGEST)]],
        Field(min_length=1, max_length=MOST_SYMBOLS),
    ]
    horizon: Annotated[Annotated[int, Field(ge=1, le=1000, strict=True)] | None, BeforeValidator(_whole)] = None
    explain: bool = False
    session: Annotated[str, Field(pattern=r"^[0-9T:-]{10,16}$")] | None = None


class Texts(BaseModel):
    """Texts to score; with `why`, which words moved each score (for a few texts at once)."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"texts": ["Orders rose for the third quarter."], "why": False}}
    )
    texts: Annotated[list[Annotated[str, Field(max_length=LONGEST_TEXT)]], Field(min_length=1, max_length=MOST_TEXTS)]
    why: bool = False


# forecasts ----------------------------------------------------------------------------------------------------------


@router.get(
    "/forecast/{symbol}",
    response_model=schemas.ForecastResponse,
    responses=_example(schemas.ForecastResponse) | UNCHANGED,
)
async def forecast(
    request: Request,
    symbol: Symbol,
    horizon: Horizon = None,
    live: Annotated[bool, Query(description="Make it now, from the latest bars, where this service can.")] = False,
    explain: Explain = False,
    session: Session = None,
) -> Response:
    """One symbol's forecast: interval, volatility, quantiles, value at risk; then P(up) and staleness."""
    service = _service(request)
    on = _past_session(service, session)
    if live:
        if on is not None:
            raise UsageError(f"a live forecast is of now, not of {on}: leave one of 'live' and 'session' out.")
        return await _live(request, service, symbol, horizon, explain=explain)
    key, render = _forecast(service, symbol, horizon, explain=explain, on=on)
    return await _body(request, key, render)


@router.get("/forecasts", response_model=schemas.ForecastsResponse, responses=_tables(UNCHANGED))
async def all_forecasts(
    request: Request,
    symbols: Annotated[str, Query(max_length=4000, description="AAPL,MSFT; empty for all, up to 500.")] = "",
    horizon: TableHorizon = None,
    format_: Format = None,
    session: Session = None,
) -> Response:
    """As POST, by an address: a link to a file of forecasts. JSON is not cached, CSV and Parquet have an ETag."""
    names = [name.strip() for name in symbols.split(",") if name.strip()]
    wanted = names or list(_service(request).view.snapshot.index.entries)
    if len(wanted) > MOST_SYMBOLS:
        raise UsageError(f"that are {len(wanted):,} symbols, and {MOST_SYMBOLS} is the most at once: name some.")
    return await _many(request, wanted, horizon, format_asked(request, format_), session=session)


@router.post("/forecasts", response_model=schemas.ForecastsResponse, responses=_tables({}))
async def forecasts(request: Request, batch: Batch, format_: Format = None) -> Response:
    """Forecasts of many symbols; a symbol that has none gets its problem, and the others their forecasts.

    A symbol named twice is answered once. CSV and Parquet (by ``format`` or ``Accept``) have a row for each horizon,
    if none is named, and are refused as a whole where a symbol has no forecast.
    """
    chosen = format_asked(request, format_)
    return await _many(request, batch.symbols, batch.horizon, chosen, explain=batch.explain, session=batch.session)


async def _many(
    request: Request,
    symbols: Sequence[str],
    horizon: int | None,
    format_: str,
    *,
    explain: bool = False,
    session: str | None = None,
) -> Response:
    service = _service(request)
    on = _past_session(service, session)
    snapshot = service.view.snapshot
    named: dict[str, str] = {}
    for symbol in symbols:
        named.setdefault(snapshot.find(symbol) or symbol, symbol)
    wanted = list(named.values())
    request.state.charge((len(wanted) - 1) / SYMBOLS)
    if service.batches.full():
        return _busy(request, service, "Too many batches are being answered")
    if format_ != JSON:
        async with service.batches:
            return await table_response(request, service, [snapshot.name(s) for s in wanted], horizon, format_, on)
    bodies: list[bytes] = []
    problems: list[dict[str, Any]] = []
    async with service.batches:
        for first in range(0, len(wanted), TOGETHER):
            some = functools.partial(_some, service, wanted[first : first + TOGETHER], horizon, explain=explain, on=on)
            for symbol, made in await service.rendered(some):
                if isinstance(made, bytes):
                    bodies.append(made)
                else:
                    problems.append(to_plain(schemas.SymbolProblem(symbol, problem_of(made, request.state.request_id))))
    # each forecast is JSON already: it is put in as it is, neither read nor written again
    stale = service.view.staleness() if on is None else of_the_past(on, snapshot.index.head)
    rest = json.dumps({"problems": problems, "staleness": to_plain(stale)}, separators=(",", ":"))
    commas = itertools.chain.from_iterable(zip(itertools.repeat(b","), bodies, strict=False))
    pieces = (b'{"forecasts":[', *itertools.islice(commas, 1, None), b"]," + rest.encode().removeprefix(b"{"))
    return PiecesResponse(pieces, NO_STORE)


def _some(
    service: Service, symbols: Sequence[str], horizon: int | None, *, explain: bool, on: str | None
) -> list[tuple[str, bytes | UsageError]]:
    """The forecast of each symbol as JSON, or why it has none."""
    made: list[tuple[str, bytes | UsageError]] = []
    for symbol in symbols:
        try:
            key, render = _forecast(service, symbol, horizon, explain=explain, on=on)
            made.append((symbol, service.bodies.get(key, render).data))
        except UsageError as error:
            made.append((symbol, error))
    return made


def _past_session(service: Service, session: str | None) -> str | None:
    """The past session that a request is about: its own, or what the service was started as of; None for the newest.

    Raises UsageError where there are no past forecasts of that session.
    """
    head = service.view.snapshot.index.head
    if session is None:
        return None if service.as_of is None else session_until(head, service.as_of)
    known = head.get("sessions", ())
    if session not in known:
        between = f"they are of {known[0]} to {known[-1]}" if known else "there are none"
        raise UsageError(f"there are no past forecasts of {session}: {between}.")
    return session


def _forecast(
    service: Service, symbol: str, horizon: int | None, *, explain: bool, on: str | None = None
) -> tuple[tuple[Hashable, ...], Callable[[], dict[str, Any]]]:
    """A published forecast: its key in the cache, and what renders it; raises UnknownSymbolError.

    Rendering raises UsageError for a horizon, or a past session `on`, that does not exist.
    """
    snapshot = service.view.snapshot
    entry, head = snapshot.entry(symbol), snapshot.index.head
    stale = service.view.staleness(entry) if on is None else of_the_past(on, head)

    def render() -> dict[str, Any]:
        document = service.view.document(symbol)
        forecasts = document["forecasts"] if on is None else forecasts_after(document, on, head)
        return _forecast_response(_at_horizon(forecasts, horizon), stale, explain=explain and on is None)

    return ("forecast", entry.digest, horizon, stale, explain, on), render


def known_forecast(service: Service, symbol: str, horizon: int | None) -> Body | None:
    """The body of `forecast`, where it was rendered before; errors are those of the route."""
    key, _ = _forecast(service, symbol, horizon, explain=False, on=_past_session(service, None))
    known: Body | None = service.bodies.known(key)
    return known


async def _live(request: Request, service: Service, symbol: str, horizon: int | None, *, explain: bool) -> Response:
    """A forecast made now; where that fails, the published one with the reason."""
    # raises for a symbol or horizon that does not exist, before anything is computed
    symbol = service.view.snapshot.name(symbol)
    stale = service.view.staleness(service.view.snapshot.entry(symbol))
    document = await service.rendered(functools.partial(service.view.document, symbol))
    published = _at_horizon(document["forecasts"], horizon)
    if service.live is not None and service.live_runs.gate.full():
        return _busy(request, service, "Too many forecasts are being made")
    try:
        made = _at_horizon(await service.live_runs.forecasts(symbol), published["horizon"])
    except LiveError as error:
        reason = str(error)
        if service.live is not None:
            log.warning("no live forecast", extra={"symbol": symbol, "error": reason})
    except UsageError as error:
        reason = f"no live forecast: {error}"
    else:
        if made["as_of"] >= published["as_of"]:
            # from newer bars than the published one, it is as new as can be
            current = stale if made["as_of"] == published["as_of"] else Staleness(stale=False, sessions_behind=0)
            return json_response(_forecast_response(made, current, live=True, explain=explain))
        reason = "the lake is older than the published forecasts"
    stale = dataclasses.replace(stale, stale=True, reasons=(*stale.reasons, reason))
    return json_response(_forecast_response(published, stale, explain=explain))


def _horizon(forecasts: Sequence[Mapping[str, Any]], horizon: int | None) -> int:
    return int(_at_horizon(forecasts, horizon)["horizon"])


def _at_horizon(forecasts: Sequence[Mapping[str, Any]], horizon: int | None) -> Mapping[str, Any]:
    """The forecast at `horizon`, by default at the shortest; raises UsageError that names the horizons there are."""
    by_horizon = {int(forecast["horizon"]): forecast for forecast in forecasts}
    chosen = min(by_horizon) if horizon is None else horizon
    if chosen not in by_horizon:
        known = ", ".join(map(str, by_horizon))
        raise UsageError(f"there is no forecast {chosen} sessions ahead; horizons: {known}.")
    return by_horizon[chosen]


def _forecast_response(
    forecast: Mapping[str, Any], stale: Staleness, *, live: bool = False, explain: bool
) -> dict[str, Any]:
    """A published forecast (see `schema.Forecast.to_json`) in the fields of `schemas.ForecastResponse`."""
    when = ("symbol", "as_of", "session", "target_session", "horizon", "last_price")
    how_far = (
        "volatility", "volatility_rank", "baseline_volatility", "quantiles", "value_at_risk", "expected_shortfall",
    )  # fmt: skip
    which_way = ("price", "expected_return", "p_up", "verdict")
    attention = {"sessions": forecast["attention_time"], "features": forecast["attention_features"]}
    return {
        **{name: forecast[name] for name in when},
        "interval": to_plain(schemas.PriceInterval(forecast["lower"], forecast["upper"])),
        **{name: forecast[name] for name in (*how_far, *which_way)},
        "attention": attention if explain else None,
        "model_version": forecast["model_version"],
        "live": live,
        "staleness": to_plain(stale),
        "before_open": forecast.get("before_open"),
        "news": forecast.get("news", []),
        "news_text": news_sentence(forecast.get("news", ())),
    }


@router.get(
    "/history/{symbol}",
    response_model=schemas.HistoryResponse,
    responses=_example(schemas.HistoryResponse) | UNCHANGED,
)
async def history(
    request: Request,
    symbol: Symbol,
    horizon: Horizon = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many, the latest ones.")] = 250,
    session: Session = None,
) -> Response:
    """Past forecasts of a symbol with the realised returns and prices, as far as they were known at a session."""
    service = _service(request)
    on = _past_session(service, session)
    view = service.view
    symbol = view.snapshot.name(symbol)
    entry = view.snapshot.entry(symbol)
    stale = view.staleness(entry) if on is None else of_the_past(on, view.snapshot.index.head)
    chosen = min(map(int, entry.brief)) if horizon is None else horizon

    def render() -> list[dict[str, Any]]:
        document = view.document(symbol)
        made = past_forecasts(document, _horizon(document["forecasts"], chosen))
        return [to_plain(row) for row in (made if on is None else rows_until(made, on))]

    # all rows are rendered once, whatever number is asked for
    key = ("history", entry.digest, chosen, on)
    rows = service.bodies.known(key)
    if rows is None:
        rows = await service.rendered(functools.partial(service.bodies.get_rows, key, render))
    etag = f'"{content_key(repr((*key, limit, stale)).encode(), length=32)}"'
    if matches(request, etag):
        return Response(status_code=304, headers=tagged(etag))
    empty = schemas.HistoryResponse(symbol, entry.as_of, chosen, entry.model_version, (), stale)
    head, tail = json.dumps(to_plain(empty), separators=(",", ":")).encode().split(b'"forecasts":[]', 1)
    commas = itertools.chain.from_iterable(zip(itertools.repeat(b","), rows[-limit:], strict=False))
    pieces = (head + b'"forecasts":[', *itertools.islice(commas, 1, None), b"]" + tail)
    return PiecesResponse(pieces, tagged(etag))


# what is published --------------------------------------------------------------------------------------------------


@router.get("/symbols", response_model=schemas.SymbolsResponse, responses=UNCHANGED)
async def symbols(request: Request, session: Session = None) -> Response:
    """Every symbol that has a forecast, or had one after a past session."""
    service = _service(request)
    view, on = service.view, _past_session(service, session)
    index = view.snapshot.index
    stale = view.staleness() if on is None else of_the_past(on, index.head)
    if on is not None:
        request.state.charge((len(index.entries) - 1) / SYMBOLS)
        return await _body(request, ("symbols", index.etag, stale, on), functools.partial(_symbols_then, view, on))

    def render() -> dict[str, Any]:
        rows = []
        for symbol, entry in index.entries.items():
            shortest = entry.brief[min(entry.brief, key=int)]
            rows.append(
                schemas.SymbolSummary(
                    symbol=symbol,
                    as_of=entry.as_of,
                    session=entry.session,
                    **{name: shortest[name] for name in schemas.SUMMARY},
                    stale=view.staleness(entry).stale,
                )
            )
        horizons, version = tuple(index.head["horizons"]), index.head["model_version"]
        return to_plain(schemas.SymbolsResponse(tuple(rows), horizons, index.as_of, version, stale))

    return await _body(request, ("symbols", index.etag, stale), render)


def _symbols_then(view: View, on: str) -> dict[str, Any]:
    """`symbols` after the past session `on`."""
    index = view.snapshot.index
    rows = []
    for symbol in index.entries:
        try:
            then = forecasts_after(view.document(symbol), on, index.head)[0]
        except (UsageError, StoreError):
            continue  # it had no forecast then, or its document is damaged
        about = {name: then[name] for name in ("symbol", "as_of", "session", *schemas.SUMMARY)}
        rows.append(schemas.SymbolSummary(**about, stale=True))
    stale, head = of_the_past(on, index.head), index.head
    as_of = max((row.as_of for row in rows), default=on)
    return to_plain(schemas.SymbolsResponse(tuple(rows), tuple(head["horizons"]), as_of, head["model_version"], stale))


@router.get("/overview", responses=UNCHANGED)
async def overview(
    request: Request,
    session: Annotated[
        str | None, Query(pattern=r"^[0-9T:-]{8,25}$", description="A past one; by default the newest.")
    ] = None,
) -> Response:
    """All symbols in one table, for the dashboard: a list a column; with ``session`` as forecast and realised then."""
    service = _service(request)
    index = service.view.snapshot.index
    if session is not None:
        request.state.charge((len(index.entries) - 1) / SYMBOLS)
    key = ("overview", index.etag, session, service.view.staleness())
    make = functools.partial(board.overview, service.view, session, opens_at=service.as_of)
    return await _zipped(request, key, make)


@router.get("/symbols/{symbol}", responses=UNCHANGED)
async def detail(request: Request, symbol: Symbol) -> Response:
    """Everything published of a symbol, for the dashboard: bars, sentiment, items, attention, past forecasts."""
    view = _service(request).view
    entry = view.snapshot.entry(symbol)
    stale = view.staleness(entry)

    def render() -> dict[str, Any]:
        document = view.document(symbol)
        forecasts = [{**each, "news_text": news_sentence(each.get("news", ()))} for each in document["forecasts"]]
        return {**document, "forecasts": forecasts, "staleness": to_plain(stale)}

    return await _zipped(request, ("detail", entry.digest, stale), render)


@router.get("/models", response_model=schemas.ModelsResponse, responses=UNCHANGED)
async def models(request: Request) -> Response:
    """The model in use: its card, and the track record of its forecasts against an EWMA and persistence."""
    view = _service(request).view
    index = view.snapshot.index
    stale = view.staleness()

    def render() -> dict[str, Any]:
        head = index.head
        return {
            "champion": head["model_version"],
            "versions": head["versions"],
            "card": head["card"],
            "track": head["track"],
            "as_of": index.as_of,
            "staleness": to_plain(stale),
            "registry": head.get("registry", []),
        }

    return await _zipped(request, ("models", index.etag, stale), render)


@router.get("/monitor", responses=UNCHANGED)
async def monitor(request: Request) -> Response:
    """Drift of features and sentiment, error, coverage and volatility of past forecasts, staleness, at the refresh."""
    index = _service(request).view.snapshot.index
    empty = {"as_of": index.as_of, "alarms": 0, "checks": []}
    return await _zipped(request, ("monitor", index.etag), lambda: dict(index.head.get("monitor", empty)))


@router.get("/paper", response_model=schemas.PaperResponse, responses=_example(schemas.PaperResponse) | UNCHANGED)
async def paper(request: Request) -> Response:
    """Paper trading as the last ``tenor paper run`` left it: what is held, its value, orders, fills, and a verdict."""
    view = _service(request).view
    published = view.paper
    key = ("paper", None if published is None else published.etag)
    return await _zipped(request, key, lambda: {"account": None} if published is None else read_json(published.data))


# sentiment and events -----------------------------------------------------------------------------------------------


@router.post("/sentiment", response_model=schemas.SentimentResponse, responses=_example(schemas.SentimentResponse))
async def sentiment(request: Request, batch: Texts) -> Response:
    """Score texts; with `why`, show which words moved each score."""
    service = _service(request)
    if batch.why and len(batch.texts) > MOST_EXPLAINED_TEXTS:
        raise UsageError(f"'why' takes at most {MOST_EXPLAINED_TEXTS} texts at a time, not {len(batch.texts)}.")
    request.state.charge(len(batch.texts) * (EXPLAINED if batch.why else 1) - 1)
    if service.gate.full():
        return _busy(request, service, "Too many texts are being scored")
    async with service.gate:
        return json_response(await asyncio.to_thread(_score, service, batch))


def _score(service: Service, batch: Texts) -> dict[str, Any]:
    scorer = service.loaded_scorer
    scores = scorer.score(batch.texts, kinds=scorer.has_kinds)
    rows = scores.rows()
    if batch.why:
        from tenor.sentiment.explain import why

        for text, row in zip(batch.texts, rows, strict=True):
            words = () if row["empty"] else why(scorer, text).words
            row["words"] = [{"word": word.text, "contribution": word.contribution} for word in words]
    return {"scores": rows, "model_id": scores.model_id}


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={200: {"description": "A stream that does not end.", "content": {"text/event-stream": {}}}},
)
async def events(
    request: Request,
    symbols: Annotated[str, Query(max_length=4000, description="AAPL,MSFT; empty for all.")] = "",
) -> Response:
    """Server-sent events: ``hello`` at once, then ``forecast`` for every symbol whose forecasts are new."""
    service = _service(request)
    snapshot = service.view.snapshot
    hello = {"as_of": snapshot.index.as_of, "staleness": to_plain(service.view.staleness())}
    names = (name.strip() for name in symbols.split(","))
    requested = frozenset(snapshot.find(name) or name for name in names if name)
    stream = service.hub.listen(hello, requested, seconds=service.limits.stream_seconds)
    headers = {**NO_STORE, "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


# for operators ------------------------------------------------------------------------------------------------------


@operator.get("/healthz")
async def healthz() -> Response:
    """Whether the process answers at all."""
    return json_response({"status": "alive"})


@operator.get("/readyz", responses={503: {"description": "There is nothing to serve yet."}})
async def readyz(request: Request) -> Response:
    """``ready``; ``degraded``: the last good forecasts are served; 503: there are none.

    Why, and what is served, is told to holders of a key, and at this machine to those of a service without keys.
    """
    view = _service(request).view
    insider = request.state.insider
    if not view.ready:
        problems = view.problems or (NOTHING_PUBLISHED,)
        why: dict[str, Any] = {"problems": list(problems)} if insider else {}
        if insider and view.progress is not None:
            why = {"progress": to_plain(view.progress)}
        return json_response({"status": "not ready", **why}, 503)
    index = view.snapshot.index
    stale = view.staleness()
    status = {"status": "degraded" if stale.stale else "ready"}
    if not insider:
        return json_response(status)
    return json_response(
        {
            **status,
            "as_of": index.as_of,
            "model_version": index.head["model_version"],
            "symbols": len(index.entries),
            "staleness": to_plain(stale),
            "alarms": int(index.head.get("monitor", {}).get("alarms", 0)),
            # None: this process has not read them yet, and serves the copy of an earlier one
            "board_read_seconds_ago": round(max(0.0, view.clock() - view.last_good), 1) if view.last_good else None,
        }
    )


@operator.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {PROMETHEUS: {"schema": {"type": "string"}}}, "description": "In Prometheus' format."}},
)
async def metrics(request: Request) -> Response:
    """Counters, for Prometheus."""
    service = _service(request)
    return Response(service.metrics.text(service.view), headers=NO_STORE, media_type=PROMETHEUS)


# shared -------------------------------------------------------------------------------------------------------------


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _body(request: Request, key: tuple[Hashable, ...], render: Callable[[], Mapping[str, Any]]) -> Response:
    service = _service(request)
    body: Body | None = service.bodies.known(key)
    if body is None:
        body = await service.rendered(functools.partial(service.bodies.get, key, render))
    return body.response(request)


async def _zipped(request: Request, key: tuple[Hashable, ...], render: Callable[[], Mapping[str, Any]]) -> Response:
    """As `_body`, compressed for those who take it: for the large answers, which the dashboard waits for."""
    service = _service(request)
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return await _body(request, key, render)
    zipped: Body | None = service.bodies.known((*key, "gzip"))
    if zipped is None:

        def zip_() -> bytes:
            return gzip.compress(service.bodies.get(key, render).data, 5, mtime=0)

        zipped = await service.rendered(functools.partial(service.bodies.get_data, (*key, "gzip"), zip_))
    answer = zipped.response(request)
    answer.headers["Vary"] = "Accept-Encoding"
    if answer.status_code == HTTPStatus.OK:
        answer.headers["Content-Encoding"] = "gzip"
    return answer


def _busy(request: Request, service: Service, what: str) -> Response:
    service.metrics.refused.labels("busy").inc()
    return problem_response(problem(503, f"{what}: come back in a second.", request_id=request.state.request_id))
