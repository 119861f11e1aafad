"""Kronos, which forecasts bars; its repository is not a package and must be on PYTHONPATH."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tenor.adapters.catalogue import Adapter
from tenor.adapters.rolling import Columns, Model, Window
from tenor.errors import ConfigError

CONTEXT = 400
SAMPLES = 8
"""Number of sampled paths; their mean is the forecast."""
INSTALL = "clone its repository, and set PYTHONPATH to the clone"


def load(folder: Path | None) -> Model:
    """Load the tokenizer and the model in the folders ``tokenizer`` and ``model`` of `folder`."""
    import model as kronos  # the name of its package is `model`

    needed = ("Kronos", "KronosTokenizer", "KronosPredictor")
    if not all(hasattr(kronos, name) for name in needed):
        raise ConfigError(f"the Python module 'model' is not that of Kronos ({kronos.__file__}): {INSTALL}.")
    assert folder is not None
    tokenizer = kronos.KronosTokenizer.from_pretrained(str(folder / "tokenizer"))
    network = kronos.Kronos.from_pretrained(str(folder / "model"))
    predictor = kronos.KronosPredictor(network, tokenizer, device="cpu", max_context=512)

    def one(window: Window, horizon: int) -> Columns:
        made = predictor.predict(
            df=window.bars[["open", "high", "low", "close", "volume"]].reset_index(drop=True),
            x_timestamp=window.bars["session"].reset_index(drop=True),
            y_timestamp=pd.Series(window.ahead(horizon)),
            pred_len=horizon,
            T=1.0,
            top_p=0.9,
            sample_count=SAMPLES,
            verbose=False,
        )
        return {"price": made["close"].to_numpy()}

    return Model("kronos", lambda windows, horizon: [one(window, horizon) for window in windows], CONTEXT)


ADAPTER = Adapter("kronos", INSTALL, load)
