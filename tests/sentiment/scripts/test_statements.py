from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from statements import HELD_OUT_EVERY, MIX, read_grammar, statements

from tenor.sentiment.scores import LABELS
from tenor.sentiment.text import clean, duplicate_key
from tenor.sentiment.training.labelled import LabelledTexts

DRAWN = (*LABELS, "gains", "burdens")  # the sections whose lines are sentences
FRAMES = {"opening": (":",), "closing": (":",)}  # what some lines get before or after them


@pytest.fixture(scope="module")
def some() -> LabelledTexts:
    return statements(3000)


def test_the_same_seed_gives_the_same_statements(some: LabelledTexts) -> None:
    again = statements(3000)
    assert again.texts == some.texts
    np.testing.assert_array_equal(again.labels, some.labels)
    assert len(set(some.texts) & set(statements(3000, seed=1).texts)) < 300


def test_the_mix_is_kept_and_nothing_is_left_unfilled(some: LabelledTexts) -> None:
    assert len(some) == len(set(some.texts)) == 3000
    np.testing.assert_allclose(np.bincount(some.labels) / 3000, MIX, atol=1e-3)
    for text in some.texts:
        assert not re.search(r"[{}<>|]", text), text
        assert text == clean(text)
        assert len(text.split()) >= 3


def test_every_part_is_known_and_used() -> None:
    grammar = read_grammar()
    named = {name for lines in grammar.values() for line in lines for name in re.findall(r"\{(\w+)\}", line)}
    assert set(grammar) - named == {*DRAWN, "opening", "closing"}
    for section in DRAWN:
        assert len(set(grammar[section])) == len(grammar[section])


def test_held_out_lines_are_others() -> None:
    """Each line of this grammar has a letter of its own, so that a statement tells which line it comes from."""
    letters = "abcdefghijklmnopqrstuvwx"
    grammar = {section: [f"{section} line{letter} {{big}}." for letter in letters] for section in DRAWN} | FRAMES
    used: dict[bool, set[tuple[str, str]]] = {}
    for held_out in (False, True):
        drawn = statements(4000, held_out=held_out, grammar=grammar)
        lines = [re.search(r"(\w+) line(\w)", text.lower()) for text in drawn.texts]
        used[held_out] = {(line[1], line[2]) for line in lines if line}
    assert not used[True] & used[False]
    for section in DRAWN:
        trained, held = ({line for line in used[which] if line[0] == section} for which in (False, True))
        assert len(held) == len(letters) // HELD_OUT_EVERY
        assert len(trained) == len(letters) - len(held)
    keys = {duplicate_key(text) for text in statements(2000).texts}
    assert not keys & {duplicate_key(text) for text in statements(500, held_out=True).texts}


@pytest.mark.parametrize(("section", "label"), [("gains", 0), ("burdens", 2)])
def test_which_of_two_amounts_is_larger_is_all_that_tells(section: str, label: int) -> None:
    """The same line is good news or bad, whichever amount stands where the new one does."""
    others = dict.fromkeys(DRAWN, ("Nothing of {big} pieces.",) * 4)
    grammar = {**read_grammar(), **others, section: ("Sum EUR 1: {now}, before {then}.",) * 4}
    drawn = statements(1500, grammar=grammar)
    compared = 0
    for text, own in zip(drawn.texts, drawn.labels.tolist(), strict=True):
        if "before" not in text.lower():
            continue
        amounts = [float(a.replace(",", "")) for a in re.findall(r"\d[\d,]*\.\d+", text.split(":", 1)[1])]
        if len(amounts) == 2:  # dollars in brackets make four
            assert own != 1
            assert (amounts[0] > amounts[1]) == (own == label), text
            compared += 1
    assert compared > 30


def test_words_vary(some: LabelledTexts) -> None:
    openings = Counter(" ".join(duplicate_key(text).split()[1:4]) for text in some.texts)
    assert max(openings.values()) < 60
    assert 0.05 < np.mean([text == text.lower() for text in some.texts]) < 0.25
    assert 0.2 < np.mean([text.endswith(" .") for text in some.texts]) < 0.5


def test_compared_numbers_agree_with_the_label() -> None:
    """Where a sentence sets one amount against another, the first is larger in good news and smaller in bad."""
    amount = r"(\d[\d,]*\.\d+)"  # years and counts have no decimals
    versus = re.compile(rf"\b(?:sales|profit|revenue)\b\D*?{amount}[^.]* (?:against|versus|compared \w+) \D*?{amount}")
    drawn = statements(8000)
    compared = 0
    for text, label in zip(drawn.texts, drawn.labels.tolist(), strict=True):
        match = versus.search(text)
        if match and label != 1 and not re.search("expected|loss|%|pct|per ?cent", text.lower()):
            first, second = (float(part.replace(",", "")) for part in match.groups())
            assert first == second or (first > second) == (label == 0), text
            compared += 1
    assert compared > 50
