"""A scaled panel as the network reads it: one long sequence a symbol, and the segments of an epoch.

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
    """Inputs and targets, symbol first, float32.

    Attributes
    ----------
    inputs
        [N, T, F + 1]; scaled features, and the variance of the session; 0 where the panel has nothing.
    targets
        [N, T, 2 K], `tenor.heads.TARGETS` side by side: return in units of its volatility, clipped; log of the mean
        variance ahead. 0 where `known` is 0.
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
        # before clipping: a return over no volatility is infinite, and not known
        known = usable(scaled, lookback)[:, :, None] & np.isfinite(targets)
        targets[:, :, : returns.shape[2]] = np.clip(returns, -clip, clip)
        targets = np.where(known, targets, 0)
        return cls(network_input(scaled), symbol_first(targets), symbol_first(known))

    def empty(self) -> Sequences:
        """The same without any symbol."""
        return Sequences(self.inputs[:0], self.targets[:0], self.known[:0])

    def between(self, start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs, targets and known of sessions start .. stop - 1."""
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
    """Draws the training part as runs of `segment` sessions of one symbol, each with `burn_in` sessions before it.

    Every cell of the training part is in exactly one segment of an epoch. The first segment of a symbol starts up to a
    segment before the part, at an offset drawn anew for each symbol and epoch: the borders fall elsewhere every time.
    What lies before the first session or after the part is 0, as a cell without data is.

    With `segment` 3 and `burn_in` 2 a symbol lies in memory like this (b: zeros before, 0 .. 9: its sessions, a: zeros
    after), and with the part 4 .. 9 and an offset of 1 its segments, behind their burn-in in brackets, are::

        b b b b b 0 1 2 3 4 5 6 7 8 9 a a a
                    [1 2]3 4 5
                          [4 5]6 7 8
                                [7 8]9 a a

    Parameters
    ----------
    data
        Starts with the panel.
    rows
        The training part.
    segment
        Sessions that are predicted in a segment.
    burn_in
        Sessions before them that the LSTM runs over first.

    Attributes
    ----------
    flat
        Inputs, targets and known, each [all places, …]: one symbol behind the other, zeros around each.
    """

    def __init__(self, data: Sequences, rows: slice, *, segment: int, burn_in: int) -> None:
        self.segment, self.burn_in = segment, burn_in
        length = rows.stop - rows.start
        # segments a symbol, enough for every offset: the first one may start segment - 1 sessions early
        self._runs = -(-(length + segment - 1) // segment)
        # zeros around each symbol, so that no segment reaches into the symbol that lies beside it in memory
        before, after = segment + burn_in, self._runs * segment - length

        def one_axis(values: Float32) -> Tensor:
            """[N * length of a padded symbol, …]: a segment is then a run of places on one axis."""
            padded = np.pad(values[:, : rows.stop], ((0, 0), (before, after), (0, 0)))
            return torch.from_numpy(padded).flatten(0, 1)

        known = data.known[:, : rows.stop].copy()
        known[:, : rows.start] = 0  # what lies before the part is read, and not learned from
        self.flat = one_axis(data.inputs), one_axis(data.targets), one_axis(known)
        symbols = len(known)
        starts = torch.arange(symbols) * (before + rows.stop + after) + before + rows.start
        self._starts = starts[:, None] + segment * torch.arange(self._runs)  # [N, runs], if the offset is 0
        # known targets before each place: the difference of two of them counts those of a segment in one step
        self._known_before = torch.nn.functional.pad(self.flat[2].sum(1).long().cumsum(0), (1, 0))

    def to(self, device: torch.device) -> Segments:
        """These, with the data on `device`; where segments begin is drawn on the CPU all the same."""
        inputs, targets, known = self.flat
        self.flat = inputs.to(device), targets.to(device), known.to(device)
        return self

    def epoch(self) -> Tensor:
        """The places of the first predicted session of each segment, shuffled; drawn from torch's global generator."""
        places = (self._starts - torch.randint(self.segment, (len(self._starts), 1))).flatten()
        # a segment without a known target would be a step on nothing
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
