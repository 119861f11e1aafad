"""A leak planted in each kind of own feature is caught, and honest ones pass: on real bars."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from own_functions import (
    centred,
    constant,
    expanding,
    filled_back,
    momentum,
    ranked,
    remembered,
    rolling_z,
    scaled,
    several,
    smooth,
    tomorrow,
    weekday,
)

from tenor.calendars import exchange
from tenor.cli import main
from tenor.config import FeatureConfig
from tenor.data import embedded_bars
from tenor.features.own import Covariates, Own, read_own_table
from tenor.leakcheck.own import check_own
from tenor.leakcheck.report import LeakFinding
from tenor.schema import Bars, Events
from tenor.store import Lake

TRAIN_END = pd.Timestamp("2015-08-31")
CONFIG = FeatureConfig()
Function = Callable[[pd.DataFrame], Any]


@pytest.fixture(scope="module")
def real() -> Bars:
    bars = embedded_bars()
    return bars.select(bars.symbols[::4])


def found(real: Bars, *given: Any, events: Events | None = None) -> tuple[LeakFinding, ...]:
    config = FeatureConfig(events=events is not None)
    own = Own.of(config, given=given, covariates=Covariates(events)).fitted(real, TRAIN_END)
    (report,) = check_own(own, real, train_end=TRAIN_END).values()
    assert report.checked
    return report.findings


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (tomorrow, "future_value"),
        (scaled, "scaler_on_all_data"),
        (centred, "centred_window"),
        (filled_back, "back_fill"),
        (ranked, "scaler_on_all_data"),
        (remembered, "future_value"),
        (constant, "unresponsive"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_leak_in_a_function_is_caught(real: Bars, function: Function, kind: str) -> None:
    findings = found(real, function)
    assert [finding.kind for finding in findings] == [kind]
    assert f"{function.__name__!r}" in findings[0].where or function.__name__ in findings[0].where


@pytest.mark.parametrize(
    "function", [momentum, rolling_z, smooth, expanding, several, weekday], ids=lambda f: f.__name__
)
def test_an_honest_function_passes(real: Bars, function: Function) -> None:
    assert found(real, function) == ()


@functools.cache
def closes() -> pd.DataFrame:
    return embedded_bars().frame.pivot_table(index="session", columns="symbol", values="adj_close")


def returns() -> pd.DataFrame:
    return np.log(closes()).diff()


def tall(wide: pd.DataFrame, name: str = "value", *, lag: int = 0) -> pd.DataFrame:
    """One row a symbol and session, known `lag` days after it where that is above 0."""
    rows = wide.rename_axis(columns="symbol").stack().rename(name).reset_index()
    if lag:
        rows["known_since"] = rows["session"] + pd.Timedelta(days=lag)
    return rows


def quarterly(real: Bars, value: Callable[[pd.Series[Any], int], float], *, lag: int = 0) -> pd.DataFrame:
    """A row each 63 sessions: `value` of the symbol's returns and the place of the row."""
    rows = []
    for i, symbol in enumerate(real.symbols):
        move = returns()[symbol].fillna(0)
        places = range(70 + 3 * i % 60, len(move) - 40, 63)
        rows += [(symbol, move.index[t], move.index[t + lag], value(move, t)) for t in places]
    return pd.DataFrame(rows, columns=["symbol", "session", "known_since", "value"])


