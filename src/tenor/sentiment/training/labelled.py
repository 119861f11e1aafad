"""Labelled sentences: published sets and a user's own CSV, read into one type, `LabelledTexts`; duplicates, splits."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tenor.errors import ConfigError, DataError, did_you_mean
from tenor.sentiment.scores import LABELS
from tenor.sentiment.text import clean, duplicate_key
from tenor.storage.files import read_json

FPB_AGREEMENT = {
    50: "Sentences_50Agree.txt",
    66: "Sentences_66Agree.txt",
    75: "Sentences_75Agree.txt",
    100: "Sentences_AllAgree.txt",
}
FPB_CERTAINTY = {50: 0.58, 66: 0.7, 75: 0.87, 100: 1.0}
"""Share of the annotators behind the label of a sentence that is in this file but not in the next stricter one."""
SEMEVAL_NEUTRAL = 0.15
"""SemEval-2017 scores this close to zero count as neutral; it is about the smallest step that its annotators used."""

_POSITIVE, _NEUTRAL, _NEGATIVE = range(3)
_TFNS = {"0": _NEGATIVE, "1": _POSITIVE, "2": _NEUTRAL}
# the mapping of entities to labels has unescaped quotes in names, which no parser reads: the labels alone are enough
_DECISION = re.compile(r":\s*['\"](positive|neutral|negative)['\"]")


@dataclass(frozen=True)
class LabelledTexts:
    """Cleaned sentences and their classes.

    Attributes
    ----------
    texts
        n cleaned sentences.
    labels
        Int64 ``[n]``, index into `LABELS`.
    name
        Where they come from; shown in messages and tables.
    """

    texts: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    name: str

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, index: npt.NDArray[np.int64]) -> LabelledTexts:
        """The sentences at the positions `index`."""
        return LabelledTexts(tuple(self.texts[i] for i in index), self.labels[index], self.name)

    def unique(self) -> LabelledTexts:
        """Each sentence once (`duplicate_key`); one with two different labels is dropped."""
        labels: dict[str, set[int]] = defaultdict(set)
        first: dict[str, int] = {}
        for i, (text, label) in enumerate(zip(self.texts, self.labels, strict=True)):
            key = duplicate_key(text)
            labels[key].add(int(label))
            first.setdefault(key, i)
        keep = [i for key, i in first.items() if len(labels[key]) == 1 and key]
        return self.take(np.array(keep, dtype=np.int64))

    def without(self, *others: LabelledTexts) -> LabelledTexts:
        """The sentences that are not in any of `others`, whatever the spelling (`duplicate_key`)."""
        known = {duplicate_key(text) for other in others for text in other.texts}
        keep = [i for i, text in enumerate(self.texts) if duplicate_key(text) not in known]
        return self.take(np.array(keep, dtype=np.int64))

    def split(self, share: float, seed: int) -> tuple[LabelledTexts, LabelledTexts]:
        """A random (rest, part) with ``round(share * n)`` sentences in the part."""
        order = np.random.default_rng(seed).permutation(len(self)).astype(np.int64)
        cut = round(share * len(self))
        return self.take(np.sort(order[cut:])), self.take(np.sort(order[:cut]))


def join(parts: Iterable[LabelledTexts], name: str) -> LabelledTexts:
    """`parts` one after the other."""
    parts = list(parts)
    texts = tuple(text for part in parts for text in part.texts)
    return LabelledTexts(texts, np.concatenate([part.labels for part in parts]).astype(np.int64), name)


def read_fpb(folder: Path, agreement: int = 50) -> LabelledTexts:
    """Financial PhraseBank (lines ``sentence@label``), where at least `agreement` % of the annotators agree."""
    if agreement not in FPB_AGREEMENT:
        raise ConfigError(f"Financial PhraseBank has no {agreement} % agreement: take one of {sorted(FPB_AGREEMENT)}.")
    path = folder / FPB_AGREEMENT[agreement]
    rows = []
    for number, line in enumerate(_read(path).split("\n"), start=1):
        if line.strip():
            text, at, label = line.rpartition("@")
            rows.append((text, _label(label.strip() if at else line, path, number)))
    return _labelled(rows, f"Financial PhraseBank, {agreement} %", path)


def fpb_targets(folder: Path, sentences: LabelledTexts) -> npt.NDArray[np.float32]:
    """How the annotators of Financial PhraseBank voted on `sentences`, as probabilities ``[n, 3]``.

    The files only show a range for the majority's share, not the other votes. The label gets the middle of that range.
    The rest goes to neutral, as positive is rarely taken for negative; if the label is neutral, the rest is shared
    equally by the other two.
    """
    share = np.full(len(sentences), FPB_CERTAINTY[50])
    for agreement in sorted(FPB_AGREEMENT)[1:]:
        agreed = {duplicate_key(text) for text in read_fpb(folder, agreement).texts}
        share[[duplicate_key(text) in agreed for text in sentences.texts]] = FPB_CERTAINTY[agreement]
    targets = np.zeros((len(sentences), len(LABELS)))
    targets[sentences.labels == _NEUTRAL] = 0.5
    targets[sentences.labels != _NEUTRAL, _NEUTRAL] = 1.0
    targets *= (1 - share)[:, None]
    targets[np.arange(len(sentences)), sentences.labels] = share
    return targets.astype(np.float32)


def read_tfns(folder: Path, part: str = "valid") -> LabelledTexts:
    """Twitter Financial News Sentiment, `part` ``train`` or ``valid`` (0 bearish, 1 bullish, 2 neutral)."""
    path = folder / f"sent_{part}.csv"
    rows = []
    for number, row in _csv_rows(path, ("text", "label")):
        if row["label"] not in _TFNS:
            raise DataError(f"{path}, row {number}: label {row['label']!r} is not 0, 1 or 2.")
        rows.append((row["text"], _TFNS[row["label"]]))
    return _labelled(rows, f"TFNS, {part}", path)


def read_sentfin(folder: Path) -> LabelledTexts:
    """SEntFiN 1.0: the titles whose companies have labels that agree; neutral agrees with positive and negative."""
    path = folder / "SEntFiN.csv"
    rows = []
    for _, row in _csv_rows(path, ("Title", "Decisions")):
        decisions = set(_DECISION.findall(row["Decisions"]))
        if len(decisions) > 1:
            decisions.discard("neutral")
        if len(decisions) == 1:
            rows.append((row["Title"], LABELS.index(decisions.pop())))
    return _labelled(rows, "SEntFiN", path)


def read_semeval(folder: Path) -> LabelledTexts:
    """SemEval-2017 task 5 headlines; their scores cut into classes at +-`SEMEVAL_NEUTRAL`."""
    path = folder / "SemEval2017Task5Headlines.json"
    try:
        items = read_json(_read(path))
        scored = [(str(item["title"]), float(item["sentiment"])) for item in items]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a list of objects with 'title' and 'sentiment': {error}.") from error
    rows = [
        (text, _POSITIVE if s > SEMEVAL_NEUTRAL else _NEGATIVE if s < -SEMEVAL_NEUTRAL else _NEUTRAL)
        for text, s in scored
    ]
    return _labelled(rows, "SemEval-2017 task 5 headlines", path)


def read_csv(path: Path) -> LabelledTexts:
    """A user's CSV with the columns ``text`` and ``label`` (positive, neutral, negative, in any case)."""
    rows = [(row["text"], _label(row["label"].strip(), path, n)) for n, row in _csv_rows(path, ("text", "label"))]
    return _labelled(rows, path.name, path)


def _label(word: str, path: Path, number: int) -> int:
    if word.lower() not in LABELS:
        hint = did_you_mean(word, LABELS) or f" Take one of {', '.join(LABELS)}."
        raise DataError(f"{path}, row {number}: unknown label {word[:40]!r}.{hint}")
    return LABELS.index(word.lower())


def _labelled(rows: list[tuple[str, int]], name: str, path: Path) -> LabelledTexts:
    if not rows:
        raise DataError(f"{path} holds no labelled sentence.")
    texts, labels = zip(*rows, strict=True)
    return LabelledTexts(tuple(clean(text) for text in texts), np.array(labels, dtype=np.int64), name)


def _csv_rows(path: Path, columns: tuple[str, ...]) -> Iterable[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(_read(path), newline=""), restval="")
    missing = [c for c in columns if c not in (reader.fieldnames or [])]
    if missing:
        raise DataError(f"{path} has no column {missing[0]!r}; its first line must name {' and '.join(columns)}.")
    return enumerate(reader, start=2)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path} is not there: give the folder or file as it was published.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read as UTF-8 text: {error}.") from error
