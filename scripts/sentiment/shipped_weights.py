"""The training of the weights in the package, with everything fixed; no user needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt
from statements import statements

from tenor.sentiment.numbers_in_text import mark_numbers
from tenor.sentiment.scorer import softmax
from tenor.sentiment.scores import LABELS
from tenor.sentiment.text import clean, duplicate_key, looks_english, text_hash
from tenor.sentiment.training.classifier import (
    FineTuneConfig,
    TunedClassifier,
    encoder_folder,
    half_precision,
    load_encoder,
    mean_of_weights,
)
from tenor.sentiment.training.evaluate import Quality
from tenor.sentiment.training.export import write_calibrated
from tenor.sentiment.training.finetune import Epoch, fine_tune
from tenor.sentiment.training.labelled import LabelledTexts, join, read_fpb, read_sentfin, read_tfns

TEACHER_RUN = FineTuneConfig(
    epochs=2,
    learning_rate=6e-5,
    label_smoothing=0.05,
    averaging=0.99,
    joining=0.25,
    token_dropout=0.1,
    half_precision=True,
    seed=11,
)
TEACHER_LAST = replace(TEACHER_RUN, epochs=1, learning_rate=4e-5, head_learning_rate=3e-4, seed=12)
"""After `TEACHER_RUN`: once more through its sentences, with `TEACHER_STATEMENTS` statements among them."""
SHIPPED_RUN = FineTuneConfig(
    epochs=3,
    averaging=0.998,
    joining=0.25,
    token_dropout=0.1,
    freeze_embeddings=False,
    half_precision=True,
)
SHIPPED_SEEDS = (21, 22)
"""The classifiers whose weights are averaged."""
SHIPPED_LAST = replace(SHIPPED_RUN, epochs=1, learning_rate=1.5e-4, head_learning_rate=4.5e-4, seed=31)
"""After that mean: once through the same sentences, half of the statements and the posts that were not read yet."""
TEACHER_STATEMENTS = 8000
STATEMENTS = 20000
POSTS = 36000
SHIPPED_NAME = "tenor-minilm"
_VALID_SHARE = 0.08
_SPLIT_SEED = 7
_FEWEST_WORDS = 4


class _Callbacks(TypedDict):
    on_epoch: Callable[[Epoch], None] | None
    on_step: Callable[[int, int], None] | None


def public_sentences(folder: Path) -> tuple[LabelledTexts, LabelledTexts]:
    """Training and validation sentences of the shipped weights: TFNS (its train part) and SEntFiN, both MIT.

    What Financial PhraseBank or the validation part of TFNS holds in any spelling is left out, so that both are
    unseen; 8 % of each set is held out for validation.

    Parameters
    ----------
    folder
        Holds the published sets as ``tfns/``, ``sentfin/`` and ``fpb/``.
    """
    test_sets = _test_sets(folder)
    parts, valids = [], []
    for sentences in (read_tfns(folder / "tfns", "train"), read_sentfin(folder / "sentfin")):
        part, valid = sentences.unique().without(*test_sets).split(_VALID_SHARE, _SPLIT_SEED)
        parts.append(part)
        valids.append(valid)
    train = join(parts, "TFNS + SEntFiN").unique()
    return train, join(valids, "TFNS + SEntFiN, validation").without(train)


def unlabelled(posts: Iterable[str], *others: LabelledTexts) -> tuple[str, ...]:
    """The distinct English posts of four words or more that none of `others` holds, sorted by their hash."""
    known = {duplicate_key(text) for other in others for text in other.texts}
    distinct: dict[str, str] = {}
    for text in map(clean, posts):
        key = duplicate_key(text)
        if key not in known and len(key.split()) >= _FEWEST_WORDS:
            # of several spellings the one with the least hash, so that the order of the posts changes nothing
            distinct[key] = min(distinct.get(key, text), text, key=text_hash)
    return tuple(sorted(filter(looks_english, distinct.values()), key=text_hash))


def train_shipped(
    folder: Path,
    posts: Iterable[str],
    out: Path,
    *,
    teacher: Path,
    work: Path,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Quality:
    """Tune a large encoder, train the small one on its probabilities for many texts, write the small one to `out`.

    A killed training resumes from `work`. ``work/tuned`` holds the classifier in float32, to tune on from there.

    Parameters
    ----------
    folder
        Holds the published sets as ``tfns/``, ``sentfin/`` and ``fpb/``.
    posts
        Texts without a label; the first `POSTS` of them (`unlabelled`) are learned from first, the others last.
    out
        Folder for the weights.
    teacher
        Folder of the large encoder, as Hugging Face keeps it.
    work
        Folder for the checkpoints.
    on_epoch, on_step
        As in `fine_tune`.

    Returns
    -------
    Quality
        On sentences that were not trained on; the temperature is fitted there too.
    """
    train, valid = public_sentences(folder)
    test_sets = _test_sets(folder)
    callbacks: _Callbacks = {"on_epoch": on_epoch, "on_step": on_step}

    # 1: the large encoder, on labels
    large = load_encoder(teacher, TEACHER_RUN)
    fine_tune(large, train, valid, work=work / "teacher", **callbacks)
    extra = statements(TEACHER_STATEMENTS).unique().without(*test_sets)
    targets = np.concatenate([_one_hot(train), mixed_targets(large, extra, 0.5)])
    large = TunedClassifier(large.model, large.tokenizer, TEACHER_LAST)
    fine_tune(large, join([train, extra], "labelled"), targets=targets, work=work / "teacher-statements", **callbacks)

    # 2: the small one, on the probabilities of the large one
    composed = statements(STATEMENTS, seed=1).unique().without(*test_sets)
    texts = unlabelled(posts, train, valid, *test_sets)
    unread = LabelledTexts(
        texts, np.full(len(texts), LABELS.index("neutral")), "posts"
    )  # share 0: the label is not used
    parts = [train, composed, unread]
    part_targets = [mixed_targets(large, part, share) for part, share in zip(parts, (0.5, 0.25, 0.0), strict=True)]
    pool, targets = _pool(parts, part_targets, (slice(None), slice(None), slice(POSTS)))
    members = []
    for seed in SHIPPED_SEEDS:
        members.append(load_encoder(encoder_folder(), replace(SHIPPED_RUN, seed=seed)))
        fine_tune(members[-1], pool, targets=targets, work=work / f"seed-{seed}", **callbacks)

    # 3: the mean of the small ones, once more through what is left of the posts
    mean = mean_of_weights(members)
    tuned = TunedClassifier(mean.model, mean.tokenizer, SHIPPED_LAST)
    pool, targets = _pool(parts, part_targets, (slice(None), slice(STATEMENTS // 2), slice(POSTS, None)))
    fine_tune(tuned, pool, targets=targets, work=work / "last", **callbacks)
    tuned.save(work / "tuned")
    return write_calibrated(tuned, valid, out, SHIPPED_NAME)


def mixed_targets(teacher: TunedClassifier, sentences: LabelledTexts, share: float) -> npt.NDArray[np.float32]:
    """Probabilities ``[n, 3]`` to learn: `share` of the label, the rest of the teacher's probabilities.

    Where two numbers are compared the label counts twice as much: it is certain there, and `teacher` may not
    understand the comparison.
    """
    compared = np.array([mark_numbers(text) != text for text in sentences.texts])
    label_share = share * (1.0 + compared)[:, None]
    with half_precision(teacher.config):
        probabilities = softmax(teacher.logits(sentences.texts))
    mixed = label_share * _one_hot(sentences) + (1 - label_share) * probabilities
    return mixed.astype(np.float32)


def _pool(
    parts: Sequence[LabelledTexts], part_targets: Sequence[npt.NDArray[np.float32]], rows: Sequence[slice]
) -> tuple[LabelledTexts, npt.NDArray[np.float32]]:
    """The sentences of `parts` at `rows` with their targets; a sentence's label becomes its likeliest class."""
    targets = np.concatenate([own[r] for own, r in zip(part_targets, rows, strict=True)])
    chosen = [part.take(np.arange(len(part))[r]) for part, r in zip(parts, rows, strict=True)]
    return replace(join(chosen, "teacher's"), labels=targets.argmax(1).astype(np.int64)), targets


def _one_hot(sentences: LabelledTexts) -> npt.NDArray[np.float32]:
    return np.eye(len(LABELS), dtype=np.float32)[sentences.labels]


def _test_sets(folder: Path) -> tuple[LabelledTexts, LabelledTexts]:
    """Whatever is evaluated on, and so never trained on."""
    return read_fpb(folder / "fpb"), read_tfns(folder / "tfns")
