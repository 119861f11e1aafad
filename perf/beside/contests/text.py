"""Scoring news: the shipped classifier beside the same weights in a pipeline of transformers and in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

from contest import Contender, Contest, Goal
from shipped_classifier import write_task

TEXTS = 800
EVERY = {1: 8, 32: 4}
"""By batch: the rivals get each so many-th text, since their time a text does not depend on how many there are."""


PIPELINE, OPTIMUM, IN_BATCHES = "transformers pipeline", "optimum's ONNX Runtime", ", batches of 32"


def contest(folder: Path) -> Contest:
    """Write the texts, the labels that tenor gives them, and the weights as the rivals read them."""
    write_task(folder, TEXTS)
    return Contest(
        "text",
        f"sentiment of {TEXTS:,} news texts of 6 to 97 words by the shipped classifier",
        (
            Contender("tenor", "tenor", "text_tenor.py"),
            *(
                Contender(
                    f"{name}{after}", environment, "text_pipeline.py", {"batch": batch, "every": EVERY[batch]} | how
                )
                for name, environment, how in (
                    (PIPELINE, "transformers", {}),
                    (OPTIMUM, "optimum", {"onnx": True}),
                )
                for batch, after in ((1, ""), (32, IN_BATCHES))
            ),
        ),
        (
            Goal(5.0, PIPELINE),
            Goal(2.0, f"{PIPELINE}{IN_BATCHES}"),
            Goal(2.0, OPTIMUM),
            Goal(2.0, f"{OPTIMUM}{IN_BATCHES}"),
        ),
        {"folder": str(folder)},
        unit="text",
    )
