"""A training on a panel in files keeps its copies in files, to the same bytes, and leaves none of them behind."""

from __future__ import annotations

import copy
import gc
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tenor.config import ModelConfig, TrainConfig
from tenor.features import Scaler
from tenor.features.blocks import ARRAYS
from tenor.schema import Panel
from tenor.training import Split, scratch
from tenor.training.fit import prepare
from tenor.training.scratch import Mapped, zeros_beside
from tenor.training.sequences import Sequences

MODEL = ModelConfig(hidden=6, attention_size=4, lookback=8)
TRAINING = TrainConfig(seeds=(0,), segment=24, burn_in=8)


def in_files(panel: Panel, folder: Path) -> Panel:
    """`panel` with its arrays mapped from files of `folder`."""
    folder.mkdir()
    arrays = {}
    for name in ARRAYS:
        np.save(folder / f"{name}.npy", getattr(panel, name))
        arrays[name] = np.load(folder / f"{name}.npy", mmap_mode="r")
    return replace(panel, **arrays)


def beside(folder: Path) -> list[str]:
    """What lies there that is not of the panel."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".npy")


def weights(forecaster) -> list[bytes]:
    return [v.numpy().tobytes() for network in forecaster.networks for v in network.state_dict().values()]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_bytes_as_in_memory_and_nothing_is_left(
    panel: Panel, fit_it, forecaster, tmp_path: Path, workers: int
) -> None:
    again = fit_it(panel=in_files(panel, tmp_path / "panel"), workers=workers)
    assert weights(again) == weights(forecaster)
    assert again.version == forecaster.version
    assert again.history == forecaster.history
    gc.collect()
    assert not beside(tmp_path / "panel")


def test_copies_lie_in_files_and_go_with_the_last_of_them(panel: Panel, split: Split, tmp_path: Path) -> None:
    mapped = in_files(panel, tmp_path / "panel")
    ready = prepare(mapped, split, MODEL, TRAINING)
    data = ready.tasks[0].data
    for array in (ready.scaled.values, data.inputs, data.targets, data.known):
        assert isinstance(array, np.memmap)
    assert len(beside(tmp_path / "panel")) == 2  # the folder and its lock
    held = data.inputs[:2]  # a view keeps them
    del ready, data, array
    gc.collect()
    assert len(beside(tmp_path / "panel")) == 2
    assert np.isfinite(held).all()
    del held
    gc.collect()
    assert not beside(tmp_path / "panel")
    assert not isinstance(prepare(panel, split, MODEL, TRAINING).tasks[0].data.inputs, np.memmap)


def test_arrays_in_files_travel_by_name_and_whole_where_files_do_not_reach(
    panel: Panel, split: Split, tmp_path: Path
) -> None:
    data = prepare(in_files(panel, tmp_path / "panel"), split, MODEL, TRAINING).tasks[0].data
    assert len(pickle.dumps(data)) < 2_000 < data.inputs.nbytes
    arrived = copy.copy(data)  # made of the state that travels
    assert isinstance(arrived.inputs, np.memmap)
    assert arrived.fingerprint() == data.fingerprint()
    arrived.inputs[:] = 7  # stays there
    assert arrived.fingerprint() != data.fingerprint() == data.in_memory().fingerprint()
    assert not isinstance(copy.copy(data.in_memory()).inputs, np.memmap)
    assert Mapped.of(data.inputs[1:]) is None
    assert Mapped.of(data.inputs.T) is None
    some = Sequences(data.inputs[1:], data.targets[1:], data.known[1:])
    assert copy.copy(some).fingerprint() == some.fingerprint()


def test_what_a_killed_training_left_goes_and_what_a_running_one_has_stays(panel: Panel, tmp_path: Path) -> None:
    mapped = in_files(panel, tmp_path / "panel")
    code = f"""
        import numpy as np, sys, time
        from tenor.training.scratch import _Folder
        from pathlib import Path
        array = _Folder.beside(Path({str(tmp_path / "panel" / "values.npy")!r})).zeros((5, 5), np.float32)
        print("there", flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "there\n"
        left = beside(tmp_path / "panel")
        assert len(left) == 2
        array = zeros_beside(mapped)((3,), np.float32)
        assert set(left) < set(beside(tmp_path / "panel"))
        running.send_signal(signal.SIGKILL)
    del array
    array = zeros_beside(mapped)((3,), np.float32)
    assert not set(left) & set(beside(tmp_path / "panel"))
    assert array.sum() == 0


def test_a_full_disk_is_an_error_and_not_the_end_of_the_process(panel: Panel, tmp_path: Path) -> None:
    in_files(panel, tmp_path / "panel")
    code = f"""
        import resource
        import numpy as np
        from pathlib import Path
        from tenor.errors import StoreError
        from tenor.training.scratch import _Folder
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
        folder = _Folder.beside(Path({str(tmp_path / "panel" / "values.npy")!r}))
        folder.zeros((100,), np.float32)
        try:
            folder.zeros((2**20,), np.float32)
        except StoreError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert "the next of 4 MiB" in done.stdout
    assert "free disk" in done.stdout
    assert not beside(tmp_path / "panel")


def test_a_folder_that_is_gone_is_no_hindrance(panel: Panel, tmp_path: Path, monkeypatch) -> None:
    mapped = in_files(panel, tmp_path / "panel")
    shutil.rmtree(tmp_path / "panel")  # the files are open, and readable until they are closed
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(scratch.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    array = zeros_beside(mapped)((3,), np.float32)
    assert Path(array.filename).is_relative_to(tmp_path / "temporary")


def test_scaling_in_parts_is_scaling_at_once(panel: Panel, split: Split, monkeypatch) -> None:
    scaler = Scaler.fit(panel, split.train)
    whole = scaler.transform(panel)
    monkeypatch.setattr("tenor.features.scaling.ROWS", 30)
    monkeypatch.setattr("tenor.features.scaling.AT_ONCE", 2)
    assert Scaler.fit(panel, split.train) == scaler
    assert scaler.transform(panel).values.tobytes() == whole.values.tobytes()


def test_some_symbols_of_a_panel(panel: Panel) -> None:
    some = panel.of_symbols(slice(1, 3))
    assert some.symbols == panel.symbols[1:3]
    np.testing.assert_array_equal(some.values, panel.values[:, 1:3])
    np.testing.assert_array_equal(some.log_variance, panel.log_variance[:, 1:3])
