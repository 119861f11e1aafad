"""Write a tuned classifier as a folder of weights that scores without torch: graph, tokenizer, config, checksums."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from tenor.sentiment.encoder import CONFIG, WEIGHTS_FORMAT
from tenor.sentiment.scorer import softmax
from tenor.sentiment.scores import LABELS
from tenor.sentiment.training.classifier import TunedClassifier
from tenor.sentiment.training.evaluate import Quality, quality
from tenor.sentiment.training.graph import Shape, Storage, bert_graph
from tenor.sentiment.training.labelled import LabelledTexts
from tenor.storage.files import write_text, write_whole


def write_weights(
    tuned: TunedClassifier, folder: Path, *, name: str, temperature: float = 1.0, storage: Storage = "int8"
) -> None:
    """Write `tuned` to `folder` as `tenor.sentiment.encoder.OnnxEncoder` reads it.

    The config with the checksums is written last: if the write is interrupted, the folder is refused later, so nothing
    is ever scored with parts of two models.

    Parameters
    ----------
    tuned
        The classifier.
    folder
        Folder to write to; it is made if it does not exist.
    name
        Name of the model, the first part of its `model_id`.
    temperature
        Logits are divided by it before the softmax.
    storage
        How `bert_graph` stores the matrices.
    """
    encoder = tuned.model.encoder.config
    shape = Shape(encoder.num_hidden_layers, encoder.num_attention_heads, encoder.layer_norm_eps)
    tensors = {key: tensor.detach().numpy() for key, tensor in tuned.model.state_dict().items()}
    tuned.tokenizer.no_truncation()
    files = {
        "model.onnx": bert_graph(tensors, shape, storage),
        "tokenizer.json": tuned.tokenizer.to_str().encode(),
    }
    config = {
        "format": WEIGHTS_FORMAT,
        "name": name,
        "labels": list(LABELS),
        "max_tokens": tuned.config.max_tokens,
        "temperature": round(temperature, 4),
        "storage": storage,
        "files": {file: hashlib.sha256(content).hexdigest() for file, content in files.items()},
    }
    for file, content in files.items():
        write_whole(folder / file, content)
    write_text(folder / CONFIG, json.dumps(config, indent=1) + "\n")


def write_calibrated(tuned: TunedClassifier, valid: LabelledTexts, out: Path, name: str) -> Quality:
    """Fit the temperature on `valid`, write the weights to `out` as model `name`, return the quality on `valid`."""
    logits = tuned.logits(valid.texts)
    temperature = fit_temperature(logits, valid.labels)
    write_weights(tuned, out, name=name, temperature=temperature)
    return quality(valid.labels, softmax(logits / temperature), model=name)


def fit_temperature(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    """The temperature (0.25 to 4) with the least negative log-likelihood on validation `logits` ``[n, 3]``.

    Guo et al. 2017, On Calibration of Modern Neural Networks. The loss has one minimum.
    """

    def loss(log_temperature: float) -> float:
        scaled = logits.astype(float) / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        chosen = scaled[np.arange(len(labels)), labels] - np.log(np.exp(scaled).sum(axis=1))
        return -float(chosen.mean())

    best = minimize_scalar(loss, bounds=(np.log(0.25), np.log(4.0)), method="bounded", options={"xatol": 1e-5})
    return float(np.exp(best.x))
