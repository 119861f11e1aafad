"""The training of the weights in this package, with everything fixed, and the tuning on a user's own sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from tenor.errors import DataError
from tenor.sentiment.language import looks_english
from tenor.sentiment.numbers_in_text import mark_figures
from tenor.sentiment.scorer import softmax
from tenor.sentiment.scores import LABELS
from tenor.sentiment.text import clean, duplicate_key, text_hash
from tenor.sentiment.training.classifier import (
    FineTuneConfig,
    Tuned,
    encoder_folder,
    half_precision,
    load_encoder,
    load_shipped,
    load_tuned,
    mean_of_weights,
)
from tenor.sentiment.training.evaluate import Quality, quality
from tenor.sentiment.training.export import fit_temperature, write_weights
from tenor.sentiment.training.finetune import Epoch, fine_tune
from tenor.sentiment.training.labelled import Labelled, join, read_fpb, read_sentfin, read_tfns
from tenor.sentiment.training.statements import statements


class _Told(TypedDict):
    on_epoch: Callable[[Epoch], None] | None
    on_step: Callable[[int, int], None] | None


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
"""After `TEACHER_RUN`: once more through its sentences, with `TAUGHT` statements of our own among them."""
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
TAUGHT = 8000
STATEMENTS = 20000
POSTS = 36000
SHIPPED_NAME = "tenor-minilm"
TUNE_CONFIG = FineTuneConfig(
    epochs=3, learning_rate=1.5e-4, head_learning_rate=5e-4, averaging=0.99, token_dropout=0.05, label_smoothing=0.05
)
_VALID_SHARE = 0.08
_SPLIT_SEED = 7
_FEWEST_WORDS = 4


def public_sentences(folder: Path) -> tuple[Labelled, Labelled]:
    """Training and validation sentences of the shipped weights: TFNS (its train part) and SEntFiN, both MIT.

    What Financial PhraseBank or the validation part of TFNS holds in any spelling is left out, so that both are
    unseen; 8 % of each set is kept apart for validation.

    Parameters
    ----------
    folder
        Holds the published sets as ``tfns/``, ``sentfin/`` and ``fpb/``.
    """
    tested = _tested(folder)
    parts, valids = [], []
    for sentences in (read_tfns(folder / "tfns", "train"), read_sentfin(folder / "sentfin")):
        part, valid = sentences.unique().without(*tested).split(_VALID_SHARE, _SPLIT_SEED)
        parts.append(part)
        valids.append(valid)
    train = join(parts, "TFNS + SEntFiN").unique()
    return train, join(valids, "TFNS + SEntFiN, validation").without(train)


def unlabelled(posts: Iterable[str], *others: Labelled) -> tuple[str, ...]:
    """The distinct English posts of four words or more that none of `others` holds, sorted by their hash."""
    known = {duplicate_key(text) for other in others for text in other.texts}
    distinct: dict[str, str] = {}
    for text in map(clean, posts):
        key = duplicate_key(text)
        if key not in known and len(key.split()) >= _FEWEST_WORDS:
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
    """Tune a large encoder, have the small one learn what it says of many texts, write the small one to `out`.

    A killed training goes on from `work`. ``work/tuned`` keeps the classifier in float32, to tune on from there.

    Parameters
    ----------
    folder
        Holds the published sets as ``tfns/``, ``sentfin/`` and ``fpb/``.
    posts
        Texts without a label; the first `POSTS` of them (`unlabelled`) are learned from first, the others last.
    teacher
        Folder of the large encoder, as Hugging Face keeps it.

    Returns
    -------
    The quality on sentences that were not trained on; the temperature is fitted there too.
    """
    train, valid = public_sentences(folder)
    tested = _tested(folder)
    told: _Told = {"on_epoch": on_epoch, "on_step": on_step}
    # 1: the large encoder, on labels
    large = load_encoder(teacher, TEACHER_RUN)
    fine_tune(large, train, valid, work=work / "teacher", **told)
    taught = statements(TAUGHT).unique().without(*tested)
    targets = np.concatenate([_certain(train), _agreed(large, taught, 0.5)])
    large = Tuned(large.model, large.tokenizer, TEACHER_LAST)
    fine_tune(large, join([train, taught], "labelled"), targets=targets, work=work / "teacher-statements", **told)
    # 2: the small one, on what the large one says
    stated = statements(STATEMENTS, seed=1).unique().without(*tested)
    texts = unlabelled(posts, train, valid, *tested)
    seen = Labelled(texts, np.full(len(texts), LABELS.index("neutral")), "posts")  # their label counts for nothing
    parts = [train, stated, seen]
    said = [_agreed(large, part, share) for part, share in zip(parts, (0.5, 0.25, 0.0), strict=True)]
    pool, targets = _pool(parts, said, (slice(None), slice(None), slice(POSTS)))
    members = []
    for seed in SHIPPED_SEEDS:
        members.append(load_encoder(encoder_folder(), replace(SHIPPED_RUN, seed=seed)))
        fine_tune(members[-1], pool, targets=targets, work=work / f"seed-{seed}", **told)
    mean = mean_of_weights(members)
    tuned = Tuned(mean.model, mean.tokenizer, SHIPPED_LAST)
    pool, targets = _pool(parts, said, (slice(None), slice(STATEMENTS // 2), slice(POSTS, None)))
    fine_tune(tuned, pool, targets=targets, work=work / "last", **told)
    tuned.save(work / "tuned")
    return _finish(tuned, valid, out, SHIPPED_NAME)


def _pool(
    parts: Sequence[Labelled], said: Sequence[npt.NDArray[np.float32]], rows: Sequence[slice]
) -> tuple[Labelled, npt.NDArray[np.float32]]:
    """The sentences of `parts` at `rows`, with what was `said` of them: the label is what is likeliest."""
    targets = np.concatenate([own[r] for own, r in zip(said, rows, strict=True)])
    chosen = [part.take(np.arange(len(part))[r]) for part, r in zip(parts, rows, strict=True)]
    return replace(join(chosen, "taught"), labels=targets.argmax(1).astype(np.int64)), targets


def _certain(sentences: Labelled) -> npt.NDArray[np.float32]:
    return np.eye(len(LABELS), dtype=np.float32)[sentences.labels]


def _agreed(tuned: Tuned, sentences: Labelled, share: float) -> npt.NDArray[np.float32]:
    """Probabilities ``[n, 3]``: `share` of the label, the rest of what `tuned` says of the sentence.

    Where two figures are compared the label counts twice as much: it is certain there, and `tuned` may have no idea.
    """
    compared = np.array([mark_figures(text) != text for text in sentences.texts])
    own = share * (1.0 + compared)[:, None]
    with half_precision(tuned.config):
        said = softmax(tuned.logits(sentences.texts))
    mixed = own * _certain(sentences) + (1 - own) * said
    return mixed.astype(np.float32)


def _tested(folder: Path) -> tuple[Labelled, Labelled]:
    return read_fpb(folder / "fpb"), read_tfns(folder / "tfns")


def tune_on(
    sentences: Labelled,
    out: Path,
    *,
    work: Path,
    start: Path | None = None,
    config: FineTuneConfig = TUNE_CONFIG,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Quality:
    """Tune on a user's own labelled sentences and write the weights to `out`, as `Scorer.load` takes them.

    Parameters
    ----------
    start
        Folder that `Tuned.save` wrote; default: the weights in this package.

    Returns
    -------
    The quality on the validation sentences: 10 % of them, kept apart, which set the temperature too.
    """
    unique = sentences.unique()
    train, valid = unique.split(0.1, config.seed)
    if len(set(train.labels.tolist())) < 3 or not len(valid):
        raise DataError(f"{sentences.name}: {len(unique)} distinct sentences do not hold all three classes: add some.")
    tuned = _start(start, config)
    fine_tune(tuned, train, valid, work=work, on_epoch=on_epoch, on_step=on_step)
    tuned.save(work / "tuned")
    return _finish(tuned, valid, out, out.name)


def _finish(tuned: Tuned, valid: Labelled, out: Path, name: str) -> Quality:
    logits = tuned.logits(valid.texts)
    temperature = fit_temperature(logits, valid.labels)
    write_weights(tuned, out, name=name, temperature=temperature)
    return quality(valid.labels, softmax(logits / temperature), model=name)


def _start(start: Path | None, config: FineTuneConfig) -> Tuned:
    return load_shipped(config) if start is None else load_tuned(start, config)
