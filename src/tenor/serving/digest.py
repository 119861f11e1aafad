"""The digest of the newest forecasts: widest ranges, missed forecasts, bursts of news, and the model's health."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tenor.news_words import kind_name
from tenor.serving.overview import LEAST_ITEMS
from tenor.serving.published import Index

WIDEST = 5
BURST = 3.0
"""This many times the usual number of items is a burst (of all items) or a spike (of one kind)."""


@dataclass(frozen=True)
class Range:
    """How far a price may move.

    Attributes
    ----------
    half_width
        Half of the 90 % interval, as a share of the last price.
    rank
        The rank of its volatility among the symbol's own forecasts of the last year, from 0 (calm) to 1; None if
        unknown.
    driver
        The reason for the range, a mapping with ``kind`` (`tenor.serving.overview.driver`); empty if unknown.
    """

    symbol: str
    name: str
    session: str
    target_session: str
    last_price: float
    lower: float
    upper: float
    half_width: float
    rank: float | None
    driver: Mapping[str, Any]


@dataclass(frozen=True)
class Miss:
    """A forecast whose realised return is outside of its 90 % interval; all returns are log returns."""

    symbol: str
    name: str
    target_session: str
    realised: float
    low: float
    high: float


@dataclass(frozen=True)
class Burst:
    """A session with many more items of news than usual; `usual` is None if there was no news before."""

    symbol: str
    name: str
    session: str
    items: int
    usual: float | None
    mean: float


@dataclass(frozen=True)
class Spike:
    """A session with more items about one thing than usual.

    Attributes
    ----------
    kind
        The kind of news (`tenor.kinds.KINDS`), or ``topic:NAME``.
    items, usual
        Number of items of the kind in the session, and the mean of the sessions before.
    """

    symbol: str
    name: str
    session: str
    kind: str
    items: int
    usual: float

    @property
    def times(self) -> float:
        """The number of items divided by the usual number; infinite if there were none before."""
        return self.items / self.usual if self.usual else math.inf

    @property
    def text(self) -> str:
        """The spike in words: ``news about earnings: 12 items, usually 0.4``."""
        usual = f"usually {self.usual:.2g}" if self.usual else "there were none before"
        return f"{kind_name(self.kind)}: {self.items:,.0f} items, {usual}"


@dataclass(frozen=True)
class Digest:
    """A summary of the published forecasts at the shortest horizon.

    Attributes
    ----------
    session
        The last session that any forecast knew.
    ranges
        The ranges of all symbols, the widest first.
    misses
        Missed forecasts among those whose target was `session`, the farthest outside first.
    due
        How many forecasts had the target `session`.
    bursts
        Bursts of news in `session`, the largest first.
    kinds
        Kinds with at least `LEAST_ITEMS` items in `session`, the most unusual first; from `BURST` times the usual
        number it is a spike.
    alarms
        Alarms of the monitoring, one sentence each.
    notes
        What the last refresh could not do.
    """

    session: str
    horizon: int
    model_version: str
    ranges: tuple[Range, ...]
    misses: tuple[Miss, ...]
    due: int
    bursts: tuple[Burst, ...]
    kinds: tuple[Spike, ...]
    alarms: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return asdict(self)


def digest(index: Index, symbols: Sequence[str] = ()) -> Digest:
    """The digest of `index`, for `symbols` or for all symbols."""
    entries = {name: entry for name, entry in index.entries.items() if not symbols or name in symbols}
    head = index.head
    horizon = min(map(int, head["horizons"]), default=1)
    session = max((entry.session for entry in entries.values()), default="")
    ranges, misses, bursts, kinds, due = [], [], [], [], 0
    for symbol, entry in entries.items():
        row = entry.overview
        name = str(row.get("name") or "")
        brief = entry.brief.get(str(horizon))
        if brief is not None:
            ranges.append(
                Range(
                    symbol,
                    name,
                    entry.session,
                    brief["target_session"],
                    brief["last_price"],
                    brief["lower"],
                    brief["upper"],
                    (brief["upper"] - brief["lower"]) / 2 / brief["last_price"],
                    brief["volatility_rank"],
                    row.get("driver") or {},
                )
            )
        came_due = (row.get("due") or {}).get(str(horizon))
        if came_due is not None and came_due[0] == session:
            due += 1
            target, realised, low, high = came_due
            if not low <= realised <= high:
                misses.append(Miss(symbol, name, target, realised, low, high))
        if row.get("sentiment") and entry.session == session:
            items, mean, usual = row["sentiment"]
            if is_burst(items, usual):
                bursts.append(Burst(symbol, name, session, items, usual, mean))
        if entry.session == session:
            kinds += [Spike(symbol, name, session, *each) for each in row.get("kinds") or ()]
    checks = head.get("monitor", {}).get("checks", ())
    return Digest(
        session,
        horizon,
        str(head.get("model_version", "")),
        tuple(sorted(ranges, key=lambda r: (-r.half_width, r.symbol))),
        tuple(sorted(misses, key=lambda m: (-max(m.low - m.realised, m.realised - m.high), m.symbol))),
        due,
        tuple(sorted(bursts, key=lambda b: (-b.items / max(b.usual or 1.0, 1.0), b.symbol))),
        tuple(sorted(kinds, key=lambda k: (-k.times, -k.items, k.symbol, k.kind))),
        tuple(f"{check['kind']} of {check['name']}: {check['detail']}" for check in checks if check["alarm"]),
        tuple(head.get("notes", ())),
    )


def is_burst(items: float, usual: float | None) -> bool:
    """Whether the number of `items` is a burst, compared with the `usual` number."""
    return items >= LEAST_ITEMS and items >= BURST * max(usual or 0.0, 1.0)


def digest_text(summary: Digest, *, widest: int = WIDEST) -> str:
    """The digest as plain text, in lines of at most 80 characters unless names are too long."""
    symbols = f"{len(summary.ranges):,} symbol{'' if len(summary.ranges) == 1 else 's'}"
    lines = [f"After the session of {summary.session}: {symbols}, model {summary.model_version}", ""]
    ahead = "the next session" if summary.horizon == 1 else f"{summary.horizon} sessions ahead"
    lines.append(f"Widest ranges (90 %), {ahead}:")
    lines += [
        f"  {r.symbol:<10} ± {r.half_width:6.2%}   {r.lower:,.2f} to {r.upper:,.2f}   {rank_text(r.rank)}"
        for r in summary.ranges[:widest]
    ]
    if summary.due:
        expected = summary.due * 0.1
        lines += [
            "",
            f"Outside of the range: {len(summary.misses)} of {summary.due} (about {expected:.0f} are expected)",
        ]
        lines += [
            f"  {m.symbol:<10} moved {m.realised:+.2%}, the range was {m.low:+.2%} to {m.high:+.2%}"
            for m in summary.misses[:widest]
        ]
    if summary.bursts:
        lines += ["", "Many news:"]
        lines += [
            f"  {b.symbol:<10} {b.items:,.0f} items, usually {b.usual or 0:.0f}; sentiment {b.mean:+.2f}"
            for b in summary.bursts[:widest]
        ]
    spikes = [k for k in summary.kinds if k.times >= BURST]
    if spikes:
        lines += ["", "More news than usual of one kind:"]
        lines += [f"  {k.symbol:<10} {k.text}" for k in spikes[:widest]]
    alarms = summary.alarms or ("no alarm",)
    lines += ["", "Model: " + alarms[0], *(f"  {alarm}" for alarm in alarms[1:])]
    lines += [f"Note: {note}" for note in summary.notes]
    return "\n".join(lines)


def rank_text(rank: float | None) -> str:
    """The rank of a volatility in the symbol's own year in words, such as ``wide for it``."""
    if rank is None:
        return ""
    return "wide for it" if rank >= 0.8 else "calm for it" if rank <= 0.2 else "normal for it"
