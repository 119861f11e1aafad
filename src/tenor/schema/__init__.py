"""The types that flow between the packages, checked when they are made.

Bars, News and DailySentiment become a Panel, a Panel becomes Predictions, and these become Forecasts. Sessions have no
time zone: they are midnights (an exchange's trading dates) or, for intraday bars, the UTC moments of their closes.
Other moments are in UTC with time zone. Returns are natural logs.
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
