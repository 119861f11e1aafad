from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.significance import bins_by_day, mean_by_day
from tenor.metrics import reliability
from tenor.report import style
from tenor.report.forecast import figure_coverage, forecast_cells
from tenor.report.model import (
    attention_blocks,
    figure_attention_features,
    figure_attention_lags,
    figure_attention_time,
    figure_learning,
)
from tenor.report.page import Paragraph, Picture, TextTable
from tenor.report.results import figure_by_symbol, figure_differences
from tenor.report.symbols import SESSIONS_SHOWN, currency_of, interval_picture, symbols_by_coverage


def _ours(world):
    return next(iter(world.predictions.values()))


@pytest.mark.parametrize("horizon", [1, 5])
def test_an_interval_stands_at_the_session_it_is_about(world, horizon):
    panel, ours, h = world.panel, _ours(world), world.panel.horizon_index(horizon)
    picture = interval_picture(panel, forecast_cells(panel, world.rows, ours, horizon), "AAA")
    axes = picture.figure.axes[0]
    lines = [line for line in axes.lines if str(line.get_gid()).startswith("day-")]
    stop = len(panel.sessions) - horizon  # what comes after is not known
    origin = np.arange(max(world.rows.start, stop - SESSIONS_SHOWN), stop)
    for bound, end in ((ours.lower, 0), (ours.upper, 1)):
        expected = panel.close[origin, 0] * np.exp(bound[origin, 0, h].astype("float64"))
        np.testing.assert_allclose([line.get_ydata()[end] for line in lines], expected)
    dots = np.concatenate([line.get_ydata() for line in axes.lines if line.get_marker() == "o"])
    assert sorted(dots) == sorted(panel.close[origin + horizon, 0])
    first = panel.sessions[origin[0] + horizon]
    assert picture.tips["day-0"].startswith(f"{style.format_day(first)}: ")
    assert len(picture.tips) == len(origin)
    assert f"<title>{picture.tips['day-0']}</title>" in style.svg(picture.figure, "x", picture.tips)


def test_symbols_are_chosen_by_coverage_not_by_name():
    held = {"A": 0.80, "B": 0.93, "C": 0.91, "D": 0.99, "E": float("nan")}
    assert symbols_by_coverage(held) == {"C": "best covered", "D": "median coverage", "A": "worst covered"}
    assert list(symbols_by_coverage({"A": 0.5, "B": 0.9})) == ["B", "A"]
    assert symbols_by_coverage({}) == {}


def test_prices_have_a_currency_only_where_it_is_one():
    assert currency_of(["AAPL", "MSFT"]) == "USD"
    assert currency_of(["SAP.DE", "AIR.PA"]) == "EUR"
    assert currency_of(["AAPL", "SAP.DE"]) == ""


@pytest.mark.parametrize("horizon", [1, 5])
def test_cells_are_those_that_were_evaluated(world, horizon):
    judged = forecast_cells(world.panel, world.rows, _ours(world), horizon)
    evaluation = world.evaluations[horizon]
    assert np.isfinite(judged.realised).sum() == evaluation.samples
    assert np.nanmean(judged.inside) == pytest.approx(evaluation.coverage.value)
    rose = np.where(np.isfinite(judged.realised), judged.realised > 0, np.nan)
    at, means = bins_by_day(rose, judged.p_up, horizon, bins=10)
    expected = reliability(judged.p_up, judged.realised)
    assert at == pytest.approx([b.p_up for b in expected])
    assert [m.value for m in means] == pytest.approx([b.share_up for b in expected])
    assert all(m.low <= m.value <= m.high for m in means)


def test_the_mean_by_day_knows_that_stocks_move_together():
    rng = np.random.default_rng(1)
    alone = rng.normal(size=(200, 50))
    together = np.repeat(rng.normal(size=(200, 1)), 50, axis=1)
    width = [(m := mean_by_day(v, 1)).high - m.low for v in (alone, together)]
    assert width[1] > 4 * width[0]
    nothing = mean_by_day(np.full((30, 2), np.nan), 1)
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()


def test_bins_of_nothing_and_of_one_value():
    assert bins_by_day(np.full((30, 2), np.nan), np.zeros((30, 2)), 1, bins=10) == ([], [])
    at, means = bins_by_day(np.ones((30, 2)), np.full((30, 2), 0.4), 1, bins=10)
    assert at == pytest.approx([0.4])
    assert [m.value for m in means] == [1.0]


def _attention_blocks(world, time=None, feature=None):
    attention = type(world.attention)(
        time=world.attention.time if time is None else time.astype("float32"),
        feature=world.attention.feature if feature is None else feature.astype("float32"),
    )
    return attention_blocks(world.panel, world.rows, attention)


def _of(kind, blocks):
    return [block for block in blocks if isinstance(block, kind)]


def test_attention_is_shown_from_the_session_itself_backwards(world):
    time = np.zeros_like(world.attention.time)
    time[:, :, 0, -1] = 1.0  # all on the session of the forecast, which stands last
    time[:, :, 1, 0] = 1.0
    blocks = _attention_blocks(world, time)
    lags, sessions, _ = (picture.figure for picture in _of(Picture, blocks))
    lines = {line.get_label(): line.get_ydata() for line in lags.axes[0].lines}
    assert list(lines["1 session ahead"]) == [1.0] + [0.0] * 7
    assert list(lines["5 sessions ahead"]) == [0.0] * 7 + [1.0]
    for place, lag in ((0, 0), (1, 7)):
        image = np.asarray(sessions.axes[place].images[0].get_array())  # [lag, session]
        assert image.shape == (8, world.rows.stop - world.rows.start)
        assert (image[lag] == 1).all()
        assert image.sum() == image.shape[1]
    (table,) = _of(TextTable, blocks)
    assert table.rows == (
        ("1 session ahead", "0.000", "100\u00a0%"),
        ("5 sessions ahead", "0.000", "0\u00a0%"),
        ("uniform attention", "1.000", "62\u00a0%"),
    )


