"""A Ray cluster of two nodes on this machine, one of which is killed midway: the same bytes as on this machine.

`make check-cluster` runs these; Ray comes by ``pip install 'tenor[ray]'``.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_tasks import die, product, slow_product

from tenor.config import FeatureConfig, FoldConfig, ModelConfig, SplitConfig, TrainConfig
from tenor.engines import LocalEngine, from_address
from tenor.errors import DataError, ServiceError, TrainingError
from tenor.evaluation.garch import fit_garch
from tenor.evaluation.walkforward import walk
from tenor.features import build_panel
from tenor.schema import Bars
from tenor.sentiment.scorer import Scorer
from tenor.training.folds import walk_forward
from tenor.training.grid import read_grid
from tenor.training.search import grid_search

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
ray = pytest.importorskip("ray", reason="Ray is not installed: make check-cluster installs it")

FEATURES = FeatureConfig(horizons=(1,))
MODEL = ModelConfig(hidden=4, attention_size=3, lookback=5)
TRAINING = TrainConfig(seeds=(0, 1), epochs=3, segment=24, burn_in=4, learning_rate=1e-2)
FOLDS = FoldConfig(folds=2, valid_sessions=40, test_sessions=40)


class TwoNodes:
    """A head and one more node, of a core each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        size = {"num_cpus": 1, "object_store_memory": 150_000_000}
        self.cluster = started(
            lambda: Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
        )
        self.other = started(lambda: self.cluster.add_node(**size))
        ray.init(address=self.cluster.address, logging_level="error", log_to_driver=False)
        self.engine = from_address("ray")

    def lose_a_node(self, seconds: float) -> threading.Thread:
        """Kill the other node after `seconds`."""

        def kill() -> None:
            time.sleep(seconds)
            self.cluster.remove_node(self.other, allow_graceful=False)

        thread = threading.Thread(target=kill)
        thread.start()
        return thread

    def end(self) -> None:
        ray.shutdown()
        self.cluster.shutdown()


def started(start: Any) -> Any:
    """What `start` gives; Ray gives up after 15 s on a busy machine, so it has three tries."""
    for _ in range(2):
        try:
            return start()
        except Exception:  # noqa: BLE001 (Ray raises a bare Exception)
            time.sleep(5)
    return start()


@pytest.fixture
def nodes() -> Iterator[TwoNodes]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what Ray will change in a later version, and of its open pipes
        two = TwoNodes()
        yield two
        two.end()


@pytest.fixture(scope="module")
def market_bars(bars_of) -> Bars:
    return bars_of(symbols=6, sessions=330)


def test_results_come_in_order_while_a_node_is_lost(nodes: TwoNodes) -> None:
    assert nodes.engine.cores == 2
    assert len(nodes.engine.nodes) == 2
    assert len({node.processor for node in nodes.engine.nodes}) == 1
    reported: dict[int, int] = {}
    losing = nodes.lose_a_node(2)
    results = list(nodes.engine.map(slow_product, range(12), shared=3, done=reported.__setitem__))
    losing.join()
    assert results == [3 * task for task in range(12)]
    assert reported == dict(enumerate(results))


def test_what_a_task_raises_is_raised_here_as_it_is(nodes: TwoNodes) -> None:
    with pytest.raises(DataError, match=r"^-1 is below zero\.$"):
        list(nodes.engine.map(product, [1, -1, 2], shared=3))
    with pytest.raises(TrainingError, match="lost on the Ray cluster 4 times"):
        list(nodes.engine.map(die, range(4)))
    assert [value for value, _ in nodes.engine.map(product, [1, 2], shared=3)] == [3, 6]


