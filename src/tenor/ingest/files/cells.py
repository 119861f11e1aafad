"""Read cells of a file as symbols and as text; helpers that the readers of dates and numbers share.

Symbols and dates repeat, so each distinct text is parsed once. There is no Python loop over rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tenor.ingest.files.text_files import is_missing_symbol
from tenor.symbols import clean_symbol


def read_symbols(column: Any) -> tuple[NDArray[np.int32], list[str], list[str]]:
    """Read a column of symbols, dictionary encoded.

    ``nan`` and ``N/A`` mean that the symbol is missing; ``NAN`` and ``NA`` are symbols.

    Parameters
    ----------
    column
        An Arrow column, [n].

    Returns
    -------
    codes : ndarray of int32
        The code of each row, [n].
    symbols : list of str
        The symbol of each code; ``""`` if its text is not a symbol.
    texts : list of str
        The text of each code, as it stands in the file.
    """
    codes, raw = distinct(column)
    own = ["" if text is None else text for text in raw]
    return codes, ["" if is_missing_symbol(text) else clean_symbol(text) for text in own], own


def cell_texts(column: Any, rows: NDArray[np.int64]) -> list[str]:
    """The cells of `column` at `rows`, as text."""
    return [_shown(value) for value in column.take(pa.array(rows)).to_pylist()]


def distinct(column: Any) -> tuple[NDArray[np.int32], list[Any]]:
    """Dictionary encode `column`: the code of each row, and the text of each code (None if it is missing)."""
    encoded = pa.chunked_array([column]) if isinstance(column, pa.Array) else column
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.cast(pa.string()).dictionary_encode()
    array = encoded.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # no rows, or an array of a single chunk
        array = array.chunk(0) if array.num_chunks else pa.array([], pa.string()).dictionary_encode()
    own = [value if value is None else str(value) for value in array.dictionary.to_pylist()]
    codes = array.indices
    if codes.null_count:
        codes = codes.fill_null(len(own))
        own.append(None)
    return codes.to_numpy(zero_copy_only=False).astype("int32"), own


def trimmed(column: Any) -> Any:
    """`column` as text, without leading and trailing spaces."""
    return pc.utf8_trim_whitespace(column.cast(pa.string()))


def as_doubles(column: Any) -> NDArray[np.float64]:
    """An Arrow column of numbers as an array; NaN for null."""
    values: NDArray[np.float64] = column.to_numpy().astype("float64")
    return values


def as_bools(column: Any) -> NDArray[np.bool_]:
    """An Arrow column of booleans as an array."""
    values: NDArray[np.bool_] = (
        column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
    )
    return values.astype(bool)


def _shown(value: Any) -> str:
    text = "" if value is None else str(value).strip()
    return text if len(text) <= 40 else text[:39] + "…"
