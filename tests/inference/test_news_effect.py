from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from panels import panel_of

from tenor.config import ModelConfig
from tenor.inference.news_effect import ENOUGH_CELLS, NewsEffect, covered, kinds_of, read_by_network
from tenor.schema import Panel

SESSIONS, SYMBOLS, FIRST = 420, 24, 200
KINDS = ("any", "earnings", "legal", "product")


def counted(rng: np.random.Generator, sessions: int = SESSIONS, symbols: int = SYMBOLS) -> NDArray[np.float64]:
    """[session, symbol, kind]; items, with a burst of earnings and of legal news now and then."""
    counts = rng.poisson((12.0, 1.0, 0.5, 1.0), (sessions, symbols, len(KINDS))).astype("float64")
    counts[:, :, 1] += rng.poisson(12.0, (sessions, symbols)) * (rng.random((sessions, symbols)) < 0.03)
    counts[:, :, 2] += rng.poisson(8.0, (sessions, symbols)) * (rng.random((sessions, symbols)) < 0.03)
    counts[:, :, 0] += counts[:, :, 1:].sum(axis=2)
    return counts


def with_counts(panel: Panel, counts: NDArray[np.float64], kinds: tuple[str, ...] = KINDS) -> Panel:
    values = np.concatenate([panel.values, np.log1p(counts).astype(np.float32)], axis=2)
    values[~panel.mask] = 0
    return replace(panel, values=values, features=panel.features + tuple(f"news_{kind}_count" for kind in kinds))


def world(
    earnings: float = 0.0, legal: float = 0.0, *, seed: int = 0, sessions: int = SESSIONS, symbols: int = SYMBOLS
) -> tuple[Panel, NDArray[np.float64]]:
    """A panel whose log variance of the next session rises by so much in sessions with a burst of the kind."""
    rng = np.random.default_rng(seed)
    counts = counted(rng, sessions, symbols)
    panel = with_counts(panel_of(rng.normal(0, 0.02, (sessions, symbols)), horizons=(1, 5)), counts)
    log_variance = rng.normal(-8, 0.8, panel.log_variance.shape)
    bursts = counts[:, :, 1:3] >= 6
    log_variance += (bursts @ np.array([earnings, legal]))[:, :, None]
    return replace(panel, log_variance=log_variance.astype(np.float32)), counts


def effect_of(panel: Panel, first: int = FIRST) -> NewsEffect:
    effect = NewsEffect.of(panel, np.full(panel.log_variance.shape, -8.0), first)
    assert effect is not None
    return effect


def test_a_burst_of_earnings_news_raises_the_forecast_by_what_it_did_before() -> None:
    panel, counts = world(earnings=1.0)
    effect = effect_of(panel).log_variance
    burst = counts[FIRST:, :, 1] >= 6
    assert 0.7 < effect[FIRST:, :, 0][burst].mean() < 1.2
    assert abs(effect[FIRST:, :, 0][~burst].mean()) < 0.1
    error = panel.log_variance[FIRST:, :, 0] + 8
    assert np.square(error - effect[FIRST:, :, 0]).mean() < 0.97 * np.square(error).mean()
    assert not effect[:FIRST].any()


def test_another_kind_takes_part_once_it_has_proved_itself() -> None:
    panel, counts = world(legal=1.0)
    burst = counts[FIRST:, :, 2] >= 6
    assert effect_of(panel).log_variance[FIRST:, :, 0][burst].mean() > 0.6
    quiet = effect_of(world(legal=0.0)[0])
    rows = range(FIRST, SESSIONS, 21)
    taking_part = [{driver.kind for driver in quiet.drivers(row, 0, 0)} for row in rows]
    # the proof holds at about 2.5 %, of two kinds at each of the dates
    assert sum(len(kinds - {"any", "earnings"}) for kinds in taking_part) <= len(taking_part) / 2


def test_with_few_cells_even_the_trusted_kinds_need_a_proof() -> None:
    panel, _ = world(sessions=300, symbols=1)
    assert panel.mask.sum() < ENOUGH_CELLS
    noise = np.abs(effect_of(panel).log_variance).mean()
    strong, counts = world(earnings=3.0, sessions=300, symbols=1)
    burst = counts[FIRST:, 0, 1] >= 6
    assert burst.any()
    assert noise < 0.1
    assert effect_of(strong).log_variance[FIRST:, 0, 0][burst].mean() > 1.0


