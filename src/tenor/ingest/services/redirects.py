"""Check redirects: no secret may be sent to another origin, and no public host may redirect to a private one."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import unquote, unquote_plus

import httpx

from tenor.errors import SourceError
from tenor.ingest.services.keys import SourceKeys

_PORTS = {"http": 80, "https": 443}
_SECRET = ("authorization", "cookie", "proxy-authorization")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Redirects:
    """Checks each redirect before it is followed.

    Parameters
    ----------
    keys
        None of them may be in an address of another origin, as if a service repeats the query in its redirect.
    look_up
        Whether to look up the addresses of a host's name; otherwise only the name itself is checked.
    """

    def __init__(self, keys: SourceKeys, *, look_up: bool) -> None:
        self._keys, self._look_up = keys, look_up

    async def checked(self, message: httpx.Request, following: httpx.Request, *, names: Sequence[str]) -> bool:
        """Remove from `following` what its origin may not get; returns whether its origin is that of `message`.

        Parameters
        ----------
        message
            The request that was answered with a redirect.
        following
            The request that the redirect asks for; changed in place.
        names
            The names of headers that may contain a key.

        Raises
        ------
        SourceError
            The redirect leads from TLS to an address without TLS, sends a form or a key to another origin, or leads
            from a public host to this machine or a private network. The message is the rest of a sentence whose subject
            is the source.
        """
        if message.url.scheme == "https" and following.url.scheme != "https":
            raise SourceError("redirects to an address without TLS", kind="malformed")
        if origin(message.url) == origin(following.url):
            return True
        if following.method not in ("GET", "HEAD"):
            raise SourceError("redirects a form to another server", kind="malformed")
        address = str(following.url)
        if any(self._keys.hidden(text) != text for text in (address, unquote(address), unquote_plus(address))):
            raise SourceError("redirects to another server with the key in the address", kind="malformed")
        for name in (*names, *_SECRET):
            following.headers.pop(name, None)
        if following.url.host != message.url.host:
            inwards = await self._inside(following.url) and not await self._inside(message.url)
            if inwards:
                raise SourceError("redirects to an address of this machine or of a private network", kind="malformed")
        return False

    async def _inside(self, url: httpx.URL) -> bool:
        """Whether any address of the host of `url` is on this machine or in a private network."""
        host = url.host.rstrip(".").lower()
        number = _number(host)
        if number is not None:
            return not _public(number)
        if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
            return True
        if not self._look_up:
            return False
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError:  # names may be unknown here behind a proxy; a host that is not found can't be reached either
            return False
        return any(not _public(ipaddress.ip_address(str(address[0]).partition("%")[0])) for *_, address in found)


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port of `url`; the scheme's default port if it names none."""
    return url.scheme, url.host.rstrip(".").lower(), url.port or _PORTS.get(url.scheme)


def _number(host: str) -> _Address | None:
    """The IP address that `host` is, in any notation that a resolver accepts (``127.1``, ``0x7f000001``)."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _public(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None:
            return _public(inner)
        if address in _TRANSLATED:  # NAT64
            return _public(ipaddress.IPv4Address(address.packed[-4:]))
    return address.is_global and not address.is_multicast


_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
