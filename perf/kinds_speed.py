"""How many texts a CPU-second sentiment alone scores, and with kinds and embeddings: rounds by turns, medians.

    python perf/kinds_speed.py [--texts 1000] [--rounds 7]

The texts are our own sentences of ``scripts/kinds``, numbered so that none is a repeat. CPU time, not the clock's: a
busy machine shifts both alike.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import time
from pathlib import Path

from tenor.sentiment.scorer import Scorer

SENTENCES = Path(__file__).resolve().parent.parent / "scripts" / "kinds" / "sentences.csv"


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--texts", type=int, default=1000, help="texts a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each (default: %(default)s)")
    options = parser.parse_args()
    with SENTENCES.open(encoding="utf-8", newline="") as lines:
        sentences = [row["text"] for row in csv.DictReader(lines)]
    texts = [f"{sentences[i % len(sentences)]} {i}" for i in range(options.texts)]
    scorer = Scorer.load()
    scorer.score(texts[:50], embeddings=True)
    rates: dict[bool, list[float]] = {False: [], True: []}
    for number in range(options.rounds):
        # which comes first changes every round
        for embeddings in (number % 2 == 0, number % 2 == 1):
            start = time.process_time()
            scorer.score(texts, embeddings=embeddings)
            rates[embeddings].append(len(texts) / (time.process_time() - start))
    alone, both = statistics.median(rates[False]), statistics.median(rates[True])
    ratio = statistics.median(b / a for a, b in zip(rates[False], rates[True], strict=True))
    print(
        json.dumps(
            {
                "texts_a_cpu_second": {"sentiment": round(alone, 1), "with_kinds_and_embeddings": round(both, 1)},
                "median_ratio": round(ratio, 4),
                "rounds": options.rounds,
                "texts": options.texts,
            }
        )
    )


if __name__ == "__main__":
    main()