def test_uniform_attention_gets_no_picture(world):
    uniform = np.full(world.attention.time.shape, 1 / 8)
    uniform[..., 0] *= 1.04
    uniform /= uniform.sum(axis=-1, keepdims=True)
    blocks = _attention_blocks(world, uniform, np.full(world.attention.feature.shape, 1 / 5))
    assert not _of(Picture, blocks)
    text = " ".join(block.text for block in _of(Paragraph, blocks))
    assert "Attention over time is uniform in forecasts 1 session ahead and 5 sessions ahead" in text
    assert "Attention over features is uniform (entropy 1.000, uniform 1.000)" in text
    assert _of(TextTable, blocks)[0].rows[0][1] == "1.000"

    one = uniform.copy()
    one[:, :, 1] = np.eye(8)[3]
    blocks = _attention_blocks(world, one)
    assert "uniform in forecasts 1 session ahead:" in " ".join(block.text for block in _of(Paragraph, blocks))
    lags, sessions, _ = (picture.figure for picture in _of(Picture, blocks))
    assert {line.get_label() for line in lags.axes[0].lines} == {"5 sessions ahead", "uniform"}
    assert len(sessions.axes) == 2  # one heat map and its scale


@pytest.mark.parametrize("tilt", [0.0, 0.5])
def test_the_colour_scale_of_attention_is_fixed(tilt):
    """Whatever the weights are, it runs from 0 to eight, or four, times a uniform weight."""
    weights = np.full((30, 2, 32), 1 / 32)
    weights[..., 0] *= 1 + tilt
    sessions = pd.bdate_range("2016-01-04", periods=30).as_unit("us")
    for axes in figure_attention_time(weights, sessions, (1, 5)).axes[:2]:
        image = axes.images[0]
        assert (image.norm.vmin, image.norm.vmax) == (0, 8 / 32)
    mesh = figure_attention_features(weights[:, 0], sessions, [f"f{i}" for i in range(32)]).axes[0].collections[0]
    assert (mesh.norm.vmin, mesh.norm.vmax) == (0, 4 / 32)


def test_features_are_sorted_by_mean_weight():
    weights = np.tile([0.1, 0.6, 0.3], (40, 1))
    sessions = pd.bdate_range("2016-01-04", periods=40).as_unit("us")
    figure = figure_attention_features(weights, sessions, ["low", "high", "middle"])
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["high", "middle", "low"]
    assert [b.get_width() for b in figure.axes[1].patches] == pytest.approx([0.6, 0.3, 0.1])


def test_the_kept_epoch_is_marked_counting_from_one(world):
    figure = figure_learning(world.history)
    dots = [line for line in figure.axes[1].lines if line.get_marker() == "o"]
    assert [(float(d.get_xdata()[0]), float(d.get_ydata()[0])) for d in dots] == [(2.0, 0.95), (2.0, 0.9)]


@pytest.mark.parametrize(
    ("metric", "low", "high", "colour"),
    [
        ("return_rmse", -2.0, -1.0, style.OURS),  # a smaller error is better
        ("return_rmse", 1.0, 2.0, style.AGAINST),
        ("return_rmse", -1.0, 1.0, style.CALM),
        ("direction", 1.0, 2.0, style.OURS),
        ("direction", -2.0, -1.0, style.AGAINST),
        ("rank_ic", np.nan, np.nan, style.CALM),
    ],
)
def test_the_colour_of_a_difference_shows_its_side(metric, low, high, colour):
    row = {metric: ConfidenceInterval((low + high) / 2, low, high)}
    figure = figure_differences({"persistence": row})
    panel = {"return_rmse": 0, "direction": 1, "rank_ic": 2}[metric]
    assert to_hex(figure.axes[panel].lines[1].get_color()) == colour


def test_symbols_are_sorted_best_first_and_long_lists_show_their_ends():
    figure = figure_by_symbol({f"S{i:03d}": i / 1e4 for i in range(240)})
    names = [t.get_text() for axes in figure.axes for t in axes.get_yticklabels()]
    assert names == [f"S{i:03d}" for i in (*range(239, 189, -1), *range(49, -1, -1))]


def test_figures_stand_what_a_thin_test_gives(world):
    judged = forecast_cells(world.panel, slice(158, 160), _ours(world), 5)  # no outcome is known yet
    assert style.svg(figure_coverage(judged), "x").startswith("<svg viewBox=")
    assert interval_picture(world.panel, judged, "AAA") is None
    one = forecast_cells(world.panel, slice(150, 151), _ours(world), 1)
    assert style.svg(figure_coverage(one), "x").endswith("</svg>\n")
    assert len(interval_picture(world.panel, one, "AAA", small=True).tips) == 1
    weights = np.full((1, 1), 1.0)
    sessions = world.panel.sessions[:1]
    assert "Forecasts 1 session ahead" in style.svg(figure_attention_time(weights[None], sessions, (1,)), "x")
    assert "Weight of each past session" in style.svg(figure_attention_lags(np.ones((1, 1, 1, 1)), (1,)), "x")
    assert "one" in style.svg(figure_attention_features(weights, sessions, ["one"]), "x")
