"""All requests to the network go through here: limited in time and size, retried, paced, and with clear errors."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import logging
import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import httpx
import tenacity

from tenor.config import HttpConfig
from tenor.errors import SourceError
from tenor.ingest.services.keys import HideKeys, SourceKeys
from tenor.ingest.services.pacing import CircuitBreaker, Clock, RateLimit
from tenor.ingest.services.redirects import Redirects
from tenor.storage.files import read_json

Form = Literal["json", "csv", "xml"]

AGENT = "Mozilla/5.0 (compatible; tenor; research)"
_TEMPORARY = (408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 524)
_MEGABYTE = 1 << 20
# these loggers write whole addresses, also those of redirects, and a query may contain a key
_LOGGERS = ("httpx", "httpcore.http11", "httpcore.connection", "httpcore.proxy")


class _TemporaryError(Exception):
    """A failure after which another try may succeed.

    Parameters
    ----------
    message
        The rest of a sentence whose subject is the source.
    kind
        The kind of the SourceError that is raised if no try succeeds.
    after
        The seconds that the source asks to wait.
    """

    def __init__(self, message: str, *, kind: str = "away", after: float | None = None) -> None:
        super().__init__(message)
        self.message, self.kind, self.after = message, kind, after


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes
    ----------
    source
        The source's name, for messages.
    url
        The address without its query.
    params
        The query; it may contain a key.
    headers
        They may contain a key, so they are not sent to another origin after a redirect.
    form
        The format that the answer must have.
    unknown
        HTTP status codes that mean that there is no such symbol.
    gap
        The least number of seconds between two requests to this host.
    post
        The fields of a form to send by POST; without it the request is a GET.
    auth
        User and password of a POST; they are not sent to another origin after a redirect either.
    body
        A JSON value to send by POST. It is sent only once, because a second try could repeat an action.
    answered
        HTTP status codes whose JSON is returned as an answer, together with the status.
    """

    source: str
    url: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    form: Form
    unknown: tuple[int, ...] = (404,)
    gap: float = 0.0
    post: Mapping[str, str] | None = None
    auth: tuple[str, str] | None = None
    body: Mapping[str, Any] | None = None
    answered: tuple[int, ...] = ()

    @property
    def once(self) -> bool:
        """Whether it is sent only once, without another try."""
        return self.body is not None


