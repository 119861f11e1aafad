"""A client of a tenor service: typed answers, and every problem as one error."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from tenor.errors import ServiceError
from tenor.serving.schemas import (
    ForecastResponse,
    ForecastsResponse,
    HistoryResponse,
    ModelsResponse,
    SentimentResponse,
    SymbolsResponse,
    from_plain,
)

T = TypeVar("T")


class Client:
    """Asks the service at `url`.

    A forecast that was asked for before is only asked whether it is still so (ETag). Use it in a ``with``, or close it.

    Parameters
    ----------
    url
        As ``http://127.0.0.1:8000``.
    key
        An API key, where the service wants one; it goes to `url` alone.
    timeout
        Seconds for an answer to begin.
    transport
        What carries the requests, for tests.

    Raises
    ------
    ServiceError
        By every method: the service can't be reached, its answer can't be read, or it is a problem.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout: float = 10.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)
        self._url = url
        self._kept: dict[str, tuple[str, dict[str, Any]]] = {}

    def forecast(self, symbol: str, *, horizon: int | None = None, live: bool = False) -> ForecastResponse:
        """The forecast of `symbol`, by default at the shortest horizon; with `live` made for this request."""
        query = {"horizon": horizon, "live": "true" if live else None}
        return self._get(ForecastResponse, f"/v1/forecast/{quote(symbol, safe='')}", query)

    def forecasts(self, symbols: Sequence[str], *, horizon: int | None = None) -> ForecastsResponse:
        """The forecasts of `symbols`; one that has none is among the answer's problems."""
        return self._post(ForecastsResponse, "/v1/forecasts", {"symbols": list(symbols), "horizon": horizon})

    def history(self, symbol: str, *, horizon: int | None = None, limit: int = 250) -> HistoryResponse:
        """The last `limit` forecasts of `symbol` with what came true."""
        query = {"horizon": horizon, "limit": limit}
        return self._get(HistoryResponse, f"/v1/history/{quote(symbol, safe='')}", query)

    def symbols(self) -> SymbolsResponse:
        """Every symbol that has a forecast."""
        return self._get(SymbolsResponse, "/v1/symbols", {})

    def models(self) -> ModelsResponse:
        """The model in use, its card, and how its forecasts did."""
        return self._get(ModelsResponse, "/v1/models", {})

    def sentiment(self, texts: Sequence[str], *, why: bool = False) -> SentimentResponse:
        """The scores of `texts`; with `why`, the words that moved them."""
        return self._post(SentimentResponse, "/v1/sentiment", {"texts": list(texts), "why": why})

    def events(self, symbols: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
        """New forecasts of `symbols` (all by default) as they are published, until the service ends the stream."""
        query = {"symbols": ",".join(symbols)} if symbols else {}
        timeout = httpx.Timeout(self._http.timeout.connect, read=60.0)
        try:
            with self._http.stream("GET", "/v1/events", params=query, timeout=timeout) as answer:
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                    self._refuse(answer)
                name = ""
                for line in answer.iter_lines():
                    field, _, value = line.partition(": ")
                    if field == "event":
                        name = value
                    elif field == "data" and name == "forecast":
                        yield json.loads(value)
        except (httpx.HTTPError, ValueError) as error:
            raise self._lost(error) from error

    def ready(self) -> dict[str, Any]:
        """How the service stands: ``status``, and why, if it is not ``ready``."""
        answer = self._send("GET", "/readyz", {}, None)
        told: dict[str, Any] = self._read(answer)
        return told

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        self.close()

    def _get(self, cls: type[T], path: str, query: Mapping[str, Any]) -> T:
        asked = {name: value for name, value in query.items() if value is not None}
        url = str(httpx.URL(path, params=asked))
        etag, plain = self._kept.get(url, ("", {}))
        answer = self._send("GET", path, asked, None, {"If-None-Match": etag} if etag else {})
        if answer.status_code != httpx.codes.NOT_MODIFIED:
            plain = self._good(answer)
            if "etag" in answer.headers:
                self._kept[url] = (answer.headers["etag"], plain)
        return self._as(cls, plain)

    def _post(self, cls: type[T], path: str, body: Mapping[str, Any]) -> T:
        given = {name: value for name, value in body.items() if value is not None}
        return self._as(cls, self._good(self._send("POST", path, {}, given)))

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] = {},
    ) -> httpx.Response:
        try:
            return self._http.request(method, path, params=dict(query), json=body, headers=headers)
        except httpx.HTTPError as error:
            raise self._lost(error) from error

    def _good(self, answer: httpx.Response) -> dict[str, Any]:
        if answer.status_code != httpx.codes.OK:
            self._refuse(answer)
        return self._read(answer)

    def _read(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            plain = answer.json()
        except ValueError as error:
            raise self._lost(error) from error
        if not isinstance(plain, dict):
            raise ServiceError(f"{self._url} answered no JSON object: is a tenor service there?")
        return plain

    def _as(self, cls: type[T], plain: Mapping[str, Any]) -> T:
        try:
            return from_plain(cls, plain)
        except ValueError as error:
            raise ServiceError(f"{self._url} answered what this client does not know ({error}): update it.") from error

    def _refuse(self, answer: httpx.Response) -> None:
        try:
            told = answer.json()
            detail = f"{told['title']}: {told['detail']}"
            detail += "".join(f" {one}." for one in told.get("errors", ()))
            kind = str(told["type"]).rpartition(":")[2]
        except (ValueError, KeyError, TypeError):
            detail, kind = f"HTTP status {answer.status_code}", ""
        after = answer.headers.get("retry-after", "")
        raise ServiceError(
            f"{self._url}: {detail}",
            status=answer.status_code,
            kind=kind,
            retry_after=float(after) if after.isdigit() else None,
        )

    def _lost(self, error: Exception) -> ServiceError:
        what = type(error).__name__ if not str(error) else str(error)
        return ServiceError(f"{self._url} can't be reached, or broke off ({what}): is 'tenor serve' running there?")
