"""Convert the layouts in which programs write a table as JSON to a list of objects, one for each row.

The layouts are: a list of objects; a list of lists with a header; columns as lists (``{"t": [...], "c": [...]}``, as
services of candles answer); and the ``orient`` values ``columns``, ``index`` and ``split`` of pandas' ``to_json``. The
table may be nested in a document, and there may be one for each symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tenor.errors import UnusableError
from tenor.ingest.files.column_names import shown_header
from tenor.symbols import clean_symbol

Rows = list[dict[str, Any]]
Wanted = Callable[[Sequence[str]], bool]

_DEEPEST = 6
_SAMPLE = 20
_FIRST = 1000
_MOST_COLUMNS = 60_000
# the keys under which documents store the header and the rows, if both are lists
_HEADERS = ("columns", "column_names", "columnnames", "fields", "headers")
_BODIES = ("data", "rows", "values")
_SYMBOLS = ("symbol", "ticker", "dataset_code")
# values of a field that holds the state of the answer in some services, and the symbol in others
_STATES = ("ok", "no_data", "error", "success")


def find_table(document: Any, wanted: Wanted, label: str, *, depth: int = _DEEPEST) -> Rows | None:
    """The rows of the first table in `document` whose columns are `wanted`; None if there is none.

    Parameters
    ----------
    document
        A parsed JSON text.
    wanted
        Takes the names of a table's columns; returns whether it is the table that is looked for.
    label
        The name of the column that the labels of rows become, if the table is not `wanted` without this column.
    depth
        How deep the table may be nested.

    Raises
    ------
    UnusableError
        The columns of the table are lists of different lengths.

    Examples
    --------
    >>> find_table({"s": "ok", "t": [1, 2], "c": [3.5, 4]}, lambda names: "c" in names, "t")
    [{'t': 1, 'c': 3.5}, {'t': 2, 'c': 4}]
    """
    rows = _as_table(document, wanted, label)
    if rows or depth <= 0:
        return rows
    if isinstance(document, list):
        found = _tables_in(enumerate(document), wanted, label, depth)
        if len(found) <= 1:
            return next(iter(found.values()), None)
        named = [(symbol_in(document[place]), own) for place, own in found.items()]
        return _joined(named) if all(symbol for symbol, _ in named) else None
    if not isinstance(document, Mapping):
        return None
    tables = _tables_in(document.items(), wanted, label, depth)
    # {"AAPL": table, "MSFT": table}
    if len(tables) == len(document) and all(key == key.upper() and clean_symbol(key) for key in map(str, tables)):
        return _joined([(clean_symbol(str(key)), own) for key, own in tables.items()]) or None
    return next(iter(tables.values()), None)


def _tables_in(parts: Iterable[tuple[Any, Any]], wanted: Wanted, label: str, depth: int) -> dict[Any, Rows]:
    """The parts of a document that have a table; none if the first `_FIRST` have none, because then they are rows."""
    tables: dict[Any, Rows] = {}
    for count, (key, inner) in enumerate(parts):
        if count == _FIRST and not tables:
            break
        if own := find_table(inner, wanted, label, depth=depth - 1):
            tables[key] = own
    return tables


def symbol_in(document: Any) -> str:
    """The symbol that a document names for all its rows, at the top level or in its metadata; ``""`` if it names none.

    Examples
    --------
    >>> symbol_in({"ticker": "AAPL", "results": []}), symbol_in({"Meta Data": {"2. Symbol": "IBM"}})
    ('AAPL', 'IBM')
    >>> symbol_in({"s": "ok"})
    ''
    """
    if not isinstance(document, Mapping):
        return ""
    own = {_last_word(key): value for key, value in document.items() if isinstance(value, str)}
    for key in _SYMBOLS:
        if symbol := clean_symbol(own.get(key, "")):
            return symbol
    if own.get("s", "").strip().lower() not in ("", *_STATES) and (symbol := clean_symbol(own["s"])):
        return symbol
    inner = (symbol_in(value) for value in document.values() if isinstance(value, Mapping))
    single = (symbol_in(value[0]) for value in document.values() if isinstance(value, list) and len(value) == 1)
    return next((symbol for symbol in (*inner, *single) if symbol), "")


def _last_word(key: Any) -> str:
    """``"2. Symbol"`` as ``symbol``."""
    return str(key).split(".")[-1].strip().lower()


def _joined(tables: Sequence[tuple[str, Rows]]) -> Rows:
    return [{"symbol": symbol, **row} for symbol, rows in tables for row in rows]


def _as_table(value: Any, wanted: Wanted, label: str) -> Rows | None:
    """The rows of `value` itself, in the first layout in which its columns are `wanted`."""
    if isinstance(value, list):
        return _of_objects(value, wanted) or _of_lists(value, wanted)
    if not isinstance(value, Mapping) or not value:
        return None
    return (
        _of_split(value, wanted, label)
        or _of_columns(value, wanted)
        or _of_yahoo(value, wanted)
        or _of_mappings(value, wanted, label)
    )


def _of_objects(value: list[Any], wanted: Wanted) -> Rows | None:
    if not value or not all(isinstance(row, Mapping) for row in value):
        return None
    return [_named(row) for row in value] if wanted(_names(value)) else None


def _of_lists(value: list[Any], wanted: Wanted) -> Rows | None:
    """A list of names, followed by lists of values."""
    if len(value) < 2 or not all(isinstance(row, list) and len(row) == len(value[0]) for row in value):
        return None
    names = value[0]
    if not all(isinstance(name, str) for name in names) or not wanted(names):
        return None
    return [dict(zip(names, row, strict=True)) for row in value[1:]]


def _of_split(value: Mapping[str, Any], wanted: Wanted, label: str) -> Rows | None:
    """Separate lists of names, rows and perhaps labels: pandas' ``split``, and services that send tables."""
    keys = {str(key).lower(): key for key in value}
    header = next((value[keys[name]] for name in _HEADERS if name in keys), None)
    body = next((value[keys[name]] for name in _BODIES if name in keys), None)
    if not isinstance(header, list) or not isinstance(body, list) or not header or not body:
        return None
    if not all(isinstance(row, list) and len(row) == len(header) for row in body):
        return None
    names = [_name(name) for name in header]
    rows: Rows = [dict(zip(names, row, strict=True)) for row in body]
    if wanted(names):
        return rows
    index = value.get("index")
    if isinstance(index, list) and len(index) == len(body) and wanted([label, *names]):
        return [{label: key, **row} for key, row in zip(index, rows, strict=True)]
    return None


