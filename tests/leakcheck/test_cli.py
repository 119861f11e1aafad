"""Seven planted leaks, each given to ``tenor leakcheck`` as a user would, and each reported by its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tenor.calendars import exchange
from tenor.cli import main
from tenor.schema import Bars
from tenor.store import Lake

TRAINED = 420
"""Rows of the training part, of 600."""


@pytest.fixture(scope="module")
def honest(bars_of: Callable[..., Bars]) -> pd.DataFrame:
    close = bars_of(symbols=1, sessions=640).frame.set_index("session")["close"]
    log = np.log(close)
    table = pd.DataFrame(
        {
            "date": close.index,
            "close": close.to_numpy(),
            "return_1": log.diff().to_numpy(),
            "ratio_10": (close / close.rolling(10).mean() - 1).to_numpy(),
            "target": log.shift(-1).sub(log).to_numpy(),
        }
    )
    table = table.iloc[20:620].reset_index(drop=True)
    table["part"] = np.where(np.arange(len(table)) < TRAINED, "train", "test")
    return table


def scaler_on_all_data(table: pd.DataFrame) -> pd.DataFrame:
    column = table["return_1"]
    return table.assign(return_1=(column - column.mean()) / column.std(ddof=0))


def centred_window(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(smooth=table["close"].rolling(5, center=True).mean().bfill().ffill())


def same_day_close(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(price=table["close"] * np.exp(table["target"]))


def back_fill(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(ratio_30=(table["close"] / table["close"].rolling(30).mean() - 1).bfill())


def news_after_close(table: pd.DataFrame) -> pd.DataFrame:
    closes = exchange("XNYS").closes(pd.DatetimeIndex(table["date"]))
    late = np.where(np.arange(len(table)) % 50 == 7, 3, -3)
    return table.assign(published=pd.DatetimeIndex(closes) + pd.to_timedelta(late, unit="h"))


def shuffled_split(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(part=np.random.default_rng(0).permutation(table["part"]))


TABLES = (scaler_on_all_data, centred_window, same_day_close, back_fill, news_after_close, shuffled_split)
OPTIONS = ["--target", "target", "--date", "date", "--price", "close", "--split", "part"]


def options_of(table: pd.DataFrame) -> list[str]:
    return [*OPTIONS, *(["--published-at", "published"] if "published" in table else [])]


@pytest.mark.parametrize("leak", TABLES, ids=lambda leak: leak.__name__)
def test_a_planted_leak_is_named(
    leak: Callable[[pd.DataFrame], pd.DataFrame],
    honest: pd.DataFrame,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    planted = leak(honest)
    planted.to_csv(tmp_path / "table.csv", index=False)
    assert main(["leakcheck", str(tmp_path / "table.csv"), *options_of(planted), "--json"]) == 1
    output = capsys.readouterr()
    kinds = {finding["kind"] for finding in json.loads(output.out)["findings"]}
    assert leak.__name__ in kinds
    assert leak.__name__ in output.err
    if leak is not shuffled_split:  # whose targets overlap as well
        assert kinds == {leak.__name__}


def test_the_epoch_of_the_tests_best_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    epochs = np.arange(1, 31)
    valid = 1.0 + 0.02 * np.abs(epochs - 8) + rng.normal(0, 1e-3, 30)
    test = 1.0 + 0.02 * np.abs(epochs - 21) + rng.normal(0, 1e-3, 30)
    kept = (epochs == 21).astype(int)
    history = pd.DataFrame({"epoch": epochs, "val_loss": valid, "test_loss": test, "kept": kept})
    history.to_csv(tmp_path / "history.csv", index=False)
    assert main(["leakcheck", str(tmp_path / "history.csv"), "--json"]) == 1
    output = capsys.readouterr()
    assert [finding["kind"] for finding in json.loads(output.out)["findings"]] == ["test_set_early_stopping"]
    history.assign(kept=(epochs == valid.argmin() + 1).astype(int)).to_csv(tmp_path / "history.csv", index=False)
    assert main(["leakcheck", str(tmp_path / "history.csv")]) == 0


def test_the_table_without_a_leak_passes(
    honest: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    honest.iloc[np.r_[: TRAINED - 1, TRAINED : len(honest)]].to_csv(tmp_path / "table.csv", index=False)
    assert main(["leakcheck", str(tmp_path / "table.csv"), *OPTIONS]) == 0, capsys.readouterr().out


def test_the_leak_of_a_function_is_named(
    bars_of: Callable[..., Bars], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(
        "def centred(bars):\n"
        "    out = bars[['symbol', 'session']].copy()\n"
        "    out['ma'] = bars.groupby('symbol')['close'].transform(lambda c: c.rolling(5, center=True).mean())\n"
        "    return out\n\n"
        "def trailing(bars):\n"
        "    out = bars[['symbol', 'session']].copy()\n"
        "    out['ma'] = bars.groupby('symbol')['close'].transform(lambda c: c.rolling(5).mean())\n"
        "    return out\n"
    )
    lake = tmp_path / "lake"
    Lake(lake).append_bars(bars_of(symbols=3, sessions=420), source="made")
    capsys.readouterr()
    assert main(["leakcheck", "--features", f"{tmp_path}/mine.py:centred", "--store", str(lake), "--json"]) == 1
    output = capsys.readouterr()
    assert json.loads(output.out)["findings"][0]["kind"] == "centred_window"
    assert "1 finding: centred_window." in output.err
    assert main(["leakcheck", "--features", f"{tmp_path}/mine.py:trailing", "--store", str(lake)]) == 0
    assert main(["leakcheck", "--features", f"{tmp_path}/mine.py:centered", "--store", str(lake)]) == 2
    assert "Did you mean 'centred'" in capsys.readouterr().err
    assert main(["leakcheck"]) == 2


def test_a_lake_with_extra_sessions_is_checked(
    bars_of: Callable[..., Bars], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bars of a Saturday, which the lake keeps and no panel has."""
    frame = bars_of(symbols=3, sessions=300).frame
    friday = frame["session"][frame["session"].dt.day_of_week == 4].iloc[20]
    saturday = frame[frame["session"] == friday].assign(session=friday + pd.Timedelta(days=1))
    Lake(tmp_path / "lake").append_bars(Bars(pd.concat([frame, saturday])), source="file")
    command = ["leakcheck", "--features", "tenor.leakcheck:tenor_features", "--store", str(tmp_path / "lake")]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []
    assert main(["data", "check", "--store", str(tmp_path / "lake"), "--json"]) == 0
    assert [json.loads(line)["off_calendar"] for line in capsys.readouterr().out.splitlines()] == [1, 1, 1]
