"""News from the user's files: CSV, JSON lines or Parquet with a text, a time and a symbol a row, a batch at a time."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from tenor.errors import UnusableError, one_line
from tenor.ingest.files.bar_files import FileBatch, FileSummary
from tenor.ingest.files.refusals import join_refusals, refusal_frame
from tenor.ingest.files.tables import PARQUET_SUFFIXES, TEXT_SUFFIXES
from tenor.schema import News, news_id
from tenor.symbols import clean_symbol

JSON_SUFFIXES = (".jsonl", ".ndjson")
_BATCH = 200_000
_NAMES = {
    "text": ("text", "headline", "title", "body", "content", "tweet"),
    "published_at": (
        "published_at",
        "published",
        "datetime",
        "timestamp",
        "time",
        "created_at",
        "date",
        "time_published",
    ),
    "symbol": ("symbol", "ticker", "symbols", "tickers", "stock"),
    "source": ("source", "publisher", "provider"),
    "url": ("url", "link"),
}
_ZONED = re.compile(r"(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})\s*$", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s,;|]+")
_WRITE = "write times with a zone, like 2024-05-01T13:30:00Z"
_MILLISECONDS = 1e11  # seconds since 1970 pass this in the year 5138


@dataclass(frozen=True)
class _Places:
    """The file's own name of each of tenor's columns."""

    own: dict[str, str]

    @classmethod
    def among(cls, names: list[str]) -> _Places:
        plain = {re.sub(r"[^a-z]+", "_", name.casefold()).strip("_"): name for name in reversed(names)}
        own = {column: plain[a] for column, aliases in _NAMES.items() for a in reversed(aliases) if a in plain}
        return cls(own)

    @property
    def missing(self) -> list[str]:
        return [c for c in ("text", "published_at", "symbol") if c not in self.own]


def is_news_file(path: Path) -> bool:
    """Whether `path` holds news: JSON lines, or a table with a column of texts and none of closing prices."""
    if path.suffix.lower() in JSON_SUFFIXES:
        return True
    try:
        names = _names(path)
    except (OSError, ValueError, csv.Error, pa.ArrowException):
        return False
    return "text" in _Places.among(names).own and not any(name.strip().casefold() == "close" for name in names)


def read_news_file(path: Path, *, now: pd.Timestamp | None = None) -> Iterator[FileBatch]:
    """The news in `path`, some 200,000 rows at a time, so that memory stays bounded.

    A row about several symbols (``AAPL, MSFT``) is an item of each. A row without a text, a symbol or a time with a
    zone, or of a time after `now`, is refused. A file that can't be read at all is one refusal.
    """
    moment = now or pd.Timestamp.now("UTC")
    try:
        yield from _batches(path, moment)
    except UnusableError as error:
        refused = refusal_frame(file=str(path), row=[0], kind="file", why=error.why, remedy=error.remedy)
        yield FileBatch(None, refused, (FileSummary(str(path), 0, 0, 0, 1),))


def _batches(path: Path, now: pd.Timestamp) -> Iterator[FileBatch]:
    try:
        for first, frame, broken in _frames(path):
            places = _Places.among([str(c) for c in frame.columns])
            if len(frame) and places.missing:
                missing = ", ".join("time" if c == "published_at" else c for c in places.missing)
                raise UnusableError(f"has no column for {missing}", "name the columns text, published_at and symbol")
            yield _imported(path, frame, places, first, broken, now)
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        raise UnusableError(f"can't be read ({one_line(error, 120)})", "export it again") from error


def _names(path: Path) -> list[str]:
    if path.suffix.lower() in PARQUET_SUFFIXES:
        return [str(name) for name in pyarrow.parquet.read_schema(path).names]
    if path.suffix.lower() not in TEXT_SUFFIXES:
        return []
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return next(csv.reader(file), [])


def _frames(path: Path) -> Iterator[tuple[int, pd.DataFrame, list[int]]]:
    """The number of the first row, the rows, and the numbers of the lines that can't be read."""
    if path.suffix.lower() in JSON_SUFFIXES:
        yield from _json_frames(path)
    elif path.suffix.lower() in PARQUET_SUFFIXES:
        first = 1
        with pyarrow.parquet.ParquetFile(path) as parquet:
            for batch in parquet.iter_batches(_BATCH):
                yield first, batch.to_pandas(), []
                first += len(batch)
    else:
        first = 2
        options: dict[str, Any] = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
        with pd.read_csv(path, chunksize=_BATCH, encoding_errors="replace", **options) as reader:
            for frame in reader:
                yield first, frame, []
                first += len(frame)


