"""The lake: append new or revised rows, read the current ones, and query them with SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd

from tenor.calendars import interval_of
from tenor.errors import DataError, StoreError, UnknownSymbolError, one_line
from tenor.schema import (
    BAR_COLUMNS,
    NEWS_COLUMNS,
    AsOf,
    BarInterval,
    Bars,
    DailyKinds,
    DailySentiment,
    Events,
    News,
)
from tenor.store import compaction, daily, item_scores, news
from tenor.store import parts as parts_of
from tenor.store.event_rows import events_of_rows, stored_rows, voided
from tenor.store.intraday import adjusted_like, dated
from tenor.store.item_scores import LakeScores, Probabilities
from tenor.store.parts import open_parts
from tenor.store.tables import (
    ACTIONS,
    BARS,
    CLEAN,
    COVARIATES,
    EVENTS,
    FETCHES,
    INTRADAY,
    NAMES,
    NEWS,
    REFUSALS,
    TABLES,
    WITHDRAWALS,
)
from tenor.store.versions import LONGEST, Appended, Versions, as_table
from tenor.symbols import clean_symbol, known_as

_LIVE = {table.name: table for table in (INTRADAY, ACTIONS, NAMES, FETCHES)}
LIVE_TABLES = tuple(_LIVE)

DAYS = ""
"""The value of `calendar` for daily bars and daily sentiment."""


class Lake:
    """A store of bars, news, sentiment, scores and refused rows, as immutable Parquet files read through DuckDB.

    Appending is idempotent and atomic: a writer that is killed leaves nothing or a complete file ("part"). Several may
    write at once, because a part is never changed. Of several versions of a row, the one ingested last counts.

    Parameters
    ----------
    location
        A folder (made by the first append) or ``s3://bucket/prefix``. For a bucket, endpoint, region and keys come
        from the usual ``AWS_*`` variables.

    Raises
    ------
    StoreError
        By every method, if the lake can't be read or written; a damaged part is named.
    """

    def __init__(self, location: str | Path) -> None:
        self._versions = Versions(open_parts(location))
        self.location: str = self._versions.location

    def append_bars(self, bars: Bars, *, source: str, claim: bool = False) -> Appended:
        """Add `bars` from `source`; only rows that are new or differ are written.

        With `claim`, rows that the lake has from another source belong to `source` from now on, even with equal values.

        Raises
        ------
        DataError
            The bars are not daily; append shorter ones as rows of ``intraday`` with `append_rows`.
        """
        if bars.interval != "1d":
            raise DataError(f"bars of {bars.interval} are not daily: append them as rows of the table 'intraday'.")
        return self._versions.append(BARS, bars.frame.assign(source=source), claim=claim)

    def bars(
        self,
        symbols: Sequence[str] | None = None,
        *,
        until: pd.Timestamp | None = None,
        as_of: pd.Timestamp | None = None,
        calendar: str = DAYS,
    ) -> Bars:
        """The bars of `symbols` (by default all) up to the session `until`.

        Parameters
        ----------
        calendar
            For intraday bars, the calendar (``XNYS@1h``) of symbols whose names show no market. Intraday bars are
            adjusted for splits and dividends like the daily bars of the same days (`tenor.store.intraday`).
        as_of
            A moment with time zone. The bars are as the lake had them then, before later revisions and adjustments;
            this is what a model that read the lake at that moment used.

        Raises
        ------
        StoreError
            There are no such bars.
        UnknownSymbolError
            The lake has no such symbol; a similar one is suggested.
        """
        interval = interval_of(calendar)
        symbols = self.named(symbols, calendar)
        if interval == "1d":
            frame = self._versions.read(BARS, BAR_COLUMNS, symbols, until, as_of)
        else:
            rows = self._versions.read(INTRADAY, INTRADAY.columns, symbols, None, as_of, interval=interval)
            frame = dated(rows, interval=interval, calendar=calendar)
            present = frame["symbol"].unique().tolist()
            daily = self._versions.read(BARS, ("symbol", "session", "close", "adj_close"), present, None, as_of)
            actions = self._versions.read(ACTIONS, ("symbol", "session", "kind", "value"), present, None, as_of)
            frame = adjusted_like(frame, daily, actions[actions["kind"] == "split"])
            frame = frame if until is None else frame[frame["session"] <= until]
        if frame.empty and as_of is not None:
            raise StoreError(f"the lake {self.location} held no such bars at {as_of}: ask for a later moment.")
        if frame.empty or not set(symbols or ()) <= set(frame["symbol"].unique()):
            self._require(symbols, frame, until, calendar)
        return Bars(frame, interval)

    def symbols(self, calendar: str = DAYS) -> tuple[str, ...]:
        """The symbols that have bars, sorted: daily ones, or those of `calendar` (``XNYS@1h``)."""
        interval = interval_of(calendar)
        table, where = (BARS, "true") if interval == "1d" else (INTRADAY, f"interval = '{interval}'")
        with self._versions.connect(table) as connection:
            sql = f"SELECT DISTINCT symbol FROM {table.parts} WHERE {where} ORDER BY symbol"  # noqa: S608 - our names
            rows = connection.sql(sql).fetchall()
        return tuple(row[0] for row in rows)

    def named(self, symbols: Sequence[str] | None, calendar: str = DAYS) -> Sequence[str] | None:
        """`symbols` in the lake's notation, whatever notation they have (``BRK.B``); unknown ones are unchanged."""
        if symbols is None or all(clean_symbol(symbol) == symbol for symbol in symbols):
            return symbols
        known = set(self.symbols(calendar))
        return [known_as(symbol, known) for symbol in symbols]

    def append_news(self, news: News) -> Appended:
        """Add `news`; items that the lake already has are not written again."""
        return self._versions.append(NEWS, news.frame)

    def news(
        self,
        symbols: Sequence[str] | None = None,
        *,
        since: pd.Timestamp | None = None,
        until: pd.Timestamp | None = None,
        as_of: pd.Timestamp | None = None,
    ) -> News:
        """The news about `symbols` (by default all) published from the moment `since` to `until`; may be empty.

        With `as_of`, only what the lake had at that moment.
        """
        return News(self._versions.read(NEWS, NEWS_COLUMNS, symbols, until, as_of, since=since))

    def newest_news(self, symbols: Sequence[str] | None, count: int) -> News:
        """The `count` items published last about each of `symbols` (all by default)."""
        return News(news.newest(self._versions, symbols, count))

    def news_blocks(self, size: int) -> list[tuple[pd.Timestamp, pd.Timestamp, int]]:
        """Consecutive spans of time that contain all news, each with about `size` items, or one day.

        For each span: its first and last moment (UTC), to be used with `news`, and the largest possible number of
        items.
        """
        return news.blocks(self._versions, size)

    def news_state(self) -> str:
        """A key of all news in the lake, which changes when news are added."""
        return news.state(self._versions)

    def news_texts(self, *, before: pd.Timestamp | None = None, at_once: int = 65_536) -> Iterator[list[str]]:
        """The texts of all news published before the moment `before`, in lists of `at_once`; texts may repeat.

        Memory does not grow with the number of texts.
        """
        where = "true" if before is None else "published_at < $before"
        params = {} if before is None else {"before": before.to_pydatetime()}
        with self._versions.connect(NEWS) as connection:
            sql = f"SELECT text FROM {NEWS.parts} WHERE {where}"  # noqa: S608 - our own name
            for batch in connection.sql(sql, params=params).to_arrow_reader(at_once):
                yield batch.column(0).to_pylist()

    def has_news(self) -> bool:
        """Whether there is any item of news."""
        with self._versions.connect(NEWS) as connection:
            return bool(connection.sql(f"SELECT 1 FROM {NEWS.parts} LIMIT 1").fetchall())  # noqa: S608 - our own name

    def append_events(self, events: Events, *, source: str = "file") -> Appended:
        """Add `events` from `source`; for each event, the last statement of a source counts.

        If `events` has withdrawals of an event, they replace the earlier ones from `source`; otherwise these are kept.
        """
        rows, withdrawals = stored_rows(events)
        changed = 0
        if len(withdrawals):
            symbols = sorted(set(withdrawals["symbol"]))
            before = self._versions.read(WITHDRAWALS, WITHDRAWALS.columns, symbols, None)
            old = voided(before[before["source"] == source].drop(columns="source"), withdrawals)
            taken_back = self.append_withdrawals(pd.concat([withdrawals, old]), source=source)
            changed = taken_back.new + taken_back.revised
        appended = self._versions.append(EVENTS, rows.assign(source=source))
        revised = min(changed, appended.unchanged)  # events that the lake already had, and that were withdrawn
        return Appended(appended.new, appended.revised + revised, appended.unchanged - revised)

    def append_withdrawals(self, withdrawals: pd.DataFrame, *, source: str) -> Appended:
        """Add withdrawals of events by `source`.

        Parameters
        ----------
        withdrawals
            Columns ``symbol``, ``session``, ``kind``, ``withdrawn_since`` and ``restored_since`` (UTC, or missing).
        source
            The source that announced the events.
        """
        return self._versions.append(WITHDRAWALS, withdrawals.assign(source=source))

    def events(
        self,
        *,
        as_of: pd.Timestamp | None = None,
        symbols: Sequence[str] | None = None,
        source: str | None = None,
    ) -> Events | None:
        """The events, or None if there are none; a date is known as long as one source announces it.

        Parameters
        ----------
        as_of
            A moment with time zone; only what the lake had at that moment.
        symbols
            Only events of these symbols, without events that concern all symbols.
        source
            Only events from this source (``file`` for imports).
        """
        rows, withdrawals = (
            self._versions.read(table, table.columns, symbols, None, as_of) for table in (EVENTS, WITHDRAWALS)
        )
        if source is not None:
            rows, withdrawals = (frame[(frame["source"] == source).to_numpy()] for frame in (rows, withdrawals))
        return None if rows.empty else events_of_rows(rows, withdrawals)

    def append_covariates(self, name: str, frame: pd.DataFrame, *, source: str = "file") -> Appended:
        """Add the rows of the user's table `name` (docs/own-features.md).

        Parameters
        ----------
        name
            Name of the table.
        frame
            Columns ``symbol`` (empty for rows that concern all symbols), ``session``, ``known_since`` (UTC), and
            numbers.
        source
            Source of the rows.
        """
        keys = ["symbol", "session", "known_since"]
        columns = [c for c in frame.columns if c not in keys]
        tall = pd.concat([frame[keys].assign(column=str(c), value=frame[c].to_numpy()) for c in columns])
        return self._versions.append(COVARIATES, tall[tall["value"].notna()].assign(name=name, source=source))

    def covariates(self, name: str) -> pd.DataFrame | None:
        """The rows of the user's table `name`, with the columns of `append_covariates`; None without such a table."""
        keys = ["symbol", "session", "known_since"]
        tall = self._versions.read(COVARIATES, (*keys, "column", "value"), [name], None)
        if tall.empty:
            return None
        tall["known_since"] = tall["known_since"].astype("datetime64[us, UTC]")
        wide = tall.pivot_table(index=keys, columns="column", values="value", aggfunc="last")
        frame: pd.DataFrame = wide.rename_axis(columns=None).reset_index()
        frame["session"] = frame["session"].astype("datetime64[us]")
        return frame.sort_values(["known_since", "session", "symbol"], kind="stable", ignore_index=True)

    def covariate_names(self) -> tuple[str, ...]:
        """The names of the user's tables, sorted."""
        with self._versions.connect(COVARIATES) as connection:
            sql = f"SELECT DISTINCT name FROM {COVARIATES.parts} ORDER BY name"  # noqa: S608 - our own name
            rows = connection.sql(sql).fetchall()
        return tuple(row[0] for row in rows)

    def append_sentiment(self, sentiment: DailySentiment, *, source: str, settings: str = "") -> Appended:
        """Add daily `sentiment` with its kinds. Sentiment from other sources or settings is not affected.

        Parameters
        ----------
        source
            The model that scored the items, or the name of an imported set.
        settings
            The key of all settings that made it (`tenor.workspace.settings_key`); empty for an imported set.
        """
        return daily.append_sentiment(self._versions, sentiment, source=source, settings=settings)

    def append_kinds(self, kinds: DailyKinds, *, source: str, settings: str = "") -> Appended:
        """Add daily counts of `kinds`; they replace those of the same source and settings."""
        return daily.append_kinds(self._versions, kinds, source=source, settings=settings)

    def sentiment(
        self, source: str | None = None, *, settings: str = "", calendar: str = DAYS, as_of: AsOf = "close"
    ) -> DailySentiment | None:
        """The daily sentiment of `source` made by `settings`, with its kinds; None if there is none.

        Parameters
        ----------
        source
            The source; by default the one appended last with these settings.
        settings
            The key of the settings that made it; empty for an imported set.
        calendar
            For sentiment by intraday bars, their calendar (``XNYS@1h``).
        as_of
            The moment that it was made for; `settings` must be those of that moment.
        """
        return daily.read_sentiment(self._versions, source, settings=settings, calendar=calendar, as_of=as_of)

    def kinds(
        self, source: str, *, settings: str = "", calendar: str = DAYS, as_of: AsOf = "close"
    ) -> DailyKinds | None:
        """The daily counts of kinds of `source` made by `settings`; None if there are none.

        The parameters are those of `sentiment`.
        """
        return daily.read_kinds(self._versions, source, settings=settings, calendar=calendar, as_of=as_of)

    def sentiment_sources(self, *, settings: str = "", calendar: str = DAYS, as_of: AsOf = "close") -> tuple[str, ...]:
        """The sources of daily sentiment made by `settings`, the newest first."""
        return daily.sentiment_sources(self._versions, settings=settings, calendar=calendar, as_of=as_of)

    def put_scores(self, scores: Mapping[str, Probabilities], model_id: str) -> Appended:
        """Save `scores` by the model `model_id`: for each text hash P(positive), P(neutral), P(negative)."""
        return item_scores.put_scores(self._versions, scores, model_id)

    def get_scores(self, text_hashes: Sequence[str], model_id: str) -> dict[str, Probabilities]:
        """The scores by `model_id` that the lake has for `text_hashes`, by hash."""
        return item_scores.get_scores(self._versions, text_hashes, model_id)

    def score_cache(self) -> LakeScores:
        """The lake as a cache of scores for `tenor.sentiment.Scorer`."""
        return LakeScores(self._versions)

    def append_refusals(self, refusals: pd.DataFrame, *, files: Sequence[str]) -> None:
        """Save the rows that an import of `files` refused; they replace those of earlier imports of the same files.

        Parameters
        ----------
        refusals
            The refused rows, with the columns of `refusals()`.
        files
            All files that were read, including those without refused rows.
        """
        before, now = (frame.groupby("file") for frame in (self.refusals(), refusals))
        changed = []
        for file in dict.fromkeys([*files, *refusals["file"]]):
            old, new = (group.get_group(file) if file in group.groups else None for group in (before, now))
            if new is None and old is not None:
                clean = dict.fromkeys(REFUSALS.columns, "") | {"file": file, "row": 0, "session": None, "kind": CLEAN}
                changed.append(pd.DataFrame([clean]))
            elif new is not None and not _same_rows(old, new):
                changed.append(new)
        if changed:
            self._versions.write(REFUSALS, as_table(REFUSALS, pd.concat(changed, ignore_index=True)))

    def refusals(self) -> pd.DataFrame:
        """The rows that the last import of each file refused.

        The columns are file, row, symbol, session, column, value, kind, why and remedy.
        """
        with self._versions.connect(REFUSALS) as connection:
            rows = connection.sql("SELECT * FROM refusals").to_arrow_table()
        order = [("file", "ascending"), ("row", "ascending")]
        frame: pd.DataFrame = rows.select(REFUSALS.columns).sort_by(order).to_pandas()
        return frame.assign(session=pd.to_datetime(frame["session"]).astype("datetime64[us]"))

    def append_rows(self, table: str, rows: pd.DataFrame) -> Appended:
        """Add `rows` to one of `LIVE_TABLES`, with its columns; only rows that are new or differ are written."""
        return self._versions.append(_LIVE[table], rows)

    def rows(
        self, table: str, symbols: Sequence[str] | None = None, *, since: pd.Timestamp | None = None
    ) -> pd.DataFrame:
        """The current rows of ``bars`` (with sources), ``news`` or one of `LIVE_TABLES`, in the order of the key.

        Parameters
        ----------
        since
            The first session or moment, for tables that have one.
        """
        chosen = {BARS.name: BARS, NEWS.name: NEWS, **_LIVE}[table]
        frame = self._versions.read(chosen, chosen.columns, symbols, None, since=since)
        return frame.sort_values(list(chosen.key), kind="stable", ignore_index=True)

    def bar_spans(self, interval: BarInterval, symbols: Sequence[str] | None = None) -> pd.DataFrame:
        """`spans` of the bars of `interval`."""
        if interval == "1d":
            return self.spans(BARS.name, symbols)
        frame = self.spans(INTRADAY.name, symbols)
        return frame[frame["interval"] == interval]

    def spans(self, table: str, symbols: Sequence[str] | None = None) -> pd.DataFrame:
        """For each symbol and source, `first` and `last` session or moment and `count` of a table's current rows."""
        chosen = {BARS.name: BARS, NEWS.name: NEWS, INTRADAY.name: INTRADAY}[table]
        when = f"{chosen.when}::TIMESTAMP" if chosen.when == "session" else chosen.when
        also = ", interval" if chosen is INTRADAY else ""
        sql = (
            f"SELECT symbol{also}, source, min({when}) AS first, max({when}) AS last, count(*) AS count "  # noqa: S608
            f"FROM ({chosen.current()}) GROUP BY ALL ORDER BY ALL"
        )
        with self._versions.connect(chosen, among=symbols) as connection:
            frame: pd.DataFrame = connection.sql(sql).to_arrow_table().to_pandas()
        return frame

    def query(self, sql: str) -> pd.DataFrame:
        """Run `sql` in DuckDB over the lake's tables, without access to files or the network.

        The tables are bars, intraday, actions, news, events, withdrawals, covariates, names, sentiment,
        intraday_sentiment, daily_kinds, scores, item_kinds, item_embeddings, refusals, fetches and paper.

        Raises
        ------
        StoreError
            DuckDB can't run it; its message says why.
        """
        with self._versions.connect(*TABLES) as connection:
            connection.execute("SET enable_external_access = false")
            try:
                result = connection.sql(sql)
            except duckdb.Error as error:
                raise StoreError(f"the query can't be run: {one_line(error, LONGEST).rstrip('.')}.") from error
            return pd.DataFrame() if result is None else result.to_arrow_table().to_pandas()

    def compact(self, *, least: int = 2, keep: timedelta = compaction.KEEP) -> compaction.Compacted:
        """Merge the small parts of each table that has at least `least` of them; reads return the same as before.

        The old parts are kept for `keep`, for others who are reading them, and are deleted by a later call.
        """
        with self._versions.store_errors("compacted"):
            return compaction.compact(self._versions.parts, TABLES, least=least, keep=keep)

    def damage(self) -> Iterator[str]:
        """For each part of each table, including replaced ones, what is wrong with it; empty if it is sound.

        Every byte is read. The content is compared with the checksum in the part's name, and with the table's columns.
        """
        parts = self._versions.parts
        with self._versions.store_errors("read"):
            for table in TABLES:
                for name in parts_of.part_files(parts, table.name):
                    try:
                        yield parts_of.damage(parts, table.name, name, schema=table.schema)
                    except FileNotFoundError:
                        yield ""  # replaced, and deleted since it was listed

    def _require(
        self,
        symbols: Sequence[str] | None,
        frame: pd.DataFrame,
        until: pd.Timestamp | None,
        calendar: str = DAYS,
    ) -> None:
        known = self.symbols(calendar)
        if not known and (interval := interval_of(calendar)) != "1d":
            raise StoreError(
                f"the lake {self.location} has no bars of {interval} yet: bring some with 'tenor data fetch SYMBOL "
                f"--interval {interval} --store {self.location}', or leave the '@' and what follows out of "
                "features.calendar."
            )
        if not known:
            raise StoreError(
                f"the lake {self.location} has no bars yet: import some with "
                f"'tenor data import PATH --store {self.location}'."
            )
        for symbol in symbols or ():
            if symbol not in known:
                raise UnknownSymbolError(symbol, known)
        if frame.empty:
            if symbols is not None and not symbols:
                raise StoreError(f"no bars were asked of the lake {self.location}: name at least one symbol.")
            if until is None:
                raise StoreError(f"the lake {self.location} has no bars of {calendar} between an open and its close.")
            raise StoreError(f"the lake {self.location} has no bars up to {until:%Y-%m-%d}: ask for a later day.")


def _same_rows(old: pd.DataFrame | None, new: pd.DataFrame) -> bool:
    if old is None or len(old) != len(new):
        return False
    columns = list(REFUSALS.columns)
    first, second = (frame[columns].astype("str").sort_values(columns, ignore_index=True) for frame in (old, new))
    return bool(first.equals(second))
