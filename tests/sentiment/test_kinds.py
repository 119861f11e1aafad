from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tenor.errors import ModelError
from tenor.kinds import KINDS, PRESENT, StoredKinds
from tenor.schema.arrays import Float32
from tenor.sentiment.denials import put_denials_as_change
from tenor.sentiment.encoder import SHIPPED
from tenor.sentiment.kinds import EMBEDDING_SIZE, FILE, KindsClassifier, classifier_bytes
from tenor.sentiment.scorer import Scorer
from tenor.sentiment.text import clean, text_hash
from tenor.store import Lake
from tenor.store.item_scores import LakeScores

CLEAR = {
    "Vexmoor reports a fourth-quarter profit of 12 million and raises its guidance": {"earnings"},
    "Broker lowers its rating of Vexmoor to underweight and its price target to 40 dollars": {"analyst"},
    "Vexmoor agrees to acquire rival Quillstone for 2 billion in cash": {"merger"},
    "Vexmoor launches a new version of its tablet": {"product"},
    "Vexmoor sued over patents, court to hear the case": {"legal"},
    "Vexmoor raises its dividend and announces a share buyback": {"payout"},
    "Inflation slows as the central bank leaves interest rates unchanged": {"macro"},
    "Vexmoor names a new chief executive": {"management"},
    "Shares of Vexmoor drop 7 % to a two-year low": {"price"},
    "Quarterly profit beats estimates and the dividend is raised": {"earnings", "payout"},
    "The company opens an office in Turku": set(),
}
"""A text and its kinds: what the classifier must not get wrong."""


class Frozen(LakeScores):
    """A cache that must hold everything already."""

    def put(self, scores: object, model_id: str) -> None:
        assert not scores

    def put_kinds(self, kinds: StoredKinds, model_id: str) -> None:
        raise AssertionError("everything was stored before")


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer.load()


def _arrays(width: int = 4) -> dict[str, Float32]:
    rng = np.random.default_rng(0)
    return {
        "mean": np.arange(width, dtype=np.float32),
        "scale": np.full(width, 2, np.float32),
        "weights": rng.normal(size=(width, len(KINDS))).astype(np.float16).astype(np.float32),
        "bias": rng.normal(size=len(KINDS)).astype(np.float32),
        "projection": rng.normal(size=(width, EMBEDDING_SIZE)).astype(np.float16).astype(np.float32),
    }


@pytest.mark.parametrize("text", CLEAR)
def test_clear_texts(scorer: Scorer, text: str) -> None:
    (row,) = scorer.score([text], kinds=True).rows()
    assert {kind for kind, probability in row["kinds"].items() if probability >= PRESENT} == CLEAR[text]


def test_kinds_and_embeddings_are_there_where_they_are_asked_for_and_a_text_can_be_read(scorer: Scorer) -> None:
    texts = [
        "Vexmoor raises its dividend",
        "",
        "Die Aktien des Unternehmens sind nach der Gewinnwarnung stark gefallen",
    ]
    plain = scorer.score(texts)
    assert plain.kinds is None
    assert plain.embeddings is None
    assert "kinds" not in plain.rows()[0]
    scores = scorer.score(texts, embeddings=True)
    np.testing.assert_array_equal(scores.probabilities, plain.probabilities)
    assert scores.kinds is not None
    assert scores.embeddings is not None
    assert scores.kinds.dtype == np.float32
    assert scores.embeddings.dtype == np.float16
    assert scores.kinds.shape == (3, 9)
    assert scores.embeddings.shape == (3, EMBEDDING_SIZE)
    assert np.isfinite(scores.kinds).all(axis=1).tolist() == [True, False, False]
    assert np.isfinite(scores.embeddings).all(axis=1).tolist() == [True, False, False]
    assert [row["kinds"] is None for row in scores.rows()] == [False, True, True]
    nothing = scorer.score([], embeddings=True)
    assert nothing.kinds is not None
    assert nothing.kinds.shape == (0, 9)


def test_kinds_depend_on_the_text_alone(scorer: Scorer) -> None:
    texts = list(CLEAR)
    together = scorer.score(texts * 2, kinds=True).kinds
    alone = [scorer.score([text], kinds=True).kinds for text in texts]
    assert together is not None
    np.testing.assert_allclose(
        together, np.tile(np.concatenate([one for one in alone if one is not None]), (2, 1)), atol=1e-4
    )


