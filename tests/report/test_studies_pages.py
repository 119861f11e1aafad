"""The pages and sections of the studies: trading, attention, ablation, grid search."""

from __future__ import annotations

import math
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from reports import deletion, flat

from tenor.config import FeatureConfig, ModelConfig, TrainConfig
from tenor.evaluation.ablation import ARMS, SHUFFLED, WITH_ATTENTION, WITHOUT, WITHOUT_ATTENTION
from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.contrasts import HIGHER_IS_BETTER, Ablation, Contrast
from tenor.evaluation.cost_sweep import sweep_costs
from tenor.evaluation.faithfulness import (
    FEATURES,
    MOST,
    OLDER,
    RANDOM,
    STEPS,
    Faithfulness,
    deletion_sentence,
)
from tenor.evaluation.significance import Difference
from tenor.report.ablation import figure_contrasts, write_ablation
from tenor.report.backtest import figure_costs, trading_section
from tenor.report.model import faithfulness_blocks, figure_deletion
from tenor.report.page import Fold, Paragraph, Picture, TextTable
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


def blocks_of(part):
    return flat(getattr(part, "blocks", part))


def words(section) -> str:
    return " ".join(block.text for block in blocks_of(section) if isinstance(block, Paragraph)).replace("\u00a0", " ")


@pytest.fixture(scope="module")
def traded(world):
    ours = next(iter(world.predictions.values()))
    return sweep_costs(world.panel, world.rows, ours, horizon=1, tried=7)


def test_trading_shows_every_cost_and_what_deflation_leaves(traded) -> None:
    section = trading_section(traded)
    opened, closed = (block for block in blocks_of(section) if isinstance(block, TextTable))
    assert [row[0] for row in opened.rows] == [
        *(f"{rule}, {cost} bps" for rule in ("long/flat", "long/short") for cost in (0, 5, 10, 20)),
        "buy and hold, 10 bps",
    ]
    assert [row[0] for row in closed.rows] == ["long/flat, 10 bps", "long/short, 10 bps", "buy and hold, 10 bps"]
    assert not {row[1:] for row in closed.rows[:2]} & {row[1:] for row in opened.rows}
    folds = [block.title for block in section.blocks if isinstance(block, Fold)]
    assert folds[-2:] == ["Filled at the next session's open", "Filled at the next session's close"]
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
    picture = next(block for block in blocks_of(section) if isinstance(block, Picture))
    assert "Never traded: long/flat and long/short." in picture.caption


@pytest.mark.parametrize(
    ("over", "error", "result", "hurts"),
    [
        (0.05, 0.1, "shows", "increases its squared error more than"),
        (0.05, 0.0, "shows", "is not shown to increase its squared error more than"),
        (0.0, 0.0, "is not shown to reveal", "is not shown to increase its squared error more than"),
        (0.0, -0.1, "is not shown to reveal", "increases its squared error less than"),
    ],
)
def test_it_is_reported_when_hiding_the_most_attended_hurts_no_more(
    over: float, error: float, result: str, hurts: str
) -> None:
    text = deletion_sentence(deletion(FEATURES, over=over, error=error))
    p_moved, p_error = ("0.025" if over else "0.600"), ("0.005" if error > 0 else "0.700")
    assert text == (
        f"Attention over features {result} what the forecast of risk depends on, at 5 %: hiding the most-attended "
        f"features changes it {1 + 10 * over:.2f} times as much as hiding random features (p {p_moved}), and {hurts} "
        f"hiding random features (difference {error:+.4f} [{error - 0.02:+.4f}, {error + 0.02:+.4f}], p {p_error})."
    )


def test_the_section_on_attention_shows_all_three_tests() -> None:
    steps, older, features = (deletion(what, over=0.05, error=0.1) for what in (STEPS, OLDER, FEATURES))
    sentences = " ".join(map(deletion_sentence, (steps, older, features)))
    section = faithfulness_blocks(Faithfulness(1, 400, 90, steps, older, features, {1: 0.9, 5: 0.95}, sentences))
    (table,) = (block for block in section if isinstance(block, TextTable))
    assert "of 400 forecasts 1 session ahead on 90 days" in table.caption
    assert [row[0] for row in table.rows] == [STEPS, OLDER, FEATURES]
    for row, test in zip(table.rows, (steps, older, features), strict=True):
        assert row[1] == f"{test.times(RANDOM):.2f}"
        assert row[3] == f"{'✓' if test.honest else '✗'}\n{test.p_moved:.3f}"
        assert row[4].startswith(f"{test.error_over_random.value:.4f}\n[")
        assert row[5] == f"{'✓' if test.hurts else '✗'}\n{test.p_error:.3f}"
    assert [row[2] for row in table.rows] == ["0.75", "0.75", "–"]  # the latest features do not exist
    pictures = [block for block in blocks_of(section) if isinstance(block, Picture)]
    assert len(pictures) == 3
    for picture, what in zip(pictures, (STEPS, OLDER, FEATURES), strict=True):
        assert f"of 10 {what}." in picture.caption
    curves = figure_deletion(steps).axes[0].lines
    most = next(line for line in curves if line.get_label() == MOST)
    np.testing.assert_allclose(most.get_ydata(), [0, 0.15, 0.3])
    assert len(figure_deletion(features).axes[0].lines) == 4  # three arms and the line of nothing
    without = faithfulness_blocks(Faithfulness(1, 400, 90, steps, None, features, {1: 0.9}, "…"))
    assert sum(isinstance(block, Picture) for block in without) == 2
    few = replace(steps, moved_over_random=ConfidenceInterval(0.1, math.nan, math.nan))
    assert deletion_sentence(few) == "Attention over time cannot be tested on so few days."
    untested = faithfulness_blocks(Faithfulness(1, 400, 90, few, None, features, {1: 0.9}, "…"))[1]
    assert isinstance(untested, TextTable)
    assert untested.rows[0][3] == untested.rows[0][5] == "–"


def ablation(
    value: float,
    *,
    cells: tuple[str, ...] = ("all", "cells with news", "fold 1, from 2015-01-02"),
    others: tuple[str, ...] = (WITHOUT, SHUFFLED),
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
        contrasts=tuple(contrast(other, kind) for other in others for kind in cells),
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
    assert "squared error of log variance" in text
    assert "With attention" not in text


def test_ablation_page_with_attention(tmp_path: Path) -> None:
    folds = "fold  train                    test\n1     2012-01-03 … 2014-12-31  2015-01-02 … 2015-06-30"
    of_attention = replace(
        ablation(-0.05, cells=("all", "calm third of days"), others=(WITHOUT_ATTENTION,)),
        verdict="On risk, attention helps at 5 % (made).",
    )
    path = write_ablation(tmp_path / "page.html", {1: ablation(0.05)}, folds, attention={1: of_attention}, about={})
    text = text_of(path)
    assert "Do the news and attention help?" in text
    assert "On risk, attention helps at 5 % (made)." in text
    assert f"{WITH_ATTENTION.capitalize()} minus {WITHOUT_ATTENTION}" in text
    assert "[-0.06000, -0.04000], p 0.001" in text
    assert "calm third of days" in text


@pytest.mark.parametrize(
    ("value", "first", "second"), [(0.05, AGAINST, OURS), (-0.05, OURS, AGAINST), (0.0, CALM, CALM)]
)
def test_colour_shows_which_side_is_better(value: float, first: str, second: str) -> None:
    risk, loss, direction, _ = figure_contrasts(ablation(value)).axes
    for axes, colour in ((risk, first), (loss, first), (direction, second)):
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
