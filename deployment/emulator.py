"""AWS's Runtime Interface Emulator: a function as Lambda runs it, on this machine."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parent / ".tools"
RIE = next(TOOLS.glob("sam/lib/python3*/site-packages/samcli/local/rapid/aws-lambda-rie-x86_64"), None)
PYTHON = TOOLS / "ric" / "bin" / "python"


class Emulator:
    """One Lambda execution environment: the runtime starts cold with the first invocation and handles one at a time.

    Parameters
    ----------
    rie
        The emulator's executable.
    task
        The unpacked package.
    handler
        ``module.function``.
    env
        The function's environment variables.
    timeout
        Seconds an invocation may take.
    memory
        MiB that the runtime may map; None for no limit.
    """

    def __init__(
        self, rie: Path, task: Path, handler: str, env: dict[str, str], *, timeout: int = 20, memory: int | None = None
    ) -> None:
        self.printed: str | None = None
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - a pipe that nobody reads would fill up, and the function stop
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
            stdout=self._output,
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
        except urllib.error.HTTPError as error:  # how the emulator answers when the function was cut off
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
        self.process.wait()
        self._output.seek(0)
        self.printed = self._output.read().decode(errors="replace")
        self._output.close()
        return self.printed


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
    """A port that nobody has; outgoing connections take theirs from 32768 on, and could take it before it is used."""
    for port in random.sample(range(12_000, 32_000), 100):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("none of 100 ports between 12000 and 32000 is free: stop what holds them.")
