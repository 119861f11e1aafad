"""Items of news for tests of what is counted by session."""

from __future__ import annotations

import pandas as pd

from tenor.schema import News, news_id

Item = tuple[str, str, str]


def news(*items: Item) -> News:
    """Items as (UTC moment, symbol, text)."""
    frame = pd.DataFrame(list(items), columns=["published_at", "symbol", "text"])
    return News(
        frame.assign(
            published_at=pd.to_datetime(frame["published_at"], utc=True, format="ISO8601"),
            id=[news_id("desk", text) for text in frame["text"]],
            source="desk",
            url="",
        )
    )
