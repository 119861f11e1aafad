"""Fine-tuning of a BERT classifier on labelled sentences: all layers at once, the lower ones at lower learning rates.

A checkpoint after every epoch lets an interrupted run resume; it ends with the same weights as an uninterrupted one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from tokenizers import Tokenizer
from torch import Tensor, nn

from tenor.config import from_mapping, to_mapping
from tenor.engines.device import device_of
from tenor.errors import ModelError
from tenor.sentiment.scores import LABELS
from tenor.sentiment.training.classifier import (
    Classifier,
    FineTuneConfig,
    TunedClassifier,
    half_precision,
    pad,
    tokenise,
)
from tenor.sentiment.training.evaluate import quality_of_classes
from tenor.sentiment.training.labelled import LabelledTexts
from tenor.storage.files import content_key, read_json, write_whole

_POOL = 64  # batches whose sentences are sorted by length together


@dataclass(frozen=True)
class Epoch:
    """Results of an epoch: mean training loss, and accuracy and macro-F1 on the validation sentences, if any."""

    number: int
    loss: float
    accuracy: float | None = None
    macro_f1: float | None = None


def fine_tune(
    start: TunedClassifier,
    train: LabelledTexts,
    valid: LabelledTexts | None = None,
    *,
    targets: npt.NDArray[np.float32] | None = None,
    work: Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> list[Epoch]:
    """Tune `start` on `train`, in place, with the settings in ``start.config``.

    Parameters
    ----------
    start
        The classifier to tune; it is changed.
    train
        Sentences to learn from.
    valid
        Sentences evaluated after each epoch. They do not decide anything: all epochs are run.
    targets
        Probabilities ``[n, 3]`` to learn in place of the labels of `train`; they say how sure the annotators were.
    work
        Folder for the checkpoint of each epoch; if it holds one of the same settings and sentences, the run resumes
        from there.
    on_epoch
        Called after each epoch.
    on_step
        Called after each step with the number of steps done and of all steps.

    Returns
    -------
    list[Epoch]
        The results of all epochs, those before a resumed checkpoint included.

    Raises
    ------
    ModelError
        The checkpoint in `work` is of another run, or can't be read.
    ConfigError
        The device is ``cuda``, and PyTorch sees no card.
    """
    config = replace(start.config, device=device_of(start.config.device, "device"))
    model, device = start.model.to(config.device), config.device
    ids = tokenise(start.tokenizer, train.texts, config.max_tokens)
    # [n] classes or [n, 3] probabilities
    goal = torch.from_numpy(train.labels if targets is None else targets).to(device)
    steps = config.epochs * math.ceil(len(train) / config.batch_size)
    if config.freeze_embeddings:
        for parameter in model.encoder.embeddings.parameters():
            parameter.requires_grad_(False)
    optimizer = _optimizer(model, config)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _ramp(step, steps, config.warmup))
    trainable = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    average = {name: parameter.detach().clone() for name, parameter in trainable} if config.averaging else {}
    loss_of = nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)

    signature = _signature(config, train, targets)
    epochs = _resume(work, signature, model, optimizer, schedule, average)
    done = len(epochs) * (steps // config.epochs)
    for number in range(len(epochs) + 1, config.epochs + 1):
        # both generators start anew from (seed, epoch): a resumed run needs no saved generator state
        torch.manual_seed(config.seed * 1009 + number)
        losses = []
        model.train()
        rng = np.random.default_rng((config.seed, number))
        sentences = join_neighbours(ids, train.labels, config, rng)
        views = [_dropped(sentences, config, start.tokenizer, rng) for _ in range(2 if config.consistency else 1)]
        for batch in _batches([len(sentence) for sentence in sentences], config.batch_size, rng):
            with half_precision(config, device):
                tokens, mask = (each.to(device) for each in pad([view[i] for view in views for i in batch]))
                logits = model(tokens, mask).float()
            wanted = goal[torch.from_numpy(batch).to(device)]
            loss = loss_of(logits, torch.cat([wanted] * len(views)))  # logits: all of view 1, then all of view 2
            if config.consistency:
                loss = loss + config.consistency * _disagreement(*logits.chunk(2))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            done += 1
            # early on the average forgets faster, so that the untrained weights leave it
            _follow(average, model, min(config.averaging, (1 + done) / (10 + done)))
            losses.append(loss.detach())  # read at the end of the epoch: a card would have to be waited for
            if on_step is not None:
                on_step(done, steps)
        epochs.append(Epoch(number, float(np.mean(torch.stack(losses).tolist()))))
        if valid is not None:
            with _averaged(model, average):
                validation = quality_of_classes(valid.labels, start.logits(valid.texts).argmax(1))
            epochs[-1] = replace(epochs[-1], accuracy=validation.accuracy, macro_f1=validation.macro_f1)
        if on_epoch is not None:
            on_epoch(epochs[-1])
        _checkpoint(work, signature, epochs, model, optimizer, average)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in average:
                parameter.copy_(average[name])
    model.to("cpu")
    return epochs


def _disagreement(first: Tensor, second: Tensor) -> Tensor:
    """Mean of both Kullback-Leibler divergences between two passes of the same sentences (R-Drop, Wu et al. 2021)."""
    log_p, log_q = first.log_softmax(-1), second.log_softmax(-1)
    # KL(p, q) + KL(q, p) = sum of (p - q)(log p - log q)
    divergence: Tensor = ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(-1).mean() / 2
    return divergence


def _ramp(step: int, steps: int, warmup: float) -> float:
    rise = max(1, round(warmup * steps))
    return min((step + 1) / rise, max(0.0, (steps - step) / max(1, steps - rise)))


def _optimizer(model: Classifier, config: FineTuneConfig) -> torch.optim.Optimizer:
    layers = int(model.encoder.config.num_hidden_layers)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith("head"):
            rate = config.head_learning_rate
        else:
            part = name.split("layer.")
            depth = int(part[1].split(".")[0]) if len(part) > 1 else -1
            rate = config.learning_rate * config.layer_decay ** (layers - 1 - depth)
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    parts = [{"params": members, "lr": rate, "weight_decay": decay} for (rate, decay), members in groups.items()]
    return torch.optim.AdamW(parts, fused=True)


def join_neighbours(
    ids: list[list[int]], labels: npt.NDArray[np.int64], config: FineTuneConfig, rng: np.random.Generator
) -> list[list[int]]:
    """Token ids of the sentences; a share `joining` gets another sentence before or after that keeps the label."""
    joined = list(ids)
    for i in np.flatnonzero(rng.random(len(ids)) < config.joining):
        j = int(rng.integers(len(ids)))
        if labels[j] in (labels[i], LABELS.index("neutral")):  # the label of i is that of both together
            first, second = (ids[i], ids[j]) if rng.random() < 0.5 else (ids[j], ids[i])
            together = first[:-1] + second[1:]  # one [CLS], one [SEP]
            if len(together) <= config.max_tokens:
                joined[i] = together
    return joined


def _dropped(
    ids: list[list[int]], config: FineTuneConfig, tokenizer: Tokenizer, rng: np.random.Generator
) -> list[list[int]]:
    """The sentences with some inner tokens replaced by the unknown token."""
    unknown = tokenizer.token_to_id("[UNK]")
    if not config.token_dropout or unknown is None:
        return ids
    dropped = []
    for sentence in ids:
        gone = rng.random(len(sentence)) < config.token_dropout
        gone[[0, -1]] = False
        dropped.append([unknown if g else token for token, g in zip(sentence, gone, strict=True)])
    return dropped


def _batches(lengths: list[int], size: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Every sentence once, in batches of similar length, the batches in random order."""
    order = rng.permutation(len(lengths))
    batches: list[npt.NDArray[np.int64]] = []
    size_of = np.array(lengths)
    for start in range(0, len(order), size * _POOL):
        pool = order[start : start + size * _POOL]
        pool = pool[np.argsort(size_of[pool], kind="stable")]
        batches += [pool[i : i + size] for i in range(0, len(pool), size)]
    for i in rng.permutation(len(batches)):
        yield batches[i]


