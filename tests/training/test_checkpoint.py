from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tenor.config import ModelConfig, TrainConfig
from tenor.model.reproducible import reproducible
from tenor.training import checkpoint
from tenor.training.sequences import Sequences
from tenor.training.trainer import Task, Trainer

TRAINING = TrainConfig(seeds=(3,), epochs=6, patience=6, segment=24, burn_in=8, segments_per_step=8, learning_rate=5e-3)


class StopError(Exception):
    pass


def weights(forecaster) -> list[bytes]:
    return [v.numpy().tobytes() for network in forecaster.networks for v in network.state_dict().values()]


def stop_after(last: int):
    def progress(seed: int, epoch: int, *_: float) -> None:
        if epoch == last:
            raise StopError

    return progress


@pytest.mark.parametrize("last", [2, 3, 5])
def test_a_broken_run_goes_on_and_ends_as_an_unbroken_one(fit_it, tmp_path: Path, last: int) -> None:
    with pytest.raises(StopError):
        fit_it(training=TRAINING, checkpoints=tmp_path, progress=stop_after(last))
    assert len(list(tmp_path.iterdir())) == 1
    epochs_reported = []
    resumed = fit_it(training=TRAINING, checkpoints=tmp_path, progress=lambda *e: epochs_reported.append(e))
    whole = fit_it(training=TRAINING)
    assert weights(resumed) == weights(whole)
    assert resumed.history == whole.history
    assert resumed.version == whole.version
    assert [e[1] for e in epochs_reported] == [1, 2, 3, 4, 5, 6]
    assert not list(tmp_path.iterdir())  # nothing is left of a run that succeeded


def test_a_finished_seed_is_not_trained_again(fit_it, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = dataclasses.replace(TRAINING, seeds=(3, 4), epochs=2)

    def progress(seed: int, epoch: int, *_: float) -> None:
        if (seed, epoch) == (4, 1):
            raise StopError

    with pytest.raises(StopError):
        fit_it(training=two, checkpoints=tmp_path, progress=progress)
    epochs = []
    run_epoch = Trainer.run_epoch
    monkeypatch.setattr(Trainer, "run_epoch", lambda self: (epochs.append(self.task.seed), run_epoch(self)))
    fit_it(training=two, checkpoints=tmp_path)
    assert epochs == [4, 4]


@pytest.mark.parametrize("what", ["training", "model", "data"])
def test_another_config_or_other_data_never_takes_up_a_foreign_checkpoint(
    fit_it, panel_of, tmp_path: Path, what: str
) -> None:
    with pytest.raises(StopError):
        fit_it(training=TRAINING, checkpoints=tmp_path, progress=stop_after(3))
    changed: dict = {"training": TRAINING}
    if what == "training":
        changed["training"] = dataclasses.replace(TRAINING, weight_decay=0.5)
    elif what == "model":
        changed["model"] = ModelConfig(hidden=6, attention_size=5, lookback=8)
    else:
        changed["panel"] = panel_of()
        changed["panel"].values[60, 0, 2] += 1e-3
    assert weights(fit_it(**changed, checkpoints=tmp_path)) == weights(fit_it(**changed))
    assert len(list(tmp_path.iterdir())) == 1  # the foreign one is still there


@pytest.mark.parametrize("content", [b"", b"half a file", None])
def test_a_checkpoint_that_cannot_be_read_is_no_checkpoint(fit_it, tmp_path: Path, content: bytes | None) -> None:
    with pytest.raises(StopError):
        fit_it(training=TRAINING, checkpoints=tmp_path, progress=stop_after(3))
    (path,) = tmp_path.glob("*/state.safetensors")
    path.write_bytes(path.read_bytes()[:-10] if content is None else content)
    assert weights(fit_it(training=TRAINING, checkpoints=tmp_path)) == weights(fit_it(training=TRAINING))


def test_a_checkpoint_holds_the_whole_state(panel_of, split, tmp_path: Path) -> None:
    data = Sequences.of(panel_of(), lookback=8, clip=4.0)
    task = Task(data, split.train, split.valid, ModelConfig(hidden=6, lookback=8), TRAINING, 3)
    with reproducible():
        trainer = Trainer(task)
        assert not checkpoint.restore(tmp_path, trainer)
        for _ in range(2):
            trainer.run_epoch()
        checkpoint.save(tmp_path, trainer)
        trainer.run_epoch()
    with reproducible():
        again = Trainer(task)
        assert checkpoint.restore(tmp_path, again)
        again.run_epoch()
    assert again.history == trainer.history
    for name, value in trainer.net.state_dict().items():
        assert np.array_equal(value.numpy(), again.net.state_dict()[name].numpy())


LONG = TrainConfig(seeds=(3, 4), epochs=30, patience=30, segment=24, burn_in=8, segments_per_step=4)
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from conftest import FEATURES, MODEL, make_panel
from test_checkpoint import LONG
from tenor.config import SplitConfig
from tenor.training import chronological, fit

panel = make_panel()
split = chronological(panel.sessions, SplitConfig(), purge=5)
configs = dict(features=FEATURES, model=MODEL, training=LONG)
fit(panel, split, **configs, checkpoints=Path({checkpoints!r}), workers={workers})
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_kill_minus_nine_midway(fit_it, tmp_path: Path, workers: int) -> None:
    script = SCRIPT.format(here=str(Path(__file__).parent), checkpoints=str(tmp_path), workers=workers)
    process = subprocess.Popen([sys.executable, "-c", script])
    while not list(tmp_path.glob("*/state.safetensors")):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert list(tmp_path.glob("*/state.safetensors"))
    epochs_reported = []
    resumed = fit_it(training=LONG, checkpoints=tmp_path, progress=lambda *epoch: epochs_reported.append(epoch))
    whole = fit_it(training=LONG)
    assert weights(resumed) == weights(whole)
    assert (resumed.version, resumed.history) == (whole.version, whole.history)
    assert len(epochs_reported) == 60
    assert not list(tmp_path.iterdir())
