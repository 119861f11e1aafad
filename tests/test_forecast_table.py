"""The table of forecasts: its columns, CSV that spreadsheets don't run, and Parquet with the same values."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tenor.errors import ConfigError, StoreError
from tenor.forecast_table import forecast_row, to_csv, to_parquet, trained_until_of, write_forecasts

FORECAST: dict[str, Any] = {
    "symbol": "AAPL", "as_of": "2017-09-01T20:00:00+00:00", "session": "2017-09-01", "target_session": "2017-09-05",
    "horizon": 1, "expected_return": 0.001, "last_price": 164.05, "price": 164.21, "volatility": 0.0112, "p_up": 0.52,
    "quantiles": {"0.05": 161.0, "0.01": 159.0, "0.5": 164.1, "0.95": 167.5}, "model_version": "0123456789ab",
}  # fmt: skip


def row(**changes: Any) -> dict[str, Any]:
    return {**forecast_row(FORECAST, trained_until="2015-10-01", made_at=1504300000.7), **changes}


def test_a_row_has_the_columns_of_a_forecast_file_in_their_order() -> None:
    header, line, _ = to_csv([row()]).decode().split("\n")
    assert header.split(",") == [
        "symbol", "session", "as_of", "target_session", "horizon", "last_price", "price", "return", "volatility",
        "q01", "q05", "q50", "q95", "p_up", "trained_until", "made_at", "model",
    ]  # fmt: skip
    assert line == (
        "AAPL,2017-09-01,2017-09-01T20:00:00Z,2017-09-05,1,164.05,164.21,0.001,0.0112,159.0,161.0,164.1,167.5,0.52,"
        "2015-10-01,2017-09-01T21:06:40Z,tenor 0123456789ab"
    )


def test_csv_and_parquet_hold_the_same_values() -> None:
    rows = [row(), row(symbol="MSFT", p_up=None, volatility=float("nan"))]
    from_csv = pd.read_csv(io.BytesIO(to_csv(rows)))
    parquet = pd.read_parquet(io.BytesIO(to_parquet(rows)))
    for name in ("session", "target_session", "trained_until"):
        from_csv[name] = pd.to_datetime(from_csv[name]).astype("datetime64[us]")
    for name in ("as_of", "made_at"):
        from_csv[name] = pd.to_datetime(from_csv[name]).astype("datetime64[us, UTC]")
    pd.testing.assert_frame_equal(from_csv, parquet, check_exact=True)
    assert from_csv.loc[1, ["p_up", "volatility"]].isna().all()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
def test_a_spreadsheet_runs_no_cell(text: str) -> None:
    written = pd.read_csv(io.BytesIO(to_csv([row(symbol=text)])))
    assert written.loc[0, "symbol"] == f"'{text}"


def test_numbers_below_zero_stay_numbers() -> None:
    assert pd.read_csv(io.BytesIO(to_csv([row(**{"return": -0.01})]))).loc[0, "return"] == -0.01


def test_only_known_endings_and_places_that_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x.xlsx' names no format of forecasts: let it end in .csv or .parquet"):
        write_forecasts(tmp_path / "x.xlsx", [row()])
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"can.t be written: .*; choose another place"):
        write_forecasts(tmp_path / "file" / "x.csv", [row()])
    write_forecasts(tmp_path / "new" / "X.CSV", [row()])
    assert [path.name for path in tmp_path.rglob("*.*")] == ["X.CSV"]


def test_the_card_says_until_when_a_version_was_trained() -> None:
    assert trained_until_of({"split": {"test": ["2015-10-01", "2017-08-31"]}}) == "2015-10-01"
    assert trained_until_of({}) is None
