"""Topics of a store's own news: fitted, shown, renamed. The news is read in parts, so that memory does not grow."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tenor.errors import ConfigError, DataError, HistoryError, ModelError
from tenor.sentiment.scorer import Scorer
from tenor.sentiment.scores import Scores
from tenor.sentiment.text import clean, duplicate_key
from tenor.store import Lake
from tenor.topics.fitting import MOST_ITEMS, fit_topics, sample_rank
from tenor.topics.model import NO_TOPIC, TopicModel
from tenor.topics.words import words_of
from tenor.workspace import Workspace

Counts = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]
MOST_OF_ONE = 0.9
"""If one symbol has a larger share of all items, the topics are mainly about it, and a note says so."""
USUAL_TOPICS = 20
"""The default number of topics."""
_SAMPLE = int(1.3 * MOST_ITEMS)  # more, because texts that differ only in links are merged later


@dataclass(frozen=True)
class FittedTopics:
    """Topics that were fitted and saved.

    Attributes
    ----------
    model
        The topics.
    notes
        Remarks for the user, one line each.
    """

    model: TopicModel
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {**_described(self.model), "notes": list(self.notes)}


@dataclass
class ShownTopics:
    """Topics, and how often they occur in the news.

    Attributes
    ----------
    model
        The topics.
    items
        Number of items that were read.
    unread
        Number of these without a topic, because they are empty or not English.
    counts
        ``[k]``; number of items of each topic.
    by_symbol
        From each symbol to its number of items of each topic, ``[k]``.
    by_day
        From each day of publication (UTC) to its number of items of each topic, ``[k]``.
    examples
        From each topic to its most typical items, as symbol, moment and text.
    """

    model: TopicModel
    items: int
    unread: int
    counts: Counts
    by_symbol: dict[str, Counts] = field(default_factory=dict)
    by_day: dict[str, Counts] = field(default_factory=dict)
    examples: dict[int, list[dict[str, str]]] = field(default_factory=dict)

    def share(self, number: int) -> float:
        """The share of topic `number` in all items that have a topic."""
        return _share(self.counts, number)

    def shares(self, number: int, *, by: str) -> dict[str, float]:
        """The share of topic `number` in the items of each symbol or day (`by` is ``symbol`` or ``day``)."""
        table = self.by_symbol if by == "symbol" else self.by_day
        return {key: _share(table[key], number) for key in sorted(table)}

    def to_json(self, number: int | None = None) -> dict[str, Any]:
        """A mapping of JSON values: all topics in short, or topic `number` in full."""
        described = _described(self.model)
        for at, topic in enumerate(described["topics"]):
            topic |= {"n": int(self.counts[at]), "share": round(self.share(at), 6)}
            if number in (None, at):
                topic |= {
                    "by_symbol": {s: round(v, 6) for s, v in self.shares(at, by="symbol").items()},
                    "by_day": {d: round(v, 6) for d, v in self.shares(at, by="day").items()},
                    "examples": self.examples.get(at, []),
                }
        if number is not None:
            described["topics"] = [described["topics"][number]]
        return {**described, "items": self.items, "unread": self.unread}


def fit(
    store: str,
    *,
    k: int = USUAL_TOPICS,
    until: str | None = None,
    seed: int = 0,
    scorer: str = "default",
    progress: Progress | None = None,
) -> FittedTopics:
    """Fit `k` topics on the news of `store` and make them its current ones.

    Parameters
    ----------
    store
        A folder, or ``s3://bucket/prefix``.
    k
        Number of topics.
    until
        A date or moment (UTC); only news published before it is used. Give the end of the training part if later
        sessions are a test.
    seed
        Seed of the random starts.
    scorer
        The model whose embeddings are used, as `Scorer.load` takes it.
    progress
        Called while texts are scored.

    Raises
    ------
    ConfigError
        `k`, `seed` or `until` has an impossible value.
    DataError
        There is no news, or too little that can be read.
    """
    before = None if until is None else _moment(until)
    workspace = Workspace(store)
    if k < 2:
        raise ConfigError(f"--k is {k}; it must be at least 2.")
    notes: list[str] = []
    try:
        previous = workspace.topics.current_if_any()
    except ModelError as error:  # a damaged model is replaced by this fit
        previous = None
        notes.append(f"the topics before are not used: {error}")
    later = "" if before is None else ", or give a later --until"
    items = read_items(workspace, before, Scorer.load(scorer), later, progress)
    model = items.fitted(k, seed, previous)
    workspace.topics.save(model)
    notes += _notes(workspace.lake, model, previous, float(items.scores.language_ok.mean()))
    return FittedTopics(model, tuple(notes))


def show(
    store: str,
    *,
    topic: str | None = None,
    version: str | None = None,
    examples: int = 3,
    scorer: str = "default",
    progress: Progress | None = None,
) -> ShownTopics:
    """The current topics of `store` and their shares in all its news, by symbol and by day of publication (UTC).

    Parameters
    ----------
    store
        A folder, or ``s3://bucket/prefix``.
    topic
        The name or number of a topic to show; it is checked before the news is read.
    version
        Version of the topics, as a fit or a model (``sentiment.topics_model``) names it; by default the last fit.
    examples
        How many typical items to return for each topic.
    scorer
        The model that the topics were fitted with.
    progress
        Called with the number of months that are read, and of all months.

    Raises
    ------
    ModelError
        There are no topics, or they are of another encoder.
    ConfigError
        There is no such topic.
    """
    workspace = Workspace(store)
    model = workspace.topics.current() if version is None else workspace.topics.version(version)
    if topic is not None:
        model.number(topic)
    scoring = Scorer.load(scorer)
    model.check_encoder(scoring.classifier.model_id)
    cache = workspace.lake.score_cache()
    k = len(model)
    shown = ShownTopics(model, 0, 0, np.zeros(k, np.int64))
    typical: list[list[tuple[float, str, str, str]]] = [[] for _ in range(k)]
    months = list(_months(workspace.lake))
    for done, (since, until) in enumerate(months):
        if progress is not None:
            progress(done, len(months))
        frame = workspace.lake.news(since=since, until=until).frame
        scores = scoring.score(frame["text"].tolist(), cache=cache, embeddings=True)
        assert scores.embeddings is not None
        topics, likeness = model.nearest(scores.embeddings)
        items = _Items(frame["symbol"].tolist(), frame["published_at"].tolist(), frame["text"].tolist())
        _count(shown, items, topics)
        for number in range(k):
            _keep_typical(
                typical[number], items, np.flatnonzero(topics == number).tolist(), likeness.tolist(), examples
            )
    if progress is not None:
        progress(len(months), len(months))
    for number, best in enumerate(typical):
        ordered = sorted(best, key=lambda item: (-item[0], item[2], item[3]))
        shown.examples[number] = [{"symbol": s, "published_at": at, "text": text} for _, text, at, s in ordered]
    return shown


def rename(store: str, topic: str, name: str) -> TopicModel:
    """Give a topic of `store` the name `name`; a later fit that finds the topic again keeps it.

    Raises
    ------
    ModelError
        There are no topics.
    ConfigError
        There is no such topic, or the name is not allowed or already used.
    """
    return Workspace(store).topics.rename(topic, name)


@dataclass(frozen=True)
class ReadItems:
    """A sample of the distinct texts of a lake with their scores, embeddings included.

    Attributes
    ----------
    texts, scores
        The texts of the sample, and their scores.
    encoder
        Name of the encoder that made the embeddings.
    looked_at
        Number of items from which the sample was drawn.
    before
        All items were published before this moment; None means no limit.
    without
        Words that must not be in the name of a topic.
    """

    texts: list[str]
    scores: Scores
    encoder: str
    looked_at: int
    before: pd.Timestamp | None
    without: frozenset[str]

    def fitted(self, k: int, seed: int = 0, previous: TopicModel | None = None) -> TopicModel:
        """`k` topics of these texts, found by `fit_topics`."""
        assert self.scores.embeddings is not None
        return fit_topics(
            self.scores.embeddings,
            self.texts,
            k,
            seed,
            encoder=self.encoder,
            previous=previous,
            without=self.without,
            settings={"until": None if self.before is None else self.before.isoformat(), "looked_at": self.looked_at},
        )


def read_items(
    workspace: Workspace, before: pd.Timestamp | None, scorer: Scorer, later: str, progress: Progress | None
) -> ReadItems:
    """A sample of the news published before `before`.

    If there is no news, `later` is added to the message of the error, as a further remedy.
    """
    store, lake = workspace.store, workspace.lake
    texts, looked_at = sample(lake.news_texts(before=before), _SAMPLE)
    if not texts:
        when = "" if before is None else f" published before {before:%Y-%m-%d %H:%M} UTC"
        raise DataError(
            f"{store} has no news{when}: bring some with 'tenor data import PATH --store {store}' "
            f"or 'tenor data fetch'{later}."
        )
    encoder = scorer.classifier.model_id
    scores = scorer.score(texts, cache=lake.score_cache(), progress=progress, embeddings=True)
    if not scores.language_ok.any():
        raise HistoryError(
            f"none of {len(texts)} distinct items looks English, which is all that {scorer.model_id} reads: "
            "topics need news in English, or a scorer of their language with a classifier of its own."
        )
    return ReadItems(texts, scores, encoder, looked_at, before, company_words(lake))


def sample(batches: Iterator[list[str]], most: int) -> tuple[list[str], int]:
    """At most `most` distinct texts of `batches`, and the number of texts seen (repeats counted).

    The texts with the smallest hashes are taken. This is a random sample that does not depend on the order of the
    texts. At most `most` times two texts are held in memory.
    """
    ranks: dict[bytes, str] = {}
    largest: bytes | None = None
    seen = 0
    for batch in batches:
        seen += len(batch)
        for text in batch:
            rank = sample_rank(text)
            if largest is None or rank < largest:
                ranks[rank] = text
        if len(ranks) > 2 * most:
            ranks = {rank: ranks[rank] for rank in sorted(ranks)[:most]}
            largest = max(ranks)
    return [ranks[rank] for rank in sorted(ranks)[:most]], seen


def company_words(lake: Lake) -> frozenset[str]:
    """The words of the companies' names and tickers, in lower case; they say whom an item is about, not its topic."""
    names = lake.rows("names")["name"].tolist()
    words = {word for name in names for word in words_of(str(name))}
    return frozenset(words | {symbol.lower() for symbol in lake.symbols()})


