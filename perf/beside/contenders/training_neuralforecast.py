"""neuralforecast's LSTM on the log variance of each stock, with the features as exogenous history."""

from __future__ import annotations

import contextlib
import logging
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
import worker
from cells import Array, Cells, Race
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MSE
from neuralforecast.models import LSTM


class Over(Exception):  # noqa: N818 - no error: Lightning has no other way out of an epoch
    """The race is over."""


def prepare(arguments: dict[str, Any]) -> worker.Run:
    """One long table of all stocks up to the end of training."""
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    cells = Cells(arguments)
    levels = cells.levels()
    names = [f"f{i}" for i in range(cells.features.shape[2])]
    frames = []
    for symbol in np.unique(cells.train[0]):
        first = int(cells.train[1][cells.train[0] == symbol].min()) - cells.lookback + 1
        rows = slice(first, cells.stop + 1)
        frame = pd.DataFrame(cells.features[symbol, rows], columns=names)
        frames.append(
            frame.assign(unique_id=f"{symbol:03d}", ds=np.arange(first, cells.stop + 1), y=levels[symbol, rows])
        )
    table = pd.concat(frames, ignore_index=True)
    seeds = iter(range(1_000))

    def run() -> dict[str, Any]:
        races: list[Race] = []

        class Clock(pl.Callback):
            def on_train_start(self, _: pl.Trainer, module: pl.LightningModule) -> None:
                @torch.no_grad()
                def predict(symbols: Array, sessions: Array) -> Array:
                    module.eval()
                    own = np.stack([levels[symbols, sessions - lag] for lag in range(cells.lookback - 1, -1, -1)], 1)
                    batch = {
                        "insample_y": torch.from_numpy(own[..., None]),
                        "hist_exog": torch.from_numpy(cells.windows(symbols, sessions)),
                        "futr_exog": None, "stat_exog": None,
                    }  # fmt: skip
                    out: Array = module(batch)[:, 0, 0].numpy()
                    module.train()
                    return cells.restored(out)

                races.append(Race(cells, arguments, predict))

            def on_train_batch_end(self, *_: Any) -> None:
                if not races[0].goes_on(arguments["batch"]):
                    raise Over

        model = LSTM(
            h=1, input_size=cells.lookback, encoder_hidden_size=arguments["hidden"],
            encoder_n_layers=arguments["layers"], decoder_hidden_size=arguments["hidden"], decoder_layers=1,
            hist_exog_list=names, loss=MSE(), scaler_type="identity", max_steps=1_000_000, random_seed=next(seeds),
            learning_rate=arguments["rate"], windows_batch_size=arguments["batch"], batch_size=arguments["series"],
            accelerator="cpu", callbacks=[Clock()], enable_progress_bar=False, logger=False,
            enable_model_summary=False, enable_checkpointing=False,
        )  # fmt: skip
        with contextlib.suppress(Over):
            NeuralForecast(models=[model], freq=1).fit(table)
        return races[0].result()

    return run


if __name__ == "__main__":
    worker.serve(prepare)
