"""Made-up documents to publish."""

from __future__ import annotations

from typing import Any


def document(symbol: str, day: int = 1, **more: Any) -> dict[str, Any]:
    """The document of `symbol` as of a day of January 2020."""
    forecast = {
        "symbol": symbol, "horizon": 1, "expected_return": 0.01, "p_up": 0.5, "price": 10.0, "lower": 9.0,
        "upper": 11.0, "last_price": 9.9, "target_session": "2020-02-01", "volatility": 0.02, "volatility_rank": 0.4,
        "baseline_volatility": 0.021, "value_at_risk": {"0.95": 0.03, "0.99": 0.05},
        "expected_shortfall": {"0.95": 0.04, "0.99": 0.06},
        "quantiles": {"0.01": 8.0, "0.05": 9.0, "0.25": 9.6, "0.5": 10.0, "0.75": 10.4, "0.95": 11.0, "0.99": 12.0},
        "verdict": "Nothing is known of such forecasts.",
    }  # fmt: skip
    return {
        "symbol": symbol, "as_of": f"2020-01-{day:02d}T21:00:00+00:00", "session": f"2020-01-{day:02d}", "behind": 0,
        "model_version": "m", "forecasts": [forecast], **more,
    }  # fmt: skip


def head(at: float = 1.0) -> dict[str, Any]:
    """What goes for all symbols, published at the Unix time `at`."""
    return {"published_at": at, "model_version": "m", "horizons": [1], "track": [], "versions": ["m"], "card": {}}
