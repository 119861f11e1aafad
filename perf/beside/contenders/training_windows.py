"""The usual loop: a Dataset of windows, a DataLoader that shuffles it, and tenor's own network on each batch.

With ``last`` the attention is taken at the window's last session alone, all that the loss needs: the leanest such loop.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import worker
from cells import Array, Cells, Race, lstm_flops
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tenor.config import ModelConfig
from tenor.model import AttentionLSTM


class Windows(Dataset[tuple[Tensor, Tensor]]):
    """A window and its target for each training cell."""

    def __init__(self, cells: Cells) -> None:
        self._symbols, self._sessions = cells.train
        inputs = np.concatenate((cells.features, cells.variance[..., None]), axis=2)
        self._inputs, self._target = torch.from_numpy(inputs), torch.from_numpy(cells.target)
        self._lookback = cells.lookback

    def __len__(self) -> int:
        return len(self._symbols)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        symbol, session = self._symbols[place], self._sessions[place]
        return self._inputs[symbol, session - self._lookback + 1 : session + 1], self._target[symbol, session]


def prepare(arguments: dict[str, Any]) -> worker.Run:
    """The data set and its loader."""
    torch.set_num_threads(1)
    cells = Cells(arguments)
    model = ModelConfig(
        lookback=cells.lookback, hidden=arguments["hidden"], layers=arguments["layers"], dropout=arguments["dropout"]
    )
    seeds = iter(range(1_000))
    pooled = _mean_log(cells)

    def run() -> dict[str, Any]:
        torch.manual_seed(next(seeds))
        net = AttentionLSTM(model, cells.features.shape[2], 1)
        with torch.no_grad():
            net.level("log_variance").fill_(pooled)  # tenor's training starts there too
        adam = torch.optim.Adam(net.parameters(), lr=arguments["rate"], fused=True)
        loader = DataLoader(Windows(cells), batch_size=arguments["batch"], shuffle=True)

        def forward(windows: Tensor) -> Tensor:
            if arguments["last"]:
                nothing = torch.zeros(model.layers, len(windows), model.hidden)
                return net.last(windows, (nothing, nothing), 0)
            return net(windows).heads["log_variance"][:, -1, 0]

        @torch.no_grad()
        def predict(symbols: Array, sessions: Array) -> Array:
            net.eval()
            inputs = (cells.windows(symbols, sessions), cells.variances(symbols, sessions)[..., None])
            out: Array = forward(torch.from_numpy(np.concatenate(inputs, axis=2))).numpy()
            net.train()
            return out

        race = Race(cells, arguments, predict)
        for windows, target in _epochs(loader):
            loss = (forward(windows) - target).square().mean()
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            adam.step()
            if not race.goes_on(len(target)):
                break
        done = race.result()
        return done | {"flops": lstm_flops(round(done["work"]) * cells.lookback, cells.features.shape[2], arguments)}

    return run


def _epochs(loader: DataLoader[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    return itertools.chain.from_iterable(itertools.repeat(loader))


def _mean_log(cells: Cells) -> float:
    """Mean of the target less the log of the mean of the last variances, over the training cells."""
    symbols, sessions = cells.train
    past = cells.variances(symbols, sessions)[:, -22:].astype(np.float64)
    mean = past.sum(axis=1) / np.maximum((past > 0).sum(axis=1), 1)
    return float((cells.target[symbols, sessions] - np.log(np.maximum(mean, 1e-9))).mean())


if __name__ == "__main__":
    worker.serve(prepare)
