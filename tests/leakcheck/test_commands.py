"""The checks as the command line calls them: files, and functions by their names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tenor.config import FeatureConfig
from tenor.errors import ConfigError, DataError
from tenor.leakcheck import leakcheck_file, leakcheck_function, leakcheck_trainer, load_function
from tenor.schema import Bars

MODULE = """
import pandas as pd
from beside import WINDOW

NUMBER = 3

def honest(frame):
    return pd.DataFrame({"x": frame.groupby("symbol")["close"].transform(lambda c: c.rolling(WINDOW).mean())})

def centred(frame):
    roll = lambda c: c.rolling(WINDOW, center=True).mean()
    return pd.DataFrame({"x": frame.groupby("symbol")["close"].transform(roll)})

def with_news(frame, sentiment):
    return frame[["close"]]

def fit_predict(panel, split):
    return panel.values[:, :, :1] * panel.targets[split.train].std() * panel.mask[:, :, None]

def peeking(panel, split):
    from numpy import nanstd
    return panel.values[:, :, :1] * nanstd(panel.targets)
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("WINDOW = 5\n")
    path = tmp_path / "mine.py"
    path.write_text(MODULE)
    return path


def test_a_function_in_a_file_is_checked_by_its_name(module: Path, bars_of: Callable[..., Bars]) -> None:
    bars = bars_of(symbols=2, sessions=100)
    assert leakcheck_function(f"{module}:honest", bars, cuts=1).ok
    report = leakcheck_function(f"{module}:centred", bars, cuts=1)
    assert report.kinds == ("centred_window",)
    assert report.checked[0].startswith("centred: 1 feature of 2 symbols")


def test_tenors_features_are_checked_by_the_same_call(bars_of: Callable[..., Bars]) -> None:
    report = leakcheck_function("tenor.leakcheck:tenor_features", bars_of(symbols=2, sessions=100), cuts=1)
    assert report.ok, report.describe()


def test_a_trainer_in_a_file_is_checked_by_its_name(module: Path, bars_of: Callable[..., Bars]) -> None:
    bars, features = bars_of(symbols=2, sessions=150), FeatureConfig(groups=("returns",), horizons=(1,))
    assert leakcheck_trainer(f"{module}:fit_predict", bars, features=features).ok
    assert leakcheck_trainer(f"{module}:peeking", bars, features=features).kinds == ("trained_on_test",)


def test_a_function_that_can_not_be_found_is_refused_with_a_suggestion(module: Path, tmp_path: Path) -> None:
    for spec, message in {
        "honest": "names no function: write path/to/file.py:function",
        f"{module}:": "names no function",
        f"{module}:honset": "has no function 'honset'. Did you mean 'honest'",
        f"{module}:zzz": "It has centred, fit_predict, honest, peeking, with_news",
        f"{module}:NUMBER": "is int, not a function",
        f"{tmp_path}/mien.py:honest": "Did you mean 'mine.py'",
        "nowhere/x.py:honest": "no file 'nowhere/x.py'",
        f"{tmp_path}/notes.txt:honest": "no file",
        "tenor.nothing:honest": "can't be imported: ModuleNotFoundError",
    }.items():
        with pytest.raises(ConfigError) as error:
            load_function(spec)
        assert message in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["def broken(:\n", "raise ValueError('no\\nway')\n", "import sys; sys.exit(4)\n"])
def test_a_module_that_can_not_be_run_is_reported_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"can't be run: (SyntaxError|ValueError: no way|SystemExit: 4)") as error:
        load_function(f"{path}:x")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_a_table_is_read_from_its_file(tmp_path: Path, bars_of: Callable[..., Bars], suffix: str) -> None:
    frame = bars_of(symbols=2, sessions=150).frame
    close = frame.groupby("symbol")["close"]
    table = pd.DataFrame(
        {
            "Date": frame["session"],
            "Ticker": frame["symbol"].replace({"S00": "NA"}),  # a symbol, not a gap
            "x": close.transform(lambda c: c.rolling(5, center=True).mean()),
            "target": close.transform(lambda c: np.log(c).diff().shift(-1)),
        }
    )
    path = tmp_path / f"table.{suffix}"
    if suffix == "parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="," if suffix == "csv" else "\t")
    report = leakcheck_file(path, target="target")
    assert report.kinds == ("centred_window",)
    assert report.checked[0].startswith("300 rows, 2 symbols")


def test_learning_curves_are_read_from_their_file(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("epoch,val_loss,test_loss,best\n1,3,4,0\n2,1,2,0\n3,2,1,1\n")
    assert leakcheck_file(path).kinds == ("test_set_early_stopping",)
    assert leakcheck_file(path, chosen=2).ok


def test_a_file_that_can_not_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "bytes.csv").write_bytes(bytes(range(256)) * 4)
    for name, message in {
        "tabel.csv": "Did you mean 'table.csv'",
        "table.csv": "is empty",
        "cut.parquet": "can't be read as CSV or Parquet",
        "bytes.csv": "can't be read as CSV or Parquet",
    }.items():
        with pytest.raises(DataError) as error:
            leakcheck_file(tmp_path / name)
        assert message in str(error.value)
        assert "\n" not in str(error.value)
