"""The API function as it is packed: every route, what it refuses, and what it does when S3 does not answer."""

from __future__ import annotations

import json
import socket
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from emulator import PYTHON

pytestmark = pytest.mark.aws

ROUTES = (
    ("/healthz", 200),
    ("/readyz", 200),
    ("/metrics", 200),
    ("/", 200),
    ("/page/plotly.min.js", 200),
    ("/v1/symbols", 200),
    ("/v1/models", 200),
    ("/v1/openapi.json", 200),
    ("/v1/forecast/AAPL", 200),
    ("/v1/history/AAPL", 200),
    ("/v1/forecast/NOPE", 404),
    ("/v1/forecast/..%2f..%2fetc%2fpasswd", 404),
    ("/v1/events", 501),
    ("/nothing", 404),
)


def test_every_route_answers_as_it_does_on_a_laptop(emulator: Callable[..., Any], api_task: Path, account: Any) -> None:
    function = emulator(api_task, "tenor.aws.api", account.env | {"TENOR_AUTH": "gateway"})
    for path, expected in ROUTES:
        status, headers, body = function.get(path)
        assert status == expected, (path, body)
        if status >= 400:
            assert headers["content-type"].startswith("application/problem+json")
    status, _, batch = function.request("POST", "/v1/forecasts", body={"symbols": ["AAPL", "MSFT"]})
    assert status == 200, batch
    status, _, scored = function.request("POST", "/v1/sentiment", body={"texts": ["Profits rose far more than hoped."]})
    assert status == 200
    assert scored["scores"][0]["positive"] > 0.5
    _, headers, _ = function.get("/v1/forecast/AAPL")
    status, _, _ = function.get("/v1/forecast/AAPL", if_none_match=headers["etag"])
    assert status == 304


def test_without_a_gateway_a_key_decides(
    emulator: Callable[..., Any], api_task: Path, account: Any, api_key: str
) -> None:
    function = emulator(api_task, "tenor.aws.api", account.env)
    assert function.get("/v1/forecast/AAPL")[0] == 401
    assert function.get("/v1/forecast/AAPL", authorization="Bearer wrong")[0] == 401
    assert function.get("/v1/forecast/AAPL", x_api_key=api_key)[0] == 200


def test_wrong_permissions_and_missing_forecasts_are_reported(
    emulator: Callable[..., Any], api_task: Path, account: Any
) -> None:
    env = account.env | {"TENOR_AUTH": "gateway"}
    denied = emulator(api_task, "tenor.aws.api", env | {"AWS_SECRET_ACCESS_KEY": "wrong"})
    status, _, body = denied.get("/v1/forecast/AAPL")
    assert status == 503
    assert "wrong" not in json.dumps(body)
    assert denied.get("/readyz")[0] == 503
    empty = emulator(api_task, "tenor.aws.api", env | {"TENOR_STORE": "s3://no-such-bucket"})
    assert empty.get("/v1/forecast/AAPL")[0] == 503
    assert empty.get("/healthz")[0] == 200


def test_a_time_out_ends_the_invocation_and_not_the_environment(
    emulator: Callable[..., Any], api_task: Path, account: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never says a word
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        env = account.env | {"TENOR_AUTH": "gateway", "AWS_ENDPOINT_URL": endpoint}
        function = emulator(api_task, "tenor.aws.api", env, timeout=2)
        for _ in range(2):
            answer = function.invoke({"version": "2.0", "rawPath": "/readyz"}, patience=30)
            assert "timed out" in json.dumps(answer)


def test_an_answer_over_6_mb_is_refused_by_lambda_not_by_a_crash(emulator: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "large.py").write_text("def handler(event, context):\n    return 'x' * event['n']\n")
    function = emulator(tmp_path, "large.handler", {})
    assert len(function.invoke({"n": 5_000_000})) == 5_000_000
    refused = function.invoke({"n": 7_000_000})
    assert "6291556" in json.dumps(refused)
    assert len(function.invoke({"n": 3})) == 3


def test_the_largest_answer_of_the_service_fits(api_task: Path) -> None:
    script = api_task / "plotly" / "package_data" / "plotly.min.js"
    assert len(json.dumps(script.read_text())) < 6_000_000


def test_nothing_heavy_is_packed_or_imported(api_task: Path) -> None:
    heavy = ("torch", "pandas", "pyarrow", "duckdb", "sklearn", "transformers")
    assert not [name for name in heavy if (api_task / name).exists()]
    code = (
        f"import sys; sys.path[:0] = [{str(api_task)!r}]\n"
        "import tenor.aws\n"
        "print([m for m in ('torch', 'pandas', 'onnxruntime', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([PYTHON, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_opens_no_socket_and_reads_no_setting(api_task: Path) -> None:
    code = (
        f"import sys; sys.path[:0] = [{str(api_task)!r}]\n"
        "import os\n"
        "seen = []\n"
        "sys.addaudithook(lambda name, args: seen.append(name) if name.startswith('socket.') else None)\n"
        "import tenor.aws\n"
        "print([name for name in seen if name not in ('socket.gethostname',)])"
    )
    done = subprocess.run([PYTHON, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_zip_holds_bytecode_of_one_moment(tools: Path) -> None:
    packed = Path(__file__).resolve().parents[2] / "deployment" / "build" / "api-x86_64.zip"
    with zipfile.ZipFile(packed) as archive:
        entries = archive.infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert not [entry.filename for entry in entries if entry.filename.endswith(".py")]
    assert sum(entry.file_size for entry in entries) < 250 * 2**20
