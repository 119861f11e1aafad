"""A scaled panel as the network reads it: one long sequence a symbol, and the segments of an epoch.

Letters in shape comments: N symbols, T sessions, F features, K horizons, B segments.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tenor.inference.cells import spread, symbol_first, usable
from tenor.schema import Float32, Panel


@dataclass(frozen=True)
class Sequences:
    """Inputs and targets, symbol first, float32.

    Attributes
    ----------
    inputs
        [N, T, F]; 0 where the panel has nothing.
    targets
        [N, T, K]; return in units of its volatility, clipped; 0 where `known` is 0.
    known
        [N, T, K]; 1 where the cell is usable and its target is known, else 0.
    """

    inputs: Float32
    targets: Float32
    known: Float32

    @classmethod
    def of(cls, scaled: Panel, *, lookback: int, clip: float) -> Sequences:
        """The sequences of a scaled panel."""
        targets = scaled_targets(scaled)  # [T, N, K]
        known = usable(scaled, lookback)[:, :, None] & np.isfinite(targets)
        targets = np.where(known, np.clip(targets, -clip, clip), 0)
        return cls(symbol_first(scaled.values), symbol_first(targets), symbol_first(known))

    def between(self, start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs, targets and known of sessions start .. stop - 1."""
        inputs, targets, known = (torch.from_numpy(a[:, start:stop]) for a in (self.inputs, self.targets, self.known))
        return inputs, targets, known

    def fingerprint(self) -> str:
        """SHA-256 (hex) of every number and of the shapes."""
        digest = hashlib.sha256()
        for array in (self.inputs, self.targets, self.known):
            digest.update(repr(array.shape).encode())
            digest.update(array.data)
        return digest.hexdigest()


class Segments:
    """Draws the training part as runs of `segment` sessions of one symbol, each with `burn_in` sessions before it.

    Every cell of the training part is in exactly one segment of an epoch. The first segment of a symbol starts up to a
    segment before the part, at an offset drawn anew for each symbol and epoch: the borders fall elsewhere every time.
    What lies before the first session or after the part is 0, as a cell without data is.

    Parameters
    ----------
    data
        Starts with the panel.
    rows
        The training part.
    """

    def __init__(self, data: Sequences, rows: slice, *, segment: int, burn_in: int) -> None:
        self.segment, self.burn_in = segment, burn_in
        length = rows.stop - rows.start
        self._runs = -(-(length + segment - 1) // segment)  # segments a symbol, whatever the offset
        before, after = segment + burn_in, self._runs * segment - length
        known = data.known[:, : rows.stop].copy()
        known[:, : rows.start] = 0
        self._inputs, self._targets, self._known = (
            torch.from_numpy(np.pad(a[:, : rows.stop], ((0, 0), (before, after), (0, 0)))).flatten(0, 1)
            for a in (data.inputs, data.targets, known)
        )  # [N * length of a padded symbol, …]
        symbols = len(known)
        starts = torch.arange(symbols) * (before + rows.stop + after) + before + rows.start
        self._starts = starts[:, None] + segment * torch.arange(self._runs)  # [N, runs], if the offset is 0
        self._before = torch.nn.functional.pad(self._known.sum(1).long().cumsum(0), (1, 0))  # known targets so far

    def epoch(self) -> Tensor:
        """The places of the first predicted session of each segment, shuffled; drawn from torch's global generator."""
        places = (self._starts - torch.randint(self.segment, (len(self._starts), 1))).flatten()
        places = places[self._before[places + self.segment] > self._before[places]]
        shuffled: Tensor = places[torch.randperm(len(places))]
        return shuffled

    def take(self, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs [B, burn_in + segment, F], targets and known [B, segment, K] of the segments at `places`."""
        run = places[:, None] + torch.arange(-self.burn_in, self.segment)  # [B, burn_in + segment]
        ahead = run[:, self.burn_in :]
        return self._inputs[run], self._targets[ahead], self._known[ahead]


def scaled_targets(panel: Panel) -> Float32:
    """[session, symbol, horizon]; the panel's targets in units of their volatility; NaN or infinite where unknown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(panel.targets / spread(panel), dtype=np.float32)
