from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tenor.errors import ModelError
from tenor.sentiment.scorer import Scorer

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


def _save(tiny_bert: Path, folder: Path, names: list[str]) -> Path:
    import shutil

    shutil.copytree(tiny_bert, folder)
    torch.manual_seed(1)
    config = transformers.AutoConfig.from_pretrained(
        tiny_bert, id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)}
    )
    model = transformers.BertForSequenceClassification(config)
    # the random head says the same of everything: bend it, so that columns can be told apart
    with torch.no_grad():
        model.classifier.bias.copy_(torch.arange(len(names)).float())
    model.save_pretrained(folder)
    return folder


def test_label_order_is_taken_from_the_model(tiny_bert: Path, tmp_path: Path) -> None:
    folder = _save(tiny_bert, tmp_path / "m", ["Negative", "POSITIVE", "neutral"])
    texts = ["acme posts a profit", "the meeting", "acme posts a profit"]
    scores = Scorer.load(folder).score(texts)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        expected = [model(**tokenizer(text, return_tensors="pt")).logits.softmax(-1)[0].numpy() for text in texts]
    np.testing.assert_allclose(scores.probabilities, np.stack(expected)[:, [1, 2, 0]], atol=1e-6)
    assert scores.neutral[0] > scores.positive[0] > scores.negative[0]  # the bias rises with the column


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
