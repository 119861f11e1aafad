"""The account of paper trading as the service shows it: written beside the published forecasts after every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from tenor.errors import StoreError, one_line
from tenor.serving.published import PublishedForecasts
from tenor.storage.files import json_values
from tenor.trading.account import Account
from tenor.trading.booking import SESSION, WHOLE

FILLS = 500
"""How many fills are published, the newest ones."""


def publish_account(
    published: PublishedForecasts, account: Account, rows: pd.DataFrame, *, closed: bool = False
) -> list[str]:
    """Publish `account`. If that fails, a note is returned; the next run publishes it again from the journal.

    Parameters
    ----------
    published
        Where to publish it.
    account
        The account.
    rows
        Its rows of the journal.
    closed
        Whether it was closed by a reset.
    """
    try:
        published.set_paper(published_account(account, rows, closed=closed))
    except StoreError as error:
        return [f"the account is in the journal, and was not published for the dashboard: {one_line(error, 200)}"]
    return []


def published_account(account: Account, rows: pd.DataFrame, *, closed: bool = False) -> dict[str, Any]:
    """`account` with the fields of `tenor.serving.schemas.PaperAccount`."""
    plain: dict[str, Any] = json_values(
        {
            **{
                name: getattr(account, name)
                for name in (
                    "number", "settings", "replayed", "sessions", "decided", "booked", "cash", "equity", "costs",
                    "turnover", "growth", "holding_growth", "max_drawdown", "holding_max_drawdown", "volatility",
                    "unfilled", "verdict",
                )
            },
            "closed": closed,
            "sharpe": None if account.sharpe is None else account.sharpe.value,
            "notes": list(account.notes),
            "positions": [asdict(position) for position in account.positions],
            "orders": [asdict(order) for order in account.pending],
            "fills": _fills(rows),
            "curve": _curve(account),
        }
    )  # fmt: skip
    return plain


def _fills(rows: pd.DataFrame) -> Sequence[dict[str, Any]]:
    """What decisions became at the opens that followed, newest first; sessions without an order leave no fill."""
    booked = rows[(rows["event"] == SESSION) & (rows["symbol"] != WHOLE)]
    traded = booked["traded"].fillna(0.0) != 0
    noted = booked["note"].fillna("") != ""
    chosen = booked[traded | noted].sort_values(["session", "symbol"], ascending=[False, True]).head(FILLS)
    return [
        {
            "session": f"{row['session']:%Y-%m-%d}",
            "symbol": str(row["symbol"]),
            "price": float(row["fill"]),
            **{name: float(row[name]) for name in ("traded", "cost", "position")},
            "note": str(row["note"]),
        }
        for row in chosen.fillna({"traded": 0.0, "cost": 0.0, "position": 0.0, "note": ""}).to_dict("records")
    ]


def _curve(account: Account) -> dict[str, Any] | None:
    if account.backtest is None or account.holding is None:
        return None
    return {
        "sessions": [f"{session:%Y-%m-%d}" for session in account.backtest.sessions],
        "equity": [round(float(value), 6) for value in account.backtest.equity],
        "holding": [round(float(value), 6) for value in account.holding.equity],
    }
