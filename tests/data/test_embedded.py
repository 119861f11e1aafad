"""The embedded bars: the published figures, no more and no less."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pytest

from tenor import data
from tenor.data import embedded_bars
from tenor.errors import DataError
from tenor.ingest.files import check_bars, read_stocknet_bars


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    script = Path(__file__).parents[2] / "scripts" / "build_embedded_bars.py"
    spec = importlib.util.spec_from_file_location("build_embedded_bars", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_embedded() -> None:
    bars = embedded_bars()
    assert (len(bars.symbols), len(bars.frame)) == (88, 108_589)
    first = bars.frame.groupby("symbol")["session"].min()
    assert first[first > "2012-09-04"].dt.strftime("%Y-%m-%d").to_dict() == {
        "ABBV": "2013-01-02",
        "AGFS": "2014-11-20",
        "BABA": "2014-09-19",
        "GMRE": "2016-06-30",
    }
    assert bars.frame["session"].max() == pd.Timestamp("2017-09-01")
    reports = {r.symbol: r for r in check_bars(bars)}
    assert {symbol for symbol, r in reports.items() if not r.clean} == {"AGFS", "PTR", "REX", "SNP", "SPLP"}
    assert files("tenor.data").joinpath("bars.parquet").stat().st_size < 2_500_000  # type: ignore[attr-defined]


def test_the_licence_of_the_dataset_goes_with_it() -> None:
    text = files("tenor.data").joinpath("README.md").read_text(encoding="utf-8")
    assert "Copyright (c) 2018 Yumo Xu" in text
    assert "The above copyright notice and this permission notice shall be included" in text


def test_the_figures_are_those_of_the_published_files(published: Callable[[str], Path]) -> None:
    folder = published("stocknet-dataset")
    for symbol in ("AAPL", "BRK-A", "GMRE", "PTR"):
        # read by another way than the importer's, to the last digit
        table = pyarrow.csv.read_csv(
            folder / "price" / "raw" / f"{symbol}.csv",
            convert_options=pyarrow.csv.ConvertOptions(null_values=["null"], strings_can_be_null=True),
        )
        raw = table.to_pandas().dropna()
        ours = embedded_bars().select([symbol]).frame
        for theirs, name in zip(
            ("Open", "High", "Low", "Close", "Adj Close", "Volume"),
            ("open", "high", "low", "close", "adj_close", "volume"),
            strict=True,
        ):
            assert raw[theirs].tolist() == ours[name].tolist(), (symbol, name)
        assert raw["Date"].astype("str").tolist() == ours["session"].dt.strftime("%Y-%m-%d").tolist()


def test_the_script_rebuilds_the_file(
    published: Callable[[str], Path], tmp_path: Path, builder: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = published("stocknet-dataset")
    out = tmp_path / "bars.parquet"
    builder.main([str(folder), str(out)])
    assert out.read_bytes() == files("tenor.data").joinpath("bars.parquet").read_bytes()
    printed = capsys.readouterr().out
    assert "PTR.csv row 962" in printed
    assert "108589 bars of 88 symbols" in printed
    imported = read_stocknet_bars(folder)
    assert imported.bars is not None
    assert imported.bars.fingerprint() == embedded_bars().fingerprint()


def test_prices_that_would_be_rounded_stop_the_script(builder: ModuleType, bars: object) -> None:
    with pytest.raises(SystemExit, match="open has more than 6 decimals"):
        builder.to_table(bars)


def test_a_missing_file_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "BARS_FILE", "gone.parquet")
    embedded_bars.cache_clear()
    with pytest.raises(DataError, match=r"the embedded gone\.parquet is missing or damaged .*: install tenor again"):
        embedded_bars()
    monkeypatch.undo()
    assert isinstance(data._read("bars.parquet"), pa.Table)
