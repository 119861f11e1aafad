"""What flows between rooms: Bars, News, DailySentiment -> Panel -> Predictions -> Forecast, validated when made.

Sessions are tz-naive: midnights (an exchange's trading dates), or for bars within a day the UTC moments of their
closes. Other moments are tz-aware UTC, returns are natural logs.
"""

from tenor.kinds import KINDS
from tenor.schema.arrays import Bool, Float32, Float64
from tenor.schema.forecast import Forecast
from tenor.schema.panel import Panel, Predictions
from tenor.schema.tables import (
    BAR_COLUMNS,
    EVENT_COLUMNS,
    KIND_COLUMNS,
    LENGTHS,
    NEWS_COLUMNS,
    PRICES,
    SENTIMENT_COLUMNS,
    WITHDRAWN,
    AsOf,
    BarInterval,
    Bars,
    DailyKinds,
    DailySentiment,
    Events,
    News,
    label,
    labels,
    news_id,
    within_days,
)

__all__ = [
    "BAR_COLUMNS",
    "EVENT_COLUMNS",
    "KINDS",
    "KIND_COLUMNS",
    "LENGTHS",
    "NEWS_COLUMNS",
    "PRICES",
    "SENTIMENT_COLUMNS",
    "WITHDRAWN",
    "AsOf",
    "BarInterval",
    "Bars",
    "Bool",
    "DailyKinds",
    "DailySentiment",
    "Events",
    "Float32",
    "Float64",
    "Forecast",
    "News",
    "Panel",
    "Predictions",
    "label",
    "labels",
    "news_id",
    "within_days",
]
