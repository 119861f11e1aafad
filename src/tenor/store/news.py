"""News in portions that fit in memory: by spans of time, or the newest items; and a key that changes with new items."""

# ruff: noqa: S608 - the SQL of this file is made of its own names; values from outside are bound, never pasted

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tenor.schema import NEWS_COLUMNS
from tenor.storage.files import content_key
from tenor.store import parts as parts_of
from tenor.store.tables import NEWS
from tenor.store.versions import Versions


def blocks(versions: Versions, size: int) -> list[tuple[pd.Timestamp, pd.Timestamp, int]]:
    """As `Lake.news_blocks`."""
    with versions.connect(NEWS) as connection:
        # counts all versions of items; when they are read, each item counts once
        sql = (
            f"SELECT date_trunc('day', published_at)::TIMESTAMP AS day, count(*) AS items FROM {NEWS.parts} "
            "GROUP BY day ORDER BY day"
        )
        days = connection.sql(sql).to_arrow_table().to_pandas()
    spans: list[tuple[pd.Timestamp, pd.Timestamp, int]] = []
    for day, items in zip(days["day"], days["items"].tolist(), strict=True):
        first = pd.Timestamp(day).tz_localize("UTC").as_unit("us")
        last = first + pd.Timedelta(days=1) - pd.Timedelta(microseconds=1)
        if spans and spans[-1][2] + items <= size:
            spans[-1] = (spans[-1][0], last, spans[-1][2] + items)
        else:
            spans.append((first, last, items))
    return spans


def newest(versions: Versions, symbols: Sequence[str] | None, count: int) -> pd.DataFrame:
    """As `Lake.newest_news`, with the columns of `News`."""
    with versions.connect(NEWS, among=symbols) as connection:
        sql = (
            f"SELECT {', '.join(NEWS_COLUMNS)} FROM {NEWS.name} "
            "QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY published_at DESC, id DESC) <= $count"
        )
        frame: pd.DataFrame = connection.sql(sql, params={"count": count}).to_arrow_table().to_pandas()
    return frame


def state(versions: Versions) -> str:
    """As `Lake.news_state`. Parts never change, so their names identify their content."""
    with versions.store_errors("read"):
        return content_key(parts_of.names(versions.parts, NEWS.name))
