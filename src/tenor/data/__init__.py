"""The embedded default: real bars of 88 US stocks, 2012 to 2017, and the sentiment of what was posted about them.

This folder's README.md has provenance and licence.
"""

from __future__ import annotations

import functools
from importlib.resources import files

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from tenor.errors import DataError
from tenor.schema import BAR_COLUMNS, PRICES, AsOf, Bars, DailyKinds, DailySentiment, News, news_id

BARS_FILE = "bars.parquet"
SENTIMENT_FILE = "sentiment.parquet"
OPEN_FILE = "sentiment-open.parquet"
"""The sentiment as known before the next open."""
KINDS_FILE = "kinds.parquet"
"""Counts by kind at both moments, by the column ``as_of``."""
NAMES_FILE = "names.csv"
EXAMPLES_FILE = "examples.csv"
EXAMPLES_AT = pd.Timedelta(hours=15)
"""The time of day (UTC) of the example items: before the cut-off of their session."""
DECIMALS = 6
"""Decimal places of the published prices; the file stores them as exact decimals."""


@functools.cache
def embedded_bars() -> Bars:
    """Daily bars of the 88 StockNet tickers, 2012-09-04 to 2017-09-01, equal to the published figures."""
    table = _read(BARS_FILE)
    columns = {
        "symbol": table["symbol"].cast(pa.string()).to_pandas(),
        "session": table["session"].to_numpy().astype("datetime64[us]"),
        # decimal to double may be off by the last bit; rounding to the published digits gives what parsing them would
        **{c: np.round(table[c].cast(pa.float64()).to_numpy(), DECIMALS) for c in PRICES},
        "volume": table["volume"].to_numpy().astype("float64"),
    }
    return Bars(pd.DataFrame(columns, columns=list(BAR_COLUMNS)))


@functools.cache
def embedded_sentiment(as_of: AsOf = "close") -> DailySentiment:
    """The daily sentiment of the posts about those tickers, 2014-01 to 2016-03, with counts by kind of news.

    It holds numbers only, computed by tenor's own model. It is as known at the close of each session or, with
    ``as_of="open"``, before the next open.
    """
    frame = _read(SENTIMENT_FILE if as_of == "close" else OPEN_FILE).to_pandas()
    return DailySentiment(frame, as_of=as_of, kinds=_embedded_kinds(as_of))


def has_embedded(as_of: AsOf) -> bool:
    """Whether the package holds the sentiment as known at the moment `as_of`."""
    return files(__name__).joinpath(SENTIMENT_FILE if as_of == "close" else OPEN_FILE).is_file()


def _embedded_kinds(as_of: AsOf) -> DailyKinds | None:
    if not files(__name__).joinpath(KINDS_FILE).is_file():
        return None
    frame = _read(KINDS_FILE).to_pandas()
    return DailyKinds(frame[frame["as_of"] == as_of], as_of=as_of)


@functools.cache
def embedded_names() -> pd.DataFrame:
    """The companies' names in 2017: columns `symbol`, `name`."""
    frame: pd.DataFrame = _read(NAMES_FILE).to_pandas()
    return frame


def embedded_examples(source: str) -> News:
    """A few sentences made up for tenor, to show what a day's news looks like; the real posts are not in the package.

    The embedded sentiment was not computed from them. `source` becomes the source of each.
    """
    frame = _read(EXAMPLES_FILE).to_pandas()
    columns = {
        "id": [news_id(source, text) for text in frame["text"]],
        "published_at": (pd.to_datetime(frame["session"]) + EXAMPLES_AT).dt.tz_localize("UTC"),
        "symbol": frame["symbol"],
        "text": frame["text"],
        "source": source,
        "url": "",
    }
    return News(pd.DataFrame(columns))


def _read(name: str) -> pa.Table:
    try:
        with files(__name__).joinpath(name).open("rb") as file:
            return pyarrow.csv.read_csv(file) if name.endswith(".csv") else pyarrow.parquet.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"the embedded {name} is missing or damaged ({error}): install tenor again.") from error
