"""Trains a classifier for kinds of news on an encoder's embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from tenor.errors import DataError
from tenor.kinds import KINDS, PRESENT
from tenor.schema.arrays import Float32
from tenor.sentiment.encoder import Encoder
from tenor.sentiment.kinds import EMBEDDING_SIZE, classifier_bytes
from tenor.sentiment.text import clean

Labels = npt.NDArray[np.int8]
_TOKENS_A_BATCH = 640
_FOLDS = 5
_MOST_STEPS = 60


@dataclass(frozen=True)
class FitConfig:
    """How `fit_kinds` trains.

    Attributes
    ----------
    strength
        scikit-learn's C of each kind's logistic regression (the inverse of its penalty).
    labelled_weight
        Weight of a text labelled by hand.
    weak_weight
        Weight of a text labelled by rule; it is multiplied by how sure the label is, from 0 to 1.
    trust
        If the rule of a kind matches a text, its probability is raised to at least this.
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

    Each kind has a logistic regression. It is first fitted on the texts labelled by hand. Its probabilities for the
    texts labelled by rule, raised where a rule matches, are the labels of these for a second fit on both. Then the
    threshold with the best F1 of each kind is found by cross-validation, in five folds of the texts labelled by hand.
    Last, the bias is shifted so that this threshold lies at the probability `PRESENT`.

    Parameters
    ----------
    encoder
        The encoder that makes the embeddings.
    texts, labels
        Texts labelled by hand, and their labels ``[n, 9]``: 0 or 1 for each kind.
    weak_texts, weak_labels
        More texts and the labels ``[m, 9]`` that rules gave them; there may be none.
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
        The numbers of texts and labels differ, or for a kind there are fewer than five texts that are of it, or fewer
        than five that are not.
    """
    weak = np.zeros((0, len(KINDS)), np.int8) if weak_labels is None else weak_labels
    for name, some, theirs in (("texts", texts, labels), ("weak texts", weak_texts, weak)):
        if theirs.shape != (len(some), len(KINDS)):
            raise DataError(
                f"{len(some)} {name} have labels of shape {theirs.shape}: give each text 0 or 1 for each kind."
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
    every = (every - mean) / scale
    known, more = every[: len(texts)], every[len(texts) :]
    held_out = np.zeros(labels.shape)
    fold = np.random.default_rng(0).permutation(len(labels)) % _FOLDS
    for number in range(_FOLDS):
        seen = fold != number
        weights, bias = _fit_twice(known[seen], labels[seen], more, weak, config)
        held_out[~seen] = known[~seen] @ weights + bias
    weights, bias = _fit_twice(known, labels, more, weak, config)
    shift = np.array([best_threshold(held_out[:, k], labels[:, k]) for k in range(len(KINDS))])
    _, axes = np.linalg.eigh(every.T.astype(np.float64) @ every)
    axes = axes.T[::-1][:EMBEDDING_SIZE]  # most variance first
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
    """The logit at and above which a text counts as one of the kind, chosen for the best F1."""
    order = np.argsort(-logits, kind="stable")
    hits = np.cumsum(labels[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + labels.sum())
    # averaged over neighbours: the peak of a noisy curve is no good threshold
    width = min(9, len(f1))
    smooth = np.convolve(np.pad(f1, width // 2, mode="edge"), np.ones(width) / width, mode="valid")[: len(f1)]
    best = int(smooth.argmax())
    return float(logits[order[best : best + 2]].mean())


def _fit_twice(
    known: Float32, labels: Labels, more: Float32, weak: Labels, config: FitConfig
) -> tuple[Float32, Float32]:
    """Weights ``[width, 9]`` and bias ``[9]``, fitted on `known` and then also on `more` as the first fit labels it."""
    weights, bias = _fit(known, labels.astype(np.float32), np.ones(labels.shape, np.float32), 3 * config.strength)
    if not len(more):
        return weights, bias
    soft = 1 / (1 + np.exp(-(more @ weights + bias)))
    soft = np.where(weak == 1, np.maximum(soft, config.trust), config.trust * soft).astype(np.float32)
    sure = config.weak_weight * 2 * np.abs(soft - PRESENT)
    return _fit(
        np.concatenate([known, more]),
        np.concatenate([labels, soft > PRESENT]).astype(np.float32),
        np.concatenate([np.full(labels.shape, config.labelled_weight, np.float32), sure]),
        config.strength,
    )


def _fit(states: Float32, labels: Float32, sample_weights: Float32, strength: float) -> tuple[Float32, Float32]:
    """Logistic regressions of all kinds at once: every pass over `states` serves the nine of them.

    The loss is scikit-learn's: the weighted sum of cross-entropies, plus the weights' squares over ``2 * strength``.
    """
    width = states.shape[1]

    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weights, bias = flat[:-kinds].reshape(width, kinds), flat[-kinds:]
        logits = (states @ weights.astype(np.float32)).astype(np.float64) + bias
        entropy = np.logaddexp(0, logits) - labels * logits
        error = sample_weights * (1 / (1 + np.exp(-logits)) - labels)
        slope = (states.T @ error.astype(np.float32)).astype(np.float64) + weights / strength
        value = float((sample_weights * entropy).sum() + (weights**2).sum() / (2 * strength))
        return value, np.concatenate([slope.ravel(), error.sum(axis=0)])

    kinds = labels.shape[1]
    start = np.zeros(width * kinds + kinds)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _MOST_STEPS, "ftol": 1e-5})
    flat = np.asarray(best.x, dtype=np.float32)
    return flat[:-kinds].reshape(width, kinds), flat[-kinds:]
