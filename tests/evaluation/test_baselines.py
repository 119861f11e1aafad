import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from tenor import metrics
from tenor.errors import ConfigError, HistoryError
from tenor.evaluation.baselines import BASELINES, always_up, boosting, drift, fit_baselines, linear, persistence
from tenor.schema import Panel
from tenor.training import Split


@dataclass(frozen=True)
class Parts:
    train: slice
    valid: slice


PARTS = Parts(slice(0, 160), slice(165, 220))
TEST = slice(225, 300)


def panel(signal=0.5, *, curved=False, seed=0, shape=(300, 8, 4)):
    """Features of noise, the first of which explains a share of the return (its square does, if curved)."""
    rng = np.random.default_rng(seed)
    sessions, symbols, _ = shape
    values = rng.normal(0, 1, shape).astype("float32")
    cause = (values[..., 0] ** 2 - 1) / math.sqrt(2) if curved else values[..., 0]
    volatility = np.full(shape[:2], 0.02, "float32") * np.linspace(0.5, 2, symbols, dtype="float32")
    noise = rng.normal(0, math.sqrt(1 - signal**2), (*shape[:2], 2))
    targets = volatility[..., None] * np.sqrt([1.0, 5.0]) * (signal * cause[..., None] + noise) + 0.001
    mask = np.ones(shape[:2], bool)
    mask[:, -1] = np.arange(sessions) >= 200  # starts after training
    mask[50:55, 0] = False
    for a in (values, targets, volatility):
        a[~mask] = 0.0 if a is values else np.nan
    targets[-1:, :, 0] = targets[-5:, :, 1] = np.nan
    close = np.where(mask, 50.0, np.nan)
    return Panel(
        values=values,
        mask=mask,
        targets=targets.astype("float32"),
        volatility=volatility,
        open=close,
        close=close,
        sessions=pd.bdate_range("2015-01-05", periods=sessions).astype("datetime64[us]"),
        symbols=tuple(f"S{i}" for i in range(symbols)),
        features=("a", "b", "c", "d"),
        horizons=(1, 5),
    )


def test_all_of_them_say_something_in_every_cell_of_the_mask_and_nothing_elsewhere():
    made = panel()
    found = fit_baselines(made, PARTS)
    assert list(found) == list(BASELINES)
    for name, said in found.items():
        assert said.model == name
        assert said.mean.shape == said.p_up.shape == made.targets.shape
        assert said.mean.dtype == said.p_up.dtype == np.float32
        for a in (said.mean, said.p_up):
            assert np.isfinite(a[made.mask]).all()
            assert np.isnan(a[~made.mask]).all()
        assert ((said.p_up[made.mask] >= 0) & (said.p_up[made.mask] <= 1)).all()


@pytest.mark.processes
def test_processes_that_share_the_horizons_give_the_same_bytes():
    made = panel()
    split = Split(PARTS.train, PARTS.valid, TEST, purge=5)
    one, two = fit_baselines(made, split, workers=1), fit_baselines(made, split, workers=2)
    assert list(one) == list(two) == list(BASELINES)
    for name, predictions in one.items():
        assert predictions.mean.tobytes() == two[name].mean.tobytes()
        assert predictions.p_up.tobytes() == two[name].p_up.tobytes()


def test_the_test_rows_are_never_looked_at():
    made = panel()
    other = panel(seed=1)
    targets = made.targets.copy()
    targets[221:] = other.targets[221:] * 5
    targets[161:164] = 9.0  # nor are the purged ones between the parts
    changed = replace(made, targets=targets)
    for name, said in fit_baselines(made, PARTS).items():
        again = fit_baselines(changed, PARTS, names=[name])[name]
        np.testing.assert_array_equal(said.mean, again.mean)
        np.testing.assert_array_equal(said.p_up, again.p_up)


def test_features_of_later_rows_do_not_move_earlier_forecasts():
    made = panel()
    values = made.values.copy()
    values[260:] = values[260:] * 100 + 7
    for name, said in fit_baselines(made, PARTS).items():
        again = fit_baselines(replace(made, values=values), PARTS, names=[name])[name]
        np.testing.assert_array_equal(said.mean[:260], again.mean[:260])


def test_persistence():
    made = panel()
    said = persistence(made)
    assert (said.mean[made.mask] == 0).all()
    assert (said.p_up[made.mask] == 0.5).all()


