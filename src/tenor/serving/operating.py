"""The routes that a machine's keeper asks: is it alive, is it ready, what does it count."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from tenor.serving.responses import NO_STORE, json_response
from tenor.serving.schemas import to_plain
from tenor.serving.service import Service

router = APIRouter(tags=["operating"])


@router.get("/healthz")
async def healthz() -> Response:
    """Whether the process answers at all."""
    return Response('{"status":"alive"}', headers=NO_STORE, media_type="application/json")


@router.get("/readyz", responses={503: {"description": "There is nothing to serve yet."}})
async def readyz(request: Request) -> Response:
    """``ready``; ``degraded``: the last good forecasts are served, and why they are stale; 503: there are none."""
    service: Service = request.app.state.service
    view = service.view
    if not view.ready:
        problems = view.problems or ("nothing was published yet: run 'tenor refresh'",)
        return json_response({"status": "not ready", "problems": list(problems)}, 503)
    index = view.snapshot.index
    stale = view.staleness()
    alarms = int(index.head.get("monitor", {}).get("alarms", 0))
    return json_response(
        {
            "status": "degraded" if stale.stale else "ready",
            "as_of": index.as_of,
            "model_version": index.head["model_version"],
            "symbols": len(index.entries),
            "staleness": to_plain(stale),
            "alarms": alarms,
            # None: not since this process started, which serves what one before it had read
            "board_read_seconds_ago": round(max(0.0, view.clock() - view.last_good), 1) if view.last_good else None,
        }
    )


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Counters, for Prometheus."""
    service: Service = request.app.state.service
    return Response(service.metrics.text(service.view), headers=NO_STORE, media_type="text/plain; version=0.0.4")
