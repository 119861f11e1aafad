"""The training of one seed: Adam on random segments, early stopping on validation; the best weights are kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from tenor.config import ModelConfig, TrainConfig
from tenor.errors import TrainingError
from tenor.heads import HEADS, TARGETS, Head
from tenor.inference.at_once import CHUNK, symbols_at_once
from tenor.inference.cells import WARM_UP
from tenor.model import FramedNetwork, Network, make_network
from tenor.model.attention_lstm import SMALLEST
from tenor.training.at_once import segments_at_once
from tenor.training.memory import hold_freed_memory
from tenor.training.sequences import Segments, Sequences

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Task:
    """Everything on which the training of one seed depends."""

    data: Sequences
    train: slice
    valid: slice
    model: ModelConfig
    training: TrainConfig
    seed: int

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of inputs, of which the last is the variance, and of horizons: both targets are on one axis."""
        return self.data.inputs.shape[2], self.data.targets.shape[2] // len(TARGETS)


@dataclass
class History:
    """The learning curves of one seed.

    Attributes
    ----------
    train, valid
        Mean loss of each epoch; the validation loss is measured at its end.
    best_epoch
        The epoch, counted from 1, whose weights are kept.
    """

    train: list[float] = field(default_factory=list)
    valid: list[float] = field(default_factory=list)
    best_epoch: int = 0


