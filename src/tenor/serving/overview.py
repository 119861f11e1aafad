"""One compact row for each symbol of the overview, for its newest forecasts or a past session. No dependencies.

The rows of the newest forecasts are written into the index when they are published. Those of a past session are made
from the documents when they are requested.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

YEAR = 252
LEAST_YEAR = 60
"""The fewest sessions of forecasts among which a rank is given."""
SPARK = 30
"""Number of closes of the small chart; they are whole numbers from 0 (lowest) to 99."""
LATELY = 5
LOOKED_BACK = 20
"""Number of sessions that are searched for the driver of a range if the network has no attention."""
ONE_DAY = 0.35
"""A session with this share of the recent variance counts as the driver."""
RESTLESS, QUIET = 1.7, 0.36
"""If the mean variance of the last `LATELY` sessions is this multiple of the year's, it is the driver of the range."""
UNEVEN = 2.0
"""Attention is used only if some session has this many times an even share of it."""
USUAL_NEWS = 60
"""Number of sessions with news over which the usual number of items is averaged; for a kind of news, all sessions."""
LEAST_ITEMS = 4
"""The fewest items of a session that can be unusually many."""
LEAST_SESSIONS = 5
"""The fewest sessions from the first news on after which the usual number of items of a kind is known."""

Document = Mapping[str, Any]


def overview_row(document: Document, session: str | None = None) -> dict[str, Any] | None:
    """The row of one symbol.

    Parameters
    ----------
    document
        The published document of the symbol.
    session
        A past session; by default the newest.

    Returns
    -------
    dict or None
        ``change`` (simple return of the session), ``spark``, ``driver`` (see `driver`), ``sentiment`` (the session's
        ``[items, mean, usual items]``, or None), ``kind`` (that most of its items are of, or None), ``kinds`` (a
        list of ``[kind, items, usual items]`` for the kinds of which the session has `LEAST_ITEMS`), ``due`` and
        ``held`` by horizon: the newest forecast that came due (``[target session, log return, low, high]``), and of the
        last `YEAR` that did ``[inside, all]``. Of a past session also ``last_price`` and ``forecasts``: by horizon
        ``[lower, upper, volatility, volatility_rank, p_up, target session, realised price]``. None where the document
        knows nothing of the session.
    """
    bars = document["bars"]
    on = session or str(document["session"])
    last = bisect_right(bars["session"], on) - 1
    if last < 0 or bars["session"][last] != on:
        return None
    closes = bars["close"][: last + 1]
    history: Mapping[str, Mapping[str, Sequence[Any]]] = document["history"]
    row: dict[str, Any] = {
        "change": _short(closes[-1] / closes[-2] - 1) if last else None,
        "spark": spark(closes[-SPARK:]),
        "driver": driver(bars, last, attention=_attention(document) if session is None else None),
        "sentiment": _sentiment(document["sentiment"], on),
        "kind": _most(document.get("kinds") or {}, on),
        "kinds": _by_kind(document.get("kinds") or {}, bars["session"][:last], on),
        "due": {horizon: _due(columns, on) for horizon, columns in history.items()},
        "held": {horizon: _held(columns, on) for horizon, columns in history.items()},
    }
    if session is not None:
        forecasts = {horizon: _forecast(columns, on) for horizon, columns in history.items()}
        if not any(forecasts.values()):
            return None
        row |= {"last_price": closes[-1], "forecasts": forecasts}
    return row


def spark(closes: Sequence[float]) -> list[int]:
    """`closes` scaled to whole numbers from 0 (the lowest) to 99 (the highest)."""
    low, high = min(closes), max(closes)
    return [round(99 * (close - low) / (high - low)) if high > low else 50 for close in closes]


def driver(bars: Mapping[str, Sequence[Any]], last: int, *, attention: Mapping[str, float] | None) -> dict[str, Any]:
    """The reason for the range of the forecast after bar `last`: one session's move, or the level of recent sessions.

    Parameters
    ----------
    bars
        Columns ``session, open, high, low, close``.
    last
        The place of the bar.
    attention
        The weight of each session in the forecast of risk; None means equal weights over the last `LOOKED_BACK`.

    Returns
    -------
    dict
        ``kind``: ``day`` (one session has `ONE_DAY` of the weighted variance), ``restless`` or ``quiet`` (the last
        `LATELY` sessions' variance against their year's), ``usual``; ``session`` and ``move`` (simple return) of the
        session with the largest share, ``share``, and ``level``, the volatility of the last `LATELY` sessions as a
        multiple of the year's.
    """
    first = max(1, last - YEAR + 1)
    variances = {bars["session"][i]: session_variance(bars, i) for i in range(first, last + 1)}
    if len(variances) < LOOKED_BACK:
        return {"kind": "usual"}
    recent = list(variances)[-LOOKED_BACK:]
    weights = attention or dict.fromkeys(recent, 1.0)
    shares = {session: weights[session] * variances[session] for session in weights if session in variances}
    total = sum(shares.values())
    values = list(variances.values())
    usual = sum(values) / len(values)
    if not shares or total <= 0 or usual <= 0:
        return {"kind": "usual"}
    top = max(shares, key=lambda session: shares[session])
    place = bisect_right(bars["session"], top) - 1
    level = sum(values[-LATELY:]) / LATELY / usual
    share = shares[top] / total
    kind = "day" if share >= ONE_DAY else "restless" if level >= RESTLESS else "quiet" if level <= QUIET else "usual"
    return {
        "kind": kind,
        "session": top,
        "move": _short(bars["close"][place] / bars["close"][place - 1] - 1),
        "share": _short(share),
        "level": _short(math.sqrt(level)),
    }


