"""What news does to a range, in words."""

from __future__ import annotations

from typing import Any

import pytest

from tenor.news_words import news_sentence


def driver(kind: str, effect: float, count: float = 0, level: float = 0.0, since: int | None = None) -> dict[str, Any]:
    return {"kind": kind, "effect": effect, "count": count, "level": level, "since_spike": since}


@pytest.mark.parametrize(
    ("drivers", "sentence"),
    [
        ([], ""),
        ([driver("earnings", 0.01)], ""),
        ([driver("earnings", 0.3), driver("any", -0.3)], ""),
        (
            [driver("earnings", 0.4, 12, 3.0, 0)],
            "News widens the range by 22 %: news about earnings (12 items, 4 times their level).",
        ),
        (
            [driver("legal", 0.1, 1, 0.0, 2), driver("earnings", 0.3, 0, 1.0, 1), driver("any", -0.02, 9, 9.0)],
            (
                "News widens the range by 21 %: news about earnings (0 items, 1 session after a spike); "
                "news about law and regulators (1 item, where there are hardly any, 2 sessions after a spike)."
            ),
        ),
        (
            [driver("any", -0.2, 2, 8.0, 40)],
            "News narrows the range by 10 %: news of any kind (2 items, fewer than usual).",
        ),
        (
            [driver("topic:chips", 0.1, 5, 5.0)],
            "News widens the range by 5 %: the topic chips (5 items, as usual).",
        ),
    ],
)
def test_the_sentence_names_what_counts(drivers: list[dict[str, Any]], sentence: str) -> None:
    assert news_sentence(drivers) == sentence
