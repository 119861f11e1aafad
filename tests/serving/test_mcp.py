"""`tenor mcp` in a process of its own, spoken to by the client of the library: what it answers, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from tenor.cli import main
from tenor.pipeline.current import current_forecasts

mcp = pytest.importorskip("mcp", reason="the extra mcp is not installed")

READING = {"forecast", "evaluate", "sentiment", "data_status"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `--files` names, with secrets beside it and links to them in it."""
    above = tmp_path_factory.mktemp("assistant")
    folder = above / "files"
    folder.mkdir()
    (above / "secret.json").write_text('{"verdict": "secret"}')
    (folder / "link.json").symlink_to(above / "secret.json")
    (folder / "report.json").write_text(json.dumps({"verdict": "No edge.", "trading": {"equity": [1.0] * 500}}))
    (folder / "other.json").write_text('{"a": 1}')
    (folder / "broken.json").write_text("{")
    (folder / "with.csv").write_text("symbol\n")
    return folder


@asynccontextmanager
async def speaking(store: Path, *options: str) -> AsyncIterator[Any]:
    command = ["-m", "tenor", "mcp", "--store", str(store), *options]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parameters = mcp.StdioServerParameters(command=sys.executable, args=command, env=env)
    async with mcp.Client(mcp.stdio_client(parameters)) as client:
        yield client


def asked(store: Path, *calls: tuple[str, dict[str, Any]], options: tuple[str, ...] = ()) -> list[Any]:
    """The answers to `calls`, (whether it is an error, the text or its JSON)."""
    answers: list[Any] = []

    async def talk() -> None:
        async with speaking(store, *options) as client:
            for name, arguments in calls:
                result = await client.call_tool(name, arguments)
                text = "".join(part.text for part in result.content)
                answers.append((result.is_error, text if result.is_error else json.loads(text)))

    anyio.run(talk)
    return answers


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_tools_are_described_and_only_read(published_store: Path, files: Path) -> None:
    described: list[Any] = []

    async def talk() -> None:
        async with speaking(published_store, "--files", str(files)) as client:
            described.extend((await client.list_tools()).tools)

    anyio.run(talk)
    assert {tool.name for tool in described} >= READING
    for tool in described:
        assert tool.annotations.read_only_hint
        assert len(tool.description) > 80
        assert tool.input_schema["type"] == "object"


def test_an_assistant_is_told_what_the_command_line_is(published_store: Path, files: Path) -> None:
    before = contents(published_store)
    forecast, evaluation, report, sentiment, status = asked(
        published_store,
        ("forecast", {"symbols": ["s01", "NOPE"], "horizon": 5}),
        ("evaluate", {}),
        ("evaluate", {"report": "report.json"}),
        ("sentiment", {"texts": ["Sales and profit rose strongly.", " "], "explain_words": True}),
        ("data_status", {}),
        options=("--files", str(files)),
    )
    (shown,) = forecast[1]["forecasts"]
    (expected,) = current_forecasts(str(published_store), ["S01"], horizons=[5]).forecasts
    plain = json.loads(json.dumps(expected))
    for name in ("symbol", "session", "price", "lower", "volatility", "quantiles", "value_at_risk", "p_up", "verdict"):
        assert shown[name] == plain[name]
    assert "sessions have closed since" in shown["stale"]
    assert list(forecast[1]["problems"]) == ["NOPE"]
    assert "unknown symbol 'NOPE'" in forecast[1]["problems"]["NOPE"]
    assert evaluation[1]["version"] == plain["model_version"]
    assert "QLIKE" in evaluation[1]["validation"]["1"]["verdict"]
    assert [record["horizon"] for record in evaluation[1]["track_record"]] == [1, 5, 20]
    assert report[1]["verdict"] == "No edge."
    assert report[1]["trading"]["equity"][-1] == "… 460 more"
    good, empty = sentiment[1]["scores"]
    assert good["score"] > 0
    assert good["words"]["strongly."] is not None
    assert empty["empty"]
    assert [row["symbol"] for row in status[1]["rows"]] == [f"S0{i}" for i in range(6)]
    assert contents(published_store) == before


