"""Alerts after a refresh: which are new, and to which channels they are sent. Also the digest of a store."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from tenor.config import AlertsConfig
from tenor.errors import ConfigError
from tenor.serving import alerts, channels
from tenor.serving.digest import Digest, digest, digest_text
from tenor.serving.logs import LOGGER
from tenor.serving.published import PublishedForecasts

log = logging.getLogger(LOGGER)

ALERTS = "alerts"
"""The key of the index under which raised alerts are stored, so that each is sent once."""


def send_new_alerts(
    published: PublishedForecasts,
    config: AlertsConfig,
    before: Mapping[str, Any],
    environment: Mapping[str, str] = os.environ,
) -> list[alerts.Alert]:
    """Send the alerts that are new since the previous publication, in one message for each channel.

    Alerts that no channel accepted are sent again after the next refresh. Without rules nothing happens.

    Parameters
    ----------
    published
        The published forecasts.
    config
        The rules and channels.
    before
        The head of the index before the refresh, with the alerts raised so far.
    environment
        Holds the addresses and keys of channels.

    Raises
    ------
    ConfigError
        A rule can't be read, or a channel lacks its variable.
    StoreError
        The published forecasts can't be read or written.
    """
    index = published.index() if config.rules else None
    if index is None:
        return []
    raised = alerts.raised(index, config)
    new = alerts.new_alerts(raised, before.get(ALERTS, ()))
    for alert in new:
        log.info("alert", extra={"kind": alert.kind, "subject": alert.subject, "detail": alert.text})
    taken = []
    if new and config.channels:
        count = f"{len(new)} alert{'' if len(new) == 1 else 's'}"
        data = {ALERTS: alerts.to_json(new), "as_of": index.as_of}
        taken = channels.send(config.channels, f"tenor: {count}", alerts.message_text(new), data, environment)
    lost = set(new) if config.channels and not taken else set()
    published.add_to_head({ALERTS: alerts.to_json([alert for alert in raised if alert not in lost])})
    return new


def check(config: AlertsConfig, environment: Mapping[str, str] = os.environ) -> None:
    """Raise ConfigError if a rule can't be read or a channel's environment variable is missing.

    It is called before anything is computed.
    """
    for rule in config.rules:
        alerts.read_rule(rule)
    channels.check(config.channels, environment)


def today(
    published: PublishedForecasts,
    config: AlertsConfig,
    *,
    send: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> Digest:
    """The digest of what is published; with `send` it is also sent over the channels of `config`.

    Raises
    ------
    ConfigError
        Nothing was published, there is no forecast of any of ``alerts.symbols``, or there is no channel to send over.
    StoreError
        The published forecasts can't be read.
    """
    if send:
        if not config.channels:
            raise ConfigError("there is no channel to send the digest over: set alerts.channels.")
        check(config, environment)
    index = published.index()
    if index is None or not index.entries:
        raise ConfigError(f"nothing was published in {published.objects.location} yet: run 'tenor refresh' first.")
    unknown = [symbol for symbol in config.symbols if symbol not in index.entries]
    if unknown and len(unknown) == len(config.symbols):
        raise ConfigError(f"there is no forecast of {', '.join(unknown[:5])}: alerts.symbols takes published symbols.")
    summary = digest(index, config.symbols)
    if send:
        title = f"tenor: {summary.session}"
        channels.send(config.channels, title, digest_text(summary), {"digest": summary.to_json()}, environment)
    return summary
