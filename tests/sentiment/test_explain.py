from __future__ import annotations

import pytest

from tenor.errors import DataError
from tenor.sentiment.explain import MAX_WORDS, why
from tenor.sentiment.scorer import Scorer


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer.load()


def test_the_word_that_decides_contributes_most(scorer: Scorer) -> None:
    explanation = why(scorer, "Shares of Globex plunge in Oslo")
    assert [word.text for word in explanation.words] == ["Shares", "of", "Globex", "plunge", "in", "Oslo"]
    assert explanation.score < -0.3
    assert min(explanation.words, key=lambda word: word.contribution).text == "plunge"
    assert explanation.score == pytest.approx(scorer.score(["Shares of Globex plunge in Oslo"]).score[0], abs=1e-5)


def test_a_single_word_has_the_whole_score(scorer: Scorer) -> None:
    explanation = why(scorer, "<b>bankruptcy</b>")
    (word,) = explanation.words
    assert word.text == "bankruptcy"
    assert word.contribution == explanation.score


def test_long_texts_are_explained_in_part(scorer: Scorer) -> None:
    assert len(why(scorer, "profit falls " * 400).words) == MAX_WORDS


def test_json(scorer: Scorer) -> None:
    report = why(scorer, "Acme profit falls").to_json()
    assert set(report) == {"score", "positive", "neutral", "negative", "language_ok", "words"}
    assert [word["word"] for word in report["words"]] == ["Acme", "profit", "falls"]


def test_nothing_to_explain(scorer: Scorer) -> None:
    with pytest.raises(DataError, match="give a text with words"):
        why(scorer, "<br/> \x00")
