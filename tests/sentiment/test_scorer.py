from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from carrying_engine import CarryingEngine

from tenor.errors import DataError, ModelError
from tenor.kinds import KINDS, StoredKinds
from tenor.schema.arrays import Float16, Float32
from tenor.sentiment.encoder import Embeddings, Ids, Logits, OnnxEncoder
from tenor.sentiment.scorer import Scorer
from tenor.sentiment.scores import LABELS, Probabilities
from tenor.sentiment.text import text_hash

CLEAR = {
    "positive": (
        "Acme raises its full-year forecast after record quarterly profit",
        "Shares of Globex jump 12% as sales beat expectations",
        "Initech upgraded to buy, price target lifted",
    ),
    "neutral": (
        "Acme to hold its annual shareholder meeting on Thursday",
        "Globex names a new head of its office in Oslo",
        "Initech will publish its quarterly report next week",
    ),
    "negative": (
        "Acme warns on profit and cuts 4,000 jobs as sales slump",
        "Shares of Globex plunge after fraud investigation",
        "Initech downgraded to sell on falling margins",
    ),
}


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer.load()


class Memory:
    """A cache in memory."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], Probabilities] = {}
        self.kinds: dict[tuple[str, str], tuple[Float32, Float16]] = {}

    def get(self, text_hashes: Sequence[str], model_id: str) -> Mapping[str, Probabilities]:
        return {name: self.stored[name, model_id] for name in text_hashes if (name, model_id) in self.stored}

    def put(self, scores: Mapping[str, Probabilities], model_id: str) -> None:
        self.stored |= {(name, model_id): value for name, value in scores.items()}

    def get_kinds(self, text_hashes: Sequence[str], model_id: str, *, embeddings: bool) -> StoredKinds:
        names = [name for name in text_hashes if (name, model_id) in self.kinds]
        rows = [self.kinds[name, model_id] for name in names]
        kinds = np.array([row[0] for row in rows], np.float32).reshape(-1, len(KINDS))
        return StoredKinds(names, kinds, np.array([row[1] for row in rows], np.float16) if embeddings else None)

    def put_kinds(self, kinds: StoredKinds, model_id: str) -> None:
        assert kinds.embeddings is not None
        for name, numbers, embedding in zip(kinds.text_hashes, kinds.kinds, kinds.embeddings, strict=True):
            self.kinds[name, model_id] = numbers, embedding


class CountingEncoder(OnnxEncoder):
    """Counts the texts that it runs."""

    runs = 0

    def logits(self, ids: Ids) -> Logits:
        self.runs += len(ids)
        return super().logits(ids)

    def outputs(self, ids: Ids) -> tuple[Logits, Embeddings]:
        self.runs += len(ids)
        return super().outputs(ids)


@pytest.mark.parametrize("label", LABELS)
def test_clear_sentences(scorer: Scorer, label: str) -> None:
    scores = scorer.score(CLEAR[label])
    assert [LABELS[i] for i in scores.probabilities.argmax(axis=1)] == [label] * 3
    assert scores.language_ok.all()
    assert not scores.empty.any()
    np.testing.assert_allclose(scores.probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(scores.score, scores.positive - scores.negative)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("Sales were 210 million against 150 million", "Sales were 150 million against 210 million"),
        ("Profit amounted to EUR 9.4 mn (EUR 7.1 mn)", "Profit amounted to EUR 7.1 mn (EUR 9.4 mn)"),
        ("The loss was USD 2 mn, compared with 3 mn", "The loss was USD 3 mn, compared with 2 mn"),
        ("Costs went from 40 to 32 million euros", "Costs went from 32 to 40 million euros"),
    ],
)
def test_the_larger_of_two_numbers_decides(scorer: Scorer, good: str, bad: str) -> None:
    high, low = scorer.score([good, bad]).score
    assert high > 0.5
    assert low < -0.5


def test_a_score_depends_on_the_text_alone(scorer: Scorer) -> None:
    texts = [text for part in CLEAR.values() for text in part] + ["profit", "profit " * 40, "Loss " * 3]
    together = scorer.score(texts * 3).probabilities
    alone = np.concatenate([scorer.score([text]).probabilities for text in texts])
    reverse = scorer.score(texts[::-1]).probabilities[::-1]
    np.testing.assert_allclose(together, np.tile(alone, (3, 1)), atol=1e-5)
    np.testing.assert_allclose(reverse, alone, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "language_ok"),
    [
        ("rally 🚀🚀🚀 to the moon", True),
        ("🚀", False),
        ("الشركة تخسر المال", False),
        ("\u202eprofit falls\u202c hard", True),
        ("profit\x00 falls\x07 hard", True),
        ("Die Aktien des Unternehmens sind nach der Gewinnwarnung stark gefallen", False),
        ("<html><body><h1>Acme profit falls</h1></body></html>", True),
        ("lone \ud800 surrogate in a headline", True),
        ("x" * 5000, None),
        ("% $ # @ !", False),
    ],
)
def test_odd_texts_are_scored_and_flagged(scorer: Scorer, text: str, language_ok: bool | None) -> None:
    scores = scorer.score([text])
    assert np.isfinite(scores.probabilities).all()
    assert not scores.empty[0]
    if language_ok is not None:
        assert scores.language_ok[0] == language_ok


@pytest.mark.parametrize("text", ["", "  \n ", "\x00\x01", "<br/>", "\u200b\u202e", "<!-- nothing -->"])
def test_empty_texts_are_not_neutral(scorer: Scorer, text: str) -> None:
    scores = scorer.score([text, "Acme profit falls"])
    assert scores.empty.tolist() == [True, False]
    assert np.isnan(scores.score[0])
    assert not scores.language_ok[0]
    row = scores.rows()[0]
    assert row["score"] is None
    assert row["empty"] is True


def test_mark_up_and_controls_change_nothing(scorer: Scorer) -> None:
    scores = scorer.score(["Acme's profit falls hard", "<b>Acme&#39;s</b>\x07 profit\n falls  hard\u200b"])
    assert scores.score[0] == scores.score[1]


def test_a_megabyte_is_read(scorer: Scorer) -> None:
    scores = scorer.score(["profit falls " * 80_000, "a" * 1_000_000])
    assert np.isfinite(scores.score).all()


def test_no_texts(scorer: Scorer) -> None:
    scores = scorer.score([])
    assert len(scores) == 0
    assert scores.probabilities.shape == (0, 3)
    assert scores.rows() == []


def test_anything_but_a_text_is_refused(scorer: Scorer) -> None:
    with pytest.raises(DataError, match="text 1 is nan"):
        scorer.score(["fine", float("nan")])  # type: ignore[list-item]
    with pytest.raises(DataError, match="text 0 is None"):
        scorer.score([None])  # type: ignore[list-item]


def test_a_text_is_scored_once() -> None:
    cache, encoder = Memory(), CountingEncoder()
    scorer = Scorer(encoder)
    first = scorer.score(["Acme gains", "Acme  gains", "Acme falls", ""], cache=cache)
    assert encoder.runs == 2
    assert len(cache.stored) == 2
    again = scorer.score(["Acme falls", "Acme gains"], cache=cache)
    assert encoder.runs == 2
    np.testing.assert_array_equal(again.probabilities, first.probabilities[[2, 0]])


def test_a_killed_run_keeps_its_scores() -> None:
    scorer = Scorer(OnnxEncoder(), round_size=4)
    texts, cache = [f"Acme sells {i} units" for i in range(10)], Memory()

    def kill(done: int, total: int) -> None:
        if done > 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scorer.score(texts, cache=cache, progress=kill)
    assert len(cache.stored) == 8
    progress: list[tuple[int, int]] = []
    scores = scorer.score(texts, cache=cache, progress=lambda done, total: progress.append((done, total)))
    assert progress[0] == (8, 10)
    assert progress[-1] == (10, 10)
    np.testing.assert_allclose(scores.probabilities, scorer.score(texts).probabilities, atol=1e-5)


def test_rows_are_fit_for_json(scorer: Scorer) -> None:
    (row,) = scorer.score(["Acme profit falls"]).rows()
    assert list(row) == ["positive", "neutral", "negative", "score", "language_ok", "empty"]
    assert row["score"] == pytest.approx(row["positive"] - row["negative"], abs=2e-6)
    assert all(isinstance(row[label], float) for label in LABELS)


def test_a_cache_from_before_denials_were_read_is_not_asked_for_them() -> None:
    """A score that was stored under the text itself is the one without the rule."""
    scorer, cache = Scorer.load(), Memory()
    denial, plain = "Rents did not fall in June", "Rents fell in June"
    old = {text_hash(text): (0.0, 0.0, 1.0) for text in (denial, plain)}
    cache.put(old, scorer.model_id)
    scores = scorer.score([denial, plain], cache=cache)
    assert scores.negative[0] < 0.5
    assert scores.negative[1] == 1.0


def test_scored_elsewhere_is_the_same_to_the_bit_and_a_killed_run_goes_on(scorer: Scorer) -> None:
    texts = [*CLEAR["positive"], "", *CLEAR["negative"], CLEAR["positive"][0], *CLEAR["neutral"]]
    engine, cache, told = CarryingEngine(), Memory(), []
    here, away = Scorer(scorer.encoder, round_size=4), Scorer.load(engine=engine)
    away._round_size = 4  # batches are of one round: others differ by the float noise of another batch
    here = here.score(texts, kinds=True, embeddings=True)
    scores = away.score(
        texts, cache=cache, kinds=True, embeddings=True, progress=lambda done, total: told.append((done, total))
    )
    for name in ("probabilities", "kinds", "embeddings", "language_ok", "empty"):
        assert getattr(scores, name).tobytes() == getattr(here, name).tobytes()
    assert [len(task) for task in engine.ran] == [1, 4, 4]
    assert told[0] == (0, 9)
    assert told[-1] == (9, 9)
    again = CarryingEngine()
    Scorer.load(engine=again).score(texts, cache=cache, kinds=True, embeddings=True)
    assert again.ran == []


def test_other_weights_on_a_machine_of_the_cluster_are_refused() -> None:
    class Other(Scorer):
        """Has loaded weights of its own here, and finds tenor's elsewhere."""

        model_id = "another"

    away = Other.load(engine=CarryingEngine())
    with pytest.raises(ModelError, match="put the same weights at the same path on each machine"):
        away.score(["Acme cuts its forecast"])
