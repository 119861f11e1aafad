"""All own features of a model, as named by `features.own` and `features.events`, with their code and rows.

They are saved with the model as files: the source of functions, the rows of tables, and the categories of the training
part. Forecasts compute own features from these files, never from the files they originally came from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tenor.config import FeatureConfig
from tenor.errors import CellError, ConfigError, DataError, ModelError, did_you_mean
from tenor.features.axis import Axis
from tenor.features.catalogue import FEATURES
from tenor.features.indicators import Series
from tenor.features.kinds import KIND_FEATURES
from tenor.features.own.events import EventKind
from tenor.features.own.functions import COLUMNS, OwnFunction, check_name, frame_of
from tenor.features.own.tables import OwnTable, StaticTable, own_names, read_own_table
from tenor.schema import Bars, Events, Float64
from tenor.storage.files import content_key
from tenor.storage.frames import FRAME_SUFFIXES, read_frame
from tenor.user_code import Source

LAKE = "features:"
"""Prefix of the name of a table of the lake, in `features.own`."""
FOLDER = "own/"
"""The folder for own features among the files of a model (`tenor.registry.manifest.OWN`)."""

RESERVED = ("own", "sentiment", "attention")
"""Names with another meaning in `tenor ablate --without`, which own features can't have."""

Given = str | Callable[..., Any] | tuple[str, pd.DataFrame]
"""An own feature: ``mine.py:f``, ``table.csv``, ``features:NAME``, a function, or a name and a frame."""


@dataclass(frozen=True, eq=False)
class Covariates:
    """The lake's data for own features, apart from bars and sentiment.

    Attributes
    ----------
    events
        All of its events.
    tables
        From the name of each imported table to its rows, as in `OwnTable.frame`.
    """

    events: Events | None = None
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """A key of all rows."""
        parts = [self.events.fingerprint() if self.events is not None else ""]
        for name in sorted(self.tables):
            parts += [name, hashlib.sha256(OwnTable(name, self.tables[name], ()).data()).hexdigest()]
        return content_key(*parts)