def _json_frames(path: Path) -> Iterator[tuple[int, pd.DataFrame, list[int]]]:
    with path.open("rb") as stream:
        numbered = ((row, line) for row, line in enumerate(stream, 1) if line.strip())
        while chunk := list(itertools.islice(numbered, _BATCH)):
            rows, places, broken = [], [], []
            for place, line in chunk:
                try:
                    value = json.loads(line)
                except (ValueError, RecursionError):
                    value = None
                if isinstance(value, dict):
                    rows.append({str(k): _storable(v) for k, v in value.items()})
                    places.append(place)
                else:
                    broken.append(place)
            yield 1, pd.DataFrame(rows, index=places), broken


def _imported(
    path: Path, frame: pd.DataFrame, places: _Places, first: int, broken: list[int], now: pd.Timestamp
) -> FileBatch:
    jsonl = path.suffix.lower() in JSON_SUFFIXES
    rows = frame.index.to_numpy() if jsonl else np.arange(first, first + len(frame))
    refused = [_refused(path, np.array(broken, dtype="int64"), "", "", "is not a JSON object", "correct it or drop it")]
    news = None
    if len(frame):
        text = frame[places.own["text"]].map(_clean_text)
        about = frame[places.own["symbol"]].map(_symbols)
        moments, zoned = _moments(frame[places.own["published_at"]])
        times = frame[places.own["published_at"]].astype("str").str.slice(0, 40).to_numpy(dtype=object)
        usable = np.ones(len(frame), dtype=bool)
        rules = (
            ("text", (text == "").to_numpy(), "is missing", "drop the row"),
            ("symbol", ~about.map(bool).to_numpy(dtype=bool), "is no symbol", "correct it or drop the row"),
            ("published_at", ~zoned, "is no time with a zone", _WRITE),
            ("published_at", (moments > now).to_numpy(), "is from the future", "correct it or drop the row"),
        )
        for column, bad, why, remedy in rules:
            hit = bad & usable
            value = times[hit] if column == "published_at" else ""
            refused.append(_refused(path, rows[hit], places.own[column], value, why, remedy))
            usable &= ~hit
        news = _news(path, frame[usable], places, text[usable], about[usable], moments[usable])
    refusals = join_refusals([r for r in refused if len(r)])
    usable_rows = 0 if news is None else int(usable.sum())
    symbols = 0 if news is None else news.frame["symbol"].nunique()
    summary = FileSummary(str(path), symbols, len(frame) + len(broken), usable_rows, len(refusals))
    return FileBatch(None, refusals, (summary,), news)


def _news(
    path: Path,
    frame: pd.DataFrame,
    places: _Places,
    text: pd.Series[Any],
    about: pd.Series[Any],
    moments: pd.Series[Any],
) -> News | None:
    if not len(frame):
        return None
    column = frame[places.own["source"]] if "source" in places.own else pd.Series(path.stem, index=frame.index)
    source = column.fillna("").astype("str").where(lambda s: s != "", path.stem)
    url = frame[places.own["url"]].fillna("").astype("str") if "url" in places.own else ""
    ids = [news_id(s, t) for s, t in zip(source, text, strict=True)]
    rows = pd.DataFrame(
        {"id": ids, "published_at": moments, "text": text, "source": source, "url": url, "symbol": about}
    )
    return News(rows.explode("symbol"))


def _moments(column: pd.Series[Any]) -> tuple[pd.Series[Any], np.ndarray[Any, np.dtype[np.bool_]]]:
    """UTC moments, and which rows have one: numbers since 1970, times with a zone, or texts that end in one."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        moments = column.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
        return moments, moments.notna().to_numpy()
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        missing = pd.Series(pd.NaT, index=column.index, dtype="datetime64[us, UTC]")
        return missing, np.zeros(len(column), dtype=bool)
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    numbers = numbers.where(numbers < _MILLISECONDS, numbers / 1000.0).where(lambda n: n.between(0, 1e11))
    texts = column.astype("str").str.strip()
    texts = texts.where(texts.str.contains(_ZONED) & numbers.isna(), "")
    moments = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce").astype("datetime64[us, UTC]")
    microseconds = (numbers * 1e6).round()
    from_numbers = pd.to_datetime(microseconds.fillna(0).astype("int64"), unit="us", utc=True).astype(
        "datetime64[us, UTC]"
    )
    moments = moments.where(numbers.isna(), from_numbers)
    return moments, moments.notna().to_numpy()


def _symbols(value: Any) -> list[str]:
    parts = value if isinstance(value, (list, tuple, np.ndarray)) else _BETWEEN.split(str(value).strip())
    return list(dict.fromkeys(filter(None, (clean_symbol(str(part).lstrip("$")) for part in parts))))


def _clean_text(value: Any) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _storable(value: Any) -> Any:
    # half a surrogate pair is legal in JSON, but no text that can be stored
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(value, str) else value


def _refused(path: Path, rows: Any, column: str, value: Any, why: str, remedy: str) -> pd.DataFrame:
    return refusal_frame(file=str(path), row=rows, kind="news", column=column, value=value, why=why, remedy=remedy)
