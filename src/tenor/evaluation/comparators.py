"""The walk-forward of a model's settings and of all models that it has to beat: what `tenor evaluate` runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tenor.config import FeatureConfig, FoldConfig, ModelConfig, TrainConfig
from tenor.engines import Workers
from tenor.errors import ConfigError
from tenor.evaluation.baselines import BASELINES
from tenor.evaluation.regressors import Regressor
from tenor.evaluation.statistical import STATISTICAL, available, fit_statistical
from tenor.evaluation.walkforward import WalkForward, walk
from tenor.schema import Panel, Predictions
from tenor.training import Split

MOST_FOLDS = 4
SHORTEST_TEST = 60
"""Least number of sessions in the test part of a fold; with fewer, another fold is not worth its training."""

StageProgress = Callable[[str, int, int], None]
"""Called with the name of a stage, how many of its steps are done, and how many there are."""


def folds_after(split: Split, last: str) -> FoldConfig:
    """Divide the test part of `split`, whose last day is `last`, into folds; the training part grows with each fold.

    There are up to `MOST_FOLDS` folds of equal length; if there is more than one, each has at least `SHORTEST_TEST`
    sessions.
    """
    sessions = split.test.stop - split.test.start
    count = max(1, min(MOST_FOLDS, sessions // SHORTEST_TEST))
    valid = min(split.valid.stop - split.valid.start, split.train.stop - split.train.start)
    return FoldConfig(folds=count, valid_sessions=valid, test_sessions=sessions // count, test_end=last)


def regressors(specs: Sequence[str], taken: Sequence[str]) -> tuple[Regressor, ...]:
    """The regressors that `specs` name, each under a name of its own.

    Parameters
    ----------
    specs
        Each ``path/to/file.py:name`` or ``package.module:name``.
    taken
        Names that other models have, beside those of the baselines.

    Raises
    ------
    ConfigError
        One can't be loaded, or has the name of another model.
    """
    loaded: dict[str, Regressor] = {}
    for spec in specs:
        regressor = Regressor.load(spec)
        if regressor.name in (*BASELINES, *STATISTICAL, *taken, *loaded):
            raise ConfigError(
                f"baseline {spec!r} is called {regressor.name!r}, as another model is: give it another name."
            )
        loaded[regressor.name] = regressor
    return tuple(loaded.values())


def walk_with_comparators(
    panel: Panel,
    splits: Sequence[Split],
    *,
    features: FeatureConfig,
    model: ModelConfig,
    training: TrainConfig,
    own: Sequence[Regressor] = (),
    cache: Path | None = None,
    workers: Workers = None,
    progress: StageProgress | None = None,
) -> WalkForward:
    """Walk forward with the model, the baselines, the statistical models, a plain LSTM and the user's `own` models.

    The statistical baselines are left out where their library is not installed (`statistical.available`).

    Parameters
    ----------
    panel, splits, features, model, training, cache, workers
        As `walk` takes them.
    own
        Regressors of the user's.
    progress
        Called for every network, and for every symbol that the statistical models are done with.

    Returns
    -------
    WalkForward
        With adaptive intervals; the plain LSTM comes second among its predictions, where the model has attention.

    Raises
    ------
    ConfigError
        As `walk` does.
    HistoryError
        As `walk` does.
    TenorError
        A regressor of the user's raised, or its predictions are not one finite number a row.
    """
    plain: WalkForward | None = None
    if model.attention_lstm:
        plain = walk(
            panel,
            splits,
            features=features,
            model=replace(model, attention=False),
            training=training,
            baselines=(),
            cache=cache,
            workers=workers,
            progress=None if progress is None else partial(progress, "folds and seeds, plain LSTM"),
        )
    statistical = (_Statistical(len(splits), workers, progress),) if available() else ()
    result = walk(
        panel,
        splits,
        features=features,
        model=model,
        training=training,
        comparators=(*statistical, partial(_fit_own, own)),
        adaptive=True,
        cache=cache,
        workers=workers,
        progress=None if progress is None else partial(progress, "folds and seeds"),
    )
    if plain is None:
        return result
    name, *others = result.predictions
    ordered = {name: result.predictions[name], plain.name: plain.predictions[plain.name]}
    return replace(result, predictions=ordered | {other: result.predictions[other] for other in others})


class _Statistical:
    """The statistical models as a comparator; progress counts the symbols of all `folds` together."""

    def __init__(self, folds: int, workers: Workers, progress: StageProgress | None) -> None:
        self._folds, self._workers, self._progress = folds, workers, progress
        self._done = 0

    def __call__(self, panel: Panel, split: Split) -> dict[str, Predictions]:
        predictions = fit_statistical(panel, split, workers=self._workers, progress=self._report)
        self._done += len(panel.symbols)
        return predictions

    def _report(self, done: int, of_fold: int) -> None:
        if self._progress is not None:
            self._progress(", ".join(STATISTICAL), self._done + done, of_fold * self._folds)


def _fit_own(own: Sequence[Regressor], panel: Panel, split: Split) -> Mapping[str, Predictions]:
    return {regressor.name: regressor(panel, split) for regressor in own}
