"""Panels of more symbols than memory holds, made on disk in blocks of symbols and then in blocks of sessions.

`panel_in_blocks` writes the same bytes as `build_panel` holds in memory. Each array is a file that is mapped into
memory when it is read. A task holds the bars and columns of one block only. Between the two steps, all blocks wait for
the market's mean return of each session, since its volatility is computed along time.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tenor.calendars import calendar_of, interval_of
from tenor.config import FeatureConfig
from tenor.engines import LocalEngine, Workers, engine_of
from tenor.errors import ConfigError, DataError, HistoryError
from tenor.features.axis import Axis, calendars_of
from tenor.features.catalogue import check_groups, feature_names, warmup
from tenor.features.context import context, mean_over_symbols, volatility_of_mean
from tenor.features.own.bundle import Own
from tenor.features.panel import BACK, Columns, complete, require_history, require_horizon, targets
from tenor.features.schedule import Schedule, schedule_feature
from tenor.schema import Bars, Float64, Panel
from tenor.storage.files import read_json, write_json
from tenor.variance import log_mean_ahead

BarsOf = Callable[[Sequence[str]], Bars]
"""Reads the bars of some symbols: ``Lake(store).bars``, or a function that other processes can import."""

FORMAT = 1
MEGABYTES = 256
"""About how much memory a block takes by default."""
FIRST = 64
"""How many symbols are read together to find the sessions of the panel."""
ARRAYS = ("values", "mask", "targets", "volatility", "variance", "log_variance", "open", "close")
WORK = "work"
"""The folder, within the panel's, of temporary files."""
DESCRIPTION = "panel.json"


def panel_in_blocks(
    bars_of: BarsOf,
    symbols: Sequence[str],
    config: FeatureConfig,
    folder: Path,
    *,
    megabytes: int = MEGABYTES,
    workers: Workers = None,
) -> Panel:
    """Write the panel that `build_panel` would make of the bars of `symbols`, byte for byte, into files in `folder`.

    Each process needs about `megabytes` of memory, whatever the number of symbols. The files are as large as the panel
    in memory, and a quarter larger while they are made.

    Parameters
    ----------
    bars_of
        Function that returns the bars of some of `symbols`; it is called twice for each symbol.
    symbols
        All symbols of the panel.
    config
        Settings of the features. Features of news, of events and the user's own need all symbols at once and are not
        allowed here.
    folder
        The folder to write, which must not exist. A run that is killed leaves ``folder.part``, which the next run
        replaces.
    megabytes
        Memory for the columns of a block.
    workers
        Processes that work at the same time, or an engine. On a cluster, the nodes compute blocks of symbols, which are
        written on this machine.

    Returns
    -------
    Panel
        The panel, as `open_panel` returns it.

    Raises
    ------
    ConfigError
        `config` asks for features that need all symbols, or `megabytes` is too little for one symbol.
    DataError
        `folder` exists, `bars_of` returns other symbols than requested, or for the reasons of `build_panel`.
    HistoryError
        For the reasons of `build_panel`.
    """
    names = sorted(set(symbols))
    _refuse_what_needs_all(config, names, folder)
    engine = engine_of(workers)
    axis, interval = _common_axis(bars_of, names, config, workers)
    require_horizon(config, axis.sessions)
    layout = _Layout(folder.with_name(f"{folder.name}.part"), axis.sessions, tuple(names), config)
    if layout.folder.exists():
        shutil.rmtree(layout.folder)
    layout.create()
    blocks = _parts(len(names), layout.symbols_at_once(megabytes))
    shared = _Making(bars_of, axis, layout, writes=engine.shares_files)
    longest = 0

    def save(place: int, result: tuple[int, Columns | None]) -> None:
        nonlocal longest
        longest = max(longest, result[0])
        if result[1] is not None:
            layout.write(blocks[place], result[1])

    for _ in engine.map(_block_of_symbols, blocks, shared=shared, done=save):
        pass
    require_history(longest, len(names), warmup(config.groups))
    rows = _parts(len(axis.sessions), layout.sessions_at_once(megabytes))
    across = _Across(layout, volatility_of_mean(layout.market(rows)))
    # the files are on this machine
    for _ in (engine if engine.shares_files else LocalEngine(1)).map(_block_of_sessions, rows, shared=across):
        pass
    shutil.rmtree(layout.folder / WORK)
    write_json(layout.folder / DESCRIPTION, layout.described(interval))
    os.replace(layout.folder, folder)  # noqa: PTH105 (a folder, which write_whole does not write)
    return open_panel(folder)


