"""pyqlib's ALSTM, trained by its own `train_epoch` on tables of flattened windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
import worker
from cells import Array, Cells, Race
from qlib.contrib.model.pytorch_alstm import ALSTM


def prepare(arguments: dict[str, Any]) -> worker.Run:
    """Choose the cells; a table of `steps_a_table` batches is made outside the clock, as qlib's handler makes it."""
    torch.set_num_threads(1)
    cells = Cells(arguments)
    target = cells.standardised()
    seeds = iter(range(1_000))
    rows_a_table = arguments["batch"] * arguments["every"]

    def flat(symbols: Array, sessions: Array) -> Array:
        """[cell, feature * lookback], each feature's sessions beside each other: so qlib reads them."""
        return np.ascontiguousarray(cells.windows(symbols, sessions).swapaxes(1, 2)).reshape(len(symbols), -1)

    def run() -> dict[str, Any]:
        seed = next(seeds)
        model = ALSTM(
            d_feat=cells.features.shape[2], hidden_size=arguments["hidden"], num_layers=arguments["layers"],
            lr=arguments["rate"], batch_size=arguments["batch"], loss="mse", GPU=-1, seed=seed,
        )  # fmt: skip

        @torch.no_grad()
        def predict(symbols: Array, sessions: Array) -> Array:
            model.ALSTM_model.eval()
            out: Array = model.ALSTM_model(torch.from_numpy(flat(symbols, sessions))).numpy()
            return cells.restored(out)

        race = Race(cells, arguments, predict)
        rng = np.random.default_rng(seed)
        while True:
            race.pause()
            places = rng.permutation(len(cells.train[0]))[:rows_a_table]
            symbols, sessions = cells.train[0][places], cells.train[1][places]
            features, labels = pd.DataFrame(flat(symbols, sessions)), pd.DataFrame(target[symbols, sessions])
            race.resume()
            model.train_epoch(features, labels)
            if not race.goes_on(rows_a_table, steps=arguments["every"]):
                return race.result()

    return run


if __name__ == "__main__":
    worker.serve(prepare)
