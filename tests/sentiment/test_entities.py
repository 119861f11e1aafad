from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tenor.config import SentimentConfig
from tenor.errors import ModelError
from tenor.schema import News, news_id
from tenor.sentiment.entities import FILE, Companies, EntityHead, clause_of, head_bytes, mentions
from tenor.sentiment.scorer import Scorer
from tenor.workspace import Workspace

NAMES = {"ACM": "Acme Holdings, Inc.", "GLX": "Globex Corporation", "INI": "Initech plc"}
BOTH = "Acme soars on record profit, Globex plunges after recall"


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer.load()


@pytest.fixture(scope="module")
def head() -> EntityHead:
    return EntityHead.load()


def news_of(*items: tuple[str, str]) -> News:
    frame = pd.DataFrame(items, columns=["symbol", "text"])
    when = pd.Timestamp("2024-03-05 15:00", tz="UTC")
    ids = [news_id("desk", text) for text in frame["text"]]
    return News(frame.assign(id=ids, published_at=when, source="desk", url=""))


@pytest.mark.parametrize(
    ("text", "name", "clause"),
    [
        (BOTH, "Acme", "Acme soars"),
        (BOTH, "Globex", "Globex plunges"),
        ("Acme, Globex: which to own", "Globex", "Globex"),
        ("Acme beats Globex", "Globex", "Acme beats Globex"),
        ("Sales of Acme-Globex rise", "Acme", "Sales of Acme-Globex rise"),
    ],
)
def test_a_clause_ends_at_commas_and_joining_words(text: str, name: str, clause: str) -> None:
    start = text.index(name)
    assert clause_of(text, start, start + len(name)) == clause


def test_companies_are_found_by_name_without_their_legal_form() -> None:
    assert mentions(BOTH, NAMES) == {"ACM": (0, 4), "GLX": (29, 35)}
    assert mentions("ACME and Globexx, acme", NAMES) == {}


def test_each_company_has_what_its_clause_says(scorer: Scorer, head: EntityHead) -> None:
    frame = news_of(("ACM", BOTH), ("GLX", BOTH)).frame
    scores = Companies(NAMES, head).told_apart(frame, scorer.score(frame["text"].tolist()), scorer.encoder)
    assert scores.score[0] > 0.3
    assert scores.score[1] < -0.3
    assert scores.probabilities.sum(axis=1) == pytest.approx([1, 1], abs=1e-5)


@pytest.mark.parametrize(
    "items",
    [
        [("ACM", BOTH)],  # the news has it for one symbol
        [("ACM", "Acme soars, peers plunge"), ("GLX", "Acme soars, peers plunge")],  # it names one company
        [("ACM", "Acme beats Globex"), ("GLX", "Acme beats Globex")],  # in one clause
        [("ACM", BOTH), ("ZZZ", BOTH)],  # of one the lake knows no name
        [("ACM", ""), ("GLX", "")],
        [("ACM", "Acme ist gestiegen, während Globex stark gefallen ist und weiter fällt"),
         ("GLX", "Acme ist gestiegen, während Globex stark gefallen ist und weiter fällt")],
    ],
)  # fmt: skip
def test_other_items_keep_their_score_to_the_bit(
    items: list[tuple[str, str]], scorer: Scorer, head: EntityHead
) -> None:
    frame = news_of(*items).frame
    before = scorer.score(frame["text"].tolist())
    after = Companies(NAMES, head).told_apart(frame, before, scorer.encoder)
    assert after.probabilities.tobytes() == before.probabilities.tobytes()


def test_the_same_words_at_another_moment_are_another_item(scorer: Scorer, head: EntityHead) -> None:
    frame = news_of(("ACM", BOTH), ("GLX", BOTH)).frame
    later = frame.assign(published_at=[*frame["published_at"][:1], pd.Timestamp("2024-03-07", tz="UTC")])
    scores = scorer.score(frame["text"].tolist())
    # what appears two days later changes nothing of today's score
    apart = Companies(NAMES, head).told_apart(later, scores, scorer.encoder)
    assert np.array_equal(apart.probabilities, scores.probabilities)


def test_the_lakes_sentiment_is_by_company(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    workspace.lake.append_news(news_of(("ACM", BOTH), ("GLX", BOTH)))
    names = pd.DataFrame({"symbol": list(NAMES), "name": list(NAMES.values()), "source": "desk"})
    workspace.lake.append_rows("names", names)
    daily = {}
    for entities in (True, False):
        config = SentimentConfig(entities=entities)
        saved, again = (workspace.daily_sentiment(config, calendar="XNYS", save=save) for save in (True, False))
        assert saved is not None
        assert again is not None
        assert saved.fingerprint() == again.fingerprint()
        daily[entities] = saved.frame.set_index("symbol")["mean"]
    assert daily[True]["ACM"] > 0 > daily[True]["GLX"]
    assert daily[False]["ACM"] == daily[False]["GLX"]


def test_a_head_of_another_encoder_is_refused(scorer: Scorer, tmp_path: Path) -> None:
    arrays = {"mean": np.zeros(8), "scale": np.ones(8), "weights": np.zeros((8, 3)), "bias": np.zeros(3)}
    path = tmp_path / FILE
    path.write_bytes(head_bytes("another", 1, arrays))
    head = EntityHead.load(path)
    assert head.probabilities(np.zeros((2, 8), np.float32)) == pytest.approx(1 / 3)
    frame = news_of(("ACM", BOTH)).frame
    with pytest.raises(ModelError, match="encoder another"):
        Companies(NAMES, head).told_apart(frame, scorer.score([BOTH]), scorer.encoder)
    path.write_bytes(path.read_bytes()[:-9])
    for place in (path, tmp_path / "none.npz"):
        with pytest.raises(ModelError, match="missing, damaged"):
            EntityHead.load(place)
