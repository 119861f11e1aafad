"""The functions as they are packed, under AWS's Runtime Interface Emulator, against a real S3 server."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from emulator import PYTHON, RIE, Emulator
from services import serving
from world import World

from tenor.serving.keys import ApiKeys
from tenor.serving.published import published_forecasts

ROOT = Path(__file__).resolve().parents[2]
SYMBOLS = ("AAPL", "AMZN", "CVX", "INTC", "MSFT", "XOM")


@pytest.fixture(scope="session")
def tools() -> Path:
    """The emulator; skips where ``make -C deployment tools`` did not run."""
    if RIE is None or not PYTHON.exists():
        pytest.skip("deployment/.tools is not there: 'make check-aws' fills it")
    return RIE


@pytest.fixture
def emulator(tools: Path) -> Iterator[Callable[..., Emulator]]:
    """``emulator(task, handler, env, ...)``; all are stopped in the end."""
    started: list[Emulator] = []

    def start(task: Path, handler: str, env: dict[str, str], **limits: Any) -> Emulator:
        started.append(Emulator(tools, task, handler, env, **limits))
        return started[-1]

    yield start
    for function in started:
        function.stop()


@pytest.fixture(scope="session")
def api_task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip of the API function, unpacked."""
    packed = ROOT / "deployment" / "build" / "api-x86_64.zip"
    if not packed.exists():
        pytest.skip(f"{packed.name} is not built: 'make check-aws' builds it")
    folder = tmp_path_factory.mktemp("api")
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="session")
def refresh_task() -> Path:
    """The folder that the refresh image holds."""
    folder = ROOT / "deployment" / "build" / "refresh-x86_64"
    if not folder.exists():
        pytest.skip(f"{folder.name} is not built: 'make check-aws' builds it")
    return folder


@dataclass(frozen=True)
class Account:
    """What stands in for an AWS account: a bucket with a trained model and forecasts, and a market to fetch from.

    Attributes
    ----------
    env
        The environment variables that the template sets for the functions.
    world
        The market; its `now` may be moved on.
    """

    env: dict[str, str]
    world: World

    @property
    def store(self) -> str:
        return self.env["TENOR_STORE"]

    def index(self) -> Any:
        index = published_forecasts(self.store).index()
        assert index is not None
        return index


@pytest.fixture(scope="session")
def account(s3_server: str) -> Iterator[Account]:
    """A bucket filled through S3 by the code that fills a laptop's lake; sessions up to 2024-11-01."""
    from tenor.config import Config
    from tenor.ingest.fetch import fetch
    from tenor.pipeline.refresh import refresh
    from tenor.pipeline.train import train
    from tenor.workspace import Workspace

    world = World(now=pd.Timestamp("2024-11-01 23:00", tz="UTC"))
    credentials = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "lake",
        "AWS_SECRET_ACCESS_KEY": "lake-secret",
        "AWS_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch, serving(world, ("yahoo",)) as services:
        for name, value in credentials.items():
            patch.setenv(name, value)
        sources = {"prices": ["yahoo"], "news": ["yahoo"], "urls": [f"yahoo={services['yahoo'].url}"]}
        sources |= {"since": "2024-01-02", "http": {"requests_per_minute": 60000.0}}
        env = {**credentials, "TENOR_STORE": "s3://check", "TENOR_SOURCES": json.dumps(sources)}
        env |= {"TENOR_SYMBOLS": ",".join(SYMBOLS), "TENOR_MODEL": "champion", "TENOR_CALENDAR": "XNYS"}
        store = env["TENOR_STORE"]
        config = Config.read(
            None, [f"sources.{key}={json.dumps(value)}" for key, value in sources.items() if key != "http"]
        )
        assert fetch(store, SYMBOLS, config.sources).worked
        quick = ("training.seeds=[0]", "training.epochs=1", "model.hidden=4", "model.lookback=10")
        train(store, Config.read(None, quick), workers=1)
        workspace = Workspace(store)
        refresh(workspace, workspace.predictor, now=world.now)
        yield Account(env, world)


@pytest.fixture(scope="session")
def api_key(account: Account) -> str:
    """A key that opens the service."""
    return ApiKeys(published_forecasts(account.store).objects).make("check")
