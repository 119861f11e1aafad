"""darts' BlockRNNModel on the log variance of each stock, with the features as past covariates."""

from __future__ import annotations

import contextlib
from typing import Any

import pandas as pd
import torch
import worker
from cells import Cells
from darts import TimeSeries
from darts.models import BlockRNNModel
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput
from on_lightning import Clock, Over, prepare_quietly


def forecast(module: Any, own: torch.Tensor, windows: torch.Tensor) -> torch.Tensor:
    """[cell]; of one session ahead."""
    given = PLModuleInput(past_target=own, past_covariates=windows, stage=ModuleStage.PREDICT)
    return module(given).prediction[:, 0, 0, 0]  # type: ignore[no-any-return]


def prepare(arguments: dict[str, Any]) -> worker.Run:
    """Series and covariates of each stock up to the end of training."""
    prepare_quietly()
    cells = Cells(arguments)
    levels = cells.levels()
    series, covariates = [], []
    for symbol, rows in cells.stocks():
        times = pd.RangeIndex(rows.start, rows.stop)
        series.append(TimeSeries.from_times_and_values(times, levels[symbol, rows]))
        covariates.append(TimeSeries.from_times_and_values(times, cells.features[symbol, rows]))
    seeds = iter(range(1_000))

    def run() -> dict[str, Any]:
        clock = Clock(cells, arguments, levels, forecast, lambda batch: len(batch.past_target))
        model = BlockRNNModel(
            input_chunk_length=cells.lookback, output_chunk_length=1, model="LSTM", hidden_dim=arguments["hidden"],
            n_rnn_layers=arguments["layers"], batch_size=arguments["batch"], n_epochs=1_000, random_state=next(seeds),
            optimizer_kwargs={"lr": arguments["rate"]}, use_static_covariates=False,
            pl_trainer_kwargs={
                "accelerator": "cpu", "callbacks": [clock], "enable_progress_bar": False, "logger": False,
                "enable_model_summary": False, "enable_checkpointing": False,
            },
        )  # fmt: skip
        with contextlib.suppress(Over):
            model.fit(series, past_covariates=covariates, verbose=False)
        return clock.result()

    return run


if __name__ == "__main__":
    worker.serve(prepare)
