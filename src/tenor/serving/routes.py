"""The routes under ``/v1``."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from tenor.errors import TenorError, UsageError
from tenor.serving import examples, schemas
from tenor.serving.logs import LOGGER
from tenor.serving.problems import problem_of, problem, problem_response
from tenor.serving.rendering import Body, forecast_response, pick
from tenor.serving.responses import NO_STORE, json_response
from tenor.serving.schemas import to_plain
from tenor.serving.service import Service

LIVE_SECONDS = 20.0
MOST_SYMBOLS = 500
MOST_TEXTS = 64
MOST_WORDS_TEXTS = 4
LONGEST_TEXT = 5_000

Symbol = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9^][A-Za-z0-9.^=_-]{0,23}$", description="As in /v1/symbols.", examples=["AAPL"])
]
Horizon = Annotated[
    int | None, Query(ge=1, le=1000, description="Sessions ahead; without it the shortest there is.", examples=[1])
]

router = APIRouter(prefix="/v1", responses=examples.PROBLEMS)
log = logging.getLogger(LOGGER)


class Batch(BaseModel):
    """Symbols to forecast together."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"symbols": ["AAPL", "MSFT"], "horizon": 1}}
    )
    symbols: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=24)]], Field(min_length=1, max_length=MOST_SYMBOLS)
    ]
    horizon: Annotated[int | None, Field(ge=1, le=1000, strict=True)] = None


class Texts(BaseModel):
    """Texts to score; with `why`, which words moved each score (for a few texts at once)."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"texts": ["Orders rose for the third quarter."], "why": False}}
    )
    texts: Annotated[list[Annotated[str, Field(max_length=LONGEST_TEXT)]], Field(min_length=1, max_length=MOST_TEXTS)]
    why: bool = False


@router.get(
    "/forecast/{symbol}",
    response_model=schemas.ForecastResponse,
    responses=examples.of(examples.FORECAST) | examples.UNCHANGED,
)
async def forecast(
    request: Request,
    symbol: Symbol,
    horizon: Horizon = None,
    live: Annotated[bool, Query(description="Make it now, from the latest bars, where this service can.")] = False,
) -> Response:
    """One symbol's forecast: price and return with their interval, what the network looked at, and how stale it is."""
    service = _service(request)
    if live:
        return await _live(request, service, symbol, horizon)
    return _answer(request, service.renderer.forecast(symbol, horizon))


@router.post("/forecasts", response_model=schemas.ForecastsResponse, responses=examples.of(examples.FORECASTS))
async def forecasts(request: Request, batch: Batch) -> Response:
    """Forecasts of many symbols; one that has none gets its problem, and the others their forecasts."""
    service = _service(request)
    made, problems = [], []
    for symbol in batch.symbols:
        try:
            made.append(service.renderer.forecasts(symbol, batch.horizon))
        except UsageError as error:
            problems.append(schemas.SymbolProblem(symbol, problem_of(error, request.state.request_id)))
    return json_response(to_plain(schemas.ForecastsResponse(tuple(made), tuple(problems), service.view.staleness())))


@router.get(
    "/history/{symbol}",
    response_model=schemas.HistoryResponse,
    responses=examples.of(examples.HISTORY) | examples.UNCHANGED,
)
async def history(
    request: Request,
    symbol: Symbol,
    horizon: Horizon = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="The last so many.")] = 250,
) -> Response:
    """Past forecasts of a symbol with what came true."""
    return _answer(request, _service(request).renderer.history(symbol, horizon, limit))


@router.get("/symbols", response_model=schemas.SymbolsResponse, responses=examples.UNCHANGED)
async def symbols(request: Request) -> Response:
    """Every symbol that has a forecast."""
    return _answer(request, _service(request).renderer.symbols())


@router.get("/symbols/{symbol}", responses=examples.UNCHANGED)
async def detail(request: Request, symbol: Symbol) -> Response:
    """All that is known of a symbol, as the page draws it: bars, sentiment, items, attention, past forecasts."""
    return _answer(request, _service(request).renderer.detail(symbol))


