"""What a text is about: a classifier for kinds of news that reads the encoder's embedding. It needs only NumPy."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tenor.errors import ModelError
from tenor.kinds import KINDS, PRESENT
from tenor.storage.files import read_json

if TYPE_CHECKING:  # its package loads pandas
    from tenor.schema.arrays import Float16, Float32

__all__ = ["EMBEDDING_SIZE", "FILE", "KINDS", "PRESENT", "KindsClassifier", "classifier_bytes"]

FILE = "kinds.npz"
"""Name of the classifier's file, in the folder of an encoder's weights."""
EMBEDDING_SIZE = 64
"""How many numbers of an embedding are stored, after the projection."""

_FORMAT = 1
_ARRAYS = ("mean", "scale", "weights", "bias", "projection")


@dataclass(frozen=True)
class KindsClassifier:
    """The classifier for one encoder's embeddings: a logistic regression for each kind, and a fixed projection.

    An embedding is standardised first: ``x = (embedding - mean) / scale``.

    Attributes
    ----------
    encoder
        The `model_id` of the encoder whose embeddings it was trained on.
    mean, scale
        Float32 ``[width]``: mean and standard deviation of the embeddings it was trained on.
    weights, bias
        Float32 ``[width, 9]`` and ``[9]``: the logits of `KINDS` are ``x @ weights + bias``.
    projection
        Float32 ``[width, 64]``: the first principal axes of the embeddings it was trained on.
    digest
        The first 12 hex digits of the file's SHA-256.
    """

    encoder: str
    mean: Float32
    scale: Float32
    weights: Float32
    bias: Float32
    projection: Float32
    digest: str

    @classmethod
    def load(cls, path: Path) -> KindsClassifier:
        """Read the file `path`, as `classifier_bytes` made it.

        Raises
        ------
        ModelError
            It is missing, damaged, or was written by another version.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(
                f"the classifier {path} can't be read ({error.strerror}): name a file that exists."
            ) from None
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                about = read_json(file["about"].tobytes())
                arrays = {name: np.asarray(file[name], dtype=np.float32) for name in _ARRAYS}
            width = len(arrays["mean"])
            shapes = {name: array.shape for name, array in arrays.items()}
            fits = (
                about["format"] == _FORMAT
                and tuple(about["kinds"]) == KINDS
                and isinstance(about["encoder"], str)
                and shapes
                == {
                    "mean": (width,),
                    "scale": (width,),
                    "weights": (width, len(KINDS)),
                    "bias": (len(KINDS),),
                    "projection": (width, EMBEDDING_SIZE),
                }
                and all(np.isfinite(array).all() for array in arrays.values())
            )
        except (ValueError, KeyError, TypeError, IndexError, EOFError, OSError, zipfile.BadZipFile):
            fits = False
        if not fits:
            raise ModelError(
                f"{path} is damaged, or is not a classifier for kinds of news of this version: train it again "
                "(docs/news-kinds.md) or reinstall tenor."
            )
        return cls(encoder=about["encoder"], digest=hashlib.sha256(content).hexdigest()[:12], **arrays)

    @property
    def model_id(self) -> str:
        """Name of encoder and classifier together, under which kinds and embeddings are stored."""
        return f"{self.encoder}+{self.digest}"

    def probabilities(self, embeddings: Float32) -> Float32:
        """The probability of each of `KINDS`, float32 ``[n, 9]``, of embeddings ``[n, width]``.

        They do not add up to 1: a text may be of several kinds, or of none.
        """
        logits = self._standardised(embeddings) @ self.weights + self.bias
        return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), dtype=np.float32)

    def projected(self, embeddings: Float32) -> Float16:
        """Embeddings ``[n, width]`` as the `EMBEDDING_SIZE` numbers that are stored, float16 ``[n, 64]``."""
        return np.asarray(self._standardised(embeddings) @ self.projection, dtype=np.float16)

    def _standardised(self, embeddings: Float32) -> Float32:
        if embeddings.ndim != 2 or embeddings.shape[1] != len(self.mean):
            raise ModelError(
                f"embeddings of shape {embeddings.shape} are not [n, {len(self.mean)}], which the classifier for "
                f"{self.encoder} takes: give the embeddings of that encoder."
            )
        return (embeddings - self.mean) / self.scale


def classifier_bytes(encoder: str, arrays: dict[str, Any]) -> bytes:
    """The file of a `KindsClassifier` of `encoder`: an uncompressed npz, the same bytes for the same numbers.

    Parameters
    ----------
    encoder
        The `model_id` of the encoder.
    arrays
        ``mean``, ``scale``, ``weights``, ``bias`` and ``projection``; the weights and the projection are stored as
        float16.
    """
    about = json.dumps({"format": _FORMAT, "kinds": list(KINDS), "encoder": encoder}, sort_keys=True)
    small: dict[str, Any] = {
        name: np.asarray(arrays[name], np.float16 if np.ndim(arrays[name]) == 2 else np.float32) for name in _ARRAYS
    }
    buffer = io.BytesIO()
    np.savez(buffer, about=np.frombuffer(about.encode(), dtype=np.uint8), **small)
    return buffer.getvalue()
