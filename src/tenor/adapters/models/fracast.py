"""Fracast-0, a small network included in its package (fracast)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tenor.adapters.catalogue import Adapter
from tenor.adapters.rolling import Columns, Model, Window, by_quantiles


def load(folder: Path | None) -> Model:
    """Load the network in the package, or a released one in `folder`."""
    from fracast import FracastModel

    model = FracastModel.from_pretrained(folder, weights="fp32")

    def predict(windows: Sequence[Window], horizon: int) -> list[Columns]:
        closes = [window.close for window in windows]
        longest = max(map(len, closes))
        # one length for all: NaN before the first close, which the network reads as missing
        context = np.stack([np.r_[np.full(longest - len(close), np.nan), close] for close in closes])
        quantiles = model.forecast_batch(context, horizon=horizon)
        return [by_quantiles(each, model.quantiles) for each in quantiles]

    return Model("fracast", predict, int(model.context_length))


ADAPTER = Adapter("fracast", "pip install 'tenor[fracast]'", load, folder="may")
