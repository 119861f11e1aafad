"""A server over TLS that answers browsers alone: it reads the client's first message before the handshake.

The rule is of the kind that services use: the ciphers and extensions that a client offers, and their order (what JA3
hashes). Chrome offers values that no other client does: reserved ones at the front (GREASE, RFC 8701), compression
of certificates and settings of the application. Everybody else gets 429 and a line of text.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import http.server
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

COMPRESSED_CERTIFICATES = 27
APPLICATION_SETTINGS = {17513, 17613}
REFUSAL = b"Edge: Too Many Requests"


@dataclass(frozen=True)
class Hello:
    """What a client offers, in its order."""

    ciphers: tuple[int, ...]
    extensions: tuple[int, ...]

    @property
    def browser(self) -> bool:
        """Whether it is Chrome's."""
        return (
            _reserved(self.ciphers[0])
            and _reserved(self.extensions[0])
            and COMPRESSED_CERTIFICATES in self.extensions
            and bool(APPLICATION_SETTINGS & set(self.extensions))
        )


def _reserved(value: int) -> bool:
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


def hello_of(record: bytes) -> Hello:
    """The ClientHello in `record`, the first bytes of a connection (RFC 8446, section 4.1.2)."""
    at = 11 + 32
    at += 1 + record[at]
    size = int.from_bytes(record[at : at + 2], "big")
    ciphers = _pairs(record[at + 2 : at + 2 + size])
    at += 2 + size
    at += 1 + record[at]
    end = at + 2 + int.from_bytes(record[at : at + 2], "big")
    at += 2
    extensions = []
    while at < end:
        extensions.append(int.from_bytes(record[at : at + 2], "big"))
        at += 4 + int.from_bytes(record[at + 2 : at + 4], "big")
    return Hello(ciphers, tuple(extensions))


def _pairs(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))


def _first_record(connection: socket.socket) -> bytes:
    """The whole first record, which stays to be read by the handshake."""
    wanted = 5
    while True:
        seen = connection.recv(wanted, socket.MSG_PEEK | socket.MSG_WAITALL)
        if len(seen) < wanted:
            raise ConnectionError("the client went away")
        if wanted > 5:
            return seen
        wanted = 5 + int.from_bytes(seen[3:5], "big")


@dataclass
class BrowserOnly:
    """Answers browsers with what `answer` says to a path; `hellos` and `headers` are those of all requests."""

    answer: Callable[[str], bytes]
    hellos: list[Hello] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, state: BrowserOnly, context: ssl.SSLContext) -> None:
        self.state, self.context = state, context
        super().__init__(("127.0.0.1", 0), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        hello = hello_of(_first_record(request))
        self.state.hellos.append(hello)
        with self.context.wrap_socket(request, server_side=True) as secure:
            _Handler(secure, client_address, self, browser=hello.browser)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Silence: a client may refuse the certificate."""


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, *arguments: Any, browser: bool) -> None:
        self.browser = browser
        super().__init__(*arguments)

    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        self.server.state.headers.append(dict(self.headers))
        body = self.server.state.answer(self.path) if self.browser else REFUSAL
        self.send_response(200 if self.browser else 429)
        self.send_header("Content-Type", "application/json" if self.browser else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Silence."""


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return public, private


@contextlib.contextmanager
def browser_only(answer: Callable[[str], bytes], public: Path, private: Path) -> Iterator[BrowserOnly]:
    """The server, on this machine, under the certificate `public`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    state = BrowserOnly(answer)
    server = _Server(state, context)
    state.url = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