def _moment(until: str) -> pd.Timestamp:
    try:
        moment = pd.Timestamp(until)
        readable = not pd.isna(moment)
    except (ValueError, OverflowError):
        readable = False
    if not readable:
        raise ConfigError(f"--until is {until!r}: write a date like 2024-12-31, or a moment like 2024-12-31T21:00Z.")
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")


def _described(model: TopicModel) -> dict[str, Any]:
    return {
        "version": model.version,
        "encoder": model.encoder,
        "settings": dict(model.settings),
        "topics": [
            {"number": number, "name": name, "given": topic.given, "words": list(topic.words), "items": topic.items}
            for number, (name, topic) in enumerate(zip(model.names, model.topics, strict=True))
        ],
    }


def _notes(lake: Lake, model: TopicModel, previous: TopicModel | None, english: float) -> Iterator[str]:
    if english < MOST_OF_ONE:
        yield f"{1 - english:.0%} of the distinct items do not look English: they have no topic"
    counts = lake.spans("news").groupby("symbol")["count"].sum()
    if len(counts) and counts.max() > MOST_OF_ONE * counts.sum():
        yield f"{counts.max() / counts.sum():.0%} of all items are about {counts.idxmax()}: the topics are its own"
    before = {} if previous is None else {t.given for t in previous.topics if t.given}
    for name in sorted(set(before) - {topic.given for topic in model.topics}):
        yield f"the topic that you called {name!r} did not come again: its name is gone"
    if model.settings["until"] is None:
        yield "fitted on all news: no part of it is a test of these topics (--until DATE leaves one)"