def test_drift_is_each_symbols_mean_in_training():
    made = panel()
    said = drift(made, PARTS)
    returns = made.targets[PARTS.train].astype("float64")
    assert said.mean[250, 3, 1] == pytest.approx(returns[:, 3, 1].mean(), rel=1e-5)
    assert said.p_up[250, 3, 1] == pytest.approx((returns[:, 3, 1] > 0).mean())
    # the last symbol starts after training: the pooled mean
    assert said.mean[250, 7, 0] == pytest.approx(np.nanmean(returns[..., 0]), rel=1e-5)


def test_always_up_says_up_even_after_a_falling_market():
    made = panel()
    falling = replace(made, targets=made.targets - np.float32(0.05))
    said = always_up(falling, PARTS)
    assert (said.p_up[made.mask] > 0.5).all()
    assert said.mean[250, 0, 0] == pytest.approx(np.nanmean(falling.targets[PARTS.train, :, 0]), rel=1e-4)
    known = np.nanmean(made.targets[PARTS.train, :, 1] > 0, where=made.mask[PARTS.train])
    assert always_up(made, PARTS).p_up[250, 0, 1] == pytest.approx(max(known, 0.501))


@pytest.mark.parametrize(
    ("fit", "curved", "finds"),
    [(linear, False, True), (linear, True, False), (boosting, False, True), (boosting, True, True)],
)
def test_the_learned_ones_find_what_they_can(fit, curved, finds):
    made = panel(0.6, curved=curved, shape=(600, 8, 4))
    said = fit(made, Parts(slice(0, 400), slice(400, 460)))
    test = slice(470, 590)
    for axis in range(2):
        realised = made.targets[test, :, axis]
        skill = metrics.skill(said.mean[test, :, axis], realised)
        auc = metrics.auc(said.p_up[test, :, axis], realised)
        if finds:
            assert skill > 0.08
            assert auc > 0.65
        else:
            assert skill < 0.03
            assert auc < 0.6


def test_forecasts_scale_with_volatility_and_horizon():
    made = panel(0.7)
    said = linear(made, PARTS)
    spread = said.mean[TEST].std(axis=0)
    assert spread[6, 0] / spread[0, 0] == pytest.approx(made.volatility[250, 6] / made.volatility[250, 0], rel=0.3)
    assert spread[3, 1] / spread[3, 0] == pytest.approx(math.sqrt(5), rel=0.3)


@pytest.mark.parametrize("fit", [linear, boosting])
def test_validation_chooses_how_much_is_believed(fit):
    made = panel()
    targets = made.targets.copy()
    targets[PARTS.valid] *= -1  # what was learned is wrong there
    doubted, believed = fit(replace(made, targets=targets), PARTS), fit(made, PARTS)
    for name in ("mean", "p_up"):
        spread = [np.nanstd(getattr(said, name)[TEST, :, 0]) for said in (doubted, believed)]
        assert spread[0] < 0.3 * spread[1]


def test_noise_leaves_the_learned_ones_near_persistence():
    made = panel(0.0)
    for fit in (linear, boosting):
        said = fit(made, PARTS)
        assert -0.03 < metrics.skill(said.mean[TEST, :, 0], made.targets[TEST, :, 0]) < 0.03


def test_the_same_again():
    made = panel()
    np.testing.assert_array_equal(boosting(made, PARTS).p_up, boosting(made, PARTS).p_up)


def test_outliers_and_a_constant_feature_do_no_harm():
    made = panel()
    values = made.values.copy()
    values[..., 1] = 3.0
    values[240, 2, 0] = 1e9
    said = linear(replace(made, values=values), PARTS)
    assert np.isfinite(said.mean[made.mask]).all()
    assert abs(said.mean[240, 2, 0]) < 0.5


def test_training_in_which_every_return_rose():
    made = panel()
    rising = replace(made, targets=np.abs(made.targets) + np.float32(1e-4))
    for said in fit_baselines(rising, PARTS, names=["ridge+logistic", "boosting"]).values():
        assert (said.p_up[made.mask] == 1).all()
        assert (said.mean[made.mask] > 0).all()


def test_an_unknown_name_is_refused_with_a_suggestion():
    with pytest.raises(ConfigError, match=r"unknown baseline 'boostin'. Did you mean 'boosting'\?"):
        fit_baselines(panel(), PARTS, names=["boostin"])


@pytest.mark.parametrize(
    ("parts", "what"),
    [(Parts(slice(0, 0), PARTS.valid), "training"), (Parts(PARTS.train, slice(299, 300)), "validation")],
)
def test_a_part_without_known_returns_is_refused(parts, what):
    with pytest.raises(HistoryError, match=f"no {what} cell has a known return 1 sessions ahead: import more history"):
        fit_baselines(panel(), parts, names=["ridge+logistic"])