class Trainer:
    """One seed in training.

    Between two epochs its whole state is `net`, `optimiser`, `history`, `best` and torch's random generator, so that it
    can be saved and resumed (`tenor.training.checkpoint`).
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        torch.manual_seed(task.seed)
        inputs, horizons = task.shape
        self.net = make_network(task.model, inputs - 1, horizons)
        starts = STARTS
        if isinstance(self.net, FramedNetwork):  # a user's network decides itself whether it pools variances
            starts = {**STARTS, "pooled": partial(_from_outputs, self.net)}
        with torch.no_grad():  # otherwise a network that stops early might have the wrong drift or level
            for head in HEADS:
                self.net.level(head.name).copy_(starts[head.start](task.data, task.train, head))
        config = task.training
        # tenor's own networks go to a card as a stack (`tenor.training.stack`)
        self.device = torch.device(config.device if task.model.network else "cpu")
        self.net.to(self.device)
        self.optimiser = torch.optim.Adam(
            self.net.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            decoupled_weight_decay=True,
            fused=True,
        )
        self.history = History()
        self.best: Weights = {}

    @cached_property
    def _segments(self) -> Segments:
        config = self.task.training
        segments = Segments(self.task.data, self.task.train, segment=config.segment, burn_in=config.burn_in)
        return segments.to(self.device)

    @property
    def finished(self) -> bool:
        """Whether the last epoch has been run, or early stopping has ended the training."""
        config, epoch = self.task.training, len(self.history.train)
        return epoch >= config.epochs or (epoch > 0 and epoch - self.history.best_epoch >= config.patience)

    def run_epoch(self) -> None:
        """One pass over the training part, then validation.

        Raises
        ------
        TrainingError
            A loss is no longer finite.
        """
        train = self._train()
        valid = self._validate()
        if self.record(train, valid):
            self.best = {name: value.clone() for name, value in self.net.state_dict().items()}

    def record(self, train: float, valid: float) -> bool:
        """Add the losses of an epoch to the history; returns whether it is the best epoch so far.

        Raises
        ------
        TrainingError
            A loss is no longer finite.
        """
        if not (math.isfinite(train) and math.isfinite(valid)):
            raise TrainingError(
                f"training diverged in epoch {len(self.history.train) + 1} of seed {self.task.seed} (loss {train:.3g}, "
                f"validation {valid:.3g}): lower training.learning_rate, now {self.task.training.learning_rate:g}."
            )
        self.history.train.append(train)
        self.history.valid.append(valid)
        best = self.history.best_epoch == 0 or valid < self.history.valid[self.history.best_epoch - 1]
        if best:
            self.history.best_epoch = len(self.history.valid)
        return best

    def _train(self) -> float:
        config = self.task.training
        hold_freed_memory()
        self.net.train()
        if self.device.type == "cuda":  # dropout's generator there is no part of a checkpoint: each epoch has its own
            torch.cuda.manual_seed(self.task.seed * 1009 + len(self.history.train))
        total, count = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        at_once = segments_at_once(self.task.model, config, *self.task.shape)
        for places in torch.split(self._segments.epoch(), config.segments_per_step):
            taken = self._segments.take(places)
            cells = taken[2].sum() / len(TARGETS)
            self.optimiser.zero_grad()
            # their gradients add up to that of all: only memory, masks of dropout and last digits depend on the parts
            for inputs, targets, known in zip(*(torch.split(each, at_once) for each in taken), strict=True):
                out = self.net(inputs)
                ahead = slice(config.burn_in, None)
                loss, _ = loss_of({k: v[:, ahead] for k, v in out.heads.items()}, targets, known, config)
                (loss / cells).backward()  # type: ignore[no-untyped-call]
                total += loss.detach()
            nn.utils.clip_grad_norm_(self.net.parameters(), config.clip_norm)
            self.optimiser.step()
            count += cells
        return float(total / count)

    @torch.no_grad()
    def _validate(self) -> float:
        start, stop = self.task.valid.start, self.task.valid.stop
        begin = max(0, start - self.task.model.lookback - WARM_UP)
        inputs, targets, known = (values.to(self.device) for values in self.task.data.between(begin, stop))
        self.net.eval()
        rows = slice(start - begin, None)
        runs = [
            {name: output[:, rows] for name, output in self.net(some).heads.items()}
            for some in torch.split(inputs, symbols_at_once(self.task.model, *self.task.shape, stop - begin))
        ]
        heads = {name: torch.cat([run[name] for run in runs]) for name in runs[0]} if len(runs) > 1 else runs[0]
        loss, cells = loss_of(heads, targets[:, rows], known[:, rows], self.task.training)
        return float(loss / cells)


def _zero(data: Sequences, _rows: slice, _head: Head) -> Tensor:
    return torch.zeros(data.targets.shape[2] // len(TARGETS))


def _base_logit(data: Sequences, rows: slice, head: Head) -> Tensor:
    """[K]; log-odds of an up target among the known ones of `rows`, one added to either side so that it is finite."""
    _, targets, known = data.between(rows.start, rows.stop)
    targets, known = targets[..., _place(targets, head)], known[..., _place(known, head)]
    count, up = known.sum(dim=(0, 1)), (known * (targets > 0)).sum(dim=(0, 1))
    return torch.log((up + 1) / (count - up + 1))


def _from_pooled(data: Sequences, rows: slice, head: Head) -> Tensor:
    """[K]; mean of the target less the log of the mean of the last `_POOLED` variances, over `rows`."""
    variance = torch.from_numpy(data.inputs[:, : rows.stop, -1])
    there = (variance > 0).to(variance.dtype)
    sums, counts = (functional.pad(each.cumsum(1), (_POOLED, 0)) for each in (variance.double(), there.double()))
    mean = (sums[:, _POOLED:] - sums[:, :-_POOLED]) / (counts[:, _POOLED:] - counts[:, :-_POOLED]).clamp(min=1)
    pooled = torch.log(mean.clamp(min=SMALLEST))[:, rows, None]
    _, targets, known = data.between(rows.start, rows.stop)
    targets, known = targets[..., _place(targets, head)], known[..., _place(known, head)]
    return (known * (targets - pooled)).sum(dim=(0, 1)).div(known.sum(dim=(0, 1)).clamp(min=1)).float()


def _from_outputs(network: Network, data: Sequences, rows: slice, head: Head) -> Tensor:
    """[K]; mean of the target less what `network` gives before any training, over `rows`."""
    inputs, targets, known = data.between(0, rows.stop)
    targets, known = targets[..., _place(targets, head)].clone(), known[..., _place(known, head)].clone()
    known[:, : rows.start] = 0
    network.eval()
    for start in range(0, len(inputs), CHUNK):
        some = slice(start, start + CHUNK)
        targets[some] -= network(inputs[some]).heads[head.name]
    network.train()
    return (known * targets).sum(dim=(0, 1)).div(known.sum(dim=(0, 1)).clamp(min=1))


_POOLED = 22
"""A mean over this many sessions is close to the mean with the initial weights of attention."""

Start = Callable[[Sequences, slice, Head], Tensor]
STARTS: dict[str, Start] = {
    "zero": _zero,
    "base_rate": _base_logit,
    "pooled": _from_pooled,
}
"""Functions that give the start of a head's bias, by the name in a row of `tenor.heads.HEADS`."""


def _place(values: Tensor, head: Head) -> slice:
    """Where the target of `head` lies on the last axis of targets, or of what is known of them."""
    horizons = values.shape[-1] // len(TARGETS)
    start = horizons * TARGETS.index(head.target)
    return slice(start, start + horizons)


def _squared_error(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).square()


def _cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    up = (target > 0).to(target.dtype)
    return functional.binary_cross_entropy_with_logits(output, up, reduction="none")


LOSSES = {"squared_error": _squared_error, "cross_entropy": _cross_entropy}
"""The losses by cell, by the name in a row of `tenor.heads.HEADS`."""


def loss_of(outputs: dict[str, Tensor], targets: Tensor, known: Tensor, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """The weighted losses of all heads, summed over known targets, and the mean number of known targets per target."""
    total = torch.zeros((), dtype=targets.dtype, device=targets.device)
    for head in HEADS:
        weight: float = getattr(config, head.weight)
        place = _place(targets, head)
        loss = LOSSES[head.loss](outputs[head.name], targets[..., place])
        total = total + weight * (loss * known[..., place]).sum()
    return total, known.sum() / len(TARGETS)
