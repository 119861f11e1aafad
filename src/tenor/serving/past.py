"""Past forecasts with what came true, as a document of the board holds them: in columns, which take less room."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tenor.serving.schemas import PastForecast

COLUMNS = (
    "session", "target_session", "last_price", "mean", "low", "high", "p_up", "realised_price", "made", "model_version",
)  # fmt: skip
"""`mean`, `low`, `high` are log returns from `last_price`, the adjusted close of `session`."""


def past_forecasts(document: Mapping[str, Any], horizon: int, *, last: int | None = None) -> tuple[PastForecast, ...]:
    """The past forecasts of a document at `horizon`, oldest first; of them the `last` ones."""
    columns = document["history"].get(str(horizon))
    if columns is None:
        return ()
    rows = list(zip(*(columns[name] for name in COLUMNS), strict=True))
    return tuple(_row(*row) for row in (rows if last is None else rows[max(0, len(rows) - last) :]))


def _row(
    session: str,
    target_session: str,
    last_price: float,
    mean: float,
    low: float,
    high: float,
    p_up: float,
    realised_price: float | None,
    made: Any,
    model_version: str,
) -> PastForecast:
    came = None if realised_price is None else math.log(realised_price / last_price)
    return PastForecast(
        session=session,
        target_session=target_session,
        last_price=last_price,
        expected_return=mean,
        price=last_price * math.exp(mean),
        lower=last_price * math.exp(low),
        upper=last_price * math.exp(high),
        p_up=p_up,
        made=made,
        model_version=model_version,
        realised_return=came,
        realised_price=realised_price,
        held=None if came is None else low <= came <= high,
    )
