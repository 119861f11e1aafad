"""Sentiment, kinds and an embedding for topics: tenor's one pass beside a pipeline and an encoder of sentences."""

from __future__ import annotations

from pathlib import Path

from contest import Contender, Contest, Goal
from shipped_classifier import write_task

from tenor.sentiment.training.classifier import encoder_folder

TEXTS = 600
EVERY = {1: 8, 32: 4}


def contest(folder: Path) -> Contest:
    """As the contest of sentiment; the rivals read each text twice: by classifier and by encoder of sentences."""
    write_task(folder, TEXTS)
    names = {1: "transformers pipeline, then sentence-transformers", 32: "the same, both in batches of 32"}
    return Contest(
        "text_topics",
        f"sentiment and topics of {TEXTS:,} news texts: labels, kinds and embeddings",
        (
            Contender("tenor, one pass", "tenor", "text_tenor.py", {"embeddings": True}),
            *(
                Contender(
                    name,
                    "transformers",
                    "text_pipeline.py",
                    {"batch": batch, "every": EVERY[batch], "encoder": str(encoder_folder())},
                )
                for batch, name in names.items()
            ),
        ),
        (Goal(5.0, names[1]), Goal(2.0, names[32])),
        {"folder": str(folder)},
        unit="text",
    )
