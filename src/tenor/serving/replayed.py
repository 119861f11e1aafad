"""Forecasts as of a past session, in the form of the newest ones and without later information."""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tenor.errors import UsageError
from tenor.serving.overview import LEAST_YEAR, YEAR
from tenor.serving.published import past_forecasts
from tenor.serving.schemas import PastForecast, Staleness

Document = Mapping[str, Any]


def session_until(head: Mapping[str, Any], day: str) -> str:
    """The last session with past forecasts up to `day` (ISO date); raises UsageError if there is none."""
    sessions: Sequence[str] = head.get("sessions", ())
    place = bisect_right(sessions, f"{day}~") - 1  # the name of an intraday bar begins with its date
    if place < 0:
        known = f"they begin on {sessions[0]}" if sessions else "there are none at all"
        raise UsageError(f"there are no past forecasts until {day}: {known}.")
    return sessions[place]


def forecasts_after(document: Document, session: str, head: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The forecasts of a symbol made after the past `session`, one for each horizon, as from `Forecast.to_json`.

    They have no weights of attention and no news; ``verdict`` is empty unless the version in use made them.

    Raises
    ------
    UsageError
        There is no forecast of that session.
    """
    made = []
    for forecast in document["forecasts"]:
        rows = past_forecasts(document, int(forecast["horizon"]))
        place = next((i for i, row in enumerate(rows) if row.session == session), None)
        if place is not None:
            made.append(_forecast(document, forecast, rows, place, head))
    if not made:
        raise UsageError(f"{document['symbol']} has no forecast made after {session}: see /v1/history.")
    return made


def _forecast(
    document: Document, newest: Mapping[str, Any], rows: Sequence[PastForecast], place: int, head: Mapping[str, Any]
) -> dict[str, Any]:
    row = rows[place]
    before = [each.volatility for each in rows[max(0, place - YEAR) : place]]
    rank = sum(value < row.volatility for value in before) / len(before) if len(before) >= LEAST_YEAR else None
    return {
        "symbol": document["symbol"],
        "as_of": _as_of(row.session, head),
        "session": row.session,
        "target_session": row.target_session,
        "horizon": newest["horizon"],
        "expected_return": row.expected_return,
        "last_price": row.last_price,
        "price": row.price,
        "lower": row.lower,
        "upper": row.upper,
        "p_up": row.p_up,
        "volatility": row.volatility,
        "volatility_rank": rank,
        "baseline_volatility": row.baseline_volatility,
        "quantiles": row.quantiles or {"0.05": row.lower, "0.95": row.upper},
        "value_at_risk": row.value_at_risk,
        "expected_shortfall": row.expected_shortfall,
        "verdict": newest["verdict"] if row.model_version == newest["model_version"] else "",
        "attention_time": None,
        "attention_features": None,
        "model_version": row.model_version,
    }


def rows_until(rows: Sequence[PastForecast], session: str) -> list[PastForecast]:
    """The past forecasts made before `session`, with the outcomes that were known at its close."""
    unknown = {"realised_return": None, "realised_price": None, "held": None}
    return [
        row if row.target_session <= session else dataclasses.replace(row, **unknown)  # type: ignore[arg-type]
        for row in rows
        if row.session < session
    ]


def of_the_past(session: str, head: Mapping[str, Any]) -> Staleness:
    """The staleness of a forecast made after the past `session`, which says that it is not of today."""
    sessions: Sequence[str] = head.get("sessions", ())
    behind = len(sessions) - bisect_right(sessions, session)
    return Staleness(True, behind, (f"as of {session}, as asked: what followed is known by now",), replay=True)


def _as_of(session: str, head: Mapping[str, Any]) -> str:
    """The close of `session`, UTC; the begin of its day where the refresh did not write its close."""
    closes = dict(zip(head.get("sessions", ()), head.get("session_closes", ()), strict=False))
    close = closes.get(session)
    moment = (
        datetime.fromisoformat(session).replace(tzinfo=UTC) if close is None else datetime.fromtimestamp(close, UTC)
    )
    return moment.isoformat()
