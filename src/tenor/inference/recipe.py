"""All of a fitted model but its networks: what is done to a panel before them, and to what they say after them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tenor.config import FeatureConfig, from_mapping
from tenor.errors import HistoryError, ModelError, TenorError
from tenor.features import Scaler, build_panel
from tenor.features.catalogue import SENTIMENT, feature_names
from tenor.inference.artifact import document_of
from tenor.inference.calibration import Calibration
from tenor.inference.cells import WARM_UP, spread, usable
from tenor.inference.conformal import adapt
from tenor.registry import Registry
from tenor.registry.manifest import DOCUMENT
from tenor.schema import Bars, DailySentiment, Float32, Panel, Predictions


class Run(NamedTuple):
    """What the ensemble says at every session of some symbols: the mean over its networks.

    Attributes
    ----------
    mean, up_logit
        [B, T, K] float32, in units of volatility and as log-odds.
    time_weights
        [B, T, L],.
    feature_weights
        [B, T, F]; None without attention.
    """

    mean: Float32
    up_logit: Float32
    time_weights: Float32 | None
    feature_weights: Float32 | None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A model's settings, scaler and calibration.

    Attributes
    ----------
    name
        What tables call it.
    version
        The model's.
    lookback
        Sessions under attention.
    attention
        Whether it has any.
    symbols
        Those it was trained on.
    split
        First and last day of each part.
    """

    name: str
    version: str
    features: FeatureConfig
    scaler: Scaler
    calibration: Calibration
    lookback: int
    attention: bool
    symbols: tuple[str, ...]
    split: Mapping[str, tuple[str, str]]

    @classmethod
    def of(cls, document: Mapping[str, Any], version: str) -> Recipe:
        """The recipe in the document of a saved forecaster.

        Raises
        ------
        ModelError
            It can't be read.
        """
        try:
            model = document["model"]
            return cls(
                name=model_name(attention=model["attention"]),
                version=version,
                features=from_mapping(FeatureConfig, document["features"], "features"),
                scaler=Scaler.from_mapping(document["scaler"]),
                calibration=Calibration.from_mapping(document["calibration"]),
                lookback=model["lookback"],
                attention=model["attention"],
                symbols=tuple(document["symbols"]),
                split={name: (first, last) for name, (first, last) in document["split"].items()},
            )
        except (KeyError, TypeError, ValueError, TenorError) as error:
            raise ModelError(f"model {version} can't be read by this tenor ({error}): train it again.") from error

    @classmethod
    def load(cls, registry: Registry, version: str) -> Recipe:
        """The recipe of `version` in `registry`; raises ModelError as `of` does."""
        text = registry.read(version, DOCUMENT)[DOCUMENT]
        return cls.of(document_of(text, registry.where(version)), version)

    @property
    def horizons(self) -> tuple[int, ...]:
        """The horizons forecast, in sessions."""
        return self.features.horizons

    @property
    def history_needed(self) -> int:
        """Sessions with all features, after which a forecast no longer feels where the panel begins (< 1e-3 sd)."""
        return self.lookback + WARM_UP

    @property
    def with_sentiment(self) -> bool:
        """Whether the model was fitted on sentiment features, and needs a sentiment."""
        return bool(set(self.scaler.features) & set(feature_names([SENTIMENT])))

    def panel(self, bars: Bars, sentiment: DailySentiment | None) -> Panel:
        """The panel of `bars` as the model knows it; `sentiment` is left out where the model has none.

        Raises
        ------
        ModelError
            The model needs a sentiment, and there is none.
        """
        if self.with_sentiment and sentiment is None:
            raise ModelError(
                f"model {self.version} was trained with sentiment, and there is none: import news, or train without it "
                "(features.sentiment = false)."
            )
        return build_panel(bars, self.features, sentiment=sentiment if self.with_sentiment else None)

    def scaled(self, panel: Panel) -> Panel:
        """`panel` as the networks read it.

        Raises
        ------
        ModelError
            Its features or horizons are not those that the model was fitted on.
        """
        if panel.horizons != self.horizons:
            raise ModelError(
                f"the panel has horizons {list(panel.horizons)}, the model {list(self.horizons)}: build the panel with "
                "the model's own feature config."
            )
        return self.scaler.transform(panel)

    def predictions(self, panel: Panel, mean: Float32, logit: Float32) -> Predictions:
        """What the networks said, `mean` and `logit` [session, symbol, horizon], as returns with 90 % intervals.

        The intervals are the split-conformal ones: as wide as validation taught, in units of volatility.
        """
        scale = spread(panel)
        width = np.asarray(self.calibration.width)
        said = np.where(usable(panel, self.lookback)[:, :, None], 1.0, np.nan)
        parts = (
            mean * scale * said,
            self.calibration.p_up(logit) * said,
            (mean - width) * scale * said,
            (mean + width) * scale * said,
        )
        return Predictions(self.name, *(part.astype(np.float32) for part in parts))

    def adapted(self, panel: Panel, said: Predictions) -> Predictions:
        """`said` with intervals that learned from how often earlier ones held, on the sessions after validation.

        Adaptive conformal inference (`intervals.adapt`) over all symbols of the panel, from the model's validation part
        on; where the panel begins later, from its own beginning, the first half of it taking that part's place. Cells
        before that, and all cells where there are too few earlier forecasts to judge, keep the interval they have.
        """
        days = [pd.Timestamp(day) for day in self.split["validation"]]
        start, end = int(panel.sessions.searchsorted(days[0])), int(panel.sessions.searchsorted(days[1], side="right"))
        if panel.sessions[0] > days[0]:
            end = max(end, len(panel.sessions) // 2)
        assert said.lower is not None
        assert said.upper is not None
        if not start < end < len(panel.sessions):
            return said
        with contextlib.suppress(HistoryError):
            made = adapt(panel, said, valid=slice(start, end), rows=slice(end, len(panel.sessions)))
            assert made.lower is not None
            assert made.upper is not None
            known = np.isfinite(made.lower) & np.isfinite(made.upper)
            said = replace(
                said,
                lower=np.where(known, made.lower, said.lower).astype(np.float32),
                upper=np.where(known, made.upper, said.upper).astype(np.float32),
            )
        return said


def model_name(*, attention: bool) -> str:
    """What tables call a model."""
    return "attention LSTM" if attention else "LSTM"
