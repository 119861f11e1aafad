from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tenor.errors import ModelError
from tenor.storage.object_store import open_store
from tenor.topics.model import Topic, TopicModel
from tenor.topics.saved import SavedTopics


def model_of(seed: int) -> TopicModel:
    directions = np.random.default_rng(seed).normal(size=(2, 3)).astype(np.float32)
    return TopicModel((Topic(("a",), 1), Topic(("b",), 1)), np.zeros(3, np.float32), directions, "e")


@pytest.fixture
def saved(tmp_path: Path) -> SavedTopics:
    return SavedTopics(open_store(tmp_path / "topics"))


def test_without_a_fit_there_are_no_topics(saved: SavedTopics) -> None:
    assert saved.current_if_any() is None
    with pytest.raises(ModelError, match="has no topics yet: run 'tenor topics fit'"):
        saved.current()
    with pytest.raises(ModelError, match="has no topics yet"):
        saved.rename("a", "b")


def test_an_older_version_stays_as_it_was(saved: SavedTopics) -> None:
    first, second = model_of(0), model_of(1)
    saved.save(first)
    saved.save(second)
    assert saved.current().version == second.version
    assert saved.version(first.version).directions.tobytes() == first.directions.tobytes()
    with pytest.raises(ModelError, match="no topics of version 0123"):
        saved.version("0123")


def test_a_rename_is_of_the_current_topics_alone(saved: SavedTopics) -> None:
    saved.save(model_of(0))
    assert saved.rename("a", "alpha").names == ("alpha", "b")
    assert saved.current().names == ("alpha", "b")
    assert saved.version(saved.current().version).names == ("a", "b")


def test_damaged_topics_are_named(saved: SavedTopics, tmp_path: Path) -> None:
    saved.save(model_of(0))
    path = tmp_path / "topics" / "current.json"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelError, match=r"topics/current\.json is damaged"):
        saved.current()
