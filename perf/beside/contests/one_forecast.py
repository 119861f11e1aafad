"""One forecast from bars in memory: ONNX Runtime's graph beside the same networks in torch, and the same features."""

from __future__ import annotations

from pathlib import Path

from contest import Contender, Contest, Goal
from small_store import small_store


def contest(folder: Path) -> Contest:
    """Make a store with a model; both contenders load it, and read its bars once."""
    return Contest(
        "one_forecast",
        "one forecast of one stock with 5 years of bars in memory",
        (
            Contender("tenor", "tenor", "one_forecast.py", {"eager": False}),
            Contender("torch, eager, the same networks and features", "tenor", "one_forecast.py", {"eager": True}),
        ),
        (
            Goal(3.0, measure="p50"),
            Goal(3.0, measure="p99"),
        ),
        {"store": small_store(folder), "forecasts": 30},
        unit="forecast",
    )
