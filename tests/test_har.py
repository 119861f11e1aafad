"""Each stock's own regression of log variance, refitted: causal to the bit, and where there is little to learn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tenor.config import FeatureConfig
from tenor.features import build_panel
from tenor.har import FEWEST_ROWS, HAR_TERMS, REFIT_EVERY, Moments, har_terms, refitted
from tenor.schema import Bars, Panel

FIRST = 300


@pytest.fixture(scope="module")
def panel(bars_of: Callable[..., Bars]) -> Panel:
    return build_panel(bars_of(4, 520), FeatureConfig(horizons=(1, 5)))


def test_rows_of_the_future_change_no_bit_of_a_forecast(panel: Panel) -> None:
    whole = refitted(panel, FIRST)
    assert np.isfinite(whole[FIRST:][panel.mask[FIRST:]]).all()
    assert np.isnan(whole[:FIRST]).all()
    for stop in (FIRST + 1, FIRST + REFIT_EVERY, FIRST + REFIT_EVERY + 1, 447, 519):
        np.testing.assert_array_equal(refitted(panel.between(0, stop), FIRST), whole[:stop])


def test_terms_beyond_what_was_seen_are_clipped(panel: Panel) -> None:
    calm = refitted(panel, FIRST)
    variance = panel.variance.copy()
    variance[FIRST + 3, 0] *= 1e9
    wild = refitted(replace(panel, variance=variance), FIRST)
    assert np.abs(wild[FIRST + 3, 0] - calm[FIRST + 3, 0]).max() < 5  # a jump of 21 in the log, as far as it was seen


@pytest.mark.parametrize("sessions", [0, 1, 66, 150])
def test_a_short_history_has_no_forecast_and_none_is_infinite(panel: Panel, sessions: int) -> None:
    forecast = refitted(panel.between(0, sessions), 0)
    assert forecast.shape == (sessions, 4, 2)
    assert not np.isinf(forecast).any()
    assert np.isnan(forecast[:REFIT_EVERY]).all()  # nothing is known of any target yet


def test_constant_and_repeated_terms_do_no_harm() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(-9, 1, (400, 1, len(HAR_TERMS)))
    x[:, :, 3] = x[:, :, 2]
    x[:, :, 8] = 0.0
    y = 1 + x[:, :, 0] / 2 + x[:, :, 2] / 4
    moments = Moments.none(1, len(HAR_TERMS))
    moments.add(x[: FEWEST_ROWS + 50], y[: FEWEST_ROWS + 50])
    inside = (x >= x[:200].min(axis=0)) & (x <= x[:200].max(axis=0))
    rows = inside.all(axis=(1, 2))
    np.testing.assert_allclose(moments.fit().predict(x)[rows], y[rows], atol=1e-6)


def test_a_stock_with_few_rows_has_the_coefficients_of_all(panel: Panel) -> None:
    mask = panel.mask.copy()
    mask[: FIRST - 50, 3] = False
    young = replace(panel, mask=mask)
    terms = har_terms(young)
    own = refitted(young, FIRST)
    known = young.mask & np.isfinite(terms).all(axis=2) & np.isfinite(young.log_variance[:, :, 0])
    known[FIRST:] = False
    x, y = terms[known], young.log_variance[:, :, 0][known].astype("float64")
    b = np.linalg.lstsq(np.c_[np.ones(len(x)), x], y, rcond=None)[0]
    np.testing.assert_allclose(own[FIRST, 3, 0], b[0] + terms[FIRST, 3] @ b[1:], rtol=1e-6)
