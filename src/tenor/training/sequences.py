"""A scaled panel as the network reads it: one long sequence for each symbol, and the segments of an epoch.

Letters in shape comments: N symbols, T sessions, F features, K horizons, B segments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tenor.inference.cells import network_input, spread, symbol_first, usable
from tenor.schema import Float32, Panel
from tenor.storage.files import content_key


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
    def of(cls, scaled: Panel, *, lookback: int, clip: float) -> Sequences:
        """The sequences of a scaled panel."""
        returns = scaled_targets(scaled)  # [T, N, K]
        targets = np.concatenate((returns, scaled.log_variance), axis=2)  # [T, N, 2 K], in the order of TARGETS
        # tested before clipping, because a return divided by a volatility of 0 is infinite and counts as not known
        known = usable(scaled, lookback)[:, :, None] & np.isfinite(targets)
        targets[:, :, : returns.shape[2]] = np.clip(returns, -clip, clip)
        targets = np.where(known, targets, 0)
        return cls(network_input(scaled), symbol_first(targets), symbol_first(known))

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
    flat
        Inputs, targets and known, each [all places, …]: one symbol after the other, with zeros around each.
    """

    def __init__(self, data: Sequences, rows: slice, *, segment: int, burn_in: int) -> None:
        self.segment, self.burn_in = segment, burn_in
        length = rows.stop - rows.start
        # the number of segments of a symbol, enough for every offset: the first may start segment - 1 sessions early
        self._runs = -(-(length + segment - 1) // segment)
        # zeros around each symbol, so that no segment reaches into the next symbol in memory
        before, after = segment + burn_in, self._runs * segment - length

        def one_axis(values: Float32) -> Tensor:
            """`values` as [N * length of a padded symbol, …], so that a segment is a run of places on one axis."""
            padded = np.pad(values[:, : rows.stop], ((0, 0), (before, after), (0, 0)))
            return torch.from_numpy(padded).flatten(0, 1)

        known = data.known[:, : rows.stop].copy()
        known[:, : rows.start] = 0  # sessions before the part are read, but not learned from
        self.flat = one_axis(data.inputs), one_axis(data.targets), one_axis(known)
        symbols = len(known)
        starts = torch.arange(symbols) * (before + rows.stop + after) + before + rows.start
        self._starts = starts[:, None] + segment * torch.arange(self._runs)  # [N, runs], if the offset is 0
        # number of known targets before each place; a difference of two gives the number in a segment
        self._known_before = torch.nn.functional.pad(self.flat[2].sum(1).long().cumsum(0), (1, 0))

    def to(self, device: torch.device) -> Segments:
        """The same segments with the data on `device`; starts of segments are still drawn on the CPU."""
        inputs, targets, known = self.flat
        self.flat = inputs.to(device), targets.to(device), known.to(device)
        return self

    def epoch(self) -> Tensor:
        """The places of the first predicted session of each segment, shuffled; drawn from torch's global generator."""
        places = (self._starts - torch.randint(self.segment, (len(self._starts), 1))).flatten()
        # a segment without known targets would teach nothing
        places = places[self._known_before[places + self.segment] > self._known_before[places]]
        shuffled: Tensor = places[torch.randperm(len(places))]
        return shuffled

    def take(self, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs [B, burn_in + segment, F + 1], targets and known [B, segment, 2 K] of the segments at `places`."""
        inputs, targets, known = self.flat
        run = (places[:, None] + torch.arange(-self.burn_in, self.segment)).to(inputs.device)  # [B, burn_in + segment]
        predicted = run[:, self.burn_in :]
        return inputs[run], targets[predicted], known[predicted]


def scaled_targets(panel: Panel) -> Float32:
    """[session, symbol, horizon]; the panel's targets in units of their volatility; NaN or infinite where unknown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(panel.targets / spread(panel), dtype=np.float32)
