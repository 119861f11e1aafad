"""Adapters of other packages' models: fracast's own network, and stubs that speak what the other packages document."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tenor.adapters import Model, Window, folder_hash, load_model, names
from tenor.calendars import exchange
from tenor.cli import main
from tenor.errors import ConfigError, RaisedError
from tenor.schema import Bars
from tenor.store import Lake

# each stub forecasts, h sessions ahead, the last close + h as mean, and + h - 5 + 10 * level as quantiles
STUBS = {
    "chronos": """
import numpy as np, torch
class BaseChronosPipeline:
    @classmethod
    def from_pretrained(cls, folder, device_map):
        assert device_map == "cpu"
        return cls()
    def predict_quantiles(self, inputs, prediction_length, quantile_levels):
        h = torch.arange(1, prediction_length + 1)
        means = [context[-1] + h for context in inputs]
        levels = torch.tensor(quantile_levels)
        quantiles = [(mean[:, None] - 5 + 10 * levels)[None] for mean in means]
        return quantiles, [mean[None] for mean in means]
""",
    "timesfm3": """
import numpy as np
from types import SimpleNamespace
class TimesFM3Forecaster:
    @classmethod
    def from_pretrained(cls, folder, device):
        return cls()
    def predict_batch(self, contexts, horizon, return_quantiles):
        for context in contexts:
            assert context.dtype == np.float32
            mean = context[-1] + np.arange(1, horizon + 1)
            yield SimpleNamespace(forecast=mean, quantiles=mean[:, None] - 5 + np.arange(1, 10))
""",
    "timesfm": """
import numpy as np
from types import SimpleNamespace as ForecastConfig
class TimesFM_2p5_200M_torch:
    @classmethod
    def from_pretrained(cls, folder):
        return cls()
    def compile(self, config):
        self.config = config
    def forecast(self, horizon, inputs):
        assert horizon <= self.config.max_horizon
        mean = np.array([context[-1] + np.arange(1, horizon + 1) for context in inputs])
        quantiles = mean[:, :, None] - 5 + np.arange(1, 10)
        return mean, np.concatenate([mean[:, :, None], quantiles], axis=2)
""",
    "tirex/base": """
import numpy as np
print("Loading weights from local directory")
class TiRex:
    @classmethod
    def from_pretrained(cls, path, backend, device):
        assert path.endswith("model.ckpt")
        return cls()
    def forecast(self, context, prediction_length, output_type):
        mean = np.array([c[-1].item() + np.arange(1, prediction_length + 1) for c in context])
        return mean[:, :, None] - 5 + np.arange(1, 10), mean
class PretrainedModel:
    REGISTRY = {"TiRex": TiRex}
""",
    "model": """
import numpy as np, pandas as pd
class KronosTokenizer:
    @classmethod
    def from_pretrained(cls, folder):
        assert folder.endswith("tokenizer")
        return cls()
class Kronos:
    @classmethod
    def from_pretrained(cls, folder):
        assert folder.endswith("model")
        return cls()
class KronosPredictor:
    def __init__(self, model, tokenizer, device, max_context):
        pass
    def predict(self, df, x_timestamp, y_timestamp, pred_len, T, top_p, sample_count, verbose):
        assert list(df.columns) == ["open", "high", "low", "close", "volume"]
        assert x_timestamp.iloc[-1] < y_timestamp.iloc[0] and len(y_timestamp) == pred_len
        assert (y_timestamp.dt.day_of_week < 5).all()
        return pd.DataFrame({"close": df["close"].iloc[-1] + np.arange(1, pred_len + 1)}, index=y_timestamp)
""",
    "neuralforecast": """
import numpy as np, pandas as pd
class NeuralForecast:
    h, freq = 5, "B"
    @classmethod
    def load(cls, path):
        return cls()
    def predict(self, df):
        rows = []
        for name, each in df.groupby("unique_id"):
            for h in range(1, self.h + 1):
                mean = each["y"].iloc[-1] + h
                rows.append((name, each["ds"].iloc[-1] + pd.offsets.BDay(h), mean, mean - 4, mean + 4, 0.0))
        columns = ["unique_id", "ds", "NHITS-median", "NHITS-lo-80", "NHITS-hi-80", "GRU"]
        return pd.DataFrame(rows, columns=columns)