def _share(counts: Counts, number: int) -> float:
    total = int(sum(counts))
    return int(counts[number]) / total if total else 0.0


def _months(lake: Lake) -> Iterator[tuple[pd.Timestamp, pd.Timestamp]]:
    """The first and last moment of each month that the news spans."""
    spans = lake.spans("news")
    if spans.empty:
        return
    first, last = pd.Timestamp(spans["first"].min()), pd.Timestamp(spans["last"].max())
    month = first.normalize().replace(day=1)
    while month <= last:
        following = month + pd.offsets.MonthBegin(1)
        yield month, following - pd.Timedelta(microseconds=1)
        month = following


@dataclass(frozen=True)
class _Items:
    """Items of news as columns."""

    symbols: list[str]
    moments: list[pd.Timestamp]
    texts: list[str]


def _count(shown: ShownTopics, items: _Items, topics: Counts) -> None:
    """Add items and their topics to `shown`."""
    k = len(shown.counts)
    read = topics != NO_TOPIC
    shown.items += len(topics)
    shown.unread += int((~read).sum())
    shown.counts += np.bincount(topics[read], minlength=k)
    days = [f"{moment:%Y-%m-%d}" for moment in items.moments]
    for table, keys in ((shown.by_symbol, items.symbols), (shown.by_day, days)):
        for (key, number), n in Counter(zip(keys, topics.tolist(), strict=True)).items():
            if number != NO_TOPIC:
                table.setdefault(key, np.zeros(k, np.int64))[number] += n


def _keep_typical(
    best: list[tuple[float, str, str, str]], items: _Items, rows: list[int], likeness: list[float], most: int
) -> None:
    """Keep in `best` (likeness, text, moment, symbol) the `most` most typical of `rows`, of texts alike the first."""
    if most < 1:
        return
    seen = {duplicate_key(item[1]) for item in best}
    for row in sorted(rows, key=lambda row: -likeness[row]):
        if len(best) >= most and likeness[row] <= min(best)[0]:
            return
        text = clean(items.texts[row])
        key = duplicate_key(text)
        if key in seen:
            continue
        seen.add(key)
        heapq.heappush(best, (likeness[row], text, f"{items.moments[row]:%Y-%m-%dT%H:%M:%SZ}", items.symbols[row]))
        if len(best) > most:
            heapq.heappop(best)
