"""The section on trading: who is said to earn something, and what a rule added to holding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from reports import flat

from tenor.evaluation.cost_sweep import sweep_costs
from tenor.evaluation.significance import Difference
from tenor.report.backtest import trading_section
from tenor.report.page import Paragraph, TextTable
from tenor.schema import Predictions


def words(section) -> str:
    return " ".join(block.text for block in flat(section.blocks) if isinstance(block, Paragraph)).replace("\u00a0", " ")


@pytest.fixture(scope="module")
def traded(world):
    ours = next(iter(world.predictions.values()))
    return sweep_costs(world.panel, world.rows, ours, horizon=1, tried=7)


def test_trading_shows_each_difference_to_holding_with_its_interval(traded) -> None:
    opened, closed = (block for block in flat(trading_section(traded).blocks) if isinstance(block, TextTable))
    column = opened.columns.index("less buy and hold")
    for fill, table in (("open", opened), ("close", closed)):
        rules = ("long/flat", "long/short")
        runs = [run for rule in rules for run in traded.of(rule, fill) if fill == "open" or run.cost == 10]
        assert len(table.rows) == len(runs) + 1
        for row, run in zip(table.rows, runs, strict=False):
            difference = run.holding.sharpe
            value, interval = row[column].replace("−", "-").split("\n")
            assert float(value) == pytest.approx(difference.value, abs=0.005)
            low, high = map(float, interval.strip("[]").split(", "))
            assert (low, high) == pytest.approx((difference.low, difference.high), abs=0.005)
        assert table.rows[-1][column] == "–"  # buy and hold itself


def sweep_of(traded, **rules):
    """`traded` with another deflated Sharpe ratio and another difference to holding of each rule."""
    runs = []
    for run in traded.runs:
        if run.rule in rules:
            deflated, value, half = rules[run.rule]
            difference = Difference(value, value - half, value + half, 0.01 if abs(value) > half else 0.4)
            run = replace(
                run, sharpe=replace(run.sharpe, deflated=deflated), holding=replace(run.holding, sharpe=difference)
            )
        runs.append(run)
    return replace(traded, runs=tuple(runs))


@pytest.mark.parametrize(
    ("deflated", "difference", "half", "opening"),
    [
        (0.99, 0.8, 0.5, "Long/flat earned more at 10 bps, filled at the next open than chance and holding the same"),
        (0.99, 0.4, 0.5, "No rule is shown to earn anything at 10 bps, filled at the next open that holding the same"),
        (0.99, -0.8, 0.5, "No rule is shown to earn anything at 10 bps, filled at the next open that holding the same"),
        (0.90, 0.8, 0.5, "No rule is shown to earn anything at 10 bps, filled at the next open. The closest is long"),
    ],
    ids=["earns and adds", "adds nothing shown", "adds less", "could be luck"],
)
def test_a_rule_earns_something_only_if_it_also_beats_holding(traded, deflated, difference, half, opening) -> None:
    shown = sweep_of(traded, **{"long/flat": (deflated, difference, half), "long/short": (0.1, 0.9, 0.1)})
    text = words(trading_section(shown)).replace("−", "-")
    assert text.startswith(opening)
    interval = f"{difference:+.2f} [{difference - half:+.2f}, {difference + half:+.2f}]"
    assert "Buy and hold of the same stocks has" in text
    assert f": the difference is {interval}." in text
    assert ("which is not shown to be more than buy and hold earned" in text) is (deflated > 0.95 and difference < half)


def test_always_up_in_a_rising_market_is_no_achievement(world) -> None:
    """Its Sharpe ratio is as high as that of holding, which no number of trials explains; it adds nothing."""
    sessions = len(world.panel.sessions)
    rise = np.exp(0.003 * np.arange(sessions))[:, None]
    rising = replace(world.panel, open=world.panel.open * rise, close=world.panel.close * rise)
    shape = world.panel.targets.shape
    up = Predictions("always-up", np.full(shape, 0.001, "float32"), np.full(shape, 0.6, "float32"))
    swept = sweep_costs(rising, world.rows, up, horizon=1)
    (run,) = (run for run in swept.of("long/flat") if run.cost == 10)
    assert run.sharpe.deflated > 0.95
    text = words(trading_section(swept))
    assert text.startswith("No rule is shown to earn anything at 10 bps, filled at the next open that holding")
    assert "Long/flat" in text.split(". ")[1]