""",
}


@pytest.fixture
def stubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """``stubs(name)`` puts a stub of the package on the path."""
    place = tmp_path / "packages"
    before = set(sys.modules)

    def put(name: str) -> None:
        file = place / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(STUBS[name])
        if "/" in name:
            (file.parent / "__init__.py").write_text("")
        importlib.invalidate_caches()

    tops = {name.partition("/")[0] for name in STUBS}
    for name in [module for module in sys.modules if module.partition(".")[0] in tops]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(place))
    yield put
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in tops:
            del sys.modules[name]


def folder_of(tmp_path: Path, files: dict[str, str]) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    for name, text in ({"weights.bin": "w"} | files).items():
        (folder / name).write_text(text)
    return folder


def window(closes: Any, symbol: str = "AAPL") -> Window:
    days = exchange("XNYS").sessions(pd.Timestamp("2016-01-04"), pd.Timestamp("2017-12-29"))[: len(closes)]
    close = np.asarray(closes, dtype="float64")
    return Window(
        symbol, pd.DataFrame({"session": days, **dict.fromkeys(("open", "high", "low", "close"), close), "volume": 1.0})
    )


@pytest.mark.parametrize(
    ("name", "stub", "files"),
    [
        ("chronos", "chronos", {}),
        ("timesfm", "timesfm3", {"config.json": json.dumps({"transformer_config": {}})}),
        ("timesfm", "timesfm", {"config.json": "{}"}),
        ("tirex", "tirex/base", {"model.ckpt": ""}),
        ("kronos", "model", {}),
        ("neuralforecast", "neuralforecast", {}),
    ],
)
def test_each_package_is_asked_as_it_documents(
    tmp_path: Path, stubs: Callable[[str], None], name: str, stub: str, files: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    pytest.importorskip("torch")
    stubs(stub)
    folder = folder_of(tmp_path, files)
    model = load_model(name, folder)
    assert model.name == f"{name} {folder_hash(folder)}"
    assert capsys.readouterr().out == ""
    first, second = model.predict([window(np.linspace(90, 100, 40)), window(np.linspace(40, 50, 60))], 5)
    for columns, last in ((first, 100), (second, 50)):
        median = columns.get("price", columns.get("q50"))
        np.testing.assert_allclose(median, last + np.arange(1, 6), rtol=1e-6)
        for level in (10, 90):
            if f"q{level}" in columns:
                np.testing.assert_allclose(columns[f"q{level}"] - median, 10 * level / 100 - 5, atol=1e-4)
    assert ("q10" in first) == (name != "kronos")


def test_a_name_says_what_is_in_the_folder(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a": "x"})
    before = folder_hash(folder)
    (folder / "a").write_text("y")
    changed = folder_hash(folder)
    (folder / "a").rename(folder / "b")
    assert len({before, changed, folder_hash(folder)}) == 3


WRONG: list[tuple[str, str, str]] = [
    ("kronoss", "", "there is no adapter 'kronoss'. Did you mean 'kronos'?"),
    ("chronos", "", "chronos needs the folder of a model: name it with --model-folder"),
    ("chronos", "none", "no model in '{tmp}/none': name the folder with its weights and settings"),
    ("arch", "weights", "arch has no model in a folder: leave --model-folder out"),
    ("none.py:predict", "", "no file 'none.py'"),
]


@pytest.mark.parametrize(("name", "folder", "expected"), WRONG)
def test_what_can_not_be_loaded_is_named(tmp_path: Path, name: str, folder: str, expected: str) -> None:
    folder_of(tmp_path, {})
    with pytest.raises(ConfigError, match=r"\w") as raised:
        load_model(name, tmp_path / folder if folder else None)
    assert expected.format(tmp=tmp_path) in str(raised.value)


def test_a_package_that_is_missing_or_refuses_is_named(tmp_path: Path, stubs: Callable[[str], None]) -> None:
    folder = folder_of(tmp_path, {})
    (tmp_path / "packages").mkdir()
    for name, module, text in (
        ("neuralforecast", "neuralforecast", "raise ModuleNotFoundError(name='neuralforecast')"),
        ("kronos", "model", "x = 1"),
        ("chronos", "chronos", "raise ValueError('bad\\nweights')"),
    ):
        (tmp_path / "packages" / f"{module}.py").write_text(text)
        importlib.invalidate_caches()
        with pytest.raises((ConfigError, RaisedError)) as raised:
            load_model(name, folder)
        message = str(raised.value)
        assert len(message.splitlines()) == 1
        expected = {
            "neuralforecast": "not installed here: pip install neuralforecast, in an environment that has tenor",
            "kronos": "is not that of Kronos",
            "chronos": "chronos can't load",
        }
        assert expected[name] in message


def test_every_adapter_declares_itself() -> None:
    assert {"arch", "chronos", "fracast", "kronos", "neuralforecast", "statsforecast", "timesfm", "tirex"} <= set(
        names()
    )
    for name in names():
        adapter = importlib.import_module(f"tenor.adapters.models.{name}").ADAPTER
        assert adapter.folder in ("yes", "no", "may")
        assert adapter.install


def test_fracast_forecasts_without_a_network(bars_of: Callable[..., Bars]) -> None:
    pytest.importorskip("fracast", reason="fracast is not installed")
    model = load_model("fracast")
    assert isinstance(model, Model)
    flat, rising = model.predict([window(np.full(40, 50.0)), window(np.linspace(50, 100, 300))], 5)
    assert set(flat) == {f"q{level}" for level in range(10, 100, 10)}
    assert np.allclose(flat["q50"], 50, rtol=0.01)
    assert rising["q50"].shape == (5,)
    assert 90 < rising["q50"][0] < 110


def test_the_command_writes_a_file_of_a_users_own_function(
    tmp_path: Path, bars_of: Callable[..., Bars], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Lake(tmp_path / "lake").append_bars(bars_of(symbols=2, sessions=100, seed=2), source="test")
    (tmp_path / "mine.py").write_text("def stays(closes, horizon):\n    return [closes[-1]] * horizon\n")
    command = [
        "forecast-file",
        "--store",
        "lake",
        "--with",
        "mine.py:stays",
        "--from",
        "2014-03-03",
        "--to",
        "2014-03-07",
    ]
    assert main([*command, "--output", "f.csv", "--horizons", "1,5", "--symbol", "S01", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["forecasts"], told["symbols"], told["model"]) == (10, 1, "stays")
    assert pd.read_csv("f.csv")["price"].equals(pd.read_csv("f.csv")["last_price"])
    for options, expected in (
        (["--output", "f.txt"], "let it end in .csv or .parquet"),
        (["--output", "g.csv", "--horizons", "1;5"], "--horizons '1;5' are not numbers: write them as 1,5"),
        (["--output", "g.csv", "--symbol", "S1"], "unknown symbol 'S1'"),
        (["--output", "g.csv", "--to", "2014-02-30"], "'2014-02-30' is not a date of a session"),
    ):
        assert main([*command, *options]) in (1, 2)
        assert expected in capsys.readouterr().err
    assert not (tmp_path / "g.csv").exists()
