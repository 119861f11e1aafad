"""`tenor.evaluate`: settings judged on frames, walked forward beside the models that they have to beat."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import pandas as pd

from tenor.calendars import exchange
from tenor.config import Config, FoldConfig
from tenor.engines import Workers
from tenor.errors import ConfigError, HistoryError
from tenor.evaluation.comparators import regressors
from tenor.evaluation.regressors import Regressor
from tenor.evaluation.risk import LOSSES, RiskEvaluation
from tenor.evaluation.walkforward_summary import WalkForwardSummary
from tenor.features.axis import Axis
from tenor.features.own.bundle import Given
from tenor.notebook.frame_store import frame_store
from tenor.pipeline import evaluate as pipeline
from tenor.pipeline.inputs import config_panel
from tenor.pipeline.own import end_of_first_training, prepare_own
from tenor.pipeline.topic_features import with_topics
from tenor.pipeline.train import describe_config
from tenor.progress import progress_bars
from tenor.report import ReportExtras, write_report
from tenor.report.risk import draw_changes
from tenor.schema import DailySentiment
from tenor.views import listed, table_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEST_SHARE, VALID_SHARE = 0.4, 0.15
"""The largest shares of the sessions that all test parts together, and one validation part, may take."""
SHORTEST_TEST = 20
"""The fewest sessions of a test part."""
LONGEST_PART = 126
"""The most sessions of a test or validation part: half a year."""


@dataclass(frozen=True, eq=False)
class WalkForwardEvaluation:
    """How good the forecasts of some settings are, with the model trained anew in every fold.

    `tenor.evaluate` returns it.

    Attributes
    ----------
    verdict
        The result in a few sentences: how far prices move (risk), and which way (direction).
    risk
        From each horizon to its result on risk: the forecast volatility beside its rivals.
    walked
        The result on direction: returns and directions beside the baselines, and each fold by itself.
    config
        The settings.
    symbols
        The symbols of the bars.
    notes
        What was assumed in reading the frames.
    """

    symbols: tuple[str, ...]
    config: Config
    notes: tuple[str, ...]
    _walk: pipeline.WalkedSettings
    _about: dict[str, str]

    @property
    def verdict(self) -> str:
        """The result in a few sentences: how far prices move (risk), and which way (direction)."""
        return self._walk.verdict

    @property
    def risk(self) -> dict[int, RiskEvaluation]:
        """From each horizon to its result on risk: the forecast volatility beside its rivals."""
        return self._walk.risk

    @property
    def walked(self) -> WalkForwardSummary:
        """The result on direction: returns and directions beside the baselines, and each fold by itself."""
        return self._walk.walked

    def to_frame(self) -> pd.DataFrame:
        """The results as a table, with one row for each horizon and model; tenor's model comes first.

        For each of the three losses of volatility (``log_variance_mse, qlike, crps``) there are the mean loss, tenor's
        difference from the model (``change_…``, a share of its loss; below zero tenor is better), and the p-value of
        the difference after Holm's correction (``p_…``). ``coverage_90`` is the share of returns inside the 90 %
        interval. Models that forecast returns also have ``skill, direction, mcc, rank_ic``. What a model does not
        forecast is NaN.
        """
        rows = []
        for horizon, far in self.risk.items():
            way = self.walked.evaluations[horizon].table
            for model in dict.fromkeys((*far.table, *way)):
                row: dict[str, Any] = {"horizon": horizon, "model": model}
                losses, compared = far.table.get(model, {}), far.comparisons.get(model, {})
                for loss in LOSSES:
                    row[loss] = losses[loss].value if loss in losses else math.nan
                    row[f"change_{loss}"] = compared[loss].change if loss in compared else math.nan
                    row[f"p_{loss}"] = compared[loss].holm if loss in compared else math.nan
                row["coverage_90"] = losses["coverage_90"].value if "coverage_90" in losses else math.nan
                for metric in ("skill", "direction", "mcc", "rank_ic"):
                    row[metric] = way[model][metric].value if model in way else math.nan
                rows.append(row)
        return pd.DataFrame(rows)

    def head(self, rows: int = 5) -> pd.DataFrame:
        """The first rows of `to_frame`."""
        return self.to_frame().head(rows)

    def plot(self, *, loss: str = LOSSES[0], ax: Axes | None = None) -> Axes:
        """Draw the difference of the model's loss from that of each rival, in per cent of the rival's, by horizon.

        Parameters
        ----------
        loss
            ``log_variance_mse``, ``qlike`` or ``crps``.
        ax
            Where to draw; new axes by default.

        Raises
        ------
        ConfigError
            There is no such `loss`.
        """
        if loss not in LOSSES:
            raise ConfigError(f"loss is {loss!r}; it takes one of {', '.join(LOSSES)}.")
        return draw_changes(self.risk, loss=loss, ax=ax)

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write the evaluation as one self-contained HTML file, and return its path.

        Raises
        ------
        UsageError
            The file can't be written.
        """
        extras = ReportExtras(trading=self._walk.trading())
        return write_report(Path(path), self._walk, about=self._about, extras=extras)

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "verdict": self.verdict,
            "risk": [evaluation.to_json() for evaluation in self.risk.values()],
            "use": self._walk.use.to_json(),
            "walk_forward": self.walked.to_json(),
        }

    def __len__(self) -> int:
        return len(self.to_frame())

    def __repr__(self) -> str:
        return (
            f"WalkForwardEvaluation({len(self.symbols)} symbols, horizons {listed(tuple(self.risk))}, "
            f"{len(next(iter(self.walked.folds.values())))} folds)\n{self.verdict}"
        )

    def _repr_html_(self) -> str:
        columns = ["horizon", "model", "log_variance_mse", "change_log_variance_mse", "p_log_variance_mse", "qlike"]
        frame = self.to_frame()
        shown = frame.loc[frame["log_variance_mse"].notna(), columns]
        return table_view(repr(self).partition("\n")[0], shown, notes=(self.verdict, *self.notes))


