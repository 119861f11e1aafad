"""Files of forecasts: what is read, and what each file that can't be used is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tenor.errors import DataError, FrameError
from tenor.ingest.files.column_names import parse_columns
from tenor.ingest.files.forecast_columns import NAMES
from tenor.ingest.files.forecast_files import ForecastRows, read_forecasts

HEADER = "symbol,session,horizon,return"


def read(folder: Path, text: str | bytes, **options: object) -> ForecastRows:
    path = folder / "mine.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (rows,) = read_forecasts(path, **options)  # type: ignore[arg-type]
    return rows


def refusal(folder: Path, text: str | bytes, **options: object) -> str:
    with pytest.raises(DataError) as error:
        read(folder, text, **options)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith("mine.csv")
    return message


def test_a_file_is_read_as_it_stands(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        "Symbol,session,horizon,price,return,volatility,p_up,q05,q0.5,q95,last_price,trained_until,made_at,extra\n"
        "brk.b,2016-01-04,5,101.5,0.0125,0.011,0.55,95,101,108,100,2015-12-31,2016-01-04T21:30:00Z,x\n"
        "AAPL,2016-01-05,1,,-0.01,,,,,,,,,\n",
    )
    assert rows.name == "mine"
    assert rows.levels == (0.05, 0.5, 0.95)
    assert rows.quantiles_of == ""
    np.testing.assert_array_equal(rows.quantiles[0], [95, 101, 108])
    assert np.isnan(rows.quantiles[1]).all()
    first, second = (rows.frame.iloc[i] for i in (0, 1))
    assert (first["symbol"], first["horizon"], first["price"], first["row"]) == ("BRK-B", 5, 101.5, 2)
    assert first["session"] == pd.Timestamp("2016-01-04")
    assert first["trained_until"] == pd.Timestamp("2015-12-31")
    assert first["made_at"] == pd.Timestamp("2016-01-04 21:30", tz="UTC")
    assert second["return"] == -0.01
    assert np.isnan(second["price"])
    assert pd.isna(second["trained_until"])
    assert pd.isna(second["made_at"])
    assert not rows.has("variance")
    assert rows.notes == ("columns that are ignored: 'extra'",)


def test_a_misspelled_column_is_ignored_with_a_hint(tmp_path: Path) -> None:
    rows = read(tmp_path, "symbol,session,horizon,return,volatilty\nA,2016-01-04,1,0.1,0.2\n")
    assert rows.notes == ("columns that are ignored: 'volatilty' Did you mean 'volatility'?",)


@pytest.mark.parametrize(
    ("names", "levels"),
    [
        (("q05", "q50", "q95"), (0.05, 0.5, 0.95)),
        (("q0.05", "q.5", "q0.95"), (0.05, 0.5, 0.95)),
        (("q2.5", "q50", "q975"), (0.025, 0.5, 0.975)),
        (("return_q1", "return_q50", "return_q99"), (0.01, 0.5, 0.99)),
    ],
)
def test_levels_of_quantiles_are_read_from_their_names(
    tmp_path: Path, names: tuple[str, ...], levels: tuple[float, ...]
) -> None:
    rows = read(tmp_path, f"symbol,session,horizon,{','.join(names)}\nA,2016-01-04,1,-0.1,0,0.1\n")
    assert rows.levels == levels
    assert rows.quantiles_of == ("return" if names[0].startswith("return") else "")


def test_moments_and_dates_of_as_of(tmp_path: Path) -> None:
    rows = read(tmp_path, "symbol,as_of,horizon,return\nA,2016-01-04T16:30:00-05:00,1,0.1\n")
    assert rows.frame["as_of"][0] == pd.Timestamp("2016-01-04 21:30", tz="UTC")
    assert rows.frame["session"].isna().all()
    rows = read(tmp_path, "symbol,as_of,horizon,return\nA,2016-01-04,1,0.1\n")
    assert rows.frame["session"][0] == pd.Timestamp("2016-01-04")
    assert rows.frame["as_of"].isna().all()
    assert "'as_of' holds dates" in rows.notes[0]


def test_columns_may_be_named_by_the_user(tmp_path: Path) -> None:
    chosen = parse_columns(["symbol=WKN,session=Datum,horizon=Schritte,return=r"], NAMES)
    rows = read(tmp_path, "WKN;Datum;Schritte;r\nSAP.DE;04.01.2016;1;0,012\n", columns=chosen, dates="dmy")
    assert rows.frame["symbol"][0] == "SAP.DE"
    assert rows.frame["session"][0] == pd.Timestamp("2016-01-04")
    assert rows.frame["return"][0] == 0.012


def test_dates_of_unclear_order_are_refused_until_the_user_says(tmp_path: Path) -> None:
    text = f"{HEADER}\nA,02/03/2016,1,0.1\nB,02/03/2016,1,0.1\n"
    assert "say which with --dates dmy or --dates mdy" in refusal(tmp_path, text)
    assert read(tmp_path, text, dates="mdy").frame["session"][0] == pd.Timestamp("2016-02-03")
    with pytest.raises(DataError, match="--dates is 'us'; it takes dmy, mdy, ymd"):
        read(tmp_path, text, dates="us")


def test_parquet_frames_and_arrow_tables_say_the_same_as_csv(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "symbol": ["AAPL", "MSFT"],
            "session": pd.to_datetime(["2016-01-04", "2016-01-05"]),
            "horizon": [1, 5],
            "return": [0.01, None],
            "q05": [-0.02, -0.03],
        }
    )
    frame.to_parquet(tmp_path / "mine.parquet")
    (of_parquet,) = read_forecasts(tmp_path / "mine.parquet")
    (of_frame,) = read_forecasts(frame, name="mine")
    (of_index,) = read_forecasts(frame.set_index(["symbol", "session"]), name="mine")
    (of_arrow,) = read_forecasts(pa.Table.from_pandas(frame), name="mine")
    (of_texts,) = read_forecasts(frame.assign(symbol=frame["symbol"].astype("category")), name="mine")
    frame.to_csv(tmp_path / "mine.csv", index=False)
    (of_csv,) = read_forecasts(tmp_path / "mine.csv")
    for other in (of_frame, of_index, of_arrow, of_texts, of_csv):
        assert other.name == "mine"
        pd.testing.assert_frame_equal(other.frame.drop(columns="row"), of_parquet.frame.drop(columns="row"))
        np.testing.assert_array_equal(other.quantiles, of_parquet.quantiles)
    assert of_frame.frame["row"].tolist() == [0, 1]
    assert of_csv.frame["row"].tolist() == [2, 3]


def test_a_column_of_models_splits_the_file(tmp_path: Path) -> None:
    path = tmp_path / "both.csv"
    path.write_text("model,symbol,session,horizon,return\na,A,2016-01-04,1,0.1\nb,A,2016-01-04,1,0.2\n")
    first, second = read_forecasts(path)
    assert (first.name, second.name) == ("a", "b")
    assert second.frame["return"].tolist() == [0.2]
    path.write_text("model,symbol,session,horizon,return\na,A,2016-01-04,1,0.1\na,A,2016-01-04,1,0.2\n")
    with pytest.raises(DataError, match=r"both.csv, row 3 repeats row 2: A, 2016-01-04, 1 ahead"):
        read_forecasts(path)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["is empty", "export it again"]),
        (f"{HEADER}\n", ["has columns but no rows"]),
        ("ticker_,session,horizon,return\nA,2016-01-04,1,1\n", ["no column 'symbol'", "--columns symbol=NAME"]),
        ("symbl,session,horizon,return\nA,2016-01-04,1,1\n", ["no column 'symbol'", "Is it 'symbl'?"]),
        ("symbol,horizon,return\nA,1,1\n", ["when its forecasts were made", "'session'", "'as_of'"]),
        (
            "symbol,date,horizon,return\nA,2016-01-04,1,1\n",
            ["'date' may be the session", "--columns session=date or --columns target_session=date"],
        ),
        ("symbol,session,return\nA,2016-01-04,1\n", ["no column 'horizon'", "1: the next session"]),
        (
            "symbol,session,horizon,retrun\nA,2016-01-04,1,1\n",
            ["forecasts nothing", "price, return, volatility, p_up", "Is it 'retrun'?"],
        ),
        (
            "symbol,ticker,session,horizon,return\nA,A,2016-01-04,1,1\n",
            ["'symbol' and 'ticker' may both be the symbol", "--columns symbol=NAME"],
        ),
        ("symbol,session,horizon,q05,q0.05\nA,2016-01-04,1,1,1\n", ["'q05' and 'q0.05' are both the quantile 0.05"]),
        (
            "symbol,session,horizon,price_q05,return_q95\nA,2016-01-04,1,1,1\n",
            ["quantiles of the price and of the return"],
        ),
        (
            f"{HEADER}\nA,2016-01-04,1,0.1\nA,2016-01-04,1,0.2\nA,2016-01-04,1,0.2\n",
            ["row 3 repeats row 2", "A, 2016-01-04, 1 ahead", "2 rows are duplicates", "one model per file"],
        ),
        (f"{HEADER}\nA,2016-01-04,1.5,0.1\n", ["row 2, column 'horizon': '1.5' is not a whole number of sessions"]),
        (f"{HEADER}\nB,2016-01-04,1,0.1\nA,2016-01-04,0,0.1\n", ["row 3, column 'horizon': '0' is not at least 1"]),
        (f"{HEADER}\nA,2016-01-04,-5,0.1\n", ["'-5' is not at least 1", "1 for the next session"]),
        (f"{HEADER}\nA,2016-01-04,,0.1\n", ["column 'horizon' is missing"]),
        (f"{HEADER}\nA,2016-01-04,99999,0.1\n", ["'99999' is more than 1000 sessions"]),
        (f"{HEADER}\nA,2016-01-04,1,1.2%\n", ["'1.2%' is not a number", "0.012 for 1.2 %"]),
        (f"{HEADER}\nA,2016-01-04,1,high\n", ["row 2, column 'return': 'high' is not a number"]),
        (f"{HEADER}\nA,2016-01-04,1,inf\n", ["'inf' is infinite", "leave the cell empty"]),
        (f"{HEADER}\n,2016-01-04,1,0.1\n", ["row 2, column 'symbol' is missing", "name the symbol"]),
        (f"{HEADER}\nA,,1,0.1\n", ["row 2, column 'session' is missing", "YYYY-MM-DD"]),
        (f"{HEADER}\nA,soon,1,0.1\n", ["row 2, column 'session': 'soon' is not a date"]),
        (f"{HEADER}\nA,2016-02-30,1,0.1\n", ["'2016-02-30' is not a day of the calendar"]),
        (
            f"{HEADER}\nA,2016-01-04 15:12,1,0.1\nA,2016-01-05 15:12,1,0.1\n",
            ["has a time of day", "a moment goes into the column as_of"],
        ),
        (
            "symbol,as_of,horizon,return\nA,2016-01-04T21:00:00,1,0.1\n",
            ["row 2, column 'as_of': '2016-01-04T21:00:00' has no zone"],
        ),
        (f"{HEADER}\nA,2016-01-04,1,0.1,7\n", ["row 2 has another number of cells than the header"]),
        (
            "symbol,session,horizon,p_up\nA,2016-01-04,1,0.5\nA,2016-01-05,1,55\n",
            ["row 3, column 'p_up': '55' is not within 0 and 1", "divide it by 100 if it is in per cent"],
        ),
        (
            "symbol,session,horizon,p_up\nA,2016-01-04,1,-0.1\n",
            ["'-0.1' is not within 0 and 1", "write the probability of a rise"],
        ),
        ("symbol,session,horizon,volatility\nA,2016-01-04,1,0\n", ["column 'volatility': '0' is not above 0"]),
        ("symbol,session,horizon,price\nA,2016-01-04,1,-3\n", ["column 'price': '-3' is not above 0"]),
        (
            "symbol,session,horizon,q05,q50,q95\nA,2016-01-04,1,-0.1,0,0.1\nB,2016-01-04,1,0.1,,0.05\n",
            ["row 3, column 'q95': '0.05' is below 'q05' (0.1)", "quantiles cross in 1 row"],
        ),
        (f"{HEADER}\nA,2016-01-04,1,\nA,2016-01-05,1,nan\n", ["holds no forecast", "write numbers"]),
        (b"PAR1 this is no Parquet file", ["is not a readable Parquet file"]),
        (b"\x00\x01\x02\x03 not text", ["is not text"]),
    ],
)
def test_a_file_that_cannot_be_used_is_told_why(tmp_path: Path, text: str | bytes, parts: list[str]) -> None:
    message = refusal(tmp_path, text)
    for part in parts:
        assert part in message


def test_places_that_hold_no_file(tmp_path: Path) -> None:
    for path, part in ((tmp_path / "none.csv", "is not there"), (tmp_path, "is a folder")):
        with pytest.raises(DataError, match=part):
            read_forecasts(path)


@pytest.mark.parametrize(
    ("source", "part"),
    [
        (3, "of type int is not a table"),
        (pd.DataFrame(), "has no column 'symbol'"),
        (
            pd.DataFrame({"symbol": ["A"], "session": ["2016-01-04"], "horizon": [1], "return": [{"q": 1}]}),
            "column 'return' has a collection in each cell",
        ),
        (
            pd.DataFrame({"symbol": ["A"], "session": ["2016-01-04"], "horizon": [1], "return": [True]}),
            "column 'return' is of type bool",
        ),
        (
            pd.DataFrame({"symbol": ["A"], "as_of": [pd.Timestamp("2016-01-04 10:00")], "horizon": 1, "return": 0.1}),
            "row 0, column 'as_of'.*has no time zone",
        ),
        (
            pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])),
            "has columns of several levels",
        ),
    ],
)
def test_frames_that_cannot_be_used(source: object, part: str) -> None:
    with pytest.raises(DataError, match=part):
        read_forecasts(source)


def test_a_million_rows_are_read(tmp_path: Path) -> None:
    count = 1_000_000
    days = pd.bdate_range("2010-01-04", periods=2000)
    frame = pd.DataFrame(
        {
            "symbol": np.repeat([f"S{i:03d}" for i in range(500)], 2000),
            "session": np.tile(days, 500),
            "horizon": 1,
            "volatility": np.linspace(0.01, 0.02, count),
        }
    )
    path = tmp_path / "large.parquet"
    frame.to_parquet(path)
    (rows,) = read_forecasts(path)
    assert len(rows) == count
    assert rows.frame["volatility"].iloc[-1] == 0.02
    assert rows.frame["session"].iloc[-1] == days[-1]


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("volatility", "1e300", "is beyond 1e+30"),
        ("volatility", "1e-300", "is not within 1e-12 and 1e+12"),
        ("variance", "1e29", "is not within 1e-24 and 1e+24"),
        ("log_variance", "800", "is not within -55 and 55"),
        ("return", "-1e200", "is beyond 1e+30"),
        ("q05", "1e99", "is beyond 1e+30"),
    ],
)
def test_numbers_that_nothing_can_be_computed_of_are_refused(tmp_path: Path, column: str, value: str, why: str) -> None:
    message = refusal(tmp_path, f"symbol,session,horizon,{column}\nAAPL,2016-01-04,1,{value}\n")
    assert f"row 2, column {column!r}" in message
    assert why in message


def test_a_text_that_is_no_symbol_is_refused_in_a_short_line(tmp_path: Path) -> None:
    message = refusal(tmp_path, f"{HEADER}\nAAPL,2016-01-04,1,0.01\n{'A' * 500_000},2016-01-04,1,0.01\n")
    assert "row 3, column 'symbol'" in message
    assert "has more than 64 characters" in message
    assert len(message) < 400


FRAME = pd.DataFrame(
    {
        "symbol": ["AAPL", "MSFT"] * 3,
        "session": pd.to_datetime(["2016-01-04", "2016-01-04", "2016-01-05", "2016-01-05", "2016-01-06", "2016-01-06"]),
        "horizon": 1,
        "return": [0.01, -0.01, 0.0, 0.02, 0.01, 0.0],
        "volatility": [0.01, 0.02, 0.01, 0.03, 0.02, 0.01],
    }
)


def first(column: str, value: object) -> pd.DataFrame:
    """`FRAME` with another value in the first row."""
    return FRAME.assign(**{column: pd.Series([value, *FRAME[column][1:]], dtype=object)})


# what is wrong -> the frame, and how many of its forecasts remain
MENDED: dict[str, tuple[pd.DataFrame, int]] = {
    "doubled": (pd.concat([FRAME, FRAME.iloc[[2]].assign(volatility=0.5)]), 6),
    "no symbol": (FRAME.drop_duplicates("session").drop(columns="symbol"), 3),
    "no horizon": (FRAME.drop(columns="horizon"), 6),
    "a date": (FRAME.rename(columns={"session": "date"}), 6),
    "nothing forecast": (FRAME.rename(columns={"return": "x"}).drop(columns="volatility"), 6),
    "a horizon of 0": (first("horizon", 0), 5),
    "half a session": (first("horizon", 1.5), 5),
    "no horizon in a row": (first("horizon", np.nan), 5),
    "every horizon 0": (FRAME.assign(horizon=0), 6),
    "a volatility of 0": (first("volatility", 0.0), 6),
    "infinite": (first("volatility", np.inf), 6),
    "a text": (first("volatility", "n.d."), 6),
    "decimal commas": (FRAME.assign(volatility=FRAME["volatility"].map("{:.3f}".format).str.replace(".", ",")), 6),
    "per cent signs": (FRAME.assign(volatility=FRAME["volatility"].map("{:.1%}".format)), 6),
    "a list in each cell": (FRAME.assign(volatility=FRAME["volatility"].map(lambda own: [own])), 6),
    "P(up) in per cent": (FRAME.assign(p_up=55.0), 6),
    "P(up) below 0": (FRAME.assign(p_up=[-0.2, 0.5, 0.5, 0.5, 0.5, 0.5]), 6),
    "quantiles that cross": (FRAME.assign(q05=0.02, q95=-0.02), 6),
    "a level twice": (FRAME.assign(q05=-0.02, **{"q0.05": -0.03}), 6),
    "no zone": (FRAME.assign(as_of=FRAME["session"] + pd.Timedelta(hours=21)), 6),
    "a symbol missing": (first("symbol", None), 5),
}


@pytest.mark.parametrize("name", MENDED)
def test_a_frame_comes_with_the_line_that_mends_it(name: str) -> None:
    df, count = MENDED[name]
    with pytest.raises(FrameError) as refused:
        read_forecasts(df)
    assert "\n" not in str(refused.value)
    scope = {"df": df.copy(), "pd": pd, "np": np}
    exec(refused.value.mend, scope)
    (rows,) = read_forecasts(scope["df"])
    assert len(rows.frame) == count


def test_no_frame_at_all_is_named() -> None:
    with pytest.raises(
        FrameError, match=r"mine is None, not a table: give a file, or a frame with one row per forecast\."
    ):
        read_forecasts(None, name="mine")