def daily_tables(rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    move = returns()
    noise = pd.DataFrame(rng.normal(size=move.shape), move.index, move.columns)
    return {
        "past returns": tall(move.rolling(5).sum().shift(1)),
        "a level": tall(noise.cumsum() + 100),
        "trailing volatility": tall(move.rolling(20).std()),
        "counts": tall(pd.DataFrame(rng.poisson(4, move.shape).astype("float64"), move.index, move.columns)),
        "known a week later": tall(move.rolling(5).sum(), lag=7),
        "a month's return, carried on": tall(move.rolling(20).sum().iloc[::20].reindex(move.index).ffill()),
        "a week's noise, carried on": tall(noise.iloc[::5].reindex(move.index).ffill()),
        "the market's": tall(move.rolling(20).std().mean(axis=1).to_frame("all")).drop(columns="symbol"),
    }


def leaking_tables(rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    move = returns()
    noise = pd.DataFrame(rng.normal(0, 0.01, move.shape), move.index, move.columns)
    level = np.log(closes())
    return {
        "the next return": tall(move.shift(-1)),
        "the next return and noise": tall(move.shift(-1) + noise),
        "a centred mean": tall(move.rolling(5, center=True).mean()),
        "scaled by all rows": tall((level - level.mean()) / level.std()),
        "a month's return, carried back": tall(move.rolling(20).sum().iloc[::20].reindex(move.index).bfill()),
        "the next week's, carried on": tall(move.rolling(5).sum().shift(-5).iloc[::5].reindex(move.index).ffill()),
        "known before its session": tall(move, lag=-3),
        "the market's next": tall(move.shift(-1).mean(axis=1).to_frame("all")).drop(columns="symbol"),
    }


@pytest.mark.parametrize("name", daily_tables(np.random.default_rng(0)))
def test_an_honest_daily_table_passes(real: Bars, name: str) -> None:
    assert found(real, ("mine", daily_tables(np.random.default_rng(0))[name])) == ()


@pytest.mark.parametrize("name", leaking_tables(np.random.default_rng(0)))
def test_a_daily_table_that_knows_what_comes_is_caught(real: Bars, name: str) -> None:
    assert found(real, ("mine", leaking_tables(np.random.default_rng(0))[name]))


SPARSE: dict[str, Callable[[Bars, np.random.Generator], pd.DataFrame]] = {
    "noise": lambda real, rng: quarterly(real, lambda *_: float(rng.normal()), lag=20),
    "the last quarter": lambda real, rng: quarterly(real, lambda m, t: float(m.iloc[t - 62 : t + 1].sum()), lag=25),
    "a slow level": lambda real, rng: quarterly(real, lambda m, t: t / 100 + float(rng.normal(0, 0.1)), lag=30),
    "past volatility": lambda real, rng: quarterly(real, lambda m, t: float(m.iloc[t - 62 : t + 1].std()), lag=1),
    "weak foresight": lambda real, rng: quarterly(
        real, lambda m, t: float(m.iloc[t + 2 : t + 22].sum() + rng.normal(0, 0.6)), lag=1
    ),
}


@pytest.mark.parametrize("name", SPARSE)
def test_an_honest_sparse_table_passes(real: Bars, name: str) -> None:
    assert found(real, ("mine", SPARSE[name](real, np.random.default_rng(1)))) == ()


def test_a_value_known_before_it_was_knowable_is_caught(real: Bars) -> None:
    # the reaction to earnings twelve sessions after the quarter, dated by the quarter's end
    early = quarterly(real, lambda m, t: float(m.iloc[t + 12] + 0.002 * np.sin(t)))
    (finding,) = found(real, ("mine", early))
    assert finding.kind == "future_value"
    assert "session 12 alone" in finding.evidence
    assert "known_since lies before the value was known" in finding.evidence
    honest = quarterly(real, lambda m, t: float(m.iloc[t + 12] + 0.002 * np.sin(t)), lag=12)
    assert found(real, ("mine", honest)) == ()


def test_too_few_rows_to_test_are_said_to_be(real: Bars) -> None:
    few = read_own_table("mine", quarterly(real, lambda m, t: 1.0).head(20), calendar="XNYS", where="x")
    (report,) = check_own(Own(tables=(few,)), real).values()  # type: ignore[arg-type]
    assert "20 rows, 30 are needed" in report.notes[0]


def per_symbol(values: pd.Series[Any]) -> pd.DataFrame:
    return values.rename("value").rename_axis("symbol").reset_index()


def static_tables(rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    move = returns()
    past = move[:TRAIN_END]
    names = pd.Series(rng.choice(["Tech", "Energy", "Banks", "Health"], len(move.columns)), move.columns)
    return {
        "sectors": per_symbol(names),
        "noise": per_symbol(pd.Series(rng.normal(size=len(names)), names.index)),
        "mean return of the training part": per_symbol(past.mean()),
        "volatility of the training part": per_symbol(past.std()),
        "founding year": per_symbol(pd.Series(rng.integers(1850, 2005, len(names)), names.index)),
    }


def leaking_static_tables() -> dict[str, pd.DataFrame]:
    move = returns()
    later = move[move.index > TRAIN_END].mean()
    return {
        "mean return": per_symbol(move.mean()),
        "mean return in percent a year": per_symbol(100 * 252 * move.mean() + 3),
        "volatility": per_symbol(move.std()),
        "later winners": per_symbol(pd.qcut(later, 4, labels=["a", "b", "c", "d"]).astype("str")),
        "later returns and noise": per_symbol(later + 0.1 * later.std() * np.sin(np.arange(len(later)))),
    }


@pytest.mark.parametrize("name", static_tables(np.random.default_rng(0)))
def test_an_honest_static_table_passes(name: str) -> None:
    assert found(embedded_bars(), ("mine", static_tables(np.random.default_rng(0))[name])) == ()


@pytest.mark.parametrize("name", leaking_static_tables())
def test_a_static_table_of_the_whole_history_is_caught(name: str) -> None:
    (finding,) = found(embedded_bars(), ("mine", leaking_static_tables()[name]))
    assert finding.kind == "future_value"
    assert "column 'value' of static table 'mine'" in finding.where


def dates(known: Callable[[pd.Timestamp], pd.Timestamp], *, every: int = 63) -> Events:
    days = exchange("XNYS").sessions(pd.Timestamp("2012-09-04"), pd.Timestamp("2017-08-31"))[::every]
    rows = [("", day, "release", exchange("XNYS").close(exchange("XNYS").following(known(day), 0))) for day in days]
    return Events(pd.DataFrame(rows, columns=["symbol", "session", "kind", "known_since"]))


@pytest.mark.parametrize(
    "known",
    [
        lambda day: day - pd.Timedelta(days=14),
        lambda day: day - pd.Timedelta(days=1),
        lambda day: day,
        lambda day: pd.Timestamp(day.year - 1, 11, 15),  # a year's calendar, published in November
        lambda day: pd.Timestamp(day.year - 2 + day.year % 2, 1, 10),  # two years at once
    ],
)
def test_honest_events_pass(real: Bars, known: Callable[[pd.Timestamp], pd.Timestamp]) -> None:
    assert found(real, events=dates(known)) == ()


def test_dates_that_nobody_knew_so_early_are_caught(real: Bars) -> None:
    (finding,) = found(real, events=dates(lambda _: pd.Timestamp("2012-08-01")))
    assert "20 of 20 events, up to 2017-" in finding.evidence
    assert "known since 2012-08-01: nobody knew those dates then" in finding.evidence


def test_the_command_gives_a_declared_feature_one_symbol_at_a_time(
    tmp_path: Path, bars: Bars, capsys: pytest.CaptureFixture[str]
) -> None:
    head = "import tenor\n\n@tenor.feature\ndef f(bars):\n    assert bars.index.is_unique\n"
    body = head + "    return bars['close'].diff({})\n"
    Lake(tmp_path / "lake").append_bars(bars, source="test")
    for steps, code in ((3, 0), (-3, 1)):
        path = tmp_path / f"mine{steps}.py"
        path.write_text(body.format(steps))
        assert main(["leakcheck", "--features", f"{path}:f", "--store", str(tmp_path / "lake")]) == code
    assert "feature 'f', session" in capsys.readouterr().out
