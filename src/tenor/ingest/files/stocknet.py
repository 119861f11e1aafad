"""Read the published StockNet dataset: prices as Yahoo's CSV, tweets as JSON lines in one file per ticker and day.

Xu and Cohen, Stock Movement Prediction from Tweets and Historical Prices, ACL 2018.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from tenor.errors import DataError
from tenor.ingest.files.bar_files import FileBatch, FileSummary, leads_out, read_bars
from tenor.ingest.files.refusals import join_refusals, refusal_frame
from tenor.schema import News, news_id

SOURCE = "twitter"
_WRITTEN = "%a %b %d %H:%M:%S %z %Y"


def is_stocknet(path: Path) -> bool:
    """Whether `path` is the published folder: it has ``price/raw`` and ``tweet/raw``."""
    return (path / "price" / "raw").is_dir() and (path / "tweet" / "raw").is_dir()


def read_stocknet_bars(path: Path) -> FileBatch:
    """Read the bars of the published folder `path`; its rows without prices are among the refusals."""
    return read_bars([_folder(path) / "price" / "raw"])


def read_stocknet_news(path: Path, *, now: pd.Timestamp | None = None) -> FileBatch:
    """Read the tweets of the published folder `path` as `News` of source ``twitter``, at their own times.

    A tweet about several symbols becomes one item for each. Refused are lines that are not JSON, and tweets without a
    text, without a time of publication, or with a time after `now`.

    Parameters
    ----------
    path
        The published folder.
    now
        UTC; the current time by default.

    Raises
    ------
    DataError
        `path` is not the published folder.
    """
    root = _folder(path) / "tweet" / "raw"
    now = now or pd.Timestamp.now("UTC")
    symbols, texts, times, places = [], [], [], []
    bad = []
    lines = 0
    for file in sorted(p for p in root.rglob("*") if p.is_file() and not p.name.startswith(".")):
        if leads_out(file, root):
            bad.append((str(file), 0, "", "is a link that leads out of the folder"))
            continue
        for row, line in _lines(file):
            lines += 1
            tweet = _parse(line)
            if isinstance(tweet, str):
                bad.append((str(file), row, "", tweet))
                continue
            symbols.append(file.parent.name.upper())
            texts.append(tweet[0])
            times.append(tweet[1])
            places.append((str(file), row))
    moments = pd.to_datetime(pd.Series(times, dtype="str"), format=_WRITTEN, utc=True, errors="coerce")
    sound = (moments <= now).to_numpy()
    for i in np.flatnonzero(~sound):
        why = "has no time of publication that tenor can read" if pd.isna(moments[i]) else "is from the future"
        bad.append((*places[i], times[i][:40], why))
    usable = np.flatnonzero(sound)
    refused = join_refusals(
        [
            refusal_frame(
                file=file, row=[row], kind="news", column="created_at" if value else "", value=value, why=why,
                remedy="correct the line or drop it",
            )
            for file, row, value, why in bad
        ]
    )  # fmt: skip
    news = None
    if len(usable):
        frame = pd.DataFrame(
            {
                "id": [news_id(SOURCE, texts[i]) for i in usable],
                "published_at": moments[usable],
                "symbol": [symbols[i] for i in usable],
                "text": [texts[i] for i in usable],
                "source": SOURCE,
                "url": "",
            }
        )
        news = News(frame)
    notes = (f"{len(usable) - len(news.frame)} repeated",) if news and len(news.frame) < len(usable) else ()
    names = {symbols[i] for i in usable}
    summary = FileSummary(str(root), len(names), lines, len(usable), len(bad), notes)
    return FileBatch(None, refused, (summary,), news)


def _folder(path: Path) -> Path:
    if not is_stocknet(path):
        raise DataError(f"{path}: not the StockNet folder, which has price/raw and tweet/raw: check the path.")
    return path


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    with file.open("rb") as stream:
        for row, line in enumerate(stream, 1):
            if line.strip():
                yield row, line


def _parse(line: bytes) -> tuple[str, str] | str:
    """The text and time of a tweet, or the reason why it can't be used."""
    try:
        tweet = json.loads(line)
    except (ValueError, RecursionError):
        return "is not JSON"
    if not isinstance(tweet, dict) or not isinstance(tweet.get("text"), str) or not tweet["text"].strip():
        return "has no text"
    # a lone surrogate is legal in JSON, but can't be stored as text
    text = tweet["text"].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text, str(tweet.get("created_at") or "")
