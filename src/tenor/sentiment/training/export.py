"""From a tuned classifier to a folder of weights that scores without torch: graph, tokenizer, config with checksums."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tenor.sentiment.encoder import CONFIG, FORMAT
from tenor.sentiment.scores import LABELS
from tenor.sentiment.training.classifier import Tuned
from tenor.sentiment.training.graph import Shape, Storage, bert_graph


def write_weights(
    tuned: Tuned, folder: Path, *, name: str, temperature: float = 1.0, storage: Storage = "int8"
) -> None:
    """Write `tuned` to `folder` as `tenor.sentiment.encoder.OnnxEncoder` reads it.

    The config with the checksums is written last: a killed write leaves a folder that is refused, not a wrong one.
    """
    encoder = tuned.model.encoder.config
    shape = Shape(encoder.num_hidden_layers, encoder.num_attention_heads, encoder.layer_norm_eps)
    tensors = {name: tensor.detach().numpy() for name, tensor in tuned.model.state_dict().items()}
    tuned.tokenizer.no_truncation()
    files = {
        "model.onnx": bert_graph(tensors, shape, storage),
        "tokenizer.json": tuned.tokenizer.to_str().encode(),
    }
    config = {
        "format": FORMAT,
        "name": name,
        "labels": list(LABELS),
        "max_tokens": tuned.config.max_tokens,
        "temperature": round(temperature, 4),
        "storage": storage,
        "files": {file: hashlib.sha256(content).hexdigest() for file, content in files.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        _write(folder / file, content)
    _write(folder / CONFIG, (json.dumps(config, indent=1) + "\n").encode())


def fit_temperature(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    """The temperature (.25 to 4) with the least negative log-likelihood on validation `logits` ``[n, 3]``.

    Guo et al. 2017, On Calibration of Modern Neural Networks. A golden-section search: the loss has one minimum.
    """

    def loss(log_temperature: float) -> float:
        scaled = logits.astype(float) / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        chosen = scaled[np.arange(len(labels)), labels] - np.log(np.exp(scaled).sum(axis=1))
        return -float(chosen.mean())

    low, high = np.log(0.25), np.log(4.0)
    ratio = (np.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
