from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tenor.errors import DataError
from tenor.kinds import KINDS, PRESENT
from tenor.sentiment.encoder import OnnxEncoder
from tenor.sentiment.kinds import FILE
from tenor.sentiment.scorer import Scorer
from tenor.sentiment.training.kinds import best_threshold, embed, fit_kinds

WORDS = dict(
    zip(
        KINDS,
        (
            "quarterly profit",
            "broker upgrade",
            "takeover bid",
            "new tablet",
            "court fine",
            "dividend",
            "inflation",
            "chief executive",
            "shares jump",
        ),
        strict=True,
    )
)
FIRMS = ("Vexmoor", "Quillstone", "Harlin", "Osterby", "Penhallow", "Lindqvist", "Marrowby", "Tidewell")


@pytest.fixture(scope="module")
def encoder() -> OnnxEncoder:
    return OnnxEncoder()


def _texts() -> tuple[list[str], np.ndarray]:
    texts = [f"{words} at {firm}" for words in WORDS.values() for firm in FIRMS]
    return texts, np.repeat(np.eye(len(KINDS), dtype=np.int8), len(FIRMS), axis=0)


def test_a_classifier_learns_loads_and_repeats(encoder: OnnxEncoder, tmp_path: Path) -> None:
    texts, labels = _texts()
    content, held_out = fit_kinds(encoder, texts, labels, weak_texts=texts[::2], weak_labels=labels[::2])
    again, _ = fit_kinds(encoder, texts, labels, weak_texts=texts[::2], weak_labels=labels[::2])
    assert content == again
    assert ((held_out >= PRESENT) == labels).mean() > 0.9
    (tmp_path / FILE).write_bytes(content)
    scores = Scorer.load(kinds=tmp_path / FILE).score(
        [f"{words} at Brackwater" for words in WORDS.values()], kinds=True
    )
    assert scores.kinds is not None
    assert scores.kinds.argmax(axis=1).tolist() == list(range(len(KINDS)))


def test_what_cannot_be_trained_on_is_named(encoder: OnnxEncoder) -> None:
    texts, labels = _texts()
    with pytest.raises(DataError, match="71 texts have labels of shape"):
        fit_kinds(encoder, texts[1:], labels)
    with pytest.raises(DataError, match="3 weak texts have labels of shape"):
        fit_kinds(encoder, texts, labels, weak_texts=texts[:3])
    rare = labels.copy()
    rare[4:, 0] = 0
    with pytest.raises(DataError, match="4 of 72 texts are labelled 'earnings': label at least 5"):
        fit_kinds(encoder, texts, rare)


def test_embeddings_are_in_the_order_of_the_texts(encoder: OnnxEncoder) -> None:
    texts = ["Vexmoor gains on a takeover bid for Quillstone", "dividend", "", "Harlin falls"]
    embeddings = embed(encoder, texts)
    assert embeddings.shape == (4, 2304)
    np.testing.assert_allclose(embeddings[1], embed(encoder, texts[1:2])[0], atol=1e-5)
    assert embed(encoder, []).shape == (0, 2304)


def test_the_threshold_parts_what_can_be_parted() -> None:
    logits = np.concatenate([np.linspace(1, 2, 50), np.linspace(-2, -1, 200)])
    labels = np.repeat([1, 0], [50, 200]).astype(np.int8)
    assert -1.2 < best_threshold(logits, labels) < 1.2
