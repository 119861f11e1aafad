"""Folders in the GLT layout: ``price/SYMBOL.csv`` with normalised features and labels, ``tweet/SYMBOL/DATE``.

ACL18, BigData22 and CIKM18 are distributed in this layout. The label of a row is the move of its own session, so
features end with the previous row. There are no raw bars (open, high, low, volume), only the close from which the
labels were computed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.csv

from tenor.benchmarks.protocol import PartDates, Samples, require_samples, rows_of
from tenor.benchmarks.result import BenchmarkResult
from tenor.benchmarks.running import run_panel
from tenor.benchmarks.training import BenchmarkProgress, BenchmarkSettings, direction_training
from tenor.config import FeatureConfig, ModelConfig, SentimentConfig
from tenor.errors import DataError
from tenor.features.context import context
from tenor.features.indicators import ewma_volatility
from tenor.features.sentiment import sentiment_features
from tenor.schema import DailySentiment, Float32, Float64, News, Panel, news_id

MISSING = -123320.0
"""Numbers below this are missing values (the published files have -123321)."""

COMPLETE_ROWS = 5
"""Number of rows without a gap that a sample needs before it."""

NOTES = (
    "The layout has no raw bars (open, high, low, volume): features are its own, and context from its closing price.",
    "Its features are normalised in a way that is not documented: whether that looked ahead can't be checked.",
    "Tweets have a day and no time: a file of day d is known from the next session on.",
)

SETTINGS = BenchmarkSettings(
    features=FeatureConfig(groups=("context",), sentiment=True, horizons=(1,)),
    model=ModelConfig(hidden=32, lookback=5),
    training=direction_training(epochs=8),
)
"""Settings of ACL18 with the features that the layout has; frozen before any test part of such a folder was used."""


@dataclass(frozen=True, eq=False)
class GLT:
    """The contents of a folder.

    Attributes
    ----------
    panel
        Features of the folder and context features; horizon 1. `open` is NaN everywhere.
    label
        [session, symbol] float32, in the row of the previous session: 1 up, 0 down, NaN no sample.
    """

    panel: Panel
    label: Float32


def glt(
    folder: str | Path,
    *,
    train_end: str,
    valid_end: str,
    test_end: str | None = None,
    seeds: Sequence[int] = tuple(range(10)),
    workers: int = 1,
    progress: BenchmarkProgress | None = None,
    text: DailySentiment | None = None,
    cache: Path | None = None,
) -> BenchmarkResult:
    """Run the protocol on a folder in the GLT layout; training begins with its first row.

    Parameters
    ----------
    folder
        Folder with ``price/`` and, if it has texts, ``tweet/``.
    train_end, valid_end, test_end
        Last session of each part, YYYY-MM-DD; None for `test_end` means the last session of the folder.
    seeds
        Seeds of the networks to train; the protocols require ten.
    workers, progress
        As in `tenor.benchmarks.training.train_benchmark`.
    text
        The sentiment of its tweets (see `read_glt_news`), or None for prices alone.
    cache
        Folder for finished seeds, from which a killed run resumes; None saves nothing.

    Returns
    -------
    BenchmarkResult
        The scores on the test samples.

    Raises
    ------
    DataError
        The folder can't be used, or the dates are out of order.
    HistoryError
        A part has no sample.
    """
    data = read_glt(folder, text=text)
    sessions = data.panel.sessions
    last = f"{sessions[-1]:%Y-%m-%d}" if test_end is None else test_end
    dates = PartDates(
        train=(f"{sessions[0]:%Y-%m-%d}", train_end), valid=(_next(train_end), valid_end), test=(_next(valid_end), last)
    )
    samples = Samples(
        data.label,
        rows_of(sessions, *dates.train),
        rows_of(sessions, *dates.valid),
        rows_of(sessions, *dates.test),
    )
    require_samples(samples, dates, sessions)
    return run_panel(
        Path(folder).name or "glt",
        data.panel,
        samples,
        SETTINGS,
        counts=samples.counts(),
        notes=(*NOTES, f"tenor's rows use {'prices alone' if text is None else 'prices and text'}."),
        seeds=seeds,
        workers=workers,
        progress=progress,
        cache=cache,
    )


def read_glt(folder: str | Path, *, text: DailySentiment | None = None) -> GLT:
    """Read the prices of a folder, with `text` as sentiment features unless it is None.

    Parameters
    ----------
    folder
        Folder with ``price/``.
    text
        The sentiment of its tweets, or None for prices alone.

    Returns
    -------
    GLT
        The panel and the labels.

    Raises
    ------
    DataError
        The folder does not exist, or a file lacks columns or rows, or has unreadable or repeated dates.
    """
    frames = {path.stem: _price(path) for path in _price_files(Path(folder))}
    names = [c for c in next(iter(frames.values())).columns if c not in ("label", "closing_price_for_label")]
    for symbol, frame in frames.items():
        if [c for c in frame.columns if c in names] != names or len(frame.columns) != len(names) + 2:
            raise DataError(f"{folder}: price/{symbol}.csv has other columns than the first file: {list(frame)}.")
    sessions = pd.DatetimeIndex(sorted(set().union(*(frame.index for frame in frames.values()))))
    symbols = tuple(sorted(frames))
    grid = (len(sessions), len(symbols))
    own: Float32 = np.full((*grid, len(names)), np.nan, dtype="float32")
    # returns over one and five rows, each [session, symbol]
    close, label, volatility = np.full(grid, np.nan), np.full(grid, np.nan), np.full(grid, np.nan)
    return_1, return_5 = np.full(grid, np.nan), np.full(grid, np.nan)
    for column, symbol in enumerate(symbols):
        frame = frames[symbol]
        rows = sessions.get_indexer(pd.DatetimeIndex(frame.index))
        own[rows, column] = frame[names].to_numpy("float32")
        price = frame["closing_price_for_label"].to_numpy("float64")
        price = np.where(price > 0, price, np.nan)
        close[rows, column] = price
        log = np.log(price)
        return_1[rows[1:], column] = np.diff(log)
        return_5[rows[5:], column] = log[5:] - log[:-5]
        volatility[rows, column] = ewma_volatility(return_1[rows, column])
        complete = frame[names].notna().all(axis=1).rolling(COMPLETE_ROWS).sum().to_numpy() == COMPLETE_ROWS
        move = frame["label"].to_numpy("float64")
        # a move of row t is the label of row t - 1; the published sets write a move between the thresholds as 0
        counts = complete[:-1] & np.isfinite(move[1:]) & (np.abs(move[1:]) > 1e-8)
        label[rows[:-1][counts], column] = (move[1:][counts] > 0).astype("float64")
    across = context({1: return_1, 5: return_5}, volatility)
    if text is not None:
        across |= sentiment_features(text, sessions, symbols, SETTINGS.features.calendar, SentimentConfig().half_life)
    return GLT(_panel(own, names, across, close, volatility, sessions, symbols), label.astype("float32"))


def read_glt_news(folder: str | Path) -> News | None:
    """Read the tweets of a folder; each is dated at the last second of its day in New York, as it has no time of day.

    So each tweet is known from the session after its day. None if the folder has no tweets.

    Raises
    ------
    DataError
        A file name is not a date, or a line is not a JSON object with a text; the message names it.
    """
    rows = []
    for path in sorted(p for p in (Path(folder) / "tweet").glob("*/*") if not p.name.startswith(".")):
        try:
            moment = pd.Timestamp(f"{path.name[:10]} 23:59:59").tz_localize("America/New_York").tz_convert("UTC")
        except ValueError:
            raise DataError(f"{path}: its name is not a date: tweet files are called YYYY-MM-DD.") from None
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if not line.strip():
                continue
            text = _text(line)
            if text is None:
                raise DataError(f"{path}: line {number} is no JSON object with a text: repair or drop it.")
            rows.append((news_id("glt", text), moment, path.parent.name, text, "glt", ""))
    if not rows:
        return None
    return News(pd.DataFrame(rows, columns=["id", "published_at", "symbol", "text", "source", "url"]))


def _text(line: bytes) -> str | None:
    try:
        tweet = json.loads(line)
    except (ValueError, RecursionError):
        return None
    text = tweet.get("text") if isinstance(tweet, dict) else None
    if isinstance(text, list):  # some data sets have lists of words
        text = " ".join(map(str, text))
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(text, str) else None


def _price_files(folder: Path) -> list[Path]:
    files = sorted(p for p in (folder / "price").glob("*.csv") if not p.name.startswith("."))
    if not files:
        raise DataError(f"{folder}: no price/*.csv in it: name the folder that holds price/ and tweet/.")
    return files


def _price(path: Path) -> pd.DataFrame:
    """One file, in rising order of dates; missing values are NaN."""
    try:
        # pyarrow rounds every decimal number correctly; pandas' own reader does so by an argument that 3.1 deprecates
        frame: pd.DataFrame = pyarrow.csv.read_csv(path).to_pandas()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: can't be read as CSV ({error}).") from None
    for column in ("date", "label", "closing_price_for_label"):
        if column not in frame.columns:
            raise DataError(f"{path}: no column {column!r}; it has {', '.join(map(str, frame.columns))}.")
    try:
        days = pd.to_datetime(frame.pop("date")).astype("datetime64[us]")
        numbers = frame.astype("float64")
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: a date or number can't be read ({error}).") from None
    if days.isna().any() or days.duplicated().any() or len(days) <= COMPLETE_ROWS:
        raise DataError(f"{path}: {len(days)} rows, with a date that is missing or twice, or too few of them.")
    numbers = numbers.set_index(pd.DatetimeIndex(days)).sort_index()
    return numbers.where(numbers > MISSING)


def _panel(
    own: Float32,
    names: list[str],
    across: dict[str, Float64],
    close: Float64,
    volatility: Float64,
    sessions: pd.DatetimeIndex,
    symbols: tuple[str, ...],
) -> Panel:
    values = np.concatenate([own, np.stack([*across.values()], axis=2).astype("float32")], axis=2)
    mask = np.isfinite(values).all(axis=2) & np.isfinite(volatility) & np.isfinite(close)
    values[~mask] = 0.0
    targets = np.full((*close.shape, 1), np.nan, dtype="float32")
    targets[:-1, :, 0] = np.log(close[1:]) - np.log(close[:-1])
    return Panel(
        values=values,
        mask=mask,
        targets=targets,
        volatility=np.where(mask, volatility, np.nan).astype("float32"),
        open=np.full_like(close, np.nan),
        close=close,
        sessions=sessions,
        symbols=symbols,
        features=(*names, *across),
        horizons=(1,),
    )


def _next(day: str) -> str:
    return f"{pd.Timestamp(day) + pd.Timedelta(days=1):%Y-%m-%d}"
