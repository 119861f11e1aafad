"""An evaluation of a frame, and of a store, by one name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

import tenor
from tenor.errors import ConfigError, FrameError, HistoryError, UsageError
from tenor.notebook.evaluating import WalkForwardEvaluation, fold_lengths
from tenor.notebook.model import FittedModel
from tenor.pipeline.evaluate import EvaluationResult
from tenor.schema import Bars

mpl.use("Agg")


@pytest.fixture(scope="module")
def evaluation(frame: pd.DataFrame, tiny: tenor.Config) -> WalkForwardEvaluation:
    return tenor.evaluate(frame, config=tiny, folds=2, baselines=[Ridge()], workers=1, progress=False)


def test_every_model_has_a_row_at_every_horizon(evaluation: WalkForwardEvaluation) -> None:
    table = evaluation.to_frame()
    assert len(table) == len(evaluation)
    for horizon in (1, 5):
        own = table[table["horizon"] == horizon]
        assert own["model"].iloc[0] == "attention LSTM"
        assert {"LSTM", "GJR-GARCH-t", "HAR", "EWMA", "persistence", "Ridge"} <= set(own["model"])
        far = evaluation.risk[horizon]
        garch = own[own["model"] == "GJR-GARCH-t"].iloc[0]
        ours = own["log_variance_mse"].iloc[0]
        assert garch["change_log_variance_mse"] == pytest.approx(ours / garch["log_variance_mse"] - 1)
        assert garch["p_qlike"] == far.comparisons["GJR-GARCH-t"]["qlike"].holm
    assert evaluation.head(2).equals(table.head(2))


def test_the_folds_test_the_end_of_the_history(evaluation: WalkForwardEvaluation, frame: pd.DataFrame) -> None:
    folds = evaluation.walked.folds[1]
    assert len(folds) == 2
    assert folds[-1].dates["test"][1] == f"{frame['ds'].max():%Y-%m-%d}"


def test_it_shows_itself(evaluation: WalkForwardEvaluation, tmp_path: Path) -> None:
    shown = repr(evaluation)
    assert shown.startswith("WalkForwardEvaluation(2 symbols, horizons 1 and 5, 2 folds)\nHow far: ")
    assert evaluation.verdict in shown
    assert len(shown) < 1200
    assert "GJR-GARCH-t" in evaluation._repr_html_()
    page = evaluation.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "every forecast comes from networks trained on earlier sessions" in page
    assert "What would it have earned and lost?" in page
    with pytest.raises(UsageError, match="can't write the report"):
        evaluation.report(tmp_path / "report.html" / "x.html")
    assert evaluation.to_json()["verdict"] == evaluation.verdict


def test_the_plot_has_a_mark_for_every_rival_and_horizon(evaluation: WalkForwardEvaluation) -> None:
    axes = evaluation.plot(loss="qlike")
    rivals = evaluation.risk[1].comparisons
    marks = [line for line in axes.get_lines() if line.get_marker() != "None"]
    assert len(marks) == 2 * len(rivals)
    assert [text.get_text() for text in axes.get_yticklabels()] == list(rivals)
    assert marks[0].get_xdata()[0] == pytest.approx(100 * next(iter(rivals.values()))["qlike"].change)
    with pytest.raises(ConfigError, match="loss is 'mse'; it takes one of log_variance_mse"):
        evaluation.plot(loss="mse")


def test_a_store_is_judged_by_the_same_name(bars: Bars, tiny: tenor.Config, tmp_path: Path) -> None:
    tenor.Lake(tmp_path).append_bars(bars, source="test")
    tenor.train(str(tmp_path), tiny)
    result = tenor.evaluate(tmp_path, report=tmp_path / "x.html", workers=1, progress=False)
    assert isinstance(result, EvaluationResult)
    assert result.report.exists()
    with pytest.raises(ConfigError, match=r"is a store: name the page to write, report='report\.html'"):
        tenor.evaluate(str(tmp_path))


def test_a_model_that_learned_up_to_the_end_has_nothing_to_be_judged_on(model: FittedModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    with pytest.raises(HistoryError, match=r"its test part .* has 1 session: judge its settings on the bars"):
        tenor.evaluate(tmp_path, report=tmp_path / "x.html", progress=False)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"folds": 0}, ConfigError, "folds is 0; it is a whole number from 1"),
        ({"folds": 100}, HistoryError, "330 sessions are too few for 100 folds"),
        ({"report": "x.html"}, ConfigError, r"need a store: with a frame, call \.report"),
        ({"baselines": [3]}, ConfigError, "gives int, which has no fit and predict"),
        ({"symbol": "AAPL"}, ConfigError, "symbol is 'AAPL'"),
    ],
)
def test_what_can_not_be_is_refused(
    frame: pd.DataFrame, tiny: tenor.Config, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tenor.evaluate(frame, config=tiny, progress=False, **arguments)


def test_a_wrong_frame_is_refused_before_anything_is_trained(frame: pd.DataFrame) -> None:
    with pytest.raises(FrameError, match="row 3"):
        tenor.evaluate(frame.assign(y=frame["y"].where(frame.index != 3, -1.0)))


def test_the_folds_shorten_with_the_history() -> None:
    long, short = fold_lengths(2000, 4), fold_lengths(500, 4)
    assert (long.test_sessions, long.valid_sessions) == (126, 126)
    assert (short.test_sessions, short.valid_sessions) == (50, 75)
