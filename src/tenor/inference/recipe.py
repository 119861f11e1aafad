"""A fitted model without its networks: how its panel is made, and how outputs of networks become predictions."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from tenor.config import FeatureConfig, ModelConfig, SentimentConfig, from_mapping, to_mapping
from tenor.config.network_code import pinned
from tenor.distribution import Risk
from tenor.errors import HistoryError, ModelError, TenorError
from tenor.features import Scaler, build_panel
from tenor.features.catalogue import SENTIMENT, feature_names
from tenor.features.kinds import chosen_kinds, kind_names
from tenor.features.own import Covariates, Own
from tenor.har import har_terms, refitted
from tenor.heads import Calibration, Outputs, Surroundings
from tenor.inference.cells import WARM_UP, spread, usable
from tenor.inference.conformal import adapt
from tenor.inference.news_effect import NewsEffect, read_by_network
from tenor.inference.season import season_effect
from tenor.schema import Bars, DailySentiment, Float32, Float64, Panel, Predictions
from tenor.views import listed

INTERVAL = (0.05, 0.95)
"""Levels of the bounds that every prediction has: a 90 % interval."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Recipe:
    """A model's settings, scaler and calibration: all that server, command line and evaluation need to agree.

    Attributes
    ----------
    version
        The model's version; empty until its weights are known.
    features
        Settings of the features in its panel.
    sentiment
        Settings of the daily sentiment that it uses, which also select it in a lake.
    model
        Settings of its networks.
    scaler
        Scaler of the features, fitted on the training part.
    calibration
        Calibration of the heads, fitted on the validation part.
    symbols
        The symbols that it was trained on.
    split
        First and last day of the training, validation and test parts.
    own
        The user's own features, with their code and rows.
    """

    version: str = ""
    features: FeatureConfig
    sentiment: SentimentConfig
    model: ModelConfig
    scaler: Scaler
    calibration: Calibration
    symbols: tuple[str, ...]
    split: Mapping[str, tuple[str, str]]
    own: Own = field(default_factory=Own)

    def __repr__(self) -> str:
        return f"{self.name} {self.version}, {len(self.symbols)} symbols, horizons {listed(self.horizons)}"

    @classmethod
    def from_mapping(
        cls, document: Mapping[str, Any], version: str, files: Mapping[str, bytes] | None = None
    ) -> Recipe:
        """The recipe of `version` in the document of a saved model.

        Parameters
        ----------
        document, version
            The document and the version of the model.
        files
            The files of its own features (`Recipe.files`).

        Raises
        ------
        ModelError
            The document can't be read.
        """
        try:
            return cls(
                version=version,
                features=from_mapping(FeatureConfig, document["features"], "features"),
                sentiment=from_mapping(SentimentConfig, document["sentiment"], "sentiment"),
                model=from_mapping(ModelConfig, document["model"], "model"),
                scaler=Scaler.from_mapping(document["scaler"]),
                calibration=Calibration.from_mapping(document["calibration"]),
                symbols=tuple(document["symbols"]),
                split={name: (first, last) for name, (first, last) in document["split"].items()},
                own=Own.of_files(document["own"], files or {}) if "own" in document else Own(),
            )
        except ModelError:
            raise
        except (KeyError, TypeError, ValueError, TenorError) as error:
            raise ModelError(f"model {version} can't be read by this tenor ({error}): train it again.") from error

    def to_mapping(self) -> dict[str, Any]:
        """A mapping of JSON values without the version; `from_mapping` reads it back."""
        return {
            "features": to_mapping(self.features),
            "sentiment": to_mapping(self.sentiment),
            "model": to_mapping(self.model),
            "scaler": self.scaler.to_mapping(),
            "calibration": self.calibration.to_mapping(),
            "symbols": list(self.symbols),
            "split": {name: list(days) for name, days in self.split.items()},
            **({"own": self.own.to_mapping()} if self.own else {}),
        }

    def files(self) -> dict[str, bytes]:
        """The files of its own features, by name; they are saved with the model."""
        return self.own.files()

    @property
    def name(self) -> str:
        """The model's name in tables."""
        own = pinned(self.model.network)
        if own is not None:
            return f"{own.name} ({own.file})"  # a name that no baseline has
        return "attention LSTM" if self.model.attention else "LSTM"

    @property
    def horizons(self) -> tuple[int, ...]:
        """The horizons forecast, in sessions."""
        return self.features.horizons

    @property
    def lookback(self) -> int:
        """The number of past sessions that attention covers."""
        return self.model.lookback

    @property
    def history_needed(self) -> int:
        """Sessions with all features after which a forecast no longer depends on where the panel begins (< 1e-3 sd)."""
        return self.lookback + WARM_UP

    @property
    def with_sentiment(self) -> bool:
        """Whether the model was fitted on features of sentiment or of kinds of news, and needs daily sentiment."""
        return self.with_kinds or bool(set(self.scaler.features) & set(feature_names([SENTIMENT])))

    @property
    def with_kinds(self) -> bool:
        """Whether the model was fitted on features of kinds of news, and needs daily counts of them.

        If the news has its own effect, the networks do not read these features.
        """
        kinds = chosen_kinds(self.features)
        return bool(kinds) and (self.model.news_effect or bool(set(self.scaler.features) & set(kind_names(kinds))))

    def universe(self, known: Sequence[str], symbols: Sequence[str]) -> list[str]:
        """The symbols whose bars are needed to forecast `symbols`, among the symbols `known` to a lake.

        Features across stocks need all symbols that the model was trained on, as well as those to forecast.
        """
        return sorted({*symbols, *(symbol for symbol in self.symbols if symbol in known)})

    def panel(self, bars: Bars, sentiment: DailySentiment | None, covariates: Covariates | None = None) -> Panel:
        """The panel of `bars` with the model's features; `sentiment` is ignored if the model uses none.

        Own features are computed by the code that is saved with the model.

        Parameters
        ----------
        bars, sentiment
            As `build_panel` takes them.
        covariates
            Newer data for own features: events, and rows of tables that became known after training
            (`Workspace.covariates`).

        Raises
        ------
        ModelError
            The model needs daily sentiment, and there is none.
        """
        if self.with_kinds and sentiment is not None and sentiment.kinds is None:
            raise ModelError(
                f"model {self.version} was trained with kinds of news ({', '.join(chosen_kinds(self.features))}), and "
                "the daily sentiment has no counts of them: import news or such counts, or train without them "
                "(features.kinds = [])."
            )
        if self.with_sentiment and sentiment is None:
            raise ModelError(
                f"model {self.version} was trained with sentiment, and there is none: import news, or train without it "
                "(features.sentiment = false)."
            )
        return build_panel(
            bars,
            self.features,
            sentiment=sentiment if self.with_sentiment else None,
            half_life=self.sentiment.half_life,
            own=self.own.with_covariates(covariates),
        )

    def scaled(self, panel: Panel) -> Panel:
        """`panel` with scaled features, as the networks read it.

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
        return self.scaler.transform(read_by_network(panel, self.model))

    def regressions(self, panel: Panel) -> Regressions:
        """The regressions on the bars of `panel` that are combined with the networks' forecasts.

        They are refitted from the model's validation part on, or from the beginning of the panel if that is later.
        """
        first = int(panel.sessions.searchsorted(pd.Timestamp(self.split["validation"][0])))
        return Regressions.of(panel, first, self.model)

    def news_effect(self, panel: Panel, outputs: Outputs) -> NewsEffect | None:
        """The effect of news on the forecasts of log variance; None if model or panel has no counts of news.

        It is estimated from the residuals of the networks' `outputs`, again and again from the model's validation part
        on, as `regressions` are.
        """
        first = int(panel.sessions.searchsorted(pd.Timestamp(self.split["validation"][0])))
        return estimated_effect(panel, outputs, first, self.model)

    def predictions(
        self,
        panel: Panel,
        outputs: Outputs,
        regressions: Regressions | None = None,
        news: NewsEffect | None = None,
    ) -> Predictions:
        """Turn the networks' `outputs`, each [session, symbol, horizon], into returns with 90 % intervals.

        The intervals are quantiles of return / forecast volatility, measured on the validation part, times the forecast
        volatility.

        Parameters
        ----------
        regressions
            `Recipe.regressions` of the panel; computed if not given.
        news
            `Recipe.news_effect` of the panel; computed if not given.
        """
        news = self.news_effect(panel, outputs) if news is None else news
        regressions = self.regressions(panel) if regressions is None else regressions
        around = Surroundings(
            spread(panel), regressions.linear, 0.0 if news is None else news.log_variance, regressions.season
        )
        forecast = np.where(usable(panel, self.lookback)[:, :, None], 1.0, np.nan)  # NaN where nothing is forecast
        columns = {
            name: (each * forecast).astype(np.float32)
            for name, each in self.calibration.columns(outputs, around).items()
        }
        risk = Risk.of(columns.pop("log_variance"), self.calibration.shapes())
        lower, upper = (_at_each_horizon(risk, level) for level in INTERVAL)
        return Predictions(self.name, **columns, lower=lower, upper=upper, risk=risk)

    def adapted(self, panel: Panel, predictions: Predictions) -> Predictions:
        """`predictions` with intervals that are adapted, after validation, to how often earlier ones held.

        This is adaptive conformal inference (`conformal.adapt`) over all symbols of the panel. It begins at the model's
        validation part. If the panel begins later, the first half of the panel takes the place of that part. Cells
        before that keep their intervals, and so do all cells if too few earlier forecasts can be judged.
        """
        days = [pd.Timestamp(day) for day in self.split["validation"]]
        start, end = int(panel.sessions.searchsorted(days[0])), int(panel.sessions.searchsorted(days[1], side="right"))
        if panel.sessions[0] > days[0]:
            end = max(end, len(panel.sessions) // 2)
        assert predictions.lower is not None
        assert predictions.upper is not None
        if not start < end < len(panel.sessions):
            return predictions
        with contextlib.suppress(HistoryError):
            moved = adapt(panel, predictions, valid=slice(start, end), rows=slice(end, len(panel.sessions)))
            assert moved.lower is not None
            assert moved.upper is not None
            assert moved.risk is not None
            assert predictions.risk is not None
            known = np.isfinite(moved.lower) & np.isfinite(moved.upper)
            predictions = replace(
                predictions,
                lower=np.where(known, moved.lower, predictions.lower).astype(np.float32),
                upper=np.where(known, moved.upper, predictions.upper).astype(np.float32),
                risk=predictions.risk.widened(np.where(known, moved.risk.widening, 1.0)),
            )
        return predictions


@dataclass(frozen=True, eq=False)
class Regressions:
    """Forecasts of log variance by regressions on bars alone, each [session, symbol, horizon].

    Attributes
    ----------
    linear
        Each symbol's own forecast (`tenor.har.refitted`); NaN where there is none.
    season
        What the season of reports adds to any forecast (`tenor.inference.season`); 0 where it is not known.
    """

    linear: Float64
    season: Float64

    @classmethod
    def of(cls, panel: Panel, first: int, model: ModelConfig) -> Regressions:
        """The regressions that `model` uses, refitted from the session `first` on."""
        shape = panel.log_variance.shape
        terms = har_terms(panel) if model.linear or model.season else None
        return cls(
            refitted(panel, first, terms=terms) if model.linear else np.full(shape, np.nan),
            season_effect(panel, first, terms=terms) if model.season else np.zeros(shape),
        )


def estimated_effect(panel: Panel, outputs: Outputs, first: int, model: ModelConfig) -> NewsEffect | None:
    """The effect of news from the session `first` on (`NewsEffect.of`), or None if `model` has no such effect."""
    if not model.news_effect:
        return None
    there = usable(panel, model.lookback)[:, :, None]
    return NewsEffect.of(panel, np.where(there, outputs["log_variance"], np.nan), first)


def _at_each_horizon(risk: Risk, level: float) -> Float32:
    """[session, symbol, horizon]; the quantile of the return at `level`."""
    quantiles: Float32 = np.stack([risk.quantile(level, k) for k in range(risk.volatility.shape[2])], axis=2)
    return quantiles
