"""The training of a classifier of the kinds of news on an encoder's embeddings, with scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from tenor.errors import DataError
from tenor.kinds import KINDS, PRESENT, Float32
from tenor.sentiment.encoder import Encoder
from tenor.sentiment.kinds import EMBEDDING_SIZE, classifier_bytes
from tenor.sentiment.text import clean

Labels = npt.NDArray[np.int8]
_TOKENS_A_BATCH = 640
_FOLDS = 5


@dataclass(frozen=True)
class FitConfig:
    """How `fit_kinds` trains.

    Attributes
    ----------
    strength
        scikit-learn's C of each kind's logistic regression (the inverse of its penalty).
    labelled_weight
        Weight of a text labelled by hand; a text labelled by rule weighs at most `weak_weight`.
    weak_weight
        Times how sure its label is, from 0 to 1.
    trust
        The least probability of a kind whose rule matches a text.
    """

    strength: float = 0.01
    labelled_weight: float = 3.0
    weak_weight: float = 0.3
    trust: float = 0.9


def fit_kinds(
    encoder: Encoder,
    texts: Sequence[str],
    labels: Labels,
    *,
    weak_texts: Sequence[str] = (),
    weak_labels: Labels | None = None,
    config: FitConfig = FitConfig(),
) -> tuple[bytes, Float32]:
    """Train the classifier of `encoder`; the same inputs give the same bytes.

    Each kind has a logistic regression. It is fitted on the texts labelled by hand first; what it says of the texts
    labelled by rule, raised where a rule matches, labels these for a second fit on both. Five folds of the texts
    labelled by hand, scored by the fits that did not see them, choose the threshold of best F1 of each kind, which the
    bias then moves to `PRESENT`.

    Parameters
    ----------
    encoder
        Gives the embeddings.
    texts, labels
        Texts labelled by hand, and 0 or 1 for each kind of each: ``[n, 9]``.
    weak_texts, weak_labels
        More texts, and what rules say of them, ``[m, 9]``; they may be none.
    config
        Weights and penalty.

    Returns
    -------
    bytes
        The file that `KindsClassifier.load` reads.
    Float32
        Probabilities ``[n, 9]`` of `texts`, each by the fits that did not see it, after the thresholds were moved.

    Raises
    ------
    DataError
        Numbers of texts and labels differ, or a kind has fewer than five texts that are of it, or that are not.
    """
    weak = np.zeros((0, len(KINDS)), np.int8) if weak_labels is None else weak_labels
    for name, some, theirs in (("texts", texts, labels), ("weak texts", weak_texts, weak)):
        if theirs.shape != (len(some), len(KINDS)):
            raise DataError(
                f"{len(some)} {name} have labels of shape {theirs.shape}: give 0 or 1 for each kind of each."
            )
    counts = labels.sum(axis=0)
    for kind, count in zip(KINDS, counts.tolist(), strict=True):
        if min(count, len(labels) - count) < _FOLDS:
            raise DataError(
                f"{count} of {len(labels)} texts are labelled {kind!r}: label at least {_FOLDS} that are, and as many "
                "that are not."
            )
    known, more = embed(encoder, texts), embed(encoder, weak_texts)
    every = np.concatenate([known, more])
    mean, scale = every.mean(axis=0), every.std(axis=0) + 1e-6
    known, more = (known - mean) / scale, (more - mean) / scale
    held_out = np.zeros(labels.shape)
    fold = np.random.default_rng(0).permutation(len(labels)) % _FOLDS
    weights, bias = np.zeros((known.shape[1], len(KINDS))), np.zeros(len(KINDS))
    for column in range(len(KINDS)):
        for number in range(_FOLDS):
            seen = fold != number
            part_weights, part_bias = _fit(known[seen], labels[seen, column], more, weak[:, column], config)
            held_out[~seen, column] = known[~seen] @ part_weights + part_bias
        weights[:, column], bias[column] = _fit(known, labels[:, column], more, weak[:, column], config)
    shift = np.array([best_threshold(held_out[:, k], labels[:, k]) for k in range(len(KINDS))])
    _, _, axes = np.linalg.svd(np.concatenate([known, more]), full_matrices=False)
    axes = axes[:EMBEDDING_SIZE]
    # the sign of an axis is arbitrary: its largest number is made positive
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    projection = np.zeros((known.shape[1], EMBEDDING_SIZE))
    projection[:, : len(axes)] = axes.T
    content = classifier_bytes(
        encoder.model_id,
        {"mean": mean, "scale": scale, "weights": weights, "bias": bias - shift, "projection": projection},
    )
    return content, np.asarray(1 / (1 + np.exp(shift - held_out)), dtype=np.float32)


def embed(encoder: Encoder, texts: Sequence[str]) -> Float32:
    """Embeddings ``[n, width]`` of `texts`, cleaned; of no texts ``[0, width]``."""
    ids = encoder.tokenise([clean(text) or "." for text in texts] or ["."])
    order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
    parts: list[Float32] = []
    start = 0
    while start < len(order):
        length = len(ids[order[start]])
        end = start
        while end < len(order) and len(ids[order[end]]) == length and end - start < max(1, _TOKENS_A_BATCH // length):
            end += 1
        parts.append(encoder.outputs(np.array([ids[row] for row in order[start:end]], dtype=np.int64))[1])
        start = end
    joined = np.concatenate(parts)
    embeddings = np.empty_like(joined)
    embeddings[order] = joined
    return embeddings[: len(texts)]


def best_threshold(logits: npt.NDArray[np.float64], labels: Labels) -> float:
    """The logit from which on texts count as of a kind, so that F1 is largest; the middle of the two around it."""
    order = np.argsort(-logits, kind="stable")
    hits = np.cumsum(labels[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + labels.sum())
    # averaged over neighbours: the peak of a noisy curve is no good threshold
    width = min(9, len(f1))
    smooth = np.convolve(np.pad(f1, width // 2, mode="edge"), np.ones(width) / width, mode="valid")[: len(f1)]
    best = int(smooth.argmax())
    return float(logits[order[best : best + 2]].mean())


def _fit(
    known: Float32, labels: Labels, more: Float32, weak: Labels, config: FitConfig
) -> tuple[npt.NDArray[np.float64], float]:
    first = LogisticRegression(C=3 * config.strength, max_iter=300, tol=1e-3).fit(known, labels)
    if not len(more):
        return first.coef_[0], float(first.intercept_[0])
    soft = first.predict_proba(more)[:, 1]
    soft = np.where(weak == 1, np.maximum(soft, config.trust), config.trust * soft)
    sure = config.weak_weight * 2 * np.abs(soft - PRESENT)
    second = LogisticRegression(C=config.strength, max_iter=300, tol=1e-3).fit(
        np.concatenate([known, more]),
        np.concatenate([labels, (soft > PRESENT).astype(np.int8)]),
        sample_weight=np.concatenate([np.full(len(labels), config.labelled_weight), sure]),
    )
    return second.coef_[0], float(second.intercept_[0])
