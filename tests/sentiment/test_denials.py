"""Denials of bad news."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np
import pytest

from tenor.sentiment.denials import put_denials_as_change
from tenor.sentiment.scorer import Scorer
from tenor.sentiment.scores import LABELS
from tenor.sentiment.training.evaluate import SENTENCES, compare_scorers, read_labelled

DENIED = ("not_bad", "ended_bad", "denies_bad", "avoided", "less_than_feared")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Rents did not fall in June", "Rents did not change in June"),
        ("Rents didn't fall in June", "Rents didn't change in June"),
        ("The dairy is not expected to cut jobs", "The dairy is not expected to change jobs"),
        ("It does not expect its sales to fall", "It does not expect its sales to change"),
        ("There was no decline in rents", "There was no change in rents"),
        ("None of its farms will be closed", "None of its farms will be change"),
        ("Rents are no longer falling", "Rents are recovering"),
        ("The shares stopped sliding", "The shares recovering"),
        ("The slump in rents is over", "The change in rents is better"),
        ("The loss was smaller than feared", "The change was better than feared"),
        ("Rents fell less sharply than expected", "Rents was better than expected"),
        ("The dairy denies that it will cut jobs", "The dairy denies that it will change jobs"),
        ("The dairy ruled out layoffs, but rents fell", "The dairy ruled out change, but rents fell"),
        ("It dismissed talk of a default", "It dismissed talk of a change"),
        ("The dairy could not prevent the closure", "The dairy suffered the closure"),
        ("The plan hasn't stopped the slide", "The plan suffered the slide"),
        ("Owners were not spared a writedown", "Owners suffered a writedown"),
        ("The dairy was unable to avoid layoffs", "The dairy suffered layoffs"),
        ("The slump in rents could not be halted", "The slump in rents went on"),
        ("It did not rule out a loss", "It expects a loss"),
        ("It does not deny that it will close a farm", "It says that it will close a farm"),
        ("The rise in rents has come to an end", "The weaker rise in rents"),
        ("Rents rose less than expected", "Rents was worse than expected"),
        ("Its costs rose less than expected", "Its costs was better than expected"),
        ("The gain was smaller than expected", "The change was worse than expected"),
        ("It is untrue that the dairy loses money", "It is untrue that the dairy change money"),
    ],
)
def test_what_is_denied_becomes_a_change(text: str, read: str) -> None:
    assert put_denials_as_change(text) == read
    assert put_denials_as_change(read) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Rents fell in June",
        "Not only did rents fall, costs rose",
        "Rents fell, and not by a little",
        "Nothing could stop the growth of rents",
        "The lawsuit did not stop the rise of its shares",
        "The dairy could prevent the closure",
        "It did not stop the decline in costs",
        "The rise in bad loans has come to an end",
        "Rents have not stopped falling",
        "It did not cut costs",
        "Profit did not hit its target",
        "The dairy was denied a loan after its losses",
        "The drop in rents is over 10 percent",
        "The losses deepened as shares ended lower",
        "The loss came as rents were lower than expected",
        "The dairy did not say why rents fell",
        "The dairy did not disclose the price",
    ],
)
def test_what_is_no_denial_of_bad_news_is_left_alone(text: str) -> None:
    assert put_denials_as_change(text) == text


@pytest.mark.parametrize(
    "part",
    [
        "not ",
        "no ",
        "loss in ",
        "denies ",
        "n't be ",
        "not expect a ",
        "loss lower than ",
        "could not prevent ",
        "rise in ",
        "a rose less ",
        "not rule out a ",
        "fall in a ",
    ],
)
def test_no_text_takes_long(part: str) -> None:
    start = time.process_time()
    put_denials_as_change((part * 4096)[:4096])
    assert time.process_time() - start < 0.5


@pytest.fixture(scope="module")
def by_pattern() -> dict[str, list[tuple[str, str]]]:
    """For each pattern of the set of negations, label and class of each sentence."""
    with (SENTENCES / "negation.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = Scorer.load().score([row["text"] for row in rows]).probabilities.argmax(axis=1)
    found: dict[str, list[tuple[str, str]]] = {}
    for row, index in zip(rows, chosen.tolist(), strict=True):
        found.setdefault(row["pattern"], []).append((row["label"], LABELS[index]))
    return found


def test_denials_that_the_rule_was_not_written_by() -> None:
    """45 sentences written before the rules of double denials and of denied good news: 22 were right without them."""
    with (Path(__file__).parent / "checked_denials.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = [LABELS[i] for i in Scorer.load().score([row["text"] for row in rows]).probabilities.argmax(axis=1)]
    pairs = [(row["label"], each) for row, each in zip(rows, chosen, strict=True)]
    assert sum(label == each for label, each in pairs) >= 35
    assert sum({label, each} == {"positive", "negative"} for label, each in pairs) <= 3


def test_denials_of_bad_news_are_not_negative(by_pattern: dict[str, list[tuple[str, str]]]) -> None:
    """Of 72 such sentences 31 were called negative before the rule."""
    denied = [pair for pattern in DENIED for pair in by_pattern[pattern]]
    assert len(denied) == 72
    assert sum(chosen == "negative" for _, chosen in denied) <= 9
    for pattern in ("not_bad", "denies_bad"):
        assert all(chosen != "negative" for _, chosen in by_pattern[pattern])


def test_what_is_not_denied_stays(by_pattern: dict[str, list[tuple[str, str]]]) -> None:
    plain = [pair for pattern in ("plain_bad", "plain_good", "not_a_denial") for pair in by_pattern[pattern]]
    assert np.mean([label == chosen for label, chosen in plain]) >= 0.95


def test_sentences_of_our_own_are_shipped_and_balanced() -> None:
    own = read_labelled("embedded")
    assert np.bincount(own.labels).tolist() == [24, 24, 24]
    assert len(own.unique()) == len(own)
    negations = read_labelled("negation")
    assert len(negations.unique()) == len(negations) == 172
    comparison = compare_scorers(Scorer.load(), own, lexicon_baselines=False)
    assert comparison.rows[0].accuracy > 0.9
