"""Encoders from the Hugging Face world, by id or folder, on torch (and its GPU where there is one)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from tenor.errors import ModelError
from tenor.sentiment.encoder import Ids, Logits, label_order

_LONGEST = 512


class TransformersEncoder:
    """A three-class text classifier of transformers; the order of its labels is read from its ``id2label``.

    Parameters
    ----------
    model : id (``ProsusAI/finbert``) or folder.
    max_tokens : longer texts are cut; never more than the model's positions.

    Raises
    ------
    ModelError : it can't be loaded, or its labels are not positive, neutral and negative.
    """

    def __init__(self, model: str | Path, *, max_tokens: int = 128) -> None:
        try:
            import torch
            from transformers import AutoModelForSequenceClassification, AutoTokenizer
        except ModuleNotFoundError as error:
            raise ModelError(f"{error.name} is not installed: pip install 'tenor[train,finetune]'.") from None
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(model)
            loaded = AutoModelForSequenceClassification.from_pretrained(model)
        except Exception as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ModelError(f"model {str(model)!r} can't be loaded: {reason[:200]}") from error
        names = {int(column): str(name) for column, name in loaded.config.id2label.items()}
        self._order = label_order(names, f"model {str(model)!r}")
        self._torch = torch
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model: Any = loaded.to(self._device).eval()
        positions = int(getattr(loaded.config, "max_position_embeddings", _LONGEST))
        self._max_tokens = min(max_tokens, positions)
        self._model_id = f"{Path(model).name}-{_fingerprint(loaded)}"

    @property
    def model_id(self) -> str:
        """The model's name and a hash of its weights."""
        return self._model_id

    @property
    def temperature(self) -> float:
        """1: the model's own probabilities."""
        return 1.0

    def tokenise(self, texts: list[str]) -> list[list[int]]:
        """Token ids of cleaned texts."""
        ids: list[list[int]] = self._tokenizer(texts, truncation=True, max_length=self._max_tokens)["input_ids"]
        return ids

    def logits(self, ids: Ids) -> Logits:
        """Logits ``[batch, 3]`` of ids ``[batch, token]``."""
        with self._torch.inference_mode():
            tokens = self._torch.from_numpy(ids).to(self._device)
            logits = self._model(input_ids=tokens, attention_mask=self._torch.ones_like(tokens)).logits
        ordered: Logits = logits.float().cpu().numpy()[:, self._order].astype(np.float32)
        return ordered


def _fingerprint(model: Any) -> str:
    digest = hashlib.sha256(str(sorted(model.config.id2label.items())).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:12]
