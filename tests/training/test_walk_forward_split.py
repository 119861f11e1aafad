"""The splitter and the estimator behind scikit-learn's own contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline

import tenor
from tenor.errors import ConfigError, HistoryError
from tenor.training.folds import WalkForwardSplit

SPLITTER = WalkForwardSplit(2, valid_sessions=20, test_sessions=30, purge=5)


@pytest.fixture(scope="module")
def estimator(bars_of: Any) -> tenor.PanelForecaster:
    return tenor.PanelForecaster(
        bars_of(symbols=3, sessions=260),
        tenor.FeatureConfig(groups=("returns",), horizons=(1, 5)),
        tenor.ModelConfig(hidden=4, attention_size=3, lookback=5),
        tenor.TrainConfig(seeds=(0,), epochs=1, segment=24, burn_in=4),
    )


@pytest.mark.parametrize("scheme", ["expanding", "rolling"])
def test_training_ends_before_the_test_begins_and_tests_follow_each_other(scheme: Any) -> None:
    splitter = clone_of(SPLITTER, scheme=scheme)
    folds = list(splitter.split(np.zeros((200, 3))))
    assert len(folds) == splitter.get_n_splits() == 2
    assert [(train[0], train[-1], test[0], test[-1]) for train, test in folds] == {
        "expanding": [(0, 134, 140, 169), (0, 164, 170, 199)],
        "rolling": [(0, 134, 140, 169), (30, 164, 170, 199)],
    }[scheme]


def clone_of(splitter: WalkForwardSplit, **changes: Any) -> WalkForwardSplit:
    return WalkForwardSplit(**{**vars(splitter), **changes})


def test_a_frame_and_an_array_of_the_same_length_are_cut_alike() -> None:
    days = pd.bdate_range("2020-01-01", periods=200)
    for frame in (pd.DataFrame({"x": range(200)}, index=days), pd.Series(range(200), index=days), list(range(200))):
        for one, other in zip(SPLITTER.split(frame), SPLITTER.split(np.zeros(200)), strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_table_has_the_dates_of_the_parts() -> None:
    table = SPLITTER.table(pd.bdate_range("2020-01-01", periods=200))
    assert table.splitlines()[1] == "1     2020-01-01 … 2020-06-02  2020-06-10 … 2020-07-07  2020-07-15 … 2020-08-25"


def test_too_few_rows_and_impossible_lengths_are_refused() -> None:
    with pytest.raises(HistoryError, match="2 folds of 30 test and 20 validation sessions"):
        list(SPLITTER.split(np.zeros(80)))
    with pytest.raises(ConfigError, match=r"folds\.test_sessions"):
        list(WalkForwardSplit(2, test_sessions=0).split(np.zeros(80)))


def test_the_estimator_takes_bars_and_is_searched_in_a_pipeline_over_the_splitter(estimator: Any) -> None:
    X = np.arange(len(estimator.sessions())).reshape(-1, 1)
    pipeline = Pipeline([("forecaster", estimator)])
    search = GridSearchCV(pipeline, {"forecaster__model__hidden": [2, 3]}, cv=SPLITTER).fit(X)
    assert search.best_params_["forecaster__model__hidden"] in (2, 3)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(X[-2:]).shape == (2, 3)


def test_a_clone_has_the_same_parameters_and_scores(estimator: Any) -> None:
    X = np.arange(len(estimator.sessions())).reshape(-1, 1)
    copy = clone(estimator)
    assert copy.get_params()["model__hidden"] == 4
    assert np.array_equal(cross_val_score(estimator, X, cv=SPLITTER), cross_val_score(copy, X, cv=SPLITTER))