@dataclass(frozen=True, eq=False)
class Own:
    """The own features of a panel.

    Attributes
    ----------
    functions, tables, statics, kinds
        The features of each type, in the order in which they were named.
    events
        The events in which `kinds` are looked up; they are not saved with a model.
    """

    functions: tuple[OwnFunction, ...] = ()
    tables: tuple[OwnTable, ...] = ()
    statics: tuple[StaticTable, ...] = ()
    kinds: tuple[EventKind, ...] = ()
    events: Events | None = None

    @classmethod
    def of(
        cls,
        config: FeatureConfig,
        *,
        given: Sequence[Given] = (),
        covariates: Covariates | None = None,
    ) -> Own:
        """The own features that `config` names, and those in `given`; their columns are known after `fitted`.

        Raises
        ------
        ConfigError
            A feature does not exist or can't be saved with a model, or has the name of another one or of tenor's.
        DataError
            A table can't be used, or there are no events.
        """
        covariates = covariates or Covariates()
        functions: list[OwnFunction] = []
        tables: list[OwnTable] = []
        statics: list[StaticTable] = []
        for each in (*config.own, *given):
            made = _made(each, config, covariates)
            if isinstance(made, OwnFunction):
                functions.append(made)
            elif isinstance(made, OwnTable):
                tables.append(made)
            else:
                statics.append(made)
        own = cls(tuple(functions), tuple(tables), tuple(statics), _kinds(config, covariates), covariates.events)
        _refuse_clashes(own.parts, (*FEATURES, *KIND_FEATURES))
        return own

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own) and self.fingerprint() == other.fingerprint()

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __bool__(self) -> bool:
        return bool(self.functions or self.tables or self.statics or self.kinds)

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """From the name of each own feature to its columns in a panel; the name of an event feature is its kind."""
        every = [(f.name, f.columns) for f in self.functions] + [(t.name, t.columns) for t in self._all_tables]
        return dict([*_each_once(every), *((kind.kind, kind.columns) for kind in self.kinds)])

    @property
    def _all_tables(self) -> list[OwnTable | StaticTable]:
        return [*self.tables, *self.statics]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns in a panel, in order."""
        return tuple(name for columns in self.parts.values() for name in columns)

    @property
    def warmup(self) -> int:
        """How many bars of a symbol must precede its first known cell, as far as functions declare it."""
        return max([0, *(function.warmup or 0 for function in self.functions)])

    def fitted(self, bars: Bars, until: pd.Timestamp | None = None) -> Own:
        """The same with all columns known: functions are run on some symbols, and categories taken up to `until`.

        Parameters
        ----------
        bars
            Bars of all symbols.
        until
            The last session of the training part; None takes all bars.

        Raises
        ------
        DataError
            A function or a table can't be used.
        ConfigError
            Two columns have the same name.
        """
        if not self:
            return self
        symbols = bars.symbols if until is None else bars.until(until).symbols
        frames = sample_frames(bars)
        for table in self.tables:
            table.require(bars.symbols, pd.Timestamp(bars.frame["session"].max(), tz="UTC") + pd.Timedelta(days=1))
        own = replace(
            self,
            functions=tuple(function.measured(frames) for function in self.functions),
            statics=tuple(table.fitted(symbols) for table in self.statics),
        )
        _refuse_clashes(own.parts, (*FEATURES, *KIND_FEATURES))
        return own

    def with_covariates(self, covariates: Covariates | None) -> Own:
        """The same with the events of `covariates`, and with rows of its tables that became known after saving."""
        if covariates is None:
            return self
        tables = [t.extended(covariates.tables[t.name]) if t.name in covariates.tables else t for t in self.tables]
        return replace(self, tables=tuple(tables), events=covariates.events or self.events)

    def carried(self) -> Own:
        """The part that is saved with a model: everything except the events, which stay in the lake."""
        return replace(self, events=None)

    def without(self, name: str) -> tuple[str, ...]:
        """The columns that disappear if the own feature `name` is left out; ``own`` means all of them.

        Raises
        ------
        ConfigError
            There is no such feature.
        """
        if name == "own" and self:
            return self.names
        if name not in self.parts:
            known = ["own", *self.parts] if self else []
            hint = did_you_mean(name, known) or f" There {'are ' + ', '.join(known) if known else 'is none'}."
            raise ConfigError(f"no own feature {name!r} to leave out.{hint}")
        return self.parts[name]

    def of_symbol(self, sessions: pd.DatetimeIndex, series: Series, symbol: str) -> dict[str, Float64]:
        """The features by functions on a symbol's bars, by column, each [bar]."""
        if not self.functions:
            return {}
        frame = frame_of(sessions, {column: getattr(series, column) for column in COLUMNS})
        computed: dict[str, Float64] = {}
        for function in self.functions:
            computed |= function.compute(frame, symbol)
        return computed

    def across(self, axis: Axis, symbols: Sequence[str]) -> dict[str, Float64]:
        """The features from tables and events, by column, each [session, symbol].

        Raises
        ------
        DataError
            Kinds of events are named, but there are no events.
        """
        grid: dict[str, Float64] = {}
        for table in self._all_tables:
            grid |= table.features(axis, symbols)
        for kind in self.kinds:
            if self.events is None:
                raise DataError(
                    f"features.events names {kind.kind!r}, and there are no events: import some with "
                    "'tenor data import events.csv'."
                )
            grid |= kind.features(self.events, axis, symbols)
        return grid

    def files(self) -> dict[str, bytes]:
        """The files that are saved with a model, by name."""
        functions = {_file(f.source.file, f.source.text.encode()): f.source.text.encode() for f in self.functions}
        tables = {f"{FOLDER}{table.name}.csv": table.data() for table in self._all_tables}
        return functions | tables

    def to_mapping(self) -> dict[str, Any]:
        """A mapping of JSON values, with the SHA-256 of each file; `of_files` reads it back."""
        return {
            "functions": [
                {
                    "name": f.name,
                    "function": f.source.name,
                    "module": f.source.file,
                    "file": _file(f.source.file, f.source.text.encode()),
                    "warmup": f.warmup,
                    "columns": list(f.columns),
                }
                for f in self.functions
            ],
            "tables": [{"name": t.name, "file": f"{FOLDER}{t.name}.csv", "dated": t.dated} for t in self.tables],
            "statics": [
                {
                    "name": t.name,
                    "file": f"{FOLDER}{t.name}.csv",
                    "texts": list(t.texts),
                    "categories": {column: list(each) for column, each in t.categories.items()},
                    "means": t.means,
                }
                for t in self.statics
            ],
            "events": [kind.kind for kind in self.kinds],
            "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in self.files().items()},
        }

    @classmethod
    def of_files(cls, values: Mapping[str, Any], files: Mapping[str, bytes]) -> Own:
        """The own features from which `to_mapping` and `files` were made.

        Raises
        ------
        ModelError
            A file is missing or was changed; it is named.
        """
        for name, sha256 in values["sha256"].items():
            if name not in files or hashlib.sha256(files[name]).hexdigest() != sha256:
                what = "was changed since the model was saved" if name in files else "is missing"
                raise ModelError(f"{name}, which the model's own features are made of, {what}: train or copy it again.")
        return cls(
            tuple(
                OwnFunction(
                    f["name"],
                    Source(files[f["file"]].decode(), f["module"], f["function"]),
                    f["warmup"],
                    tuple(f["columns"]),
                )
                for f in values["functions"]
            ),
            tuple(OwnTable.of_data(t["name"], files[t["file"]], dated=t["dated"]) for t in values["tables"]),
            tuple(
                StaticTable.of_data(t["name"], files[t["file"]], t["texts"], t["categories"], t["means"])
                for t in values["statics"]
            ),
            tuple(map(EventKind, values["events"])),
        )

    def fingerprint(self) -> str:
        """A key of all data that they are computed from, including events."""
        events = self.events.fingerprint() if self.events is not None and self.kinds else ""
        return content_key(self.to_mapping(), events)