def session_variance(bars: Mapping[str, Sequence[Any]], i: int) -> float:
    """The variance of bar `i`: overnight return² + Garman-Klass, as in `tenor.variance` but without smallest values."""
    o, c, before = math.log(bars["open"][i]), math.log(bars["close"][i]), math.log(bars["close"][i - 1])
    top, bottom = max(math.log(bars["high"][i]), o, c), min(math.log(bars["low"][i]), o, c)
    return float((o - before) ** 2 + 0.5 * (top - bottom) ** 2 - (2 * math.log(2) - 1) * (c - o) ** 2)


def _attention(document: Document) -> dict[str, float] | None:
    """The weight of each session in the newest forecast of the shortest horizon; None where it is close to even."""
    attention = document.get("attention") or {}
    by_horizon = attention.get("time") or {}
    if not by_horizon:
        return None
    weights = by_horizon[min(by_horizon, key=int)]
    if not weights or max(weights) * len(weights) < UNEVEN:
        return None
    return dict(zip(attention["sessions"], weights, strict=True))


def _sentiment(columns: Mapping[str, Sequence[Any]], on: str) -> list[float | None] | None:
    last = bisect_right(columns["session"], on) - 1
    if last < 0 or columns["session"][last] != on:
        return None
    before = columns["n"][max(0, last - USUAL_NEWS) : last]
    usual = sum(before) / len(before) if before else None
    return [columns["n"][last], _short(columns["mean"][last]), None if usual is None else round(usual, 1)]


def _most(columns: Mapping[str, Sequence[Any]], on: str) -> str | None:
    """The kind that most of the session's items are of."""
    sessions = columns.get("session", ())
    counts = {columns["kind"][i]: columns["n"][i] for i in range(len(sessions)) if sessions[i] == on}
    return max(counts, key=lambda kind: counts[kind], default=None)


def _by_kind(columns: Mapping[str, Sequence[Any]], before: Sequence[str], on: str) -> list[list[Any]]:
    """``[kind, items, usual items]`` of the kinds with `LEAST_ITEMS` items, the most first.

    Usual is the mean of the `USUAL_NEWS` sessions `before` that one, as far as there was any news yet.
    """
    sessions = columns.get("session", ())
    rows = [i for i in range(len(sessions)) if sessions[i] == on and columns["n"][i] >= LEAST_ITEMS]
    covered = [session for session in before[-USUAL_NEWS:] if session >= sessions[0]] if rows else []
    if len(covered) < LEAST_SESSIONS:
        return []
    first, totals = covered[0], dict.fromkeys((columns["kind"][i] for i in rows), 0.0)
    for session, kind, n in zip(sessions, columns["kind"], columns["n"], strict=True):
        if first <= session < on and kind in totals:
            totals[kind] += n
    return [
        [columns["kind"][i], columns["n"][i], round(totals[columns["kind"][i]] / len(covered), 2)]
        for i in sorted(rows, key=lambda i: -columns["n"][i])
    ]


def _due(columns: Mapping[str, Sequence[Any]], on: str) -> list[Any] | None:
    """The newest forecast whose target session is not after `on`."""
    for i in range(_until(columns, on) - 1, -1, -1):
        target, realised = columns["target_session"][i], columns["realised_price"][i]
        if target <= on and realised is not None:
            realised_return = math.log(realised / columns["last_price"][i])
            return [target, _short(realised_return), columns["low"][i], columns["high"][i]]
    return None


def _held(columns: Mapping[str, Sequence[Any]], on: str) -> list[int]:
    inside = due = 0
    for i in range(_until(columns, on) - 1, -1, -1):
        realised = columns["realised_price"][i]
        if columns["target_session"][i] > on or realised is None:
            continue
        due += 1
        inside += columns["low"][i] <= math.log(realised / columns["last_price"][i]) <= columns["high"][i]
        if due == YEAR:
            break
    return [inside, due]


def _forecast(columns: Mapping[str, Sequence[Any]], on: str) -> list[Any] | None:
    """The forecast made after the past session `on`."""
    at = _until(columns, on) - 1
    if at < 0 or columns["session"][at] != on:
        return None
    price, volatility = columns["last_price"][at], columns["volatility"][at]
    before = columns["volatility"][max(0, at - YEAR) : at]
    rank = sum(value < volatility for value in before) / len(before) if len(before) >= LEAST_YEAR else None
    return [
        _short(price * math.exp(columns["low"][at])),
        _short(price * math.exp(columns["high"][at])),
        volatility,
        None if rank is None else round(rank, 3),
        columns["p_up"][at],
        columns["target_session"][at],
        columns["realised_price"][at],
    ]


def _until(columns: Mapping[str, Sequence[Any]], on: str) -> int:
    return bisect_right(columns["session"], on)


def _short(value: float) -> float:
    """Five significant digits: more than a table shows."""
    return float(f"{value:.5g}")
