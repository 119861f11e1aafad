"""The lake's tables: their columns, their keys, and which version of a row counts."""

# ruff: noqa: S608 - the SQL of this file is made of its own names; values from outside are bound, never pasted

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from tenor.kinds import KINDS
from tenor.schema import PRICES, SENTIMENT_COLUMNS

MOMENT = pa.timestamp("us", "UTC")
INTRADAY_NUMBERS = ("open", "high", "low", "close", "volume")
CLEAN = "clean"
"""The `kind` of the row for a file without refused rows that had some in an earlier import."""


@dataclass(frozen=True)
class Table:
    """One table of the lake.

    Attributes
    ----------
    schema
        All columns of a part; `ingested_at` (UTC) is the last one.
    key
        Rows with equal values in these columns are versions of the same row; the version ingested last counts. Most
        reads select by the first column, and parts are sorted by the key.
    when
        The column of time by which appends and reads limit their scan, if there is one.
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...]
    when: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns except `ingested_at`."""
        return tuple(self.schema.names[:-1])

    @property
    def values(self) -> tuple[str, ...]:
        """The columns that a revision can change: all except the key and the provenance."""
        return tuple(c for c in self.columns if c not in (*self.key, "source"))

    @property
    def parts(self) -> str:
        """The name in SQL of all versions of all rows; `name` is the view of the current versions."""
        return f"{self.name}_parts"

    def current(self, *, where: str = "true") -> str:
        """SQL for the current rows among those that satisfy `where`.

        Two versions ingested in the same microsecond are ordered by their values, so that every reader takes the same.
        """
        rows = f"SELECT * FROM {self.parts} WHERE {where}"
        if self is REFUSALS:
            last = "ingested_at = max(ingested_at) OVER (PARTITION BY file)"
            return f"SELECT DISTINCT * FROM ({rows} QUALIFY {last}) WHERE kind <> '{CLEAN}'"
        if self is PAPER:  # a journal: the first writing about a session counts, with all its rows
            first = "first_value(batch) OVER (PARTITION BY account, session, event ORDER BY ingested_at, batch)"
            return f"{rows} QUALIFY batch = {first}"
        order = ", ".join(["ingested_at DESC", *map(quoted, self.values)])
        key = ", ".join(map(quoted, self.key))
        return f"{rows} QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {order}) = 1"

    def picked(self, columns: Sequence[str], *, where: Sequence[str]) -> str:
        """SQL for `columns` of the current rows among those that satisfy all of `where`; dates become timestamps."""
        names = (f"{quoted(c)}::TIMESTAMP AS {quoted(c)}" if c == "session" else quoted(c) for c in columns)
        return f"SELECT {', '.join(names)} FROM ({self.current(where=' AND '.join(where) or 'true')})"

    def changed(self, *, claim: bool = False) -> str:
        """SQL for the rows of `incoming` that are new or differ from current ones, with `is_new`, sorted by the key.

        With `claim`, a row from another source counts as different even if its values are equal.
        """
        first = self.key[0]
        where = f"{first} IN (SELECT DISTINCT {first} FROM incoming)"
        if self.when:
            where += f" AND {self.when} BETWEEN $low AND $high"
        matched = " AND ".join(f"i.{quoted(c)} = o.{quoted(c)}" for c in self.key)
        compared = (*self.values, "source") if claim else self.values
        ours, theirs = (", ".join(f"{side}.{quoted(c)}" for c in compared) for side in "io")
        return (
            f"WITH old AS ({self.current(where=where)}) "
            f"SELECT i.*, o.{first} IS NULL AS is_new FROM incoming i LEFT JOIN old o ON {matched} "
            f"WHERE o.{first} IS NULL OR row({ours}) IS DISTINCT FROM row({theirs}) "
            f"ORDER BY {', '.join(f'i.{quoted(c)}' for c in self.key)}"
        )


def quoted(column: str) -> str:
    """`column` as a name in SQL (``open`` and ``column`` are words of the language)."""
    return f'"{column}"'


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([*columns.items(), ("ingested_at", MOMENT)])


