"""Rebuild the embedded sentiment and its counts by kind from the published StockNet folder, with the package's models.

    python scripts/build_embedded_sentiment.py FOLDER

It writes ``sentiment.parquet`` (known at each close), ``sentiment-open.parquet`` (before the next open) and
``kinds.parquet`` (both) into src/tenor/data; with ``--only-kinds`` the first one stays as it is. The files hold
numbers, no text.

Scoring takes 5 to 10 minutes on one core. Scores are stored in `--scores` as they come: a killed run resumes, and a
second run with the same model only aggregates.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tenor.calendars import exchange
from tenor.config import SentimentConfig, to_mapping
from tenor.data import KINDS_FILE, OPEN_FILE, SENTIMENT_FILE, embedded_bars
from tenor.errors import DataError, TenorError
from tenor.ingest.files.stocknet import read_stocknet_news
from tenor.schema import AsOf, Bars, DailySentiment, Float64, News
from tenor.sentiment.daily import daily_sentiment
from tenor.sentiment.scorer import Scorer
from tenor.sentiment.scores import Scores
from tenor.storage.files import write_whole
from tenor.store import Lake

OUT = Path(__file__).resolve().parent.parent / "src" / "tenor" / "data"
SCORES = Path(tempfile.gettempdir()) / "tenor-embedded-sentiment"
CALENDAR = "XNYS"
DECIMALS = 4
MOMENTS: dict[AsOf, str] = {"close": SENTIMENT_FILE, "open": OPEN_FILE}
NUMBERS = ("mean", "std", "positive", "negative", "surprise", "recent", "market_mean")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line `arguments`; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="the StockNet folder as published: it has price/raw and tweet/raw")
    parser.add_argument("--out", type=Path, default=OUT, help="the folder to write into (default: %(default)s)")
    parser.add_argument("--scores", type=Path, default=SCORES, help="where scores are stored (default: %(default)s)")
    parser.add_argument("--model", help="a folder of weights, instead of the model of the package")
    parser.add_argument("--threads", type=int, default=1, help="cores to score with (default: %(default)s)")
    parser.add_argument("--only-kinds", action="store_true", help="leave sentiment.parquet as it is")
    options = parser.parse_args(arguments)
    try:
        build(
            options.folder,
            options.out,
            options.scores,
            model=options.model,
            threads=options.threads,
            only_kinds=options.only_kinds,
        )
    except TenorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def build(
    folder: Path, out: Path, scores_folder: Path, *, model: str | None, threads: int, only_kinds: bool = False
) -> None:
    """Read, score, aggregate, write and print a summary."""
    imported = read_stocknet_news(folder)
    news, bars = imported.news, embedded_bars()
    if news is None:
        raise DataError(f"{folder} holds no usable post: take the folder as it was published.")
    scorer = Scorer.load(model, threads=threads)
    cache = Lake(scores_folder).score_cache()
    scores = scorer.score(news.frame["text"].tolist(), cache=cache, progress=_progress(), kinds=True)
    config = SentimentConfig()
    about = {
        "source": "StockNet (ACL 2018), posts, by their own times",
        "model": scorer.model_id,
        "config": to_mapping(config),
        "calendar": CALENDAR,
        "items": len(news.frame),
        "refused": len(imported.refused),
        "unreadable": int((~scores.language_ok | scores.empty).sum()),
    }
    counts = []
    for as_of, name in MOMENTS.items():
        daily = complete(news, scores, config, as_of, bars.symbols)
        assert daily.kinds is not None
        counts.append(daily.kinds.frame.assign(as_of=as_of))
        if not (only_kinds and as_of == "close"):
            write(daily, out / name, {**about, "as_of": as_of, "rows": len(daily.frame)})
            summarise(DailySentiment(pq.read_table(out / name).to_pandas()), bars)
    kinds = pd.concat(counts, ignore_index=True)
    about |= {"classifier": scorer.classifier.model_id, "rows": len(kinds)}
    write_kinds(kinds, out / KINDS_FILE, about)
    print(json.dumps(about, indent=2))
    print(kinds.pivot_table(index="kind", columns="as_of", values="n", aggfunc="sum").astype(int).to_string())
    for name in (*MOMENTS.values(), KINDS_FILE):
        print(f"{out / name}: {(out / name).stat().st_size / 1024:.0f} KiB")


def complete(
    news: News, scores: Scores, config: SentimentConfig, as_of: AsOf, symbols: tuple[str, ...]
) -> DailySentiment:
    """The daily sentiment of `symbols`, without the last session, whose cut-off lies after the last of the posts."""
    daily = daily_sentiment(news, scores, config, calendar=CALENDAR, as_of=as_of)
    margin = pd.Timedelta(minutes=config.margin_minutes)
    last = exchange(CALENDAR).session_of(news.frame["published_at"].tail(1), margin=margin, as_of=as_of).iloc[0]

    def whole(frame: pd.DataFrame) -> pd.DataFrame:
        rows: pd.DataFrame = frame[(frame["session"] < last) & frame["symbol"].isin(symbols)]
        return rows

    assert daily.kinds is not None
    return replace(daily, frame=whole(daily.frame), kinds=replace(daily.kinds, frame=whole(daily.kinds.frame)))


def write_kinds(kinds: pd.DataFrame, out: Path, about: dict[str, object]) -> None:
    """Write the counts of both moments, rounded, and `about`, as `write` does."""
    frame = kinds.assign(n=kinds["n"].astype("int32"), mean=kinds["mean"].round(DECIMALS).astype("float32"))
    _write(frame.sort_values(["as_of", "kind", "symbol", "session"], ignore_index=True), out, about)


def write(sentiment: DailySentiment, out: Path, about: dict[str, object]) -> None:
    """Write `sentiment`, rounded, and `about` in the metadata under ``tenor``; a killed run leaves the old file."""
    frame = sentiment.frame.assign(**{c: sentiment.frame[c].round(DECIMALS).astype("float32") for c in NUMBERS})
    frame = frame.assign(**{c: frame[c].astype("int32") for c in ("n", "market_n")})
    _write(frame, out, about)


def _write(frame: pd.DataFrame, out: Path, about: dict[str, object]) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({"tenor": json.dumps(about)})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", compression_level=19)
    write_whole(out, buffer.getvalue())


def summarise(sentiment: DailySentiment, bars: Bars) -> None:
    """Print a summary of `sentiment`, and its correlation with the returns before, at and after its sessions."""
    frame = sentiment.frame
    print(f"sessions {frame['session'].min():%Y-%m-%d} .. {frame['session'].max():%Y-%m-%d}")
    years = frame.groupby(frame["session"].dt.year).agg(
        rows=("n", "size"), items=("n", "sum"), symbols=("symbol", "nunique"), sessions=("session", "nunique"),
        mean=("mean", "mean"), positive=("positive", "mean"), negative=("negative", "mean"),
    )  # fmt: skip
    print(years.round(4).to_string())
    print("items a row:", frame["n"].quantile([0.1, 0.5, 0.9, 0.99, 1]).to_dict(), f"mean {frame['n'].mean():.2f}")
    for column in ("mean", "surprise", "recent"):
        for name, (value, low, high) in effects(frame, bars, column).items():
            print(f"{column:>8} and {name}: {value:+.4f} [{low:+.4f}, {high:+.4f}]")


def effects(frame: pd.DataFrame, bars: Bars, column: str, *, draws: int = 2000) -> dict[str, tuple[float, ...]]:
    """Spearman correlation of `column` with returns, with a 95 % interval from resampling weeks of sessions.

    ``by symbol`` ranks over a symbol's sessions and averages over symbols with 100 rows or more; ``across`` ranks over
    the symbols of a session (20 or more) and averages over sessions.
    """
    adjusted = bars.frame.pivot_table(index="session", columns="symbol", values="adj_close")
    returns = adjusted.transform(np.log).diff()
    grid = frame.pivot_table(index="session", columns="symbol", values=column)
    correlations: dict[str, tuple[float, ...]] = {}
    for name, lag in (("the return before", 1), ("the same session's return", 0), ("the next return", -1)):
        after = returns.shift(lag).reindex(index=grid.index, columns=grid.columns)
        both = grid.notna() & after.notna()
        x, y = grid.where(both), after.where(both)
        correlations[f"{name}, by symbol"] = _resampled(x.rank(), y.rank(), np.flatnonzero(both.sum() >= 100), draws)
        daily = x.rank(axis=1).corrwith(y.rank(axis=1), axis=1)[both.sum(axis=1) >= 20].dropna().to_numpy()
        weeks = _weeks(len(daily), draws)
        means = weeks @ daily / weeks.sum(axis=1)
        correlations[f"{name}, across"] = (float(daily.mean()), *np.quantile(means, [0.025, 0.975]).tolist())
    return correlations


def _resampled(x: pd.DataFrame, y: pd.DataFrame, symbols: np.ndarray, draws: int) -> tuple[float, ...]:
    """Mean correlation of the ranks `x` and `y` over `symbols`, and its 95 % interval."""
    a, b = x.to_numpy()[:, symbols], y.to_numpy()[:, symbols]
    known = np.isfinite(a)
    # centred and 0 where unknown: what is missing adds nothing to the sums below
    a = np.where(known, a - np.nanmean(a, axis=0), 0.0)
    b = np.where(known, b - np.nanmean(b, axis=0), 0.0)

    def correlation(times: Float64) -> Float64:
        # the sums of every resampling as one matrix product each: [draw, session] @ [session, symbol]
        n, sa, sb = times @ (known * 1.0), times @ a, times @ b
        saa, sbb, sab = times @ (a * a), times @ (b * b), times @ (a * b)
        return np.asarray(
            ((sab - sa * sb / n) / np.sqrt((saa - sa * sa / n) * (sbb - sb * sb / n))).mean(axis=1), dtype=np.float64
        )

    value = correlation(np.ones((1, len(a))))[0]
    return (float(value), *np.quantile(correlation(_weeks(len(a), draws)), [0.025, 0.975]).tolist())


def _weeks(sessions: int, draws: int) -> Float64:
    """How often each session is drawn, ``[draw, session]``, in blocks of five that wrap round."""
    rng = np.random.default_rng(0)
    starts = rng.integers(0, sessions, (draws, -(-sessions // 5)))
    places = (starts[..., None] + np.arange(5)).reshape(draws, -1)[:, :sessions] % sessions
    return np.stack([np.bincount(row, minlength=sessions) for row in places]).astype(np.float64)


def _progress() -> Callable[[int, int], None]:
    started, last = time.monotonic(), [time.monotonic()]

    def show(done: int, total: int) -> None:
        if time.monotonic() - last[0] > 20 or done == total:
            last[0] = time.monotonic()
            print(f"{done} of {total} texts, {last[0] - started:.0f} s", flush=True)

    return show


if __name__ == "__main__":
    sys.exit(main())
