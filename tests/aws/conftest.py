"""The functions as they are packed, under AWS's Runtime Interface Emulator, against a real S3 server."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from services import serving
from world import World

from tenor.serving.board import board_of
from tenor.serving.keys import Keys

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "deployment" / ".tools"
RIE = next(TOOLS.glob("sam/lib/python3*/site-packages/samcli/local/rapid/aws-lambda-rie-x86_64"), None)
PYTHON = TOOLS / "ric" / "bin" / "python"
SYMBOLS = ("AAPL", "AMZN", "CVX", "INTC", "MSFT", "XOM")


@pytest.fixture(scope="session")
def tools() -> Path:
    """The emulator; skips where ``make -C deployment tools`` did not run."""
    if RIE is None or not PYTHON.exists():
        pytest.skip("deployment/.tools is not there: 'make check-aws' fills it")
    return RIE


class Emulator:
    """One Lambda execution environment: the runtime starts cold with the first invocation and handles one at a time.

    Parameters
    ----------
    task : the unpacked package. handler : ``module.function``. env : what the function is configured with.
    timeout : seconds an invocation may take. memory : MiB the runtime may map; None leaves it unlimited.
    """

    def __init__(
        self, rie: Path, task: Path, handler: str, env: dict[str, str], *, timeout: int = 20, memory: int | None = None
    ) -> None:
        self.printed: str | None = None
        self.port, runtime_port = _free_port(), _free_port()
        command = [str(rie), "--runtime-interface-emulator-address", f"127.0.0.1:{self.port}"]
        command += ["--runtime-api-address", f"127.0.0.1:{runtime_port}"]
        if memory is not None:
            command += ["prlimit", f"--as={memory << 20}"]
        command += [str(PYTHON), "-m", "awslambdaric", handler]
        self.process = subprocess.Popen(
            command,
            cwd=task,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": "/tmp",
                "LAMBDA_TASK_ROOT": str(task),
                "PYTHONPATH": str(task),
                "AWS_LAMBDA_FUNCTION_NAME": "tenor",
                "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory or 512),
                "OMP_NUM_THREADS": "1",
                **env,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        self.stop()
        raise AssertionError("the emulator did not start")

    def invoke(self, event: dict[str, Any], *, patience: float = 120) -> Any:
        """What the function answers to `event`."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/2015-03-31/functions/function/invocations", json.dumps(event).encode()
        )
        try:
            with urllib.request.urlopen(request, timeout=patience) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:  # how the emulator tells that the function was cut off
            text = error.read().decode()
        try:
            return json.loads(text)
        except ValueError:
            return text

    def get(self, path: str, query: str = "", **headers: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body of a GET through API Gateway."""
        return self.request("GET", path, query=query, headers=headers)

    def request(
        self, method: str, path: str, *, query: str = "", headers: dict[str, str] | None = None, body: Any = None
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body (JSON where it is) of a request through API Gateway."""
        answer = self.invoke(http_event(method, path, query=query, headers=headers or {}, body=body))
        assert "statusCode" in answer, answer
        text = answer.get("body", "")
        if answer.get("isBase64Encoded"):
            text = base64.b64decode(text)
        with contextlib.suppress(ValueError, UnicodeDecodeError):
            text = json.loads(text)
        return answer["statusCode"], {k.lower(): v for k, v in answer.get("headers", {}).items()}, text

    def stop(self) -> str:
        """End it and return what it printed."""
        if self.printed is not None:
            return self.printed
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.printed = self.process.communicate()[0].decode(errors="replace")
        return self.printed


@pytest.fixture
def emulator(tools: Path) -> Iterator[Callable[..., Emulator]]:
    """``emulator(task, handler, env, ...)``; all are stopped in the end."""
    started: list[Emulator] = []

    def start(task: Path, handler: str, env: dict[str, str], **limits: Any) -> Emulator:
        started.append(Emulator(tools, task, handler, env, **limits))
        return started[-1]

    yield start
    for one in started:
        one.stop()


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
    """What stands in for an AWS account: a bucket with a trained model and a board, and a market to fetch from.

    Attributes
    ----------
    env : what the template sets for the functions. `world` : the market; its `now` may be moved on.
    """

    env: dict[str, str]
    world: World

    @property
    def store(self) -> str:
        return self.env["TENOR_STORE"]

    def index(self) -> Any:
        index = board_of(self.store).index()
        assert index is not None
        return index


@pytest.fixture(scope="session")
def account(s3_server: str) -> Iterator[Account]:
    """A bucket filled through S3 by the code that fills a laptop's lake; sessions up to 2024-11-01."""
    from tenor.config import Config
    from tenor.fetching import fetch
    from tenor.pipeline import train
    from tenor.registry import registry_of
    from tenor.serving.predictor import Predictor
    from tenor.serving.refresh import refresh
    from tenor.store import Lake

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
        refresh(Lake(store), board_of(store), Predictor.load(registry_of(store)), now=world.now)
        yield Account(env, world)


@pytest.fixture(scope="session")
def api_key(account: Account) -> str:
    """A key that opens the service."""
    return Keys(board_of(account.store).objects).make("check")


def http_event(
    method: str, path: str, *, query: str = "", headers: dict[str, str] | None = None, body: Any = None
) -> dict[str, Any]:
    """An event as an HTTP API of API Gateway sends it, payload format 2.0."""
    text = None if body is None else body if isinstance(body, str) else json.dumps(body)
    fields = {"host": "api.example.com", "user-agent": "check", **(headers or {})}
    if text is not None:
        fields.setdefault("content-type", "application/json")
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {name.replace("_", "-").lower(): value for name, value in fields.items()},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "check",
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.7",
                "userAgent": "check",
            },
            "requestId": "check-1",
            "routeKey": "$default",
            "stage": "$default",
            "time": "02/Jan/2016:21:00:00 +0000",
            "timeEpoch": 1451768400000,
        },
        "isBase64Encoded": False,
    }
    if text is not None:
        event["body"] = text
    return event


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