@overload
def evaluate(
    bars: str | os.PathLike[str],
    *,
    config: Config | None = None,
    version: str | None = None,
    report: str | os.PathLike[str],
    show: Sequence[str] = (),
    baselines: Sequence[Any] = (),
    workers: Workers = None,
    progress: bool = True,
) -> pipeline.EvaluationResult: ...


@overload
def evaluate(
    bars: Any,
    news: Any = None,
    config: Config | None = None,
    *,
    folds: int = 4,
    symbol: str | None = None,
    horizons: Sequence[int] | None = None,
    calendar: str | None = None,
    seeds: int | Sequence[int] | None = None,
    sentiment: DailySentiment | None = None,
    own: Sequence[Given] = (),
    events: Any = None,
    allow_leak: bool = False,
    baselines: Sequence[Any] = (),
    workers: Workers = None,
    progress: bool = True,
) -> WalkForwardEvaluation: ...


def evaluate(
    bars: Any,
    news: Any = None,
    config: Config | None = None,
    *,
    folds: int = 4,
    symbol: str | None = None,
    horizons: Sequence[int] | None = None,
    calendar: str | None = None,
    seeds: int | Sequence[int] | None = None,
    sentiment: DailySentiment | None = None,
    own: Sequence[Given] = (),
    events: Any = None,
    allow_leak: bool = False,
    baselines: Sequence[Any] = (),
    workers: Workers = None,
    progress: bool = True,
    version: str | None = None,
    report: str | os.PathLike[str] | None = None,
    show: Sequence[str] = (),
) -> WalkForwardEvaluation | pipeline.EvaluationResult:
    """Judge settings on a frame of bars, or a trained model of a store, beside the baselines.

    With a frame, the settings are walked forward: in every fold the model is trained anew and tested on the sessions
    after the training. The baselines are the same network without attention, GARCH, HAR and EWMA models, linear and
    boosted regressions and others. With the path of a store as `bars`, a trained version of that store is judged, as
    ``tenor evaluate`` does.

    Parameters
    ----------
    bars, news, config, symbol, horizons, calendar, seeds, sentiment, own, events, allow_leak, progress
        As in `tenor.fit`. `bars` may also be the folder or ``s3://bucket/prefix`` of a store.
    folds
        How many test parts. Together they are the last 40 % of the sessions, and each has half a year at most.
        ``Config(folds=...)`` sets their lengths one by one.
    baselines
        More regressors to compare with: scikit-learn regressors, or texts ``path/to/file.py:name``.
    workers
        How many processes train at the same time; one for each core by default.
    version, report, show
        Only with a store: the version to judge, by default the one trained last; the HTML file to write; the symbols
        that get a figure of their own in it.

    Returns
    -------
    WalkForwardEvaluation or EvaluationResult
        The first for a frame, the second for a store.

    Raises
    ------
    FrameError
        A frame can't be used.
    ConfigError
        A setting can't be used.
    HistoryError
        There are too few bars for the folds.
    TenorError
        A regressor raised.
    """
    if isinstance(bars, (str, os.PathLike)):
        if report is None:
            raise ConfigError(f"{os.fspath(bars)!r} is a store: name the page to write, report='report.html'.")
        with progress_bars(quiet=not progress) as shown:
            return pipeline.evaluate(
                os.fspath(bars),
                config=config,
                version=version,
                report=Path(report),
                show=show,
                baselines=baselines,
                workers=workers,
                progress=shown.epoch,
                walking=shown.arm,
            )
    if version is not None or report is not None or show:
        raise ConfigError("version, report and show need a store: with a frame, call .report('x.html') of the result.")
    regressors_given = _own_baselines(baselines)
    store = frame_store(
        bars,
        news,
        config,
        symbol=symbol,
        horizons=horizons,
        calendar=calendar,
        seeds=seeds,
        sentiment=sentiment,
        events=events,
    )
    with progress_bars(quiet=not progress) as shown:
        settings = store.config
        known = store.workspace.bars(settings.symbols or None, calendar=settings.features.calendar)
        sessions = Axis.of(known, settings.features.calendar).sessions
        layout = settings.folds if settings.folds != FoldConfig() else fold_lengths(len(sessions), folds)
        prepared = prepare_own(
            store.workspace,
            settings,
            known,
            given=own,
            train_end=end_of_first_training(known, settings, layout),
            allow_leak=allow_leak,
        )
        until = end_of_first_training(known, settings, layout)
        settings = with_topics(store.workspace, prepared.config, until, shown.texts)
        settings, daily = store.workspace.training_news(settings, until=until, progress=shown.texts, save=True)
        panel = config_panel(settings, known, daily, prepared.own)
        walk = pipeline.walk_settings(
            panel,
            layout,
            features=settings.features,
            model=settings.model,
            training=settings.training,
            own=regressors_given,
            cache=store.workspace.work,
            workers=workers,
            progress=shown.arm,
        )
    span = " … ".join(map(exchange(panel.calendar).label, panel.sessions[[0, -1]]))
    about = {"Bars": f"{span} ({panel.calendar})", **describe_config(settings, panel.symbols)}
    return WalkForwardEvaluation(panel.symbols, replace(settings, folds=layout), store.notes, walk, about)


