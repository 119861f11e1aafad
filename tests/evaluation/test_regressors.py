"""A user's own regressor: found, made anew, fitted as the others are, and refused plainly where it can't be used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tenor.errors import ConfigError, TenorError
from tenor.evaluation.baselines import learned
from tenor.evaluation.comparators import regressors
from tenor.evaluation.regressors import Regressor
from tenor.schema import Panel
from tenor.training import Split

CODE = """
import numpy as np
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import Ridge

ridge = Ridge(alpha=1e3)
Forest = ExtraTreesRegressor
number = 7


def forest():
    return ExtraTreesRegressor(n_estimators=5, max_depth=3, random_state=0)


class Mine:  # nothing of scikit-learn's
    fits = 0

    def fit(self, x, y):
        Mine.fits += 1
        self.mean = y.mean()
        return self

    def predict(self, x):
        return np.full((len(x), 1), self.mean)


class Broken(Mine):
    def predict(self, x):
        return np.where(np.arange(len(x)) == 2, np.nan, 0.0)


class Short(Mine):
    def predict(self, x):
        return np.zeros(3)


class Wordy(Mine):
    def predict(self, x):
        return ["up"] * len(x)


class Raises(Mine):
    def fit(self, x, y):
        raise ValueError("no, not today")


def needs(argument):
    return Ridge()


def persistence():
    return Ridge()


class Half:
    def fit(self, x, y):
        return self
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "own.py"
    path.write_text(CODE)
    return path


@pytest.fixture(scope="module")
def split(folds: tuple[Split, ...]) -> Split:
    return folds[0]


@pytest.mark.parametrize("name", ["ridge", "forest", "Mine"])
def test_an_object_a_function_and_a_class_will_do(file: Path, sentiment_panel: Panel, split: Split, name: str) -> None:
    one = Regressor.load(f"{file}:{name}")
    said = one(sentiment_panel, split)
    assert said.model == one.name == name
    for values in (said.mean, said.p_up):
        np.testing.assert_array_equal(np.isfinite(values).all(axis=2), sentiment_panel.mask)
    known = sentiment_panel.mask
    assert ((said.p_up[known] > 0) & (said.p_up[known] < 1)).all()
    assert one.unfitted() is not one.unfitted()
    assert not hasattr(one.source, "coef_")


def test_a_ridge_of_ones_own_is_scikit_learns_on_the_same_cells(
    file: Path, sentiment_panel: Panel, split: Split
) -> None:
    from sklearn.linear_model import Ridge

    def fit(cells):  # type: ignore[no-untyped-def]
        return Ridge(alpha=1e3).fit(cells.x_train, cells.y_train).predict(cells.x), np.full(len(cells.x), 0.5)

    expected = learned(sentiment_panel, split, "ridge", fit)
    np.testing.assert_array_equal(Regressor.load(f"{file}:ridge")(sentiment_panel, split).mean, expected.mean)


def test_p_up_rises_with_the_forecast_and_hits_the_share_of_rises_in_validation(
    file: Path, sentiment_panel: Panel, split: Split
) -> None:
    said = Regressor.load(f"{file}:ridge")(sentiment_panel, split)
    valid = sentiment_panel.mask[split.valid]
    scaled = said.mean[split.valid, :, 0][valid] / sentiment_panel.volatility[split.valid][valid]
    p_up = said.p_up[split.valid, :, 0][valid]
    assert (np.diff(p_up[np.argsort(scaled)]) > -1e-6).all()
    assert p_up.mean() == pytest.approx((sentiment_panel.targets[split.valid, :, 0][valid] > 0).mean(), abs=1e-3)


def test_the_future_changes_nothing(file: Path, sentiment_panel: Panel, split: Split) -> None:
    t = split.test.start + 10
    values, targets = sentiment_panel.values.copy(), sentiment_panel.targets.copy()
    values[t + 1 :] = 3.0
    targets[split.test.start - 1 :] = 0.4
    one = Regressor.load(f"{file}:forest")
    before, after = one(sentiment_panel, split), one(replace(sentiment_panel, values=values, targets=targets), split)
    np.testing.assert_array_equal(after.mean[: t + 1], before.mean[: t + 1])
    np.testing.assert_array_equal(after.p_up[: t + 1], before.p_up[: t + 1])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{}:fores", r"has no function 'fores'\. Did you mean"),
        ("{}:number", r"gives int, which has no fit and predict"),
        ("{}:Half", r"gives Half, which has no predict"),
        ("{}:needs", r"calling it without arguments raised TypeError"),
        ("{}", "path/to/file.py:function"),
        ("nowhere.py:x", "no file 'nowhere.py'"),
    ],
)
def test_what_is_no_regressor_is_refused_before_anything_is_trained(file: Path, spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Regressor.load(spec.format(file))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Broken", r"Broken' predicts NaN or infinity in 1 of \d+ rows"),
        ("Short", r"Short' predicts an array of shape \(3,\) for \d+ rows"),
        ("Wordy", r"Wordy' predicts list, not numbers"),
        ("Raises", r"Raises' raised ValueError: no, not today"),
    ],
)
def test_what_goes_wrong_in_it_is_told_in_one_line(
    file: Path, sentiment_panel: Panel, split: Split, name: str, message: str
) -> None:
    with pytest.raises(TenorError, match=message) as caught:
        Regressor.load(f"{file}:{name}")(sentiment_panel, split)
    assert "\n" not in str(caught.value)


def test_two_of_one_name_are_refused(file: Path) -> None:
    assert [one.name for one in regressors([f"{file}:ridge", f"{file}:forest"], ("LSTM",))] == ["ridge", "forest"]
    for specs, taken in (
        ([f"{file}:ridge"] * 2, ()),
        ([f"{file}:persistence"], ()),
        ([f"{file}:forest"], ("forest",)),
    ):
        with pytest.raises(ConfigError, match="as another model is"):
            regressors(specs, taken)
