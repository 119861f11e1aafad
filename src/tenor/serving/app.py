"""The service as an ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import Match

from tenor.errors import OverRateError, TenorError
from tenor.serving import dashboard, routes
from tenor.serving.known import KnownForecasts
from tenor.serving.logs import LOGGER
from tenor.serving.middleware import AccessMiddleware
from tenor.serving.responses import SECURITY_HEADERS, problem, problem_of, problem_response
from tenor.serving.service import Service

log = logging.getLogger(LOGGER)


def create_app(service: Service) -> Any:
    """The ASGI application of `service`.

    Routes under ``/v1``, ``/healthz``, ``/readyz``, ``/metrics`` and the dashboard at ``/``. Errors are problem details
    (RFC 9457). Web pages of other origins may call it only if `service.origins` names them. If `service.hosts` is set,
    it answers only requests to these host names.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.update()
        watching = asyncio.create_task(service.watch()) if service.poll else None
        yield
        service.close()
        if watching is not None:
            watching.cancel()

    app = _App(
        title="tenor",
        version=version("tenor"),
        description="Forecasts of stocks: their intervals, attention, staleness and track record.",
        openapi_url="/v1/openapi.json",
        docs_url=None,  # FastAPI's pages load scripts from other hosts; tenor's page is in `dashboard`
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.service = service
    # as they are: `include_router` would build each of them once more
    app.router.routes += [*routes.router.routes, *routes.operator.routes, *dashboard.router.routes]
    app.add_exception_handler(TenorError, _tenor_error)
    app.add_exception_handler(OverRateError, _over_rate)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unforeseen)
    protected = AccessMiddleware(
        KnownForecasts(app, service),
        limits=service.limits,
        metrics=service.metrics,
        keys=service.keys,
        hosts=service.hosts,
        posts=frozenset(
            route.path
            for route in routes.router.routes
            if isinstance(route, APIRoute) and "POST" in (route.methods or ())
        ),
    )
    if not service.origins:
        return protected
    return _Origins(
        protected,
        allow_origins=service.origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "If-None-Match", "X-Api-Key"],
        expose_headers=["ETag", "X-Request-Id"],
    )


class _App(FastAPI):
    """Describes what its routes answer when it is asked to."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            described = FastAPI(title=self.title, version=self.version, description=self.description)
            for router in (routes.router.described(), routes.operator.described()):
                described.include_router(router)
            self.openapi_schema = described.openapi()
        return self.openapi_schema


class _Origins(CORSMiddleware):
    """Answers CORS preflight requests, with the headers of all answers; refusals are problem details."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """See `CORSMiddleware`."""
        response = super().preflight_response(request_headers)
        if response.status_code != HTTPStatus.OK:
            detail = "The preflight asks for an origin, method or header that is not allowed: see --allow-origin."
            response = problem_response(problem(response.status_code, detail), {"Vary": "Origin"})
        for name, value in SECURITY_HEADERS:
            response.headers[name.decode()] = value.decode()
        return response


def _tenor_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, TenorError)
    shown = problem_of(error, request.state.request_id)
    if shown.status == HTTPStatus.SERVICE_UNAVAILABLE and not request.state.insider:
        # it may name paths and buckets
        log.error("unavailable", extra={"error": str(error), "request_id": request.state.request_id})
        shown = dataclasses.replace(shown, detail="The log has more under this request id.")
    return problem_response(shown)


def _over_rate(request: Request, error: Exception) -> Response:
    assert isinstance(error, OverRateError)
    limits = request.app.state.service.limits
    detail = f"This asks for more work than {limits.rate:g} a second: ask for less at once, or later."
    headers = {"Retry-After": str(int(error.wait) + 1)}
    return problem_response(problem(429, detail, request_id=request.state.request_id), headers)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = {
        404: "There is nothing under this path: /docs and /v1/openapi.json list the paths.",
        405: "/docs and /v1/openapi.json list the methods of each path.",
    }.get(error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
    return problem_response(problem(error.status_code, detail, request_id=request.state.request_id), headers)


def _methods(request: Request) -> list[str]:
    """The methods of the path asked for, of all routes that have it; what answers GET answers HEAD."""
    included = (request.app, routes.router, routes.operator, dashboard.router)
    here = [route for each in included for route in each.routes if route.matches(request.scope)[0] is not Match.NONE]
    methods = {method for route in here for method in getattr(route, "methods", None) or ()}
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    messages = tuple(f"{'.'.join(str(part)[:40] for part in item['loc'])}: {item['msg']}"[:200] for item in errors[:10])
    status = 400 if any(item["type"] == "json_invalid" for item in errors) else 422
    detail = "The body is not JSON." if status == 400 else "See 'errors' for each field."
    return problem_response(problem(status, detail, request_id=request.state.request_id, errors=messages))


def _unforeseen(request: Request, error: Exception) -> Response:
    del error  # the middleware logs it; the caller must not see it
    return problem_response(
        problem(500, "The log has more under this request id.", request_id=request.state.request_id)
    )
