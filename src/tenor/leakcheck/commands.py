"""The checks as the command line calls them: of a table in a file, or of a function or trainer given by name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from tenor.calendars import interval_of
from tenor.config import FeatureConfig
from tenor.errors import ConfigError
from tenor.features import build_panel
from tenor.features.own import OwnFunction
from tenor.leakcheck.functions import check_features
from tenor.leakcheck.own import check_own_function
from tenor.leakcheck.report import LeakReport
from tenor.leakcheck.runner import RunProgress
from tenor.leakcheck.tables import check_dataset
from tenor.leakcheck.trainers import check_history, check_trainer, is_history
from tenor.schema import AsOf, Bars, DailySentiment, News
from tenor.storage.frames import read_frame
from tenor.user_code import load_object


def leakcheck_file(
    path: str | Path,
    *,
    target: str | None = None,
    date: str | None = None,
    symbol: str | None = None,
    features: Sequence[str] | None = None,
    horizon: int = 1,
    split: str | None = None,
    train_end: str | None = None,
    published_at: str | None = None,
    price: str | None = None,
    chosen: int | None = None,
    calendar: str = "XNYS",
    as_of: AsOf = "close",
    progress: RunProgress | None = None,
) -> LeakReport:
    """Run `check_dataset` on a CSV or Parquet file; `check_history` if it has learning curves (``epoch``, ``test…``).

    Raises
    ------
    DataError
        The file does not exist, or can't be read or used.
    ConfigError
        As in `check_dataset`.
    """
    frame = read_frame(Path(path))
    if is_history(frame) and target is None:
        return check_history(frame, chosen=chosen)
    return check_dataset(
        frame,
        target=target,
        date=date,
        symbol=symbol,
        features=features,
        horizon=horizon,
        split=split,
        train_end=train_end,
        published_at=published_at,
        price=price,
        calendar=calendar,
        as_of=as_of,
        progress=progress,
    )


def load_function(spec: str) -> Callable[..., Any]:
    """The function that `spec` names: ``path/to/file.py:name`` or ``package.module:name``. Its module is run.

    Raises
    ------
    ConfigError
        `spec` does not have this form, the file, module or function does not exist (a similar name is suggested), or
        the module raises when it is run.
    """
    function = load_object(spec)
    if not callable(function):
        place, _, name = spec.rpartition(":")
        raise ConfigError(f"{name!r} of {place} is {type(function).__name__}, not a function.")
    return function  # type: ignore[no-any-return]


def leakcheck_function(
    spec: str,
    bars: Bars,
    *,
    sentiment: DailySentiment | None = None,
    news: News | None = None,
    targets: Sequence[str] = (),
    cuts: int = 6,
    known_from: str | None = None,
    decided: Literal["close", "open"] = "close",
    calendar: str = "XNYS",
    seed: int = 0,
    progress: RunProgress | None = None,
) -> LeakReport:
    """Run `check_features` on the function that `spec` names.

    `sentiment`, `news` and `calendar` are passed to the function if it has parameters of these names. A function that
    is declared as an own feature (`tenor.feature`) gets the bars of one symbol at a time, as in training.
    """
    function = load_function(spec)
    if hasattr(function, "__tenor_feature__"):
        return check_own_function(OwnFunction.of(spec), bars, calendar=calendar, seed=seed, progress=progress)
    takes = _parameters(function)
    if "calendar" in takes:
        function = functools.partial(function, calendar=calendar)
    return check_features(
        function,
        bars,
        sentiment=sentiment if "sentiment" in takes else None,
        news=news if "news" in takes and news is not None and len(news.frame) else None,
        targets=targets,
        cuts=cuts,
        known_from=known_from,
        decided=decided,
        calendar=calendar,
        seed=seed,
        name=spec.rpartition(":")[2],
        progress=progress,
    )


def leakcheck_trainer(
    spec: str,
    bars: Bars,
    *,
    sentiment: DailySentiment | None = None,
    features: FeatureConfig | None = None,
    train_end: str | None = None,
    valid_end: str | None = None,
    seed: int = 0,
) -> LeakReport:
    """Run `check_trainer` on the function that `spec` names, with the panel of `bars` and a chronological split."""
    from tenor.config import SplitConfig
    from tenor.training import chronological

    function = load_function(spec)
    config = features or FeatureConfig()
    panel = build_panel(bars, config, sentiment=sentiment)
    split = chronological(
        panel.sessions, SplitConfig(train_end=train_end, valid_end=valid_end), purge=max(config.horizons)
    )
    return check_trainer(function, panel, split, seed=seed, name=spec.rpartition(":")[2])


def tenor_features(frame: pd.DataFrame, sentiment: pd.DataFrame | None = None, calendar: str = "XNYS") -> Any:
    """Tenor's own features, for ``tenor leakcheck --features tenor.leakcheck:tenor_features``."""
    length = interval_of(calendar)
    daily = None if sentiment is None else DailySentiment(sentiment, interval=length)
    return build_panel(Bars(frame, length), FeatureConfig(calendar=calendar), sentiment=daily)


def _parameters(function: Callable[..., Any]) -> set[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some built-in functions have no signature
        return set()
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return {"sentiment", "news"}
    return {p.name for p in parameters}
