"""The story on one page, once `collect` filled the lake: score -> build -> train -> register -> evaluate -> predict."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tenor.config import Config
from tenor.errors import ConfigError, HistoryError, UnknownSymbolError
from tenor.evaluation.baselines import fit_baselines
from tenor.evaluation.evaluate import Evaluation
from tenor.evaluation.evaluate import evaluate as judge
from tenor.features import FeatureConfig, build_panel
from tenor.options import to_mapping
from tenor.registry import Registry
from tenor.report import write_report
from tenor.report.sections_mood import mood_section
from tenor.schema import Bars, Forecast, Mood, Panel, Predictions
from tenor.sentiment import Scorer, why
from tenor.sentiment.mood import MoodConfig, daily_mood
from tenor.store import Lake
from tenor.training import Forecaster, Progress, Split, SplitConfig, chronological, fit, usable

Scoring = Callable[[int, int], None]
"""Told of the distinct texts scored, and of how many there are."""

WITHOUT_MOOD = "the same without mood"


# score: news -> mood ------------------------------------------------------------------------------------------------


def score(lake: Lake, config: MoodConfig, *, calendar: str, progress: Scoring | None = None) -> Mood | None:
    """The mood of the lake's news, each text scored once; where there are no news, the mood that the lake holds.

    Raises
    ------
    ModelError : the scoring model is missing or damaged.
    """
    news = lake.news()
    if news.frame.empty:
        return lake.mood()
    scorer = Scorer.load(config.model)
    scores = scorer.score(news.frame["text"].tolist(), cache=lake.score_cache(), progress=progress)
    mood = daily_mood(news, scores, config, calendar=calendar)
    lake.append_mood(mood, source=scorer.model_id)
    return mood


# build: lake -> panel -----------------------------------------------------------------------------------------------


def build(bars: Bars, mood: Mood | None, features: FeatureConfig) -> Panel:
    """The panel of `bars` and, where `features` ask for it and there is one, of `mood`."""
    return build_panel(bars, features, mood=mood if features.sentiment else None)


def split_of(panel: Panel, config: SplitConfig) -> Split:
    """`config`'s parts of `panel`, purged by the longest horizon."""
    return chronological(panel.sessions, config, purge=max(panel.horizons))


# train: panel -> forecaster -> registry -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """A new champion."""

    forecaster: Forecaster
    folder: Path
    parts: str

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "version": self.forecaster.version,
            "folder": str(self.folder),
            "symbols": list(self.forecaster.symbols),
            "features": list(self.forecaster.scaler.features),
            "split": {name: list(days) for name, days in self.forecaster.split.items()},
            "seeds": self.forecaster.curves(),
        }


def train(
    store: str,
    config: Config,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    scoring: Scoring | None = None,
) -> Trained:
    """Train on the lake's bars and mood, save the forecaster as a new version and make it the champion."""
    lake = Lake(store)
    bars = lake.bars(config.symbols or None)
    mood = None
    if config.features.sentiment:
        mood = score(lake, config.mood, calendar=config.features.calendar, progress=scoring)
    panel = build(bars, mood, config.features)
    split = split_of(panel, config.split)
    registry = registry_of(store)
    forecaster = fit(
        panel,
        split,
        features=config.features,
        model=config.model,
        training=config.training,
        checkpoints=registry.folder / "checkpoints",
        progress=progress,
        workers=workers,
    )
    folder = registry.add(forecaster, config.mood)
    return Trained(forecaster, folder, split.describe(panel.sessions))


def registry_of(store: str) -> Registry:
    """The models trained on `store`: beside the lake's tables, or, for a bucket, in the folder ``models``."""
    return Registry(Path("models") if store.startswith("s3://") else Path(store) / "models")


