"""What an ablation of the news compares: the same model with more or less of the news, walked forward alike.

Counts of news change a forecast after the network (`tenor.inference.news_effect`), so that the arms which differ in
counts alone share their networks: they are trained once, and each arm is calibrated and predicts with its own counts.
Sentiment is read by the network, and the arms that have it train networks of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from tenor.config import FeatureConfig, ModelConfig, TrainConfig
from tenor.engines import Workers
from tenor.errors import ConfigError, HistoryError
from tenor.evaluation.walkforward import Pool, WalkForward, walk
from tenor.features import feature_names
from tenor.heads import Outputs
from tenor.inference.cells import usable
from tenor.inference.news_effect import ANY, OF_NEWS, kinds_of, read_by_network
from tenor.inference.recipe import estimated_effect
from tenor.schema import KINDS, Bool, Panel, Predictions
from tenor.training import Split
from tenor.training.fit import calibrate, prepare
from tenor.training.forecaster import mean_outputs, outputs

NONE, ALL_NEWS, SENTIMENT, TOPICS, BY_KIND, EVERYTHING, SHUFFLED = (
    "no news", "all news", "sentiment", "topics", "kinds", "everything", "shuffled",
)  # fmt: skip
NEWS_ARMS = (ALL_NEWS, SENTIMENT, TOPICS, BY_KIND, EVERYTHING, SHUFFLED)
"""Arms beside the one without news: the count of all items; their sentiment; counts by topic; counts by kind and of all
items; all of these; all of these on other days."""
TOPIC = "topic_"
FEWEST_TRAINING = 200
"""Least number of sessions before the first test part, enough to train and to validate."""
LEARNING = 120
"""Number of sessions with news before the first test part: the effect of news has to be learned first."""

_SENTIMENT = frozenset(feature_names(["sentiment"]))

ArmProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class NewsWalk:
    """The predictions of each arm over the test parts, made at one moment.

    Attributes
    ----------
    panel
        With all features of news.
    predictions
        Arm -> its predictions over the whole panel, NaN outside of the test parts; the arm without news is the first.
    rows
        All test parts.
    mask
        [session, symbol]; the cells that every arm predicts.
    """

    panel: Panel
    predictions: dict[str, Predictions]
    rows: slice
    mask: Bool


def available_arms(panel: Panel) -> tuple[str, ...]:
    """The arms of `NEWS_ARMS` that the features of `panel` allow; none where it has no features of news."""
    kinds, sentiment = kinds_of(panel.features), bool(_SENTIMENT & set(panel.features))
    there = {
        ALL_NEWS: ANY in kinds,
        SENTIMENT: sentiment,
        TOPICS: any(kind.startswith(TOPIC) for kind in kinds),
        BY_KIND: bool(set(kinds) & set(KINDS)),
        EVERYTHING: bool(kinds) and sentiment,
        SHUFFLED: bool(kinds) or sentiment,
    }
    return tuple(arm for arm in NEWS_ARMS if there[arm])


def arm_panel(panel: Panel, arm: str, splits: Sequence[Split], *, seed: int = 0) -> Panel:
    """`panel` with only the features of news that `arm` may see; all else is the same."""
    if arm == SHUFFLED:
        return shuffle_news(panel, splits, seed=seed)
    if arm == EVERYTHING:
        return panel
    kinds = kinds_of(panel.features)
    seen: tuple[str, ...] = {
        NONE: (),
        ALL_NEWS: (ANY,),
        SENTIMENT: (),
        TOPICS: tuple(kind for kind in kinds if kind.startswith(TOPIC)),
        BY_KIND: (ANY, *KINDS),
    }[arm]
    of_seen = tuple(f"{OF_NEWS}{kind}_" for kind in seen)
    gone = {name for name in panel.features if name.startswith(OF_NEWS) and not name.startswith(of_seen)}
    return panel.without(gone if arm == SENTIMENT else gone | _SENTIMENT)


def shuffle_news(panel: Panel, splits: Sequence[Split], *, seed: int) -> Panel:
    """`panel` with its features of news moved to other sessions: whole sessions are shuffled, all symbols together.

    Sessions are shuffled only among those before the first test part, and within each test part. Only sessions between
    the first and the last one with any news take part, so that years without news stay without.
    """
    columns = [i for i, name in enumerate(panel.features) if name.startswith(OF_NEWS) or name in _SENTIMENT]
    first, last = news_rows(panel)
    rng = np.random.default_rng(seed)
    values = panel.values.copy()
    for stretch in (slice(0, splits[0].test.start), *(split.test for split in splits)):
        rows = np.arange(max(stretch.start, first), min(stretch.stop, last + 1))
        # rows [n, 1] and columns [m] broadcast to [n, m]: all symbols of a session move together, column by column
        values[rows[:, None], :, columns] = panel.values[rng.permutation(rows)[:, None], :, columns]
    values[~panel.mask] = 0.0
    return replace(panel, values=values)


def news_rows(panel: Panel) -> tuple[int, int]:
    """The first and the last session with news, as places on the session axis.

    Raises
    ------
    HistoryError
        There is none.
    """
    kinds = kinds_of(panel.features)
    names = [f"{OF_NEWS}{ANY}_count"] if ANY in kinds else [f"{OF_NEWS}{kind}_count" for kind in kinds]
    names += ["sentiment_known"] if "sentiment_known" in panel.features else []
    known = np.zeros(len(panel.sessions), dtype=bool)
    for name in names:
        known |= (panel.values[:, :, panel.features.index(name)] > 0).any(axis=1)
    if not known.any():
        raise HistoryError("there is no news in any session of the bars: import news of the same time.")
    rows = np.flatnonzero(known)
    return int(rows[0]), int(rows[-1])


def news_folds(
    panel: Panel, span: tuple[int, int], folds: int, valid_sessions: int, *, lookback: int, purge: int
) -> tuple[Split, ...]:
    """Folds whose test parts cover the sessions with news, but for the first ones, from which the rest is learned.

    Each fold trains from the first session on. The validation part is a fifth of what lies before the first test part,
    and at most `valid_sessions`.

    Parameters
    ----------
    panel
        Whose sessions they are.
    span
        The first and the last session with news, by `news_rows`; of two moments, those that both have.
    folds
        Test parts of about the same length.
    valid_sessions
        The most sessions of a validation part.
    lookback
        Of the model: a symbol has no forecast before.
    purge
        Rows dropped between the parts.

    Raises
    ------
    HistoryError
        Too few sessions with news are left to test on.
    """
    first, last = span
    complete = int(np.argmax(usable(panel, lookback).any(axis=1)))
    start = max(first + LEARNING, complete + FEWEST_TRAINING + 2 * purge)
    stop = last + 1
    length = (stop - start) // folds
    if length < 2 * purge:
        dates = " … ".join(f"{panel.sessions[row]:%Y-%m-%d}" for row in span)
        raise HistoryError(
            f"the news of {dates} leave {max(stop - start, 0)} sessions to test on in {folds} folds, after {LEARNING} "
            f"with news and {FEWEST_TRAINING} to train on: import more news or earlier bars, or lower folds.folds."
        )
    splits = []
    for fold in range(folds):
        begin = start + fold * length
        end = stop if fold == folds - 1 else begin + length
        valid = min(valid_sessions, (begin - complete) // 5)
        valid_start = begin - purge - valid
        splits.append(Split(slice(0, valid_start - purge), slice(valid_start, begin - purge), slice(begin, end), purge))
    return tuple(splits)


def walk_arms(
    panel: Panel,
    arms: Sequence[str],
    splits: Sequence[Split],
    *,
    features: FeatureConfig,
    model: ModelConfig,
    training: TrainConfig,
    cache: Path | None = None,
    workers: Workers = None,
    progress: ArmProgress | None = None,
    seed: int = 0,
) -> NewsWalk:
    """Walk the model without news, and with what each of `arms` sees of it, over `splits`.

    Parameters
    ----------
    panel
        With all features of news.
    arms
        Of `available_arms`.
    splits
        Whose test parts follow each other.
    features, model, training, cache, workers
        As in `tenor.evaluation.walkforward.walk`.
    progress
        Called with an arm, how many of its networks are done, and how many there are.
    seed
        Of the shuffle.

    Raises
    ------
    ConfigError
        The panel does not allow one of the arms.
    HistoryError
        As `walk` does.
    """
    allowed = available_arms(panel)
    for arm in arms:
        if arm not in allowed:
            raise ConfigError(f"there is no arm {arm!r} here; the arms are: {', '.join(allowed) or 'none'}.")
    trained: dict[tuple[str, ...], tuple[WalkForward, list[Outputs]]] = {}
    predictions = {}
    for arm in (NONE, *arms):
        seen = arm_panel(panel, arm, splits, seed=seed)
        read = read_by_network(seen, model)
        # sentiment that was shuffled is another input under the same names
        key = (arm if arm == SHUFFLED and not _SENTIMENT.isdisjoint(read.features) else "", *read.features)
        if key not in trained:
            walked = walk(
                read,
                splits,
                # what the networks do not read is none of theirs: without news they are the same at both moments
                features=replace(
                    features, sentiment=not _SENTIMENT.isdisjoint(read.features), kinds=(), topics=False, as_of="close"
                ),
                model=model,
                training=training,
                baselines=(),
                cache=cache,
                workers=workers,
                progress=None if progress is None else partial(progress, arm),
            )
            trained[key] = walked, _outputs(read, walked)
        predictions[arm] = _predicted(seen, *trained[key])
    walked, _ = next(iter(trained.values()))
    return NewsWalk(panel, predictions, walked.rows, walked.mask)


def _outputs(panel: Panel, walked: WalkForward) -> list[Outputs]:
    """The mean outputs of each fold's networks, up to the end of its test part."""
    each = []
    for fold in walked.folds:
        scaled = fold.forecaster.recipe.scaled(panel.between(0, fold.split.test.stop))
        each.append(mean_outputs(outputs(network, scaled) for network in fold.forecaster.networks))
    return each


def _predicted(panel: Panel, walked: WalkForward, each: Sequence[Outputs]) -> Predictions:
    """What the networks of `walked` predict with the counts of news of `panel`, calibrated with them."""
    pooled = Pool(panel)
    name = ""
    for fold, mean in zip(walked.folds, each, strict=True):
        split, forecaster = fold.split, fold.forecaster
        recipe, model = forecaster.recipe, forecaster.model
        past = panel.between(0, split.test.stop)
        regressions = recipe.regressions(past)
        effect = estimated_effect(past, mean, split.valid.start, model)
        _, scaled, tasks = prepare(past, split, model, forecaster.training)
        calibration = calibrate(mean, scaled, split, tasks[0].data, regressions=regressions, effect=effect)
        fitted = replace(recipe, calibration=calibration)
        name = fitted.name
        pooled.add(split.test, {name: fitted.predictions(past, mean, regressions, effect)})
    return pooled.predictions()[name]