def test_folds_seeds_search_and_fits_are_the_same_to_the_bit_though_a_node_is_lost(
    nodes: TwoNodes, market_bars: Bars, tmp_path
) -> None:
    panel = build_panel(market_bars, FEATURES)
    splits = walk_forward(panel.sessions, FOLDS, purge=1)
    losing = nodes.lose_a_node(3)

    def walked(workers: Any, name: str) -> Any:
        return walk(
            panel,
            splits,
            features=FEATURES,
            model=MODEL,
            training=TRAINING,
            baselines=(),
            cache=tmp_path / name,
            workers=workers,
        )

    away, here = walked(nodes.engine, "away"), walked(LocalEngine(1), "here")
    losing.join()
    assert away.predictions.keys() == here.predictions.keys()
    for name, predictions in here.predictions.items():
        for field in fields(predictions):
            if isinstance(value := getattr(predictions, field.name), np.ndarray):
                assert getattr(away.predictions[name], field.name).tobytes() == value.tobytes()

    fits = [
        fit_garch(panel, splits[0].train, ("GARCH",), workers=workers) for workers in (nodes.engine, LocalEngine(1))
    ]
    assert fits[0].keys() == fits[1].keys()
    for name in fits[0]:
        np.testing.assert_array_equal(fits[0][name], fits[1][name])

    searches = [
        grid_search(
            market_bars,
            read_grid(words=["hidden=3,5"]),
            cache=tmp_path / f"search-{place}",
            workers=workers,
            features=FEATURES,
            model=MODEL,
            training=TrainConfig(seeds=(0,), epochs=2, segment=24, burn_in=4, learning_rate=1e-2),
            split=SplitConfig(valid_end="2014-12-31"),
            folds=FOLDS,
        )
        for place, workers in enumerate((nodes.engine, LocalEngine(1)))
    ]
    assert [(t.values, t.scores) for t in searches[0].trials] == [(t.values, t.scores) for t in searches[1].trials]


def test_texts_are_scored_to_the_same_bits(nodes: TwoNodes) -> None:
    texts = [f"Acme {verb} its forecast for the year by {n} %" for verb in ("raises", "cuts") for n in range(2, 40)]
    scorers = Scorer.load(), Scorer.load(engine=nodes.engine)
    for scorer in scorers:
        scorer._round_size = 20  # batches are of one round: others differ by the float noise of another batch
    here, away = (scorer.score(texts, kinds=True, embeddings=True) for scorer in scorers)
    for name in ("probabilities", "kinds", "embeddings"):
        assert getattr(away, name).tobytes() == getattr(here, name).tobytes()


@pytest.mark.parametrize("token", [True, False], ids=["with a token", "without a token"])
def test_a_driver_outside_of_the_cluster_works_by_its_client_port(token: bool, tmp_path: Path) -> None:
    # a home of its own: the user's may have a token, which a head that finds it asks for
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    env["HOME"] = str(tmp_path)
    if token:
        (tmp_path / ".ray").mkdir()
        (tmp_path / ".ray" / "auth_token").write_text("5" * 64)
    with head_of_its_own(tmp_path, env) as address:
        done = subprocess.run(
            [sys.executable, "-c", CLIENT.format(address=address)],
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "3", "6", "9", "-1", "is", "below", "zero."]


CLIENT = """
import sys

from engine_tasks import product
from tenor.engines import from_address
from tenor.errors import DataError, ServiceError

for _ in range(4):  # the client gives up after 30 s, and a busy machine takes longer to start what answers it
    try:
        engine = from_address("{address}")
        break
    except ServiceError as error:
        sys.stderr.write(f"{{error}}\\n")
print(*(value for value, _ in engine.map(product, range(4), shared=3)))
try:
    list(engine.map(product, [-1]))
except DataError as error:
    print(error)
"""


@contextmanager
def head_of_its_own(folder: Path, env: dict[str, str]) -> Iterator[str]:
    """The client address of a head that ends with the block."""
    for _ in range(3):  # Ray gives up after 15 s on a busy machine
        port, client = free_port(), free_port()
        head = [
            *("--head", "--block", f"--port={port}", f"--ray-client-server-port={client}", "--num-cpus=1"),
            *("--include-dashboard=false", "--object-store-memory=150000000", f"--temp-dir=/tmp/r{port}"),
        ]
        with (folder / "head.txt").open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "ray.scripts.scripts", "start", *head], stdout=output, stderr=output, env=env
            )
        try:
            if answers(client, process):
                yield f"ray://127.0.0.1:{client}"
                return
        finally:
            process.terminate()
            process.wait(60)
            shutil.rmtree(f"/tmp/r{port}", ignore_errors=True)
    pytest.fail((folder / "head.txt").read_text())


def answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    for _ in range(240):
        if process.poll() is not None:
            return False
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.5)
    return False


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_a_cluster_that_does_not_answer_is_one_line() -> None:
    with pytest.raises(ServiceError, match=re.escape("no Ray cluster answers at ray://127.0.0.1:1")):
        from_address("ray://127.0.0.1:1")