# evaluate: forecaster + panel -> judgement -> report ----------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """A version's evaluation on its test part and, against the same model without mood, on the test sessions that the
    mood reaches, both by horizon; and where the report lies.
    """

    version: str
    evaluations: dict[int, Evaluation]
    ablation: dict[int, Evaluation]
    report: Path

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "version": self.version,
            "report": str(self.report),
            "evaluations": [evaluation.to_json() for evaluation in self.evaluations.values()],
            "ablation": [evaluation.to_json() for evaluation in self.ablation.values()],
        }


def evaluate(
    store: str,
    *,
    config: Config | None = None,
    version: str | None = None,
    report: Path,
    show: Sequence[str] = (),
    workers: int | None = None,
    progress: Progress | None = None,
) -> Judged:
    """Judge a version on the sessions after its validation part, beside the baselines and its own ablations.

    Parameters
    ----------
    config : what the version must have been trained with; None takes it as it is.
    version : the champion if None.
    report : the HTML file to write.
    show : symbols that get a figure of their own; some are picked if none is named.
    """
    registry = registry_of(store)
    forecaster = registry.load(version)
    if config is not None:
        _require_same(config, forecaster)
    lake = Lake(store)
    bars = lake.bars(forecaster.symbols)
    mood = lake.mood() if forecaster.features.sentiment else None
    panel = build(bars, mood, forecaster.features)
    split = split_again(panel, forecaster)
    compare = Companions(registry, forecaster, split, workers, progress)
    predictions = {forecaster.name: forecaster.predict(panel)}
    if forecaster.model.attention:
        predictions["LSTM"] = compare.fitted(panel, "without-attention", model={"attention": False}).predict(panel)
    if mood is not None:
        plain = build(bars, None, replace(forecaster.features, sentiment=False))
        predictions[WITHOUT_MOOD] = compare.fitted(plain, "without-mood", features={"sentiment": False}).predict(plain)
    predictions |= fit_baselines(panel, split)
    # a late starter counts from the session on which the network has seen its lookback; the same cells for all models
    judged = replace(panel, mask=usable(panel, forecaster.model.lookback))
    evaluations = {h: judge(judged, split.test, predictions, horizon=h) for h in panel.horizons}
    ablation = {} if mood is None else ablate(judged, split.test, mood, predictions, ours=forecaster.name)
    shown = tuple(show) or panel.symbols[:3]
    pages = []
    if mood is not None:
        whys = strongest(lake, registry.mood(forecaster.version), shown)
        pages.append(
            mood_section(
                judged,
                mood,
                split.test,
                shown,
                ablation=ablation,
                ours=forecaster.name,
                without=WITHOUT_MOOD,
                whys=whys,
            )
        )
    write_report(
        report,
        evaluations=evaluations,
        panel=judged,
        predictions=predictions,
        attention=forecaster.attention(panel, split.test) if forecaster.model.attention else None,
        rows=split.test,
        history=forecaster.curves(),
        symbols=shown,
        about=about(forecaster, panel, split),
        extra_sections=pages,
    )
    evaluated = Judged(forecaster.version, evaluations, ablation, report)
    write_json(report.with_suffix(".json"), evaluated.to_json())
    return evaluated


@dataclass(frozen=True)
class Why:
    """A text of the lake, and how much each of its words moved its score."""

    text: str
    score: float
    words: tuple[tuple[str, float], ...]


def strongest(lake: Lake, config: MoodConfig, symbols: Sequence[str], count: int = 3) -> list[Why]:
    """The `count` texts of the lake about `symbols` whose scores are farthest from 0, explained; none without news."""
    frame = lake.news(symbols).frame.drop_duplicates("text")
    if frame.empty:
        return []
    scorer = Scorer.load(config.model)
    scores = scorer.score(frame["text"].tolist(), cache=lake.score_cache())
    order = np.argsort(-np.abs(np.where(scores.language_ok, scores.score, 0)), kind="stable")[:count]
    explained = [(text, why(scorer, text)) for text in frame["text"].iloc[order]]
    return [Why(text, e.score, tuple((word.text, word.contribution) for word in e.words)) for text, e in explained]


def ablate(
    panel: Panel, test: slice, mood: Mood, predictions: Mapping[str, Predictions], *, ours: str
) -> dict[int, Evaluation]:
    """The model beside the same model without mood, on those test sessions that the mood reaches; by horizon."""
    first, last = mood.frame["session"].min(), mood.frame["session"].max()
    start = max(test.start, int(panel.sessions.searchsorted(first)))
    stop = min(test.stop, int(panel.sessions.searchsorted(last, side="right")))
    if stop <= start:
        return {}
    pair = {name: predictions[name] for name in (ours, WITHOUT_MOOD)}
    return {h: judge(panel, slice(start, stop), pair, horizon=h) for h in panel.horizons}


def _require_same(config: Config, forecaster: Forecaster) -> None:
    for part in ("features", "model", "training"):
        asked, trained = (to_mapping(getattr(source, part)) for source in (config, forecaster))
        for key, value in trained.items():
            if asked[key] != value:
                raise ConfigError(
                    f"{part}.{key} is {asked[key]!r}, but version {forecaster.version} was trained with {value!r}: "
                    "train with this config first, or leave it out."
                )


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write `value` to `path` as JSON, whole or not at all."""
    write_text(path, json.dumps(value, allow_nan=False, indent=1))


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def split_again(panel: Panel, forecaster: Forecaster) -> Split:
    """The parts that `forecaster` was trained and is tested on, found again by date.

    Raises
    ------
    HistoryError : the lake no longer has a session that a part began or ended with.
    """
    rows: dict[str, slice] = {}
    for name, days in forecaster.split.items():
        first, last = (panel.sessions.get_indexer(pd.DatetimeIndex([day]))[0] for day in days)
        if min(first, last) < 0:
            raise HistoryError(
                f"the model's {name} part, {days[0]} … {days[1]}, is not in the lake's bars, which span "
                f"{panel.sessions[0]:%Y-%m-%d} … {panel.sessions[-1]:%Y-%m-%d}: use the lake it was trained on."
            )
        rows[name] = slice(int(first), int(last) + 1)
    train, valid, test = (rows[name] for name in ("train", "validation", "test"))
    return Split(train, valid, test, purge=valid.start - train.stop)


