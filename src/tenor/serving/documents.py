"""The published document of a symbol: forecasts, bars, sentiment, items, attention, and past forecasts."""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from tenor.inference.forecasts import Attention
from tenor.schema import Forecast, label
from tenor.serving.published import HISTORY_COLUMNS, TAIL_QUANTILES, TAIL_SHORTFALLS, TAILS

BARS = 760
"""How many bars a document has: three years, for charts and for comparison with past forecasts."""
SENTIMENT_SESSIONS = 260
ITEMS = 80
KINDS = 1500
"""The most rows of counts by kind; each row is of one session and kind."""
HISTORY = 500
"""Number of sessions of past forecasts, enough for a track record."""
_Label = Callable[[pd.Timestamp], str]
PUBLISHED = 750
"""How many published forecasts are kept for each symbol, so that a later model can't improve the past."""


def document(
    forecasts: Sequence[Forecast],
    *,
    bars: pd.DataFrame,
    sentiment: pd.DataFrame | None,
    items: Sequence[Mapping[str, Any]],
    past: Sequence[Forecast],
    looked: Attention | None,
    before: Mapping[str, Any] | None,
    behind: int,
    name: str = "",
    currency: str = "",
    events: pd.DataFrame | None = None,
    kinds: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """The document of one symbol, made of JSON values.

    Parameters
    ----------
    forecasts
        The newest forecasts, one for each horizon.
    bars
        Bars of this symbol, adjusted, sorted by session.
    sentiment
        Daily sentiment of this symbol.
    items
        News with scores, newest first.
    past
        Forecasts of the model for past sessions.
    looked
        The weights of attention of the newest forecasts.
    before
        The document that this one replaces.
    behind
        Number of sessions that have closed since the last session used.
    name, currency
        Name of the company and currency of its prices; empty if not known.
    events
        Events of this symbol and of all symbols: columns ``session, kind, known_since``, sorted by session.
    kinds
        Counts of news by kind: columns ``session, kind, n``, sorted by session.
    """
    newest = forecasts[0]
    day = functools.partial(label, intraday=newest.intraday)
    published = _published(before, day(newest.session))
    return {
        "symbol": newest.symbol,
        "name": name,
        "currency": currency,
        "as_of": newest.as_of.isoformat(),
        "session": day(newest.session),
        "behind": behind,
        "model_version": newest.model_version,
        "forecasts": [forecast.to_json() for forecast in forecasts],
        "bars": _columns(bars.tail(BARS), ("session", "open", "high", "low", "close", "volume"), day),
        "sentiment": _columns(
            None if sentiment is None else sentiment.tail(SENTIMENT_SESSIONS),
            ("session", "n", "mean", "std", "positive", "negative", "recent"),
            day,
        ),
        "events": _columns(events, ("session", "kind", "known_since"), day),
        "kinds": _columns(None if kinds is None else kinds.tail(KINDS), ("session", "kind", "n"), day),
        "items": [dict(item) for item in items[:ITEMS]],
        "published": published,
        "history": _history(past, published, bars, day),
        "attention": _attention(looked, [forecast.horizon for forecast in forecasts]),
    }


def past_sessions(documents: Iterable[Mapping[str, Any]]) -> list[str]:
    """The sessions of all past forecasts of the shortest horizon, sorted."""
    sessions: set[str] = set()
    for one in documents:
        if one["history"]:
            sessions.update(one["history"][min(one["history"], key=int)]["session"])
    return sorted(sessions)[-HISTORY:]


def _columns(frame: pd.DataFrame | None, names: Sequence[str], day: _Label) -> dict[str, list[Any]]:
    if frame is None or frame.empty:
        return {name: [] for name in names}
    plain: dict[str, list[Any]] = {}
    for name in names:
        values = frame[name]
        plain[name] = (
            [day(session) for session in values]
            if name == "session"
            else [str(value) for value in values]
            if name in ("kind", "known_since")
            else [_short(v) for v in values.tolist()]
        )
    return plain


def _published(before: Mapping[str, Any] | None, newest: str) -> list[dict[str, Any]]:
    """Forecasts published after earlier sessions, as log returns from that session's close."""
    if before is None:
        return []
    rows = {(row["session"], row["horizon"]): row for row in before.get("published", ())}
    for forecast in before["forecasts"]:
        if forecast["session"] >= newest:
            continue
        last = forecast["last_price"]
        rows.setdefault(
            (forecast["session"], forecast["horizon"]),
            {
                "session": forecast["session"],
                "target_session": forecast["target_session"],
                "horizon": forecast["horizon"],
                "mean": _short(forecast["expected_return"]),
                "low": _short(math.log(forecast["lower"] / last)),
                "high": _short(math.log(forecast["upper"] / last)),
                "volatility": _short(forecast["volatility"]),
                "baseline": _short(forecast["baseline_volatility"]),
                "p_up": _short(forecast["p_up"]),
                TAILS: _tails(forecast["quantiles"], forecast["expected_shortfall"], last),
                "model_version": forecast["model_version"],
            },
        )
    return [rows[key] for key in sorted(rows)][-PUBLISHED:]


def _history(
    past: Iterable[Forecast], published: Iterable[Mapping[str, Any]], bars: pd.DataFrame, day: _Label
) -> dict[str, dict[str, list[Any]]]:
    """By horizon, the columns of past forecasts; a published one comes before a replayed one."""
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for forecast in past:
        rows[day(forecast.session), forecast.horizon] = {
            "session": day(forecast.session),
            "target_session": day(forecast.target_session),
            "mean": forecast.expected_return,
            "low": math.log(forecast.lower / forecast.last_price),
            "high": math.log(forecast.upper / forecast.last_price),
            "volatility": forecast.volatility,
            "baseline": forecast.baseline_volatility,
            "p_up": forecast.p_up,
            TAILS: _tails(forecast.quantiles, forecast.expected_shortfall, forecast.last_price),
            "model_version": forecast.model_version,
            "made": "replayed",
        }
    for row in published:
        rows[row["session"], row["horizon"]] = {**row, "made": "published"}
    closes = {day(session): float(price) for session, price in zip(bars["session"], bars["close"], strict=True)}
    names = (*HISTORY_COLUMNS, TAILS)
    histories: dict[str, dict[str, list[Any]]] = defaultdict(lambda: {name: [] for name in names})
    shown = sorted({session for session, _ in rows})[-HISTORY:]
    for (session, horizon), row in sorted(rows.items()):
        if not shown or session < shown[0]:
            continue
        last = closes.get(session)
        if last is None:
            continue  # its bar was removed by a revision
        realised = closes.get(row["target_session"])
        values = (
            session,
            row["target_session"],
            _short(last),
            *(_short(row[name]) for name in ("mean", "low", "high", "volatility", "baseline", "p_up")),
            None if realised is None else _short(realised),
            row["made"],
            row["model_version"],
            row.get(TAILS),
        )
        for name, value in zip(names, values, strict=True):
            histories[str(horizon)][name].append(value)
    return dict(histories)


def _tails(quantiles: Mapping[str, float], shortfalls: Mapping[str, float], last: float) -> list[float] | None:
    """The column `TAILS` of one forecast, to 0.001 %; None where it has not all of them."""
    if any(level not in quantiles for level in TAIL_QUANTILES) or any(c not in shortfalls for c in TAIL_SHORTFALLS):
        return None
    returns = [math.log(quantiles[level] / last) for level in TAIL_QUANTILES]
    return [round(value, 5) for value in (*returns, *(shortfalls[confidence] for confidence in TAIL_SHORTFALLS))]


def _attention(looked: Attention | None, horizons: Sequence[int]) -> dict[str, Any]:
    """The attention of the newest forecasts: ``time`` by horizon and session, ``feature`` by session and feature."""
    if looked is None:
        return {"sessions": [], "features": [], "time": {}, "feature": []}
    return {
        "sessions": list(looked.sessions),
        "features": list(looked.features),
        "time": {
            str(horizon): [_short(weight) for weight in weights]
            for horizon, weights in zip(horizons, looked.time.tolist(), strict=True)
        },
        "feature": [[round(weight, 5) for weight in row] for row in looked.feature.tolist()],
    }


def _short(value: float) -> float:
    """Six significant digits: what a chart can show."""
    return float(f"{value:.6g}")
