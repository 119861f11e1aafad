from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tenor.errors import ModelError
from tenor.sentiment import converted
from tenor.sentiment.scorer import Scorer

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TEXTS = ["acme posts a profit", "the meeting", "acme posts a profit", "globex sets the loss of umbrella"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where graphs are kept; never the user's own folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tenor" / "encoders"


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


def _expected(folder: Path) -> np.ndarray:
    """Probabilities in torch, in the model's own order of labels."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        return np.stack([model(**tokenizer(t, return_tensors="pt")).logits.softmax(-1)[0].numpy() for t in TEXTS])


@pytest.mark.parametrize(("tolerated", "storage", "within"), [(1.0, "int8", 0.05), (-1.0, "float32", 1e-6)])
def test_label_order_is_taken_from_the_model(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tolerated: float, storage: str, within: float
) -> None:
    monkeypatch.setattr(converted, "TOLERATED", tolerated)
    folder = _save(tiny_bert, tmp_path / "m", ["Negative", "POSITIVE", "neutral"])
    scorer = Scorer.load(folder)
    assert scorer.model_id.startswith("m-")
    assert scorer.model_id.endswith(f"-{storage}")
    scores = scorer.score(TEXTS)
    np.testing.assert_allclose(scores.probabilities, _expected(folder)[:, [1, 2, 0]], atol=within)
    assert scores.neutral[0] > scores.positive[0] > scores.negative[0]  # the bias rises with the column


def test_int8_is_kept_only_where_labels_stay(tiny_bert: Path, tmp_path: Path, cache: Path) -> None:
    scorer = Scorer.load(_save(tiny_bert, tmp_path / "m", ["positive", "neutral", "negative"]))
    (note,) = (json.loads(path.read_text()) for path in cache.glob("*/storage.json"))
    assert 0 <= note["labels_changed_by_int8"] <= 1
    assert scorer.model_id.endswith("int8" if note["labels_changed_by_int8"] <= converted.TOLERATED else "float32")


def test_a_quantised_score_depends_on_the_text_alone(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converted, "TOLERATED", 1.0)
    scorer = Scorer.load(_save(tiny_bert, tmp_path / "m", ["positive", "neutral", "negative"]))
    same_length = ["acme posts a profit", "globex sets the loss", "umbrella posts a fraud"]
    together = scorer.score(same_length).probabilities
    np.testing.assert_array_equal(together, np.stack([scorer.score([t]).probabilities[0] for t in same_length]))


def test_a_model_is_converted_once(
    tiny_bert: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _save(tiny_bert, tmp_path / "m", ["positive", "neutral", "negative"])
    first = Scorer.load(folder).score(TEXTS).probabilities
    made: list[int] = []
    convert = converted._convert
    monkeypatch.setattr(converted, "_convert", lambda *told: made.append(1) or convert(*told))
    np.testing.assert_array_equal(Scorer.load(folder).score(TEXTS).probabilities, first)
    assert made == []
    (graph,) = cache.glob("*/model.onnx")
    graph.write_bytes(graph.read_bytes()[:-7])  # damaged: made again, not used
    np.testing.assert_array_equal(Scorer.load(folder).score(TEXTS).probabilities, first)
    assert made == [1]


def test_a_cache_that_cant_be_written_is_named(tiny_bert: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, no folder")
    with pytest.raises(ModelError, match=r"cache/tenor/encoders/m-\w+ can't be written .*XDG_CACHE_HOME"):
        Scorer.load(_save(tiny_bert, tmp_path / "m", ["positive", "neutral", "negative"]))


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
