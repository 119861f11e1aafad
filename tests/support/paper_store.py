"""A store with made-up bars and published forecasts, to trade on paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from published_documents import document, head

from tenor.calendars import exchange
from tenor.schema import Bars
from tenor.serving.published import HISTORY_COLUMNS, published_forecasts
from tenor.store.lake import Lake

SESSIONS = exchange("XNYS").sessions(pd.Timestamp("2019-01-02"), pd.Timestamp("2020-03-31"))


def bars(
    symbols: tuple[str, ...], *, until: str, drop: tuple[tuple[str, str], ...] = (), seed: int = 3
) -> pd.DataFrame:
    """Random walks with gaps at the open, adjusted by half, up to `until`; without the (symbol, session) of `drop`."""
    rng, frames = np.random.default_rng(seed), []
    for i, symbol in enumerate(symbols):
        steps = rng.normal(0, 0.01 * (1 + i), len(SESSIONS))
        close = 50 * np.exp(np.cumsum(steps))
        opens = close * np.exp(rng.normal(0, 0.004, len(SESSIONS)))
        frames.append(
            pd.DataFrame(
                {
                    "symbol": symbol,
                    "session": SESSIONS,
                    "open": opens,
                    "high": np.maximum(opens, close),
                    "low": np.minimum(opens, close),
                    "close": close,
                    "adj_close": close / 2,
                    "volume": 1000.0,
                }
            )
        )
    frame = pd.concat(frames)
    missing = {(symbol, pd.Timestamp(day)) for symbol, day in drop}
    there = [(s, d) not in missing for s, d in zip(frame["symbol"], frame["session"], strict=True)]
    return frame[np.array(there) & (frame["session"] <= pd.Timestamp(until)).to_numpy()]


def fill_lake(store: Path, symbols: tuple[str, ...], **how: Any) -> None:
    """Append `bars` to the lake."""
    Lake(store).append_bars(Bars(bars(symbols, **how)), source="made up")


def publish(
    store: Path,
    session: str,
    volatility: dict[str, float],
    *,
    version: str = "m",
    p_up: float = 0.6,
    better: bool = False,
    history: int = 0,
    **more: Any,
) -> None:
    """Publish a forecast of each symbol after `session`, with a `history` of so many sessions before it."""
    documents = []
    for symbol, each in volatility.items():
        one = document(symbol)
        one["forecasts"][0] |= {"volatility": each, "p_up": p_up}
        past = SESSIONS[pd.Timestamp(session) > SESSIONS][-history:] if history else SESSIONS[:0]
        columns: dict[str, list[Any]] = {name: [0.0] * len(past) for name in HISTORY_COLUMNS}
        columns |= {
            "session": [f"{day:%Y-%m-%d}" for day in past],
            "target_session": [f"{day:%Y-%m-%d}" for day in past],
            "last_price": [1.0] * len(past),
            "realised_price": [None] * len(past),
            "volatility": [each] * len(past),
            "p_up": [p_up] * len(past),
            "made": ["replayed"] * len(past),
            "model_version": [version] * len(past),
        }
        one |= {
            "session": session,
            "as_of": f"{session}T21:00:00+00:00",
            "model_version": version,
            "history": {"1": columns},
        }
        documents.append(one)
    record = {"horizon": 1, "first": "2019-06-03", "better": better, "verdict": "No edge over persistence."}
    published_forecasts(str(store)).publish(
        documents, {**head(pd.Timestamp(session).timestamp()), "calendar": "XNYS", "track": [record], **more}
    )


def after_close(session: str) -> pd.Timestamp:
    """An hour after the close of `session` (UTC)."""
    return exchange("XNYS").close(pd.Timestamp(session)) + pd.Timedelta(hours=1)
