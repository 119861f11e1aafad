"""The one way to the network: requests bounded in time and size, retried, paced, and honest about what came back."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import json
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
from tenor.ingest.services.keys import Keys
from tenor.ingest.services.restraint import Breaker, Pace

Form = Literal["json", "csv", "xml"]

AGENT = "Mozilla/5.0 (compatible; tenor; research)"
_PASSING = (408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 524)
_MEGABYTE = 1 << 20
# they tell whole addresses, a redirect's among them, and a query may hold a key
_LOGGERS = ("httpx", "httpcore.http11", "httpcore.connection", "httpcore.proxy")


class _PassingError(Exception):
    """A failure that another try may not meet. `after` : seconds that the source asks to wait."""

    def __init__(self, said: str, *, kind: str = "away", after: float | None = None) -> None:
        super().__init__(said)
        self.said, self.kind, self.after = said, kind, after


@dataclass(frozen=True)
class Ask:
    """One request.

    Attributes
    ----------
    source
        Who is asked, for messages.
    url
        Without query.
    params
        The query; may hold a key.
    headers
        May hold a key: they do not follow a redirect to another host.
    form
        What the answer must be.
    unknown
        Statuses that mean that there is no such symbol.
    gap
        Seconds between two requests to this host, at least.
    post
        Sent as a form by POST instead, with `auth` as user and password.
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


