"""The rules and the sentences that the classifier of the kinds of news learns from."""

from __future__ import annotations

from collections import Counter

import pytest
from kind_rules import weak_labels
from train_kinds import as_labels, own_sentences, read_labels

from tenor.errors import DataError
from tenor.kinds import KINDS
from tenor.sentiment.text import duplicate_key


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Vexmoor Q2 EPS 0.40, beats estimates", "earnings"),
        ("Vexmoor upgraded to outperform at Harlin & Sons", "analyst"),
        ("Vexmoor to acquire Quillstone", "merger"),
        ("Vexmoor unveils a tablet", "product"),
        ("Court fines Vexmoor for fraud", "legal"),
        ("Vexmoor declares $0.10 dividend", "payout"),
        ("Inflation slows, rate cut likely", "macro"),
        ("Vexmoor chief executive resigns", "management"),
        ("$VXM breakout, support at 12", "price"),
        ("VXM Vexmoor Inc. Ex-Div Date $VXM $QLS", ""),
        ("Lovely weather in Turku", ""),
    ],
)
def test_rules(text: str, kinds: str) -> None:
    assert weak_labels(text).tolist() == as_labels(kinds)


def test_every_kind_has_sentences_of_its_own_with_others_and_without() -> None:
    texts, labels = own_sentences()
    assert len(texts) == len(labels) > 1000
    repeated = [key for key, n in Counter(map(duplicate_key, texts)).items() if n > 1]
    assert not repeated
    for column in range(len(KINDS)):
        of_kind = labels[labels[:, column] == 1]
        assert (of_kind.sum(axis=1) == 1).sum() >= 40
        assert (of_kind.sum(axis=1) > 1).sum() >= 5
    assert (labels.sum(axis=1) == 0).sum() >= 100


def test_what_was_read_is_there_as_hashes_alone() -> None:
    read = read_labels()
    assert len(read) > 500
    assert all(len(name) == 32 and set(name) <= set("0123456789abcdef") for name in read)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(DataError, match="weather is no kind of news: use earnings, "):
        as_labels("earnings|weather")
