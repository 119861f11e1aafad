"""The help has a place and an example for every command; Ctrl-C says what is kept; progress without bars."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tenor import progress
from tenor.cli import app, console, interrupts, main
from tenor.cli.arrangement import EXAMPLES, PANELS


def commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
    else:
        for child, each in children.items():
            yield from commands(each, f"{name} {child}".strip())


ALL = dict(commands(typer.main.get_command(app)))


def test_every_verb_has_a_place_and_every_command_an_example() -> None:
    placed = [verb for verbs in PANELS.values() for verb in verbs]
    assert len(placed) == len(set(placed))
    assert {name.split()[0] for name in ALL} <= set(placed)
    assert set(ALL) <= set(EXAMPLES)


@pytest.mark.parametrize("name", sorted(ALL))
def test_examples_are_commands_that_the_program_takes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(EXAMPLES[name])
    assert words[0] == "tenor"
    verb = name.split()
    assert words[1 : 1 + len(verb)] == verb
    options = {option for parameter in ALL[name].params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= options
    required = [each for each in ALL[name].params if each.required and each.param_type_name == "option"]
    assert all(set(each.opts) & set(words) for each in required), f"the example of {name} lacks what it requires"
    assert main([*verb, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Example: {EXAMPLES[name]}" in shown


def test_the_help_has_groups_and_a_first_session(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-h"]) == 0
    text = capsys.readouterr().out
    assert all(f" {panel} " in text for panel in PANELS)
    assert " Commands " not in text
    assert "A first session" in text
    assert "--install-completion" in text


def test_ctrl_c_says_what_is_kept_and_ends_with_130(tmp_path: Path) -> None:
    # a verb that is under way until it is stopped
    code = (
        "import signal, sys, time, tenor.cli as c\n"
        "from tenor.ingest import status\n"
        # a shell starts what it puts in the background with Ctrl-C ignored
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def slow(*a, **k):\n"
        "    print('ready', flush=True); time.sleep(60)\n"
        "status.status = slow\n"
        "sys.exit(c.main(['data', 'status', '--store', sys.argv[1]]))\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert process.stderr.read() == "tenor: stopped; nothing half-written is left\n"


def test_what_is_kept_depends_on_the_verb() -> None:
    assert interrupts.what_stays(["train", "--store", "x"]).startswith("tenor: stopped; kept: finished epochs.")
    assert "symbols fetched so far" in interrupts.what_stays(["data", "fetch", "AAPL"])
    assert not interrupts.interrupted(SystemExit(2))


def test_without_a_terminal_a_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with progress.progress_bars() as bars:
        for done in range(10):
            now[0] += 20
            bars.texts(done, 10)
    assert capsys.readouterr().err.splitlines() == [f"tenor: texts scored: {done} of 10" for done in (2, 5, 8)]
    with progress.progress_bars(quiet=True) as bars:
        now[0] += 100
        bars.texts(1, 10)
    assert capsys.readouterr().err == ""


def test_long_texts_are_wrapped_under_their_label_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "one two three four five six seven eight nine ten"
    monkeypatch.setenv("COLUMNS", "40")
    console.entry("next", text)
    assert capsys.readouterr().out == f"next       {text}\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    console.entry("next", text)
    wrapped = ["next       one two three four five six", "           seven eight nine ten"]
    assert capsys.readouterr().out.splitlines() == wrapped