def _follow(average: dict[str, Tensor], model: Classifier, decay: float) -> None:
    if average:
        current = dict(model.named_parameters())
        torch._foreach_lerp_(list(average.values()), [current[n].detach() for n in average], 1 - decay)


class _averaged:  # noqa: N801 - reads as a verb in a with statement
    """The model with the averaged weights inside a with block, with its own again after it."""

    def __init__(self, model: Classifier, average: dict[str, Tensor]) -> None:
        self.own = {n: p for n, p in model.named_parameters() if n in average}
        self.average = average

    def _swap(self) -> None:
        for name, parameter in self.own.items():
            parameter.data, self.average[name] = self.average[name], parameter.data

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *error: object) -> None:
        self._swap()


def _signature(config: FineTuneConfig, train: LabelledTexts, targets: npt.NDArray[np.float32] | None) -> str:
    return content_key(
        to_mapping(config), train.texts, train.labels.tobytes(), None if targets is None else targets.tobytes()
    )


def _checkpoint(
    work: Path | None,
    signature: str,
    epochs: list[Epoch],
    model: Classifier,
    optimizer: Any,
    average: dict[str, Tensor],
) -> None:
    if work is None:
        return
    tensors = {f"model.{n}": t for n, t in model.state_dict().items()}
    tensors |= {f"average.{n}": t for n, t in average.items()}
    for key, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{key}.{n}": t for n, t in state.items()}
    # one file for all of it: a kill between two files would leave halves of two epochs
    described = json.dumps([to_mapping(epoch) for epoch in epochs])
    # cloned, as the average may share its memory with the model
    owned = {n: t.clone().contiguous() for n, t in tensors.items()}
    write_whole(work / "checkpoint.safetensors", serialise(owned, {"signature": signature, "epochs": described}))


def _resume(
    work: Path | None, signature: str, model: Classifier, optimizer: Any, schedule: Any, average: dict[str, Tensor]
) -> list[Epoch]:
    if work is None or not (work / "checkpoint.safetensors").exists():
        return []
    path = work / "checkpoint.safetensors"
    try:
        with safe_open(path, framework="pt") as file:
            described = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} can't be read: {error}; delete it to start again.") from error
    if described["signature"] != signature:
        raise ModelError(f"{path} is of another run (settings or sentences differ): name another folder or delete it.")
    epochs = [from_mapping(Epoch, epoch) for epoch in read_json(described["epochs"])]
    model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
    for name in average:
        average[name] = tensors[f"average.{name}"].to(average[name].device)
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, key, kind = name.split(".", 2)
            state.setdefault(int(key), {})[kind] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    # the schedule is a function of the step alone: set it there instead of saving it
    steps = int(next(iter(state.values()))["step"].item())
    schedule.last_epoch = steps
    for group, rate, base in zip(optimizer.param_groups, schedule.lr_lambdas, schedule.base_lrs, strict=True):
        group["lr"] = base * rate(steps)
    return epochs
