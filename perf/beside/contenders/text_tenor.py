"""tenor's own scorer, as a user calls it: cleaning, the check for English and the removal of repeats are part of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from text_flops import flops
from worker import Run, serve


def prepare(arguments: dict[str, Any]) -> Run:
    """Load the weights and the texts."""
    from tenor.sentiment import LABELS, Scorer

    folder = Path(arguments["folder"])
    read = json.loads((folder / "read.json").read_text(encoding="utf-8"))
    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    scorer = Scorer.load()
    work, embeddings = {"work": len(texts), "flops": flops(read["tokens"])}, bool(arguments.get("embeddings"))

    def run() -> dict[str, Any]:
        scores = scorer.score(texts, embeddings=embeddings)
        labels = [LABELS[column] for column in scores.probabilities.argmax(axis=1)]
        return work | {"equal": sum(a == b for a, b in zip(labels, read["labels"], strict=True)) / len(texts)}

    return run


if __name__ == "__main__":
    serve(prepare)