@dataclass(frozen=True)
class Companions:
    """Models that a version is compared with: same data, same seeds, one thing changed; trained once and kept."""

    registry: Registry
    forecaster: Forecaster
    split: Split
    workers: int | None
    progress: Progress | None

    def fitted(
        self, panel: Panel, name: str, *, features: Mapping[str, Any] = {}, model: Mapping[str, Any] = {}
    ) -> Forecaster:
        """The model with `features` and `model` in place of those settings of the forecaster."""
        folder = self.registry.companion(self.forecaster, name)
        if folder.exists():
            return Forecaster.load(folder)
        companion = fit(
            panel,
            self.split,
            features=replace(self.forecaster.features, **features),
            model=replace(self.forecaster.model, **model),
            training=self.forecaster.training,
            checkpoints=self.registry.folder / "checkpoints",
            progress=self.progress,
            workers=self.workers,
        )
        companion.save(folder)
        return companion


def about(forecaster: Forecaster, panel: Panel, split: Split) -> dict[str, str]:
    """What the report says of the model, its data and its settings."""
    return {
        "Model version": forecaster.version,
        "Symbols": str(len(panel.symbols)),
        "Bars": f"{panel.sessions[0]:%Y-%m-%d} … {panel.sessions[-1]:%Y-%m-%d}",
        **{
            name.capitalize(): f"{panel.sessions[rows.start]:%Y-%m-%d} … {panel.sessions[rows.stop - 1]:%Y-%m-%d}"
            f" ({rows.stop - rows.start} sessions)"
            for name, rows in split.parts().items()
        },
        "Purged between the parts": f"{split.purge} sessions",
        "Features": f"{len(panel.features)}, known at each session's close",
        "Network": ", ".join(f"{key} {value}" for key, value in to_mapping(forecaster.model).items()),
        "Training": ", ".join(f"{key} {value}" for key, value in to_mapping(forecaster.training).items()),
    }


# predict: forecaster + last bars -> forecasts -----------------------------------------------------------------------


def predict(store: str, symbols: Sequence[str], *, horizon: int = 1, version: str | None = None) -> list[Forecast]:
    """Forecasts of `symbols` from the last bars in the lake.

    Raises
    ------
    UnknownSymbolError : the lake has no such symbol. ModelError : nothing was trained yet.
    """
    lake = Lake(store)
    registry = registry_of(store)
    forecaster = registry.load(version)
    known = lake.symbols()
    for symbol in symbols:
        if symbol not in known:
            raise UnknownSymbolError(symbol, known)
    # cross-stock features need the whole universe that the model was trained on, beside what is asked for
    universe = sorted({*symbols, *(symbol for symbol in forecaster.symbols if symbol in known)})
    mood = None
    if forecaster.features.sentiment:
        mood = score(lake, registry.mood(version or registry.champion()), calendar=forecaster.features.calendar)
    panel = build(lake.bars(universe), mood, forecaster.features)
    return [forecaster.forecast(panel, symbol, horizon) for symbol in symbols]
