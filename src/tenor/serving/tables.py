"""The published forecasts as a table: CSV and Parquet for spreadsheets, notebooks and `tenor judge`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tenor.errors import UsageError
from tenor.forecast_table import CSV, MEDIA, forecast_row, to_csv, to_parquet, trained_until_of
from tenor.serving.replayed import forecasts_after
from tenor.serving.responses import matches, tagged
from tenor.serving.service import Service

JSON = "json"
DESCRIBED: dict[int | str, dict[str, Any]] = {
    200: {"content": {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA.values()}},
    406: {"description": "This service can't write Parquet: ask for CSV."},
}
"""The responses for OpenAPI, in addition to JSON."""


def format_asked(request: Request, format_: str | None) -> str:
    """The format that the caller wants: by the query, else the first known media type of ``Accept``."""
    if format_ is not None:
        return format_
    named = {media: name for name, media in MEDIA.items()} | {"application/json": JSON, "*/*": JSON}
    for part in request.headers.get("accept", "").lower().split(","):
        media = part.partition(";")[0].strip()
        if media in named:
            return named[media]
    return JSON


async def table_response(
    request: Request,
    service: Service,
    symbols: Sequence[str],
    horizon: int | None,
    format_: str,
    on: str | None = None,
) -> Response:
    """The published forecasts of `symbols` as a file.

    Unlike JSON, a table has no place for the problem of a symbol, so one problem refuses the whole request.

    Parameters
    ----------
    symbols
        The symbols, as they are published.
    horizon
        Sessions ahead; None for all horizons.
    format_
        A key of `MEDIA`.
    on
        A past session; None for the newest forecasts.
    """
    entries = service.view.snapshot.index.entries
    key = ("table", format_, horizon, on, *(entries[symbol].digest for symbol in symbols))
    make = functools.partial(_table, service, symbols, horizon, format_, on)
    body = await service.rendered(functools.partial(service.bodies.get_data, key, make))
    headers = {
        **tagged(body.etag),
        "Content-Disposition": f'attachment; filename="forecasts.{format_}"',
        "Vary": "Accept",
        "X-Stale": str(on is not None or service.view.staleness().stale).lower(),
    }
    if matches(request, body.etag):
        return Response(status_code=304, headers=headers)
    return Response(body.data, headers=headers, media_type=MEDIA[format_])


def _table(service: Service, symbols: Sequence[str], horizon: int | None, format_: str, on: str | None) -> bytes:
    index = service.view.snapshot.index
    rows = []
    for symbol in symbols:
        entry = service.view.snapshot.entry(symbol)
        # a symbol that this refresh could not forecast still has the forecast of another version
        document = service.view.document(symbol)
        forecasts = document["forecasts"] if on is None else forecasts_after(document, on, index.head)
        known = forecasts[0]["model_version"] == index.head["model_version"]
        trained = trained_until_of(index.head["card"]) if known else None
        chosen = [f for f in forecasts if horizon is None or int(f["horizon"]) == horizon]
        if not chosen:
            horizons = ", ".join(str(f["horizon"]) for f in forecasts)
            raise UsageError(f"there is no forecast of {symbol} {horizon} sessions ahead; horizons: {horizons}.")
        rows += [forecast_row(f, trained_until=trained, made_at=entry.published_at) for f in chosen]
    if format_ == CSV:
        return to_csv(rows)
    try:
        return to_parquet(rows)
    except ModuleNotFoundError:  # a function on AWS has no pyarrow
        raise HTTPException(406, "This service can't write Parquet: ask for CSV.") from None