def _name(name: Any) -> str:
    """The name of a column: a text, the levels of a MultiIndex, or an object that describes the column."""
    if isinstance(name, Mapping):
        return str(name.get("name", ""))
    if isinstance(name, list):
        return f"({', '.join(repr(str(part)) for part in name)})"
    return str(name)


def _of_columns(value: Mapping[str, Any], wanted: Wanted) -> Rows | None:
    """Columns as lists; other fields of the object are metadata."""
    columns = {
        str(key): cells
        for key, cells in value.items()
        if isinstance(cells, list) and cells and not any(isinstance(cell, (list, Mapping)) for cell in cells)
    }
    if len(columns) < 2 or not wanted(list(columns)):
        return None
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {count}" for name, count in list(lengths.items())[:12])
        raise UnusableError(f"has columns of different lengths ({shown})", "export it again")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _of_yahoo(value: Mapping[str, Any], wanted: Wanted) -> Rows | None:
    """Yahoo's chart format: a list of moments, and groups of lists of prices."""
    groups = value.get("indicators")
    if not isinstance(groups, Mapping) or "timestamp" not in value:
        return None
    lists = {"timestamp": value["timestamp"]}
    for group in groups.values():
        if isinstance(group, list) and group and isinstance(group[0], Mapping):
            lists |= group[0]
    return _of_columns(lists, wanted)


def _of_mappings(value: Mapping[str, Any], wanted: Wanted, label: str) -> Rows | None:
    """Columns that contain rows, or rows that contain columns: pandas' ``columns`` and ``index``, one object a day."""
    parts = {str(key): part for key, part in value.items() if isinstance(part, Mapping) and part}
    if not parts or any(isinstance(cell, (list, Mapping)) for part in parts.values() for cell in part.values()):
        return None
    outer, inner = list(parts), _names(list(parts.values()))
    labelled = len(parts) == len(value)  # whether every part is an object; otherwise some fields are metadata
    if wanted(inner):
        return [_named(part) for part in parts.values()]
    if labelled and len(outer) <= _MOST_COLUMNS and (wanted(outer) or wanted([label, *outer])):
        labels = list(dict.fromkeys(key for part in parts.values() for key in part))
        rows = [{name: part.get(key) for name, part in parts.items()} for key in labels]
        return rows if wanted(outer) else [{label: key, **row} for key, row in zip(labels, rows, strict=True)]
    if wanted([label, *inner]):
        return [{label: key, **_named(part)} for key, part in parts.items()]
    return None


def _names(rows: Sequence[Mapping[Any, Any]]) -> list[str]:
    return list(dict.fromkeys(str(name) for row in rows[:_SAMPLE] for name in row))


def _named(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): cell for name, cell in row.items()}


def described(document: Any) -> str:
    """The names in a document, for a message: those of its first row or columns, or its top-level keys."""
    if isinstance(document, list):
        inner = next((item for item in document if isinstance(item, Mapping)), None)
        return described(inner) if inner is not None else ""
    if isinstance(document, Mapping):
        nested = next((item for item in document.values() if isinstance(item, list) and item), None)
        if nested is not None and isinstance(nested[0], Mapping):
            return described(nested)
        return shown_header([str(name) for name in document])
    return ""
