"""--dates, --decimal, --encoding and --columns of `tenor data import`, and the same from Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenor.cli import main
from tenor.errors import ConfigError, DataError
from tenor.ingest.importing import import_files
from tenor.store import Lake

GERMAN = "Tag;Wert;Anfang;Spitze;Boden;Ende\n06.05.2019;AAA;1.003;1.010;1.001;1.005\n"
AMERICAN = "Date,Open,High,Low,Close\n06/05/2019,10,12,9,11\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "german.csv").write_text(GERMAN)
    (tmp_path / "AAA.csv").write_text(AMERICAN)
    return tmp_path


def bar(store: Path) -> list[object]:
    (row,) = Lake(str(store)).bars().frame[["symbol", "session", "open", "close"]].to_numpy().tolist()
    return [row[0], f"{row[1]:%Y-%m-%d}", *row[2:]]


def test_columns_and_marks_that_the_user_names(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = files / "lake"
    command = ["data", "import", str(files / "german.csv"), "--store", str(store)]
    named = ["--columns", "date=Tag,ticker=Wert,open=Anfang", "--columns", "high=Spitze,low=Boden,close=Ende"]
    assert main(command) == 1
    assert "has no column for date, open, high, low, close" in capsys.readouterr().out
    assert main([*command, *named]) == 1
    assert "say which with --decimal point or --decimal comma" in capsys.readouterr().out
    assert main([*command, *named, "--decimal", "comma"]) == 0
    assert bar(store) == ["AAA", "2019-05-06", 1003.0, 1005.0]


def test_the_order_of_dates_that_the_user_gives(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = files / "lake"
    command = ["data", "import", str(files / "AAA.csv"), "--store", str(store)]
    assert main(command) == 1
    assert "may be day first (2019-05-06) or month first (2019-06-05)" in capsys.readouterr().out
    assert main([*command, "--dates", "mdy"]) == 0
    assert bar(store) == ["AAA", "2019-06-05", 10.0, 11.0]


def test_news_in_another_alphabet_ask_for_their_encoding(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, store = files / "news.csv", files / "lake"
    path.write_bytes("time,ticker,title\n2024-05-01T10:00:00Z,AAA,茅台股价涨停\n".encode("gbk"))
    command = ["data", "import", str(path), "--store", str(store)]
    assert main(command) == 1
    assert "name its encoding: --encoding gbk" in " ".join(capsys.readouterr().out.split())
    assert main([*command, "--encoding", "gb2312"]) == 0
    assert "read as gb2312" in capsys.readouterr().out
    assert Lake(str(store)).news().frame["text"].tolist() == ["茅台股价涨停"]


def test_a_path_that_is_missing_hides_no_other(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, missing, empty = files / "lake", files / "typo.csv", files / "empty"
    empty.mkdir()
    paths = [str(missing), str(empty), str(files / "AAA.csv")]
    assert main(["data", "import", *paths, "--store", str(store), "--dates", "mdy"]) == 1
    shown = " ".join(" ".join(capsys.readouterr()).split())
    assert "typo.csv: there is no such file or folder; the others were imported." in shown
    assert "empty has no file that ends in" in shown
    assert bar(store) == ["AAA", "2019-06-05", 10.0, 11.0]
    with pytest.raises(DataError, match=r"typo\.csv: there is no such file or folder: check the path"):
        import_files(str(store), [str(missing)])
    with pytest.raises(DataError, match=r"typo\.csv: there is no such file or folder: check the path"):
        import_files(str(store), [str(missing), str(missing) + "2"])
    with pytest.raises(DataError, match="has no file that ends in"):
        import_files(str(store), [str(empty)])


def test_times_of_news_in_an_order_that_the_user_gives(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, store = files / "news.csv", files / "lake"
    path.write_text("sep=;\nWhen;Ticker;Headline\n03/04/2020 14:00 UTC;AAA;a mill opens\n")
    command = ["data", "import", str(path), "--store", str(store), "--columns", "published_at=When"]
    assert main(command) == 1
    assert "--dates dmy or --dates mdy" in " ".join(capsys.readouterr().out.split())
    assert main([*command, "--dates", "mdy"]) == 0
    assert [str(at) for at in Lake(str(store)).news().frame["published_at"]] == ["2020-03-04 14:00:00+00:00"]


def test_a_class_of_shares_behind_a_blank_is_known_from_the_lake(files: Path) -> None:
    store, news = str(files / "lake"), files / "news.csv"
    news.write_text("time,ticker,title\n2024-05-01T10:00:00Z,XYZ B,a mill opens\n")
    apart = import_files(store, [str(news)])
    assert Lake(store).news().frame["symbol"].tolist() == ["B", "XYZ"]
    assert "XYZ B is read as two symbols: XYZ-B is not known" in apart.files[0].notes
    (files / "XYZ.B.csv").write_text("Date,Open,High,Low,Close\n2019-05-06,10,12,9,11\n")
    joined = import_files(str(files / "other"), [str(files / "XYZ.B.csv"), str(news)])
    assert Lake(str(files / "other")).news().frame["symbol"].tolist() == ["XYZ-B"]
    assert "XYZ B is taken for XYZ-B" in joined.files[1].notes


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--dates", "us"], "--dates is 'us'; it takes dmy, mdy, ymd"),
        (["--decimal", "dot"], "--decimal is 'dot'; it takes point or comma"),
        (["--encoding", "gkb"], "--encoding is 'gkb'; it takes an encoding that Python knows"),
        (["--columns", "clsoe=Ende"], "Did you mean 'close'?"),
        (["--columns", "close"], "is not NAME=COLUMN"),
    ],
)
def test_options_that_mean_nothing(
    option: list[str], message: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = files / "lake"
    assert main(["data", "import", str(files / "AAA.csv"), "--store", str(store), *option]) != 0
    assert message in " ".join(capsys.readouterr().err.split())
    assert not store.exists()


def test_a_column_that_the_file_lacks_is_named_with_those_it_has(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["data", "import", str(files / "german.csv"), "--store", str(files / "lake")]
    assert main([*command, "--columns", "date=Tagg"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "has no column 'Tagg' (its header: 'Tag', 'Wert', 'Anfang', 'Spitze', 'Boden', 'Ende')" in shown
    assert "Did you mean 'Tag'?" in shown


def test_the_same_from_python(files: Path) -> None:
    columns = {"session": "Tag", "symbol": "Wert", "open": "Anfang", "high": "Spitze", "low": "Boden", "close": "Ende"}
    result = import_files(str(files / "1"), [str(files / "german.csv")], decimal="point", columns=columns)
    assert result.bars.new == 1
    assert bar(files / "1") == ["AAA", "2019-05-06", 1.003, 1.005]
    with pytest.raises(ConfigError, match="--dates is 'x'"):
        import_files(str(files / "2"), [str(files / "AAA.csv")], dates="x")


def test_a_name_that_the_user_gives_wins(tmp_path: Path) -> None:
    (tmp_path / "AAA.csv").write_text("Date,Open,High,Low,Close,Settle\n2019-05-06,10,12,9,11,10.5\n")
    import_files(str(tmp_path / "lake"), [str(tmp_path / "AAA.csv")], columns={"close": "settle"})
    assert bar(tmp_path / "lake") == ["AAA", "2019-05-06", 10.0, 10.5]
