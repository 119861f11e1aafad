"""The shipped classifier of news as other tools read it: a folder of transformers with the same weights, and ONNX."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from news_texts import news_texts
from safetensors.torch import save_file

from tenor.sentiment.encoder import SHIPPED, as_read
from tenor.sentiment.scorer import Scorer
from tenor.sentiment.scores import LABELS
from tenor.sentiment.text import clean
from tenor.sentiment.training.classifier import FineTuneConfig, load_shipped, tokenise


def write_task(folder: Path, count: int) -> None:
    """Write `count` texts as tenor gets them (``texts.json``), and what `write_model` does."""
    texts = news_texts(count)
    columns = Scorer.load().score(texts).probabilities.argmax(axis=1)
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    write_model(folder, texts, [LABELS[column] for column in columns])


def write_model(folder: Path, texts: Sequence[str], labels: Sequence[str]) -> None:
    """Write config, weights, tokenizer and a float32 ONNX graph, and in ``read.json`` the texts with their labels.

    The rivals get the texts as the network reads them, with denials and numbers already put: what tenor does before
    the tokenizer costs them nothing, and leaves them the same input.
    """
    tuned = load_shipped(FineTuneConfig())
    model = tuned.model.eval()
    read = [as_read(clean(text)) for text in texts]
    tokens = tokenise(tuned.tokenizer, tuple(read), tuned.config.max_tokens)
    described = {"texts": read, "labels": list(labels), "tokens": [len(each) for each in tokens]}
    (folder / "read.json").write_text(json.dumps(described), encoding="utf-8")
    config = model.encoder.config.to_dict() | {
        "architectures": ["BertForSequenceClassification"],
        "id2label": dict(enumerate(LABELS)),
        "label2id": {label: column for column, label in enumerate(LABELS)},
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file({name: each.contiguous() for name, each in model.state_dict().items()}, folder / "model.safetensors")
    (folder / "tokenizer.json").write_bytes((SHIPPED / "tokenizer.json").read_bytes())
    # written out, so that ONNX Runtime finds what it can fuse
    model.encoder.set_attn_implementation("eager")
    example = torch.ones(2, 7, dtype=torch.int64)
    axes = {0: "batch", 1: "token"}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (example, example), str(folder / "model.onnx"), dynamo=False, opset_version=17,
            input_names=["input_ids", "attention_mask"], output_names=["logits"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
        )  # fmt: skip