def open_panel(folder: Path) -> Panel:
    """The panel in `folder`, with arrays that are read from disk when they are used, and can't be changed.

    Raises
    ------
    DataError
        There is no complete panel of this format in `folder`.
    """
    try:
        described = read_json((folder / DESCRIPTION).read_text(encoding="utf-8"))
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS}
        sessions = pd.DatetimeIndex(np.load(folder / "sessions.npy", allow_pickle=False))
        if described["format"] != FORMAT:
            raise ValueError(f"it is of format {described['format']}")
        return Panel(
            **arrays,
            sessions=sessions,
            symbols=tuple(described["symbols"]),
            features=tuple(described["features"]),
            horizons=tuple(described["horizons"]),
            calendar=described["calendar"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder} holds no panel that can be read ({error}): make it again.") from None


def _refuse_what_needs_all(config: FeatureConfig, names: Sequence[str], folder: Path) -> None:
    if not names:
        raise DataError("panel: no symbols. Name at least one.")
    if folder.exists():
        raise DataError(f"{folder} exists already: remove it, or name another folder for the panel.")
    check_groups(config.groups)
    calendars_of(names, config.calendar)
    for key in ("own", "events"):
        if getattr(config, key):
            raise ConfigError(
                f"config key 'features.{key}' is set, and a panel in blocks of symbols has no such features: leave it "
                "empty, or build the panel at once."
            )


@dataclass(frozen=True)
class _Layout:
    """The files of a panel in the making."""

    folder: Path
    sessions: pd.DatetimeIndex
    symbols: tuple[str, ...]
    config: FeatureConfig

    @functools.cached_property
    def features(self) -> tuple[str, ...]:
        return feature_names(self.config.groups)

    @property
    def log_variances(self) -> dict[int, str]:
        """From each number of bars to the file with the log of the mean variance that features across symbols read."""
        return {back: f"{WORK}/log_variance_{back}" for back in (BACK if "risk" in self.config.groups else ())}

    def create(self) -> None:
        """Write the files, empty."""
        (self.folder / WORK).mkdir(parents=True)
        grid, horizons = (len(self.sessions), len(self.symbols)), len(self.config.horizons)
        shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
            "values": (np.float32, (*grid, len(self.features))),
            "mask": (np.bool_, grid),
            "targets": (np.float32, (*grid, horizons)),
            "volatility": (np.float32, grid),
            "log_variance": (np.float32, (*grid, horizons)),
            f"{WORK}/known": (np.bool_, grid),
        }
        wide = ("variance", "open", "close", *(f"{WORK}/{name}" for name in ("return_1", "return_5", "volatility")))
        shapes |= dict.fromkeys((*wide, *self.log_variances.values()), (np.float64, grid))
        for name, (kind, shape) in shapes.items():
            np.lib.format.open_memmap(self.folder / f"{name}.npy", mode="w+", dtype=kind, shape=shape)
        np.save(self.folder / "sessions.npy", self.sessions.to_numpy())

    def file(self, name: str) -> Any:
        """An array to read and write, which is mapped as long as it is referenced."""
        return np.load(self.folder / f"{name}.npy", mmap_mode="r+")

    def write(self, block: slice, columns: Columns) -> None:
        """Write the columns of some symbols."""
        arrays = {
            "values": columns.values,
            "targets": targets(columns.close, self.config.horizons),
            "variance": columns.variance,
            "log_variance": log_mean_ahead(columns.variance, columns.close, self.config.horizons),
            "open": columns.open,
            "close": columns.close,
            f"{WORK}/known": columns.known,
            f"{WORK}/return_1": columns.return_1,
            f"{WORK}/return_5": columns.return_5,
            f"{WORK}/volatility": columns.volatility,
        } | {name: columns.log_variances[back] for back, name in self.log_variances.items()}
        for name, values in arrays.items():
            self.file(name)[:, block] = values

    @np.errstate(all="ignore")
    def market(self, rows: Sequence[slice]) -> Float64:
        """[session]; the mean return over the symbols."""
        return np.concatenate([mean_over_symbols(np.array(self.file(f"{WORK}/return_1")[part])) for part in rows])

    def symbols_at_once(self, megabytes: int) -> int:
        """How many symbols a block may have: their columns are in memory twice, and their bars once."""
        return self._fitting(megabytes, len(self.sessions), 500, "one symbol")

    def sessions_at_once(self, megabytes: int) -> int:
        """How many sessions a block may have: it needs the columns of all symbols and the features across them."""
        return self._fitting(megabytes, len(self.symbols), 700, "one session")

    def _fitting(self, megabytes: int, cells: int, beside: int, of: str) -> int:
        a_line = cells * (8 * len(self.features) + beside)
        count = megabytes * 2**20 // a_line
        if count < 1:
            raise ConfigError(
                f"{megabytes} megabytes are too few for the columns of {of}, {a_line / 2**20:.0f} megabytes: allow "
                "more, or choose fewer features.groups."
            )
        return int(count)

    def described(self, interval: str) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "symbols": list(self.symbols),
            "features": list(self.features),
            "horizons": list(self.config.horizons),
            "calendar": self.config.calendar,
            "interval": interval,
        }


