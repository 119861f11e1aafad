"""Near-duplicates: which texts count as repeated, and which do not."""

from __future__ import annotations

import numpy as np
import pytest

from tenor.duplicates import first_occurrences, near_duplicates

HEADLINE = "Harbour cranes stand still as the dock workers of Example Port reject a third offer"


@pytest.mark.parametrize(
    "copy",
    [
        HEADLINE,
        f"RT @someone: {HEADLINE}",
        f"{HEADLINE} https://t.example/abc",
        HEADLINE.upper() + "!!!",
        HEADLINE.replace("third", "3rd"),
        f"{HEADLINE} via @port_news",
        HEADLINE.replace("reject a", "reject the"),
    ],
)
def test_reprints_and_retweets_are_near_duplicates(copy: str) -> None:
    assert near_duplicates([HEADLINE, copy]).tolist() == [False, True]


@pytest.mark.parametrize(
    "other",
    [
        "Harbour cranes move again after the dock workers of Sample Bay accept the first offer they got",
        "Example Port names a new head of its dock workers' pension fund",
        "",
        "No",
    ],
)
def test_other_news_is_none(other: str) -> None:
    assert near_duplicates([HEADLINE, other]).tolist() == [False, False]


def test_only_earlier_texts_count_and_only_of_the_same_group() -> None:
    texts = [HEADLINE, "Something else entirely happened at the refinery", HEADLINE + "!", HEADLINE]
    whole = first_occurrences(texts)
    assert whole.tolist() == [0, 1, 0, 0]
    for stop in range(1, 5):
        assert first_occurrences(texts[:stop]).tolist() == whole[:stop].tolist()
    assert near_duplicates(texts, groups=["A", "A", "B", "A"]).tolist() == [False, False, False, True]
    assert near_duplicates([]).tolist() == []


def test_the_estimate_is_near_the_resemblance() -> None:
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    detected = {0.95: 0, 0.3: 0}
    for _ in range(40):
        base = "".join(rng.choice(letters, 300))
        for share in detected:
            # with this many of n shingles in common, two texts have a resemblance of `share`
            common = int(300 * 2 * share / (1 + share))
            other = base[:common] + "".join(rng.choice(letters, 300 - common))
            detected[share] += bool(near_duplicates([base, other])[1])
    assert detected[0.95] >= 39
    assert detected[0.3] == 0
