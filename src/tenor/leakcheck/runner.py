"""Runs a feature function on changed inputs, and compares its output cell by cell with that on the real inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tenor.errors import DataError, RaisedError, one_line
from tenor.leakcheck.futures import Inputs
from tenor.leakcheck.output import GridOutput, LongOutput, OutputAxes, changed_cells, on_axes, read_output
from tenor.schema import Bool, Float64

RunProgress = Callable[[int, int], None]
"""Called with the number of finished runs, and the least number of runs."""


@dataclass(frozen=True)
class Change:
    """The effect of a changed future on earlier rows of one column, which should not change.

    Attributes
    ----------
    column
        Index of the column.
    cut
        Index of the session after which the future differs.
    mode
        The kind of the changed future.
    cells
        [session, symbol]; True if changed; all False after the cut.
    size
        [session, symbol]; the absolute difference, infinite if only one side has a number.
    before, after
        [session, symbol]; the column with the real future and with the changed one.
    """

    column: int
    cut: int
    mode: str
    cells: Bool
    size: Float64
    before: Float64
    after: Float64


@dataclass
class FunctionRunner:
    """Runs the function under test on inputs, and counts the runs.

    Attributes
    ----------
    function
        The feature function.
    inputs
        The real data.
    name
        Name of the function, for messages.
    targets
        Output columns that look ahead on purpose; they are not checked.
    expected
        Least number of runs.
    progress
        Called before each run.
    base
        The output on the real data.
    axes
        The sessions and symbols of the output.
    responsive
        [column]; True if any change of the inputs has changed the column anywhere so far.
    rounding
        The largest difference that was treated as rounding.
    runs
        Number of calls so far.
    """

    function: Callable[..., Any]
    inputs: Inputs
    name: str
    targets: tuple[str, ...]
    expected: int
    progress: RunProgress | None
    base: GridOutput = field(init=False)
    axes: OutputAxes = field(init=False)
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
        self.axes = OutputAxes(sessions.as_unit("us"), symbols)
        self.base = on_axes(long, self.axes)
        self.responsive = np.zeros(len(long.names), dtype=bool)

    def place(self, at: pd.Timestamp) -> int:
        """Index of the last session that is not after `at`."""
        return int(self.axes.sessions.searchsorted(at, side="right")) - 1

    def run(self, inputs: Inputs) -> GridOutput:
        """The output on `inputs`, in the columns of the first call.

        Raises
        ------
        RaisedError
            The function raised.
        """
        return on_axes(self._call(inputs), self.axes, self.base.names)

    def changes(self, inputs: Inputs, cut: int, mode: str, base: GridOutput | None = None) -> dict[int, Change]:
        """By column, the changes caused by `inputs` up to session index `cut`, relative to `base` or the real output.

        Raises
        ------
        RaisedError
            The function raised.
        """
        before = self.base if base is None else base
        after = self.run(inputs)
        differ, size = changed_cells(before, after)
        # a row that vanished with its inputs does not show that the column depends on them
        self.responsive |= (differ & np.isfinite(size)).any(axis=(0, 1))
        differ[cut + 1 :] = False
        self.rounding = max(self.rounding, float(np.where(differ, 0.0, size)[: cut + 1].max(initial=0.0)))
        changes = {}
        for i in map(int, np.flatnonzero(differ.any(axis=(0, 1)))):
            # copies, so that the other columns of the arrays can be freed
            old, new = before.values[..., i].copy(), after.values[..., i].copy()
            changes[i] = Change(i, cut, mode, differ[..., i].copy(), size[..., i].copy(), old, new)
        return changes

    def _call(self, inputs: Inputs) -> LongOutput:
        tables = {table: frame.copy() for table, frame in inputs.tables.items()}
        frame = tables.pop("bars")
        self.runs += 1
        if self.progress:
            self.progress(min(self.runs, self.expected), self.expected)
        try:
            output = self.function(frame, **tables)
        except (Exception, SystemExit) as error:  # user code may raise anything
            text = one_line(error, 200).rstrip(".")
            raise RaisedError(f"raised {type(error).__name__}{f' ({text})' if text else ''}") from error
        # not with `frame`: the function may have changed it
        long = read_output(output, inputs.tables["bars"])
        features = [i for i, name in enumerate(long.names) if name not in self.targets]
        if not features:
            raise DataError(f"{self.name} returned nothing but targets ({', '.join(self.targets)}).")
        names = tuple(long.names[i] for i in features)
        return LongOutput(long.symbols, long.sessions, names, long.values[:, features], long.rounding[features])
