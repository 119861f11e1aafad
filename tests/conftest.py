"""Shared fixtures: published datasets (through TENOR_DATA) and a small panel's worth of made bars."""

from __future__ import annotations

import inspect
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from s3 import s3_environment, s3_server

from tenor.calendars import exchange
from tenor.schema import Bars

__all__ = ["s3_environment", "s3_server"]  # fixtures, for all tests

# the same examples in every run, so that a commit passes or fails by itself; `make check-all` tries others. No example
# has a time limit, since a machine may be busy, and none changes the fixtures of its test.
_UNHURRIED = {"deadline": None, "suppress_health_check": (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)}
settings.register_profile("steady", derandomize=True, **_UNHURRIED)
settings.register_profile("explore", print_blob=True, **_UNHURRIED)
settings.load_profile("steady")

# rooms that import torch; a test module that takes something of theirs trains, or runs what was trained
WITH_TORCH = (
    "torch",
    "tenor.benchmarks",
    "tenor.model",
    "tenor.pipeline",
    "tenor.sentiment.training",
    "tenor.training",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a browser, an S3 server or torch, by the fixtures and modules that a test uses."""
    torch_modules: dict[object, bool] = {}
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        callspec = getattr(item, "callspec", None)
        in_bucket = callspec is not None and any(isinstance(p, str) and p == "bucket" for p in callspec.params.values())
        if "browser" in fixtures:
            item.add_marker("browser")
        if fixtures & {"s3_environment", "s3_server"} or in_bucket:
            item.add_marker("s3")
        module = getattr(item, "module", None)
        if module is None:  # a doctest
            continue
        if module not in torch_modules:
            torch_modules[module] = any(
                name == room or name.startswith(f"{room}.")
                for value in vars(module).values()
                for name in [getattr(value, "__name__" if inspect.ismodule(value) else "__module__", None) or ""]
                for room in WITH_TORCH
            )
        if torch_modules[module] or "trained" in fixtures:
            item.add_marker("torch")


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[[str], Path]:
    """``published(name)``: the file or folder `name` of TENOR_DATA, or what the archive `name`.tar.xz unpacks to."""
    root = os.environ.get("TENOR_DATA")
    base = tmp_path_factory.getbasetemp()
    # one copy for all workers of a run: some archives hold tens of thousands of files
    shared = (base if worker_id == "master" else base.parent) / "published"

    def get(name: str) -> Path:
        if not root:
            pytest.skip("TENOR_DATA is not set: it names the folder with the published datasets")
        plain = Path(root) / name
        archive = Path(root) / f"{name}.tar.xz"
        if plain.exists():
            return plain
        if not archive.exists():
            pytest.skip(f"TENOR_DATA has no {name}")
        target = shared / name
        shared.mkdir(exist_ok=True)
        with FileLock(shared / f"{name}.lock"):
            if not (target / ".whole").exists():
                with tarfile.open(archive) as tar:
                    tar.extractall(target, filter="data")
                (target / ".whole").touch()
        folders = [p for p in target.iterdir() if p.is_dir()]
        return folders[0] if len(folders) == 1 else target

    return get


def make_bars(symbols: int = 4, sessions: int = 300, seed: int = 0, first: str = "2014-01-02") -> Bars:
    """Random walks on New York's calendar: not data to learn from, but bars of the right shape."""
    rng = np.random.default_rng(seed)
    days = exchange("XNYS").sessions(pd.Timestamp(first), pd.Timestamp("2025-12-31"))[:sessions]
    frames = []
    for i in range(symbols):
        close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, len(days))))
        open_ = close * np.exp(rng.normal(0, 0.005, len(days)))
        frames.append(
            pd.DataFrame(
                {
                    "symbol": f"S{i:02d}",
                    "session": days,
                    "open": open_,
                    "high": np.maximum(open_, close) * 1.01,
                    "low": np.minimum(open_, close) * 0.99,
                    "close": close,
                    "adj_close": close * 0.9,
                    "volume": rng.integers(1_000, 9_000, len(days)).astype("float64"),
                }
            )
        )
    return Bars(pd.concat(frames))


@pytest.fixture
def bars() -> Bars:
    """Four symbols, 300 sessions."""
    return make_bars()


@pytest.fixture(scope="session")
def bars_of() -> Callable[..., Bars]:
    """`make_bars`, for tests that need another size."""
    return make_bars
