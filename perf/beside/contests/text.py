"""Scoring news: the shipped classifier beside the same weights in a pipeline of transformers and in ONNX Runtime."""

from __future__ import annotations

import json
from pathlib import Path

from contest import Contender, Contest, Goal
from news_texts import news_texts
from shipped_classifier import write_model

from tenor.sentiment import LABELS, Scorer

TEXTS = 600
EVERY = 4
"""Whoever takes texts one by one gets each fifth: its time a text does not depend on how many there are."""


def contest(folder: Path) -> Contest:
    """Write the texts, the labels that tenor gives them, and the weights as the rivals read them."""
    texts = news_texts(TEXTS)
    scorer = Scorer.load()
    labels = [LABELS[column] for column in scorer.score(texts).probabilities.argmax(axis=1)]
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    write_model(folder, texts, labels)
    return Contest(
        "text",
        f"scoring {TEXTS:,} news texts of 6 to 97 words by the shipped classifier",
        (
            Contender("tenor", "tenor", "text_tenor.py"),
            Contender("transformers pipeline", "transformers", "text_pipeline.py", {"batch": 1, "every": EVERY}),
            Contender("transformers pipeline, batches of 32", "transformers", "text_pipeline.py", {"batch": 32}),
            Contender(
                "optimum's ONNX Runtime", "optimum", "text_pipeline.py", {"batch": 1, "every": EVERY, "onnx": True}
            ),
            Contender(
                "optimum's ONNX Runtime, batches of 32", "optimum", "text_pipeline.py", {"batch": 32, "onnx": True}
            ),
        ),
        (
            Goal(5.0, "transformers pipeline"),
            Goal(2.0, "transformers pipeline, batches of 32"),
            Goal(2.0, "optimum's ONNX Runtime"),
            Goal(2.0, "optimum's ONNX Runtime, batches of 32"),
        ),
        {"folder": str(folder)},
        unit="text",
    )
