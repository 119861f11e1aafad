"""Train many seeds and folds as one network on a CUDA card, where the data stay and each step replays a CUDA graph.

First weights, the order of segments, losses, clipping, Adam, early stopping and checkpoints are those of `Trainer`,
which holds a network's state while it is not on the card. Only the masks of dropout
(`tenor.model.stacked.KeyedDropout`) and the order in which sums are added differ.

Letters in shape comments: S networks, B segments, N symbols, T sessions, F features, K horizons, P parameters.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tenor.config import to_mapping
from tenor.errors import TrainingError
from tenor.inference.cells import WARM_UP
from tenor.model import AttentionLSTM
from tenor.model.reproducible import reproducible
from tenor.model.stacked import run_stacked, stackable
from tenor.storage.files import content_key
from tenor.training import checkpoint
from tenor.training.at_once import bytes_of_segment
from tenor.training.replayed import Replayed
from tenor.training.sequences import Segments
from tenor.training.trainer import History, Task, Trainer, loss_of

SAVE_SECONDS = 10.0
"""The fewest seconds between two checkpoints of a network; an epoch may take less time than writing its state."""
SHARE = 0.5
"""Share of the card's free memory that the activations of one step (`bytes_of_segment`) may take."""
BETAS, EPSILON = (0.9, 0.999), 1e-8
"""The defaults of `torch.optim.Adam`, which `Trainer` uses."""

Report = Callable[[History], None]


def train_stacked(
    tasks: Sequence[Task],
    folders: Sequence[Path],
    reports: Sequence[Report],
    *,
    device: str = "cuda",
    half: bool = False,
) -> list[Trainer]:
    """Train each of `tasks` to its end, those of the same shape together, from the checkpoints in `folders`.

    Parameters
    ----------
    tasks
        Tasks with tenor's own network.
    folders
        For each task the folder of its checkpoint.
    reports
        For each task a function that is called with the history after each epoch.
    device
        Where to train; on ``cpu`` the same is computed without graphs.
    half
        Whether products are computed in bfloat16.

    Returns
    -------
    list of Trainer
        The finished trainers, in the order of `tasks`.

    Raises
    ------
    TrainingError
        A loss is no longer finite, or one network alone needs more memory than the card has.
    """
    with reproducible():
        trainers, states = [], []
        for task, folder, report in zip(tasks, folders, reports, strict=True):
            trainer = Trainer(task)
            checkpoint.restore(folder, trainer)
            trainers.append(trainer)
            states.append(torch.get_rng_state())
            report(trainer.history)
        groups: dict[str, list[int]] = {}
        for place, trainer in enumerate(trainers):
            if not trainer.finished:
                groups.setdefault(_shape(trainer.task), []).append(place)
        for places in groups.values():
            size = _networks_at_once(trainers[places[0]].task, device)
            for start in range(0, len(places), size):
                members = [
                    _Member(trainers[i], states[i], folders[i], reports[i]) for i in places[start : start + size]
                ]
                _train_group(members, device, half=half)
    return trainers


def _shape(task: Task) -> str:
    """What tasks that are trained together have in common."""
    training = {**to_mapping(task.training), "seeds": []}
    return content_key(to_mapping(task.model), training, [task.data.inputs.shape[i] for i in (0, 2)])


class _Member:
    """A network of a stack: its trainer, the state of its random generator, and the folder of its checkpoint."""

    def __init__(self, trainer: Trainer, random: Tensor, folder: Path, report: Report) -> None:
        self.trainer, self.random, self.folder, self.report = trainer, random, folder, report

    def epoch(self, segments: Segments) -> Tensor:
        """Places of the segments of the next epoch, as `Trainer` would draw them."""
        torch.set_rng_state(self.random)
        places = segments.epoch()
        self.random = torch.get_rng_state()
        return places

    def save(self) -> None:
        """Write the trainer's state."""
        torch.set_rng_state(self.random)
        checkpoint.save(self.folder, self.trainer)


