"""From files to the table that a training reads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tenor.config import Config
from tenor.errors import ConfigError, DataError, StoreError
from tenor.features import build_panel
from tenor.pipeline.inputs import training_inputs
from tenor.pipeline.prepare import prepare
from tenor.schema import Bars
from tenor.store import Lake
from tenor.workspace import Workspace


@pytest.fixture
def bars_csv(tmp_path: Path, bars_of: Callable[..., Bars]) -> Path:
    path = tmp_path / "bars.csv"
    bars_of(symbols=2, sessions=300).frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_the_table_is_the_panel_that_a_training_reads(tmp_path: Path, bars_csv: Path, name: str) -> None:
    store, output = str(tmp_path / "lake"), tmp_path / "new folder" / name
    result = prepare(store, [str(bars_csv)], Config(), output=output)
    panel = build_panel(Lake(store).bars(), Config().features)
    assert np.array_equal(result.panel.values, panel.values)
    table = pd.read_csv(output, parse_dates=["session"]) if name.endswith("csv") else pd.read_parquet(output)
    assert list(table.columns) == ["symbol", "session", *panel.features, "target_1", "target_5", "target_20"]
    assert len(table) == panel.mask.sum()
    row = table[(table["symbol"] == "S01")].iloc[-30]
    session, symbol = panel.sessions.get_loc(row["session"]), panel.symbols.index("S01")
    np.testing.assert_allclose(row[list(panel.features)].astype(float), panel.values[session, symbol], rtol=1e-6)
    # again, from the lake alone
    again = prepare(store, [], Config())
    assert again.imported is None
    assert np.array_equal(again.panel.values, panel.values)


def test_an_empty_lake_gets_the_data_that_comes_with_tenor(tmp_path: Path) -> None:
    config = Config(symbols=("AAPL", "XOM"))
    result = prepare(str(tmp_path / "lake"), [], config)
    assert result.imported is not None
    assert result.panel.symbols == ("AAPL", "XOM")
    assert any(name.startswith("sentiment") for name in result.panel.features)
    assert json.loads(json.dumps(result.to_json()))["symbols"] == ["AAPL", "XOM"]


def test_what_cannot_be_prepared_is_one_line_and_leaves_no_table(tmp_path: Path, bars_csv: Path) -> None:
    store = str(tmp_path / "lake")
    with pytest.raises(
        ConfigError, match=r"'table\.xls' can't be written: name a file that ends in \.csv or \.parquet"
    ):
        prepare(store, [str(bars_csv)], Config(), output=Path("table.xls"))
    assert not Path(store).exists()
    (tmp_path / "bad.csv").write_text("symbol,date,close\nA,2024-01-02,x\n", encoding="utf-8")
    with pytest.raises(DataError):
        prepare(store, [str(tmp_path / "bad.csv")], Config(), output=tmp_path / "table.csv")
    with pytest.raises(DataError, match="there is no such file or folder"):
        prepare(store, [str(bars_csv), str(tmp_path / "none.csv")], Config(), output=tmp_path / "table.csv")
    assert not (tmp_path / "table.csv").exists()
    with pytest.raises(StoreError, match="can't be written"):
        prepare(store, [], Config(), output=bars_csv / "table.csv")


def test_it_needs_no_torch(tmp_path: Path, bars_csv: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; from tenor.cli import main; "
        f"sys.exit(main(['prepare', {str(bars_csv)!r}, '--store', {str(tmp_path / 'lake')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "rows have all features" in done.stdout


def test_news_is_read_as_a_training_reads_it(tmp_path: Path) -> None:
    config = Config.read(overrides=["symbols=['AAPL','XOM']", "features.kinds=['earnings']", "features.as_of=open"])
    store, output = str(tmp_path / "lake"), tmp_path / "table.csv"
    panel = prepare(store, [], config, output=output).panel
    assert np.array_equal(panel.values, training_inputs(Workspace(store), config).panel.values)
    counts = panel.values[:, :, panel.features.index("news_earnings_count")]
    assert counts.max() > 0
    assert not any(name.startswith("news_legal") for name in panel.features)
    close = prepare(store, [], replace(config, features=replace(config.features, as_of="close"))).panel
    assert not np.array_equal(counts, close.values[:, :, close.features.index("news_earnings_count")])  # the night
    assert "news_earnings_count" in output.read_text(encoding="utf-8").partition("\n")[0]
    with pytest.raises(ConfigError, match="earnngs"):
        prepare(store, [], Config.read(overrides=["features.kinds=['earnngs']"]))
