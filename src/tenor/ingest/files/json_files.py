"""Bars in JSON: JSON lines, or one document with a table, as brokers' APIs and pandas write them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tenor.errors import UnusableError
from tenor.ingest.files.json_tables import find_table, symbol_in
from tenor.ingest.files.layouts import ALIASES, guess_columns, headerless
from tenor.ingest.files.side_by_side import joined_names

LINES_SUFFIXES = (".jsonl", ".ndjson")
JSON_SUFFIXES = (*LINES_SUFFIXES, ".json")
_SAMPLE = 20
DATE = "Date"
"""The name of the column that the labels of rows become."""


def is_bar_json(path: Path, columns: Mapping[str, str] | None = None) -> bool:
    """Whether `path` (JSON lines or a JSON document) has a table with date, open, high, low and close.

    Parameters
    ----------
    path
        The file.
    columns
        Names of columns that the user gave, as `parse_columns` reads them.
    """
    try:
        if path.suffix.lower() in LINES_SUFFIXES:
            with path.open("rb") as lines:
                sample = list(itertools.islice((line for line in lines if line.strip()), _SAMPLE))
            records = [record for record in map(_parsed, sample) if isinstance(record, dict)]
            return bool(records) and _are_bars([str(name) for name in records[0]], columns)
        return _bars_of(_parsed(path.read_bytes()), columns) is not None
    except OSError:
        return False
    except UnusableError:
        return True  # columns of bars, but of different lengths: the reader reports it


def _are_bars(names: Sequence[str], columns: Mapping[str, str] | None) -> bool:
    chosen = {column: own for column, own in (columns or {}).items() if column in ALIASES}
    try:
        return not guess_columns(names, chosen).missing or (not chosen and joined_names(names) is not None)
    except UnusableError:
        return False  # it lacks a column that the user named


def read_json_rows(path: Path, columns: Mapping[str, str] | None = None) -> tuple[list[dict[str, Any]], str]:
    """The rows in `path` as objects, and the symbol of the document (``""`` if it names none).

    Parameters
    ----------
    path
        The file.
    columns
        Names of columns that the user gave.

    Raises
    ------
    UnusableError
        It is not JSON, or has no table of objects.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnusableError(f"can't be read ({error.strerror})", "check the file and its rights") from error
    if path.suffix.lower() in LINES_SUFFIXES:
        records = []
        for number, line in enumerate(content.splitlines(), 1):
            if line.strip():
                record = _parsed(line)
                if not isinstance(record, dict):
                    shown = line[:40].decode("utf-8", "backslashreplace")
                    raise UnusableError(
                        "is not a JSON object", "correct or drop the line", row=number, column="row", value=shown
                    )
                records.append(record)
        return _required(records), ""
    document = _parsed(content)
    rows = _bars_of(document, columns)
    if rows is None:  # read any other table, so that the message can list its names
        rows = find_table(document, bool, DATE)
    return _required(rows or []), symbol_in(document)


def _bars_of(document: Any, columns: Mapping[str, str] | None) -> list[dict[str, Any]] | None:
    """The rows of the table of bars in a document; None if it has none."""
    if isinstance(document, list) and document and not columns:
        first = document[0] if isinstance(document[0], list) else []
        assumed = headerless([str(cell) for cell in first])
        if assumed and all(isinstance(row, list) and len(row) == len(assumed) for row in document):
            return [dict(zip(assumed, row, strict=True)) for row in document]
    return find_table(document, partial(_are_bars, columns=columns), DATE)


def _required(records: list[Any]) -> list[dict[str, Any]]:
    if not records or not all(isinstance(record, dict) for record in records):
        raise UnusableError("has no list of JSON objects", "write one object per bar, or CSV")
    return [{str(name): value for name, value in record.items()} for record in records]


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
