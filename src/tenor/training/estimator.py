"""The forecaster as a scikit-learn estimator, for scikit-learn's searches and splitters."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from tenor.config import FeatureConfig, ModelConfig, TrainConfig, changed, keys_of
from tenor.errors import ConfigError, HistoryError, RowsError
from tenor.model.reproducible import reproducible
from tenor.schema import Bars, Bool, Float32
from tenor.training.fit import fit as train
from tenor.training.forecaster import Forecaster
from tenor.training.panel_source import PanelSource
from tenor.training.parallel import Progress
from tenor.training.scoring import SCORINGS, scores
from tenor.training.split import Split

SECTIONS: dict[str, type[Any]] = {"features": FeatureConfig, "model": ModelConfig, "training": TrainConfig}
"""The configs of an estimator, by the prefix of their keys."""

OPTIONS = ("options.", "options__")
"""Prefixes of keys of [model.options], on the command line and in scikit-learn's parameters."""

Rows = NDArray[np.intp]


class PanelForecaster(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The forecaster with scikit-learn's ``fit``, ``predict`` and ``score``.

    X contains places of sessions on the panel's session axis, as [rows, 1] or [rows]. The panel is built from `source`,
    because features are settings too. y is ignored, since the panel has the targets. A model that is fitted on the
    sessions a .. b does not depend on anything after session b: targets that reach further are not used.

    The keys of the three configs are parameters too, as ``model__hidden`` or ``model.hidden``.

    Parameters
    ----------
    source : Bars or PanelSource
        Bars, for example from `tenor.bars_of(df)`; or bars and sentiment.
    features : FeatureConfig, optional
        The features of the panel.
    model : ModelConfig, optional
        The network.
    training : TrainConfig, optional
        How it is trained.
    horizon : int
        The horizon that is predicted and scored, in sessions; among ``features.horizons``.
    early_stopping : float or int
        How many of the last rows, as a share or a count, are used to stop training and to calibrate forecasts.
    scoring : str
        The score that ``score`` returns, one of `tenor.training.scoring.SCORINGS`.

    Attributes
    ----------
    forecaster_ : Forecaster
        The fitted model.

    Examples
    --------
    >>> import numpy as np
    >>> import tenor
    >>> from sklearn.base import clone
    >>> from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
    >>> from tenor.config import ModelConfig, TrainConfig
    >>> bars = tenor.embedded_bars().select(["AAPL", "MSFT"])
    >>> training = TrainConfig(seeds=(0,), epochs=1)
    >>> forecaster = PanelForecaster(bars, model=ModelConfig(hidden=4, lookback=5), training=training)
    >>> forecaster.get_params()["model__hidden"]
    4
    >>> clone(forecaster).set_params(model__hidden=8).model.hidden
    8
    >>> len(forecaster.sessions())
    1258
    >>> X = np.arange(400).reshape(-1, 1)  # the first 400 sessions
    >>> search = GridSearchCV(forecaster, {"model__hidden": [2, 4]}, cv=TimeSeriesSplit(2, test_size=50)).fit(X)
    >>> search.best_params_["model__hidden"] in (2, 4)
    True
    >>> search.predict(X[-1:]).shape  # one session, two symbols
    (1, 2)
    """

    forecaster_: Forecaster

    def __init__(
        self,
        source: PanelSource | Bars | None = None,
        features: FeatureConfig | None = None,
        model: ModelConfig | None = None,
        training: TrainConfig | None = None,
        horizon: int = 1,
        early_stopping: float | int = 0.2,
        scoring: str = SCORINGS[0],
    ) -> None:
        self.source = source
        self.features = features
        self.model = model
        self.training = training
        self.horizon = horizon
        self.early_stopping = early_stopping
        self.scoring = scoring

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters; with `deep` also the keys of the configs, such as ``model__hidden``."""
        params: dict[str, Any] = super().get_params(deep=False)
        if deep:
            for section in SECTIONS:
                config = getattr(self, section)
                if dataclasses.is_dataclass(config):
                    params |= {f"{section}__{f}": getattr(config, f) for f in keys_of(config)}
        return params

    def set_params(self, **params: Any) -> PanelForecaster:
        """Set parameters; ``model__hidden=64`` replaces that key of the model's config.

        Raises
        ------
        ConfigError
            A key of a config is unknown (the most similar one is suggested), or a value has the wrong type or range.
        """
        changes: dict[str, dict[str, Any]] = {}
        whole: dict[str, Any] = {}
        for key, value in params.items():
            section, separator, name = key.replace(".", "__", 1).partition("__")
            if separator and section in SECTIONS:
                changes.setdefault(section, {})[name] = value
            else:
                whole[key] = value
        super().set_params(**whole)
        changed = {section: with_changes(self.config(section), section, to) for section, to in changes.items()}
        for section, config in changed.items():  # all are valid by now, so an error has changed nothing
            setattr(self, section, config)
        return self

    def fit(self, X: ArrayLike, y: object = None, *, progress: Progress | None = None) -> PanelForecaster:  # noqa: ARG002
        """Train on the sessions X, which follow each other without a gap.

        Parameters
        ----------
        X
            Places of sessions; each is one more than the one before.
        y
            Ignored.
        progress
            Called after each epoch.

        Raises
        ------
        RowsError
            X is not an unbroken run of sessions of the panel.
        HistoryError
            X is too short for the lookback and the horizons.
        ConfigError
            A parameter is impossible.
        TrainingError
            The training diverged.
        """
        rows = self._rows(X, reset=True)
        if len(rows) > 1 and not (np.diff(rows) == 1).all():
            raise RowsError(
                f"X of fit jumps at session {int(rows[np.flatnonzero(np.diff(rows) != 1)[0]])}: an LSTM is trained on "
                "sessions that follow each other, so take folds that are runs, rising (walk-forward)."
            )
        features: FeatureConfig = self.config("features")
        if self.horizon not in features.horizons:
            raise ConfigError(
                f"horizon {self.horizon} is to be scored, and features.horizons is {list(features.horizons)}: name it "
                "there."
            )
        self.forecaster_ = train(
            self._source().panel(features),
            self._split(int(rows[0]), int(rows[-1]) + 1, max(features.horizons)),
            features=features,
            model=self.config("model"),
            training=self.config("training"),
            own=self._source().own,
            progress=progress,
            workers=1,
        )
        return self

    def predict(self, X: ArrayLike) -> Float32:
        """[row, symbol]; expected log return over `horizon` after each session of X; NaN where there is no forecast."""
        check_is_fitted(self, "forecaster_")
        rows = self._rows(X)
        panel = self._source().panel(self.config("features")).between(0, int(rows.max()) + 1)
        with reproducible():
            predictions = self.forecaster_.predict(panel)
        return predictions.mean[rows, :, panel.horizon_index(self.horizon)]

    def score(self, X: ArrayLike, y: object = None) -> float:  # noqa: ARG002
        """The score named by `scoring`, over the sessions X; higher is better."""
        if self.scoring not in SCORINGS:
            raise ConfigError(f"scoring is {self.scoring!r}; it takes one of {', '.join(SCORINGS)}.")
        return self.scores(X)[self.scoring]

    def scores(self, X: ArrayLike, *, cells: Bool | None = None) -> dict[str, float]:
        """All of `SCORINGS`, over the sessions X.

        Parameters
        ----------
        X
            Places of sessions.
        cells
            [session, symbol] of the whole panel; the cells to use, so that models with different lookbacks and features
            can be compared on the same cells. None means every cell with a forecast.
        """
        check_is_fitted(self, "forecaster_")
        rows = self._rows(X)
        # rows after the last scored one are not used; only targets, which are outcomes, reach further
        panel = self._source().panel(self.config("features")).between(0, int(rows.max()) + 1)
        with reproducible():
            predictions = self.forecaster_.predict(panel)
        counted = np.zeros(panel.mask.shape, dtype=bool)
        counted[rows] = (panel.mask if cells is None else cells)[rows]
        return scores(panel, predictions, counted, horizon=self.horizon)

    def sessions(self) -> pd.DatetimeIndex:
        """The sessions of the panel; X contains places on this axis."""
        return self._source().panel(self.config("features")).sessions

    def config(self, section: str) -> Any:
        """The config of `section`; the default one if the parameter is None."""
        config = getattr(self, section)
        if config is None:
            return SECTIONS[section]()
        if not isinstance(config, SECTIONS[section]):
            raise RowsError(f"{section} is {config!r}; it takes a {SECTIONS[section].__name__}.")
        return config

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True  # places
        tags.target_tags.required = False
        tags.target_tags.multi_output = True
        return tags

    def _split(self, start: int, stop: int, longest: int) -> Split:
        """The rows as train and validation; `train` wants a test part, gets the last row, and never reads it."""
        count = self.early_stopping
        if isinstance(count, float) and 0 < count < 1:
            count = max(1, round((stop - start) * count))
        if type(count) is not int or count < 1:
            raise ConfigError(
                f"early_stopping is {count!r}; it is a share above 0 and below 1, or a count of sessions."
            )
        end = stop - 1 - longest
        split = Split(slice(start, end - count - longest), slice(end - count, end), slice(stop - 1, stop), longest)
        if split.train.stop <= start:
            raise HistoryError(
                f"{stop - start} sessions to fit on are too few: {count} of them are for early stopping, and horizon "
                f"{longest} takes {longest} off the end of either part. Take longer folds or shorter horizons."
            )
        return split

    def _rows(self, X: ArrayLike, *, reset: bool = False) -> Rows:
        if isinstance(X, np.ndarray) and X.ndim == 1:
            X = X.reshape(-1, 1)
        try:
            places = np.asarray(validate_data(self, X, reset=reset, dtype="numeric"))
        except ValueError as error:
            raise RowsError(" ".join(str(error).split())) from None
        count = len(self._source().panel(self.config("features")).sessions)
        if places.shape[1] != 1:
            raise RowsError(f"X has {places.shape[1]} columns; it has one, places on the panel's session axis.")
        rows = places[:, 0].astype(np.intp)
        if (rows != places[:, 0]).any() or rows.min() < 0 or rows.max() >= count:
            raise RowsError(f"X holds something else than places of the panel's sessions, 0 … {count - 1}.")
        return rows

    def _source(self) -> PanelSource:
        if isinstance(self.source, Bars):
            return PanelSource(self.source)  # panels are cached by content, so this does not build one again
        if not isinstance(self.source, PanelSource):
            kind = None if self.source is None else f"a {type(self.source).__name__}"
            raise RowsError(f"source is {kind}; hand over tenor.bars_of(df), or PanelSource(bars, sentiment).")
        return self.source


def with_changes(config: Any, section: str, changes: dict[str, Any]) -> Any:
    """`config` with `changes`; raises ConfigError, naming ``section.key``, for an unknown key or impossible value."""
    options = {re.sub(r"^options(\.|__)", "", key): value for key, value in changes.items() if key.startswith(OPTIONS)}
    if options:  # those of a network of one's own are set one by one
        changes = {key: value for key, value in changes.items() if not key.startswith(OPTIONS)}
        changes["options"] = {**config.options, **options}
    return changed(config, changes, section)
