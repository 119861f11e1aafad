"""darts' BlockRNNModel on the log variance of each stock, with the features as past covariates."""

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
from darts import TimeSeries
from darts.models import BlockRNNModel
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput


class Over(Exception):  # noqa: N818 - no error: Lightning has no other way out of an epoch
    """The race is over."""


def prepare(arguments: dict[str, Any]) -> worker.Run:
    """Series and covariates of each stock up to the end of training."""
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    cells = Cells(arguments)
    levels = cells.levels()
    series, covariates = [], []
    for symbol in np.unique(cells.train[0]):
        first = int(cells.train[1][cells.train[0] == symbol].min()) - cells.lookback + 1
        rows = slice(first, cells.stop + 1)
        times = pd.RangeIndex(first, cells.stop + 1)
        series.append(TimeSeries.from_times_and_values(times, levels[symbol, rows]))
        covariates.append(TimeSeries.from_times_and_values(times, cells.features[symbol, rows]))
    seeds = iter(range(1_000))

    def run() -> dict[str, Any]:
        races: list[Race] = []

        class Clock(pl.Callback):
            def on_train_start(self, _: pl.Trainer, module: pl.LightningModule) -> None:
                @torch.no_grad()
                def predict(symbols: Array, sessions: Array) -> Array:
                    module.eval()
                    own = np.stack([levels[symbols, sessions - lag] for lag in range(cells.lookback - 1, -1, -1)], 1)
                    past = torch.from_numpy(own[..., None]), torch.from_numpy(cells.windows(symbols, sessions))
                    given = PLModuleInput(past_target=past[0], past_covariates=past[1], stage=ModuleStage.PREDICT)
                    out: Array = module(given).prediction[:, 0, 0, 0].numpy()
                    module.train()
                    return cells.restored(out)

                races.append(Race(cells, arguments, predict))

            def on_train_batch_end(self, *given: Any) -> None:
                if not races[0].goes_on(len(given[3].past_target)):
                    raise Over

        model = BlockRNNModel(
            input_chunk_length=cells.lookback, output_chunk_length=1, model="LSTM", hidden_dim=arguments["hidden"],
            n_rnn_layers=arguments["layers"], batch_size=arguments["batch"], n_epochs=1_000, random_state=next(seeds),
            optimizer_kwargs={"lr": arguments["rate"]}, use_static_covariates=False,
            pl_trainer_kwargs={
                "accelerator": "cpu", "callbacks": [Clock()], "enable_progress_bar": False, "logger": False,
                "enable_model_summary": False, "enable_checkpointing": False,
            },
        )  # fmt: skip
        with contextlib.suppress(Over):
            model.fit(series, past_covariates=covariates, verbose=False)
        return races[0].result()

    return run


if __name__ == "__main__":
    worker.serve(prepare)
