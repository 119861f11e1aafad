"""Trainers and learning curves: what the test chose, scaled or taught is caught by name; honest trainers pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tenor.config import FeatureConfig, ModelConfig, SplitConfig, TrainConfig
from tenor.errors import ConfigError, DataError
from tenor.features import build_panel
from tenor.leakcheck import check_history, check_trainer
from tenor.schema import Bars, Panel, Predictions
from tenor.training import Forecaster, Split, chronological, fit

FEATURES = FeatureConfig(groups=("returns",), horizons=(1, 5))


@pytest.fixture(scope="module")
def panel(bars_of: Callable[..., Bars]) -> Panel:
    return build_panel(bars_of(symbols=3, sessions=220), FEATURES)


@pytest.fixture(scope="module")
def split(panel: Panel) -> Split:
    return chronological(panel.sessions, SplitConfig(), purge=5)


@dataclass(frozen=True)
class Linear:
    """Least squares by gradient descent, stopped where the part `stop` says; each field can plant a leak."""

    stop: str = "valid"
    learn: tuple[str, ...] = ("train",)
    scale: tuple[str, ...] = ("train",)
    tell: bool = True
    purge: bool = True

    def __call__(self, panel: Panel, split: Split) -> Any:
        rows = {"train": split.train, "valid": split.valid, "test": split.test}
        if not self.purge:
            rows["train"] = slice(0, split.valid.start)

        def of(part: str) -> tuple[Any, Any]:
            known = panel.mask[rows[part]] & np.isfinite(panel.targets[rows[part]]).all(axis=2)
            return panel.values[rows[part]][known].astype("float64"), panel.targets[rows[part]][known].astype("float64")

        spread = np.concatenate([of(part)[0] for part in self.scale])
        mean, std = spread.mean(axis=0), spread.std(axis=0)
        x, y = (np.concatenate([of(part)[i] for part in self.learn]) for i in (0, 1))
        x = (x - mean) / std
        judge_x, judge_y = of(self.stop)
        judge_x = (judge_x - mean) / std
        weights = np.random.default_rng(0).normal(0, 0.01, (x.shape[1], y.shape[1]))
        best, chosen, saved = np.inf, 0, weights
        for epoch in range(25):
            loss = float(((judge_x @ weights - judge_y) ** 2).mean())
            if loss < best:
                best, chosen, saved = loss, epoch, weights
            weights = weights - 0.05 * x.T @ (x @ weights - y) / len(x)
        forecast = ((panel.values - mean) / std @ saved).astype("float32")
        forecast[~panel.mask] = np.nan
        predictions = Predictions("linear", forecast, (forecast > 0).astype("float32"))
        return (predictions, chosen) if self.tell else predictions


LEAKS: dict[str, tuple[str, Linear]] = {
    "stops on the test": ("test_set_early_stopping", Linear(stop="test")),
    "stops on the test, silently": ("test_set_early_stopping", Linear(stop="test", tell=False)),
    "learns from the test": ("trained_on_test", Linear(learn=("train", "test"))),
    "learns from the test, silently": ("trained_on_test", Linear(learn=("train", "test"), tell=False)),
    "scales with the test": ("scaler_on_all_data", Linear(scale=("train", "valid", "test"))),
    "no purge": ("overlapping_targets", Linear(purge=False)),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_caught_by_name(panel: Panel, split: Split, leak: str) -> None:
    kind, trainer = LEAKS[leak]
    report = check_trainer(trainer, panel, split)
    assert report.kinds == (kind,), report.describe()


@pytest.mark.parametrize("tell", [True, False])
def test_an_honest_trainer_passes(panel: Panel, split: Split, tell: bool) -> None:
    report = check_trainer(Linear(tell=tell), panel, split, name="linear")
    assert report.ok, report.describe()
    assert report.checked[0].startswith("linear: ")


def test_what_was_chosen_is_reported(panel: Panel, split: Split) -> None:
    finding = check_trainer(Linear(stop="test"), panel, split).findings[0]
    assert "and it chose" in finding.evidence
    assert "validation part that ends before the test" in finding.remedy


def test_tenors_own_training_passes(panel: Panel, split: Split) -> None:
    def train(panel: Panel, split: Split) -> Forecaster:
        return fit(
            panel,
            split,
            features=FEATURES,
            model=ModelConfig(hidden=4, attention_size=4, lookback=5),
            training=TrainConfig(seeds=(0,), epochs=2, segment=40, burn_in=5),
            workers=1,
        )

    report = check_trainer(train, panel, split)
    assert report.ok, report.describe()


def test_chance_and_indifference_have_names_of_their_own(panel: Panel, split: Split) -> None:
    rng = np.random.default_rng()
    noisy = check_trainer(lambda p, s: rng.normal(size=p.mask.shape), panel, split, name="noisy")
    assert noisy.kinds == ("not_repeatable",)
    fixed = check_trainer(lambda p, s: np.zeros(p.mask.shape), panel, split, name="fixed")
    assert fixed.kinds == ("unresponsive",)


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        (lambda p, s: None, "returned NoneType"),
        (lambda p, s: np.zeros(3), r"array of shape \(3,\)"),
        (lambda p, s: 1 / 0, r"mine raised ZeroDivisionError \(division by zero\)"),
    ],
)
def test_a_trainer_that_can_not_be_used_is_refused(panel: Panel, split: Split, trainer: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_trainer(trainer, panel, split, name="mine")


CURVES = pd.DataFrame(
    {"epoch": [1, 2, 3, 4], "train_loss": [4, 3, 2, 1], "val_loss": [3, 1, 2, 3], "test_loss": [4, 3, 1, 2]}
)


def test_an_epoch_that_is_the_tests_best_and_not_validations_is_caught() -> None:
    report = check_history(CURVES, chosen=3)
    assert report.kinds == ("test_set_early_stopping",)
    assert "it is the best by 'test_loss', and validation was best at 2 (val_loss)" in report.findings[0].evidence
    assert check_history(CURVES, chosen=2).ok
    assert check_history(CURVES, chosen=4).ok
    marked = CURVES.assign(best=[False, False, True, False])
    assert check_history(marked).kinds == ("test_set_early_stopping",)


def test_scores_are_best_where_they_are_high_and_no_validation_is_reported() -> None:
    curves = CURVES[["epoch"]].assign(test_accuracy=[0.5, 0.52, 0.51, 0.5])
    report = check_history(curves, chosen=2)
    assert "there is no curve of a validation part" in report.findings[0].evidence
    assert check_history(curves, chosen=1).ok


@pytest.mark.parametrize(
    ("frame", "chosen", "error", "message"),
    [
        (CURVES.iloc[:0], 1, DataError, "no rows"),
        (CURVES.drop(columns="test_loss"), 1, DataError, "no column of the test"),
        (CURVES, None, ConfigError, "the chosen epoch is not given"),
        (CURVES, 9, ConfigError, "epoch 9 was chosen, but the history has 1 to 4"),
        (CURVES.assign(test_loss="x"), 1, DataError, "holds no numbers"),
    ],
)
def test_curves_that_can_not_be_used_are_refused(
    frame: pd.DataFrame, chosen: int | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        check_history(frame, chosen=chosen)
