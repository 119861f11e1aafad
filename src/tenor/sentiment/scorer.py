"""Scores texts: each is cleaned, scored once, in batches of texts with the same number of tokens, and cached."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tenor.engines import Engine
from tenor.errors import DataError, ModelError
from tenor.kinds import KINDS, StoredKinds
from tenor.sentiment.encoder import CONFIG, SHIPPED, Encoder, OnnxEncoder
from tenor.sentiment.kinds import EMBEDDING_SIZE, KindsClassifier
from tenor.sentiment.scores import LABELS, ScoreCache, Scores
from tenor.sentiment.text import clean, looks_english, text_hash

if TYPE_CHECKING:  # its package loads pandas
    from tenor.schema.arrays import Float16, Float32

BLOCK = 262_144
"""Number of texts handled together: within such a block each distinct text is scored once, even without a cache."""
_TOKENS_ON_A_CARD = 65_536
# measured on one core with texts of 20 tokens: 475 texts a second; 389 at 5,120 tokens a batch, 241 one by one
_TOKENS_A_BATCH = 640


class Scorer:
    """Scores texts with one encoder; make one with `Scorer.load`.

    The score of a text depends on that text alone, up to rounding below 1e-5: a batch holds only texts with the same
    number of tokens, so nothing is padded, and activations are float32.

    Parameters
    ----------
    encoder
        Computes the logits.
    kinds
        The file of a classifier for kinds of news that was trained for `encoder`. Default: the one that came with its
        weights.
    round_size
        Number of texts scored between two writes to the cache: the most that is lost if a run is killed.
    """

    def __init__(self, encoder: Encoder, *, kinds: str | Path | None = None, round_size: int = 8192) -> None:
        self._encoder = encoder
        self._kinds_file = Path(kinds) if kinds else encoder.kinds_file
        self._round_size = round_size
        self._spread: tuple[Engine, _Source] | None = None

    @classmethod
    def load(
        cls,
        model: str | Path | None = None,
        *,
        threads: int = 1,
        kinds: str | Path | None = None,
        engine: Engine | None = None,
        device: str = "auto",
    ) -> Scorer:
        """Load a model and return its scorer.

        Parameters
        ----------
        model
            None for the model in this package; or a folder of weights written by tenor, or a Hugging Face folder or id.
        threads
            Number of CPU cores to use (tenor's own encoder only).
        kinds
            The file of a classifier for kinds of news, trained for that model (docs/news-kinds.md). Default: the one
            that came with its weights.
        engine
            Where the texts are scored; None means in this process. On a cluster, a folder of weights has to be at the
            same path on each machine.
        device
            ``cpu``; ``cuda`` for a card (GPU); ``auto`` for a card if the runtime finds one, else the CPU. The scores
            are the same up to rounding.

        Raises
        ------
        ModelError
            The model is missing, was changed, or does not have exactly three classes.
        ConfigError
            `device` is ``cuda`` and there is no card.
        """
        if engine is not None:
            # in this process the encoder only counts tokens: each machine scores on the cores that the engine gave it
            scorer = cls.load(model, threads=threads, kinds=kinds, device="cpu")
            scorer._spread = engine, _Source(str(model or "default"), None if kinds is None else str(kinds))
            return scorer
        if model is None or model == "default":
            return cls(OnnxEncoder(SHIPPED, threads=threads, device=device), kinds=kinds)
        folder = Path(model)
        if (folder / "model.onnx").exists() and (folder / CONFIG).exists():
            return cls(OnnxEncoder(folder, threads=threads, device=device), kinds=kinds)
        from tenor.sentiment.transformer import TransformersEncoder

        return cls(TransformersEncoder(model, device=device), kinds=kinds)

    @property
    def model_id(self) -> str:
        """The name of the weights; no two models share it."""
        return self._encoder.model_id

    @property
    def encoder(self) -> Encoder:
        """The encoder that computes the logits."""
        return self._encoder

    @property
    def has_kinds(self) -> bool:
        """Whether there is a classifier for kinds of news for this encoder."""
        return self._kinds_file is not None

    @functools.cached_property
    def classifier(self) -> KindsClassifier:
        """The classifier for kinds of news.

        Raises
        ------
        ModelError
            There is no classifier, it is damaged, or it was trained for another encoder.
        """
        if self._kinds_file is None:
            raise ModelError(
                f"no classifier of the kinds of news came with {self.model_id}: train one for it and name its file "
                "(docs/news-kinds.md), or leave the kinds out."
            )
        classifier = KindsClassifier.load(self._kinds_file)
        if classifier.encoder != self.model_id:
            raise ModelError(
                f"the classifier {self._kinds_file} was trained for the encoder {classifier.encoder}, not for "
                f"{self.model_id}: train one for it and name its file (docs/news-kinds.md), or leave the kinds out."
            )
        return classifier

    def score(
        self,
        texts: Sequence[str],
        *,
        cache: ScoreCache | None = None,
        progress: Callable[[int, int], None] | None = None,
        kinds: bool = False,
        embeddings: bool = False,
    ) -> Scores:
        """Score `texts`.

        Parameters
        ----------
        texts
            Any texts; empty and repeated ones are allowed.
        cache
            Scores in it are not computed again. New ones are added after each round, so that a killed run can resume.
            It holds kinds and embeddings too; if it has only the sentiment of a text, the text is read once more.
        progress
            Called with the number of distinct texts done and the number of all distinct texts. With more than `BLOCK`
            texts, the second number is an upper limit.
        kinds
            Also compute what kinds of news the texts are, in the same pass.
        embeddings
            Also return the embeddings, 128 bytes for each text; kinds are then included.

        Raises
        ------
        DataError
            An entry of `texts` is not a string; the message gives its position.
        ModelError
            Kinds are asked for and there is no classifier for this encoder.
        """
        for position, text in enumerate(texts):
            if not isinstance(text, str):
                raise DataError(f"text {position} is {text!r}, not a text: drop it or fill it in.")
        classifier = self.classifier if kinds or embeddings else None
        scores = _unscored(len(texts), self.model_id, classifier is not None, embeddings)
        done, total = 0, len(texts)
        # in blocks, so that the memory beyond the result does not grow with the number of texts
        for start in range(0, len(texts), BLOCK):
            block = _Block(texts[start : start + BLOCK], self._encoder.reading)
            total -= len(block.places) - len(block.hashes)
            before = done

            def report(count: int, *, before: int = before, total: int = total) -> None:
                if progress is not None:
                    progress(before + count, total)

            numbers = _Numbers(len(block.hashes), classifier is not None, embeddings)
            self._fill(numbers, block, cache, classifier, report)
            done += len(block.hashes)
            block.copy(numbers, scores, start)
        if not texts and progress is not None:
            progress(0, 0)
        return scores

    def _fill(
        self,
        numbers: _Numbers,
        block: _Block,
        cache: ScoreCache | None,
        classifier: KindsClassifier | None,
        report: Callable[[int], None],
    ) -> None:
        """Fill `numbers`, a row a distinct text of `block`, from `cache` and what it lacks from the encoder."""
        row_of = {name: row for row, name in enumerate(block.hashes)}
        if cache is not None:
            for name, stored in cache.get(block.hashes, self.model_id).items():
                numbers.probabilities[row_of[name]] = stored
            if classifier is not None:
                known = cache.get_kinds(block.hashes, classifier.model_id, embeddings=numbers.embeddings is not None)
                numbers.put([row_of[name] for name in known.text_hashes], known.kinds, known.embeddings)
        scored = ~np.isnan(numbers.probabilities[:, 0])
        missing = np.flatnonzero(~(scored & numbers.has_kinds)).tolist()
        count = len(block.hashes) - len(missing)
        report(count)
        rounds = [missing[start : start + self._round_size] for start in range(0, len(missing), self._round_size)]
        for part, passed in zip(rounds, self._passes(rounds, block, classifier, count, report), strict=True):
            # the score of a text in the cache is returned as stored, bit for bit
            new = [place for place, row in enumerate(part) if not scored[row]]
            rows = [part[place] for place in new]
            numbers.probabilities[rows] = passed.probabilities[new]
            count += len(part)
            report(count)
            if classifier is not None:
                numbers.put(part, passed.kinds, passed.embeddings)
            if cache is not None:
                fresh = zip(rows, passed.probabilities[new].tolist(), strict=True)
                cache.put({block.hashes[row]: (up, flat, down) for row, (up, flat, down) in fresh}, self.model_id)
                if classifier is not None:
                    names = [block.hashes[row] for row in part]
                    cache.put_kinds(StoredKinds(names, passed.kinds, passed.embeddings), classifier.model_id)

    def _passes(
        self,
        rounds: Sequence[list[int]],
        block: _Block,
        classifier: KindsClassifier | None,
        before: int,
        report: Callable[[int], None],
    ) -> Iterator[_Pass]:
        """The pass of each of `rounds`, rows of `block`, here or where the engine runs it."""
        texts = ([block.cleaned(row) for row in part] for part in rounds)
        if self._spread is None:
            for part in texts:

                def counted(count: int, before: int = before) -> None:
                    report(before + count)

                yield self._pass(part, classifier, counted)
                before += len(part)
            return
        engine, source = self._spread
        sought = replace(source, model_id=self.model_id, with_kinds=classifier is not None)
        yield from engine.map(_pass_elsewhere, list(texts), shared=sought)

    def _pass(
        self, texts: list[str], classifier: KindsClassifier | None, report: Callable[[int], None] | None = None
    ) -> _Pass:
        """One round through the encoder; the embeddings come whether asked for or not: the pass is what costs."""
        passed = _Pass(
            np.zeros((len(texts), len(LABELS)), np.float32),
            np.zeros((len(texts), len(KINDS)), np.float32),
            np.zeros((len(texts), EMBEDDING_SIZE), np.float16),
        )
        count = 0
        for places, probabilities, pooled in self._batches(texts, classifier):
            passed.probabilities[places] = probabilities
            if classifier is not None and pooled is not None:
                passed.kinds[places] = classifier.probabilities(pooled)
                passed.embeddings[places] = classifier.projected(pooled)
            count += len(places)
            if report is not None:
                report(count)
        return passed

    def _batches(
        self, texts: list[str], classifier: KindsClassifier | None
    ) -> Iterator[tuple[list[int], Float32, Float32 | None]]:
        """(positions in `texts`, their probabilities and, with a `classifier`, embeddings); one token count a batch."""
        rows_of_length: dict[int, list[int]] = defaultdict(list)
        ids = self._encoder.tokenise(texts)
        for row, tokens in enumerate(ids):
            rows_of_length[len(tokens)].append(row)
        at_once = _TOKENS_ON_A_CARD if self._encoder.device == "cuda" else _TOKENS_A_BATCH
        for length, rows in sorted(rows_of_length.items()):
            size = max(1, at_once // length)
            for start in range(0, len(rows), size):
                part = rows[start : start + size]
                batch = np.array([ids[row] for row in part], dtype=np.int64)
                if classifier is None:
                    logits, pooled = self._encoder.logits(batch), None
                else:
                    logits, pooled = self._encoder.outputs(batch)
                yield part, softmax(logits / self._encoder.temperature), pooled


@dataclass(frozen=True)
class _Source:
    """What another process needs to load the same scorer."""

    model: str
    kinds: str | None
    model_id: str = ""
    with_kinds: bool = False


@dataclass(frozen=True)
class _Pass:
    """The encoder's results for n texts: probabilities [n, 3], kinds [n, K], embeddings [n, E]."""

    probabilities: Float32
    kinds: Float32
    embeddings: Float16


@functools.lru_cache(maxsize=1)  # a process on a cluster loads the weights once
def _loaded(source: _Source) -> Scorer:
    scorer = Scorer.load(source.model, kinds=source.kinds, device="cpu")
    if scorer.model_id != source.model_id:
        raise ModelError(
            f"the model {source.model} is {scorer.model_id} on a machine of the cluster, and {source.model_id} here: "
            "put the same weights at the same path on each machine."
        )
    return scorer


def _pass_elsewhere(source: _Source, texts: list[str]) -> _Pass:
    scorer = _loaded(source)
    return scorer._pass(texts, scorer.classifier if source.with_kinds else None)


class _Block:
    """A block of texts: which of them the encoder reads alike, and each distinct text, cleaned."""

    def __init__(self, texts: Sequence[str], reading: Callable[[str], str]) -> None:
        self._texts = texts
        row_of: dict[str, int] = {}
        firsts: list[int] = []
        english: list[bool] = []
        places = np.full(len(texts), -1)  # the number of each text's distinct text; -1 for an empty text
        for place, text in enumerate(texts):
            cleaned = clean(text)
            if not cleaned:
                continue
            # keyed by the reading, so that a change in how texts are reworded never finds an old score
            name = text_hash(reading(cleaned))
            if name not in row_of:
                row_of[name] = len(row_of)
                firsts.append(place)
                english.append(looks_english(cleaned))
            places[place] = row_of[name]
        self.places = places
        self.hashes = list(row_of)
        self._firsts, self._english = firsts, np.array(english, dtype=np.bool_)

    def cleaned(self, row: int) -> str:
        """The distinct text number `row`, cleaned."""
        return clean(self._texts[self._firsts[row]])

    def copy(self, numbers: _Numbers, scores: Scores, start: int) -> None:
        """Copy the rows of `numbers` to all texts with that reading; this block begins at row `start` of `scores`."""
        texts = start + np.flatnonzero(self.places >= 0)
        rows = self.places[self.places >= 0]
        scores.empty[texts] = False
        scores.probabilities[texts] = numbers.probabilities[rows]
        scores.language_ok[texts] = self._english[rows]
        readable = self._english[rows]
        if scores.kinds is not None and numbers.kinds is not None:
            scores.kinds[texts[readable]] = numbers.kinds[rows[readable]]
        if scores.embeddings is not None and numbers.embeddings is not None:
            scores.embeddings[texts[readable]] = numbers.embeddings[rows[readable]]


class _Numbers:
    """The numbers known so far for n distinct texts; NaN where a number is not known."""

    def __init__(self, n: int, kinds: bool, embeddings: bool) -> None:
        self.probabilities = np.full((n, len(LABELS)), np.nan)
        self.kinds = np.full((n, len(KINDS)), np.nan, np.float32) if kinds else None
        self.embeddings = np.full((n, EMBEDDING_SIZE), np.nan, np.float16) if embeddings else None

    @property
    def has_kinds(self) -> npt.NDArray[np.bool_]:
        """Bool ``[n]``: whether the kinds are known; all True if kinds are not asked for."""
        return np.ones(len(self.probabilities), np.bool_) if self.kinds is None else ~np.isnan(self.kinds[:, 0])

    def put(self, rows: list[int], kinds: Float32, embeddings: Float16 | None) -> None:
        """Set the kinds and embeddings of `rows`, each only if it is asked for."""
        if self.kinds is not None:
            self.kinds[rows] = kinds
        if self.embeddings is not None and embeddings is not None and rows:
            self.embeddings[rows] = embeddings


def _unscored(n: int, model_id: str, kinds: bool, embeddings: bool) -> Scores:
    return Scores(
        probabilities=np.full((n, len(LABELS)), np.nan, np.float32),
        language_ok=np.zeros(n, np.bool_),
        empty=np.ones(n, np.bool_),
        model_id=model_id,
        kinds=np.full((n, len(KINDS)), np.nan, np.float32) if kinds else None,
        embeddings=np.full((n, EMBEDDING_SIZE), np.nan, np.float16) if embeddings else None,
    )


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities ``[n, 3]`` of logits ``[n, 3]``."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)
