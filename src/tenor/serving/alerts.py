"""Alerts: the user's rules on the newest forecasts, and which of the raised alerts are new since the last refresh."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tenor.config import AlertsConfig
from tenor.errors import ConfigError, did_you_mean
from tenor.kinds import KINDS as NEWS
from tenor.news_words import TOPICS
from tenor.serving.digest import Digest, digest, rank_text
from tenor.serving.published import Index

KINDS = {
    "range": "half of the 90 % range is more than that share of the price: range > 4%",
    "rank": "the volatility's place in the symbol's own year is above that: rank > 0.95",
    "missed": "the price ended outside of the range that was forecast for the last session",
    "burst": "the session had many more items of news than usual",
    "spike": "the session had that many times the usual items about one thing: spike > 4, spike earnings > 4",
    "drift": "the monitoring raised an alarm: drift, error, coverage or volatility",
}
"""Kind of rule -> when it raises an alert."""
_BOUNDED = {"range": "range > 4%", "rank": "rank > 0.95", "spike": "spike earnings > 4"}
_RULE = re.compile(
    r"\s*(?P<kind>[a-z]+)(?:\s+(?P<about>[a-z][a-z0-9:_-]*))?\s*(?:>\s*(?P<bound>[0-9.]+)\s*(?P<percent>%?)\s*)?"
)


@dataclass(frozen=True)
class Rule:
    """A rule for alerts: one of `KINDS`, its bound if it has one, and for a spike the kind of news."""

    kind: str
    bound: float = 0.0
    about: str = ""


@dataclass(frozen=True)
class Alert:
    """One alert.

    Attributes
    ----------
    kind
        One of `KINDS`.
    subject
        The symbol (for a spike, with the kind of news), or the quantity that is monitored.
    session
        The session that it concerns.
    text
        The alert in one sentence.
    """

    kind: str
    subject: str
    session: str
    text: str


def read_rule(text: str) -> Rule:
    """Read a rule as ``range > 4%``; raises ConfigError, which names the rule, for one that can't be read."""
    match = _RULE.fullmatch(text)
    if match is None or match["kind"] not in KINDS:
        word = text.split(maxsplit=1)[0] if text.strip() else text
        hint = did_you_mean(word, KINDS) or f" Known: {', '.join(KINDS)}."
        raise ConfigError(f"config key 'alerts.rules' has {text!r}, which is not a rule such as 'range > 4%'.{hint}")
    kind, bound, about = match["kind"], match["bound"], match["about"] or ""
    if about and kind != "spike":
        raise ConfigError(f"config key 'alerts.rules' has {text!r}; {kind!r} takes no kind of news: drop {about!r}.")
    if about and about not in NEWS and not about.startswith(TOPICS[0]):
        hint = did_you_mean(about, NEWS) or f" Known: {', '.join(NEWS)}, and {TOPICS[0]}NAME."
        raise ConfigError(f"config key 'alerts.rules' has {text!r}; no kind of news is called {about!r}.{hint}")
    if (bound is not None) != (kind in _BOUNDED):
        needs = "it takes a bound, as in" if kind in _BOUNDED else "it takes no bound:"
        raise ConfigError(f"config key 'alerts.rules' has {text!r}; {needs} '{_BOUNDED.get(kind, kind)}'.")
    try:
        value = float(bound) / (100 if match["percent"] else 1) if bound is not None else 0.0
    except ValueError:
        raise ConfigError(f"config key 'alerts.rules' has {text!r}; {bound!r} is not a number.") from None
    if kind == "rank" and not 0 <= value < 1:
        raise ConfigError(f"config key 'alerts.rules' has {text!r}; a rank lies between 0 and 1.")
    return Rule(kind, value, about)


def raised(index: Index, config: AlertsConfig) -> list[Alert]:
    """The alerts that the rules of `config` raise on what is published; each once."""
    rules = [read_rule(text) for text in config.rules]
    return list(dict.fromkeys(_alerts(digest(index, config.symbols), rules)))


def new_alerts(alerts: Iterable[Alert], before: Sequence[Mapping[str, Any]]) -> list[Alert]:
    """The `alerts` that are not in `before`, the alerts of the last refresh as JSON.

    Alerts of the same kind, subject and session are the same alert. Alerts of drift are the same in all sessions.
    """
    known = {_identity(Alert(**one)) for one in before}
    return [alert for alert in alerts if _identity(alert) not in known]


def to_json(alerts: Iterable[Alert]) -> list[dict[str, Any]]:
    """The alerts as JSON values."""
    return [asdict(alert) for alert in alerts]


def message_text(alerts: Sequence[Alert]) -> str:
    """A message with one line for each of `alerts`."""
    return "\n".join(alert.text for alert in alerts)


def _identity(alert: Alert) -> tuple[str, str, str]:
    return alert.kind, alert.subject, "" if alert.kind == "drift" else alert.session


def _alerts(today: Digest, rules: Sequence[Rule]) -> Iterator[Alert]:
    for rule in rules:
        if rule.kind in ("range", "rank"):
            for r in today.ranges:
                value = r.half_width if rule.kind == "range" else r.rank
                if value is not None and value > rule.bound:
                    place = f", {rank_text(r.rank)}" if r.rank is not None else ""
                    yield Alert(
                        rule.kind,
                        r.symbol,
                        r.session,
                        f"{r.symbol} may move ± {r.half_width:.1%} by {r.target_session} (90 %: {r.lower:,.2f} to "
                        f"{r.upper:,.2f}{place}).",
                    )
        elif rule.kind == "missed":
            for m in today.misses:
                side = f"the range was {m.low:+.1%} to {m.high:+.1%}"
                yield Alert(
                    "missed",
                    m.symbol,
                    m.target_session,
                    f"{m.symbol} moved {m.realised:+.1%} by {m.target_session}; {side}.",
                )
        elif rule.kind == "burst":
            for b in today.bursts:
                usual = f"usually {b.usual:.0f}" if b.usual is not None else "there were none before"
                many = f"{b.symbol} has {b.items:,.0f} items of news on {b.session}, {usual}"
                yield Alert("burst", b.symbol, b.session, f"{many}; their sentiment is {b.mean:+.2f}.")
        elif rule.kind == "spike":
            for k in today.kinds:
                if k.times > rule.bound and rule.about in ("", k.kind):
                    yield Alert("spike", f"{k.symbol} {k.kind}", k.session, f"{k.symbol}, {k.session}: {k.text}.")
        else:
            yield from (
                Alert("drift", text.partition(":")[0], today.session, f"Model: {text}.") for text in today.alarms
            )
