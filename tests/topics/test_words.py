from __future__ import annotations

import pytest

from tenor.topics.words import stop_words, telling_words, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$ACME beats EPS http://x.co/a1 www.x.com @desk #hot", ["beats", "eps"]),
        ("Acme's Q3 margin rose 12.5% to 3,400", ["acme", "margin", "rose"]),
        ("(NYSE:ACM) chip-maker’s dividend", ["chip-maker", "dividend"]),
        ("Überraschung à la Müller", ["überraschung", "müller"]),
        ("AT&T 5G don't", ["at&t", "don't"]),
        ("cut off in the mid…", ["cut", "off", "the"]),
        ("", []),
        ("$$$ 123 !!!", []),
    ],
)
def test_words_are_those_of_the_text(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_words_given_are_left_out() -> None:
    assert words_of("Acme lifts dividend", {"acme"}) == ["lifts", "dividend"]


def test_stop_words_tell_nothing() -> None:
    assert {"the", "rt", "http"} <= stop_words()
    assert "dividend" not in stop_words()


def test_a_topics_words_are_those_that_others_lack() -> None:
    documents = [["shares", "dividend"], ["shares", "recall"]] * 10
    assert telling_words(documents, [0, 1] * 10, 2, most=1) == (("dividend",), ("recall",))


def test_one_item_that_repeats_a_word_names_no_topic() -> None:
    documents = [["dividend"]] * 9 + [["spam"] * 50]
    assert telling_words(documents, [0] * 10, 1) == (("dividend",),)


def test_a_topic_without_words_has_none() -> None:
    assert telling_words([["a"], []], [0, 1], 3) == (("a",), (), ())
