"""Daily sentiment and daily counts by kind in the lake; there can be several, by source and settings."""

# ruff: noqa: S608 - the SQL of this file is made of its own names; values from outside are bound, never pasted

from __future__ import annotations

import pandas as pd

from tenor.calendars import interval_of
from tenor.schema import KIND_COLUMNS, SENTIMENT_COLUMNS, AsOf, BarInterval, DailyKinds, DailySentiment
from tenor.store.tables import DAILY_KINDS, INTRADAY_SENTIMENT, SENTIMENT, Table
from tenor.store.versions import Appended, Versions


def settings_of(settings: str, as_of: AsOf) -> str:
    """The value of the column `settings`: a key of the settings, which also stands for the moment `as_of`.

    For an imported set it is the moment, if that is the open.
    """
    return settings or ("" if as_of == "close" else as_of)


def append_sentiment(versions: Versions, sentiment: DailySentiment, *, source: str, settings: str) -> Appended:
    """Add the rows of `sentiment` and of its kinds, if any; the result counts the rows of sentiment."""
    table = SENTIMENT if sentiment.interval == "1d" else INTRADAY_SENTIMENT
    columns = {"source": source, "settings": settings_of(settings, sentiment.as_of)}
    if table is INTRADAY_SENTIMENT:
        columns["interval"] = sentiment.interval
    # kinds first, so that whoever finds the sentiment also finds its kinds
    if sentiment.kinds is not None:
        append_kinds(versions, sentiment.kinds, source=source, settings=settings)
    return versions.append(table, sentiment.frame.assign(**columns))


def append_kinds(versions: Versions, kinds: DailyKinds, *, source: str, settings: str) -> Appended:
    """Add the rows of `kinds`, which replace all rows of the same source and settings in the lake."""
    own = {"interval": kinds.interval, "source": source, "settings": settings_of(settings, kinds.as_of)}
    before = _rows(versions, own["interval"], own["source"], own["settings"])
    keys = ["symbol", "session", "kind"]
    gone = before[~pd.MultiIndex.from_frame(before[keys]).isin(pd.MultiIndex.from_frame(kinds.frame[keys]))]
    rows = kinds.frame if gone.empty else pd.concat([kinds.frame, gone.assign(n=0.0, mean=0.0)])
    return versions.append(DAILY_KINDS, rows.assign(**own))


def read_kinds(versions: Versions, source: str, *, settings: str, calendar: str, as_of: AsOf) -> DailyKinds | None:
    """The daily counts of `source` made by `settings`; None if there are none."""
    interval = interval_of(calendar)
    rows = _rows(versions, interval, source, settings_of(settings, as_of))
    return None if rows.empty else DailyKinds(rows, interval, as_of)


def read_sentiment(
    versions: Versions, source: str | None, *, settings: str, calendar: str, as_of: AsOf
) -> DailySentiment | None:
    """The daily sentiment of `source` (None: the source appended last) made by `settings`, with its kinds, if any."""
    if source is None:
        names = sentiment_sources(versions, settings=settings, calendar=calendar, as_of=as_of)
        if not names:
            return None
        source = names[0]
    table, interval = _table(calendar)
    where = "settings = $settings AND source = $source" + _of_interval(table, interval)
    with versions.connect(table) as connection:
        sql = f"SELECT * FROM {table.name} WHERE {where}"
        params = {"settings": settings_of(settings, as_of), "source": source}
        rows = connection.sql(sql, params=params).to_arrow_table()
    if not len(rows):
        return None
    kinds = read_kinds(versions, source, settings=settings, calendar=calendar, as_of=as_of)
    return DailySentiment(rows.select(SENTIMENT_COLUMNS).to_pandas(), interval, as_of, kinds)


def sentiment_sources(versions: Versions, *, settings: str, calendar: str, as_of: AsOf) -> tuple[str, ...]:
    """The sources of daily sentiment made by `settings`, the newest first."""
    table, interval = _table(calendar)
    with versions.connect(table) as connection:
        sql = (
            f"SELECT source FROM {table.parts} WHERE settings = $settings{_of_interval(table, interval)} "
            "GROUP BY source ORDER BY max(ingested_at) DESC, source"
        )
        rows = connection.sql(sql, params={"settings": settings_of(settings, as_of)}).fetchall()
    return tuple(row[0] for row in rows)


def _rows(versions: Versions, interval: str, source: str, settings: str) -> pd.DataFrame:
    """The rows of kinds that count: one without items stands for a row that was and is no more."""
    with versions.connect(DAILY_KINDS) as connection:
        sql = (
            f"SELECT * FROM {DAILY_KINDS.name} "
            "WHERE interval = $interval AND source = $source AND settings = $settings AND n > 0"
        )
        params = {"interval": interval, "source": source, "settings": settings}
        frame: pd.DataFrame = connection.sql(sql, params=params).to_arrow_table().select(KIND_COLUMNS).to_pandas()
    return frame.assign(session=frame["session"].astype("datetime64[us]"))


def _table(calendar: str) -> tuple[Table, BarInterval]:
    interval = interval_of(calendar)
    return (SENTIMENT if interval == "1d" else INTRADAY_SENTIMENT), interval


def _of_interval(table: Table, interval: str) -> str:
    return "" if table is SENTIMENT else f" AND interval = '{interval}'"
