from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tenor.sentiment.scores import LABELS
from tenor.sentiment.training.labelled import LabelledTexts

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import shipped_weights  # noqa: E402

from tenor.sentiment.scorer import Scorer, softmax  # noqa: E402
from tenor.sentiment.text import duplicate_key  # noqa: E402
from tenor.sentiment.training.classifier import FineTuneConfig, load_encoder  # noqa: E402

QUICK = FineTuneConfig(
    epochs=2, batch_size=16, learning_rate=3e-3, head_learning_rate=3e-2, freeze_embeddings=False, max_tokens=32
)


@pytest.fixture
def sets(tmp_path: Path, easy: LabelledTexts) -> Path:
    """The three published sets in miniature; PhraseBank and TFNS's two parts share sentences."""
    for name in ("fpb", "tfns", "sentfin"):
        (tmp_path / name).mkdir()
    rows = [(text, LABELS[label]) for text, label in zip(easy.texts, easy.labels, strict=True)]
    phrases = [f"{text.upper()} .@{label}\n" for text, label in rows[:60]]
    (tmp_path / "fpb" / "Sentences_50Agree.txt").write_text("".join(phrases))
    number = {"negative": 0, "positive": 1, "neutral": 2}
    for part, share in (("train", rows[40:120]), ("valid", rows[110:130])):
        lines = "".join(f"{text},{number[label]}\n" for text, label in share)
        (tmp_path / "tfns" / f"sent_{part}.csv").write_text("text,label\n" + lines)
    lines = "".join(f"{i},{text},{{'acme': '{label}'}},4\n" for i, (text, label) in enumerate(rows[100:]))
    (tmp_path / "sentfin" / "SEntFiN.csv").write_text("S No.,Title,Decisions,Words\n" + lines)
    return tmp_path


def test_training_never_sees_a_tested_sentence(sets: Path, easy: LabelledTexts) -> None:
    train, valid = shipped_weights.public_sentences(sets)
    tested = {duplicate_key(text) for text in (*easy.texts[:60], *easy.texts[110:130])}
    assert not tested & {duplicate_key(text) for text in (*train.texts, *valid.texts)}
    assert not set(train.texts) & set(valid.texts)
    assert set(train.texts) | set(valid.texts) == {*easy.texts[60:110], *easy.texts[130:]}


def test_the_shipped_recipe_runs_to_its_end_and_resumes(
    sets: Path, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped_weights, "encoder_folder", lambda: tiny_bert)
    for name in ("TEACHER_RUN", "TEACHER_LAST", "SHIPPED_RUN", "SHIPPED_LAST"):
        monkeypatch.setattr(shipped_weights, name, QUICK)
    for name in ("TEACHER_STATEMENTS", "STATEMENTS", "POSTS"):
        monkeypatch.setattr(shipped_weights, name, 20)
    posts = [f"people say that acme number {i} is all right" for i in range(30)]
    first = shipped_weights.train_shipped(sets, posts, tmp_path / "out", teacher=tiny_bert, work=tmp_path / "work")
    assert first.n > 0
    assert Scorer.load(tmp_path / "out").model_id.startswith("tenor-minilm-")
    steps: list[int] = []
    again = shipped_weights.train_shipped(
        sets,
        posts[::-1],
        tmp_path / "again",
        teacher=tiny_bert,
        work=tmp_path / "work",
        on_step=lambda step, _: steps.append(step),
    )
    assert steps == []  # all five trainings were finished before
    assert again == first
    assert (tmp_path / "again" / "model.onnx").read_bytes() == (tmp_path / "out" / "model.onnx").read_bytes()


def test_posts_to_learn_from_are_distinct_english_and_unseen(easy: LabelledTexts) -> None:
    posts = [f"the price of acme rose on day {i} and more" for i in range(8)]
    others = ["", "up up up", easy.texts[3].upper(), "der kurs der aktie ist heute stark gestiegen", posts[2].title()]
    distinct = shipped_weights.unlabelled([*posts, *others], easy)
    assert {duplicate_key(text) for text in distinct} == set(posts)
    assert shipped_weights.unlabelled([*others, *posts[::-1]], easy) == distinct


def test_a_label_counts_twice_where_numbers_are_compared(tiny_bert: Path) -> None:
    large = load_encoder(tiny_bert, QUICK)
    texts = ("acme sets date", "sales were 12 against 10")
    sentences = LabelledTexts(texts, np.array([2, 2], dtype=np.int64), "two")
    probabilities = softmax(large.logits(texts))
    label = np.array([0.0, 0.0, 1.0])
    expected = [0.25 * label + 0.75 * probabilities[0], 0.5 * label + 0.5 * probabilities[1]]
    np.testing.assert_allclose(shipped_weights.mixed_targets(large, sentences, 0.25), expected, atol=1e-6)
