"""Alarms of the monitor, to the log and to a webhook: once when they begin, and once when they are over."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from tenor.errors import ConfigError
from tenor.serving.logs import LOGGER
from tenor.serving.monitor import MonitorReport

TIMEOUT = 5.0

log = logging.getLogger(LOGGER)


def tell(report: MonitorReport, before: Mapping[str, Any] | None, *, webhook: str | None = None) -> dict[str, Any] | None:
    """Tell of alarms that are new or over since the report `before`; what was told, or None for no change.

    Parameters
    ----------
    before
        The last report as `Report.to_json` gave it.
    webhook
        An http(s) address that takes what was told as JSON. One that does not answer is noted in the log, and keeps
        nobody waiting for more than `TIMEOUT` seconds.

    Raises
    ------
    ConfigError
        `webhook` is no such address.
    """
    if webhook is not None and not webhook.startswith(("http://", "https://")):
        raise ConfigError(f"webhook {webhook[:60]!r} is no http or https address.")
    known = {(c["kind"], c["name"]) for c in (before or {}).get("checks", ()) if c["alarm"]}
    found = {(check.kind, check.name): check for check in report.alarms}
    begun = [check for key, check in found.items() if key not in known]
    over = sorted(known - found.keys())
    if not begun and not over:
        return None
    for check in begun:
        log.warning("alarm", extra={"kind": check.kind, "watched": check.name, "detail": check.detail})
    for kind, name in over:
        log.info("alarm over", extra={"kind": kind, "watched": name})
    told = {
        "as_of": report.as_of,
        "alarms": [{"kind": check.kind, "name": check.name, "detail": check.detail} for check in begun],
        "over": [{"kind": kind, "name": name} for kind, name in over],
    }
    if webhook is not None:
        _send(webhook, told)
    return told


def _send(webhook: str, told: Mapping[str, Any]) -> None:
    import httpx

    try:
        httpx.post(webhook, json=told, timeout=TIMEOUT).raise_for_status()
    except httpx.HTTPError as error:
        # the address may hold a secret: it is not written down
        log.error("the webhook did not take the alarms", extra={"error": type(error).__name__})
