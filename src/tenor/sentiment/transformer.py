"""Text classifiers from Hugging Face, by id or folder, run by PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tenor.errors import ModelError
from tenor.sentiment.encoder import Embeddings, Ids, Logits, label_order
from tenor.storage.files import content_key

_LONGEST = 512


class TransformersEncoder:
    """A three-class text classifier of transformers; the order of its labels is read from its ``id2label``.

    It runs in float32 as it was published: nothing is converted or quantised, so the probabilities are the model's own.
    The score of a text depends on that text alone, up to rounding below 1e-5.

    Parameters
    ----------
    model
        Id (``ProsusAI/finbert``) or folder.
    max_tokens
        Longer texts are cut to this many tokens, or to the model's own limit if that is lower.
    device
        ``cpu``; ``cuda`` for a card (GPU); ``auto`` for a card if PyTorch finds one, else the CPU.

    Raises
    ------
    ModelError
        It can't be loaded, or its labels are not positive, neutral and negative.
    ConfigError
        `device` is ``cuda``, and PyTorch sees no card.
    """

    def __init__(self, model: str | Path, *, max_tokens: int = 128, device: str = "auto") -> None:
        try:
            import torch
            from transformers import AutoModelForSequenceClassification, AutoTokenizer

            from tenor.engines.device import device_of
        except ModuleNotFoundError as error:
            raise ModelError(f"{error.name} is not installed: pip install 'tenor[train,finetune]'.") from None
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(model)
            loaded: Any = AutoModelForSequenceClassification.from_pretrained(model).float().eval()
        except Exception as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ModelError(f"model {str(model)!r} can't be loaded: {reason[:200]}") from error
        labels = {int(column): str(name) for column, name in loaded.config.id2label.items()}
        self._order = label_order(labels, f"model {str(model)!r}")
        self._max_tokens = min(max_tokens, int(getattr(loaded.config, "max_position_embeddings", _LONGEST)))
        self._model_id = f"{Path(model).name}-{_fingerprint(loaded, self._tokenizer)}"
        self._torch = torch
        self._model = loaded.to(device_of(device, "sentiment.device"))

    @property
    def model_id(self) -> str:
        """The model's name and a hash of its weights, labels and vocabulary."""
        return self._model_id

    @property
    def device(self) -> str:
        """``cuda`` if a card computes the scores, else ``cpu``."""
        return str(self._model.device.type)

    @property
    def temperature(self) -> float:
        """1: the model's own probabilities."""
        return 1.0

    def reading(self, text: str) -> str:
        """`text` unchanged: nothing is reworded for a published model."""
        return text

    def tokenise(self, texts: list[str]) -> list[list[int]]:
        """Token ids of cleaned texts."""
        ids: list[list[int]] = self._tokenizer(texts, truncation=True, max_length=self._max_tokens)["input_ids"]
        return ids

    def logits(self, ids: Ids) -> Logits:
        """Logits ``[batch, 3]`` of ids ``[batch, token]``."""
        return self.outputs(ids)[0]

    def outputs(self, ids: Ids) -> tuple[Logits, Embeddings]:
        """Logits ``[batch, 3]`` and the means over the tokens of the last layer's states, ``[batch, width]``."""
        with self._torch.inference_mode():
            tokens = self._torch.from_numpy(ids).to(self._model.device)
            # all texts in a batch have the same number of tokens, so nothing is padding
            output = self._model(
                input_ids=tokens, attention_mask=self._torch.ones_like(tokens), output_hidden_states=True
            )
        ordered: Logits = output.logits.cpu().numpy()[:, self._order].astype(np.float32)
        embeddings: Embeddings = output.hidden_states[-1].mean(dim=1).cpu().numpy().astype(np.float32)
        return ordered, embeddings

    @property
    def kinds_file(self) -> None:
        """None: these models come without one; its file can be given to `tenor.sentiment.scorer.Scorer`."""
        return None


def _fingerprint(model: Any, tokenizer: Any) -> str:
    described = [sorted(model.config.id2label.items()), sorted(tokenizer.get_vocab().items())]
    # a hash a tensor: a model of gigabytes is never copied whole
    tensors = {name: content_key(tensor.cpu().numpy().tobytes()) for name, tensor in model.state_dict().items()}
    return content_key(described, tensors, length=12)
