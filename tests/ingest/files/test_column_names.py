"""Columns that the user names."""

from __future__ import annotations

import pytest

from tenor.errors import ConfigError, UnusableError
from tenor.ingest.files.column_names import find_named, parse_columns


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        (["date=Datum,close=Schluss"], {"session": "Datum", "close": "Schluss"}),
        (["text=Titel", "published_at=Zeit, ticker=WKN"], {"text": "Titel", "published_at": "Zeit", "symbol": "WKN"}),
        (['"symbol=WKN, ISIN",time=Zeit'], {"symbol": "WKN, ISIN", "published_at": "Zeit"}),
        (["Adj Close=Kurs=bereinigt"], {"adj_close": "Kurs=bereinigt"}),
        (["symbol=WKN,ticker=WKN"], {"symbol": "WKN"}),
        ([], {}),
    ],
)
def test_what_the_user_writes(options: list[str], columns: dict[str, str]) -> None:
    assert parse_columns(options) == columns


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("date", "'date' is not NAME=COLUMN"),
        ("date=", "'date=' is not NAME=COLUMN"),
        ("date=Tag,", "'' is not NAME=COLUMN"),
        ("clsoe=Schluss", "Did you mean 'close'?"),
        ("date=Tag,session=Datum", "names 'session' twice, as 'Tag' and 'Datum'"),
    ],
)
def test_what_can_not_be_meant(option: str, message: str) -> None:
    with pytest.raises(ConfigError, match="--columns") as error:
        parse_columns([option])
    assert message in str(error.value)


def test_columns_are_found_as_they_stand_then_without_case() -> None:
    names = [" datum ", "Datum", "WKN"]
    assert find_named({"session": "Datum", "symbol": "wkn"}, names) == {"session": 1, "symbol": 2}
    with pytest.raises(UnusableError, match=r"has no column 'Tag' \(its header: 'datum', 'Datum', 'WKN'\)"):
        find_named({"session": "Tag"}, names)
