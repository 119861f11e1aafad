"""Time and memory of topics by the number of items: synthetic texts and embeddings, read in parts as from a lake.

``python perf/topics_size.py [ITEMS]``, by default 10,000,000. Prints seconds and the peak of resident memory after
each step: the sample that a fit looks at, the fit of 20 topics on it, and the topic of every item.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator

import numpy as np

from tenor.pipeline.topics import _SAMPLE, sample
from tenor.topics.fitting import fit_topics

PART, WIDTH, TOPICS = 65_536, 64, 20
WORDS = np.array([f"{a}{b}" for a in ("div", "mer", "law", "rec", "gui") for b in ("ido", "ena", "uta", "olo")])


def texts(items: int) -> Iterator[list[str]]:
    """Texts of five words and a number, some a part."""
    for start in range(0, items, PART):
        rng = np.random.default_rng(start)
        words = WORDS[rng.integers(0, len(WORDS), (min(PART, items - start), 5))]
        yield [f"{' '.join(row)} {start + i}" for i, row in enumerate(words.tolist())]


def embeddings(n: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float16]]:
    """Items around 20 centres."""
    centres = np.random.default_rng(0).normal(size=(TOPICS, WIDTH))
    rng = np.random.default_rng(seed)
    return (centres[rng.integers(0, TOPICS, n)] + rng.normal(size=(n, WIDTH))).astype(np.float16)


def report(step: str, since: float) -> None:
    """One line."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{step}: {time.perf_counter() - since:.1f} s, peak {peak:.0f} MB", flush=True)


def main() -> None:
    """Measure."""
    items = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    since = time.perf_counter()
    report("start", since)
    chosen, seen = sample(texts(items), _SAMPLE)
    report(f"{len(chosen)} of {seen} texts sampled", since)
    since = time.perf_counter()
    model = fit_topics(embeddings(len(chosen), 1), chosen, TOPICS)
    report(f"{TOPICS} topics fitted on {model.settings['items']} items", since)
    since = time.perf_counter()
    counts = np.zeros(TOPICS, np.int64)
    for start in range(0, items, PART):
        counts += np.bincount(model.assign(embeddings(min(PART, items - start), start + 2)), minlength=TOPICS)
    report(f"the topic of each of {counts.sum()} items (embeddings drawn as well)", since)


if __name__ == "__main__":
    main()
