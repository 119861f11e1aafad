"""The training of one seed: Adam over random segments, early stopping on validation, the best weights kept."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from tenor.config import ModelConfig, TrainConfig
from tenor.errors import ConfigError
from tenor.inference.cells import WARM_UP
from tenor.model import AttentionLSTM
from tenor.training.sequences import Segments, Sequences

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Task:
    """All that the training of one seed depends on."""

    data: Sequences
    train: slice
    valid: slice
    model: ModelConfig
    training: TrainConfig
    seed: int


@dataclass
class History:
    """The learning curves of one seed.

    Attributes
    ----------
    train, valid
        Mean loss of each epoch; validation is measured at its end.
    best_epoch
        The epoch, counted from 1, whose weights are kept.
    """

    train: list[float] = field(default_factory=list)
    valid: list[float] = field(default_factory=list)
    best_epoch: int = 0


class Trainer:
    """One seed in training. Between two epochs its whole state is `net`, `optimiser`, `history`, `best` and torch's
    random generator, so that it can be saved and taken up again (`tenor.training.checkpoint`).
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        torch.manual_seed(task.seed)
        self.net = AttentionLSTM(task.model, task.data.inputs.shape[2], task.data.targets.shape[2])
        with torch.no_grad():  # P(up) starts at the base rate: a net stopped early must not have unlearned a drift
            self.net.up.bias.copy_(_base_logit(task.data, task.train))
        config = task.training
        self.optimiser = torch.optim.Adam(
            self.net.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            decoupled_weight_decay=True,
            fused=True,
        )
        self.history = History()
        self.best: Weights = {}
        self._segments = Segments(task.data, task.train, segment=config.segment, burn_in=config.burn_in)

    @property
    def finished(self) -> bool:
        """Whether the last epoch is run, or patience is at its end."""
        config, epoch = self.task.training, len(self.history.train)
        return epoch >= config.epochs or (epoch > 0 and epoch - self.history.best_epoch >= config.patience)

    def run_epoch(self) -> None:
        """One pass over the training part, then validation.

        Raises
        ------
        ConfigError
            A loss is no longer finite.
        """
        train = self._train()
        valid = self._validate()
        if not (math.isfinite(train) and math.isfinite(valid)):
            raise ConfigError(
                f"training diverged in epoch {len(self.history.train) + 1} of seed {self.task.seed} (loss {train:.3g}, "
                f"validation {valid:.3g}): lower training.learning_rate, now {self.task.training.learning_rate:g}."
            )
        self.history.train.append(train)
        self.history.valid.append(valid)
        if not self.best or valid < self.history.valid[self.history.best_epoch - 1]:
            self.best = {name: value.clone() for name, value in self.net.state_dict().items()}
            self.history.best_epoch = len(self.history.valid)

    def _train(self) -> float:
        config = self.task.training
        self.net.train()
        total, count = torch.zeros(()), torch.zeros(())
        for places in torch.split(self._segments.epoch(), config.segments_per_step):
            inputs, targets, known = self._segments.take(places)
            out = self.net(inputs)
            ahead = slice(config.burn_in, None)
            loss, cells = _loss(out.mean[:, ahead], out.up_logit[:, ahead], targets, known, config.direction_weight)
            self.optimiser.zero_grad()
            (loss / cells).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.net.parameters(), config.clip_norm)
            self.optimiser.step()
            total += loss.detach()
            count += cells
        return float(total / count)

    @torch.no_grad()
    def _validate(self) -> float:
        start, stop = self.task.valid.start, self.task.valid.stop
        begin = max(0, start - self.task.model.lookback - WARM_UP)
        inputs, targets, known = self.task.data.between(begin, stop)
        self.net.eval()
        out = self.net(inputs)
        rows = slice(start - begin, None)
        weight = self.task.training.direction_weight
        loss, cells = _loss(out.mean[:, rows], out.up_logit[:, rows], targets[:, rows], known[:, rows], weight)
        return float(loss / cells)


@contextmanager
def reproducible() -> Iterator[None]:
    """One thread, and a random generator of its own: sums are added in one order, and the caller's numbers stay his."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)


def _base_logit(data: Sequences, rows: slice) -> Tensor:
    """[K]; log-odds of an up target among the known ones of `rows`, one added to either side so that it is finite."""
    _, targets, known = data.between(rows.start, rows.stop)
    count, up = known.sum(dim=(0, 1)), (known * (targets > 0)).sum(dim=(0, 1))
    return torch.log((up + 1) / (count - up + 1))


def _loss(
    mean: Tensor, up_logit: Tensor, targets: Tensor, known: Tensor, direction_weight: float
) -> tuple[Tensor, Tensor]:
    """The loss summed over the known targets, and their number."""
    up = (targets > 0).to(targets.dtype)
    direction = functional.binary_cross_entropy_with_logits(up_logit, up, reduction="none")
    loss = (mean - targets).square() + direction_weight * direction
    return (loss * known).sum(), known.sum()
