"""A client of a tenor service: typed responses, and one error for every problem."""

from __future__ import annotations

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
    PaperResponse,
    SentimentResponse,
    SymbolsResponse,
    from_plain,
)
from tenor.storage.files import read_json

T = TypeVar("T")


class Client:
    """A client of the service at `url`.

    Responses are kept, and sent again by the service only if they have changed (ETag). Use the client in a ``with``
    statement, or call `close`.

    Parameters
    ----------
    url
        Address of the service, for example ``http://127.0.0.1:8000``.
    key
        An API key, if the service needs one; it is sent only to `url`.
    timeout
        Seconds within which a response must begin.
    transport
        Carries the requests; used in tests.

    Raises
    ------
    ServiceError
        By every method, if the service can't be reached, its response can't be read, or it reports a problem.
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
        self._cached: dict[str, tuple[str, dict[str, Any]]] = {}

    def forecast(
        self,
        symbol: str,
        *,
        horizon: int | None = None,
        live: bool = False,
        explain: bool = False,
        session: str | None = None,
    ) -> ForecastResponse:
        """The forecast of `symbol`, by default at the shortest horizon.

        With `live`, it is made for this request from the latest bars. With `explain`, it has the network's weights of
        attention. With `session` (an ISO date), it is the forecast made after that past session.
        """
        flags = {"live": "true" if live else None, "explain": "true" if explain else None}
        query = {"horizon": horizon, **flags, "session": session}
        return self._get(ForecastResponse, f"/v1/forecast/{quote(symbol, safe='')}", query)

    def forecasts(
        self, symbols: Sequence[str], *, horizon: int | None = None, explain: bool = False
    ) -> ForecastsResponse:
        """The forecasts of `symbols`; symbols without a forecast are in the response's problems."""
        body = {"symbols": list(symbols), "horizon": horizon, "explain": explain or None}
        return self._post(ForecastsResponse, "/v1/forecasts", body)

    def history(self, symbol: str, *, horizon: int | None = None, limit: int = 250) -> HistoryResponse:
        """The last `limit` forecasts of `symbol` with the realised returns."""
        query = {"horizon": horizon, "limit": limit}
        return self._get(HistoryResponse, f"/v1/history/{quote(symbol, safe='')}", query)

    def symbols(self) -> SymbolsResponse:
        """Every symbol that has a forecast."""
        return self._get(SymbolsResponse, "/v1/symbols", {})

    def models(self) -> ModelsResponse:
        """The model in use, its card, and the track record of its forecasts."""
        return self._get(ModelsResponse, "/v1/models", {})

    def paper(self) -> PaperResponse:
        """The account of paper trading after the last ``tenor paper run``."""
        return self._get(PaperResponse, "/v1/paper", {})

    def sentiment(self, texts: Sequence[str], *, why: bool = False) -> SentimentResponse:
        """The sentiment scores of `texts`; with `why`, also how much each word changed its score."""
        return self._post(SentimentResponse, "/v1/sentiment", {"texts": list(texts), "why": why})

    def events(self, symbols: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
        """New forecasts of `symbols` (all by default) as they are published, until the service ends the stream."""
        query = {"symbols": ",".join(symbols)} if symbols else {}
        timeout = httpx.Timeout(self._http.timeout.connect, read=60.0)
        try:
            with self._http.stream("GET", "/v1/events", params=query, timeout=timeout) as response:
                if response.status_code != httpx.codes.OK:
                    response.read()
                    self._refuse(response)
                name = ""
                for line in response.iter_lines():
                    field, _, value = line.partition(": ")
                    if field == "event":
                        name = value
                    elif field == "data" and name == "forecast":
                        yield read_json(value)
        except (httpx.HTTPError, ValueError) as error:
            raise self._lost(error) from error

    def ready(self) -> dict[str, Any]:
        """The state of the service: ``status``, and the reason if it is not ``ready``."""
        return self._read(self._send("GET", "/readyz", {}, None))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        self.close()

    def _get(self, cls: type[T], path: str, query: Mapping[str, Any]) -> T:
        params = {name: value for name, value in query.items() if value is not None}
        url = str(httpx.URL(path, params=params))
        etag, plain = self._cached.get(url, ("", {}))
        response = self._send("GET", path, params, None, {"If-None-Match": etag} if etag else {})
        if response.status_code != httpx.codes.NOT_MODIFIED:
            plain = self._good(response)
            if "etag" in response.headers:
                self._cached[url] = (response.headers["etag"], plain)
        return self._as(cls, plain)

    def _post(self, cls: type[T], path: str, body: Mapping[str, Any]) -> T:
        fields = {name: value for name, value in body.items() if value is not None}
        return self._as(cls, self._good(self._send("POST", path, {}, fields)))

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

    def _good(self, response: httpx.Response) -> dict[str, Any]:
        if response.status_code != httpx.codes.OK:
            self._refuse(response)
        return self._read(response)

    def _read(self, response: httpx.Response) -> dict[str, Any]:
        try:
            plain = response.json()
        except ValueError as error:
            raise self._lost(error) from error
        if not isinstance(plain, dict):
            raise ServiceError(f"{self._url} did not answer with a JSON object: is it a tenor service?")
        return plain

    def _as(self, cls: type[T], plain: Mapping[str, Any]) -> T:
        try:
            return from_plain(cls, plain)
        except ValueError as error:
            raise ServiceError(
                f"{self._url} answered with fields that this client does not know ({error}): update it."
            ) from error

    def _refuse(self, response: httpx.Response) -> None:
        try:
            problem = response.json()
            detail = f"{problem['title']}: {problem['detail']}"
            detail += "".join(f" {error}." for error in problem.get("errors", ()))
            kind = str(problem["type"]).rpartition(":")[2]
        except (ValueError, KeyError, TypeError):
            detail, kind = f"HTTP status {response.status_code}", ""
        after = response.headers.get("retry-after", "")
        raise ServiceError(
            f"{self._url}: {detail}",
            status=response.status_code,
            kind=kind,
            retry_after=float(after) if after.isdigit() else None,
        )

    def _lost(self, error: Exception) -> ServiceError:
        what = type(error).__name__ if not str(error) else str(error)
        return ServiceError(f"{self._url} can't be reached, or broke off ({what}): is 'tenor serve' running there?")
