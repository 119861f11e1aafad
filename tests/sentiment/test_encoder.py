from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tenor.errors import ConfigError, ModelError
from tenor.sentiment.encoder import CARD, SHIPPED, OnnxEncoder, label_order
from tenor.sentiment.scorer import Scorer


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "weights"))


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["truncated", "changed", "missing"])
def test_a_damaged_file_is_named(weights: Path, name: str, damage: str) -> None:
    path = weights / name
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        path.write_bytes(content[:-1000])
    elif damage == "changed":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()
    with pytest.raises(ModelError, match=re.escape(str(path))) as raised:
        OnnxEncoder(weights)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["positive", "negative"]}, "has 2 labels .* not 3"),
        ({"labels": ["positive", "neutral", "happy"]}, "calls a label 'happy'"),
        ({"labels": ["positive", "bullish", "negative"]}, "two labels of the same meaning"),
        ({"format": 99}, "format 3"),
        ({"files": {}}, "format 3"),
        ({"temperature": 0}, "format 3"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(weights: Path, change: dict[str, object], message: str) -> None:
    path = weights / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=message):
        OnnxEncoder(weights)


def test_missing_or_broken_config(weights: Path) -> None:
    (weights / "config.json").write_text('{"format"')
    with pytest.raises(ModelError, match=r"config\.json can't be read"):
        OnnxEncoder(weights)
    (weights / "config.json").unlink()
    with pytest.raises(ModelError, match=r"config\.json is not there"):
        OnnxEncoder(weights)


def test_label_order_is_read() -> None:
    assert label_order({0: "NEGATIVE", 1: "Positive", 2: "neutral"}, "x") == [1, 2, 0]
    assert label_order({0: "Bearish", 1: "Bullish", 2: "Neutral"}, "x") == [1, 2, 0]
    with pytest.raises(ModelError, match="LABEL_0"):
        label_order({0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}, "x")


def test_the_model_id_follows_the_files(weights: Path) -> None:
    assert OnnxEncoder(weights).model_id == OnnxEncoder().model_id
    path = weights / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"temperature": 1.5}))
    assert OnnxEncoder(weights).model_id != OnnxEncoder().model_id


def test_the_embedding_is_an_output_more_and_changes_no_logit() -> None:
    """Without it the file is, byte for byte, the one whose SHA-256 names the scores (``logits_of`` in the config)."""
    onnx = pytest.importorskip("onnx")
    config = json.loads((SHIPPED / "config.json").read_text())
    model = onnx.load_from_string((SHIPPED / "model.onnx").read_bytes())
    assert [output.name for output in model.graph.output] == ["logits", "embedding"]
    del model.graph.output[1]
    means = [node for node in model.graph.node if any(name.startswith("embedding") for name in node.output)]
    for node in means:
        model.graph.node.remove(node)
    assert [node.op_type for node in means] == ["ReduceMean"] * 6 + ["Concat"]
    assert hashlib.sha256(model.SerializeToString()).hexdigest() == config["logits_of"]["model.onnx"]


def test_the_embedding_comes_from_the_same_pass() -> None:
    encoder = OnnxEncoder()
    ids = np.array(encoder.tokenise(["Vexmoor sells pumps", "Quillstone buys ore"]))
    logits, embeddings = encoder.outputs(ids)
    np.testing.assert_array_equal(logits, encoder.logits(ids))
    assert embeddings.shape == (2, 2304)
    assert embeddings.dtype == np.float32
    assert not np.allclose(embeddings[0], embeddings[1])


def test_weights_of_the_older_format_give_sentiment_alone(weights: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string((weights / "model.onnx").read_bytes())
    del model.graph.output[1]
    content = model.SerializeToString()
    (weights / "model.onnx").write_bytes(content)
    config = json.loads((weights / "config.json").read_text())
    config = {key: value for key, value in config.items() if key not in ("kinds", "logits_of")}
    config["format"], config["files"]["model.onnx"] = 2, hashlib.sha256(content).hexdigest()
    (weights / "config.json").write_text(json.dumps(config))
    old, new = OnnxEncoder(weights), OnnxEncoder()
    ids = np.array(new.tokenise(["Vexmoor gains"]))
    np.testing.assert_array_equal(old.logits(ids), new.logits(ids))
    assert old.kinds_file is None
    with pytest.raises(ModelError, match="are of format 2, which gives sentiment and no embedding"):
        old.outputs(ids)


def test_scoring_needs_no_torch() -> None:
    code = (
        "import sys, tenor.sentiment.scorer as s; s.Scorer.load().score(['profit rises'], kinds=True); "
        "print(sorted({'torch', 'transformers', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def on_a_card() -> bool:
    import onnxruntime

    return CARD in onnxruntime.get_available_providers()


@pytest.mark.skipif(on_a_card(), reason="ONNX Runtime sees a card")
def test_without_a_card_auto_scores_on_the_cores_and_cuda_is_refused_with_what_to_do() -> None:
    assert OnnxEncoder(device="auto").device == "cpu"
    with pytest.raises(ConfigError, match=r"'sentiment.device' is 'cuda', and ONNX Runtime .* uses no CUDA card"):
        OnnxEncoder(device="cuda")
    with pytest.raises(ConfigError, match=r"install onnxruntime-gpu instead of onnxruntime"):
        Scorer.load(device="cuda")
    texts = ["Vexmoor gains", "Quillstone loses a large order"]
    assert (
        Scorer.load(device="auto").score(texts).probabilities.tobytes()
        == Scorer.load(device="cpu").score(texts).probabilities.tobytes()
    )


@pytest.mark.skipif(not on_a_card(), reason="ONNX Runtime sees no card")
def test_a_card_scores_the_same_up_to_float_noise() -> None:
    texts = [f"Vexmoor {verb} its forecast by {n} %" for verb in ("raises", "cuts") for n in range(2, 60)]
    scores = [Scorer.load(device=device).score(texts).probabilities for device in ("cpu", "auto")]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-3)
