"""How often scalers are named that saw all rows, and those that did not: on embedded bars and simulated tables.

``pytest -m slow -s tests/leakcheck/test_scaler_rates.py`` prints the figures that ``docs/leakcheck.md`` states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest

from tenor.data import embedded_bars
from tenor.leakcheck import check_dataset

pytestmark = pytest.mark.slow

TRAIN = 0.7
Scaler = Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]
"""Rows to scale, rows to fit on."""

FITTED: dict[str, Scaler] = {
    "standard": lambda x, fit: (x - fit.mean()) / fit.std(ddof=0),
    "standard, + 1e-3 of it": lambda x, fit: (x - fit.mean()) / (1.001 * fit.std(ddof=1)),
    "standard, four digits": lambda x, fit: ((x - fit.mean()) / fit.std(ddof=0)).round(4),
    "min-max": lambda x, fit: (x - fit.min()) / (fit.max() - fit.min()),
    "min-max, + 1e-7": lambda x, fit: (x - fit.min()) / (fit.max() - fit.min() + 1e-7),
    "min-max, + 1e-3 of it": lambda x, fit: (x - fit.min()) / (1.001 * (fit.max() - fit.min())),
    "min-max to -1 .. 1": lambda x, fit: 2 * (x - fit.min()) / (fit.max() - fit.min() + 1e-8) - 1,
    "min-max to 0.1 .. 0.9": lambda x, fit: 0.1 + 0.8 * (x - fit.min()) / (fit.max() - fit.min()),
    "min-max to 0 .. 10": lambda x, fit: 10 * (x - fit.min()) / (fit.max() - fit.min()),
    "max-abs": lambda x, fit: x / fit.abs().max(),
    "robust": lambda x, fit: (x - fit.median()) / (fit.quantile(0.75) - fit.quantile(0.25)),
}


def _moving(fit: Callable[[pd.DataFrame], tuple[pd.DataFrame, pd.DataFrame]]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def scale(x: pd.DataFrame) -> pd.DataFrame:
        centre, spread = fit(x)
        return (x - centre) / spread

    return scale


def _walked(x: pd.DataFrame) -> pd.DataFrame:
    """Blocks of 60 rows, each scaled by all rows before it."""
    blocks = [x.iloc[k : k + 60] for k in range(0, len(x), 60)]
    scaled = [FITTED["standard"](b, x.iloc[: max(60, b.index[0])]) for b in blocks]
    return pd.concat(scaled)


HONEST: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "raw": lambda x: x,
    "expanding": _moving(lambda x: (x.expanding(30).mean(), x.expanding(30).std())),
    "expanding min-max": _moving(lambda x: (x.expanding(30).min(), x.expanding(30).max() - x.expanding(30).min())),
    "rolling 60": _moving(lambda x: (x.rolling(60).mean(), x.rolling(60).std())),
    "rolling min-max 60": _moving(lambda x: (x.rolling(60).min(), x.rolling(60).max() - x.rolling(60).min())),
    "walk-forward": _walked,
    "cut at three deviations": lambda x: FITTED["standard"](x, x.iloc[: int(TRAIN * len(x))]).clip(-3, 3),
    "times a hundred, two digits": lambda x: (100 * x).round(2),
}
HONEST |= {
    f"{name}, training part": (lambda x, f=scaler: f(x, x.iloc[: int(TRAIN * len(x))]))
    for name, scaler in FITTED.items()
}


def _real() -> Iterator[tuple[pd.DatetimeIndex, pd.DataFrame]]:
    frame = embedded_bars().frame
    for _, bars in frame.groupby("symbol"):
        if len(bars) < 1000:
            continue
        close, volume = np.log(bars["adj_close"]), np.log(bars["volume"] + 1)
        columns = {
            "level": bars["adj_close"],
            "log_level": close,
            "high": bars["high"],
            "return_1": close.diff(),
            "return_5": close.diff(5),
            "return_20": close.diff(20),
            "volatility": close.diff().rolling(20).std(),
            "log_volume": volume,
            "range": np.log(bars["high"] / bars["low"]),
            "distance": close - close.rolling(20).mean(),
        }
        table = pd.DataFrame(columns).assign(date=bars["session"]).dropna()
        yield pd.DatetimeIndex(table.pop("date")), table.reset_index(drop=True)


def _simulated(count: int) -> Iterator[tuple[pd.DatetimeIndex, pd.DataFrame]]:
    for seed in range(count):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(300, 2000))
        noise = rng.standard_t(4, n)
        slow = np.zeros(n)
        for t in range(1, n):
            slow[t] = 0.97 * slow[t - 1] + rng.normal()
        table = pd.DataFrame(
            {
                "walk": np.cumsum(rng.normal(0, 1, n)),
                "noise": noise,
                "normal": rng.normal(0, 1, n),
                "slow": slow,
                "skewed": rng.lognormal(0, 0.6, n),
                "bounded": rng.uniform(0, 1, n),
                "clustered": noise * np.exp(0.2 * slow / slow.std()),
            }
        )
        yield pd.bdate_range("2010-01-04", periods=n), table


def named(days: pd.DatetimeIndex, table: pd.DataFrame, *, dropped: int, known: bool) -> tuple[int, int]:
    """Columns named `scaler_on_all_data`, and columns, of a table whose last rows were dropped after scaling."""
    frame = table.iloc[: len(table) - dropped].assign(date=days[: len(table) - dropped])
    end = f"{days[int(TRAIN * len(days)) - 1]:%Y-%m-%d}" if known else None
    report = check_dataset(frame, train_end=end, horizon=max(1, dropped))
    return sum(f.kind == "scaler_on_all_data" for f in report.findings), len(table.columns)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("source", ["embedded", "simulated"])
def test_honest_scalers_raise_no_alarm(source: str, known: bool) -> None:
    alarms: dict[str, list[int]] = {}
    for days, table in list(_real())[::4] if source == "embedded" else _simulated(30):
        for name, scale in HONEST.items():
            scaled = scale(table)
            for dropped in (0, 1, 5):
                hits, columns = named(days, scaled, dropped=dropped, known=known)
                count = alarms.setdefault(name, [0, 0])
                count[0] += hits
                count[1] += columns
    total, columns = (sum(each[i] for each in alarms.values()) for i in (0, 1))
    print(f"\n{source}, training rows {'known' if known else 'not known'}: {total} false alarms in {columns} columns")
    print("  ", {name: hits for name, (hits, _) in alarms.items() if hits})
    assert total <= 0.001 * columns


@pytest.mark.parametrize("source", ["embedded", "simulated"])
def test_scalers_of_all_rows_are_named(source: str) -> None:
    print()
    shares: dict[str, dict[int, float]] = {}
    tables = list(_real())[::3] if source == "embedded" else list(_simulated(30))
    for name, scaler in FITTED.items():
        for dropped in (0, 1, 2, 3, 5):
            hits = np.array([named(d, scaler(t, t), dropped=dropped, known=True) for d, t in tables]).sum(axis=0)
            shares.setdefault(name, {})[dropped] = hits[0] / hits[1]
        print(f"  {source} {name:26s}", " ".join(f"{k}: {share:4.0%}" for k, share in shares[name].items()))
    for name, by_dropped in shares.items():
        if name.startswith(("standard", "robust")):
            assert by_dropped[0] > 0.95, name
            assert by_dropped[1] > 0.9 or "+" in name, name
