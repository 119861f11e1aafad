from __future__ import annotations

import copy
import dataclasses
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import TimeSeriesSplit, cross_val_score
from sklearn.utils.estimator_checks import check_estimator

from tenor.config import FeatureConfig, ModelConfig, TrainConfig
from tenor.errors import ConfigError, HistoryError, RowsError, TenorError
from tenor.schema import Bars
from tenor.training.estimator import PanelForecaster
from tenor.training.panel_source import PanelSource

FEATURES = FeatureConfig(groups=("returns",), horizons=(1, 5))
MODEL = ModelConfig(hidden=4, attention_size=3, lookback=5)
TRAINING = TrainConfig(seeds=(0,), epochs=1, segment=24, burn_in=4)

MADE_UP = (
    "it fits made-up tables of several columns or fractions with a y of their own; X of a panel is places of sessions"
)
CANNOT_APPLY = dict.fromkeys(
    [
        "check_fit_score_takes_y", "check_estimators_overwrite_params", "check_dont_overwrite_parameters",
        "check_estimators_fit_returns_self", "check_readonly_memmap_input", "check_n_features_in_after_fitting",
        "check_positive_only_tag_during_fit", "check_estimators_dtypes", "check_dtype_object",
        "check_pipeline_consistency", "check_estimators_nan_inf", "check_estimators_pickle",
        "check_f_contiguous_array_estimator", "check_regressors_train", "check_regressor_data_not_an_array",
        "check_regressor_multioutput", "check_regressors_no_decision_function", "check_supervised_y_2d",
        "check_regressors_int", "check_methods_sample_order_invariance", "check_methods_subset_invariance",
        "check_fit2d_1sample", "check_fit2d_1feature", "check_dict_unchanged", "check_fit_idempotent",
        "check_fit_check_is_fitted", "check_n_features_in", "check_fit2d_predict1d",
    ],
    MADE_UP,
)  # fmt: skip
APPLY = {
    "check_estimator_cloneable", "check_estimator_tags_renamed", "check_valid_tag_types", "check_estimator_repr",
    "check_no_attributes_set_in_init", "check_estimators_unfitted", "check_do_not_raise_errors_in_init_or_set_params",
    "check_mixin_order", "check_complex_data", "check_estimators_empty_data_messages", "check_estimator_sparse_tag",
    "check_estimator_sparse_array", "check_estimator_sparse_matrix", "check_estimators_partial_fit_n_features",
    "check_supervised_y_no_nan", "check_non_transformer_estimators_n_iter", "check_parameters_default_constructible",
    "check_get_params_invariance", "check_set_params", "check_fit1d", "check_fit_non_negative",
}  # fmt: skip


@pytest.fixture(scope="module")
def source(bars_of) -> PanelSource:
    return PanelSource(bars_of(symbols=6, sessions=260))


@pytest.fixture
def estimator(source: PanelSource) -> PanelForecaster:
    return PanelForecaster(source, FEATURES, MODEL, TRAINING)


X = np.arange(200).reshape(-1, 1)


@pytest.mark.filterwarnings("ignore")  # the checks warn of what they check
def test_scikit_learns_checks_that_can_apply_pass(estimator: PanelForecaster) -> None:
    outcome: dict[str, set[str]] = {}
    for check in check_estimator(estimator, expected_failed_checks=CANNOT_APPLY, on_fail=None, on_skip=None):
        outcome.setdefault(check["status"], set()).add(check["check_name"])
    assert outcome.get("failed", set()) == set()
    assert outcome["passed"] == APPLY
    assert outcome["xfail"] == set(CANNOT_APPLY)


# what those checks ask, asked of an X that is one


def test_fit_returns_itself_changes_no_parameter_and_gives_the_same_again(estimator: PanelForecaster) -> None:
    before = copy.deepcopy(estimator.get_params())
    places = X.copy()
    places.setflags(write=False)
    assert estimator.fit(places) is estimator
    first = estimator.predict(X)
    assert first.shape == (200, 6)
    assert estimator.get_params() == before
    assert estimator.n_features_in_ == 1
    np.testing.assert_array_equal(estimator.fit(X, y=np.full(200, 7.0)).predict(X), first)
    np.testing.assert_array_equal(clone(estimator).fit(X.ravel()).predict(X.ravel()), first)
    np.testing.assert_array_equal(estimator.fit(X.astype(float)).predict(X), first)


def test_prediction_of_a_row_depends_on_no_other_row(estimator: PanelForecaster) -> None:
    estimator.fit(X)
    whole = estimator.predict(X)
    order = np.random.default_rng(0).permutation(200)
    np.testing.assert_array_equal(estimator.predict(X[order]), whole[order])
    np.testing.assert_allclose(estimator.predict(X[150:151]), whole[150:151], rtol=1e-5, atol=1e-8)


def test_it_survives_the_way_to_another_process(estimator: PanelForecaster) -> None:
    again = ForkingPickler.loads(ForkingPickler.dumps(estimator))
    assert again.source == estimator.source
    assert again.source.fingerprint == estimator.source.fingerprint
    np.testing.assert_array_equal(again.fit(X).predict(X), estimator.fit(X).predict(X))


