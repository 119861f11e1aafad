"""Each extra by itself: what a verb lacks is one line that names the way to install it, and settings need no extra."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import installed
import pytest
from serving import run_refresh

from tenor.cli.extras import extras_with
from tenor.schema import Bars

pytestmark = pytest.mark.processes

EXTRAS = [None, *installed.extras()]
SETTINGS = """
[sources]
prices = ["stooq"]
news = []
urls = ["stooq=http://127.0.0.1:9"]
[sources.http]
attempts = 1
[training]
seeds = [0]
epochs = 1
[model]
hidden = 4
lookback = 10
"""
MISSING = re.compile(r"tenor: .+ is not installed(?: here)?: pip install 'tenor\[[\w,]+\]'( or 'tenor\[[\w,]+\]')*\.\n")
# what each extra is for: these verbs lack nothing, whatever else becomes of them
BASE = (
    "prepare", "data import", "data check", "data status", "data compact", "data verify", "models list", "models show",
    "models diff", "models rollback", "predict", "monitor", "today", "keys make", "keys list", "keys revoke",
    "topics show", "topics name",
)  # fmt: skip
TRAINING = ("models promote", "refresh", "train", "evaluate", "tune", "ablate", "leakcheck", "benchmark", "judge")
SENTIMENT = ("sentiment score", "sentiment why", "sentiment evaluate")
SERVED = {
    None: BASE,
    "train": (*BASE, *TRAINING),
    "sentiment": (*BASE, *SENTIMENT),
    "serve": (*BASE, "refresh", "serve", *SENTIMENT),
    "aws": BASE,
    "live": (*BASE, "data fetch", "data doctor"),
    "finetune": BASE,
    "mcp": (*BASE, *SENTIMENT),
    "mlflow": (*BASE, "models export"),
    "fracast": (*BASE, "forecast-file"),
    "ray": BASE,
    "baselines": BASE,
    "bench": BASE,
    "rl": (*BASE, "rl train", "rl evaluate", "rl promote"),
    "yahoo": (*BASE, "data fetch", "data doctor"),
    "all": (
        *BASE,
        *TRAINING,
        *SENTIMENT,
        "data fetch",
        "data doctor",
        "serve",
        "models export",
        "forecast-file",
        "sentiment train",
        "sentiment benchmark",
    ),
}


@cache
def lacking(extra: str | None) -> dict[str, list[str]]:
    return installed.hidden(extra)


def run_verbs(extra: str | None, commands: list[list[str]], folder: Path) -> list[dict[str, Any]]:
    """Run `commands` where only `extra` is installed (none: no extra); no command: the help of every verb."""
    done = subprocess.run(
        [sys.executable, installed.__file__],
        input=json.dumps({**lacking(extra), "commands": commands}),
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


def leaves() -> set[str]:
    """Every verb that does something by itself, as "data status"."""
    paths = [" ".join(path) for path in installed.verbs()]
    return {path for path in paths if path and not any(other.startswith(f"{path} ") for other in paths)}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, bars_of: Callable[..., Bars]) -> Path:
    """A folder with bars.csv, forecasts.csv, settings.toml and a lake that has a champion and published forecasts."""
    from tenor.config import Config
    from tenor.pipeline.train import train
    from tenor.store import Lake

    folder = tmp_path_factory.mktemp("installations")
    (folder / "settings.toml").write_text(SETTINGS)
    bars = bars_of(symbols=3, sessions=320, seed=5)
    bars.frame.to_csv(folder / "bars.csv", index=False)
    Lake(folder / "lake").append_bars(bars, source="test")
    rows = bars.frame[["symbol", "session"]].groupby("symbol").tail(60)
    rows.assign(horizon=1, volatility=0.01).to_csv(folder / "forecasts.csv", index=False)
    train(str(folder / "lake"), Config.read(folder / "settings.toml"), workers=1)
    run_refresh(folder / "lake")
    return folder


def test_every_extra_is_in_the_table() -> None:
    assert set(SERVED) == set(EXTRAS)


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_help_of_every_verb_needs_no_extra(extra: str | None, tmp_path: Path) -> None:
    results = run_verbs(extra, [], tmp_path)
    assert len(results) > 30
    for result in results:
        assert (result["code"], result["err"]) == (0, ""), result
        assert "Usage: tenor" in result["out"]


def every_command() -> dict[str, list[str]]:
    """The arguments of every verb, for a copy of the folder `served`."""
    store = ["--store", "lake"]
    settings = ["--config", "settings.toml", "--set", "sources.overlap=3"]
    train = [*store, *settings, "--workers", "1"]
    return {
        "prepare": ["bars.csv", *store, *settings, "--output", "table.csv"],
        "data import": ["bars.csv", *store],
        "data check": store,
        "data status": [*store, *settings],
        "data compact": store,
        "data verify": store,
        "data fetch": ["S00", *store, *settings],
        "data doctor": settings,
        "models list": store,
        "models show": store,
        "models diff": ["champion", "latest", *store],
        "models promote": ["latest", *store],
        "models rollback": store,
        "models export": ["--tracking-uri", "runs", *store],
        "predict": ["S00", *store, *settings],
        "refresh": [*store, *settings],
        "monitor": store,
        "today": store,
        "paper run": store,
        "paper show": store,
        "paper orders": store,
        "paper reset": store,
        "rl train": [*store, "--set", "rl.steps=1"],
        "rl evaluate": [*store, "--set", "rl.steps=1"],
        "rl run": store,
        "rl promote": ["latest", *store],
        "keys list": store,
        # it asks for a key before it listens
        "serve": ["--host", "0.0.0.0", *store, *settings],
        "keys make": ["someone", *store],
        "keys revoke": ["someone", *store],
        "train": train,
        "evaluate": [*train, "--set", "model.hidden=5"],
        "tune": [*train, "--grid", "hidden=4"],
        "ablate": train,
        "leakcheck": ["bars.csv", "--target", "close"],
        "judge": ["forecasts.csv", *store, "--quick", "--report", "judged.html"],
        "forecast-file": [
            *store,
            "--with",
            "fracast",
            "--from",
            "2014-06-02",
            "--to",
            "2014-06-06",
            "--output",
            "f.csv",
        ],
        "benchmark": ["acl18", "--data", "."],
        "sentiment score": ["Sales fell short"],
        "sentiment why": ["Sales fell short"],
        "sentiment evaluate": [],
        "sentiment benchmark": ["--folder", "."],
        "sentiment train": ["--data", "none.csv", "--out", "weights"],
        "topics fit": store,
        "topics show": store,
        "topics name": ["0", "earnings", *store],
    }


def optional() -> list[str]:
    """The distributions that some extra brings and the package itself does not need."""
    project = tomllib.loads((installed.ROOT / "pyproject.toml").read_text())["project"]
    named = {
        installed.normal(re.split(r"[<>=\[ ]", line)[0]) for lines in installed.extras().values() for line in lines
    }
    needed = {installed.normal(re.split(r"[<>=\[ ]", line)[0]) for line in project["dependencies"]}
    return sorted(named - needed)


@pytest.mark.torch
@pytest.mark.parametrize("extra", EXTRAS)
def test_a_verb_works_with_settings_or_names_the_extra_that_it_lacks(
    extra: str | None, served: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "served"
    shutil.copytree(served, folder)
    commands = every_command()
    # the first would ask a real bucket, the second speak with a program
    assert leaves() - {"upload", "mcp"} == set(commands)
    if extra is not None and "torch" not in lacking(extra)["modules"] and extra != "train":
        # `train` shows what torch is for; another extra that happens to bring it need not show it again
        for verb in TRAINING:
            del commands[verb]
    results = run_verbs(extra, [[*verb.split(), *rest] for verb, rest in commands.items()], folder)
    for verb, result in zip(commands, results, strict=True):
        assert "Traceback" not in result["err"], result
        if "not installed" in result["err"]:
            assert MISSING.fullmatch(result["err"]), result
            assert result["code"] in (1, 2), result
            assert verb not in SERVED[extra], result
        elif verb in ("data status", "predict", "monitor"):
            assert result["code"] == 0, result


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.parametrize("distribution", optional())
def test_one_missing_package_is_one_line_in_every_verb(distribution: str, served: Path, tmp_path: Path) -> None:
    names = importlib.metadata.packages_distributions()
    modules = [m for m, of in names.items() if distribution in map(installed.normal, of) and m not in ("tests", "data")]
    if not modules:
        pytest.skip(f"{distribution} is not installed")
    folder = tmp_path / "served"
    shutil.copytree(served, folder)
    commands = [[*verb.split(), *rest] for verb, rest in every_command().items()]
    done = subprocess.run(
        [sys.executable, installed.__file__],
        input=json.dumps({"modules": modules, "distributions": [distribution], "commands": commands}),
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for result in json.loads(done.stdout):
        assert "Traceback" not in result["err"], result
        if "not installed" in result["err"]:
            assert MISSING.fullmatch(result["err"]), result


def test_a_verb_without_its_extra_says_which_one(tmp_path: Path) -> None:
    fetch, serve, train, score, mcp = run_verbs(
        None,
        [
            ["data", "fetch", "AAPL"],
            ["serve"],
            ["benchmark", "acl18", "--data", "."],
            ["sentiment", "score", "Up"],
            ["mcp"],
        ],
        tmp_path,
    )
    assert fetch["err"].endswith("is not installed: pip install 'tenor[live]'.\n")
    assert serve["err"] == "tenor: uvicorn is not installed: pip install 'tenor[serve]'.\n"
    assert "tenor[train]" in train["err"]
    assert score["err"].endswith("is not installed: pip install 'tenor[sentiment]'.\n")
    assert mcp["err"].endswith("is not installed: pip install 'tenor[mcp]'.\n")
    assert [fetch["out"], serve["out"], train["out"], score["out"], mcp["out"]] == [""] * 5


def test_every_module_of_an_extra_is_tied_to_it() -> None:
    modules: dict[str, list[str]] = {}
    for module, distributions in importlib.metadata.packages_distributions().items():
        for name in distributions:
            modules.setdefault(installed.normal(name), []).append(module)
    for extra, wanted in installed.extras().items():
        if extra == "all":  # no message names it: it holds all the others
            continue
        for line in wanted:
            name = installed.normal(re.split(r"[<>=\[ ]", line)[0])
            # a wheel may carry tests or data beside its module
            assert any(extra in extras_with(module) for module in modules.get(name, [])) or name not in modules, line


@pytest.mark.parametrize("verb", [["data", "status"], ["data", "doctor"], ["serve", "--host", "0.0.0.0"]])
@pytest.mark.parametrize("given", [["--config", "settings.toml"], ["--set", "sources.overlap=3"]])
def test_settings_are_read_without_torch(verb: list[str], given: list[str], tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(SETTINGS)
    probe = (
        "import json, sys; from tenor.cli import main; from tenor.config import Config; "
        "main(json.loads(sys.argv[1])); print([m for m in ('torch', 'sklearn', 'transformers') if m in sys.modules])"
    )
    offline = ["--set", "sources.prices=['stooq']", "--set", "sources.news=[]", "--set", "sources.http.attempts=1"]
    argv = [*verb, *given, *offline, "--set", "sources.urls=['stooq=http://127.0.0.1:9']"]
    done = subprocess.run(
        [sys.executable, "-c", probe, json.dumps(argv)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "Traceback" not in done.stderr
