"""Webhooks: addresses to which alarms are posted. They may contain a secret, so no message or log line shows them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from tenor.errors import ConfigError
from tenor.serving.logs import LOGGER

TIMEOUT = 5.0
"""Seconds within which an address must answer."""

log = logging.getLogger(LOGGER)


def check(webhook: str) -> None:
    """Raise ConfigError if `webhook` is not an http(s) address."""
    try:
        parts = urlsplit(webhook)
        known = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        known = False
    if not known:
        scheme, separator, _ = webhook.partition("://")
        begins = f"begins with {scheme[:20] + separator!r}" if separator else "has no scheme"
        raise ConfigError(f"the webhook {begins}; it takes an http or https address: see --webhook and TENOR_WEBHOOK.")


def post(webhook: str, message: Mapping[str, Any]) -> bool:
    """Post `message` as JSON; returns whether it was accepted. A failure is logged.

    A redirect counts as a failure, so the message is sent only to the address in the settings.
    """
    import httpx

    try:
        with _unlogged():
            httpx.post(webhook, json=message, timeout=TIMEOUT, follow_redirects=False).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        log.error("the webhook did not accept the alarms", extra={"error": type(error).__name__})
        return False
    return True


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """Httpx logs the whole address of each request."""
    logger = logging.getLogger("httpx")

    def nothing(_: logging.LogRecord) -> bool:
        return False

    logger.addFilter(nothing)
    try:
        yield
    finally:
        logger.removeFilter(nothing)
