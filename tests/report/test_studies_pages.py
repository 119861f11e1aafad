"""The pages and sections of the studies: trading, attention, ablation, grid search."""

from __future__ import annotations

import math
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tenor.config import FeatureConfig, ModelConfig, TrainConfig
from tenor.evaluation.ablation import ARMS, HIGHER_IS_BETTER, SHUFFLED, WITHOUT, Ablation, Contrast
from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.cost_sweep import sweep_costs
from tenor.evaluation.faithfulness import LATEST, LEAST, MOST, RANDOM, Deletion, Faithfulness
from tenor.evaluation.significance import Difference
from tenor.report.ablation import figure_contrasts, write_ablation
from tenor.report.backtest import figure_costs, trading_section
from tenor.report.model import describe_deletion, faithfulness_section, figure_deletion
from tenor.report.page import Paragraph, Picture, TextTable
from tenor.report.style import AGAINST, CALM, OURS
from tenor.report.tuning import search_verdict, write_tuning
from tenor.schema import Predictions
from tenor.training.search import Search, Trial


class Text(HTMLParser):
    """All text of a page, and whether its tags are in balance."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "input", "path", "use", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def text_of(path: Path) -> str:
    page = path.read_text(encoding="utf-8")
    assert "http://" not in page
    assert "<script" not in page
    return Text(page).text.replace("\u00a0", " ").replace("−", "-")


def words(section) -> str:
    return " ".join(block.text for block in section.blocks if isinstance(block, Paragraph)).replace("\u00a0", " ")


@pytest.fixture(scope="module")
def traded(world):
    ours = next(iter(world.predictions.values()))
    return sweep_costs(world.panel, world.rows, ours, horizon=1, tried=7)


def test_trading_shows_every_cost_and_what_deflation_leaves(traded) -> None:
    section = trading_section(traded)
    opened, closed = (block for block in section.blocks if isinstance(block, TextTable))
    assert [row[0] for row in opened.rows] == [
        *(f"{rule}, {cost} bps" for rule in ("long/flat", "long/short") for cost in (0, 5, 10, 20)),
        "buy and hold, 10 bps",
    ]
    assert "close" in closed.caption
    assert "±" in opened.rows[0][3]
    text = words(section)
    assert "14 trials (7 configurations times 2 rules)" in text
    assert "Buy and hold of the same stocks has" in text
    figure = figure_costs(traded)
    assert len(figure.axes) == 4
    assert {line.get_label() for line in figure.axes[0].lines} >= {"0 bps", "5 bps", "10 bps", "20 bps", "buy and hold"}


def test_trading_that_never_traded_is_reported_as_undecided(world) -> None:
    shape = world.panel.targets.shape
    nothing = Predictions("none", np.zeros(shape, "float32"), np.full(shape, 0.4, "float32"))
    section = trading_section(sweep_costs(world.panel, world.rows, nothing, horizon=1))
    assert words(section).startswith("Too few sessions, or none with a position")
    picture = next(block for block in section.blocks if isinstance(block, Picture))
    assert "Never traded: long/flat and long/short." in picture.caption


def deletion(what: str = "steps", *, over: float, error: float, latest: float = 0.2) -> Deletion:
    def curve(level: float) -> tuple[ConfidenceInterval, ...]:
        return tuple(ConfidenceInterval(level * k, level * k - 0.01, level * k + 0.01) for k in (1, 2))

    arms = {MOST: curve(0.1 + over), RANDOM: curve(0.1), LEAST: curve(0.05)}
    if what == "steps":
        arms[LATEST] = curve(latest)
    return Deletion(
        what=what,
        of=10,
        hidden=(1, 2),
        moved=arms,
        error=arms,
        moved_over_random=ConfidenceInterval(over, over - 0.02, over + 0.02),
        error_over_random=ConfidenceInterval(error, error - 0.02, error + 0.02),
        p=0.025 if over > 0.02 else 0.6,
        honest=over > 0.02,
    )


@pytest.mark.parametrize(
    ("over", "error", "says"),
    [
        (0.05, 0.1, "more than hiding random ones (p 0.025) and increases the squared error more."),
        (0.05, 0.0, "more than hiding random ones (p 0.025) but does not increase the squared error more."),
        (
            0.0,
            0.0,
            (
                "no more than hiding random ones (p 0.600) and does not increase the squared error more: these weights "
                "explain nothing."
            ),
        ),
        (
            0.0,
            -0.1,
            (
                "no more than hiding random ones (p 0.600) and increases the squared error less: what it attends to "
                "most did not help the forecast."
            ),
        ),
    ],
)
def test_it_is_reported_when_hiding_the_most_attended_hurts_no_more(over: float, error: float, says: str) -> None:
    text = describe_deletion(deletion("features", over=over, error=error))
    assert text == f"Hiding the most-attended features moves the forecast {says}"


def test_attention_section() -> None:
    steps, features = deletion(over=0.0, error=0.0), deletion("features", over=0.05, error=0.1)
    section = faithfulness_section(Faithfulness(1, 200, 90, steps, features, "…"))
    assert "on 200 forecasts 1 session ahead, on 90 days" in words(section)
    assert "Hiding the latest steps moves it even further, 2.0 times as far." in words(section)
    curves = figure_deletion(steps).axes[0].lines
    most = next(line for line in curves if line.get_label() == MOST)
    np.testing.assert_allclose(most.get_ydata(), [0, 0.1, 0.2])
    assert len(figure_deletion(features).axes[0].lines) == 4  # three arms and the line of nothing
    few = replace(steps, moved_over_random=ConfidenceInterval(0.1, math.nan, math.nan))
    assert describe_deletion(few) == "There are too few days to tell for steps."


def ablation(
    value: float, *, cells: tuple[str, ...] = ("all", "cells with news", "fold 1, from 2015-01-02")
) -> Ablation:
    def contrast(other: str, kind: str) -> Contrast:
        differences = {
            m: Difference(value, value - 0.01, value + 0.01, 0.001 if value else 0.9) for m in HIGHER_IS_BETTER
        }
        return Contrast(other, kind, 1000, 50, differences, dict.fromkeys(HIGHER_IS_BETTER, (value, -value)))

    return Ablation(
        horizon=1,
        first="2015-01-02",
        last="2015-06-30",
        seeds=(0, 1),
        levels={arm: dict.fromkeys(HIGHER_IS_BETTER, 1.0) for arm in ARMS},
        contrasts=tuple(contrast(other, kind) for other in (WITHOUT, SHUFFLED) for kind in cells),
        verdict="Sentiment does not help at 5 % (made).",
    )


def test_ablation_page(tmp_path: Path) -> None:
    folds = "fold  train                    test\n1     2012-01-03 … 2014-12-31  2015-01-02 … 2015-06-30"
    path = write_ablation(tmp_path / "page.html", {1: ablation(0.05)}, folds, about={"Symbols": "3"})
    text = text_of(path)
    assert "Sentiment does not help at 5 % (made)." in text
    assert "[0.04000, 0.06000], p 0.001" in text
    assert "cells with news" in text
    assert "fold 1, from 2015-01-02" in text
    assert "1 of 2" in text
    assert "2012-01-03 … 2014-12-31" in text


@pytest.mark.parametrize(
    ("value", "first", "second"), [(0.05, AGAINST, OURS), (-0.05, OURS, AGAINST), (0.0, CALM, CALM)]
)
def test_colour_shows_which_side_is_better(value: float, first: str, second: str) -> None:
    loss, direction, _ = figure_contrasts(ablation(value)).axes
    for axes, colour in ((loss, first), (direction, second)):
        assert {line.get_color() for line in axes.lines[1:]} == {colour}


def search(*means: float) -> Search:
    grid = {"model.hidden": (8, 16), "training.learning_rate": (0.001, 0.003)}
    points = [(h, lr) for h in grid["model.hidden"] for lr in grid["training.learning_rate"]]
    trials = tuple(
        Trial(
            {"model.hidden": h, "training.learning_rate": lr},
            rank,
            dict.fromkeys(("error_reduction", "rank_ic", "mcc"), (mean, mean + 0.01)),
            1.0,
            None if math.isfinite(mean) else "it diverged",
        )
        for rank, ((h, lr), mean) in enumerate(zip(points, means, strict=True), 1)
    )
    fold = {"fit": ("2012-01-03", "2014-01-02"), "score": ("2014-01-03", "2014-06-30")}
    base = {"features": FeatureConfig(), "model": ModelConfig(), "training": TrainConfig()}
    return Search(grid, trials, "error_reduction", (fold, fold), base)


def test_tuning_page(tmp_path: Path) -> None:
    result = search(0.04, 0.03, 0.02, math.nan)
    path = write_tuning(tmp_path / "page.html", result, toml=result.best_toml({"symbols": ["AAA"]}), about={})
    text = text_of(path)
    assert "Best is model.hidden 8, training.learning_rate 0.001" in text
    assert "in 2 of 2 folds" in text
    assert "it diverged" in text
    for shown in ("model.hidden", "0.0450", "model.lookback", "symbols", "2014-06-30"):
        assert shown in text
    assert path.read_text().count('role="img"') == 1


def test_a_search_of_one_point_has_nothing_to_compare_with(tmp_path: Path) -> None:
    one = search(0.04, math.nan, math.nan, math.nan)
    alone = replace(one, trials=one.trials[:1], grid={"model.hidden": (8,), "training.learning_rate": (0.001,)})
    assert search_verdict(alone).endswith("There is nothing to compare it with.")
    text = text_of(write_tuning(tmp_path / "page.html", alone, toml=alone.best_toml(), about={}))
    assert "A heat map needs two keys" in text