@dataclass(frozen=True)
class _Making:
    """The data that all tasks on blocks of symbols share; `writes` says whether they can write the files."""

    bars_of: BarsOf
    axis: Axis
    layout: _Layout
    writes: bool


@np.errstate(all="ignore")
def _block_of_symbols(shared: _Making, block: slice) -> tuple[int, Columns | None]:
    """Bars of the longest symbol, and the columns where they are written elsewhere."""
    layout = shared.layout
    bars = _asked(shared.bars_of, layout.symbols[block], layout.config)
    columns = Columns.of(bars, shared.axis, layout.features, layout.config, Own())
    if not shared.writes:
        return columns.longest, columns
    layout.write(block, columns)
    return columns.longest, None


@dataclass(frozen=True)
class _Across:
    """The data that all tasks on blocks of sessions share: the files, and the market's volatility, [session]."""

    layout: _Layout
    market_volatility: Float64


@np.errstate(all="ignore")
def _block_of_sessions(shared: _Across, rows: slice) -> None:
    """Fill in the features across symbols, the mask, and what it leaves out."""
    layout = shared.layout

    def part(name: str) -> Any:
        return np.array(layout.file(name)[rows])

    volatility = part(f"{WORK}/volatility")
    across = context(
        {1: part(f"{WORK}/return_1"), 5: part(f"{WORK}/return_5")},
        volatility,
        {back: part(name) for back, name in layout.log_variances.items()},
        groups=layout.config.groups,
        whole_market=shared.market_volatility[rows],
    )
    values = part("values")
    schedule = Schedule(layout.config.calendar, layout.sessions)
    for name, line in schedule_feature.compute(schedule, layout.config.groups).items():
        across[name] = line[rows, None]
    mask = part(f"{WORK}/known")
    complete(values, mask, layout.features, across)
    layout.file("values")[rows] = values
    layout.file("mask")[rows] = mask
    layout.file("volatility")[rows] = np.where(mask, volatility, np.nan).astype(np.float32)


def _common_axis(bars_of: BarsOf, names: Sequence[str], config: FeatureConfig, workers: Workers) -> tuple[Axis, str]:
    """The axis of all symbols, and the interval of their bars: from the first and the last bar of each calendar."""
    blocks = [tuple(names[part]) for part in _parts(len(names), FIRST)]
    ends = list(engine_of(workers).map(_ends, blocks, shared=(bars_of, config)))
    bars = replace(ends[0], frame=pd.concat([end.frame for end in ends], ignore_index=True))
    return Axis.of(bars, config.calendar), bars.interval


def _ends(shared: tuple[BarsOf, FeatureConfig], names: tuple[str, ...]) -> Bars:
    """The first and the last bar of each calendar, of the bars of some symbols."""
    bars_of, config = shared
    bars = _asked(bars_of, names, config)
    with contextlib.suppress(HistoryError):  # the bars of these symbols alone may end before any session of the axis
        Axis.of(bars, config.calendar)  # refuses bars on days that are not sessions
    calendars = bars.frame["symbol"].map({name: calendar_of(name, config.calendar) for name in names})
    days = bars.frame["session"].groupby(calendars.to_numpy())
    return replace(bars, frame=bars.frame.loc[sorted({*days.idxmin(), *days.idxmax()})])


def _asked(bars_of: BarsOf, names: Sequence[str], config: FeatureConfig) -> Bars:
    bars = bars_of(names)
    if bars.symbols != tuple(names):
        other = sorted(set(names) ^ set(bars.symbols))[0]
        raise DataError(
            f"bars: {other} is {'missing' if other in names else 'there unasked'} among those of a block of "
            f"{len(names)} symbols: give the bars of each symbol that is named, and no others."
        )
    if bars.interval != interval_of(config.calendar):
        raise DataError(
            f"bars: they are of {bars.interval}, and features.calendar is {config.calendar}: read them by that "
            "calendar, as Lake does with calendar=."
        )
    return bars


def _parts(count: int, size: int) -> list[slice]:
    """0 … `count` - 1 in runs of at most `size`, as even as they can be."""
    edges = np.linspace(0, count, -(-count // size) + 1).astype(int)
    return [slice(int(start), int(stop)) for start, stop in itertools.pairwise(edges)]
