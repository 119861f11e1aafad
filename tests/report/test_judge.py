"""The page of a judgement: one file, the answer on top, and nothing asked for from outside."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from forecast_rows import closes_of, long

import tenor
from tenor.errors import UsageError
from tenor.pipeline.judge import Judgement, judge

SYMBOLS = ["AAPL", "BA", "CAT"]


@pytest.fixture(scope="module")
def judgement() -> Judgement:
    bars = tenor.embedded_bars().select(SYMBOLS)
    closes = closes_of(bars)
    rng = np.random.default_rng(0)
    whole = [long(closes, "price", first="2016-06-01", horizon=h) for h in (1, 5)]
    rows = pd.concat(whole, ignore_index=True)
    rows["price"] *= np.exp(rng.normal(0, 0.01, len(rows)))
    rows["p_up"] = rng.uniform(0.3, 0.7, len(rows))
    rows["volatility"] = 0.012
    width = 0.02 * np.sqrt(rows["horizon"])
    rows["q05"], rows["q50"], rows["q95"] = rows["price"] * (1 - width), rows["price"], rows["price"] * (1 + width)
    other = long(closes, "price", first="2016-06-01").assign(trained_until="2016-08-01")
    strange = pd.concat([other, other.iloc[[0, 3]].assign(symbol="<b>EVIL</b>")], ignore_index=True)
    return judge({"all <kinds>": rows, "stays": strange}, bars, quick=True, workers=1)


@pytest.fixture(scope="module")
def page(judgement: Judgement, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = judgement.report(tmp_path_factory.mktemp("page") / "deep" / "page.html")
    return path.read_text()


def test_the_answer_stands_on_top(page: str) -> None:
    top = page[: page.index("<nav")]
    assert "Forecasts of all &lt;kinds&gt; and stays, judged" in top
    assert top.count("<strong>") == 2
    assert "Not shown to be worth anything" in top
    assert "p &lt; 0.001 after Holm" in top
    assert "forecasts on" in top
    assert "days" in top


def test_every_section_is_there(page: str) -> None:
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert titles == [
        "In short", "What to doubt", "Beside each other", "Figures of all &lt;kinds&gt;", "Figures of stays",
        "How it was judged", "Glossary",
    ]  # fmt: skip


def test_figures_of_losses_time_symbols_and_calibration(page: str) -> None:
    for alt in (
        "Change of the loss against each baseline.",
        "Loss less that of the baseline, summed over days.",
        "Skill of volatility by symbol, sorted.",
        "Share of returns below each quantile.",
        "Share that rose against the forecast probability.",
    ):
        assert f'aria-label="{alt}"' in page
    assert "Twice the mean pinball loss of the quantiles 0.05, 0.5, 0.95" in page
    assert "Returns inside each interval" in page


def test_doubts_are_named(page: str) -> None:
    assert "Overlaps the training (left out of the verdict): 12" in page
    assert "Not judged: 2 unknown symbol (&lt;b&gt;EVIL&lt;/b&gt;, 2 rows" in page
    assert "<b>EVIL" not in page


def test_nothing_is_asked_for_from_outside(page: str) -> None:
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
    assert "url(http" not in page
    assert "<script" not in page
    assert "@import" not in page


def test_a_place_that_cannot_be_written_leaves_nothing(judgement: Judgement, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="can't write the report to"):
        judgement.report(tmp_path / "file" / "page.html")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_json_has_no_nan(judgement: Judgement) -> None:
    import json

    values = json.loads(json.dumps(judgement.to_json(), allow_nan=False))
    assert values["models"][0]["worth_something"] is False
    assert {outcome for horizon in values["models"][0]["horizons"] for outcome in horizon["outcomes"]} == {
        "returns", "direction", "volatility", "distribution"
    }  # fmt: skip
