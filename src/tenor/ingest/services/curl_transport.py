"""Requests by libcurl that begin their TLS as a browser does, for services that turn other clients away by it.

It takes the place of the network below `Http`, which goes on to hold all limits but those that only libcurl can: pace,
tries, redirects and where credentials may go are the same as of the default transport. Nothing is followed, stored or
read from a file here: no redirect, no cookie, no ``.netrc``.
"""

from __future__ import annotations

import asyncio
import math
import os
from typing import Any

import httpx

from tenor.config import HttpConfig
from tenor.errors import ConfigError

try:
    from curl_cffi import AsyncCurl, Curl, CurlECode, CurlError, CurlInfo, CurlOpt
    from curl_cffi.requests.impersonate import DEFAULT_CHROME
except ModuleNotFoundError as error:
    raise ConfigError("curl_cffi is not installed: pip install 'tenor[yahoo]'.") from error

_HEAD_LIMIT = 100_000
"""Bytes of an answer's headers, about what httpx takes."""
_END = 0xFFFFFFFF
"""What ends a transfer where a count of bytes is expected (CURL_WRITEFUNC_ERROR)."""
_SET_BY_CURL = (
    b"host", b"connection", b"content-length", b"transfer-encoding", b"accept", b"accept-encoding", b"user-agent",
)  # fmt: skip
_UNPACKED = (b"content-encoding", b"content-length", b"transfer-encoding", b"connection")
_BROKEN_OFF = {CurlECode.PARTIAL_FILE, CurlECode.GOT_NOTHING, CurlECode.SEND_ERROR, CurlECode.RECV_ERROR}
_BROKEN_OFF |= {CurlECode.HTTP2, CurlECode.HTTP2_STREAM, CurlECode.WEIRD_SERVER_REPLY}


class CurlTransport(httpx.AsyncBaseTransport):
    """libcurl below an httpx client.

    Parameters
    ----------
    config
        Its limits of time and size; an answer is cut off one byte beyond the limit, for the client to see it.

    Raises
    ------
    ConfigError
        curl-cffi is not installed.
    """

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._most = int(config.max_megabytes * (1 << 20))
        self._multi: AsyncCurl | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer to `request`, read to its end and unpacked; failures are those of httpx's own transport."""
        if self._multi is None:  # it belongs to the loop that it is made in
            self._multi = AsyncCurl()
        answer = _Answer(self._most)
        curl = self._prepared(request, await request.aread(), answer)
        finished = self._multi.add_handle(curl)
        try:
            await finished
            status = int(curl.getinfo(CurlInfo.RESPONSE_CODE))
        except CurlError as error:
            if not answer.cut:
                raise _as_httpx(error, request) from None
            status = answer.status
        except asyncio.CancelledError:
            self._multi.remove_handle(curl)
            raise
        finally:
            curl.close()
        return httpx.Response(status, headers=answer.headers, content=bytes(answer.body), request=request)

    async def aclose(self) -> None:
        """Close the connections."""
        multi, self._multi = self._multi, None
        if multi is not None:
            await multi.close()

    def _prepared(self, request: httpx.Request, body: bytes, answer: _Answer) -> Curl:
        config, curl = self._config, Curl()
        # headers of the browser too: TLS of one client with the headers of another is refused as well
        if curl.impersonate(DEFAULT_CHROME, default_headers=True):
            raise ConfigError(f"curl_cffi has no {DEFAULT_CHROME!r} to speak as: pip install --upgrade curl-cffi.")
        curl.setopt(CurlOpt.URL, str(request.url).encode())
        curl.setopt(CurlOpt.ACCEPT_ENCODING, b"gzip, deflate, br, zstd")  # those of the browser, unpacked by libcurl
        curl.setopt(CurlOpt.PATH_AS_IS, 1)
        curl.setopt(CurlOpt.FOLLOWLOCATION, 0)
        curl.setopt(CurlOpt.PROTOCOLS_STR, b"http,https")
        curl.setopt(CurlOpt.SUPPRESS_CONNECT_HEADERS, 1)
        curl.setopt(CurlOpt.NOSIGNAL, 1)
        curl.setopt(CurlOpt.CONNECTTIMEOUT_MS, _milliseconds(config.connect_seconds))
        curl.setopt(CurlOpt.TIMEOUT_MS, _milliseconds(config.deadline_seconds))
        # less than a byte a second for so long is a wait that is too long
        curl.setopt(CurlOpt.LOW_SPEED_LIMIT, 1)
        curl.setopt(CurlOpt.LOW_SPEED_TIME, math.ceil(config.read_seconds))
        if certificates := os.environ.get("SSL_CERT_FILE"):
            curl.setopt(CurlOpt.CAINFO, certificates)
            curl.setopt(CurlOpt.PROXY_CAINFO, certificates)
        headers = [name + b": " + value for name, value in request.headers.raw if name.lower() not in _SET_BY_CURL]
        if request.method == "POST":
            curl.setopt(CurlOpt.POST, 1)
            curl.setopt(CurlOpt.POSTFIELDS, body)
            curl.setopt(CurlOpt.POSTFIELDSIZE, len(body))
            headers.append(b"Expect:")
        curl.setopt(CurlOpt.HTTPHEADER, headers)
        curl.setopt(CurlOpt.HEADERFUNCTION, answer.take_header)
        curl.setopt(CurlOpt.WRITEFUNCTION, answer.take_body)
        return curl


class _Answer:
    """What libcurl hands over of one answer, up to `most` bytes of its body and one more."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._head = 0
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self.cut = False

    def take_header(self, line: bytes) -> int:
        """One line; a status line begins a new head, as after ``100 Continue``."""
        self._head += len(line)
        if self._head > _HEAD_LIMIT:
            return _END
        if line.startswith(b"HTTP/"):
            words = line.split()
            self.status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
            self.headers.clear()
        elif b":" in line:
            name, _, value = line.partition(b":")
            # the body is unpacked already, and its length another
            if name.strip().lower() not in _UNPACKED:
                self.headers.append((name.strip(), value.strip()))
        return len(line)

    def take_body(self, piece: bytes) -> int:
        """The next bytes; one that is too many ends the transfer."""
        self.body += piece[: self._most + 1 - len(self.body)]
        self.cut = len(self.body) > self._most
        return _END if self.cut else len(piece)


def _as_httpx(error: Any, request: httpx.Request) -> httpx.HTTPError:
    """The failure as httpx calls it; without libcurl's text, which can hold the address."""
    if error.code == CurlECode.OPERATION_TIMEDOUT:
        return httpx.ReadTimeout("timed out", request=request)
    if error.code == CurlECode.BAD_CONTENT_ENCODING:
        return httpx.DecodingError("can't be unpacked", request=request)
    if error.code in _BROKEN_OFF or error.code == CurlECode.WRITE_ERROR:  # of headers without end
        return httpx.RemoteProtocolError("broke off", request=request)
    return httpx.ConnectError("can't be reached", request=request)


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))
