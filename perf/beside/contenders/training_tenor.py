"""tenor's own training: along sequences, at the settings of the contest."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import worker
from cells import Array, Cells, Race, lstm_flops

from tenor.config import ModelConfig, TrainConfig
from tenor.heads import TARGETS
from tenor.training.sequences import Sequences
from tenor.training.trainer import Task, Trainer


def prepare(arguments: dict[str, Any]) -> worker.Run:
    """Sequences of the cells, as `tenor.training.fit` makes them of a panel."""
    torch.set_num_threads(1)
    cells = Cells(arguments)
    learned, known = (np.zeros(cells.target.shape, dtype=np.float32) for _ in range(2))
    for part in (cells.train, cells.valid):
        known[part] = 1
    learned[known > 0] = cells.target[known > 0]
    data = Sequences(
        inputs=np.concatenate((cells.features, cells.variance[..., None]), axis=2),
        targets=np.stack((np.zeros_like(learned), learned), axis=2),  # the return is not learned here
        known=np.stack((known, known), axis=2),
    )
    model = ModelConfig(
        lookback=cells.lookback, hidden=arguments["hidden"], layers=arguments["layers"], dropout=arguments["dropout"]
    )
    training = TrainConfig(
        learning_rate=arguments["rate"], burn_in=cells.lookback, return_weight=0.0, direction_weight=0.0,
        segments_per_step=arguments["segments"],
    )  # fmt: skip
    train = slice(0, cells.stop)
    valid = slice(int(cells.valid[1].min()), int(cells.valid[1].max()) + 1)
    seeds = iter(range(1_000))
    an_epoch = int(data.known[:, train].sum()) // len(TARGETS)

    def run() -> dict[str, Any]:
        trainer = Trainer(Task(data, train, valid, model, training, next(seeds)))
        everything, _, _ = data.between(0, valid.stop)

        @torch.no_grad()
        def predict(symbols: Array, sessions: Array) -> Array:
            trainer.net.eval()
            there = np.unique(symbols)
            start = max(0, int(sessions.min()) - 2 * cells.lookback)
            out = trainer.net(everything[there, start:]).heads["log_variance"][..., 0].numpy()
            return out[np.searchsorted(there, symbols), sessions - start]

        race = Race(cells, arguments, predict)
        trainer._train()
        while race.goes_on(an_epoch):
            trainer._train()
        done = race.result()
        steps = len(trainer._segments.epoch()) * (training.segment + training.burn_in)
        epochs = done["work"] / an_epoch
        return done | {"flops": lstm_flops(round(epochs * steps), cells.features.shape[2], arguments)}

    return run


if __name__ == "__main__":
    worker.serve(prepare)
