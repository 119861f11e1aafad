from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.config import ModelConfig, TrainConfig
from tenor.distribution import LEVELS, Risk
from tenor.errors import DataError, HistoryError, ModelError, UnknownSymbolError
from tenor.heads import Calibration
from tenor.inference.cells import usable
from tenor.schema import Panel
from tenor.training import Forecaster

CELLS = ("mean", "p_up", "lower", "upper")
RISK = tuple(field.name for field in dataclasses.fields(Risk))


def changed_after(panel: Panel, t: int, seed: int) -> Panel:
    """The panel with everything after session t replaced."""
    rng = np.random.default_rng(seed)
    arrays = {
        name: getattr(panel, name).copy()
        for name in ("values", "mask", "targets", "volatility", "open", "close", "variance", "log_variance")
    }
    later = slice(t + 1, None)
    arrays["mask"][later] = rng.random(arrays["mask"][later].shape) < 0.7
    for name in ("values", "targets", "volatility", "open", "close", "variance", "log_variance"):
        arrays[name][later] = np.abs(rng.normal(0, 50, arrays[name][later].shape))
    arrays["values"][~arrays["mask"]] = 0
    return dataclasses.replace(panel, **arrays)


@given(t=st.integers(0, 238), seed=st.integers(0, 99))
@settings(max_examples=25)
def test_no_forecast_depends_on_what_comes_later_by_one_bit(forecaster_and_panel, t: int, seed: int) -> None:
    forecaster, panel = forecaster_and_panel
    other = changed_after(panel, t, seed)
    before, after = forecaster.predict(panel), forecaster.predict(other)
    for name in CELLS:
        assert getattr(before, name)[: t + 1].tobytes() == getattr(after, name)[: t + 1].tobytes()
    for name in RISK:
        old, new = (getattr(said.risk, name)[: t + 1] for said in (before, after))
        assert old.tobytes() == new.tobytes(), name
    rows = slice(0, t + 1)
    looked, again = forecaster.attention(panel, rows), forecaster.attention(other, rows)
    assert looked.time.tobytes() == again.time.tobytes()
    assert looked.feature.tobytes() == again.feature.tobytes()


@pytest.fixture(scope="module")
def forecaster_and_panel(forecaster: Forecaster, panel: Panel) -> tuple[Forecaster, Panel]:
    return forecaster, panel


@pytest.mark.parametrize("t", [12, 90, 201])
def test_a_panel_that_ends_earlier_says_the_same(forecaster: Forecaster, panel: Panel, t: int) -> None:
    whole, cut = forecaster.predict(panel), forecaster.predict(panel.between(0, t))
    tolerance = 1e-5 * np.nanstd(whole.mean)
    for name in CELLS:
        np.testing.assert_allclose(getattr(cut, name), getattr(whole, name)[:t], rtol=1e-5, atol=tolerance)
    for name in RISK:
        np.testing.assert_allclose(getattr(cut.risk, name), getattr(whole.risk, name)[:t], rtol=1e-4, atol=1e-6)


def test_a_panel_that_starts_later_says_nearly_the_same(forecaster: Forecaster, panel: Panel) -> None:
    whole = forecaster.predict(panel).mean
    start = len(panel.sessions) - forecaster.recipe.history_needed
    late = forecaster.predict(panel.between(start, len(panel.sessions))).mean[-1]
    assert np.abs(late - whole[-1]).max() < 1e-3 * np.nanstd(whole)


