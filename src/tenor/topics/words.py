"""The words of news items, without links, tickers, names of accounts and numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from tenor.errors import ModelError

# links as `clean` leaves them or as they were; cashtags, accounts, tags; symbols before a colon (NYSE:ABC)
_NO_WORDS = re.compile(r"https?://\S+|www\.\S+|\bhttp\b|[$@#]\S+|\b[A-Z]{1,6}:\s?[A-Z.]{1,8}\b|\S+…$")
_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|['&-](?=[^\W\d_]))*")
# words of the medium, in no language's list of stop words
_MEDIUM = frozenset(("rt", "via", "amp", "http", "https", "com", "www"))
LONGEST_WORD = 24
VOCABULARY = 20_000
"""How many words are counted: the most common ones; other words can't name a topic."""


def words_of(text: str, without: Collection[str] = ()) -> list[str]:
    """The words of a text in lower case, in their order, without links, tickers, accounts, numbers and `without`.

    Words of one or two letters do not count.

    >>> words_of("$ACME beats on revenue, raises guidance https://t.co/x @someone #stocks")
    ['beats', 'revenue', 'raises', 'guidance']
    """
    words = _WORD.findall(_NO_WORDS.sub(" ", text).replace("’", "'").lower())
    words = [word.removesuffix("'s") for word in words]
    return [word for word in words if 2 < len(word) <= LONGEST_WORD and word not in without]


def stop_words() -> frozenset[str]:
    """Words that say nothing about a topic: scikit-learn's English list, and words common in all news.

    Raises
    ------
    ModelError
        scikit-learn is not installed.
    """
    try:
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
    except ModuleNotFoundError:
        raise ModelError("scikit-learn is not installed: pip install 'tenor[train]'.") from None
    return frozenset(ENGLISH_STOP_WORDS) | _MEDIUM


def telling_words(
    documents: Iterable[Sequence[str]], topics: Sequence[int], k: int, *, most: int = 10
) -> tuple[tuple[str, ...], ...]:
    """The words that set each topic apart from the others, by class-based TF-IDF (Grootendorst 2022).

    All items of a topic count as one document. The weight of a word in a topic is its share of the topic's words, times
    ``log(1 + average number of words in a topic / number of times the word occurs in all topics)``. A word counts once
    for each item, so that one repetitive item can't name a topic. It must occur in at least five items of the topic
    (all of them, if there are fewer) and in at least 1 of 1,000.

    Parameters
    ----------
    documents
        The words of each item.
    topics
        The topic of each item.
    k
        Number of topics.
    most
        Most words for each topic.
    """
    counts: list[Counter[str]] = [Counter() for _ in range(k)]
    sizes = [0] * k
    for words, topic in zip(documents, topics, strict=True):
        counts[topic].update(set(words))
        sizes[topic] += 1
    everywhere: Counter[str] = Counter()
    for of_topic in counts:
        everywhere.update(of_topic)
    # ties are broken by the word itself, so that the order of the items does not count
    kept = {word for word, _ in sorted(everywhere.items(), key=lambda pair: (-pair[1], pair[0]))[:VOCABULARY]}
    average = sum(everywhere.values()) / max(1, k)
    named = []
    for of_topic, size in zip(counts, sizes, strict=True):
        total = max(1, sum(of_topic.values()))
        least = max(min(5, size), size // 1000)
        weights = {
            word: count / total * float(np.log1p(average / everywhere[word]))
            for word, count in of_topic.items()
            if count >= least and word in kept
        }
        named.append(tuple(word for word, _ in sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))[:most]))
    return tuple(named)
