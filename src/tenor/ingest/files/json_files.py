"""Bars in JSON: lines of objects, or one document with a list of them, as brokers' interfaces answer."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from tenor.errors import UnusableError
from tenor.ingest.files.layouts import guess_columns
from tenor.symbols import clean_symbol

LINES_SUFFIXES = (".jsonl", ".ndjson")
JSON_SUFFIXES = (*LINES_SUFFIXES, ".json")
# where documents keep their bars, and their symbol
_LISTS = ("results", "bars", "data", "candles", "values", "prices", "historical", "quotes")
_SYMBOLS = ("ticker", "symbol", "s")
_SAMPLE = 20


def is_bar_json(path: Path) -> bool:
    """Whether the first object in `path`, lines or a document, has a date, open, high, low and close."""
    try:
        if path.suffix.lower() in LINES_SUFFIXES:
            with path.open("rb") as lines:
                sample = list(itertools.islice((line for line in lines if line.strip()), _SAMPLE))
            records = [record for record in map(_parsed, sample) if isinstance(record, dict)]
        else:
            records = read_json_rows(path)[0]
    except (OSError, UnusableError):
        return False
    return bool(records) and not guess_columns([str(name) for name in records[0]]).missing


def read_json_rows(path: Path) -> tuple[list[dict[str, Any]], str]:
    """The objects in `path`, and the symbol of the document (``""`` where it has none).

    Raises
    ------
    UnusableError
        It is no JSON, or has no list of objects.
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
    if isinstance(document, dict):
        symbol = next((clean_symbol(str(document[key])) for key in _SYMBOLS if document.get(key)), "")
        return _required(_listed(document)), symbol
    return _required(document if isinstance(document, list) else []), ""


def _listed(document: dict[str, Any]) -> list[Any]:
    """The rows in a document: a list of them, one list a symbol, or one object a day."""
    for key in (*_LISTS, *document):
        rows = document.get(key)
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            return rows
        if isinstance(rows, dict) and rows:
            values = list(rows.values())
            if all(isinstance(value, list) for value in values):
                return [{"symbol": name} | row for name, own in rows.items() for row in own if isinstance(row, dict)]
            if all(isinstance(value, dict) for value in values):
                return [{"date": day} | value for day, value in rows.items() if len(value) > 3]
    return []


def _required(records: list[Any]) -> list[dict[str, Any]]:
    if not records or not all(isinstance(record, dict) for record in records):
        raise UnusableError("has no list of JSON objects", "write one object a bar, or CSV")
    return [{str(name): value for name, value in record.items()} for record in records]


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
