from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tenor.errors import ConfigError, HistoryError
from tenor.topics.fitting import fit_topics, matched
from tenor.topics.model import NO_TOPIC

WORDS = ("dividend payout", "recall brakes", "lawsuit judge", "launch phone")


def news_of(sizes: tuple[int, ...], seed: int = 0) -> tuple[npt.NDArray[np.float16], list[str], npt.NDArray[np.int64]]:
    """Items of clusters that lie apart, their texts, and the cluster of each."""
    rng = np.random.default_rng(7)
    centres = 4 * rng.normal(size=(len(WORDS), 16))
    truth = np.repeat(np.arange(len(sizes)), sizes)
    items = centres[truth] + np.random.default_rng(seed).normal(size=(len(truth), 16))
    # a running word, of letters alone, makes each text distinct
    texts = [f"{WORDS[t]} {''.join(chr(97 + int(c)) for c in str(i))}x" for i, t in enumerate(truth)]
    return items.astype(np.float16), texts, truth


def test_topics_are_the_clusters_by_size_and_named_by_their_words() -> None:
    items, texts, truth = news_of((20, 60, 40, 80))
    model = fit_topics(items, texts, k=4, encoder="e")
    assert [topic.items for topic in model.topics] == [80, 60, 40, 20]
    assert [set(topic.words) for topic in model.topics] == [set(WORDS[i].split()) for i in (3, 1, 2, 0)]
    assert model.assign(items).tolist() == np.array([3, 1, 2, 0])[truth].tolist()
    assert model.settings["items"] == 200


def test_the_order_of_items_and_repeats_change_nothing_to_the_bit() -> None:
    items, texts, _ = news_of((30, 60, 40, 80))
    model = fit_topics(items, texts, k=4)
    order = np.random.default_rng(3).permutation(len(items))
    loud = [f"{texts[i].upper()}!  http://x.co/{i}" for i in order]
    again = fit_topics(np.vstack([items, items[order]]), texts + loud, k=4)
    assert again.to_bytes() == model.to_bytes()


def test_what_comes_later_changes_no_fit() -> None:
    items, texts, _ = news_of((30, 60, 40, 80))
    past = np.arange(0, len(items), 2)
    model = fit_topics(items[past], [texts[i] for i in past], k=4)
    later = items.copy()
    later[1::2] = 99
    assert fit_topics(later[past], [texts[i] for i in past], k=4).to_bytes() == model.to_bytes()


def test_unreadable_items_are_left_out() -> None:
    items, texts, _ = news_of((30, 60, 40, 80))
    blank = np.vstack([items, np.full((50, 16), np.nan, np.float16)])
    model = fit_topics(blank, texts + [f"unreadable {i}" for i in range(50)], k=4)
    assert model.to_bytes() == fit_topics(items, texts, k=4).to_bytes()
    assert (model.assign(blank)[-50:] == NO_TOPIC).all()


def test_a_refit_keeps_places_and_names_of_topics_that_come_again() -> None:
    items, texts, _ = news_of((20, 60, 40, 80))
    before = fit_topics(items, texts, k=4, encoder="e").renamed("3", "payouts")
    # dividends have become the largest; another fit would put them first
    items, texts, _ = news_of((200, 60, 40, 80), seed=1)
    model = fit_topics(items, texts, k=4, encoder="e", previous=before)
    assert model.names[3] == "payouts"
    assert [set(t.words) for t in model.topics] == [set(t.words) for t in before.topics]
    assert fit_topics(items, texts, k=4, encoder="e").names[0] != "payouts"


def test_a_topic_that_is_gone_takes_its_name_along() -> None:
    items, texts, truth = news_of((20, 60, 40, 80))
    before = fit_topics(items, texts, k=4, encoder="e").renamed("3", "payouts")
    rest = np.flatnonzero(truth != 0)
    model = fit_topics(items[rest], [texts[i] for i in rest], k=3, encoder="e", previous=before)
    assert {topic.given for topic in model.topics} == {None}
    assert [topic.words for topic in model.topics] == [topic.words for topic in before.topics[:3]]


def test_topics_of_another_encoder_are_not_compared() -> None:
    items, texts, _ = news_of((20, 60, 40, 80))
    before = fit_topics(items, texts, k=4, encoder="e").renamed("0", "phones")
    model = fit_topics(items, texts, k=4, encoder="another", previous=before)
    assert "phones" not in model.names


def test_topics_match_where_either_shares_more_than_half() -> None:
    now, before = np.array([0, 0, 0, 1, 1, 2, -1]), np.array([5, 5, 1, 1, 0, 2, 2])
    # 0 and 5 share two of three; 1 shares one of three with 1 and one of two with 0; 2 shares its one, the rest unread
    assert matched(now, before, 3, 6) == {0: 5, 2: 2}


def test_names_given_to_leave_out_name_no_topic() -> None:
    items, texts, _ = news_of((30, 60, 40, 80))
    model = fit_topics(items, texts, k=4, without={"dividend", "phone"})
    assert not {"dividend", "phone"} & {word for topic in model.topics for word in topic.words}


def test_too_few_items_name_the_most_topics_that_they_allow() -> None:
    items, texts, _ = news_of((10, 10, 10, 5))
    with pytest.raises(HistoryError, match=r"35 distinct readable items of 35 .* need 40: .* fit 3 topics"):
        fit_topics(items, texts, k=4)
    with pytest.raises(HistoryError, match="0 distinct readable items of 0"):
        fit_topics(np.empty((0, 16)), [], k=4)


def test_items_that_are_all_alike_are_refused() -> None:
    _, texts, _ = news_of((30, 30, 30, 30))
    with pytest.raises(HistoryError, match="fewer than 4 different embeddings"):
        fit_topics(np.ones((120, 16)), texts, k=4)


@pytest.mark.parametrize(("k", "seed"), [(1, 0), (0, 0), (-3, 0), (4, -1), (4, 2**32)])
def test_numbers_that_make_no_sense_are_refused(k: int, seed: int) -> None:
    items, texts, _ = news_of((30, 30, 30, 30))
    with pytest.raises(ConfigError, match=r"k is|seed is"):
        fit_topics(items, texts, k=k, seed=seed)


def test_texts_and_embeddings_of_other_numbers_are_refused() -> None:
    items, texts, _ = news_of((30, 30, 30, 30))
    with pytest.raises(ConfigError, match="119 texts"):
        fit_topics(items, texts[1:], k=4)
