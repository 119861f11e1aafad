"""Writes a file of forecasts from a model and bars, in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tenor.adapters.own import of_function
from tenor.adapters.rolling import Model, Progress, roll
from tenor.errors import ConfigError
from tenor.forecast_table import columns_of, format_of, write_forecasts
from tenor.schema import Bars


def write(
    model: Model | Callable[..., Any],
    bars: Bars | pd.DataFrame,
    output: str | Path,
    *,
    first: str | pd.Timestamp,
    last: str | pd.Timestamp,
    horizons: Sequence[int] = (1, 5),
    levels: Sequence[float] | None = None,
    name: str | None = None,
    every: int = 1,
    batch: int = 64,
    trained_until: str | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Forecast each symbol after each session with `model`, and write the file that `tenor judge` reads.

    Parameters
    ----------
    model
        A `Model`, or a function ``predict(closes, horizon)`` as `of_function` takes it.
    bars
        `Bars`, or a frame with their columns.
    output
        A file that ends in .csv or .parquet.
    first, last
        Sessions after which forecasts are made, both included.
    horizons
        Horizons, in sessions ahead.
    levels
        Levels of the quantiles that a function returns.
    name
        Name of the model in the file; by default its own.
    every, batch, trained_until, progress
        As `roll` takes them.

    Returns
    -------
    DataFrame
        The rows that were written.

    Raises
    ------
    TenorError
        The errors of `roll` and `write_forecasts`; nothing is written then.

    Examples
    --------
    >>> import tenor
    >>> from sklearn.linear_model import Ridge
    >>> from tenor import adapters
    >>> bars = tenor.embedded_bars().select(["AAPL", "MSFT"])
    >>> dates = {"first": "2016-01-04", "last": "2016-01-05"}
    >>> table = adapters.write(adapters.of_regressor(Ridge()), bars, getfixture("tmp_path") / "ridge.csv", **dates)
    >>> table.columns.tolist()
    ['symbol', 'session', 'horizon', 'last_price', 'return', 'trained_until', 'model']
    """
    path = Path(output)
    format_of(path)
    if not isinstance(model, Model):
        model = of_function(model, name=name or str(getattr(model, "__name__", "function")), levels=levels)
    elif name is not None:
        model = Model(name, model.predict, model.context)
    rows = roll(
        model,
        bars if isinstance(bars, Bars) else Bars(bars),
        first=_date(first),
        last=_date(last),
        horizons=horizons,
        every=every,
        batch=batch,
        trained_until=trained_until,
        progress=progress,
    )
    write_forecasts(path, rows)
    return pd.DataFrame(rows, columns=columns_of(rows))


def _date(text: str | pd.Timestamp) -> pd.Timestamp:
    try:
        date = pd.Timestamp(text)
        if pd.isna(date) or date.tz is not None:
            raise ValueError
    except (ValueError, TypeError):
        raise ConfigError(f"{text!r} is not a date of a session: write YYYY-MM-DD.") from None
    return date.normalize()
