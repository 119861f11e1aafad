"""Encoders from the Hugging Face world, by id or folder: converted to ONNX, or on torch where there is a GPU."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from tenor.errors import ModelError
from tenor.sentiment.converted import cache_folder, converted
from tenor.sentiment.encoder import Ids, Logits, label_order

_LONGEST = 512


class TransformersEncoder:
    """A three-class text classifier of transformers; the order of its labels is read from its ``id2label``.

    Without a GPU it runs on ONNX Runtime, from a graph that is made on its first use (`tenor.sentiment.converted`).

    Parameters
    ----------
    model
        Id (``ProsusAI/finbert``) or folder.
    max_tokens
        Longer texts are cut; never more than the model's positions.
    cache
        Folder of the converted graphs; default: in the user's cache folder.

    Raises
    ------
    ModelError
        It can't be loaded or converted, or its labels are not positive, neutral and negative.
    """

    def __init__(self, model: str | Path, *, max_tokens: int = 128, cache: Path | None = None) -> None:
        try:
            import torch
            from transformers import AutoModelForSequenceClassification, AutoTokenizer
        except ModuleNotFoundError as error:
            raise ModelError(f"{error.name} is not installed: pip install 'tenor[train,finetune]'.") from None
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(model)
            loaded: Any = AutoModelForSequenceClassification.from_pretrained(model).eval()
        except Exception as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ModelError(f"model {str(model)!r} can't be loaded: {reason[:200]}") from error
        names = {int(column): str(name) for column, name in loaded.config.id2label.items()}
        self._order = label_order(names, f"model {str(model)!r}")
        positions = int(getattr(loaded.config, "max_position_embeddings", _LONGEST))
        self._max_tokens = min(max_tokens, positions)
        name = f"{Path(model).name}-{_fingerprint(loaded, self._tokenizer)}"
        if torch.cuda.is_available():
            self._run: Any = _OnGpu(loaded)
        else:
            self._run = converted(
                name, loaded, self._tokenizer, max_tokens=self._max_tokens, cache=cache or cache_folder()
            )
        self._model_id = f"{name}-{self._run.storage}"

    @property
    def model_id(self) -> str:
        """The model's name, a hash of its weights and how they are stored: int8 scores are other scores."""
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
        ordered: Logits = self._run.logits(ids)[:, self._order].astype(np.float32)
        return ordered


class _OnGpu:
    storage = "float32"

    def __init__(self, model: Any) -> None:
        import torch

        self._torch = torch
        self._model = model.to("cuda")

    def logits(self, ids: Ids) -> Logits:
        with self._torch.inference_mode():
            tokens = self._torch.from_numpy(ids).to(self._model.device)
            logits = self._model(input_ids=tokens, attention_mask=self._torch.ones_like(tokens)).logits
        whole: Logits = logits.float().cpu().numpy()
        return whole


def _fingerprint(model: Any, tokenizer: Any) -> str:
    told = [sorted(model.config.id2label.items()), sorted(tokenizer.get_vocab().items())]
    digest = hashlib.sha256(str(told).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:12]
