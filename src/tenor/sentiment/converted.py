"""Classifiers of the Hugging Face world as ONNX: exported and quantised once, kept under the hash of their weights."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tenor.errors import ModelError
from tenor.sentiment.encoder import Ids, Logits
from tenor.sentiment.text import clean
from tenor.sentiment.training.statements import statements

TOLERATED = 0.01
"""Share of the probe's labels that int8 may change; above it the float32 graph is kept."""
_PROBE = 200
_OPSET = 17
_GRAPH, _NOTE = "model.onnx", "storage.json"


def cache_folder() -> Path:
    """Where converted encoders are kept: ``tenor/encoders`` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tenor" / "encoders"


class Converted:
    """The ONNX graph of a classifier, and how its weights are stored.

    An int8 graph scales activations by what it is given, so that it reads one text at a time: a score depends on the
    text alone.
    """

    def __init__(self, graph: bytes, storage: str) -> None:
        self.storage = storage
        self._session = _session(graph)

    def logits(self, ids: Ids) -> Logits:
        """Logits ``[batch, label]`` of ids ``[batch, token]``, in the model's own order of labels."""
        parts = np.split(ids, len(ids)) if self.storage == "int8" else [ids]
        return np.concatenate([self._session.run(None, {"input_ids": part})[0] for part in parts])


def converted(name: str, model: Any, tokenizer: Any, *, max_tokens: int, cache: Path) -> Converted:
    """The graph of `model` (a sequence classifier of transformers), from `cache` where it was written before.

    Weights are stored as int8, per channel and in 7 bits (8 overflow without VNNI), unless this changes the label of
    more than `TOLERATED` of the probe's sentences: then as float32.

    Parameters
    ----------
    name
        Of the folder in `cache`; it holds the hash of the weights.

    Raises
    ------
    ModelError
        The model can't be exported, or `cache` can't be written.
    """
    folder = cache / name
    found = _read(folder)
    if found is None:
        probe = [clean(text) for text in statements(_PROBE, seed=5).texts]
        ids = [np.array([i]) for i in tokenizer(probe, truncation=True, max_length=max_tokens)["input_ids"]]
        try:
            graph, note = _convert(model, ids)
            _write(folder, graph, note)
        except OSError as error:
            raise ModelError(
                f"{folder} can't be written ({error.strerror}): make room or set XDG_CACHE_HOME."
            ) from error
        except Exception as error:
            raise ModelError(f"{name} can't be converted to ONNX: {str(error).splitlines()[0][:200]}") from error
        found = graph, note
    return Converted(found[0], str(found[1]["storage"]))


def _convert(model: Any, probe: list[Ids]) -> tuple[bytes, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder) / "whole.onnx", Path(folder) / "small.onnx"
        _export(model, probe, whole)
        with _silent():
            from onnxruntime.quantization import QuantType, quantize_dynamic

            quantize_dynamic(whole, small, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
        graphs = whole.read_bytes(), small.read_bytes()
    labels = [_labels(_session(graph), probe) for graph in graphs]
    changed = float((labels[0] != labels[1]).mean())
    kept = int(changed <= TOLERATED)
    note = {
        "storage": ("float32", "int8")[kept],
        "labels_changed_by_int8": changed,
        "sha256": hashlib.sha256(graphs[kept]).hexdigest(),
    }
    return graphs[kept], note


def _export(model: Any, probe: list[Ids], path: Path) -> None:
    import torch

    class Bare(torch.nn.Module):
        """Ids alone in, logits out: texts of one length come together, so that nothing is masked."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any) -> Any:
            return self.model(input_ids=input_ids, attention_mask=torch.ones_like(input_ids)).logits

    example = torch.from_numpy(np.concatenate([probe[0], probe[0]]))
    with _silent(), torch.inference_mode():
        torch.onnx.export(
            Bare().eval(),
            (example,),
            str(path),
            input_names=["input_ids"],
            output_names=["logits"],
            dynamic_axes={"input_ids": {0: "batch", 1: "token"}, "logits": {0: "batch"}},
            opset_version=_OPSET,
            dynamo=False,  # quantize_dynamic fails on what the newer exporter writes
        )


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Tracing and quantising warn of every shape that they look at."""
    import logging

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)


def _labels(session: Any, probe: list[Ids]) -> npt.NDArray[np.int64]:
    return np.array([int(session.run(None, {"input_ids": ids})[0].argmax()) for ids in probe])


def _session(graph: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _read(folder: Path) -> tuple[bytes, dict[str, Any]] | None:
    """What was kept; None where there is nothing, or not what was written: it is made again."""
    try:
        graph, note = (folder / _GRAPH).read_bytes(), json.loads((folder / _NOTE).read_text(encoding="utf-8"))
        whole = hashlib.sha256(graph).hexdigest() == note["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (graph, dict(note)) if whole else None


def _write(folder: Path, graph: bytes, note: dict[str, Any]) -> None:
    """Each file is replaced whole, the note with the hash last: after a killed write `_read` finds nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ((_GRAPH, graph), (_NOTE, (json.dumps(note, indent=1) + "\n").encode())):
        part = folder / f".{name}.{os.getpid()}"
        part.write_bytes(content)
        part.replace(folder / name)
