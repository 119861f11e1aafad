"""Published benchmarks, run by the protocols of their papers."""

from __future__ import annotations

from pathlib import Path

from tenor.benchmarks import BenchmarkResult, acl18, glt, kdd17, read_glt_news
from tenor.benchmarks.training import BenchmarkProgress
from tenor.errors import ConfigError, did_you_mean
from tenor.news_scoring import ScoringProgress
from tenor.registry import registry_of
from tenor.schema import DailySentiment
from tenor.sentiment import Scorer
from tenor.sentiment.daily import daily_sentiment
from tenor.storage.files import write_json
from tenor.store import Lake


def benchmark(
    name: str,
    data: Path,
    *,
    out: Path | None,
    train_end: str | None,
    valid_end: str | None,
    test_end: str | None,
    workers: int,
    progress: BenchmarkProgress,
    store: str,
    seeds: int = 10,
    text: bool = True,
    texts: ScoringProgress | None = None,
) -> BenchmarkResult:
    """Run the benchmark `name` on its published folder, and write the result to `out` as JSON.

    Each finished seed is saved beside the models of `store`. If the run is killed, the same call trains only the rest.

    Parameters
    ----------
    name
        acl18, kdd17 or glt.
    data
        The published folder.
    out
        The JSON file to write; None writes none.
    train_end, valid_end, test_end
        Last day of each part, YYYY-MM-DD; only for glt.
    workers, progress
        As in `tenor.benchmarks.training.train_benchmark`.
    store
        The store in which seeds and scores of tweets are saved.
    seeds
        How many networks are trained; the protocols ask for ten.
    text
        For glt: whether the folder's tweets are scored and used.
    texts
        Called with the number of tweets scored, and of all.

    Raises
    ------
    ConfigError
        The benchmark is unknown, or the dates that it needs are missing.
    DataError
        `data` is not the published folder.
    """
    cache = registry_of(store).folder / "benchmark"
    if name in ("acl18", "kdd17"):
        if train_end or valid_end or test_end:
            raise ConfigError(f"{name} has the dates of its protocol: leave out --train-end, --valid-end, --test-end.")
        run = acl18 if name == "acl18" else kdd17
        result = run(data, seeds=range(seeds), workers=workers, progress=progress, cache=cache)
    elif name == "glt":
        if not (train_end and valid_end):
            raise ConfigError("glt needs --train-end and --valid-end, days as YYYY-MM-DD.")
        result = glt(
            data,
            train_end=train_end,
            valid_end=valid_end,
            test_end=test_end,
            seeds=range(seeds),
            workers=workers,
            progress=progress,
            text=_sentiment_of(data, store, texts) if text else None,
            cache=cache,
        )
    else:
        hint = did_you_mean(name, ("acl18", "kdd17", "glt")) or " There are acl18, kdd17 and glt."
        raise ConfigError(f"unknown benchmark {name!r}.{hint}")
    if out is not None:
        write_json(out, result.to_json())
    return result


def _sentiment_of(folder: Path, store: str, progress: ScoringProgress | None) -> DailySentiment | None:
    """The sentiment of a GLT folder's tweets, each scored once and remembered in the lake; None where it has none."""
    news = read_glt_news(folder)
    if news is None:
        return None
    scores = Scorer.load().score(news.frame["text"].tolist(), cache=Lake(store).score_cache(), progress=progress)
    return daily_sentiment(news, scores)