def test_a_file_of_forecasts_is_judged(published_store: Path, files: Path) -> None:
    from tenor.adapters import write
    from tenor.store import Lake

    bars = Lake(published_store).bars()
    days = bars.frame["session"].drop_duplicates().sort_values()
    dates = {"first": days.iloc[300], "last": days.iloc[-10]}
    write(lambda closes, h: [closes[-1] * 1.01] * h, bars, files / "up.csv", horizons=[1], name="up", **dates)
    judged, wrong, missing = asked(
        published_store,
        ("judge", {"file": "up.csv"}),
        ("judge", {"file": "with.csv"}),
        ("judge", {"file": "/etc/passwd", "trained_until": "2015"}),
        options=("--files", str(files)),
    )
    assert not judged[0], judged
    assert "up" in judged[1]["verdict"]
    assert [model["name"] for model in judged[1]["models"]] == ["up"]
    assert wrong[0]
    assert len(wrong[1].splitlines()) == 1
    assert "trained_until: String should match pattern" in missing[1]


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("forecast", {}, "forecast can't take this: symbols: Field required"),
    ("forecast", {"symbols": []}, "symbols: List should have at least 1 item"),
    ("forecast", {"symbols": ["S01"] * 51}, "symbols: List should have at most 50 items"),
    ("forecast", {"symbols": ["S01"], "horizon": 0}, "horizon: Input should be greater than or equal to 1"),
    ("forecast", {"symbols": ["S01"], "horizon": 3}, "horizon 3 is not in model"),
    ("forecast", {"symbols": ["S01"], "horizons": 1}, "forecast takes no 'horizons'. Did you mean 'horizon'?"),
    ("forecast", {"symbols": ["S01"], "model": "../../x"}, "no model version '../../x'"),
    ("forecasts", {}, "there is no tool 'forecasts'. Did you mean 'forecast'?"),
    ("evaluate", {"report": "../secret.json"}, "there is no file '../secret.json' in the folder of --files"),
    ("evaluate", {"report": "/etc/passwd"}, "there is no file '/etc/passwd' in the folder of --files"),
    ("evaluate", {"report": "link.json"}, "there is no file 'link.json' in the folder of --files"),
    ("evaluate", {"report": "a\0b"}, "there is no file"),
    ("evaluate", {"report": "repport.json"}, "Did you mean 'report.json'"),
    ("evaluate", {"report": "other.json"}, "other.json is not an evaluation: name the JSON file that 'tenor evaluate'"),
    ("evaluate", {"report": "broken.json"}, "broken.json is not an evaluation"),
    ("sentiment", {"texts": ["x"] * 65}, "texts: List should have at most 64 items"),
    ("sentiment", {"texts": ["x" * 5001]}, "texts.0: String should have at most 5000 characters"),
    ("sentiment", {"texts": ["x"] * 5, "explain_words": True}, "explain_words takes at most 4 texts at a time, not 5"),
    ("data_status", {"symbols": ["S1"]}, "unknown symbol 'S1'. Did you mean"),
    ("data_status", {"interval": "1m"}, "interval: Input should be '1d', '1h' or '15m'"),
]


def test_whatever_is_wrong_is_one_line_with_the_remedy(published_store: Path, files: Path) -> None:
    calls = [(name, arguments) for name, arguments, _ in WRONG]
    answers = asked(published_store, *calls, ("sentiment", {"texts": ["Fine."]}), options=("--files", str(files)))
    for (failed, text), (name, arguments, expected) in zip(answers, WRONG, strict=False):
        assert failed, (name, arguments)
        assert expected in text
        assert len(text.splitlines()) == 1
    assert not answers[-1][0]  # it still serves


def test_without_a_folder_no_file_is_read_and_no_model_is_no_crash(tmp_path: Path) -> None:
    report, forecast, status = asked(
        tmp_path / "none",
        ("evaluate", {"report": "report.json"}),
        ("forecast", {"symbols": ["AAPL"]}),
        ("data_status", {}),
    )
    assert report == (True, "'report.json' can't be read: start the server with --files FOLDER.")
    assert "run 'tenor train' first" in forecast[1]
    assert status[0]
    assert "tenor data import" in status[1]
    assert not (tmp_path / "none").exists()


def test_a_damaged_store_is_reported_and_stdout_stays_the_protocols(store: Path) -> None:
    shutil.rmtree(store / "bars")
    (store / "bars").mkdir()
    (store / "bars" / "x.parquet").write_bytes(b"no parquet")
    for part in (store / "models" / "versions").rglob("model.onnx"):
        part.write_bytes(b"")
    ((failed, text),) = asked(store, ("forecast", {"symbols": ["S01"]}))
    assert failed
    assert "checksum" in text


def test_by_http_on_this_machine_alone(published_store: Path) -> None:
    command = [sys.executable, "-m", "tenor", "mcp", "--store", str(published_store), "--http", "--port", "0"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stderr is not None
            address = process.stderr.readline().removeprefix("tenor: ").strip()
            assert address.startswith("http://127.0.0.1:")
            answers: list[Any] = []

            async def talk() -> None:
                async with mcp.Client(address) as client:
                    answers.append(await client.call_tool("data_status", {"symbols": ["S02"]}))

            anyio.run(talk)
            assert not answers[0].is_error
            import httpx

            # a page elsewhere that a browser was led to this address by
            refused = httpx.post(address, headers={"Host": "evil.example"}, json={})
            assert refused.status_code in (403, 421)
        finally:
            process.terminate()
            process.wait(60)


def test_the_extra_and_the_folder_are_named_where_they_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mcp", "--files", str(tmp_path / "none")]) == 2
    assert "none' is not a folder: name the one with the files of forecasts" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    assert main(["mcp", "--store", str(tmp_path)]) == 2
    assert "mcp" in capsys.readouterr().err