def fold_lengths(sessions: int, folds: int) -> FoldConfig:
    """The settings of `folds` folds whose test parts are the last 40 % of `sessions`, each half a year at most.

    >>> fold_lengths(1258, 4)
    FoldConfig(folds=4, scheme='expanding', valid_sessions=126, test_sessions=125, test_end=None)
    """
    if type(folds) is not int or folds < 1:
        raise ConfigError(f"folds is {folds!r}; it is a whole number from 1, or Config(folds=tenor.FoldConfig(...)).")
    tests = min(LONGEST_PART, int(TEST_SHARE * sessions) // folds)
    if tests < SHORTEST_TEST:
        most = int(TEST_SHARE * sessions) // SHORTEST_TEST
        remedy = f"take folds={most}" if most else "hand over more"
        raise HistoryError(
            f"{sessions} sessions are too few for {folds} folds: each would test {tests}, and {SHORTEST_TEST} are "
            f"needed: {remedy}."
        )
    return FoldConfig(
        folds=folds,
        valid_sessions=max(1, min(LONGEST_PART, int(VALID_SHARE * sessions))),
        test_sessions=tests,
    )


def _own_baselines(baselines: Sequence[Any]) -> tuple[Regressor, ...]:
    specs = [each for each in baselines if isinstance(each, str)]
    own = [Regressor(type(each).__name__, "baselines", each) for each in baselines if not isinstance(each, str)]
    for regressor in own:
        regressor.unfitted()  # raises now, not after the first fold was trained
    return (*regressors(specs, ("attention LSTM", "LSTM")), *own)
