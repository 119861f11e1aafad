from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tenor.errors import ConfigError, ModelError
from tenor.sentiment.scorer import Scorer

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TEXTS = ["acme posts a profit", "the meeting", "acme posts a profit", "globex sets the loss of umbrella"]


def _save(tiny_bert: Path, folder: Path, names: list[str]) -> Path:
    import shutil

    shutil.copytree(tiny_bert, folder)
    torch.manual_seed(1)
    config = transformers.AutoConfig.from_pretrained(
        tiny_bert, id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)}
    )
    model = transformers.BertForSequenceClassification(config)
    # the random head gives every text the same: bend it, so that the columns differ
    with torch.no_grad():
        model.classifier.bias.copy_(torch.arange(len(names)).float())
    model.save_pretrained(folder)
    return folder


def _expected(folder: Path) -> np.ndarray:
    """Probabilities in torch, in the model's own order of labels."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        return np.stack([model(**tokenizer(t, return_tensors="pt")).logits.softmax(-1)[0].numpy() for t in TEXTS])


def test_label_order_is_taken_from_the_model(tiny_bert: Path, tmp_path: Path) -> None:
    folder = _save(tiny_bert, tmp_path / "m", ["Negative", "POSITIVE", "neutral"])
    scorer = Scorer.load(folder)
    assert scorer.model_id.startswith("m-")
    scores = scorer.score(TEXTS)
    np.testing.assert_allclose(scores.probabilities, _expected(folder)[:, [1, 2, 0]], atol=1e-6)
    assert scores.neutral[0] > scores.positive[0] > scores.negative[0]  # the bias rises with the column


def test_a_score_depends_on_the_text_alone(tiny_bert: Path, tmp_path: Path) -> None:
    folder = _save(tiny_bert, tmp_path / "m", ["positive", "neutral", "negative"])
    scorer = Scorer.load(folder)
    same_length = ["acme posts a profit", "globex sets the loss", "umbrella posts a fraud"]
    texts = [*same_length, "the meeting", *TEXTS]
    together = scorer.score(texts).probabilities
    alone = np.stack([scorer.score([text]).probabilities[0] for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(scorer.score(texts[::-1]).probabilities[::-1], alone, atol=1e-6)
    np.testing.assert_array_equal(Scorer.load(folder).score(texts).probabilities, together)


def test_half_precision_weights_are_run_in_single(tiny_bert: Path, tmp_path: Path) -> None:
    folder = _save(tiny_bert, tmp_path / "m", ["positive", "neutral", "negative"])
    half = transformers.AutoModelForSequenceClassification.from_pretrained(folder).half()
    half.save_pretrained(folder)
    whole = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        logits = whole(**tokenizer(TEXTS[0], return_tensors="pt")).logits
    np.testing.assert_allclose(
        Scorer.load(folder).score(TEXTS[:1]).probabilities, logits.softmax(-1).numpy(), atol=1e-6
    )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["positive", "negative"], "has 2 labels"),
        (["LABEL_0", "LABEL_1", "LABEL_2"], "calls a label 'LABEL_0'"),
        (["joy", "anger", "fear", "love"], "has 4 labels"),
    ],
)
def test_a_model_of_other_labels_is_refused(tiny_bert: Path, tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Scorer.load(_save(tiny_bert, tmp_path / "m", names))


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="can't be loaded") as raised:
        Scorer.load(tmp_path / "nothing")
    assert "\n" not in str(raised.value)


def test_long_texts_are_cut_to_the_positions(tiny_bert: Path, tmp_path: Path) -> None:
    scorer = Scorer.load(_save(tiny_bert, tmp_path / "m", ["positive", "neutral", "negative"]))
    assert np.isfinite(scorer.score(["profit " * 200]).score).all()


def test_two_models_never_share_an_id(tiny_bert: Path, tmp_path: Path) -> None:
    first = Scorer.load(_save(tiny_bert, tmp_path / "a" / "m", ["positive", "neutral", "negative"]))
    second = Scorer.load(_save(tiny_bert, tmp_path / "b" / "m", ["neutral", "positive", "negative"]))
    assert first.model_id != second.model_id
    assert Scorer.load(tmp_path / "a" / "m").model_id == first.model_id
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "a" / "m")
    with torch.no_grad():
        model.classifier.bias[0] += 1e-3
    model.save_pretrained(tmp_path / "a" / "m")
    assert Scorer.load(tmp_path / "a" / "m").model_id != first.model_id


@pytest.mark.skipif(torch.cuda.is_available(), reason="PyTorch sees a card")
def test_a_card_that_is_asked_for_and_not_there_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    folder = _save(tiny_bert, tmp_path / "model", ["positive", "neutral", "negative"])
    with pytest.raises(ConfigError, match=r"'sentiment.device' is 'cuda', and PyTorch .* sees no CUDA card"):
        Scorer.load(folder, device="cuda")
    assert Scorer.load(folder, device="auto").encoder.device == "cpu"
