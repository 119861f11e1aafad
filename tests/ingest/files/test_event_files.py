"""Files of events: recognised by their columns, refused row by row, and never known earlier than the lake has it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tenor.cli import main
from tenor.config import FeatureConfig
from tenor.ingest.files import read_event_file
from tenor.ingest.files.event_files import is_event_file
from tenor.ingest.importing import import_files, import_table
from tenor.schema import Bars
from tenor.store import Lake
from tenor.workspace import Workspace

HEADER = "symbol,session,kind,known_since\n"
GOOD = "AAPL,2014-04-23,earnings,2014-04-02\n"


def written(folder: Path, text: str, name: str = "events.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_file_of_events_is_known_by_its_columns(tmp_path: Path) -> None:
    assert is_event_file(written(tmp_path, HEADER + GOOD))
    assert is_event_file(written(tmp_path, "Ticker;Date;Event\nAAPL;2014-04-23;earnings\n"))
    assert not is_event_file(written(tmp_path, "symbol,date,event,close\nAAPL,2014-04-23,split,3\n"))
    assert not is_event_file(written(tmp_path, "symbol,date,event,text\nAAPL,2014-04-23,split,3\n"))
    assert not is_event_file(written(tmp_path, "symbol,date,close\nAAPL,2014-04-23,3\n"))
    assert not is_event_file(written(tmp_path, ""))


def test_rows_are_read_and_days_are_closes(tmp_path: Path) -> None:
    text = (
        HEADER + GOOD + "brk.b, 2014-05-02 ,Stock Split,2014-05-01T16:30:00-04:00\n,2014-06-18,FED,2013-11-29\n"
        "7203.T,2014-05-08,earnings,2014-04-26\n"
    )
    batch = read_event_file(written(tmp_path, text))
    assert batch.events is not None
    rows = batch.events.frame.set_index("symbol")
    assert rows.loc["AAPL", "known_since"] == pd.Timestamp("2014-04-02 20:00", tz="UTC")
    assert rows.loc["BRK-B", "known_since"] == pd.Timestamp("2014-05-01 20:30", tz="UTC")
    assert rows.loc["BRK-B", "kind"] == "stock_split"
    assert rows.loc["", "known_since"] == pd.Timestamp("2013-11-29 18:00", tz="UTC")  # an early close
    assert rows.loc["7203.T", "known_since"] == pd.Timestamp("2014-04-28 06:00", tz="UTC")  # a Saturday: Monday's close
    assert batch.files[0].usable == 4


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("AAPL,2014-04-31,earnings,2014-04-02", "row 3: session '2014-04-31' is not a date: write the day as"),
        ("AAPL,23/04/2014,earnings,2014-04-02", "row 3: session '23/04/2014' is not a date"),
        ("AAPL,,earnings,2014-04-02", "row 3: session '' is not a date"),
        ("AAPL,2014-04-24,,2014-04-02", "row 3: kind '' is missing: name the kind"),
        ("AAPL,2014-04-24,earnings,", "row 3: known_since '' is missing: write the day on which it was announced"),
        ("AAPL,2014-04-24,earnings,soon", "row 3: known_since 'soon' is not a date"),
        ("AAPL,2014-04-24,earnings,2014-02-30", "row 3: known_since '2014-02-30' is not a date"),
        (
            "AAPL,2014-04-24,earnings,2014-04-02 09:00",
            "row 3: known_since '2014-04-02 09:00' is not a date",
        ),
        ("AAPL,2014-04-24,earnings,2014-04-25", "row 3: known_since '2014-04-25' lies after the event itself"),
        ("not a symbol,2014-04-24,earnings,2014-04-02", "row 3: symbol 'not a symbol' is not a symbol"),
        (
            "AAPL,2014-04-23,earnings,2014-03-02",
            "row 3: known_since '2014-03-02' contradicts a row that says",
        ),
    ],
)
def test_a_row_that_can_not_be_used_is_refused_and_the_others_stay(tmp_path: Path, row: str, message: str) -> None:
    batch = read_event_file(written(tmp_path, HEADER + GOOD + row + "\n"))
    (refusal,) = batch.refused

    assert re.search(message, refusal.describe()), refusal.describe()
    assert batch.events is not None
    assert len(batch.events.frame) == 1


def test_a_file_without_known_since_is_refused_whole(tmp_path: Path) -> None:
    batch = read_event_file(written(tmp_path, "symbol,session,kind\nAAPL,2014-04-23,earnings\n"))
    (refusal,) = batch.refused
    assert (
        "has no column 'known_since' (its header: symbol, session, kind): write the day on which" in refusal.describe()
    )
    assert batch.events is None


def test_a_row_twice_is_one(tmp_path: Path) -> None:
    batch = read_event_file(written(tmp_path, HEADER + GOOD + GOOD))
    assert batch.events is not None
    assert len(batch.events.frame) == 1
    assert batch.files[0].notes == ("1 rows appear twice",)


def test_parquet_with_timestamps_is_read(tmp_path: Path) -> None:
    moment = pd.Timestamp("2014-04-02 20:30", tz="UTC")
    frame = pd.DataFrame(
        {"symbol": ["AAPL"], "date": pd.to_datetime(["2014-04-23"]), "kind": ["earnings"], "known_since": [moment]}
    )
    frame.to_parquet(tmp_path / "events.parquet")
    batch = read_event_file(tmp_path / "events.parquet")
    assert batch.events is not None
    assert batch.events.frame["known_since"].tolist() == [moment]


def test_the_lake_holds_them_and_reports_what_reaches_no_model(
    tmp_path: Path, bars: Bars, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "lake")
    Lake(store).append_bars(bars, source="test")
    path = written(tmp_path, HEADER + GOOD + "S01,2014-04-23,earnings,2014-04-02\n")
    assert main(["data", "import", str(path), "--store", store]) == 0
    said = capsys.readouterr().out
    assert "events: 2 new, 0 revised, 0 already there" in said
    assert "events of symbols without bars, which reach no model: AAPL" in said
    result = import_files(store, [str(path)])
    assert (result.events.new, result.events.unchanged) == (0, 2)
    events = Lake(store).events()
    assert events is not None
    assert events.frame["symbol"].tolist() == ["AAPL", "S01"]
    assert Lake(store).query("SELECT count(*) AS n FROM events")["n"].tolist() == [2]


def test_a_date_that_is_edited_later_may_move_back_and_not_ahead(tmp_path: Path) -> None:
    store = str(tmp_path / "lake")
    import_files(store, [str(written(tmp_path, HEADER + GOOD))])
    earlier = import_files(store, [str(written(tmp_path, HEADER + GOOD.replace("2014-04-02", "2014-03-02")))])
    assert "known_since '2014-03-02' is earlier than 2014-04-02 20:00 UTC, which the lake has" in earlier.refused[0]
    assert earlier.events.revised == 0
    later = import_files(store, [str(written(tmp_path, HEADER + GOOD.replace("2014-04-02", "2014-04-10")))])
    assert later.events.revised == 1
    assert not later.refused


def test_a_folder_of_bars_and_events_is_read_whole(tmp_path: Path, bars: Bars) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    bars.frame.to_csv(folder / "bars.csv", index=False)
    written(folder, HEADER + "S01,2014-04-23,earnings,2014-04-02\n")
    result = import_files(str(tmp_path / "lake"), [str(folder)])
    assert (result.bars.new, result.events.new) == (len(bars.frame), 1)


TABLE = "symbol,session,known_since,value\nS01,2014-03-31,2014-05-02,1.5\n"


def test_a_table_of_own_features_is_imported_under_its_name(
    tmp_path: Path, bars: Bars, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "lake")
    Lake(store).append_bars(bars, source="test")
    path = str(written(tmp_path, TABLE + "ELSE,2014-03-31,2014-05-02,\nELSE,2014-06-30,2014-08-02,3\n", "eps.csv"))
    assert main(["data", "import", path, "--as", "features:eps", "--store", store]) == 0
    said = capsys.readouterr().out
    assert "eps (value): 2 new values, 0 already there" in said
    assert "values of symbols without bars, which reach no model: ELSE" in said
    frame = Lake(store).covariates("eps")
    assert frame is not None
    assert frame[["symbol", "value"]].to_numpy().tolist() == [["S01", 1.5], ["ELSE", 3.0]]
    assert Lake(store).covariate_names() == ("eps",)
    assert Lake(store).covariates("other") is None
    assert main(["data", "import", path, "--as", "eps", "--store", store]) == 2
    assert "--as is 'eps'; it takes features:NAME" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (TABLE.replace("2014-05-02", "2014-04-02"), "eps", "S01 2014-03-31 is stated to be known since 2014-04-02"),
        ("symbol,sector\nS01,Tech\n", "eps", "has neither a session nor known_since: it does not change"),
        (TABLE, "my table", "own feature 'my table': a name is made of letters"),
        ("", "eps", "is empty"),
        ("symbol,session,value\nS01,soon,1\n", "eps", "row 1: session 'soon' is not a date"),
    ],
)
def test_a_table_that_can_not_be_one_writes_nothing(
    tmp_path: Path, text: str, name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "lake")
    import_table(store, [str(written(tmp_path, TABLE, "first.csv"))], name="eps")
    capsys.readouterr()
    path = str(written(tmp_path, text, "x.csv"))
    assert main(["data", "import", path, "--as", f"features:{name}", "--store", store]) in (1, 2)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.search(message, said), said
    frame = Lake(store).covariates("eps")
    assert frame is not None
    assert len(frame) == 1


def test_a_workspace_gives_what_a_model_needs_and_nothing_else(tmp_path: Path, bars_of: Callable[..., Bars]) -> None:
    store = str(tmp_path / "lake")
    Lake(store).append_bars(bars_of(), source="test")
    import_files(store, [str(written(tmp_path, HEADER + GOOD))])
    import_table(store, [str(written(tmp_path, TABLE, "eps.csv"))], name="eps")
    workspace = Workspace(store)
    assert workspace.covariates(FeatureConfig()) is None
    assert workspace.covariates(FeatureConfig(own=("mine.py:f",))) is None
    both = workspace.covariates(FeatureConfig(own=("features:eps",), events=True))
    assert both is not None
    assert both.events is not None
    assert list(both.tables) == ["eps"]
    assert workspace.covariates(FeatureConfig(own=("features:eps",))).events is None  # type: ignore[union-attr]


MOVED = HEADER.replace("known_since\n", "known_since,withdrawn_since\n")


def test_a_date_that_was_moved_says_until_when_it_stood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(tmp_path / "lake")
    first = written(tmp_path, HEADER + GOOD, "first.csv")
    assert import_files(store, [str(first)]).events.new == 1
    text = MOVED + "AAPL,2014-04-23,earnings,2014-04-02,2014-04-10\nAAPL,2014-04-30,earnings,2014-04-10T09:00-04:00,\n"
    moved = written(tmp_path, text, "moved.csv")
    result = import_files(store, [str(moved)])
    assert (result.events.new, result.events.revised, result.events.unchanged) == (1, 1, 0)
    events = Lake(store).events()
    assert events is not None
    assert events.frame["withdrawn_since"].iloc[0] == pd.Timestamp("2014-04-10 20:00", tz="UTC")
    assert events.standing["session"].tolist() == [pd.Timestamp("2014-04-30")]
    # the file that does not say so does not undo it, and one that says another moment corrects it
    assert import_files(store, [str(first)]).events.unchanged == 1
    assert Lake(store).events().fingerprint() == events.fingerprint()  # type: ignore[union-attr]
    again = written(tmp_path, MOVED + "AAPL,2014-04-23,earnings,2014-04-02,2014-04-11\n", "again.csv")
    assert import_files(store, [str(again)]).events.revised == 1
    corrected = Lake(store).events()
    assert corrected is not None
    assert corrected.frame["withdrawn_since"].iloc[0] == pd.Timestamp("2014-04-11 20:00", tz="UTC")
    back = "AAPL,2014-04-23,earnings,2014-04-02,2014-04-11\nAAPL,2014-04-23,earnings,2014-04-14,\n"
    assert not import_files(store, [str(written(tmp_path, MOVED + back, "back.csv"))]).refused
    restored = Lake(store).events()
    assert restored is not None
    rows = restored.frame[restored.frame["session"] == pd.Timestamp("2014-04-23")]
    assert rows["known_since"].dt.day.tolist() == [2, 14]
    assert rows["withdrawn_since"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("AAPL,2014-04-30,earnings,2014-04-02,soon", "withdrawn_since 'soon' is not a date"),
        ("AAPL,2014-04-30,earnings,2014-04-02,2014-04-10 09:00", "withdrawn_since '2014-04-10 09:00' is not a date"),
        ("AAPL,2014-04-30,earnings,2014-04-02,2014-04-01", "withdrawn_since '2014-04-01' is not after known_since"),
        (
            "AAPL,2014-04-30,earnings,2014-04-02,2014-04-02",
            "is not after known_since: correct it; a date that was never known",
        ),
        (
            "AAPL,2014-04-23,earnings,2014-04-01,2014-04-05",  # the lake's row says April 2, within this time
            "known_since '2014-04-01' contradicts a row that says 2014-04-02",
        ),
    ],
)
def test_a_withdrawal_that_can_not_be_is_refused(tmp_path: Path, row: str, message: str) -> None:
    text = MOVED + GOOD.replace("\n", ",\n") + row + "\n"
    batch = read_event_file(written(tmp_path, text))
    (refusal,) = batch.refused
    assert re.search(re.escape(message), refusal.describe()), refusal.describe()
    assert batch.events is not None
    assert len(batch.events.frame) == 1
