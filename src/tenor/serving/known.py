"""Answers with cached forecasts without FastAPI, whose routing takes more time than the rest of such an answer.

This is only for the most frequent request: one symbol's newest forecast. Unusual requests, and forecasts that are not
cached yet, are left to the routes. The answers are byte for byte those of the routes.
"""

from __future__ import annotations

import re

from fastapi.routing import APIRoute
from starlette.requests import Request

from tenor.errors import TenorError
from tenor.serving import routes
from tenor.serving.middleware import App, Receive, Scope, Send
from tenor.serving.responses import Body
from tenor.serving.service import Service

_PATH = re.compile(r"/v1/forecast/([A-Za-z0-9^][A-Za-z0-9.^=-]{0,31})")
_QUERY = re.compile(rb"(?:horizon=([1-9][0-9]{0,2}))?")


class KnownForecasts:
    """An ASGI application in front of `app` that answers with cached forecasts, if there are any.

    Parameters
    ----------
    app
        The application for everything else.
    service
        The objects that the routes share.
    """

    def __init__(self, app: App, service: Service) -> None:
        self._app = app
        self._service = service
        self._route = next(
            route for route in routes.router.routes if isinstance(route, APIRoute) and route.endpoint is routes.forecast
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = self._known(scope)
        if body is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route  # the name for counters and log
        await body.response(Request(scope))(scope, receive, send)

    def _known(self, scope: Scope) -> Body | None:
        if scope["type"] != "http" or scope["method"] != "GET":
            return None
        path, query = _PATH.fullmatch(scope["path"]), _QUERY.fullmatch(scope["query_string"])
        if path is None or query is None:
            return None
        horizon = None if query[1] is None else int(query[1])
        try:
            return routes.known_forecast(self._service, path[1], horizon)
        except TenorError:
            return None  # the route reports the error
