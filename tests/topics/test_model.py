from __future__ import annotations

import numpy as np
import pytest

from tenor.errors import ConfigError, DataError, ModelError
from tenor.topics.model import NO_TOPIC, Topic, TopicModel, valid_name


def model_of(*words: tuple[str, ...], width: int = 4, encoder: str = "enc-1") -> TopicModel:
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(len(words), width)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    centre = rng.normal(size=width).astype(np.float32)
    return TopicModel(tuple(Topic(w, 10) for w in words), centre, directions, encoder, {"k": len(words)})


@pytest.fixture
def model() -> TopicModel:
    return model_of(("profit", "guidance", "quarter", "eps"), ("recall", "brakes"), ())


def test_an_item_belongs_to_the_nearest_direction(model: TopicModel) -> None:
    items = model.centre + 3 * model.directions[[2, 0, 1]]
    topics, typical = model.nearest(items)
    assert topics.tolist() == [2, 0, 1]
    assert typical == pytest.approx([1, 1, 1], abs=1e-5)


def test_an_item_without_an_embedding_has_no_topic(model: TopicModel) -> None:
    items = np.array([[np.nan] * 4, [1, 2, 3, 4], [1, np.inf, 3, 4]], np.float16)
    topics = model.assign(items)
    assert topics[[0, 2]].tolist() == [NO_TOPIC, NO_TOPIC]
    assert topics[1] >= 0
    assert model.assign(np.empty((0, 4))).tolist() == []


def test_the_centre_itself_has_a_topic(model: TopicModel) -> None:
    assert model.assign(model.centre[None]).tolist() == [0]


def test_what_stands_beside_an_item_changes_nothing_to_the_bit(model: TopicModel) -> None:
    items = np.random.default_rng(1).normal(size=(40_000, 4)).astype(np.float16)
    topics, typical = model.nearest(items)
    for rows in (slice(7, 8), slice(16_000, 16_700), slice(1, None, 3)):
        part, of_part = model.nearest(items[rows])
        assert part.tolist() == topics[rows].tolist()
        assert of_part.tobytes() == typical[rows].tobytes()


@pytest.mark.parametrize("shape", [(3,), (3, 5), (2, 2, 4)])
def test_embeddings_of_another_width_are_refused(model: TopicModel, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="4 numbers an item"):
        model.assign(np.zeros(shape))


def test_another_encoder_is_refused_in_one_line(model: TopicModel) -> None:
    model.check_encoder("enc-1")
    with pytest.raises(ModelError, match=r"enc-1.*enc-2.*tenor topics fit") as caught:
        model.check_encoder("enc-2")
    assert "\n" not in str(caught.value)


def test_names_are_words_and_all_different() -> None:
    model = model_of(("at&t", "don't", "Ärger", "x"), ("a", "b", "c"), ("a", "b", "c"), ())
    assert model.names == ("att-dont-Arger", "a-b-c", "a-b-c-2", "topic-3")
    assert model.renamed("1", "a-b-c").names == ("att-dont-Arger", "a-b-c", "a-b-c-2", "topic-3")


def test_a_name_given_counts_until_it_is_taken_away(model: TopicModel) -> None:
    named = model.renamed("recall-brakes", "recalls")
    assert named.names[1] == "recalls"
    assert named.version == model.version
    assert named.renamed("recalls", "").names == model.names


@pytest.mark.parametrize("name", ["Recalls", "a b", "-a", "1a", "x" * 41, "a:b", "ä", "a/b"])
def test_a_name_that_can_name_no_feature_is_refused(model: TopicModel, name: str) -> None:
    assert not valid_name(name)
    with pytest.raises(ConfigError, match="can't name a topic"):
        model.renamed("0", name)


def test_a_name_of_another_topic_is_refused(model: TopicModel) -> None:
    with pytest.raises(ConfigError, match="topic 1 is called 'recall-brakes' already"):
        model.renamed("0", "recall-brakes")


@pytest.mark.parametrize("topic", ["recall-brake", "3", "-1", "", "99999999999999"])
def test_a_topic_that_is_not_there_is_refused(model: TopicModel, topic: str) -> None:
    with pytest.raises(ConfigError, match="no topic is called"):
        model.number(topic)


def test_a_model_reads_back_to_the_bit(model: TopicModel) -> None:
    again = TopicModel.from_bytes(model.renamed("0", "earnings").to_bytes(), "x")
    assert again.names == ("earnings", "recall-brakes", "topic-2")
    assert again.version == model.version
    assert again.directions.tobytes() == model.directions.tobytes()
    assert again.settings == {"k": 3}


@pytest.mark.parametrize(
    ("old", "new"), [(b'"enc-1"', b'"enc-2"'), (b'"format": 1', b'"format": 9'), (b"{", b"["), (b'"items"', b'"itemz"')]
)
def test_a_damaged_model_is_refused(model: TopicModel, old: bytes, new: bytes) -> None:
    with pytest.raises(ModelError, match=r"shelf/x\.json.*'tenor topics fit' again"):
        TopicModel.from_bytes(model.to_bytes().replace(old, new, 1), "shelf/x.json")


def test_another_encoder_or_direction_is_another_version(model: TopicModel) -> None:
    other = model_of(("a",), ("b",), ("c",), encoder="enc-2")
    assert len({model.version, other.version, model_of(("a",), ("b",)).version}) == 3