def test_it_speaks_on_usable_cells_and_nowhere_else(forecaster: Forecaster, panel: Panel) -> None:
    said = forecaster.predict(panel)
    cells = usable(panel, 8)
    for name in CELLS:
        value = getattr(said, name)
        assert value.dtype == np.float32
        assert (np.isfinite(value) == cells[:, :, None]).all()
    assert (said.lower < 0)[cells].all()
    assert (said.upper > 0)[cells].all()
    for name in ("log_variance", "volatility"):
        assert (np.isfinite(getattr(said.risk, name)) == cells[:, :, None]).all()
    assert (said.risk.volatility > 0)[cells].all()
    for k in range(2):
        quantiles = np.stack([said.risk.quantile(level, k) for level in LEVELS])
        assert (np.diff(quantiles, axis=0) >= 0)[:, cells].all()
        np.testing.assert_array_equal(said.lower[:, :, k], said.risk.quantile(0.05, k))
        np.testing.assert_array_equal(said.upper[:, :, k], said.risk.quantile(0.95, k))
    assert ((said.p_up > 0) & (said.p_up < 1))[cells].all()
    looked = forecaster.attention(panel, slice(100, 140))
    assert looked.time.shape == (40, 4, 2, 8)
    assert looked.feature.shape == (40, 4, 5)
    for weight in (looked.time, looked.feature):
        np.testing.assert_allclose(weight.sum(-1)[cells[100:140]], 1, rtol=1e-5)
        assert np.isnan(weight[~cells[100:140]]).all()


def test_the_interval_holds_about_nine_in_ten(forecaster: Forecaster, panel: Panel, split) -> None:
    said = forecaster.predict(panel)
    for k in (0, 1):
        real = panel.targets[split.valid, :, k]
        known = np.isfinite(real) & np.isfinite(said.mean[split.valid, :, k])
        inside = (real >= said.lower[split.valid, :, k]) & (real <= said.upper[split.valid, :, k])
        assert inside[known].mean() == pytest.approx(0.9, abs=0.015)


def test_the_ensemble_is_the_mean_of_its_networks(forecaster: Forecaster, panel: Panel) -> None:
    _, each = forecaster.predict_with_each(panel)
    assert len(each) == 2
    mean = np.mean([one.mean for one in each], axis=0)
    np.testing.assert_allclose(forecaster.predict(panel).mean, mean, rtol=1e-4, atol=1e-7)
    assert not np.allclose(each[0].mean[30:], each[1].mean[30:], equal_nan=True)


def test_many_symbols_say_what_each_alone_says(forecaster: Forecaster, panel_of) -> None:
    wide = panel_of(symbols=70, sessions=60)  # more than run at once
    said = forecaster.predict(wide)
    alone = forecaster.forecast(wide, "S66", 1)
    assert alone.expected_return == pytest.approx(float(said.mean[-1, 66, 0]), rel=1e-4, abs=1e-7)


def test_forecast_of_the_last_session(forecaster: Forecaster, panel: Panel) -> None:
    said = forecaster.predict(panel)
    forecast = forecaster.forecast(panel, "S01", 5)
    assert forecast.session == panel.sessions[-1] == pd.Timestamp("2014-12-12")
    assert forecast.as_of == pd.Timestamp("2014-12-12 21:00", tz="UTC")
    assert forecast.target_session == pd.Timestamp("2014-12-19")
    assert forecast.expected_return == pytest.approx(float(said.mean[-1, 1, 1]), rel=1e-4, abs=1e-7)
    assert forecast.last_price == panel.close[-1, 1]
    assert forecast.price == pytest.approx(panel.close[-1, 1] * np.exp(forecast.expected_return))
    assert forecast.lower < forecast.price < forecast.upper
    assert 0 < forecast.p_up < 1
    risk, price = said.risk, panel.close[-1, 1]
    assert forecast.volatility == pytest.approx(float(risk.return_volatility[-1, 1, 1]), rel=1e-4)
    assert forecast.baseline_volatility == pytest.approx(0.02)
    assert list(forecast.quantiles) == ["0.01", "0.05", "0.25", "0.5", "0.75", "0.95", "0.99"]
    assert list(forecast.quantiles.values()) == sorted(forecast.quantiles.values())
    assert (forecast.quantiles["0.05"], forecast.quantiles["0.95"]) == pytest.approx((forecast.lower, forecast.upper))
    for confidence, level in (("0.95", "0.05"), ("0.99", "0.01")):
        assert forecast.value_at_risk[confidence] == pytest.approx(1 - forecast.quantiles[level] / price, rel=1e-5)
        assert forecast.expected_shortfall[confidence] >= forecast.value_at_risk[confidence] > 0
    past = risk.volatility[-253:-1, 1, 1]
    past = past[np.isfinite(past)]
    assert forecast.volatility_rank == pytest.approx((past < risk.volatility[-1, 1, 1]).mean(), abs=1.5 / len(past))
    assert list(forecast.attention_time) == [f"{day:%Y-%m-%d}" for day in panel.sessions[-8:]]
    assert tuple(forecast.attention_features) == panel.features
    assert sum(forecast.attention_time.values()) == pytest.approx(1)
    assert sum(forecast.attention_features.values()) == pytest.approx(1)
    assert forecast.model_version == forecaster.version