@given(t=st.integers(FIRST, SESSIONS - 2), seed=st.integers(0, 99))
@settings(max_examples=6)
def test_nothing_that_comes_later_changes_an_effect_by_one_bit(t: int, seed: int) -> None:
    panel, _ = world(earnings=1.0, legal=0.5)
    rng = np.random.default_rng(seed)
    values, log_variance, mask = panel.values.copy(), panel.log_variance.copy(), panel.mask.copy()
    values[t + 1 :] = np.abs(rng.normal(0, 50, values[t + 1 :].shape))
    mask[t + 1 :] = rng.random(mask[t + 1 :].shape) < 0.7
    values[~mask] = 0
    for k, horizon in enumerate(panel.horizons):  # a target that ends after t is not known at t
        log_variance[t + 1 - horizon :, :, k] = rng.normal(-8, 5, log_variance[t + 1 - horizon :, :, k].shape)
    forecast = np.full(log_variance.shape, -8.0)
    forecast[t + 1 :] = rng.normal(-8, 3, forecast[t + 1 :].shape)
    other = NewsEffect.of(replace(panel, values=values, mask=mask, log_variance=log_variance), forecast, FIRST)
    assert other is not None
    before = effect_of(panel)
    assert before.log_variance[: t + 1].tobytes() == other.log_variance[: t + 1].tobytes()
    assert before.drivers(t, 3, 0) == other.drivers(t, 3, 0)


def test_a_panel_cut_off_has_the_same_effects_as_the_whole_one() -> None:
    panel, _ = world(earnings=1.0)
    whole, cut = effect_of(panel), effect_of(panel.between(0, 333))
    assert whole.log_variance[:333].tobytes() == cut.log_variance.tobytes()


def test_drivers_add_up_to_the_effect_and_say_how_unusual_the_session_was() -> None:
    panel, counts = world(earnings=1.0)
    effect = effect_of(panel)
    row, column = np.argwhere(counts[FIRST:, :, 1] >= 12)[0] + (FIRST, 0)
    drivers = effect.drivers(row, column, 0)
    assert sum(driver.effect for driver in drivers) == pytest.approx(effect.log_variance[row, column, 0])
    first = drivers[0]
    assert (first.kind, first.count, first.since_spike) == ("earnings", counts[row, column, 1], 0)
    assert first.level == pytest.approx(counts[row - 60 : row, column, 1].mean(), rel=1e-4)
    assert effect.drivers(FIRST - 1, column, 0) == ()


def test_without_a_source_of_news_there_is_no_effect() -> None:
    panel, counts = world(earnings=1.0)
    counts[300:320] = 0
    counts[380:] = 0
    values = panel.values.copy()
    values[:, :, -len(KINDS) :] = np.log1p(counts)
    effect = effect_of(replace(panel, values=values))
    assert effect.log_variance[299].any()
    assert not effect.log_variance[300:320].any()
    assert effect.log_variance[321].any()
    assert not effect.log_variance[380:].any()
    assert effect.drivers(390, 0, 0) == ()


def test_a_quiet_day_of_a_symbol_with_little_news_is_none_without_a_source() -> None:
    counts = np.zeros((100, 1), dtype=np.float32)
    counts[10::3] = 1
    there = covered(counts)
    assert not there[:10].any()
    assert there[10:].all()
    assert not covered(np.zeros((100, 3), dtype=np.float32)).any()


def test_panels_without_counts_have_no_effect() -> None:
    panel = panel_of(np.random.default_rng(0).normal(0, 0.02, (300, 2)))
    assert NewsEffect.of(panel, np.zeros(panel.log_variance.shape), 100) is None
    assert kinds_of(["log_return", "news_known", "news_any_count", "news_topic_oil_count"]) == {
        "any": 2,
        "topic_oil": 3,
    }


def test_counts_that_never_change_or_are_all_zero_do_no_harm() -> None:
    rng = np.random.default_rng(1)
    panel = panel_of(rng.normal(0, 0.02, (400, 20)), horizons=(1,))
    panel = replace(panel, log_variance=rng.normal(-8, 1, panel.log_variance.shape).astype(np.float32))
    for count in (0.0, 5.0):
        counts = np.full((*panel.mask.shape, 2), count)
        effect = effect_of(with_counts(panel, counts, ("any", "earnings"))).log_variance
        assert np.isfinite(effect).all()
        assert np.abs(effect).max() < 1e-6


def test_forecasts_that_are_missing_take_no_part() -> None:
    panel, _ = world(earnings=1.0)
    forecast = np.full(panel.log_variance.shape, -8.0)
    forecast[:, 5:] = np.nan
    effect = NewsEffect.of(panel, forecast, FIRST)
    assert effect is not None
    assert np.isfinite(effect.log_variance).all()


def test_the_network_does_not_read_what_has_an_effect_of_its_own() -> None:
    panel, _ = world()
    read = read_by_network(panel, ModelConfig())
    assert read.features == panel.features[: -len(KINDS)]
    np.testing.assert_array_equal(read.values, panel.values[:, :, : -len(KINDS)])
    assert read_by_network(panel, ModelConfig(news_effect=False)) is panel
    assert read_by_network(read, ModelConfig()) is read