def sample_frames(bars: Bars, most: int = 4) -> dict[str, pd.DataFrame]:
    """The bars of some symbols in the form that functions get: the longest histories, and the shortest one."""
    counts = bars.frame["symbol"].value_counts(sort=False).sort_values(kind="stable", ascending=False)
    chosen = list(dict.fromkeys([*counts.index[: most - 1], counts.index[-1]]))
    few = bars.select(chosen)
    adjusted = few.adjusted()
    adjusted["volume"] /= few.frame["adj_close"] / few.frame["close"]
    frames = {}
    for symbol, rows in adjusted.groupby("symbol"):
        series = {c: np.ascontiguousarray(rows[c].to_numpy(dtype="float64")) for c in COLUMNS}
        frames[str(symbol)] = frame_of(pd.DatetimeIndex(rows["session"]), series)
    return {symbol: frames[symbol] for symbol in chosen}


def _made(each: Given, config: FeatureConfig, covariates: Covariates) -> OwnFunction | OwnTable | StaticTable:
    if isinstance(each, tuple):
        if len(each) != 2 or not isinstance(each[0], str):
            raise ConfigError(f"own has {each!r:.80}: a table is a pair of its name and a frame, ('sector', frame).")
        name, frame = each
        check_name(name)
        try:
            return read_own_table(name, frame, calendar=config.calendar, where=f"own table {name!r}")
        except CellError as error:
            raise error.of_frame(own_names(frame)) from None
    if not isinstance(each, str):
        return OwnFunction.of(each)
    if each.startswith(LAKE):
        name = each.removeprefix(LAKE)
        if name not in covariates.tables:
            known = ", ".join(covariates.tables) or "none"
            raise ConfigError(
                f"features.own names {each!r}, and the lake has no such table (it has {known}): bring it with "
                f"'tenor data import FILE --as {LAKE}{name}'."
            )
        frame = covariates.tables[name]
        return OwnTable(name, frame, tuple(c for c in frame.columns if c not in ("symbol", "session", "known_since")))
    if Path(each).suffix.lower() in FRAME_SUFFIXES:
        name = Path(each).stem
        check_name(name)
        return read_own_table(name, read_frame(Path(each)), calendar=config.calendar, where=each)
    return OwnFunction.of(each)


def _kinds(config: FeatureConfig, covariates: Covariates) -> tuple[EventKind, ...]:
    if not config.events:
        return ()
    known = covariates.events.kinds if covariates.events is not None else ()
    if not known:
        raise DataError(
            "features.events is set, and there are no events: import some with 'tenor data import events.csv' (columns "
            "symbol, session, kind, known_since)."
        )
    kinds = known if isinstance(config.events, bool) else config.events
    for kind in kinds:
        if kind not in known:
            hint = did_you_mean(kind, known) or f" There are {', '.join(known)}."
            raise ConfigError(f"features.events names {kind!r}, and there is no event of that kind.{hint}")
    return tuple(map(EventKind, kinds))


def _each_once(every: Sequence[tuple[str, tuple[str, ...]]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    seen: set[str] = set()
    for name, columns in every:
        if name in seen:
            raise ConfigError(
                f"two own features are named {name!r}: rename one (@tenor.feature(name=...), or the file)."
            )
        seen.add(name)
        yield name, columns


def _refuse_clashes(parts: Mapping[str, tuple[str, ...]], built_in: Sequence[Any]) -> None:
    taken = {feature.name for feature in built_in}
    owner: dict[str, str] = {}
    for part, columns in parts.items():
        for name in dict.fromkeys((part, *columns)):
            if name in taken or (name == part and name in RESERVED):
                raise ConfigError(
                    f"own feature {part!r} would be named {name!r} as a feature of tenor's is: rename it "
                    "(@tenor.feature(name=...), or the file or column of a table)."
                )
        for name in columns:
            if name in owner and owner[name] != part:
                raise ConfigError(
                    f"own features {owner[name]!r} and {part!r} both have a column {name!r}: rename one of them."
                )
            owner[name] = part


def _file(module: str, data: bytes) -> str:
    return f"{FOLDER}{hashlib.sha256(data).hexdigest()[:12]}-{module}"
