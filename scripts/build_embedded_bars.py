"""Rebuild src/tenor/data/bars.parquet from the published StockNet folder: ``build_embedded_bars.py FOLDER [OUT]``.

Rows without prices are dropped, and no ticker is filled up before its first bar: whatever `tenor data import` refuses
is not in the file. Prices become exact decimals, so that the file holds the published numbers to the digit.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from tenor.data import BARS_FILE, DECIMALS
from tenor.ingest.files import read_stocknet_bars
from tenor.schema import PRICES, Bars

_SCALE = 10**DECIMALS


def to_table(bars: Bars) -> pa.Table:
    """`bars` with prices as decimals of six places and whole volumes."""
    frame = bars.frame
    columns = {
        "symbol": pa.array(frame["symbol"], pa.string()).dictionary_encode(),
        "session": pa.array(frame["session"].to_numpy().astype("datetime64[D]")),
    }
    for column in PRICES:
        scaled = np.rint(frame[column].to_numpy() * _SCALE).astype("int64")
        if not (scaled / _SCALE == frame[column].to_numpy()).all():
            raise SystemExit(f"{column} has more than {DECIMALS} decimals: the file can not hold it exactly")
        millionths = pa.array(scaled).cast(pa.decimal128(19, 0))
        columns[column] = _shifted(millionths)
    columns["volume"] = pa.array(frame["volume"].to_numpy().astype("int64"))
    return pa.table(columns)


def _shifted(whole: pa.Array) -> pa.Array:
    """Whole millionths as decimals of six places: the same bytes, read with another scale (a cast would multiply)."""
    return pa.Array.from_buffers(pa.decimal128(18, DECIMALS), len(whole), whole.buffers())


def write(table: pa.Table, path: Path) -> None:
    """Write `table` small: deltas of neighbouring days, packed, then zstd."""
    packed = dict.fromkeys(("session", *PRICES, "volume"), "DELTA_BINARY_PACKED")
    pyarrow.parquet.write_table(
        table,
        path,
        compression="zstd",
        compression_level=22,
        use_dictionary=["symbol"],
        column_encoding=packed,
        store_decimal_as_integer=True,
        write_statistics=False,
    )


def main(argv: list[str]) -> None:
    """Read the folder `argv[0]`, write the file `argv[1]` (by default the one in the package)."""
    if not argv:
        raise SystemExit(__doc__)
    default = Path(__file__).parents[1] / "src" / "tenor" / "data" / BARS_FILE
    out = Path(argv[1]) if len(argv) > 1 else default
    imported = read_stocknet_bars(Path(argv[0]))
    for refusal in imported.refused:
        print(refusal.describe())
    if imported.bars is None:
        raise SystemExit(f"{argv[0]} has no usable bars")
    write(to_table(imported.bars), out)
    frame = imported.bars.frame
    print(f"{out}: {len(frame)} bars of {frame['symbol'].nunique()} symbols, {out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