def test_a_symbol_without_a_bar_today_is_forecast_from_its_own_last_session(forecaster, panel_of) -> None:
    panel = panel_of()
    panel.mask[-3:, 2] = False
    panel.close[-3:, 2] = np.nan
    panel.values[~panel.mask] = 0
    forecast = forecaster.forecast(panel, "S02", 1)
    assert forecast.session == panel.sessions[-4]
    assert forecast.target_session == panel.sessions[-3]
    assert forecast.as_of.date() == panel.sessions[-4].date()


def test_what_cannot_be_forecast_says_why(forecaster: Forecaster, panel: Panel, panel_of) -> None:
    with pytest.raises(UnknownSymbolError, match=r"unknown symbol 'S1'. Did you mean 'S01'"):
        forecaster.forecast(panel, "S1", 1)
    with pytest.raises(DataError, match=r"horizon 2 is not in this panel; it has \[1, 5\]"):
        forecaster.forecast(panel, "S01", 2)
    with pytest.raises(HistoryError, match=r"S00 has 6 sessions with all features, and the model needs 8"):
        forecaster.forecast(panel.between(0, 6), "S00", 1)
    renamed = dataclasses.replace(panel, features=("signal", "b", "c", "d", "other"))
    with pytest.raises(ModelError, match=r"the panel lacks e; the model does not know other"):
        forecaster.predict(renamed)
    first = slice(0, 1)
    shorter = dataclasses.replace(
        panel, horizons=(1,), targets=panel.targets[..., first], log_variance=panel.log_variance[..., first]
    )
    with pytest.raises(ModelError, match=r"the panel has horizons \[1\], the model \[1, 5\]"):
        forecaster.predict(shorter)


def test_without_attention_there_are_no_weights(fit_it, panel: Panel) -> None:
    model = ModelConfig(hidden=4, lookback=8, attention=False)
    plain = fit_it(model=model, training=TrainConfig(seeds=(0,), epochs=1, segment=24))
    with pytest.raises(ModelError, match="without attention"):
        plain.attention(panel)
    forecast = plain.forecast(panel, "S01", 1)
    assert forecast.attention_time == forecast.attention_features == {}
    assert forecast.to_json()["price"] == forecast.price


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_the_network_and_each_stocks_own_regression_share_the_forecast_of_risk(
    forecaster: Forecaster, panel: Panel, share: float
) -> None:
    fitted = forecaster.recipe.calibration.fitted
    shared = Calibration({**fitted, "log_variance": {**fitted["log_variance"], "share": (share, share)}})
    linear = forecaster.recipe.regressions(panel).linear
    here = usable(panel, 8) & np.isfinite(linear).all(axis=2)
    assert here.any()
    alone = dataclasses.replace(
        forecaster.recipe, calibration=shared, model=dataclasses.replace(forecaster.model, linear=False)
    )
    network = dataclasses.replace(forecaster, recipe=alone).predict(panel)
    mixed = dataclasses.replace(forecaster, recipe=dataclasses.replace(alone, model=forecaster.model)).predict(panel)
    np.testing.assert_array_equal(network.p_up, mixed.p_up)
    expected = np.where(
        here[:, :, None], share * network.risk.log_variance + (1 - share) * linear, network.risk.log_variance
    )
    np.testing.assert_allclose(mixed.risk.log_variance, expected, rtol=1e-5)
