"""Texts in one column of a file, for scoring."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tenor.errors import DataError
from tenor.ingest.files.text_columns import read_texts


@pytest.mark.parametrize("name", ["texts.csv", "texts.parquet", "texts.jsonl"])
def test_texts_of_a_file_in_its_order(tmp_path: Path, name: str) -> None:
    rows = [{"id": 3, " Text": "Acme gains"}, {"id": 1, " Text": None}, {"id": 2, " Text": "12"}]
    path = tmp_path / name
    if path.suffix == ".csv":
        pd.DataFrame(rows).to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pd.DataFrame(rows).to_parquet(path)
    assert read_texts(path) == ["Acme gains", "", "12"]


def test_a_column_is_named_or_found_by_its_usual_names(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("Nr;Meldung;title\n1;Werk öffnet, endlich;a mill\n2;nan;none\n", encoding="cp1252")
    assert read_texts(path) == ["a mill", ""]
    assert read_texts(path, "Meldung") == read_texts(path, "meldung ") == ["Werk öffnet, endlich", ""]


def test_one_column_has_commas(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('headline\nSales rose, costs fell; all good\n"Quoted, ""too"""\n')
    assert read_texts(path) == ["Sales rose, costs fell; all good", 'Quoted, "too"']


def test_a_file_without_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.csv: there is no such file"):
        read_texts(tmp_path / "nothing.csv")
    other = tmp_path / "other.csv"
    other.write_text("Titel,date\nAcme gains,2015-06-11\nAcme falls\n")
    with pytest.raises(DataError, match=r"no column of texts \(its header: 'Titel', 'date'\): name it with --column"):
        read_texts(other)
    with pytest.raises(DataError, match=r"has no column 'Text' \(its header: 'Titel', 'date'\): correct --column"):
        read_texts(other, "Text")
    with pytest.raises(DataError, match=r"row 3: 'Acme falls' has 1 columns, its header 2"):
        read_texts(other, "Titel")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"broken\.parquet can't be read"):
        read_texts(tmp_path / "broken.parquet")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match=r"empty\.csv is empty"):
        read_texts(tmp_path / "empty.csv")


def test_an_encoding_that_the_user_names(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_bytes("text\n현대차 실적 발표\n".encode("euc_kr"))
    with pytest.raises(DataError, match="name its encoding: --encoding"):
        read_texts(path)
    assert read_texts(path, encoding="euc-kr") == ["현대차 실적 발표"]
