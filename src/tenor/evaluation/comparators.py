"""A model's settings walked forward beside all that they have to beat: what `tenor evaluate` runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tenor.config import FeatureConfig, FoldConfig, ModelConfig, TrainConfig
from tenor.errors import ConfigError
from tenor.evaluation.baselines import BASELINES
from tenor.evaluation.regressors import Regressor
from tenor.evaluation.statistical import NAMES, fit_statistical
from tenor.evaluation.walkforward import FoldProgress, WalkForward, walk
from tenor.schema import Panel, Predictions
from tenor.training import Split

MOST_FOLDS = 4
SHORTEST_TEST = 60
"""Sessions of a fold's test part below which another fold is not worth its training."""

Told = Callable[[str, int, int], None]
"""Told what is being done, and how many of how many are."""


def folds_after(split: Split, last: str) -> FoldConfig:
    """Folds over the test part of `split`, whose last day is `last`: training grows, as if retrained now and then.

    Up to `MOST_FOLDS` of equal length, of at least `SHORTEST_TEST` sessions if there is more than one.
    """
    tested = split.test.stop - split.test.start
    count = max(1, min(MOST_FOLDS, tested // SHORTEST_TEST))
    valid = min(split.valid.stop - split.valid.start, split.train.stop - split.train.start)
    return FoldConfig(folds=count, valid_sessions=valid, test_sessions=tested // count, test_end=last)


def regressors(specs: Sequence[str], taken: Sequence[str]) -> tuple[Regressor, ...]:
    """The regressors that `specs` name, each under a name of its own.

    Raises
    ------
    ConfigError
        One can't be loaded, or is called like another model.
    """
    found: dict[str, Regressor] = {}
    for spec in specs:
        one = Regressor.load(spec)
        if one.name in (*BASELINES, *NAMES, *taken, *found):
            raise ConfigError(f"baseline {spec!r} is called {one.name!r}, as another model is: give it another name.")
        found[one.name] = one
    return tuple(found.values())


def walk_beside_rivals(
    panel: Panel,
    splits: Sequence[Split],
    *,
    features: FeatureConfig,
    model: ModelConfig,
    training: TrainConfig,
    own: Sequence[Regressor] = (),
    kept: Path | None = None,
    workers: int | None = None,
    progress: Told | None = None,
) -> WalkForward:
    """Walk the model forward beside the baselines, the statistical ones, a plain LSTM and a user's `own`.

    Parameters
    ----------
    panel, splits, kept, workers
        As `walk` takes them.

    Raises
    ------
    As `walk` and `Regressor` do.
    """
    done = 0

    def tell(what: str) -> FoldProgress:
        return lambda n, total: progress(what, n, total) if progress is not None else None

    def classical(seen: Panel, split: Split) -> Mapping[str, Predictions]:
        nonlocal done

        def count(n: int, total: int) -> None:
            tell(", ".join(NAMES))(done + n, total * len(splits))

        found = fit_statistical(seen, split, workers=workers, progress=count)
        done += len(seen.symbols)
        return found

    def users(seen: Panel, split: Split) -> Mapping[str, Predictions]:
        return {one.name: one(seen, split) for one in own}

    plain: WalkForward | None = None
    if model.attention:
        plain = walk(
            panel,
            splits,
            features=features,
            model=replace(model, attention=False),
            training=training,
            baselines=(),
            kept=kept,
            workers=workers,
            progress=tell("folds and seeds, plain LSTM"),
        )
    walked = walk(
        panel,
        splits,
        features=features,
        model=model,
        training=training,
        rivals=(classical, users),
        adaptive=True,
        kept=kept,
        workers=workers,
        progress=tell("folds and seeds"),
    )
    if plain is None:
        return walked
    name, *others = walked.predictions
    said = {name: walked.predictions[name], plain.name: plain.predictions[plain.name]}
    return replace(walked, predictions=said | {other: walked.predictions[other] for other in others})