@router.get("/models", response_model=schemas.ModelsResponse, responses=examples.UNCHANGED)
async def models(request: Request) -> Response:
    """The model in use: its card, and how its forecasts did against persistence."""
    return _answer(request, _service(request).renderer.models())


@router.get("/monitor", responses=examples.UNCHANGED)
async def monitor(request: Request) -> Response:
    """Drift of features and sentiment, error and coverage of the latest forecasts, staleness, at the last refresh."""
    return _answer(request, _service(request).renderer.monitor())


@router.post("/sentiment", response_model=schemas.SentimentResponse, responses=examples.of(examples.SENTIMENT))
async def sentiment(request: Request, given: Texts) -> Response:
    """Score texts; with `why`, tell which words moved each score."""
    service = _service(request)
    if given.why and len(given.texts) > MOST_WORDS_TEXTS:
        raise UsageError(f"'why' is told for {MOST_WORDS_TEXTS} texts at a time, not {len(given.texts)}.")
    if service.gate.full():
        return _busy(request, service, "Too many texts are being scored")
    async with service.gate:
        return json_response(await asyncio.to_thread(_score, service, given))


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
    hello = {"as_of": service.view.snapshot.index.as_of, "staleness": to_plain(service.view.staleness())}
    wanted = frozenset(name for name in symbols.split(",") if name)
    headers = {**NO_STORE, "X-Accel-Buffering": "no"}
    return StreamingResponse(service.hub.listen(hello, wanted), media_type="text/event-stream", headers=headers)


async def _live(request: Request, service: Service, symbol: str, horizon: int | None) -> Response:
    """A forecast made now; where that fails, the one on the board, which says so."""
    kept = service.renderer.forecasts(symbol, horizon)  # raises for what does not exist, before anything is computed
    reason = ""
    if service.live is None:
        reason = "this service has no lake to make a forecast from"
    elif service.gate.full():
        return _busy(request, service, "Too many forecasts are being made")
    else:
        try:
            async with asyncio.timeout(LIVE_SECONDS), service.gate:
                made = await asyncio.to_thread(service.live, symbol)
            said = pick([dict(one) for one in made], kept.horizon)
            if said["as_of"] >= kept.as_of:
                stale = (
                    kept.staleness if said["as_of"] == kept.as_of else schemas.Staleness(stale=False, sessions_behind=0)
                )
                return json_response(to_plain(forecast_response(said, stale, live=True)))
            reason = "the lake is behind the board"
        except TimeoutError:
            reason = f"no live forecast within {LIVE_SECONDS:g} seconds"
        except (TenorError, OSError) as error:
            reason = f"no live forecast: {error}"
            log.warning("no live forecast", extra={"symbol": symbol, "error": str(error)})
    plain = to_plain(kept)
    plain["staleness"]["stale"] = True
    plain["staleness"]["reasons"] = [*kept.staleness.reasons, reason]
    return json_response(plain)


def _score(service: Service, given: Texts) -> dict[str, Any]:
    scorer = service.loaded_scorer
    scores = scorer.score(given.texts)
    rows = scores.rows()
    if given.why:
        from tenor.sentiment.explain import why

        for text, row in zip(given.texts, rows, strict=True):
            words = () if row["empty"] else why(scorer, text).words
            row["words"] = [{"word": word.text, "contribution": word.contribution} for word in words]
    return {"scores": rows, "model_id": scores.model_id}


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _busy(request: Request, service: Service, what: str) -> Response:
    service.metrics.refused.labels("busy").inc()
    return problem_response(problem(503, f"{what}: come back in a second.", request_id=request.state.request_id))


def _answer(request: Request, body: Body) -> Response:
    """`body`, or that it has not changed."""
    headers = {"ETag": body.etag, "Cache-Control": "private, no-cache"}
    asked = request.headers.get("if-none-match", "")
    if asked and any(tag.strip().removeprefix("W/") in (body.etag, "*") for tag in asked.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body.data, headers=headers, media_type="application/json")
