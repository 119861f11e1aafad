"""How scores of texts, their explanation and a comparison of scorers look in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tenor.cli.console import line, table
from tenor.kinds import PRESENT

if TYPE_CHECKING:
    from rich.text import Text

    from tenor.sentiment import Explanation, Scores
    from tenor.sentiment.training.evaluate import ScorerComparison

TEXT_WIDTH = 60
SCORE_KEYS = ("positive", "neutral", "negative", "score")


def show_scores(texts: Sequence[str], scores: Scores) -> None:
    """A row a text, in their order."""
    rows: list[Sequence[str]] = []
    for text, row in zip(texts, scores.rows(), strict=True):
        numbers = ("–",) * 4 if row["empty"] else tuple(f"{row[key]:.3f}" for key in SCORE_KEYS)
        kinds = row.get("kinds") or {}
        present = sorted((kind for kind in kinds if kinds[kind] >= PRESENT), key=lambda kind: -kinds[kind])
        about = ", ".join(f"{kind} {kinds[kind]:.2f}" for kind in present)
        note = "empty" if row["empty"] else "" if row["language_ok"] else "not English?"
        words = " ".join(text.split())
        rows.append((words if len(words) <= TEXT_WIDTH else words[: TEXT_WIDTH - 1] + "…", *numbers, about, note))
    if scores.kinds is None:
        rows = [(*row[:-2], row[-1]) for row in rows]
    table(("text", *SCORE_KEYS, *(() if scores.kinds is None else ("about",)), ""), rows)


def show_explanation(explanation: Explanation) -> None:
    """The words in their order, and how much lower the score is without each."""
    from rich.text import Text

    line(f"score {explanation.score:+.3f}")
    largest = max((abs(word.contribution) for word in explanation.words), default=0.0) or 1.0
    rows: list[tuple[str | Text, ...]] = []
    for word in explanation.words:
        bar = "█" * round(20 * abs(word.contribution) / largest)
        style = "green" if word.contribution > 0 else "red"
        rows.append((word.text, f"{word.contribution:+.3f}", Text(bar.ljust(20), style=style)))
    table(("word", "contribution", ""), rows)
    if not explanation.language_ok:
        line("this does not look like English: the model was tuned on English alone")


def show_comparison(comparison: ScorerComparison) -> None:
    """The model beside the baselines."""
    line(f"{comparison.data}: {comparison.rows[0].n} sentences, {comparison.dropped} duplicates dropped")
    rows = (
        (
            row.model,
            f"{row.accuracy:.3f}",
            f"{row.macro_f1:.3f}",
            *(f"{row.per_class[name]['f1']:.3f}" for name in row.per_class),
            "–" if row.ece is None else f"{row.ece:.3f}",
        )
        for row in comparison.rows
    )
    classes = (f"F1 {name}" for name in comparison.rows[0].per_class)
    table(("model", "accuracy", "macro-F1", *classes, "ECE"), rows)
    if comparison.left_out:
        line(f"not installed: {' and '.join(comparison.left_out)}; to compare with them: pip install 'tenor[bench]'")
