"""Find the columns of a file of forecasts by the names that forecasters use, and report those that are missing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tenor.errors import CellError, did_you_mean
from tenor.ingest.files.column_names import find_named, shown_header

QUANTITIES = ("price", "return", "volatility", "variance", "log_variance", "p_up")
"""The quantities that a file may forecast, apart from quantiles."""
MOMENTS = ("session", "as_of", "target_session")
"""The columns that show when a forecast was made; one of them is needed."""

_ALIASES: dict[str, tuple[str, ...]] = {
    "symbol": ("symbol", "ticker", "unique_id", "tic", "instrument", "asset"),
    "session": ("session", "cutoff", "origin", "last_session"),
    "as_of": ("as_of", "asof"),
    "target_session": ("target_session", "target_date", "target_day"),
    "horizon": ("horizon", "h", "steps", "sessions_ahead", "step"),
    "price": ("price", "price_forecast", "forecast_price", "predicted_price", "predicted_close", "close_forecast"),
    "return": (
        *("return", "log_return", "expected_return", "predicted_return", "return_forecast", "forecast_return"),
        *("expected_log_return", "ret"),
    ),
    "volatility": ("volatility", "vol", "sigma", "predicted_volatility", "volatility_forecast"),
    "variance": ("variance", "predicted_variance"),
    "log_variance": ("log_variance",),
    "p_up": ("p_up", "prob_up", "probability_up", "up_probability", "probability"),
    "last_price": ("last_price", "last_close", "reference_price"),
    "trained_until": ("trained_until", "train_end", "training_end"),
    "made_at": ("made_at", "created_at"),
    "model": ("model", "model_name"),
}
NAMES = {alias: column for column, aliases in _ALIASES.items() for alias in aliases}
"""From each name that a column may have (see `plain_column`) to tenor's name of it."""
_EITHER = ("date", "ds", "day", "datetime", "timestamp", "time")
"""Names that may mean the last session known to a forecast or the session that it forecasts."""
_QUANTILE = re.compile(r"(?:(price|return)_)?q(?:uantile)?_?(0?\.\d+|\d{1,2}\.\d+|\d{1,3})")


@dataclass(frozen=True)
class ForecastColumns:
    """Which column of a file of forecasts holds what.

    Attributes
    ----------
    place
        Position of each of tenor's columns among the file's own names.
    quantiles
        From the level of a quantile (0 to 1) to the position of its column.
    of
        The quantity of the quantiles, if their names state it: ``price`` or ``return``; ``""`` otherwise.
    ignored
        Unknown names, each with a suggestion of what it may mean.
    """

    place: dict[str, int]
    quantiles: dict[float, int] = field(default_factory=dict)
    of: str = ""
    ignored: tuple[str, ...] = ()


def match_forecast_columns(names: Sequence[str], chosen: Mapping[str, str], file: str) -> ForecastColumns:
    """Find the columns of a file of forecasts.

    Parameters
    ----------
    names
        The file's own names of its columns.
    chosen
        The columns that the user named (as `column_names.parse_columns` returns them, with `NAMES`).
    file
        The name of the file, for messages.

    Raises
    ------
    CellError
        A column is missing or appears twice, a date can have two meanings, or nothing is forecast.
    """
    place = find_named(chosen, names)
    quantiles: dict[float, int] = {}
    kinds: set[str] = set()
    ignored: list[str] = []
    dates: list[str] = []
    for i, name in enumerate(names):
        plain = plain_column(name)
        if i in place.values():
            continue
        if plain in NAMES:
            column = NAMES[plain]
            if column in chosen:
                continue
            if column in place:
                raise CellError(
                    file,
                    f"{names[place[column]]!r} and {name!r} may both be the {column}",
                    f"say which with --columns {column}=NAME, or drop one",
                    column=name,
                    mend="df = df.drop(columns=NAME)",
                )
            place[column] = i
        elif level := _level(plain):
            if level in quantiles:
                why = f"{names[quantiles[level]]!r} and {name!r} are both the quantile {level:g}"
                raise CellError(file, why, "drop one", column=name, mend="df = df.drop(columns=NAME)")
            quantiles[level] = i
            kinds.add(level_kind(plain))
        elif plain in _EITHER:
            dates.append(name)
        elif plain:
            ignored.append(f"{name!r}{did_you_mean(plain, NAMES)}")
    _require(place, quantiles, names, dates, file)
    if len(kinds) > 1:
        own = [name for name in names if level_kind(plain_column(name)) == "return"]
        why, mend = "has quantiles of the price and of the return", f"df = df.drop(columns={own!r})"
        raise CellError(file, why, "write one kind a file", mend=mend)
    return ForecastColumns(place, dict(sorted(quantiles.items())), kinds.pop() if kinds else "", tuple(ignored))


