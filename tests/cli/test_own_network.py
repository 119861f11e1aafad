"""A network of one's own from the command line: trained, forecast with, evaluated, and refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from networks import WHOLE, changed, written

from tenor.cli import main
from tenor.schema import Bars

QUICK = """
[training]
seeds = [0, 1]
epochs = 2
[model]
lookback = 10
[model.options]
units = 5
[features]
horizons = [1, 5]
"""
TEXT = changed(
    ("n_horizons):\n", "n_horizons, units=6):\n"),
    ("nn.LSTM(6, 6", "nn.LSTM(6, units"),
    ("nn.Linear(6, 3", "nn.Linear(units, 3"),
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, bars_of: Callable[..., Bars]) -> Path:
    """A lake whose only model is a network from a file that is gone."""
    folder = tmp_path_factory.mktemp("own")
    bars_of(symbols=4, sessions=420, seed=3).frame.to_csv(folder / "bars.csv", index=False)
    (folder / "quick.toml").write_text(QUICK)
    store = folder / "lake"
    assert main(["data", "import", str(folder / "bars.csv"), "--store", str(store)]) == 0
    network = written(folder, TEXT)
    options = ["--store", str(store), "--config", str(folder / "quick.toml"), "--workers", "2"]
    assert main(["train", *options, "--model", network]) == 0
    (folder / "mine.py").unlink()
    return store


def test_its_code_lies_beside_the_model_and_its_card_names_it(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (version,) = (lake / "models" / "versions").iterdir()
    assert (version / "network.py").read_text() == TEXT
    assert main(["models", "show", "--store", str(lake), "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["name"] == "Net (mine.py)"
    assert card["settings"]["model"]["network"].startswith("mine.py:Net@")
    assert card["settings"]["model"]["options"] == {"units": 5}
    assert TEXT not in json.dumps(card)
    assert main(["data", "verify", "--store", str(lake)]) == 0


def test_it_forecasts(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "S01", "--store", str(lake), "--json"]) == 0
    forecast = json.loads(capsys.readouterr().out)
    assert forecast["volatility"] > 0
    assert forecast["attention_time"] == {}


def test_it_is_walked_forward_from_the_code_in_the_registry(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "r.html"
    assert main(["evaluate", "--store", str(lake), "--report", str(report), "--workers", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    table = result["evaluations"][0]["table"]
    assert next(iter(table)) == "Net (mine.py)"
    assert "LSTM" not in table  # it has no twin without attention
    assert result["attention"] is None
    assert "none: the network gives no weights" in report.read_text()


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["train", "--model", "{}/none.py:Net"], 2, "tenor: no file '{}/none.py' for model.network"),
        (
            ["train", "--model", "{}/ahead.py:Net"],
            2,
            "tenor: network ahead.py:Net looks ahead: 'log_variance' at session 0",
        ),
        (["train", "--set", "model.options.units=3"], 2, "it is for a network of your own: set model.network as well"),
        (["tune", "--grid", "hidden=4,8", "--model", "Net"], 2, "write path/to/file.py:Class"),
        (["ablate", "--model", "{}/mine.py:Net"], 1, "the network has no attention of tenor's: import news"),
        (["evaluate", "--model", "mine.py:Net"], 1, "names a network, and here --model is a version: train it with"),
        (["predict", "S01", "--model", "mine.py:Net"], 1, "names a network, and here --model is a version"),
    ],
)
def test_what_can_not_be_used_is_one_line(
    argv: list[str], code: int, message: str, lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, WHOLE)
    written(tmp_path, WHOLE.replace("(self.inputs(x))", "(self.inputs(x).roll(-1, 1))"), "ahead.py")
    before = sorted(path for path in lake.rglob("*") if path.is_file())
    assert main([*(word.format(tmp_path) for word in argv), "--store", str(lake)]) == code
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert message.format(tmp_path) in error
    assert sorted(path for path in lake.rglob("*") if path.is_file()) == before
