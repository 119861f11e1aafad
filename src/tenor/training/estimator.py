"""The forecaster as a scikit-learn estimator, so that scikit-learn's own searches and splitters can drive it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from tenor.config import FeatureConfig, ModelConfig, TrainConfig, from_mapping, to_mapping
from tenor.errors import ConfigError, HistoryError, RowsError, TenorError
from tenor.schema import Float32
from tenor.storage.files import json_values
from tenor.training.fit import fit as train
from tenor.training.forecaster import Forecaster
from tenor.training.panel_source import Market
from tenor.training.results import FAILED, Results
from tenor.training.scoring import SCORINGS, scores
from tenor.training.split import Split
from tenor.training.trainer import reproducible

FORMAT = 1
ROOMS: dict[str, type[Any]] = {"features": FeatureConfig, "model": ModelConfig, "training": TrainConfig}
"""The configs that an estimator has, by the name that their keys begin with."""

Rows = NDArray[np.intp]


class PanelForecaster(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """`tenor.training.fit` behind ``fit``, ``predict`` and ``score``.

    X names sessions by their place on the panel's session axis, [rows, 1] or [rows]; the panel itself is made of
    `market`, because features are settings as well. y is ignored: the targets are the panel's. What is fitted on rows
    a .. b depends on nothing after session b, whatever splitter cut them: targets that reach further are not used.

    The keys of the three configs are parameters, ``model__hidden`` or ``model.hidden``.

    Parameters
    ----------
    market
        Bars and sentiment.
    features, model, training
        The configs; None is their defaults.
    horizon
        The one that is predicted and scored; among ``features.horizons``.
    early_stopping
        The last of the rows, a share or a count; there training is stopped and forecasts are calibrated.
    scoring
        What ``score`` gives, of `tenor.training.scoring.SCORINGS`.
    results
        Keeps scores on disk. A fit that has any there is trained only when something else is asked of it.
    """

    def __init__(
        self,
        market: Market | None = None,
        features: FeatureConfig | None = None,
        model: ModelConfig | None = None,
        training: TrainConfig | None = None,
        horizon: int = 1,
        early_stopping: float | int = 0.2,
        scoring: str = SCORINGS[0],
        results: Results | None = None,
    ) -> None:
        self.market = market
        self.features = features
        self.model = model
        self.training = training
        self.horizon = horizon
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.results = results

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters; `deep` adds the keys of the configs, as ``model__hidden``."""
        found: dict[str, Any] = super().get_params(deep=False)
        if deep:
            for room in ROOMS:
                config = getattr(self, room)
                if dataclasses.is_dataclass(config):
                    found |= {f"{room}__{f.name}": getattr(config, f.name) for f in dataclasses.fields(config)}
        return found

    def set_params(self, **params: Any) -> PanelForecaster:
        """Set parameters; ``model__hidden=64`` replaces that key of the model's config.

        Raises
        ------
        ConfigError
            An unknown key of a config (with the nearest known one), a value of the wrong type or range.
        """
        changes: dict[str, dict[str, Any]] = {}
        whole: dict[str, Any] = {}
        for key, value in params.items():
            room, separator, name = key.replace(".", "__", 1).partition("__")
            if separator and room in ROOMS:
                changes.setdefault(room, {})[name] = value
            else:
                whole[key] = value
        super().set_params(**whole)
        changed = {room: reset(self._config(room), room, values) for room, values in changes.items()}
        for room, config in changed.items():  # all are sound, so that an error leaves everything as it was
            setattr(self, room, config)
        return self

    def fit(self, X: ArrayLike, y: object = None) -> PanelForecaster:  # noqa: ARG002 (scikit-learn hands it over)
        """Train on the sessions X, which follow each other without a gap.

        Raises
        ------
        RowsError
            X is no run of sessions of the panel.
        HistoryError
            It is too short for the lookback and the horizons.
        ConfigError
            A parameter is impossible, or the training diverged.
        """
        rows = self._rows(X, reset=True)
        if len(rows) > 1 and not (np.diff(rows) == 1).all():
            raise RowsError(
                f"X of fit jumps at session {int(rows[np.flatnonzero(np.diff(rows) != 1)[0]])}: an LSTM is trained on "
                "sessions that follow each other, so take folds that are runs, rising (walk-forward)."
            )
        self.rows_ = (int(rows[0]), int(rows[-1]) + 1)
        self.key_ = fit_key(self, self.rows_)
        self._forecaster: Forecaster | None = None
        if self.results is None or not self.results.any_of(self.key_):
            self._train()
        elif failed := self.results.of(self.key_, FAILED):
            raise ConfigError(failed["why"])
        return self

    def forecaster(self) -> Forecaster:
        """The fitted model."""
        check_is_fitted(self, "rows_")
        return self._forecaster or self._train()

    def predict(self, X: ArrayLike) -> Float32:
        """Expected log return over `horizon` after each session of X: [row, symbol], NaN where nothing is said."""
        check_is_fitted(self, "rows_")
        rows = self._rows(X)
        panel = self._market().panel(self._config("features")).between(0, int(rows.max()) + 1)
        with reproducible():
            said = self.forecaster().predict(panel)
        return said.mean[rows, :, panel.horizon_index(self.horizon)]

    def score(self, X: ArrayLike, y: object = None) -> float:  # noqa: ARG002
        """The score named by `scoring`, over the sessions X; more is better."""
        if self.scoring not in SCORINGS:
            raise ConfigError(f"scoring is {self.scoring!r}; it takes one of {', '.join(SCORINGS)}.")
        return self.scores(X)[self.scoring]

    def scores(self, X: ArrayLike) -> dict[str, float]:
        """All of `SCORINGS`, over the sessions X."""
        check_is_fitted(self, "rows_")
        rows = self._rows(X)
        name = score_key(rows, self.horizon)
        if self.results is not None and (kept := self.results.of(self.key_, name)):
            return {scoring: float("nan") if kept[scoring] is None else float(kept[scoring]) for scoring in SCORINGS}
        begun = time.perf_counter()
        forecaster = self.forecaster()
        market = self._market()
        # rows after the last scored one stay unseen; only targets, which are outcomes, reach past it
        panel = market.panel(self._config("features")).between(0, int(rows.max()) + 1)
        with reproducible():
            said = forecaster.predict(panel)
        on = np.zeros(panel.mask.shape, dtype=bool)
        on[rows] = panel.mask[rows] if market.cells is None else market.cells[rows]
        found = scores(panel, said, on, horizon=self.horizon)
        if self.results is not None:
            seconds = self._seconds + time.perf_counter() - begun
            self.results.keep(self.key_, name, json_values({**found, "seconds": seconds}))
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True  # places
        tags.target_tags.required = False
        tags.target_tags.multi_output = True
        return tags

    def _train(self) -> Forecaster:
        begun = time.perf_counter()
        market, horizon = self._market(), self.horizon
        features: FeatureConfig = self._config("features")
        if horizon not in features.horizons:
            raise ConfigError(
                f"horizon {horizon} is to be scored, and features.horizons is {list(features.horizons)}: name it there."
            )
        panel = market.panel(features)
        try:
            self._forecaster = train(
                panel,
                self._split(max(features.horizons)),
                features=features,
                model=self._config("model"),
                training=self._config("training"),
                progress=self._watch,
                workers=1,
            )
        except TenorError as error:
            if self.results is not None:
                self.results.keep(self.key_, FAILED, {"why": str(error), "seconds": time.perf_counter() - begun})
            raise
        self._seconds = time.perf_counter() - begun
        return self._forecaster

    def _split(self, longest: int) -> Split:
        """The rows as train and validation; training wants a test part, gets the last row, and never reads it."""
        start, stop = self.rows_
        held = self.early_stopping
        if isinstance(held, float) and 0 < held < 1:
            held = max(1, round((stop - start) * held))
        if type(held) is not int or held < 1:
            raise ConfigError(f"early_stopping is {held!r}; it is a share above 0 and below 1, or a count of sessions.")
        end = stop - 1 - longest
        split = Split(slice(start, end - held - longest), slice(end - held, end), slice(stop - 1, stop), longest)
        if split.train.stop <= start:
            raise HistoryError(
                f"{stop - start} sessions to fit on are too few: {held} of them are for early stopping, and horizon "
                f"{longest} takes {longest} off the end of either part. Take longer folds or shorter horizons."
            )
        return split

    def _watch(self, *_: Any, **__: Any) -> None:
        if self.results is not None and self.results.orphaned():  # nobody waits for this any more
            os._exit(1)

    def _rows(self, X: ArrayLike, *, reset: bool = False) -> Rows:
        if isinstance(X, np.ndarray) and X.ndim == 1:
            X = X.reshape(-1, 1)
        try:
            places = np.asarray(validate_data(self, X, reset=reset, dtype="numeric"))
        except ValueError as error:
            raise RowsError(" ".join(str(error).split())) from None
        count = len(self._market().panel(self._config("features")).sessions)
        if places.shape[1] != 1:
            raise RowsError(f"X has {places.shape[1]} columns; it has one, places on the panel's session axis.")
        rows = places[:, 0].astype(np.intp)
        if (rows != places[:, 0]).any() or rows.min() < 0 or rows.max() >= count:
            raise RowsError(f"X holds something else than places of the panel's sessions, 0 … {count - 1}.")
        return rows

    def _market(self) -> Market:
        if not isinstance(self.market, Market):
            raise RowsError(f"market is {self.market!r}; hand over Market(bars, sentiment).")
        return self.market

    def _config(self, room: str) -> Any:
        config = getattr(self, room)
        if config is None:
            return ROOMS[room]()
        if not isinstance(config, ROOMS[room]):
            raise RowsError(f"{room} is {config!r}; it takes a {ROOMS[room].__name__}.")
        return config


def reset(config: Any, room: str, changes: dict[str, Any]) -> Any:
    """`config` with `changes`; raises ConfigError for an unknown key or an impossible value, as ``room.key``."""
    return from_mapping(type(config), {**to_mapping(config), **changes}, room)


def fit_key(estimator: PanelForecaster, rows: tuple[int, int]) -> str:
    """A name of all that a fit on sessions rows[0] .. rows[1] - 1 depends on."""
    parts = {
        "format": FORMAT,
        "versions": [version("tenor"), torch.__version__],
        "market": estimator._market().fingerprint,
        "early_stopping": estimator.early_stopping,
        "rows": rows,
        **{room: to_mapping(estimator._config(room)) for room in ROOMS},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def score_key(rows: Rows, horizon: int) -> str:
    """A name of the sessions scored."""
    return f"h{horizon}-" + hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()[:16]
