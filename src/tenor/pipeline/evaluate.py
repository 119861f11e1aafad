"""Evaluate: a version and its settings, walked forward and on its own test part, beside baselines -> report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tenor.calendars import exchange
from tenor.config import Config, FeatureConfig, FoldConfig, ModelConfig, TrainConfig, to_mapping
from tenor.engines import Workers
from tenor.errors import ConfigError, HistoryError
from tenor.evaluation.baselines import fit_baselines
from tenor.evaluation.companions import Companions
from tenor.evaluation.comparators import StageProgress, folds_after, regressors, walk_with_comparators
from tenor.evaluation.cost_sweep import CostSweep, sweep_costs
from tenor.evaluation.evaluate import Evaluation
from tenor.evaluation.evaluate import evaluate as evaluate_horizon
from tenor.evaluation.faithfulness import Faithfulness, faithfulness, testable
from tenor.evaluation.news_sessions import compare_on_news_sessions, compare_risk_on_news_sessions
from tenor.evaluation.regressors import Regressor
from tenor.evaluation.risk import RiskEvaluation
from tenor.evaluation.risk_walk import RiskUse, risk_evaluations, risk_headline, use_risk, walk_rivals
from tenor.evaluation.titles import TITLES
from tenor.evaluation.walkforward_summary import WalkForwardSummary, headline, summarise_walk
from tenor.features import build_panel
from tenor.features.kinds import TOPIC
from tenor.inference.cells import usable
from tenor.inference.recipe import Recipe
from tenor.pipeline.news_details import news_details
from tenor.pipeline.own import require_same_code
from tenor.pipeline.predict import require_moment
from tenor.pipeline.train import load
from tenor.report import Fold, ReportExtras, TextTable, write_report
from tenor.report.model import attention_blocks, faithfulness_blocks, training_blocks
from tenor.report.results import metric_cell
from tenor.report.style import sessions_ahead
from tenor.report.symbols import symbols_by_coverage
from tenor.schema import KINDS, Panel, Predictions
from tenor.storage.files import write_json
from tenor.training import Forecaster, Progress, Split, split_from_dates
from tenor.training.candidate import tried
from tenor.training.folds import walk_forward
from tenor.workspace import Workspace

WITHOUT_SENTIMENT = "the same without sentiment"


@dataclass(frozen=True, repr=False)
class EvaluationResult:
    """The result of `evaluate`.

    It has three parts: the version's settings walked forward (risk and direction); the version itself on its own test
    part, by horizon; and the version against the same model without sentiment, on the test sessions with sentiment. It
    also says where the report was written.
    """

    version: str
    walked: WalkForwardSummary
    risk: dict[int, RiskEvaluation]
    use: RiskUse
    evaluations: dict[int, Evaluation]
    ablation: dict[int, Evaluation]
    risk_ablation: dict[int, RiskEvaluation]
    trading: CostSweep
    attention: Faithfulness | None
    report: Path

    @property
    def verdict(self) -> str:
        """How far, and which way."""
        return _verdict(self.risk, self.walked)

    def __repr__(self) -> str:
        return f"EvaluationResult(version {self.version}, {self.report})\n{self.verdict}"

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "verdict": self.verdict,
            "version": self.version,
            "report": str(self.report),
            "risk": [evaluation.to_json() for evaluation in self.risk.values()],
            "use": self.use.to_json(),
            "walk_forward": self.walked.to_json(),
            "test_verdict": headline(self.evaluations, "the version's own test part"),
            "evaluations": [evaluation.to_json() for evaluation in self.evaluations.values()],
            "ablation": [evaluation.to_json() for evaluation in self.ablation.values()],
            "risk_ablation": [evaluation.to_json() for evaluation in self.risk_ablation.values()],
            "trading": self.trading.to_json(),
            "attention": None if self.attention is None else self.attention.to_json(),
        }


@dataclass(frozen=True, eq=False)
class WalkedSettings:
    """A model's settings walked forward beside all rivals that they have to beat.

    Attributes
    ----------
    walked
        The results on returns and direction, by horizon.
    risk
        The results on risk, by horizon.
    use
        What the forecasts of risk are worth.
    replaced
        From each rival to the symbols for which it could not be estimated.
    panel
        The panel, unscaled; its mask has only the cells that are evaluated.
    rows
        All test parts, as places on the panel's session axis.
    forecasts
        The model's forecasts, with adaptive intervals if it has any.
    """

    walked: WalkForwardSummary
    risk: dict[int, RiskEvaluation]
    use: RiskUse
    replaced: Mapping[str, tuple[str, ...]]
    panel: Panel
    rows: slice
    forecasts: Predictions

    @property
    def verdict(self) -> str:
        """How far, and which way."""
        return _verdict(self.risk, self.walked)

    def trading(self, tried: int = 1) -> CostSweep:
        """What trading on the forecasts of the shortest horizon would have earned.

        Parameters
        ----------
        tried
            How many configurations were tried; the deflated Sharpe ratio allows for it.
        """
        return sweep_costs(self.panel, self.rows, self.forecasts, horizon=self.panel.horizons[0], tried=tried)


def walk_settings(
    panel: Panel,
    folds: FoldConfig,
    *,
    features: FeatureConfig,
    model: ModelConfig,
    training: TrainConfig,
    own: Sequence[Regressor] = (),
    cache: Path | None = None,
    workers: Workers = None,
    progress: StageProgress | None = None,
) -> WalkedSettings:
    """Train with the settings anew in each of `folds`, and judge the forecasts of its test part.

    The parameters are those of `walk_with_comparators`.
    """
    splits = walk_forward(panel.sessions, folds, purge=max(panel.horizons))
    walk = walk_with_comparators(
        panel,
        splits,
        features=features,
        model=model,
        training=training,
        own=own,
        cache=cache,
        workers=workers,
        progress=progress,
    )
    walked = summarise_walk(panel, walk, scheme=folds.scheme)
    report_garch = None if progress is None else partial(progress, "GARCH models")
    rivals = walk_rivals(panel, splits, workers=workers, progress=report_garch)
    risk = risk_evaluations(panel, walk, rivals.forecasts)
    return WalkedSettings(
        walked,
        risk,
        use_risk(panel, walk, rivals.forecasts),
        rivals.replaced,
        walk.counted(panel),
        walk.rows,
        walk.predictions[walk.name] if walk.adaptive is None else walk.adaptive,
    )


def _verdict(risk: Mapping[int, RiskEvaluation], walked: WalkForwardSummary) -> str:
    which_way = walked.verdict
    name = next(iter(next(iter(walked.evaluations.values())).table))
    if not which_way.startswith(name):  # a model's name keeps its capital letters
        which_way = f"{which_way[0].lower()}{which_way[1:]}"
    return f"{risk_headline(risk)} Which way: {which_way}"


def evaluate(
    store: str,
    *,
    config: Config | None = None,
    version: str | None = None,
    as_of: str | None = None,
    report: Path,
    show: Sequence[str] = (),
    baselines: Sequence[str] = (),
    workers: Workers = None,
    progress: Progress | None = None,
    walking: StageProgress | None = None,
) -> EvaluationResult:
    """Walk a version's settings forward, and judge it on the sessions after its validation part, beside baselines.

    A killed run goes on with the folds and networks that it had finished.

    Parameters
    ----------
    config
        Settings that the version must have been trained with; None accepts any. Its folds are walked; if they are left
        at their defaults, the folds are over the version's own test part.
    version
        The version to evaluate; None means the one trained last.
    as_of
        The moment at which its forecasts must be made, ``close`` or ``open``; None accepts both.
    report
        The HTML file to write.
    show
        Symbols that get their own figure; some are picked if none is named.
    baselines
        The user's own regressors, each ``path/to/file.py:name``.
    """
    workspace = Workspace(store)
    forecaster = load(workspace.registry, version or "latest")
    recipe = forecaster.recipe
    require_moment(recipe, as_of)
    if config is not None:
        _require_same(config, forecaster)
        require_same_code(config.features, forecaster.recipe.own, forecaster.version)
    own_baselines = regressors(baselines, (forecaster.name, "LSTM", WITHOUT_SENTIMENT))
    calendar = recipe.features.calendar
    bars = workspace.bars(recipe.symbols, calendar=calendar)
    sentiment = workspace.model_news(recipe)
    covariates = workspace.covariates(recipe.features, recipe.own)
    panel = recipe.panel(bars, sentiment, covariates)
    split = split_from_dates(panel.sessions, recipe.split)
    if split.test.stop - split.test.start < 2:
        raise HistoryError(
            f"version {forecaster.version} learned up to the end of its bars, and its test part "
            f"{recipe.split['test'][0]} has 1 session: judge its settings on the bars, as tenor.evaluate(df) does, or "
            "train with an earlier split.valid_end."
        )

    # its settings walked forward, trained anew in every fold
    folds = config.folds if config is not None and config.folds != FoldConfig() else None
    folds = folds or folds_after(split, recipe.split["test"][1])
    _refuse_known_topics(recipe, panel, split, folds)
    walk = walk_settings(
        panel,
        folds,
        features=recipe.features,
        model=recipe.model,
        training=forecaster.training,
        own=own_baselines,
        cache=workspace.work,
        workers=workers,
        progress=walking,
    )

    # the version itself on its own test part, beside companions and baselines
    companions = Companions(forecaster, split, workspace.work, workers, progress)
    predictions = {forecaster.name: forecaster.predict(panel)}
    if recipe.model.attention_lstm:
        predictions["LSTM"] = companions.fitted(panel, "without-attention", model={"attention": False}).predict(panel)
    if sentiment is not None:
        own = recipe.own.with_covariates(covariates)
        plain = build_panel(bars, replace(recipe.features, sentiment=False), own=own)
        without = companions.fitted(plain, "without-sentiment", features={"sentiment": False})
        predictions[WITHOUT_SENTIMENT] = without.predict(plain)
    predictions |= fit_baselines(panel, split, workers=workers) | {
        regressor.name: regressor(panel, split) for regressor in own_baselines
    }
    # a symbol that starts late counts once the network has seen a lookback of it; all models get the same cells
    counted = replace(panel, mask=usable(panel, recipe.lookback))
    evaluations = {h: evaluate_horizon(counted, split.test, predictions, horizon=h) for h in panel.horizons}
    ablation, risk_ablation = {}, {}
    if sentiment is not None:
        ours, plain_name = forecaster.name, WITHOUT_SENTIMENT
        ablation = compare_on_news_sessions(counted, split.test, sentiment, predictions, ours=ours, without=plain_name)
        risk_ablation = compare_risk_on_news_sessions(
            counted, split.test, sentiment, predictions, ours=ours, without=plain_name
        )
    first = panel.horizons[0]
    trading = walk.trading(tried(workspace.work / "tuning"))
    attention = faithfulness(forecaster, panel, split.test, horizon=first) if testable(forecaster, panel) else None
    result = EvaluationResult(
        forecaster.version,
        walk.walked,
        walk.risk,
        walk.use,
        evaluations,
        ablation,
        risk_ablation,
        trading,
        attention,
        report,
    )

    held = {symbol: row["coverage_90"] for symbol, row in walk.risk[first].by_symbol.items()}
    news = news_details(
        workspace,
        recipe,
        counted,
        split,
        sentiment,
        tuple(show) or tuple(symbols_by_coverage(held)),
        returns=ablation,
        risk=risk_ablation,
        ours=forecaster.name,
        without=WITHOUT_SENTIMENT,
    )
    attends = forecaster.attention(panel, split.test) if forecaster.attends else None
    write_report(
        report,
        walk,
        about=describe_version(forecaster, panel, split),
        extras=ReportExtras(
            news=news,
            trading=trading,
            folds=[
                Fold(
                    f"Version {forecaster.version}: how it learned, and its own test part",
                    (
                        *training_blocks(forecaster.curves()),
                        _own_test_part(evaluations),
                    ),
                ),
                *(
                    []
                    if attends is None
                    else [
                        Fold(
                            "Attention of this version",
                            (
                                *attention_blocks(counted, split.test, attends),
                                *(() if attention is None else faithfulness_blocks(attention)),
                            ),
                        )
                    ]
                ),
            ],
            symbols=show,
        ),
    )
    write_json(report.with_suffix(".json"), result.to_json())
    return result


def _own_test_part(evaluations: Mapping[int, Evaluation]) -> TextTable:
    metrics = ("skill", "direction", "rank_ic")
    rows = tuple(
        (sessions_ahead(h), *(metric_cell(next(iter(e.table.values()))[metric], metric) for metric in metrics))
        for h, e in evaluations.items()
    )
    return TextTable(
        ("horizon", *(TITLES[metric].title for metric in metrics)), rows, "This version alone, on its test part"
    )


def _refuse_known_topics(recipe: Recipe, panel: Panel, split: Split, folds: FoldConfig) -> None:
    """Raise ConfigError where `folds` test sessions whose news the topics of the model were fitted on."""
    if not recipe.sentiment.topics_model:
        return
    first = walk_forward(panel.sessions, folds, purge=max(panel.horizons))[0].test.start
    if first < split.train.stop:
        days = exchange(panel.calendar).label
        raise ConfigError(
            f"[folds] test from {days(panel.sessions[first])} on, and the topics of version {recipe.version} were "
            f"fitted on news up to {days(panel.sessions[split.train.stop - 1])}: leave [folds] out, or take fewer or "
            "shorter ones."
        )


def _require_same(config: Config, forecaster: Forecaster) -> None:
    for part in ("features", "model", "training"):
        ours, theirs = getattr(config, part), getattr(forecaster, part)
        requested, trained = to_mapping(ours), to_mapping(theirs)
        for key in {**trained, **requested}:
            # a setting that the mapping leaves out has its default
            wanted, value = requested.get(key, getattr(ours, key)), trained.get(key, getattr(theirs, key))
            if wanted != value and not _meant(key, wanted, value):
                raise ConfigError(
                    f"{part}.{key} is {wanted!r}, but version {forecaster.version} was trained with {value!r}: train "
                    "with this config first, or leave it out."
                )


def _meant(key: str, requested: Any, trained: Any) -> bool:
    """Whether a training made `trained` of what `requested` left open: kinds of events, kinds of news, topics."""
    if key == "kinds":
        named = [kind for kind in trained or () if not kind.startswith(TOPIC)]
        return requested is None or named == list(KINDS if requested is True else requested or ())
    return key == "events" and requested is True and bool(trained)


_KNOWN_AT = {"close": "at each session's close", "open": "before the next open: bars to the close, news of the night"}


def describe_version(forecaster: Forecaster, panel: Panel, split: Split) -> dict[str, str]:
    """The lines of the report about the model, its data and its settings."""
    parts = split.parts()
    span = " … ".join(map(exchange(panel.calendar).label, panel.sessions[[0, -1]]))
    return {
        "Model version": forecaster.version,
        "Symbols": str(len(panel.symbols)),
        "Bars": f"{span} ({panel.calendar})",
        **{
            name.capitalize(): f"{first} … {last} ({parts[name].stop - parts[name].start} sessions)"
            for name, (first, last) in split.dates(panel.sessions).items()
        },
        "Purged between the parts": f"{split.purge} sessions",
        "Features": f"{len(panel.features)}, known {_KNOWN_AT[forecaster.features.as_of]}",
        **({"Own features": ", ".join(forecaster.recipe.own.names)} if forecaster.recipe.own else {}),
        **({} if forecaster.attends else {"Attention": "none: the network gives no weights"}),
        "All settings": f"tenor models show {forecaster.version}",
    }