BARS = Table(
    "bars",
    _schema(
        symbol=pa.string(),
        session=pa.date32(),
        **dict.fromkeys((*PRICES, "volume"), pa.float64()),
        source=pa.string(),
    ),
    key=("symbol", "session"),
    when="session",
)
NEWS = Table(
    "news",
    _schema(
        id=pa.string(),
        published_at=MOMENT,
        symbol=pa.string(),
        text=pa.string(),
        source=pa.string(),
        url=pa.string(),
    ),
    key=("symbol", "published_at", "id"),
    when="published_at",
)
INTRADAY = Table(
    "intraday",
    _schema(
        symbol=pa.string(),
        interval=pa.string(),
        opened_at=MOMENT,
        **dict.fromkeys(INTRADAY_NUMBERS, pa.float64()),
        source=pa.string(),
    ),
    key=("symbol", "interval", "opened_at"),
    when="opened_at",
)
ACTIONS = Table(
    "actions",
    _schema(symbol=pa.string(), session=pa.date32(), kind=pa.string(), value=pa.float64(), source=pa.string()),
    key=("symbol", "session", "kind"),
    when="session",
)
NAMES = Table("names", _schema(symbol=pa.string(), name=pa.string(), source=pa.string()), key=("symbol",))
FETCHES = Table(
    "fetches",
    _schema(
        symbol=pa.string(),
        kind=pa.string(),
        asked_at=MOMENT,
        source=pa.string(),
        new=pa.int64(),
        revised=pa.int64(),
        note=pa.string(),
    ),
    key=("symbol", "kind", "source", "asked_at"),
    when="asked_at",
)
SENTIMENT = Table(
    "sentiment",
    _schema(
        symbol=pa.string(),
        session=pa.date32(),
        **dict.fromkeys(SENTIMENT_COLUMNS[2:], pa.float64()),
        source=pa.string(),
        settings=pa.string(),
    ),
    key=("symbol", "session", "source", "settings"),
    when="session",
)
DAILY_KINDS = Table(
    "daily_kinds",
    _schema(
        symbol=pa.string(),
        interval=pa.string(),
        session=pa.timestamp("us"),
        kind=pa.string(),
        n=pa.float64(),
        mean=pa.float64(),
        source=pa.string(),
        settings=pa.string(),
    ),
    key=("symbol", "interval", "session", "kind", "source", "settings"),
    when="session",
)
INTRADAY_SENTIMENT = Table(
    "intraday_sentiment",
    _schema(
        symbol=pa.string(),
        interval=pa.string(),
        session=pa.timestamp("us"),
        **dict.fromkeys(SENTIMENT_COLUMNS[2:], pa.float64()),
        source=pa.string(),
        settings=pa.string(),
    ),
    key=("symbol", "interval", "session", "source", "settings"),
    when="session",
)
SCORES = Table(
    "scores",
    _schema(
        text_hash=pa.string(),
        model_id=pa.string(),
        **dict.fromkeys(("positive", "neutral", "negative"), pa.float64()),
    ),
    key=("text_hash", "model_id"),
)
ITEM_KINDS = Table(
    "item_kinds",
    _schema(text_hash=pa.string(), model_id=pa.string(), **dict.fromkeys(KINDS, pa.float32())),
    key=("text_hash", "model_id"),
)
ITEM_EMBEDDINGS = Table(
    "item_embeddings",
    # float16 numbers, little endian; a table of its own, so that reading the kinds does not read them
    _schema(text_hash=pa.string(), model_id=pa.string(), embedding=pa.binary()),
    key=("text_hash", "model_id"),
)
REFUSALS = Table(
    "refusals",
    _schema(
        file=pa.string(),
        row=pa.int64(),
        symbol=pa.string(),
        session=pa.date32(),
        column=pa.string(),
        value=pa.string(),
        kind=pa.string(),
        why=pa.string(),
        remedy=pa.string(),
    ),
    key=("file", "row", "kind"),
)
EVENTS = Table(
    "events",
    _schema(symbol=pa.string(), session=pa.date32(), kind=pa.string(), known_since=MOMENT, source=pa.string()),
    # what one source takes back, another may still announce
    key=("symbol", "session", "kind", "source"),
    when="session",
)
WITHDRAWALS = Table(
    "withdrawals",
    _schema(
        symbol=pa.string(),
        session=pa.date32(),
        kind=pa.string(),
        withdrawn_since=MOMENT,
        restored_since=MOMENT,
        source=pa.string(),
    ),
    key=("symbol", "session", "kind", "source", "withdrawn_since"),
    when="session",
)
COVARIATES = Table(
    "covariates",
    _schema(
        name=pa.string(),
        symbol=pa.string(),
        session=pa.date32(),
        known_since=MOMENT,
        column=pa.string(),
        value=pa.float64(),
        source=pa.string(),
    ),
    key=("name", "symbol", "session", "known_since", "column"),
    when="session",
)
PAPER = Table(
    "paper",
    _schema(
        symbol=pa.string(),
        account=pa.int64(),
        session=pa.date32(),
        event=pa.string(),
        booked_at=MOMENT,
        origin=pa.string(),
        decided=pa.date32(),
        version=pa.string(),
        **dict.fromkeys(
            (
                *("volatility", "p_up", "target", "before", "fill", "close", "quoted", "traded", "cost", "position"),
                *("cash", "equity", "turnover"),
            ),
            pa.float64(),
        ),
        note=pa.string(),
        batch=pa.string(),
    ),
    key=("symbol", "account", "session", "event"),
    when="session",
)
TABLES = (
    BARS,
    INTRADAY,
    ACTIONS,
    NEWS,
    EVENTS,
    WITHDRAWALS,
    COVARIATES,
    NAMES,
    SENTIMENT,
    INTRADAY_SENTIMENT,
    DAILY_KINDS,
    SCORES,
    ITEM_KINDS,
    ITEM_EMBEDDINGS,
    REFUSALS,
    FETCHES,
    PAPER,
)
OLD_TABLES = ("mood", "intraday_mood")
"""Tables of an older tenor; stores that have one are refused."""