class Http:
    """Asks hosts, within the limits of `config`.

    Parameters
    ----------
    keys
        None of them shows in an error or a log line.
    transport
        Instead of the network;
    clock, sleep
        Monotonic seconds, and how to wait.
    """

    def __init__(
        self,
        config: HttpConfig,
        *,
        keys: Keys,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._config, self._keys, self._clock, self._sleep = config, keys, clock, sleep
        self._pace = Pace(clock, sleep)
        self._breaker = Breaker(config.trips, config.rest_seconds, clock)
        timeout = httpx.Timeout(config.read_seconds, connect=config.connect_seconds)
        self._client = httpx.AsyncClient(timeout=timeout, transport=transport, headers={"User-Agent": AGENT})
        # only what runs in a loop can be stopped wherever it waits: for a name, a handshake, a header's next byte
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tenor-http", daemon=True)
        self._thread.start()
        self._filter = _HideKeys(keys)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self._filter)

    def close(self) -> None:
        """Give the connections back. A request that another thread waits for is broken off."""
        if not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self._closed(), self._loop).result()
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
        """The JSON value at `url`; raises SourceError where there is none."""
        return self._answer(Ask(source, url, params or {}, headers or {}, "json", unknown, gap))

    def get_text(
        self,
        url: str,
        *,
        source: str,
        form: Literal["csv", "xml"],
        params: Mapping[str, str] | None = None,
        gap: float = 0.0,
    ) -> bytes:
        """The bytes at `url`; raises SourceError where they can't be of `form`."""
        found: bytes = self._answer(Ask(source, url, params or {}, {}, form, gap=gap))
        return found

    def post_json(self, url: str, *, source: str, form: Mapping[str, str], auth: tuple[str, str]) -> Any:
        """What `url` answers to `form` in JSON: how a service hands out a token."""
        return self._answer(Ask(source, url, {}, {}, "json", post=form, auth=auth))

    def _answer(self, ask: Ask) -> Any:
        host = httpx.URL(ask.url).netloc.decode()
        if (left := self._breaker.resting(host)) > 0:
            raise SourceError(f"{ask.source} rests for {left:.0f} s more after failures: try later.", kind="away")
        try:
            answer = self._retried(ask, host)
        except SourceError as error:
            if error.kind == "unknown":
                self._breaker.succeeded(host)
            else:
                self._breaker.failed(host)
            raise
        except _PassingError as error:
            too_long = error.after if error.after is not None and error.after > self._longest else None
            self._breaker.failed(host, rest=too_long)
            wait = f"; it asks to wait {too_long:.0f} s" if too_long else ""
            tries = f" after {self._config.attempts} tries" if self._config.attempts > 1 and not too_long else ""
            told = f"{ask.source} at {shown(ask.url)} {error.said}{wait}{tries}: try later."
            raise SourceError(self._keys.hidden(told), kind=error.kind) from None
        self._breaker.succeeded(host)
        return answer

    @property
    def _longest(self) -> float:
        return self._config.longest_wait_seconds

    def _retried(self, ask: Ask, host: str) -> Any:
        first = self._config.backoff_seconds
        jittered = tenacity.wait_exponential(multiplier=first, max=self._longest) + tenacity.wait_random(0, first)

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            after = error.after if isinstance(error, _PassingError) else None
            return jittered(state) if after is None else after

        def again(error: BaseException) -> bool:
            return isinstance(error, _PassingError) and (error.after or 0.0) <= self._longest

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._config.attempts),
            wait=wait,
            retry=tenacity.retry_if_exception(again),
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(self._once, ask, host)

    def _once(self, ask: Ask, host: str) -> Any:
        self._pace.wait(host, max(60.0 / self._config.requests_per_minute, ask.gap))
        try:
            status, headers, body = asyncio.run_coroutine_threadsafe(self._in_time(ask), self._loop).result()
        except httpx.HTTPError as error:  # without its cause: the text of some has the address, key and all
            if isinstance(error, httpx.TimeoutException):
                raise _PassingError("did not answer in time") from None
            if isinstance(error, httpx.DecodingError):
                raise _PassingError("sent bytes that can't be unpacked", kind="malformed") from None
            broken = "broke off in the middle" if isinstance(error, httpx.RemoteProtocolError) else "can't be reached"
            raise _PassingError(broken) from None
        except httpx.InvalidURL:
            raise self._wrong(ask, "redirects to what is no address") from None
        return self._checked(ask, status, headers, body)

    async def _in_time(self, ask: Ask) -> tuple[int, httpx.Headers, bytes]:
        """Status, headers and body of the answer; from looking up its name to its last byte, in the time set."""
        try:
            async with asyncio.timeout(self._config.deadline_seconds):
                return await self._read(ask)
        except TimeoutError:
            raise _PassingError(f"was not done within {self._config.deadline_seconds:g} s") from None

    async def _read(self, ask: Ask) -> tuple[int, httpx.Headers, bytes]:
        request = self._request(ask)
        for _ in range(self._config.max_redirects + 1):
            async with self._opened(request, ask) as response:
                following = response.next_request
                if not (response.is_redirect and following):
                    return response.status_code, response.headers, await self._body(ask, response)
            if request.url.scheme == "https" and following.url.scheme != "https":
                raise self._wrong(ask, "redirects to an address without TLS")
            if following.url.host != request.url.host:
                # a key must not go where a redirect sends it
                for name in ask.headers:
                    following.headers.pop(name, None)
            request = following
        raise self._wrong(ask, f"redirects more than {self._config.max_redirects} times")

    def _request(self, ask: Ask) -> httpx.Request:
        headers = {**dict(ask.headers), "Accept-Encoding": "gzip, deflate"}
        if ask.post is not None:
            return self._client.build_request("POST", ask.url, data=dict(ask.post), headers=headers)
        return self._client.build_request("GET", ask.url, params=dict(ask.params), headers=headers)

    @contextlib.asynccontextmanager
    async def _opened(self, request: httpx.Request, ask: Ask) -> AsyncIterator[httpx.Response]:
        response = await self._client.send(request, stream=True, auth=ask.auth)
        try:
            yield response
        finally:
            await response.aclose()

    async def _body(self, ask: Ask, response: httpx.Response) -> bytes:
        limit = int(self._config.max_megabytes * _MEGABYTE)
        told = response.headers.get("content-length", "")
        if told.isdigit() and int(told) > limit:
            raise self._too_large(ask)
        chunks, size = [], 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > limit:
                raise self._too_large(ask)
            chunks.append(chunk)
        return b"".join(chunks)

    async def _closed(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.aclose()

    def _checked(self, ask: Ask, status: int, headers: httpx.Headers, body: bytes) -> Any:
        if status in ask.unknown:
            raise SourceError(f"{ask.source} has no such symbol ({status}).", kind="unknown")
        if status in (401, 402, 403):
            said = "refuses the request: check its key and what the key may ask"
            raise SourceError(f"{ask.source} at {shown(ask.url)} {said} ({status}).", kind="refused")
        if status in _PASSING or status == 418:  # Binance's word for a host that did not heed its 429
            limited = status in (418, 429)
            said = "asks for fewer requests" if limited else "fails"
            after = _retry_after(headers.get("retry-after", ""))
            raise _PassingError(f"{said} ({status})", kind="limited" if limited else "away", after=after)
        if status != 200:
            raise self._wrong(ask, f"answered with status {status}")
        head = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
        if head.startswith((b"<!doctype html", b"<html")):
            raise self._wrong(ask, f"answered with a web page, not {ask.form.upper()}")
        if ask.form != "json":
            return body
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise _PassingError("sent JSON that is cut off or broken", kind="malformed") from None

    def _too_large(self, ask: Ask) -> SourceError:
        return self._wrong(ask, f"sent more than {self._config.max_megabytes:g} MB")

    def _wrong(self, ask: Ask, said: str) -> SourceError:
        told = f"{ask.source} at {shown(ask.url)} {said}: see 'tenor data doctor'."
        return SourceError(self._keys.hidden(told), kind="malformed")


class _HideKeys(logging.Filter):
    """Log records of the HTTP client, without the keys."""

    def __init__(self, keys: Keys) -> None:
        super().__init__()
        self._keys = keys

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record is kept, none with a key in it."""
        record.msg, record.args = self._keys.hidden(record.getMessage()), ()
        return True


def shown(url: str) -> str:
    """Host and path of `url`: what may stand in a message. A query may hold a key."""
    parsed = httpx.URL(url)
    return f"{parsed.netloc.decode()}{parsed.path}"


def _retry_after(text: str) -> float | None:
    """Seconds that a Retry-After asks for, written as a number or as a date; None where it says nothing."""
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
