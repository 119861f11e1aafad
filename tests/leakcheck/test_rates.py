"""How often the checks of a finished table raise a false alarm, and how often they detect a leak: on real bars.

``pytest -m slow -s tests/leakcheck/test_rates.py`` prints the figures that ``docs/leakcheck.md`` states.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from tenor.config import FeatureConfig
from tenor.data import embedded_bars
from tenor.features import build_panel
from tenor.leakcheck import check_dataset

pytestmark = pytest.mark.slow

LENGTHS = (120, 250, 1258)


@pytest.fixture(scope="module")
def tables() -> list[pd.DataFrame]:
    """One table a symbol: tenor's own features, raw bars, the next return."""
    bars = embedded_bars()
    panel = build_panel(bars, FeatureConfig())
    result = []
    for i, symbol in enumerate(panel.symbols):
        known = panel.mask[:, i]
        own = pd.DataFrame(panel.values[known, i].astype("float64"), columns=panel.features)
        own.insert(0, "date", panel.sessions[known])
        raw = bars.frame[bars.frame["symbol"] == symbol].drop(columns="symbol").rename(columns={"session": "date"})
        table = own.merge(raw, on="date", suffixes=("", "_raw"))
        table["target"] = np.log(table["adj_close"]).diff().shift(-1)
        if len(table) >= 1000:
            result.append(table)
    return result


def planted(table: pd.DataFrame) -> dict[str, pd.Series]:
    close = table["adj_close"]
    returns = np.log(close).diff()
    return {
        "scaler_on_all_data: standard": (close - close.mean()) / close.std(),
        "scaler_on_all_data: min-max": (close - close.min()) / (close.max() - close.min()),
        "centred_window: mean of 3 closes": close.rolling(3, center=True).mean(),
        "centred_window: mean of 5 closes": close.rolling(5, center=True).mean(),
        "centred_window: mean of 21 closes": close.rolling(21, center=True).mean(),
        "centred_window: mean of 5 returns": returns.rolling(5, center=True).mean(),
        "centred_window: sd of 11 returns": returns.rolling(11, center=True).std(),
        "centred_window: EWMA backwards in time": close[::-1].ewm(span=10).mean()[::-1],
        "same_day_close: the close": close.shift(-1),
        "same_day_close: its direction": (returns.shift(-1) > 0).astype("float64"),
        "same_day_close: close / SMA(10)": (close / close.rolling(10).mean()).shift(-1),
        "same_day_close: with as much noise": returns.shift(-1)
        + np.random.default_rng(len(table)).normal(0, returns.std(), len(table)),
        "back_fill: volatility's warm-up": returns.rolling(20).std().bfill(),
    }


@pytest.mark.parametrize("split_known", [True, False])
def test_false_alarms(tables: list[pd.DataFrame], split_known: bool) -> None:
    for length in LENGTHS:
        alarms: Counter[str] = Counter()
        columns = 0
        for table in tables:
            short = table.iloc[-length:]
            end = short["date"].iloc[int(0.7 * len(short))].date().isoformat() if split_known else None
            report = check_dataset(short, target="target", train_end=end)
            columns += len(short.columns) - 2
            alarms.update(f"{f.kind} {f.where}" for f in report.findings)
        count = sum(alarms.values())
        print(f"\n{length} rows: {count} false alarms in {columns} columns of {len(tables)} tables", dict(alarms))
        assert count <= 0.001 * columns


def test_detection(tables: list[pd.DataFrame]) -> None:
    few = len(tables[::3])
    for length in LENGTHS:
        seen: Counter[str] = Counter()
        named: Counter[str] = Counter()
        for table in tables[::3]:
            short = table.iloc[-length:].reset_index(drop=True)
            end = short["date"].iloc[int(0.7 * len(short))].date().isoformat()
            for name, column in planted(short).items():
                tested = short[["date", "adj_close", "volume", "return_5", "target"]].assign(x=column)
                kinds = {
                    f.kind
                    for f in check_dataset(tested, target="target", train_end=end).findings
                    if f.where.startswith("column 'x'")
                }
                seen[name] += bool(kinds)
                named[name] += name.split(":")[0] in kinds
        print(f"\n{length} rows, {few} tables: caught (by its own name)")
        for name, count in seen.items():
            print(f"  {name:45s} {count / few:6.1%} ({named[name] / few:6.1%})")
        if length > 120:
            assert min(named[n] for n in named if "min-max" not in n and "noise" not in n) >= 0.95 * few
