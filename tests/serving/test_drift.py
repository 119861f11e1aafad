"""The drift alarm on the path in use: bars in a lake, a model trained on it, a refresh, and what the monitor shows."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from serving import run_refresh
from typer.testing import CliRunner

from tenor.calendars import exchange
from tenor.cli import app
from tenor.config import FeatureConfig
from tenor.features import build_panel
from tenor.schema import Bars, Panel
from tenor.serving.drift import WINDOW, fine_counts, profile
from tenor.serving.monitor import feature_drift
from tenor.store import Lake

FROM_THE_START = slice(0, 320)
"""A training part as `tenor train` cuts it: its first sessions are the warm-up."""


@pytest.fixture(scope="module")
def panel(bars_of: Callable[..., Bars]) -> Panel:
    return build_panel(bars_of(symbols=6, sessions=420, seed=5), FeatureConfig())


def longer(lake: Path, into: Path, *, moves: float, volume: float) -> dict[str, Any]:
    """`tenor monitor` of a copy of `lake` with `WINDOW` more sessions, their moves and volumes multiplied."""
    shutil.copytree(lake, into)
    store, rng = Lake(into), np.random.default_rng(3)
    last = store.bars().frame.groupby("symbol").tail(1).assign(volume=5_000.0)
    days = [exchange("XNYS").following(last["session"].iloc[0], k) for k in range(1, WINDOW + 1)]
    rows = []
    for day in days:
        close = last["close"] * np.exp(rng.normal(0, 0.02 * moves, len(last)))
        open_ = close * np.exp(rng.normal(0, 0.005 * moves, len(last)))
        ends = pd.concat([close, open_], axis=1)
        prices = {"open": open_, "close": close, "adj_close": close * 0.9}
        span = {"high": ends.max(axis=1) * (1 + 0.01 * moves), "low": ends.min(axis=1) * (1 - 0.01 * moves)}
        last = last.assign(session=day, **prices, **span)
        rows.append(last.assign(volume=rng.integers(1_000, 9_000, len(last)) * volume))
    store.append_bars(Bars(pd.concat(rows)), source="test")
    run_refresh(into, now=exchange("XNYS").close(days[-1]) + pd.Timedelta(minutes=20))
    answer = CliRunner().invoke(app, ["monitor", "--store", str(into), "--json"])
    assert answer.exit_code == 0, answer.output
    report: dict[str, Any] = json.loads(answer.output)
    return report


def drifted(report: dict[str, Any]) -> set[str]:
    return {check["name"] for check in report["checks"] if check["kind"] == "drift" and check["alarm"]}


def test_a_lake_whose_bars_changed_raises_the_alarm(trained: Path, tmp_path: Path) -> None:
    # of the news, which began after the training part and has ended, it says so
    quiet = drifted(longer(trained, tmp_path / "quiet", moves=1, volume=1))
    assert all(name.startswith(("sentiment_", "news_")) for name in quiet)
    report = longer(trained, tmp_path / "wild", moves=6, volume=40)
    assert {"log_variance_5", "market_volatility", "volume_z"} <= drifted(report)
    checks = [check for check in report["checks"] if check["kind"] == "drift"]
    bounds = [float(x) for check in checks for x in re.findall(r"KS [\d.]+ \(bound ([\d.]+)\)", check["detail"])]
    # what hardly ever changed in training is not judged: the ends of months, kinds of news that hardly ever came
    unjudged = [check["name"] for check in checks if "KS" not in check["detail"]]
    assert all(name.startswith(("news_", "next_")) for name in unjudged), unjudged
    assert len(bounds) == len(checks) - len(unjudged) > 30
    assert max(bounds) < 1


@pytest.mark.parametrize("first", [0, 40, 80])
def test_no_bound_stands_at_the_end_of_its_scale(panel: Panel, first: int) -> None:
    for k, name in enumerate(panel.features):
        usual = profile(panel.values[:, :, k], panel.mask, slice(first, 320))
        assert usual.bounds[1] < 1, name
        assert np.isfinite(usual.bounds).all()


def test_an_episode_unlike_all_the_rest_leaves_the_bound_below_one(panel: Panel) -> None:
    values = panel.values.copy()
    values[200:240, :, 0] += 50 * values[:, :, 0].std()
    usual = profile(values[:, :, 0], panel.mask, FROM_THE_START)
    assert usual.bounds[1] < 1
    values[-WINDOW:, :, 0] += 5_000 * panel.values[:, :, 0].std()
    assert usual.judge(values[-WINDOW:, :, 0], panel.mask[-WINDOW:])[0] > 1


@pytest.mark.parametrize("spreads", [3.0, -3.0, 1_000.0])
def test_what_all_features_do_by_three_spreads_is_found_from_the_warm_up_on(panel: Panel, spreads: float) -> None:
    values = panel.values.copy()
    values[-WINDOW:] += np.float32(spreads) * values[FROM_THE_START].reshape(-1, values.shape[2]).std(axis=0)
    values[~panel.mask] = 0
    changed = feature_drift(replace(panel, values=values), FROM_THE_START)
    varied = [check for check in changed if panel.values[:, :, panel.features.index(check.name)].std() > 0]
    assert np.mean([check.alarm for check in varied]) > 0.75
    assert not [check.name for check in feature_drift(panel, FROM_THE_START) if check.alarm]


def test_a_feature_that_was_constant_in_training_and_is_not_any_more_is_found(panel: Panel) -> None:
    values = panel.values.copy()
    values[:, :, 2] = np.where(panel.mask, 7.0, 0.0)
    assert not [c for c in feature_drift(replace(panel, values=values), FROM_THE_START) if c.alarm]
    values[-WINDOW:, :, 2] = 7.1
    alarms = [c.name for c in feature_drift(replace(panel, values=values), FROM_THE_START) if c.alarm]
    assert alarms == [panel.features[2]]


@pytest.mark.parametrize("every", [40, 63, 130])
@pytest.mark.parametrize("of_one_symbol", [False, True])
def test_a_value_that_changes_seldom_raises_no_alarm_when_it_does(
    panel: Panel, every: int, of_one_symbol: bool
) -> None:
    """A rate that all symbols share, or one of each, by month or quarter: its next step lies beyond all before."""
    values, steps = panel.values.copy(), np.arange(len(panel.sessions)) // every
    level = np.cumsum(np.full(steps.max() + 1, 0.25)) ** 2
    values[:, :, 4] = level[steps][:, None] * (np.arange(1, 7) if of_one_symbol else 1)
    values[-WINDOW // 2 :, :, 4] = 30 * level[-1]
    (check,) = (c for c in feature_drift(replace(panel, values=values), FROM_THE_START) if c.name == panel.features[4])
    assert (check.alarm, check.value) == (False, 0.0)
    assert "changes so seldom" in check.detail
    # moving day by day is another thing than a step, and is judged
    values[-WINDOW:, :, 4] = 30 * level[-1] + np.arange(WINDOW)[:, None]
    (check,) = (c for c in feature_drift(replace(panel, values=values), FROM_THE_START) if c.name == panel.features[4])
    assert check.value > 0


def test_a_window_without_cells_is_an_alarm_of_its_own(panel: Panel) -> None:
    mask = panel.mask.copy()
    mask[-WINDOW:] = False
    (check,) = feature_drift(replace(panel, mask=mask), FROM_THE_START)
    assert (check.name, check.alarm) == ("cells", True)
    assert "no symbol had all features in the last 20 sessions" in check.detail


def test_symbols_that_ended_are_left_out_on_both_sides(panel: Panel) -> None:
    values, mask = panel.values.copy(), panel.mask.copy()
    values[:, 0] += 100 * values.std(axis=(0, 1))
    mask[-2 * WINDOW :, 0] = False  # an odd symbol that is no longer there
    assert not [c.name for c in feature_drift(replace(panel, values=values, mask=mask), FROM_THE_START) if c.alarm]


def test_a_training_part_of_warm_up_alone_judges_nothing(panel: Panel) -> None:
    mask = panel.mask.copy()
    mask[:300] = False
    assert feature_drift(replace(panel, mask=mask), FROM_THE_START) == []


def test_every_cell_is_counted_once() -> None:
    values = np.array([[1.0, 2.0], [3.0, np.float32(2.5)]], dtype=np.float32)
    mask = np.array([[True, True], [False, True]])
    counts = fine_counts(values, mask, np.array([1.0, 2.0], dtype=np.float32))
    assert counts.tolist() == [[1, 1, 0], [0, 0, 1]]
