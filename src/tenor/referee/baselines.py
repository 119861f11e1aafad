"""The baselines that forecasts have to beat: those of tenor's own evaluation, fitted before each year of forecasts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tenor.distribution import Risk
from tenor.engines import Workers
from tenor.errors import HistoryError
from tenor.evaluation.baselines import ALWAYS_UP, BASELINES, DRIFT, PERSISTENCE, fit_baselines
from tenor.evaluation.risk_walk import walk_rivals
from tenor.evaluation.statistical import STATISTICAL, fit_statistical
from tenor.evaluation.volatility_rivals import EWMA, HAR, HAR_X_REFITTED, RIVALS
from tenor.evaluation.walkforward import Pool
from tenor.schema import Float32, Panel, Predictions, label
from tenor.training import Split

FOLD = 252
"""Number of sessions of forecasts after which the baselines are fitted anew."""
VALID = (63, 252)
"""The fewest and the most sessions of a validation part, on which baselines are calibrated and chosen."""
LEAST_TRAIN = 252
"""The fewest sessions before validation with which forecasts are judged; features warm up during half of them."""
TAKEN = frozenset((*BASELINES, *STATISTICAL, *RIVALS))
"""Names that judged models can't have, because baselines have them."""
QUICK_RETURNS = (PERSISTENCE, DRIFT, ALWAYS_UP)
QUICK_RISK = (EWMA, HAR, HAR_X_REFITTED)

StageProgress = Callable[[str, int, int], None]
"""Called with the name of a stage, how many of its steps are done, and how many there are."""


@dataclass(frozen=True)
class Baselines:
    """The baselines' forecasts of all judged sessions.

    Attributes
    ----------
    predictions
        Forecasts of returns and directions, by name of the baseline; empty if none are judged.
    risks
        Forecasts of volatility and quantiles, by name of the baseline; empty if none are judged.
    replaced
        From each rival to the symbols for which it could not be estimated, and was replaced by an EWMA.
    """

    predictions: dict[str, Predictions]
    risks: dict[str, Risk]
    replaced: dict[str, tuple[str, ...]]

    @property
    def level(self) -> Float32:
        """[session, symbol, horizon]; the log of an expected variance minus the expected log of the variance.

        It is measured on the bars before the forecasts (`tenor.distribution.Shape.level` of the EWMA), so it is a
        property of the market and the same for every file.
        """
        ewma = self.risks[EWMA]
        return 2 * np.log(ewma.volatility) - ewma.log_variance

    def variance_of(self, volatility: Float32) -> Float32:
        """The variance that corresponds to a standard deviation of returns.

        The realised variance is measured from gaps and ranges, and is larger than that of closes. The factor is
        measured on the bars before the forecasts (`tenor.distribution.Shape.scale` of the EWMA), and is the same for
        all files.

        Parameters
        ----------
        volatility
            [session, symbol, horizon]; standard deviation of the log return of one session.
        """
        return np.asarray((volatility / self.risks[EWMA].scale[:, None, :]) ** 2)


def first_judged(horizons: Sequence[int]) -> int:
    """The place of the first session of a panel with enough sessions before it for forecasts to be judged."""
    return LEAST_TRAIN + VALID[0] + 2 * max(horizons)


def cut(panel: Panel, start: int, stop: int) -> tuple[Split, ...]:
    """Training, validation and test parts for each `FOLD` sessions of forecasts from `start` to `stop`.

    The training part grows from fold to fold.

    Raises
    ------
    HistoryError
        There are too few sessions before `start`.
    """
    purge = max(panel.horizons)
    room = start - 2 * purge - LEAST_TRAIN
    if room < VALID[0]:
        first = label(panel.sessions[min(start, len(panel.sessions) - 1)], intraday=False)
        raise HistoryError(
            f"{start} sessions of bars before the first forecast ({first}) are too few to fit the baselines on; they "
            f"need {first_judged(panel.horizons)}: import more history."
        )
    valid = min(VALID[1], room)
    splits = []
    for begins in range(start, stop, FOLD):
        after = begins - purge
        splits.append(
            Split(
                slice(0, after - valid - purge),
                slice(after - valid, after),
                slice(begins, min(begins + FOLD, stop)),
                purge,
            )
        )
    return tuple(splits)


def fit(
    panel: Panel,
    splits: Sequence[Split],
    *,
    returns: bool,
    risk: bool,
    quick: bool = False,
    workers: Workers = None,
    progress: StageProgress | None = None,
) -> Baselines:
    """Fit the baselines on the training part of each split and let them forecast its test part.

    Parameters
    ----------
    panel, splits
        The panel, and its splits, whose test parts follow each other.
    returns, risk
        Whether baselines of returns and of risk are needed.
    quick
        Use only fast baselines: no boosting, no GARCH, no ARIMA.
    workers
        Processes that share the symbols.
    progress
        Called for every step.
    """
    pool = Pool(panel)
    if returns:
        for number, split in enumerate(splits):
            past = panel.between(0, split.test.stop)
            of_fold = fit_baselines(past, split, names=QUICK_RETURNS if quick else None, workers=workers)
            if not quick:
                of_fold |= fit_statistical(past, split, workers=workers)
            pool.add(split.test, of_fold)
            if progress is not None:
                progress("baselines of returns", number + 1, len(splits))
    if not risk:
        return Baselines(pool.predictions(), {}, {})
    report = None if progress is None else partial(progress, "baselines of volatility")
    walked = walk_rivals(panel, splits, names=QUICK_RISK if quick else None, workers=workers, progress=report)
    return Baselines(pool.predictions(), walked.forecasts, walked.replaced)
