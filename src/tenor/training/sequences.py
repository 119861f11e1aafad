"""A scaled panel as the network reads it: one long sequence for each symbol, and the segments of an epoch.

Letters in shape comments: N symbols, T sessions, F features, K horizons, B segments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tenor.heads import TARGETS
from tenor.inference.at_once import CHUNK
from tenor.inference.cells import network_input, spread, symbol_first, usable
from tenor.schema import Float32, Panel
from tenor.storage.files import content_key
from tenor.training.scratch import Mapped, Zeros


@dataclass(frozen=True)
class Sequences:
    """Inputs and targets as float32, with the symbol on the first axis.

    Attributes
    ----------
    inputs
        [N, T, F + 1]; scaled features, then the variance of the session; 0 where the panel has no data.
    targets
        [N, T, 2 K]; the two `tenor.heads.TARGETS` one after the other: the return in units of its volatility, clipped,
        and the log of the mean variance ahead. 0 where `known` is 0.
    known
        [N, T, 2 K]; 1 where the cell is usable and its target is known, else 0.
    """

    inputs: Float32
    targets: Float32
    known: Float32

    @classmethod
    def of(cls, scaled: Panel, *, lookback: int, clip: float, zeros: Zeros = np.zeros) -> Sequences:
        """The sequences of a scaled panel, in arrays that `zeros` makes."""
        grid, horizons = (len(scaled.symbols), len(scaled.sessions)), len(scaled.horizons)
        inputs = zeros((*grid, len(scaled.features) + 1), np.float32)
        targets, known = (zeros((*grid, len(TARGETS) * horizons), np.float32) for _ in range(2))
        for start in range(0, len(scaled.symbols), CHUNK):  # what is between takes memory for so many symbols alone
            columns = slice(start, start + CHUNK)
            inputs[columns] = network_input(scaled, columns)
            _fill(targets[columns], known[columns], scaled.of_symbols(columns), lookback=lookback, clip=clip)
        return cls(inputs, targets, known)

    def __getstate__(self) -> dict[str, Any]:
        """Arrays in files travel by their names, which other processes of this machine can open."""
        return {name: Mapped.of(array) or array for name, array in self.__dict__.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, array in state.items():
            self.__dict__[name] = array.open() if isinstance(array, Mapped) else array

    def in_memory(self) -> Sequences:
        """The same for machines that can't open its files."""
        return Sequences(*(np.array(array) for array in (self.inputs, self.targets, self.known)))

    def empty(self) -> Sequences:
        """The same shapes without any symbol."""
        return Sequences(self.inputs[:0], self.targets[:0], self.known[:0])

    def between(self, start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
        """`inputs`, `targets` and `known` of the sessions start .. stop - 1."""
        rows = slice(start, stop)
        return (
            torch.from_numpy(self.inputs[:, rows]),
            torch.from_numpy(self.targets[:, rows]),
            torch.from_numpy(self.known[:, rows]),
        )

    def fingerprint(self) -> str:
        """A key of every number and of the shapes."""
        shapes = [list(self.inputs.shape), list(self.targets.shape)]
        return content_key(shapes, self.inputs, self.targets, self.known, length=64)


def _fill(targets: Float32, known: Float32, scaled: Panel, *, lookback: int, clip: float) -> None:
    """Write the targets of some symbols, and which of them are known, into [N, T, 2 K]."""
    returns = scaled_targets(scaled)  # [T, N, K]
    both = np.concatenate((returns, scaled.log_variance), axis=2)  # [T, N, 2 K], in the order of TARGETS
    # tested before clipping, because a return divided by a volatility of 0 is infinite and counts as not known
    there = usable(scaled, lookback)[:, :, None] & np.isfinite(both)
    both[:, :, : returns.shape[2]] = np.clip(returns, -clip, clip)
    targets[...] = symbol_first(np.where(there, both, 0))
    known[...] = symbol_first(there)


class Segments:
    """Draws segments of the training part: runs of `segment` sessions of one symbol, each after `burn_in` sessions.

    Every cell of the training part is in exactly one segment of an epoch. The first segment of a symbol starts up to
    one segment before the part, at an offset that is drawn for each symbol and epoch, so that the borders are different
    every time. Places before the first session or after the part are 0, like cells without data.

    With `segment` 3 and `burn_in` 2, a symbol is stored as in the first line (b: zeros before, 0 .. 9: its sessions, a:
    zeros after). With the part 4 .. 9 and an offset of 1, its segments are as below, after their burn-in in brackets::

        b b b b b 0 1 2 3 4 5 6 7 8 9 a a a
                    [1 2]3 4 5
                          [4 5]6 7 8
                                [7 8]9 a a

    Parameters
    ----------
    data
        The sequences, from the first session of the panel on.
    rows
        The training part.
    segment
        Number of sessions of a segment, which are predicted.
    burn_in
        Number of sessions before them that the LSTM reads first.

    Attributes
    ----------
    length
        Of the axis that places lie on: all symbols one behind the other, with what is 0 around each.
    """

    def __init__(self, data: Sequences, rows: slice, *, segment: int, burn_in: int) -> None:
        self.segment, self.burn_in = segment, burn_in
        self._data, self._rows = data, rows
        count = rows.stop - rows.start
        # the number of segments of a symbol, enough for every offset: the first may start segment - 1 sessions early
        self._runs = -(-(count + segment - 1) // segment)
        # zeros around each symbol, so that no segment reaches into the symbol that lies beside it
        self._before, self._after = segment + burn_in, self._runs * segment - count
        self._width = self._before + rows.stop + self._after
        symbols = len(data.known)
        self.length = symbols * self._width
        starts = torch.arange(symbols) * self._width + self._before + rows.start
        self._starts = starts[:, None] + segment * torch.arange(self._runs)  # [N, runs], if the offset is 0
        # number of known targets before each place; a difference of two gives the number in a segment
        known = torch.from_numpy(data.known)[:, rows].sum(2).long()
        padded = functional.pad(known, (self._before + rows.start, self._after))
        self._known_before = functional.pad(padded.flatten().cumsum(0), (1, 0))
        self._arrays = tuple(
            torch.from_numpy(values).flatten(0, 1) for values in (data.inputs, data.targets, data.known)
        )  # [N T, …]

    def to(self, device: torch.device) -> Segments:
        """The same segments with the data on `device`; starts of segments are still drawn on the CPU."""
        self._arrays = tuple(values.to(device) for values in self._arrays)
        return self

    def padded(self) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs, targets and known, each [length, …], as places on that axis find them."""
        rows = self._rows
        known = self._data.known[:, : rows.stop].copy()
        known[:, : rows.start] = 0  # what lies before the part is read, and not learned from

        def one_axis(values: Float32) -> Tensor:
            around = np.pad(values[:, : rows.stop], ((0, 0), (self._before, self._after), (0, 0)))
            return torch.from_numpy(around).flatten(0, 1)

        return one_axis(self._data.inputs), one_axis(self._data.targets), one_axis(known)

    def epoch(self) -> Tensor:
        """The places of the first predicted session of each segment, shuffled; drawn from torch's global generator."""
        places = (self._starts - torch.randint(self.segment, (len(self._starts), 1))).flatten()
        # a segment without known targets would teach nothing
        places = places[self._known_before[places + self.segment] > self._known_before[places]]
        shuffled: Tensor = places[torch.randperm(len(places))]
        return shuffled

    def take(self, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs [B, burn_in + segment, F + 1], targets and known [B, segment, 2 K] of the segments at `places`."""
        inputs, targets, known = self._arrays
        symbols, times = places // self._width, places % self._width - self._before
        time = times[:, None] + torch.arange(-self.burn_in, self.segment)  # [B, burn_in + segment]
        outside = (time < 0) | (time >= self._rows.stop)
        run = symbols[:, None] * self._data.inputs.shape[1] + time.clamp(0, self._rows.stop - 1)
        run, outside, early = (each.to(inputs.device) for each in (run, outside, time < self._rows.start))
        ahead = slice(self.burn_in, None)
        taken = inputs[run], targets[run[:, ahead]], known[run[:, ahead]]
        nothing = outside, outside[:, ahead], (outside | early)[:, ahead]  # what lies before the part is read alone
        for values, where in zip(taken, nothing, strict=True):
            values[where] = 0
        return taken


def scaled_targets(panel: Panel) -> Float32:
    """[session, symbol, horizon]; the panel's targets in units of their volatility; NaN or infinite where unknown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(panel.targets / spread(panel), dtype=np.float32)
