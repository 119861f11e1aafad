"""TiRex of NXAI (tirex-ts, under NXAI's community licence)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tenor.adapters.catalogue import Adapter
from tenor.adapters.rolling import DECILES, Columns, Model, Window, by_quantiles
from tenor.errors import ConfigError

CHECKPOINT = "model.ckpt"


def load(folder: Path | None) -> Model:
    """Load the checkpoint ``model.ckpt`` in the folder."""
    import torch
    from tirex.base import PretrainedModel

    assert folder is not None
    if not (folder / CHECKPOINT).is_file():
        raise ConfigError(f"{str(folder)!r} has no {CHECKPOINT}: name the folder with TiRex's checkpoint.")
    # its `load_model` takes a Hugging Face name, and finds this class by the second part of it
    model = PretrainedModel.REGISTRY["TiRex"].from_pretrained(str(folder / CHECKPOINT), backend="torch", device="cpu")

    def predict(windows: Sequence[Window], horizon: int) -> list[Columns]:
        contexts = [torch.tensor(window.close, dtype=torch.float32) for window in windows]
        quantiles, mean = model.forecast(context=contexts, prediction_length=horizon, output_type="numpy")
        return [by_quantiles(q, DECILES, point=m) for q, m in zip(quantiles, mean, strict=True)]

    return Model("tirex", predict)


ADAPTER = Adapter("tirex-ts", "pip install tirex-ts, in an environment that has tenor as well", load)
