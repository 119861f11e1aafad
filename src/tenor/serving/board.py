"""The response of ``/v1/overview``: a row for each symbol, stored by column, for the newest or a past session."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tenor.errors import StoreError, UsageError
from tenor.serving.overview import overview_row
from tenor.serving.schemas import to_plain
from tenor.serving.view import READERS, View

MOST_REPLAYED = 500
"""The most symbols whose documents are read for one past session."""
FORECAST = ("lower", "upper", "volatility", "volatility_rank", "p_up", "target_session", "realised_price")
"""The values of a row's forecast at a horizon, in this order."""


def overview(view: View, session: str | None = None, *, opens_at: str | None = None) -> dict[str, Any]:
    """The response.

    Parameters
    ----------
    session
        A session of past forecasts (ISO date); by default the newest forecasts.
    opens_at
        The session on which the dashboard opens; None for the newest.

    Raises
    ------
    UsageError
        There are no forecasts of that session, or too many symbols to look back at.
    """
    index = view.snapshot.index
    head = index.head
    known = list(head.get("sessions", ()))
    if session is None:
        rows = {symbol: _newest(view, symbol) for symbol in index.entries}
    else:
        rows = _past(view, session, known)
    stale = view.staleness()
    horizons = [str(horizon) for horizon in head["horizons"]]
    return {
        "session": session or max((entry.session for entry in index.entries.values()), default=""),
        "as_of": index.as_of,
        "past": session is not None,
        "sessions": known if len(index.entries) <= MOST_REPLAYED else [],
        "opens_at": opens_at,
        "horizons": [int(horizon) for horizon in horizons],
        "model_version": head["model_version"],
        "evidence": {
            str(record["horizon"]): {
                "risk": bool(record.get("risk_better", False)), "direction": bool(record.get("better", False)),
            }
            for record in head.get("track", ())
        },
        "alarms": _alarms(head),
        "staleness": to_plain(stale),
        "notes": [*head.get("notes", ()), *view.problems],
        "symbols": list(rows),
        **{name: [row.get(name) for row in rows.values()] for name in COLUMNS},
        "forecasts": {
            horizon: {
                **{
                    name: [_at(row["forecasts"].get(horizon), place) for row in rows.values()]
                    for place, name in enumerate(FORECAST)
                },
                "due": [row.get("due", {}).get(horizon) for row in rows.values()],
                "held": [row.get("held", {}).get(horizon) for row in rows.values()],
            }
            for horizon in horizons
        },
    }  # fmt: skip


COLUMNS = ("name", "currency", "session_of", "stale", "last_price", "change", "spark", "driver", "sentiment", "kind")
"""The columns of the response, apart from those by horizon; each has one value for each symbol."""


def _alarms(head: Mapping[str, Any]) -> int:
    """The alarms of the monitor; in a replay, whose data end in the past for good, without that of old data."""
    report = head.get("monitor", {})
    old = sum(check["alarm"] and check["kind"] == "staleness" for check in report.get("checks", ()))
    return int(report.get("alarms", 0)) - (old if head.get("replay") else 0)


def _newest(view: View, symbol: str) -> dict[str, Any]:
    entry = view.snapshot.index.entries[symbol]
    shortest = entry.brief[min(entry.brief, key=int)]
    names = FORECAST[:-1]
    return {
        **entry.overview,
        "session_of": entry.session,
        "stale": view.staleness(entry).stale,
        "last_price": _short(shortest["last_price"]),
        "forecasts": {
            horizon: [*(_short(brief[name]) for name in names), None] for horizon, brief in entry.brief.items()
        },
    }


def _past(view: View, session: str, known: Sequence[str]) -> dict[str, dict[str, Any]]:
    index = view.snapshot.index
    if session not in known:
        between = f"they are of {known[0]} to {known[-1]}" if known else "there are none"
        raise UsageError(f"there are no past forecasts of {session}: {between}.")
    if len(index.entries) > MOST_REPLAYED:
        raise UsageError(
            f"a past session of {len(index.entries):,} symbols is too much to look back at, {MOST_REPLAYED} is the "
            "most: open one symbol, whose past forecasts can be walked through."
        )

    def row_of(symbol: str) -> dict[str, Any] | None:
        try:
            return overview_row(view.document(symbol), session)
        except StoreError:
            return None  # a damaged document, which the staleness reports

    rows = {}
    with ThreadPoolExecutor(READERS) as pool:  # of a bucket: documents that were not read yet are fetched together
        made = dict(zip(index.entries, pool.map(row_of, index.entries), strict=True))
    for symbol, entry in index.entries.items():
        row = made[symbol]
        if row is not None:
            names = {name: entry.overview.get(name, "") for name in ("name", "currency")}
            rows[symbol] = {**row, **names, "session_of": session, "stale": False}
    return rows


def _at(values: Sequence[Any] | None, place: int) -> Any:
    return None if values is None else values[place]


def _short(value: Any) -> Any:
    """Six significant digits: what a table shows."""
    return float(f"{value:.6g}") if isinstance(value, float) and math.isfinite(value) else value
