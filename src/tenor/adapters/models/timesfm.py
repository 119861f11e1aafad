"""TimesFM 2.5 and 3 of Google (timesfm), in PyTorch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tenor.adapters.catalogue import Adapter
from tenor.adapters.rolling import DECILES, Columns, Model, Window, by_quantiles

CONTEXT = 512
LONGEST = 128
"""Largest horizon, in sessions ahead, for which version 2.5 is compiled."""


def load(folder: Path | None) -> Model:
    """Load version 3 if the folder's settings describe its transformer, else 2.5."""
    assert folder is not None
    settings = folder / "config.json"
    described = json.loads(settings.read_text()) if settings.is_file() else {}
    return _third(folder) if any("patch" in key or "transformer" in key for key in described) else _second(folder)


def _third(folder: Path) -> Model:
    from timesfm3 import TimesFM3Forecaster

    forecaster = TimesFM3Forecaster.from_pretrained(str(folder), device="cpu")

    def predict(windows: Sequence[Window], horizon: int) -> list[Columns]:
        closes = [window.close.astype("float32") for window in windows]
        made = forecaster.predict_batch(closes, horizon=horizon, return_quantiles=True)
        return [by_quantiles(each.quantiles, DECILES, point=each.forecast) for each in made]

    return Model("timesfm", predict, CONTEXT)


def _second(folder: Path) -> Model:
    import timesfm

    model = timesfm.TimesFM_2p5_200M_torch.from_pretrained(str(folder))
    model.compile(
        timesfm.ForecastConfig(
            max_context=CONTEXT,
            max_horizon=LONGEST,
            normalize_inputs=True,
            use_continuous_quantile_head=True,
            fix_quantile_crossing=True,
        )
    )

    def predict(windows: Sequence[Window], horizon: int) -> list[Columns]:
        points, quantiles = model.forecast(horizon=horizon, inputs=[window.close for window in windows])
        # its first quantile is the mean
        return [by_quantiles(q[:, 1:], DECILES, point=p) for p, q in zip(points, quantiles, strict=True)]

    return Model("timesfm", predict, CONTEXT)


ADAPTER = Adapter("timesfm", "pip install 'timesfm[torch]', in an environment that has tenor as well", load)