class Http:
    """Sends requests, within the limits of `config`.

    Parameters
    ----------
    config
        Limits of time, size, number of tries and rate.
    keys
        Keys of the services; none of them appears in an error or a log line.
    transport
        Replaces the network and the configured transport.
    clock
        Returns monotonic seconds.
    sleep
        Waits for a number of seconds.
    """

    def __init__(
        self,
        config: HttpConfig,
        *,
        keys: SourceKeys,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._config, self._keys, self._clock, self._sleep = config, keys, clock, sleep
        self._rate_limit = RateLimit(clock, sleep)
        self._breaker = CircuitBreaker(config.trips, config.rest_seconds, clock)
        # with a given transport no names are looked up in the network
        self._redirects = Redirects(keys, look_up=transport is None)
        if transport is None and config.transport == "curl":
            from tenor.ingest.services.curl_transport import CurlTransport

            transport = CurlTransport(config)
        timeout = httpx.Timeout(config.read_seconds, connect=config.connect_seconds)
        self._client = httpx.AsyncClient(timeout=timeout, transport=transport, headers={"User-Agent": AGENT})
        # A deadline must hold wherever a request waits: for a name, a handshake, the next byte of a header. Only a task
        # of an event loop can be cancelled in all of these places, so an event loop runs in a separate thread.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tenor-http", daemon=True)
        self._thread.start()
        self._filter = HideKeys(keys)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self._filter)

    def close(self) -> None:
        """Close the connections. A request that another thread waits for is cancelled."""
        if not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self._cancel_all(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self._filter)

    def __enter__(self) -> Http:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get_json(
        self,
        url: str,
        *,
        source: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        unknown: tuple[int, ...] = (404,),
        gap: float = 0.0,
    ) -> Any:
        """The JSON value at `url`; raises SourceError if there is none."""
        return self._answer(Request(source, url, params or {}, headers or {}, "json", unknown, gap))

    def get_text(
        self,
        url: str,
        *,
        source: str,
        form: Literal["csv", "xml"],
        params: Mapping[str, str] | None = None,
        gap: float = 0.0,
    ) -> bytes:
        """The bytes at `url`; raises SourceError if they can't be of the format `form`."""
        body: bytes = self._answer(Request(source, url, params or {}, {}, form, gap=gap))
        return body

    def post_json(self, url: str, *, source: str, form: Mapping[str, str], auth: tuple[str, str]) -> Any:
        """The JSON answer of `url` to a POST of `form`; services issue tokens in this way."""
        return self._answer(Request(source, url, {}, {}, "json", post=form, auth=auth))

    def ask_json(
        self,
        url: str,
        *,
        source: str,
        headers: Mapping[str, str],
        answered: tuple[int, ...],
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> tuple[int, Any]:
        """The status (one of `answered`) and the JSON value that `url` returns for a GET, or for a POST of `body`.

        A POST is sent only once. Raises SourceError for every other answer. After a POST, a SourceError of the kind
        ``away`` or ``malformed`` does not show whether the request was carried out.
        """
        request = Request(source, url, params or {}, headers, "json", body=body, answered=answered)
        answer: tuple[int, Any] = self._answer(request)
        return answer

    def _answer(self, request: Request) -> Any:
        host = httpx.URL(request.url).netloc.decode()
        if (seconds := self._breaker.resting(host)) > 0:
            raise SourceError(
                f"{request.source} is not asked for {seconds:.0f} s more, after failures: try later.", kind="away"
            )
        try:
            answer = self._retried(request, host)
        except SourceError as error:
            if error.kind == "unknown":
                self._breaker.succeeded(host)
            else:
                self._breaker.failed(host)
            raise
        except _TemporaryError as error:
            too_long = error.after if error.after is not None and error.after > self._longest else None
            self._breaker.failed(host, rest=too_long)
            wait = f"; it asks to wait {too_long:.0f} s" if too_long else ""
            again = self._config.attempts > 1 and not too_long and not request.once
            tries = f" after {self._config.attempts} tries" if again else ""
            message = f"{request.source} at {without_query(request.url)} {error.message}{wait}{tries}: try later."
            raise SourceError(self._keys.hidden(message), kind=error.kind) from None
        self._breaker.succeeded(host)
        return answer

    @property
    def _longest(self) -> float:
        return self._config.longest_wait_seconds

    def _retried(self, request: Request, host: str) -> Any:
        first = self._config.backoff_seconds
        jittered = tenacity.wait_exponential(multiplier=first, max=self._longest) + tenacity.wait_random(0, first)

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            after = error.after if isinstance(error, _TemporaryError) else None
            return jittered(state) if after is None else after

        def worth_retrying(error: BaseException) -> bool:
            return isinstance(error, _TemporaryError) and (error.after or 0.0) <= self._longest

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(1 if request.once else self._config.attempts),
            wait=wait,
            retry=tenacity.retry_if_exception(worth_retrying),
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(self._once, request, host)

    def _once(self, request: Request, host: str) -> Any:
        self._rate_limit.wait(host, max(60.0 / self._config.requests_per_minute, request.gap))
        try:
            status, headers, body = asyncio.run_coroutine_threadsafe(self._in_time(request), self._loop).result()
        except httpx.HTTPError as error:  # without its cause, whose text may contain the address with a key
            if isinstance(error, httpx.TimeoutException):
                raise _TemporaryError("did not answer in time") from None
            if isinstance(error, httpx.DecodingError):
                raise _TemporaryError("sent bytes that can't be unpacked", kind="malformed") from None
            broken = "broke off in the middle" if isinstance(error, httpx.RemoteProtocolError) else "can't be reached"
            raise _TemporaryError(broken) from None
        except httpx.InvalidURL:
            raise self._malformed(request, "redirects to an invalid address") from None
        return self._checked(request, status, headers, body)

    async def _in_time(self, request: Request) -> tuple[int, httpx.Headers, bytes]:
        """Status, headers and body; the deadline covers everything from the look-up of the name to the last byte."""
        try:
            async with asyncio.timeout(self._config.deadline_seconds):
                return await self._read(request)
        except TimeoutError:
            raise _TemporaryError(f"did not finish within {self._config.deadline_seconds:g} s") from None

    async def _read(self, request: Request) -> tuple[int, httpx.Headers, bytes]:
        message, auth = self._build(request), request.auth
        for _ in range(self._config.max_redirects + 1):
            async with self._opened(message, auth) as response:
                following = response.next_request
                if not (response.is_redirect and following):
                    return response.status_code, response.headers, await self._body(request, response)
            try:
                stays = await self._redirects.checked(message, following, names=tuple(request.headers))
            except SourceError as error:
                raise self._malformed(request, str(error)) from None
            message, auth = following, auth if stays else None
        raise self._malformed(request, f"redirects more than {self._config.max_redirects} times")

    def _build(self, request: Request) -> httpx.Request:
        headers = {**dict(request.headers), "Accept-Encoding": "gzip, deflate"}
        if request.body is not None:
            return self._client.build_request("POST", request.url, json=dict(request.body), headers=headers)
        if request.post is not None:
            return self._client.build_request("POST", request.url, data=dict(request.post), headers=headers)
        return self._client.build_request("GET", request.url, params=dict(request.params), headers=headers)

    @contextlib.asynccontextmanager
    async def _opened(self, message: httpx.Request, auth: tuple[str, str] | None) -> AsyncIterator[httpx.Response]:
        response = await self._client.send(message, stream=True, auth=auth)
        try:
            yield response
        finally:
            await response.aclose()

    async def _body(self, request: Request, response: httpx.Response) -> bytes:
        limit = int(self._config.max_megabytes * _MEGABYTE)
        announced = response.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > limit:
            raise self._too_large(request)
        chunks, size = [], 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > limit:
                raise self._too_large(request)
            chunks.append(chunk)
        return b"".join(chunks)

    async def _cancel_all(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.aclose()

    def _checked(self, request: Request, status: int, headers: httpx.Headers, body: bytes) -> Any:
        if status in request.answered:
            return status, self._json(body)
        if status in request.unknown:
            raise SourceError(f"{request.source} has no such symbol ({status}).", kind="unknown")
        if status in (401, 402, 403):
            why = "refuses the request: check its key and what the key permits"
            raise SourceError(f"{request.source} at {without_query(request.url)} {why} ({status}).", kind="refused")
        if status in _TEMPORARY or status == 418:  # Binance sends it to clients that ignored its 429
            limited = status in (418, 429)
            message = "asks for fewer requests" if limited else "fails"
            after = _retry_after(headers.get("retry-after", ""))
            raise _TemporaryError(f"{message} ({status})", kind="limited" if limited else "away", after=after)
        if status != 200:
            raise self._malformed(request, f"answered with status {status}")
        head = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
        if head.startswith((b"<!doctype html", b"<html")):
            raise self._malformed(request, f"answered with a web page, not {request.form.upper()}")
        if request.form != "json":
            return body
        return self._json(body)

    def _json(self, body: bytes) -> Any:
        try:
            return read_json(body)
        except (ValueError, RecursionError):
            raise _TemporaryError("sent JSON that is cut off or broken", kind="malformed") from None

    def _too_large(self, request: Request) -> SourceError:
        return self._malformed(request, f"sent more than {self._config.max_megabytes:g} MB")

    def _malformed(self, request: Request, why: str) -> SourceError:
        message = f"{request.source} at {without_query(request.url)} {why}: see 'tenor data doctor'."
        return SourceError(self._keys.hidden(message), kind="malformed")


def without_query(url: str) -> str:
    """Host and path of `url`, for messages, because a query may contain a key."""
    parsed = httpx.URL(url)
    return f"{parsed.netloc.decode()}{parsed.path}"


def _retry_after(text: str) -> float | None:
    """The seconds that a Retry-After header asks for, as a number or as a date; None if it is empty or invalid."""
    text = text.strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = email.utils.parsedate_to_datetime(text)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None
