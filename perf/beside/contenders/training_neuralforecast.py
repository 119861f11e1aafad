"""neuralforecast's LSTM on the log variance of each stock, with the features as exogenous history."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pandas as pd
import torch
import worker
from cells import Cells
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MSE
from neuralforecast.models import LSTM
from on_lightning import Clock, Over, prepare_quietly


def forecast(module: Any, own: torch.Tensor, windows: torch.Tensor) -> torch.Tensor:
    """[cell]; of one session ahead."""
    batch = {"insample_y": own, "hist_exog": windows, "futr_exog": None, "stat_exog": None}
    return module(batch)[:, 0, 0]  # type: ignore[no-any-return]


def prepare(arguments: dict[str, Any]) -> worker.Run:
    """One long table of all stocks up to the end of training."""
    prepare_quietly()
    cells = Cells(arguments)
    levels = cells.levels()
    names = [f"f{i}" for i in range(cells.features.shape[2])]
    frames = []
    for symbol, rows in cells.stocks():
        frame = pd.DataFrame(cells.features[symbol, rows], columns=names)
        frames.append(
            frame.assign(unique_id=f"{symbol:03d}", ds=np.arange(rows.start, rows.stop), y=levels[symbol, rows])
        )
    table = pd.concat(frames, ignore_index=True)
    seeds = iter(range(1_000))

    def run() -> dict[str, Any]:
        clock = Clock(cells, arguments, levels, forecast, lambda _: int(arguments["batch"]))
        model = LSTM(
            h=1, input_size=cells.lookback, encoder_hidden_size=arguments["hidden"],
            encoder_n_layers=arguments["layers"], decoder_hidden_size=arguments["hidden"], decoder_layers=1,
            hist_exog_list=names, loss=MSE(), scaler_type="identity", max_steps=1_000_000, random_seed=next(seeds),
            learning_rate=arguments["rate"], windows_batch_size=arguments["batch"], batch_size=arguments["series"],
            accelerator="cpu", callbacks=[clock], enable_progress_bar=False, logger=False,
            enable_model_summary=False, enable_checkpointing=False,
        )  # fmt: skip
        with contextlib.suppress(Over):
            NeuralForecast(models=[model], freq=1).fit(table)
        return clock.result()

    return run


if __name__ == "__main__":
    worker.serve(prepare)
