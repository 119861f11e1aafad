"""Channels over which alerts and digests are sent: a webhook, e-mail, Telegram.

Secrets are read only from the environment, and never shown.

A channel that fails is logged and does not stop the others; each takes a few seconds at most.
"""

from __future__ import annotations

import logging
import smtplib
import ssl
from collections.abc import Callable, Iterable, Mapping
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

from tenor.errors import ConfigError
from tenor.serving import webhooks
from tenor.serving.logs import LOGGER

TELEGRAM = "https://api.telegram.org"
TELEGRAM_LONGEST = 4096
"""The most characters of a message that Telegram accepts."""

log = logging.getLogger(LOGGER)

Environment = Mapping[str, str]


def send(
    channels: Iterable[str], subject: str, text: str, data: Mapping[str, Any], environment: Environment
) -> list[str]:
    """Send a message over each of `channels`.

    Parameters
    ----------
    channels
        Names in `CHANNELS`.
    subject
        One line.
    text
        The message for people.
    data
        The message for programs as JSON values, which a webhook gets.
    environment
        Environment variables with addresses and secrets; see `CHANNELS`.

    Returns
    -------
    list of str
        The channels that accepted it.

    Raises
    ------
    ConfigError
        A variable of a channel is missing or can't be used; the message names it and never shows its value.
    """
    sends = check(channels, environment)  # all are checked before any is used
    return [name for name, deliver in sends if deliver(subject, text, data)]


Deliver = Callable[[str, str, Mapping[str, Any]], bool]


def check(channels: Iterable[str], environment: Environment) -> list[tuple[str, Deliver]]:
    """For each of `channels` the function that sends; raises ConfigError if a variable is missing or unusable."""
    return [(name, _CHANNELS[name](environment)) for name in channels]


def _webhook(environment: Environment) -> Deliver:
    address = _needed(environment, "TENOR_WEBHOOK", "webhook")
    webhooks.check(address)

    def deliver(subject: str, text: str, data: Mapping[str, Any]) -> bool:
        # `text` is what Slack, Mattermost and the like show
        return webhooks.post(address, {"subject": subject, "text": text, **data})

    return deliver


def _email(environment: Environment) -> Deliver:
    """By ``TENOR_SMTP`` (``smtps://user:password@host:465`` or ``smtp://``, which turns to TLS where it is offered)."""
    server = urlsplit(_needed(environment, "TENOR_SMTP", "email"))
    receivers = [each.strip() for each in _needed(environment, "TENOR_MAIL_TO", "email").split(",") if each.strip()]
    sender = environment.get("TENOR_MAIL_FROM", "").strip() or receivers[0]
    try:
        port = server.port
    except ValueError:
        port = -1
    if server.scheme not in ("smtp", "smtps") or not server.hostname or port == -1:
        raise ConfigError("TENOR_SMTP is not an address such as smtps://user:password@host:465.")
    if any("\n" in each or "\r" in each or "@" not in each for each in [sender, *receivers]):
        raise ConfigError(
            "TENOR_MAIL_TO and TENOR_MAIL_FROM take addresses such as someone@example.com, separated by commas."
        )
    user, password = unquote(server.username or ""), unquote(server.password or "")

    def deliver(subject: str, text: str, _: Mapping[str, Any]) -> bool:
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = subject, sender, ", ".join(receivers)
        message.set_content(text)
        try:
            context = ssl.create_default_context()
            with (
                smtplib.SMTP_SSL(server.hostname or "", port or 465, timeout=webhooks.TIMEOUT, context=context)
                if server.scheme == "smtps"
                else smtplib.SMTP(server.hostname or "", port or 587, timeout=webhooks.TIMEOUT)
            ) as connection:
                if server.scheme == "smtp":
                    connection.ehlo()
                    if connection.has_extn("starttls"):
                        connection.starttls(context=context)
                        connection.ehlo()
                    elif user:
                        log.error("the mail was not sent: the server offers no TLS, and a password would be readable")
                        return False
                if user:
                    connection.login(user, password)
                connection.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            log.error("the mail was not sent", extra={"error": type(error).__name__})
            return False
        return True

    return deliver


def _telegram(environment: Environment) -> Deliver:
    token = _needed(environment, "TENOR_TELEGRAM_TOKEN", "telegram")
    chat = _needed(environment, "TENOR_TELEGRAM_CHAT", "telegram")
    base = environment.get("TENOR_TELEGRAM_URL", "").strip() or TELEGRAM
    webhooks.check(base)

    def deliver(subject: str, text: str, _: Mapping[str, Any]) -> bool:
        whole = f"{subject}\n\n{text}"
        cut = whole if len(whole) <= TELEGRAM_LONGEST else f"{whole[: TELEGRAM_LONGEST - 2]} …"
        address = f"{base.rstrip('/')}/bot{token}/sendMessage"
        return webhooks.post(address, {"chat_id": chat, "text": cut, "disable_web_page_preview": True})

    return deliver


_CHANNELS: dict[str, Callable[[Environment], Deliver]] = {"webhook": _webhook, "email": _email, "telegram": _telegram}
CHANNELS = tuple(_CHANNELS)
"""The channels, with their environment variables in brackets.

They are ``webhook`` (``TENOR_WEBHOOK``), ``email`` (``TENOR_SMTP``, ``TENOR_MAIL_TO``, ``TENOR_MAIL_FROM``) and
``telegram`` (``TENOR_TELEGRAM_TOKEN``, ``TENOR_TELEGRAM_CHAT``).
"""


def _needed(environment: Environment, variable: str, channel: str) -> str:
    value = environment.get(variable, "").strip()
    if not value:
        raise ConfigError(
            f"the channel {channel!r} needs the environment variable {variable}: set it, or leave it out."
        )
    return value
