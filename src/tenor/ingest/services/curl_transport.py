"""Send requests by libcurl with the TLS handshake of a browser, for services that refuse other clients.

This transport replaces the default one below `Http`. Rate limits, retries, redirects and the rules for credentials
remain in `Http` and are the same for both; only the limits of time and size of a transfer are set here. The transport
itself follows no redirects, stores no cookies and reads no ``.netrc``.
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
"""Largest size of an answer's headers, in bytes; about the limit of httpx."""
_END = 0xFFFFFFFF
"""The value that a callback returns, instead of a count of bytes, to end a transfer (CURL_WRITEFUNC_ERROR)."""
_SET_BY_CURL = (
    b"host", b"connection", b"content-length", b"transfer-encoding", b"accept", b"accept-encoding", b"user-agent",
)  # fmt: skip
_UNPACKED = (b"content-encoding", b"content-length", b"transfer-encoding", b"connection")
_BROKEN_OFF = {CurlECode.PARTIAL_FILE, CurlECode.GOT_NOTHING, CurlECode.SEND_ERROR, CurlECode.RECV_ERROR}
_BROKEN_OFF |= {CurlECode.HTTP2, CurlECode.HTTP2_STREAM, CurlECode.WEIRD_SERVER_REPLY}


class CurlTransport(httpx.AsyncBaseTransport):
    """A transport for an httpx client that uses libcurl.

    Parameters
    ----------
    config
        Limits of time and size. A larger answer is cut off one byte beyond the limit, so that the client notices it.

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
        """The answer to `request`, read to its end and decompressed; errors are those of httpx's own transport."""
        if self._multi is None:  # it belongs to the event loop in which it is created
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
        # with the browser's headers, because TLS of one client with headers of another is refused as well
        if curl.impersonate(DEFAULT_CHROME, default_headers=True):
            raise ConfigError(f"curl_cffi can't impersonate {DEFAULT_CHROME!r}: pip install --upgrade curl-cffi.")
        curl.setopt(CurlOpt.URL, str(request.url).encode())
        curl.setopt(CurlOpt.ACCEPT_ENCODING, b"gzip, deflate, br, zstd")  # as the browser; decompressed by libcurl
        curl.setopt(CurlOpt.PATH_AS_IS, 1)
        curl.setopt(CurlOpt.FOLLOWLOCATION, 0)
        curl.setopt(CurlOpt.PROTOCOLS_STR, b"http,https")
        curl.setopt(CurlOpt.SUPPRESS_CONNECT_HEADERS, 1)
        curl.setopt(CurlOpt.NOSIGNAL, 1)
        curl.setopt(CurlOpt.CONNECTTIMEOUT_MS, _milliseconds(config.connect_seconds))
        curl.setopt(CurlOpt.TIMEOUT_MS, _milliseconds(config.deadline_seconds))
        # a transfer below one byte per second for this long counts as timed out
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
    """Collects one answer from libcurl, with at most `most` + 1 bytes of its body."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._head = 0
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self.cut = False

    def take_header(self, line: bytes) -> int:
        """Take one line of the headers; a status line begins new headers, as after ``100 Continue``."""
        self._head += len(line)
        if self._head > _HEAD_LIMIT:
            return _END
        if line.startswith(b"HTTP/"):
            words = line.split()
            self.status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
            self.headers.clear()
        elif b":" in line:
            name, _, value = line.partition(b":")
            # the body is already decompressed and has another length
            if name.strip().lower() not in _UNPACKED:
                self.headers.append((name.strip(), value.strip()))
        return len(line)

    def take_body(self, piece: bytes) -> int:
        """Take the next bytes of the body; a byte beyond the limit ends the transfer."""
        self.body += piece[: self._most + 1 - len(self.body)]
        self.cut = len(self.body) > self._most
        return _END if self.cut else len(piece)


def _as_httpx(error: Any, request: httpx.Request) -> httpx.HTTPError:
    """The corresponding error of httpx, without libcurl's text, which may contain the address."""
    if error.code == CurlECode.OPERATION_TIMEDOUT:
        return httpx.ReadTimeout("timed out", request=request)
    if error.code == CurlECode.BAD_CONTENT_ENCODING:
        return httpx.DecodingError("can't be unpacked", request=request)
    if error.code in _BROKEN_OFF or error.code == CurlECode.WRITE_ERROR:  # headers beyond the limit
        return httpx.RemoteProtocolError("broke off", request=request)
    return httpx.ConnectError("can't be reached", request=request)


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))