def test_the_file_gives_the_numbers_back(tmp_path: Path) -> None:
    arrays = _arrays()
    content = classifier_bytes("some-encoder", arrays)
    assert content == classifier_bytes("some-encoder", arrays)
    (tmp_path / FILE).write_bytes(content)
    classifier = KindsClassifier.load(tmp_path / FILE)
    assert classifier.encoder == "some-encoder"
    assert classifier.model_id == f"some-encoder+{classifier.digest}"
    embeddings = np.array([[0, 1, 2, 3], [2, 1, 2, 3]], np.float32)
    expected = 1 / (1 + np.exp(-(np.array([[0.0] * 4, [1, 0, 0, 0]]) @ arrays["weights"] + arrays["bias"])))
    np.testing.assert_allclose(classifier.probabilities(embeddings), expected, rtol=1e-5)
    np.testing.assert_allclose(classifier.projected(embeddings)[1], arrays["projection"][0], rtol=1e-3)
    with pytest.raises(ModelError, match=r"shape \(2, 3\) are not \[n, 4\]"):
        classifier.probabilities(embeddings[:, :3])
    extreme = classifier.probabilities(np.full((1, 4), 1e6, np.float32))
    assert ((extreme >= 0) & (extreme <= 1)).all()


def test_a_file_that_is_no_classifier_is_named(tmp_path: Path) -> None:
    path = tmp_path / FILE
    with pytest.raises(ModelError, match=r"kinds\.npz can't be read"):
        KindsClassifier.load(path)
    good = classifier_bytes("e", _arrays())
    wrong = {**_arrays(), "mean": np.zeros(3, np.float32)}
    infinite = {**_arrays(), "bias": np.full(9, np.nan, np.float32)}
    for content in (
        b"",
        b"PK",
        good[:-200],
        b"\x00" * 300,
        classifier_bytes("e", wrong),
        classifier_bytes("e", infinite),
    ):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"kinds\.npz is damaged, or is not a classifier") as raised:
            KindsClassifier.load(path)
        assert "\n" not in str(raised.value)
    np.savez(path, about=np.array([{}], dtype=object))
    with pytest.raises(ModelError, match="damaged"):
        KindsClassifier.load(path)


def test_a_classifier_of_another_encoder_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(classifier_bytes("another", _arrays()))
    scorer = Scorer.load(kinds=tmp_path / FILE)
    with pytest.raises(ModelError, match="was trained for the encoder another, not for tenor-minilm"):
        scorer.score(["Vexmoor gains"], kinds=True)
    assert scorer.score(["Vexmoor gains"]).kinds is None


def test_a_changed_classifier_beside_the_weights_is_refused(tmp_path: Path) -> None:
    weights = Path(shutil.copytree(SHIPPED, tmp_path / "weights"))
    (weights / FILE).write_bytes((weights / FILE).read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"kinds\.npz is truncated or changed"):
        Scorer.load(weights)
    config = weights / "config.json"
    for kinds in ("kinds.npz", {"file": "../kinds.npz", "sha256": "0"}, {"file": FILE}):
        config.write_text(json.dumps({**json.loads(config.read_text()), "kinds": kinds}))
        with pytest.raises(ModelError, match="does not describe weights"):
            Scorer.load(weights)


def test_weights_without_a_classifier_give_sentiment_and_a_clear_line(tmp_path: Path) -> None:
    weights = Path(shutil.copytree(SHIPPED, tmp_path / "weights"))
    config = json.loads((weights / "config.json").read_text())
    del config["kinds"]
    (weights / "config.json").write_text(json.dumps(config))
    scorer = Scorer.load(weights)
    assert not scorer.has_kinds
    assert np.isfinite(scorer.score(["Vexmoor gains"]).score).all()
    with pytest.raises(ModelError, match="no classifier of the kinds of news came with tenor-minilm"):
        scorer.score(["Vexmoor gains"], kinds=True)


def test_a_lake_with_sentiment_alone_gets_the_kinds_too(tmp_path: Path, scorer: Scorer) -> None:
    texts = [*CLEAR, "", next(iter(CLEAR))]
    cache = Lake(tmp_path / "lake").score_cache()
    scorer.score(texts, cache=cache)
    stored = dict(cache.get(_hashes(texts), scorer.model_id))
    first = scorer.score(texts, cache=cache, kinds=True)
    # the sentiment stays as it was stored, to the bit
    assert dict(cache.get(list(stored), scorer.model_id)) == stored
    again = scorer.score(texts, cache=Frozen(cache.versions), embeddings=True)
    np.testing.assert_array_equal(again.kinds, first.kinds)
    direct = scorer.score(texts, embeddings=True)
    assert again.embeddings is not None
    assert direct.embeddings is not None
    np.testing.assert_allclose(again.embeddings.astype(float), direct.embeddings.astype(float), atol=0.05)


def _hashes(texts: list[str]) -> list[str]:
    return [text_hash(put_denials_as_change(clean(text))) for text in texts if text]