def level_kind(name: str) -> str:
    """The quantity that the name of a quantile column states: ``price``, ``return`` or ``""``."""
    parts = _QUANTILE.fullmatch(name)
    return (parts[1] or "") if parts else ""


def _level(name: str) -> float:
    """The level of the quantile column `name`: ``q05``, ``q0.05``, ``q2.5``, ``q025``; 0 if it is not one."""
    parts = _QUANTILE.fullmatch(name)
    if parts is None:
        return 0.0
    digits = parts[2]
    if "." in digits:
        level = float(digits)
        level = level / 100 if level >= 1 else level
    else:
        level = int(digits) / (1000 if len(digits) == 3 else 100)
    return round(level, 6) if 0 < level < 1 else 0.0


def _require(
    place: Mapping[str, int], quantiles: Mapping[float, int], names: Sequence[str], dates: Sequence[str], file: str
) -> None:
    header = shown_header(names)
    if "symbol" not in place:
        raise CellError(
            file,
            f"has no column 'symbol' (its header: {header})",
            f"add it, or say which it is with --columns symbol=NAME.{_hint('symbol', names)}",
            mend='df["symbol"] = "AAPL"  # or one a row',
        )
    if not any(column in place for column in MOMENTS):
        if dates:
            raise CellError(
                file,
                f"{dates[0]!r} may be the session whose close was the last one known, or the one that is forecast",
                f"say which with --columns session={dates[0]} or --columns target_session={dates[0]}",
                column=dates[0],
                mend="df = df.rename(columns={NAME: 'session'})  # or 'target_session'",
            )
        raise CellError(
            file,
            f"has no column that says when its forecasts were made (its header: {header})",
            f"add 'session', the last session known, or 'as_of', a moment with its zone.{_hint('session', names)}",
            mend='df["session"] = sessions  # one a row: the last one known',
        )
    if "horizon" not in place and not ("target_session" in place and ("session" in place or "as_of" in place)):
        raise CellError(
            file,
            f"has no column 'horizon' (its header: {header})",
            "add it as a number of sessions ahead (1: the next session), or add both 'session' and 'target_session'."
            f"{_hint('horizon', names)}",
            mend='df["horizon"] = 1  # sessions ahead',
        )
    if not quantiles and not any(column in place for column in QUANTITIES):
        free = [name for i, name in enumerate(names) if i not in place.values()]
        raise CellError(
            file,
            f"forecasts nothing (its header: {header})",
            f"add one of price, return, volatility, p_up, or quantiles as q05, q50, q95.{_hint('return', names)}",
            column=free[0] if free else "",
            mend="df = df.rename(columns={NAME: 'return'})  # or price, volatility, p_up" if free else "",
        )


def _hint(column: str, names: Sequence[str]) -> str:
    """`` Is it 'x'?`` for the name in the file that is most similar to `column`."""
    near = did_you_mean(column, [plain_column(name) for name in names])
    return near.replace("Did you mean", "Is it")


def plain_column(name: str) -> str:
    """`name` in lower case, without spaces and hyphens, to compare names."""
    return re.sub(r"[\s-]+", "_", name.strip().casefold())