def test_config_keys_are_parameters(estimator: PanelForecaster) -> None:
    params = estimator.get_params()
    assert params["model__hidden"] == 4
    assert params["features__groups"] == ("returns",)
    estimator.set_params(model__hidden=8, **{"training.learning_rate": 1, "features.groups": ["returns", "trend"]})
    assert estimator.model == dataclasses.replace(MODEL, hidden=8)
    assert estimator.training.learning_rate == 1.0
    assert estimator.features.groups == ("returns", "trend")
    assert clone(estimator).get_params() == estimator.get_params()
    assert PanelForecaster().set_params(model__hidden=8).model == ModelConfig(hidden=8)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"model__hiden": 3}, "unknown config key 'model.hiden'. Did you mean 'hidden'"),
        ({"model__hidden": "3"}, "'model.hidden' takes a whole number, not '3'"),
        ({"training__epochs": 3, "model__hidden": 0}, "'model.hidden' is 0"),
    ],
)
def test_an_impossible_key_changes_nothing(estimator: PanelForecaster, params: dict, message: str) -> None:
    before = estimator.get_params()
    with pytest.raises(ConfigError) as caught:
        estimator.set_params(**params)
    assert message in str(caught.value)
    assert estimator.get_params() == before


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.r_[0:50, 60:100], "jumps at session 49"),
        (np.arange(100)[::-1], "jumps at session 99"),
        (np.arange(100) + 200, "0 … 259"),
        (np.arange(100) + 0.5, "something else than places"),
        (np.ones((100, 2)), "2 columns"),
        ([["a"]], "could not convert|dtype"),
        (np.array([np.nan, 1.0]), "NaN"),
        ([], "0 sample|1D array|Expected 2D"),
    ],
)
def test_rows_that_are_none_are_refused_in_one_line(estimator: PanelForecaster, rows, message: str) -> None:
    with pytest.raises(RowsError, match=message) as caught:
        estimator.fit(rows)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TenorError)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("params", "rows", "error", "message"),
    [
        ({}, 20, HistoryError, "not one usable cell"),
        ({}, 8, HistoryError, "8 sessions to fit on are too few"),
        ({"early_stopping": 0.0}, 200, ConfigError, "early_stopping is 0.0"),
        ({"early_stopping": True}, 200, ConfigError, "early_stopping is True"),
        ({"early_stopping": 199}, 200, HistoryError, "199 of them are for early stopping"),
        ({"horizon": 3}, 200, ConfigError, r"horizon 3 is to be scored, and features.horizons is \[1, 5\]"),
        ({"source": None}, 200, ConfigError, "source is None"),
        ({"model": 3}, 200, ConfigError, "model is 3; it takes a ModelConfig"),
    ],
)
def test_a_fit_that_cannot_be_is_refused(estimator, params: dict, rows: int, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        estimator.set_params(**params).fit(X[:rows])


def test_unfitted_it_says_so_and_a_scoring_unknown_too(estimator: PanelForecaster) -> None:
    for call in (estimator.predict, estimator.scores, estimator.score):
        with pytest.raises(NotFittedError):
            call(X)
    with pytest.raises(ConfigError, match=r"scoring is 'r2'; it takes one of .*error_reduction"):
        estimator.set_params(scoring="r2").fit(X).score(X)


def test_scikit_learn_can_cross_validate_it_with_a_splitter_that_knows_no_purge(estimator: PanelForecaster) -> None:
    scores = cross_val_score(estimator, X, cv=TimeSeriesSplit(2, test_size=40), error_score="raise")
    assert np.isfinite(scores).all()
    estimator.fit(X[:120])
    assert estimator.score(X[120:160]) == scores[0]


def test_nothing_after_the_last_fitted_session_takes_part(bars_of) -> None:
    bars = bars_of(symbols=6, sessions=260)
    day = np.sort(bars.frame["session"].unique())[150]
    frame = bars.frame.copy()
    later = (frame["session"] >= day).to_numpy()
    frame.loc[later, ["open", "high", "low", "close", "adj_close"]] *= 3.0
    frame.loc[later, "volume"] += 5.0
    versions = []
    for of in (bars, Bars(frame)):
        fitted = PanelForecaster(PanelSource(of), FEATURES, MODEL, TRAINING).fit(X[:150]).forecaster_
        versions.append(
            [v.numpy().tobytes() for network in fitted.networks for v in network.state_dict().values()]
            + [fitted.recipe.calibration]
        )
    assert versions[0] == versions[1]


def test_cells_choose_where_scores_count(estimator: PanelForecaster) -> None:
    fitted = estimator.fit(X[:150])
    everywhere = fitted.scores(X[150:200])
    assert fitted.scores(X[150:200], cells=np.ones((260, 6), dtype=bool)) == everywhere
    cells = np.zeros((260, 6), dtype=bool)
    cells[150:200, 0] = True
    one_symbol = fitted.scores(X[150:200], cells=cells)
    assert one_symbol["error_reduction"] != everywhere["error_reduction"]
    assert np.isnan(one_symbol["rank_ic"])


def test_sources_of_the_same_content_are_equal_and_a_copy_is_the_original(bars_of, source: PanelSource) -> None:
    assert PanelSource(bars_of(symbols=6, sessions=260)) == source
    assert PanelSource(bars_of(symbols=5, sessions=260)) != source
    assert copy.deepcopy(source) is source
    assert source.panel(FEATURES) is PanelSource(source.bars).panel(FEATURES)  # built once


def test_progress_is_reported(estimator: PanelForecaster) -> None:
    epochs: list[tuple[int, int]] = []
    estimator.fit(X, progress=lambda seed, epoch, *_: epochs.append((seed, epoch)))
    assert epochs == [(0, 1)]