def _train_group(members: list[_Member], device: str, *, half: bool) -> None:
    left = members
    while left:
        stack: Stack | None = None
        try:
            stack = Stack(left, device, half=half)
            stack.run()
        except torch.OutOfMemoryError:
            if len(left) == 1:
                task = left[0].trainer.task
                raise TrainingError(
                    f"one network takes more memory than the card has: lower training.segments_per_step, now "
                    f"{task.training.segments_per_step}, or set training.device to 'cpu'."
                ) from None
            stack = None
            torch.cuda.empty_cache()
            for part in (left[: len(left) // 2], left[len(left) // 2 :]):
                _train_group(part, device, half=half)
        del stack
        if device == "cuda":
            torch.cuda.empty_cache()
        left = [member for member in left if not member.trainer.finished]


def _networks_at_once(task: Task, device: str) -> int:
    free = torch.cuda.mem_get_info()[0] if device == "cuda" else 4 << 30
    of_step = task.training.segments_per_step * bytes_of_segment(task.model, task.training, *task.shape)
    return max(1, int(free * SHARE / of_step))


class Stack:
    """Networks of the same shape on a card, trained together until half of them are finished.

    Parameters
    ----------
    members
        The networks, none of which is finished.
    device
        ``cuda``, or ``cpu`` to compute the same without graphs.
    half
        Whether products are computed in bfloat16.
    """

    def __init__(self, members: Sequence[_Member], device: str, *, half: bool = False) -> None:
        self.members, self.half = list(members), half
        self.device = torch.device(device)
        self.task = self.members[0].trainer.task
        trainers = [member.trainer for member in self.members]
        network = trainers[0].net
        assert isinstance(network, AttentionLSTM)
        self.template = stackable(network).to(self.device)
        self.names = [name for name, _ in network.named_parameters()]
        self.shapes = [parameter.shape for parameter in network.parameters()]
        count = sum(shape.numel() for shape in self.shapes)
        states = [_moments(trainer) for trainer in trainers]
        self.flat = self._rows(_flat(dict(t.net.named_parameters()), self.names) for t in trainers)  # [S, P]
        self.mean = self._rows(torch.cat([first.flatten() for first, _ in each]) for each, _ in states)
        self.square = self._rows(torch.cat([second.flatten() for _, second in each]) for each, _ in states)
        self.steps = torch.tensor([step for _, step in states], device=self.device)  # [S]
        self.best = self._rows(_flat(t.best, self.names) if t.best else torch.zeros(count) for t in trainers)
        self.keys = torch.zeros(len(trainers), dtype=torch.int64, device=self.device)
        self.sums = torch.zeros(4, len(trainers), device=self.device)  # losses and cells of training and validation
        self._place_data()
        self._step = Replayed(self._train, [self.flat, self.mean, self.square, self.steps, self.keys, self.sums])
        self._look = Replayed(self._validate, [self.sums])

    def run(self) -> None:
        """Run epochs until half of the networks are finished; then save all states, in the trainers and on disk."""
        saved = time.monotonic()
        running = list(range(len(self.members)))
        while 2 * len(running) > len(self.members):
            self._epoch(running)
            done = [i for i in running if self.members[i].trainer.finished]
            running = [i for i in running if i not in done]
            late = time.monotonic() - saved >= SAVE_SECONDS
            for i in [*done, *(running if late else ())]:
                self._fetch(i)
                self.members[i].save()
            if late:
                saved = time.monotonic()
        for i in running:
            self._fetch(i)

    def _epoch(self, running: Sequence[int]) -> None:
        config = self.task.training
        drawn = {i: self.members[i].epoch(self.segments[self.fold_of[i]]) for i in running}
        size = config.segments_per_step
        steps = max(math.ceil(len(places) / size) for places in drawn.values())
        places = torch.full((len(self.members), steps * size), self.nowhere)
        for i, of_member in drawn.items():
            places[i, : len(of_member)] = of_member + self.offsets[self.fold_of[i]]
        by_step = places.reshape(len(self.members), steps, size).transpose(0, 1).contiguous().to(self.device)
        epochs = [(m.trainer.task.seed, len(m.trainer.history.train)) for m in self.members]
        # each seed and epoch has its own keys, and each step uses the next one
        self.keys.copy_(torch.tensor([(seed % 2**31) * 2**26 + epoch * 2**16 for seed, epoch in epochs]))
        self.sums.zero_()
        for step in by_step:
            self.places.copy_(step)
            self._step()
        for columns in self.columns:
            self.symbols.copy_(columns)
            self._look()
        train, cells, valid, valid_cells = self.sums.tolist()  # the only time that the CPU waits for the card
        for i in running:
            trainer = self.members[i].trainer
            if trainer.record(train[i] / max(cells[i], 1e-9), valid[i] / max(valid_cells[i], 1e-9)):
                self.best[i].copy_(self.flat[i].detach())
            self.members[i].report(trainer.history)

    def _train(self) -> None:
        config = self.task.training
        run = self.places[..., None] + self.run_of_segment  # [S, B, burn_in + segment]
        predicted = run[..., config.burn_in :]
        flat = self.flat.detach().requires_grad_()
        heads = self._run(self.template.train(), flat, self.inputs[run])
        heads = {name: values[:, :, config.burn_in :] for name, values in heads.items()}
        loss, cells = self._losses(heads, self.targets[predicted], self.known[predicted])
        (gradient,) = torch.autograd.grad((loss / cells.clamp(min=1e-9)).sum(), flat)
        self._adam(gradient, active=cells > 0)
        self.sums[0] += loss.detach()
        self.sums[1] += cells
        self.keys += 1

    @torch.no_grad()
    def _adam(self, gradient: Tensor, active: Tensor) -> None:
        """One step of Adam for the networks that have something to learn from; as `torch.optim.Adam`."""
        config, (slow, slower) = self.task.training, BETAS
        norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        gradient = gradient * (config.clip_norm / (norm + 1e-6)).clamp(max=1)
        mean = torch.lerp(self.mean, gradient, 1 - slow)
        square = slower * self.square + (1 - slower) * gradient * gradient
        steps = self.steps + active
        first, second = (1 - beta ** steps[:, None] for beta in (slow, slower))
        decayed = self.flat * (1 - config.learning_rate * config.weight_decay)
        moved = decayed - config.learning_rate * (mean / first) / ((square / second).sqrt() + EPSILON)
        for old, new in ((self.mean, mean), (self.square, square), (self.flat, moved)):
            old.copy_(torch.where(active[:, None], new, old))
        self.steps.copy_(steps)

    @torch.no_grad()
    def _validate(self) -> None:
        pick = self.valid_fold[:, None], self.symbols[None, :]
        heads = self._run(self.template.eval(), self.flat, self.valid_inputs[pick])
        loss, cells = self._losses(heads, self.valid_targets[pick], self.valid_known[pick])
        self.sums[2] += loss
        self.sums[3] += cells

    def _run(self, template: AttentionLSTM, flat: Tensor, x: Tensor) -> dict[str, Tensor]:
        return run_stacked(template, self._views(flat), self.keys, x, half=self.half)

    def _losses(self, heads: dict[str, Tensor], targets: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """[S] each; the loss of each network, and the cells that it is over."""
        config = self.task.training

        def one(outputs: dict[str, Tensor], targets: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
            return loss_of(outputs, targets, known, config)

        loss, cells = torch.func.vmap(one)(heads, targets, known)
        return loss, cells

    def _place_data(self) -> None:
        """Put the data of each fold on the card, once for all networks that are trained on it."""
        config, model = self.task.training, self.task.model
        folds: dict[tuple[int, int, int, int, int], int] = {}
        tasks: list[Task] = []
        self.fold_of: list[int] = []
        for member in self.members:
            task = member.trainer.task
            key = (id(task.data), task.train.start, task.train.stop, task.valid.start, task.valid.stop)
            if key not in folds:
                folds[key] = len(folds)
                tasks.append(task)
            self.fold_of.append(folds[key])
        self.segments = [
            Segments(task.data, task.train, segment=config.segment, burn_in=config.burn_in) for task in tasks
        ]
        lengths = [each.length for each in self.segments]
        self.offsets = np.concatenate(([0], np.cumsum(lengths)[:-1])).tolist()
        # a segment of zeros at the end, for networks with fewer segments than others
        self.nowhere = sum(lengths) + config.burn_in
        nothing = config.burn_in + config.segment
        padded = [each.padded() for each in self.segments]
        self.inputs, self.targets, self.known = (
            torch.cat([*(each[k] for each in padded), torch.zeros(nothing, padded[0][k].shape[1])]).to(self.device)
            for k in range(3)
        )
        self.run_of_segment = torch.arange(-config.burn_in, config.segment, device=self.device)
        self.places = torch.full(
            (len(self.members), config.segments_per_step), self.nowhere, dtype=torch.int64, device=self.device
        )
        self.valid_fold = torch.tensor(self.fold_of, device=self.device)
        self._place_validation(tasks, model.lookback)

    def _place_validation(self, tasks: Sequence[Task], lookback: int) -> None:
        """[folds, N + 1, T, …]; a symbol without data is the last, to fill blocks of symbols."""
        parts = []
        for task in tasks:
            begin = max(0, task.valid.start - lookback - WARM_UP)
            inputs, targets, known = task.data.between(begin, task.valid.stop)
            known = known.clone()
            known[:, : task.valid.start - begin] = 0
            parts.append((inputs, targets, known))
        longest = max(part[0].shape[1] for part in parts)
        pad = torch.nn.functional.pad
        self.valid_inputs, self.valid_targets, self.valid_known = (
            torch.stack([pad(part[k], (0, 0, 0, longest - part[k].shape[1], 0, 1)) for part in parts]).to(self.device)
            for k in range(3)
        )
        config, count = self.task.training, len(parts[0][0])
        # as many symbols at once as give the number of sessions of a training step
        block = min(count, max(1, config.segments_per_step * (config.burn_in + config.segment) // longest))
        blocks = math.ceil(count / block)
        columns = torch.full((blocks * block,), count)
        columns[:count] = torch.arange(count)
        self.columns = list(columns.reshape(blocks, block).to(self.device))
        self.symbols = self.columns[0].clone()

    def _views(self, flat: Tensor) -> dict[str, Tensor]:
        parts = torch.split(flat, [shape.numel() for shape in self.shapes], dim=1)
        return {
            name: part.reshape(-1, *shape) for name, part, shape in zip(self.names, parts, self.shapes, strict=True)
        }

    def _rows(self, rows: object) -> Tensor:
        return torch.stack(list(rows)).to(self.device)  # type: ignore[call-overload]

    def _fetch(self, place: int) -> None:
        """The state of a network from the card into its trainer."""
        trainer = self.members[place].trainer
        flat, best, mean, square = (
            self._views(values[place : place + 1].detach().cpu())
            for values in (self.flat, self.best, self.mean, self.square)
        )
        step = float(self.steps[place])
        with torch.no_grad():
            for name, parameter in trainer.net.named_parameters():
                parameter.copy_(flat[name][0])
                trainer.optimiser.state[parameter] = {
                    "step": torch.tensor(step),
                    "exp_avg": mean[name][0].clone(),
                    "exp_avg_sq": square[name][0].clone(),
                }
        trainer.best = {name: best[name][0].clone() for name in self.names}


def _flat(values: dict[str, Tensor], names: Sequence[str]) -> Tensor:
    return torch.cat([values[name].detach().flatten() for name in names])


def _moments(trainer: Trainer) -> tuple[list[tuple[Tensor, Tensor]], float]:
    """Adam's two means of each parameter, and its steps so far."""
    states = [trainer.optimiser.state.get(parameter, {}) for parameter in trainer.net.parameters()]
    steps = float(states[0]["step"]) if states[0] else 0.0
    pairs = []
    for parameter, state in zip(trainer.net.parameters(), states, strict=True):
        nothing = torch.zeros_like(parameter)
        pairs.append((state.get("exp_avg", nothing).detach(), state.get("exp_avg_sq", nothing).detach()))
    return pairs, steps
