"""Read cells of news as texts, symbols and sources, or give the reason why a cell can't be used."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from tenor.ingest.files.text_files import is_missing, is_missing_symbol
from tenor.symbols import clean_symbol
from tenor.syntax import literal

_SHOWN = 40
_BETWEEN = re.compile(r"[\s,;|]+")
_CLASS_SHARE = re.compile(r"(?<![^\s,;|$])([A-Za-z0-9&]{1,10})\s+([A-Za-z]{1,2})(?![^\s,;|])")
_SIDE_BY_SIDE = re.compile(r"""['"]\s+['"]""")
# what Reddit and NewsAPI return for a text that was deleted
_REMOVED = ("[removed]", "[deleted]")
# keys to look for if a symbol is an object (Alpha Vantage, Marketaux), and if a source is one (NewsAPI, Polygon)
_SYMBOL_KEYS = ("symbol", "ticker", "code", "name")
_NAME_KEYS = ("name", "title", "id")
_LONGEST_LIST = 10_000


def shown(value: Any) -> str:
    """The cell in one line of at most 40 characters, for a refusal."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def storable(value: Any) -> Any:
    """`value`; in a text, each lone surrogate, which is legal in JSON but can't be stored, becomes ``\ufffd``."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def read_text(value: Any) -> tuple[str, str]:
    """The text in one line, and the reason if the cell has no text (``""`` otherwise)."""
    if value is None or (isinstance(value, float) and value != value):
        return "", "is missing"
    if not isinstance(value, str):
        return "", "is not a text"
    text = " ".join(value.split())
    if text.casefold() in _REMOVED:
        return "", "was removed by its publisher"
    return ("", "is missing") if is_missing(text) else (text, "")


def class_shares(value: Any) -> list[str]:
    """The symbols of share classes that a cell may mean if they are written with a space: ``BRK-B`` for ``BRK B``.

    Examples
    --------
    >>> class_shares("BRK B, AAPL"), class_shares("['BRK B']")
    (['BRK-B'], [])
    """
    if not isinstance(value, str) or value[:1] in ("[", "{", "("):
        return []
    shares = (clean_symbol(f"{name} {letters}") for name, letters in _CLASS_SHARE.findall(value))
    return [share for share in shares if share]


def read_symbols(value: Any, known: Collection[str] = ()) -> tuple[tuple[str, ...], str, int]:
    """Read the symbols in a cell.

    A cell is one symbol, several separated by spaces, commas or semicolons, or a list: in JSON, in Python's notation as
    pandas writes it, or of objects with a ``symbol`` or ``ticker``. A ``$`` before a symbol is dropped.

    Parameters
    ----------
    value
        The cell.
    known
        Share classes such as ``BRK-B``; ``BRK B`` is then one symbol, not two.

    Returns
    -------
    tuple of tuple of str, str and int
        The distinct symbols; the reason if there are none (``""`` otherwise); and how many items of the cell are not
        symbols.

    Examples
    --------
    >>> read_symbols("BRK B", {"BRK-B"}), read_symbols("F T")
    ((('BRK-B',), '', 0), (('F', 'T'), '', 0))
    >>> read_symbols("['KSTL', '$HRNZ', None]")
    (('KSTL', 'HRNZ'), '', 0)
    >>> read_symbols("nan")
    ((), 'is missing', 0)
    """
    if known and class_shares(value):
        value = _CLASS_SHARE.sub(lambda pair: share if (share := clean_symbol(pair[0])) in known else pair[0], value)
    items = [item for item in map(_symbol_text, _items(value)) if not is_missing_symbol(item)]
    symbols = [clean_symbol(item.removeprefix("$")) for item in items]
    found = tuple(dict.fromkeys(filter(None, symbols)))
    why = "" if found else "is not a symbol" if items else "is missing"
    return found, why, symbols.count("") if found else 0


def read_source(value: Any, default: str) -> str:
    """The name of a source, given as a text or an object that holds the name; `default` if it is missing."""
    value = _parsed(value)
    if isinstance(value, dict):
        value = next((value[key] for key in _NAME_KEYS if isinstance(value.get(key), str)), None)
    if value is None or isinstance(value, (list, tuple)):
        return default
    name = " ".join(str(value).split())
    return default if is_missing(name) else name


def read_url(value: Any) -> str:
    """The URL in a cell; ``""`` if there is none."""
    return value.strip() if isinstance(value, str) and not is_missing(value) else ""


def _items(value: Any) -> Iterable[Any]:
    value = _parsed(value)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, (dict, bool, float)):
        return [value]
    if value is None:
        return []
    text = str(value).strip()
    # ['KSTL' 'HRNZ']: how pandas writes an array of texts
    inner = text[1:-1] if text.startswith(("[", "(", "{")) and text.endswith(("]", ")", "}")) else text
    return [part.strip("'\"") for part in _BETWEEN.split(inner.strip()) if part]


def _parsed(value: Any) -> Any:
    """The list or object that a text contains in the notation of JSON or Python; otherwise `value`."""
    if not isinstance(value, str) or value[:1] not in ("[", "{", "(") or len(value) > _LONGEST_LIST:
        return value
    # pandas writes an array as 'A' 'B', which Python would join to 'AB'
    readers = (json.loads,) if _SIDE_BY_SIDE.search(value) else (json.loads, literal)
    for read in readers:
        try:
            parsed = read(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        return sorted(parsed) if isinstance(parsed, set) and all(isinstance(p, str) for p in parsed) else parsed
    return value


def _symbol_text(item: Any) -> str:
    if isinstance(item, dict):
        item = next((item[key] for key in _SYMBOL_KEYS if isinstance(item.get(key), str)), "?")
    if isinstance(item, (bool, float)):
        return "" if item != item else "not a symbol"
    return "" if item is None else " ".join(str(item).split())
