"""The scoring of a lake's news by the models that the settings name: each text once, in blocks that bound memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tenor.config import SentimentConfig
from tenor.engines import Engine
from tenor.kinds import StoredKinds
from tenor.schema import News
from tenor.sentiment.entities import Companies, EntityHead
from tenor.sentiment.scorer import Scorer
from tenor.sentiment.scores import Scores
from tenor.store import Lake
from tenor.store.item_scores import LakeScores
from tenor.topics.model import TopicModel

BLOCK = 100_000
"""How many items of news are read, scored and counted at once; this bounds memory."""

ScoringProgress = Callable[[int, int], None]
"""Called with the number of distinct texts that are scored, and of all distinct texts."""


@dataclass(frozen=True)
class ScoredNews:
    """The lake's news with the score of each item, row by row."""

    news: News
    scores: Scores


class Scoring:
    """Scores the news of a lake.

    Parameters
    ----------
    lake
        Its news are scored, and its cache has the scores of earlier calls.
    config
        Names the models.
    engine
        Where texts are scored; None means in this process.

    Raises
    ------
    ModelError
        A model is missing or damaged.
    """

    def __init__(self, lake: Lake, config: SentimentConfig, *, engine: Engine | None = None) -> None:
        self._lake = lake
        self._scorer = _scorer(config, engine)
        self._companies = self._known_companies() if config.entities else None

    @property
    def model_id(self) -> str:
        """The model of sentiment."""
        return self._scorer.model_id

    def state(self, *, kinds: bool) -> dict[str, str]:
        """The news and the models on which the scores depend."""
        classifier = self._scorer.classifier.model_id if kinds and self._scorer.has_kinds else ""
        state = {"news": self._lake.news_state(), "model": self.model_id, "kinds": classifier}
        return state if self._companies is None else state | {"companies": self._companies.fingerprint()}

    def blocks(
        self, *, kinds: bool, topics: TopicModel | None, progress: ScoringProgress | None, save: bool
    ) -> Iterator[tuple[News, Scores]]:
        """The lake's news in order of publication with their scores, about `BLOCK` items at a time.

        Parameters and errors are those of `scores`.
        """
        blocks = self._lake.news_blocks(BLOCK)
        total, done = sum(count for *_, count in blocks), 0
        for first, last, count in blocks:
            news = self._lake.news(since=first, until=last)

            def scored(block_done: int, block_total: int, before: int = done, count: int = count) -> None:
                if progress is not None:
                    progress(before + round(count * block_done / max(block_total, 1)), total)

            # in one block, the counts of distinct texts are those that a person expects
            report = scored if len(blocks) > 1 else progress
            yield news, self.scores(news, kinds=kinds, topics=topics, progress=report, save=save)
            done += count

    def scores(
        self, news: News, *, kinds: bool, topics: TopicModel | None, progress: ScoringProgress | None, save: bool
    ) -> Scores:
        """The scores of `news`, row by row.

        Parameters
        ----------
        news
            News of the lake.
        kinds
            Add their kinds, if the model has them.
        topics
            Topics that are assigned by the embeddings of the texts, which are added then.
        progress
            Called while texts are scored.
        save
            Save the scores in the lake, so that later calls read them.

        Raises
        ------
        ModelError
            `topics` were fitted with another encoder.
        """
        cache = self._lake.score_cache()
        cache = cache if save else _ReadOnlyCache(cache.versions)
        scores = _scored(
            self._scorer, news, kinds=kinds and self._scorer.has_kinds, topics=topics, cache=cache, progress=progress
        )
        if self._companies is None:
            return scores
        return self._companies.told_apart(news.frame, scores, self._scorer.encoder, cache)

    def _known_companies(self) -> Companies | None:
        """What tells the companies of an item apart; None where it is not known for the scorer."""
        names = {str(row["symbol"]): str(row["name"]) for row in self._lake.rows("names").to_dict("records")}
        if len(names) < 2:
            return None
        head = EntityHead.load()
        return Companies(names, head) if head.encoder == self.model_id else None


class _ReadOnlyCache(LakeScores):
    """The lake's scores, read-only."""

    def put(self, scores: Mapping[str, tuple[float, float, float]], model_id: str) -> None:
        """Keep nothing."""

    def put_kinds(self, kinds: StoredKinds, model_id: str) -> None:
        """Keep nothing."""


def score_alone(news: News, config: SentimentConfig, *, kinds: bool, topics: TopicModel | None) -> Scores:
    """The scores of `news` from outside the lake, row by row; nothing is read from the lake or saved.

    Parameters and errors are those of `Scoring` and `Scoring.scores`.
    """
    return _scored(_scorer(config), news, kinds=kinds, topics=topics)


def _scorer(config: SentimentConfig, engine: Engine | None = None) -> Scorer:
    return Scorer.load(config.model, kinds=config.kinds_model or None, engine=engine, device=config.device)


def _scored(
    scorer: Scorer,
    news: News,
    *,
    kinds: bool,
    topics: TopicModel | None,
    cache: LakeScores | None = None,
    progress: ScoringProgress | None = None,
) -> Scores:
    if topics is not None:
        topics.check_encoder(scorer.classifier.model_id)
    texts = news.frame["text"].tolist()
    return scorer.score(texts, cache=cache, progress=progress, kinds=kinds, embeddings=topics is not None)
