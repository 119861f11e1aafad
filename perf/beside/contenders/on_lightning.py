"""What contenders in training share that run on PyTorch Lightning: quiet, and a race that ends within an epoch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from cells import Array, Cells, Race


class Over(Exception):  # noqa: N818 - no error: Lightning has no other way out of an epoch
    """The race is over."""


def prepare_quietly() -> None:
    """One thread, and neither warnings nor notes."""
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)


class Clock(pl.Callback):
    """Runs a race over the steps of a training.

    Parameters
    ----------
    cells, arguments
        As `Race` takes them.
    levels
        `Cells.levels`, the series that the model reads.
    forecast
        The model's forecasts [cell], from its module, the series [cell, lookback, 1] and the features [cell, lookback,
        feature] up to each cell.
    predictions
        How many a batch holds.
    """

    def __init__(
        self,
        cells: Cells,
        arguments: dict[str, Any],
        levels: Array,
        forecast: Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor],
        predictions: Callable[[Any], int],
    ) -> None:
        self._cells, self._arguments, self._levels = cells, arguments, levels
        self._forecast, self._predictions = forecast, predictions
        self.race: Race | None = None

    def __deepcopy__(self, memo: object) -> Clock:
        return self  # neuralforecast trains a copy of its model, callbacks included, and the race is one

    def on_train_start(self, _: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""

        @torch.no_grad()
        def predict(symbols: Array, sessions: Array) -> Array:
            pl_module.eval()
            lags = range(self._cells.lookback - 1, -1, -1)
            own = np.stack([self._levels[symbols, sessions - lag] for lag in lags], 1)
            windows = torch.from_numpy(self._cells.windows(symbols, sessions))
            out: Array = self._forecast(pl_module, torch.from_numpy(own[..., None]), windows).numpy()
            pl_module.train()
            return self._cells.restored(out)

        self.race = Race(self._cells, self._arguments, predict)

    def on_train_batch_end(self, *given: Any) -> None:
        """Count, and leave the training once the race is over."""
        assert self.race is not None
        if not self.race.goes_on(self._predictions(given[3])):  # trainer, module, outputs, batch
            raise Over

    def result(self) -> dict[str, Any]:
        """That of the race."""
        assert self.race is not None
        return self.race.result()
