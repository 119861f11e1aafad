"""A feature function on the bench: run under other inputs, its outputs compared cell by cell with the first ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tenor.errors import DataError, RaisedError, one_line
from tenor.leakcheck.cells import Cells, Grid, Long, differences, on_grid, read_output
from tenor.leakcheck.futures import Inputs
from tenor.schema import Bool, Float64

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Change:
    """What another future did to rows of one column that it should have left alone.

    Attributes
    ----------
    column
        Its number.
    cut
        The session after which the future differs, by its place on the grid.
    mode
        Which other future.
    cells
        [session, symbol], True where changed; all False after the cut.
    size
        By how much.
    before, after
        [session, symbol]; the column under the real future and under the other.
    """

    column: int
    cut: int
    mode: str
    cells: Bool
    size: Float64
    before: Float64
    after: Float64


@dataclass
class Bench:
    """The function under test with its inputs: runs it, and keeps count.

    Attributes
    ----------
    base
        What it returned on the real data.
    grid
        The sessions and symbols of it.
    responsive
        [column]; True once any change of the inputs changed the column anywhere.
    rounding
        The largest difference that was put down to rounding.
    runs
        Calls so far.
    """

    function: Callable[..., Any]
    inputs: Inputs
    name: str
    targets: tuple[str, ...]
    expected: int
    progress: Progress | None
    base: Cells = field(init=False)
    grid: Grid = field(init=False)
    responsive: Bool = field(init=False)
    rounding: float = 0.0
    runs: int = 0

    def __post_init__(self) -> None:
        try:
            long = self._call(self.inputs)
        except RaisedError as error:
            raise DataError(f"{self.name} {error} on the whole data: make it run there first.") from error
        bars = self.inputs.tables["bars"]
        sessions = pd.DatetimeIndex(bars["session"].unique()).union(long.sessions).sort_values().unique()
        symbols = pd.Index(bars["symbol"].unique()).union(long.symbols).unique()
        self.grid = Grid(sessions.as_unit("us"), symbols)
        self.base = on_grid(long, self.grid)
        self.responsive = np.zeros(len(long.names), dtype=bool)

    def place(self, at: pd.Timestamp) -> int:
        """The number of the last session of the grid that is not after `at`."""
        return int(self.grid.sessions.searchsorted(at, side="right")) - 1

    def run(self, inputs: Inputs) -> Cells:
        """What the function makes of `inputs`, in the columns of the first call; raises RaisedError."""
        return on_grid(self._call(inputs), self.grid, self.base.names)

    def changes(self, inputs: Inputs, cut: int, mode: str, base: Cells | None = None) -> dict[int, Change]:
        """What `inputs` changed up to the session number `cut`, by column; raises RaisedError."""
        before = self.base if base is None else base
        after = self.run(inputs)
        differ, size = differences(before, after)
        # a row that went with its inputs is no answer
        self.responsive |= (differ & np.isfinite(size)).any(axis=(0, 1))
        differ[cut + 1 :] = False
        self.rounding = max(self.rounding, float(np.where(differ, 0.0, size)[: cut + 1].max(initial=0.0)))
        found = {}
        for i in map(int, np.flatnonzero(differ.any(axis=(0, 1)))):
            old, new = before.values[..., i].copy(), after.values[..., i].copy()
            found[i] = Change(i, cut, mode, differ[..., i].copy(), size[..., i].copy(), old, new)
        return found

    def _call(self, inputs: Inputs) -> Long:
        given = {table: frame.copy() for table, frame in inputs.tables.items()}
        frame = given.pop("bars")
        self.runs += 1
        if self.progress:
            self.progress(min(self.runs, self.expected), self.expected)
        try:
            output = self.function(frame, **given)
        except (Exception, SystemExit) as error:  # a stranger's code may raise anything
            text = one_line(error, 200).rstrip(".")
            raise RaisedError(f"raised {type(error).__name__}{f' ({text})' if text else ''}") from error
        # the function may have changed the frame that it was given
        long = read_output(output, inputs.tables["bars"])
        keep = [i for i, name in enumerate(long.names) if name not in self.targets]
        if not keep:
            raise DataError(f"{self.name} returned nothing but targets ({', '.join(self.targets)}).")
        names = tuple(long.names[i] for i in keep)
        return Long(long.symbols, long.sessions, names, long.values[:, keep], long.rounding[keep])
