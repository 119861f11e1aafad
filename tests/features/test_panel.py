from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tenor.calendars import exchange
from tenor.config import FeatureConfig
from tenor.errors import ConfigError, DataError, HistoryError
from tenor.features import GROUPS, Scaler, build_panel
from tenor.schema import PRICES, Bars

OLD = ("returns", "trend", "momentum", "volatility", "volume", "context")
"""Groups that need 60 bars before the first cell; the group risk needs 66."""


def without(bars: Bars, symbol: str, days: list[int]) -> Bars:
    frame = bars.frame
    number = frame.groupby("symbol").cumcount()
    return Bars(frame[~((frame["symbol"] == symbol) & number.isin(days))])


def test_axes_and_prices(bars: Bars) -> None:
    panel = build_panel(bars, FeatureConfig(groups=OLD, horizons=(1, 5)))
    frame = bars.adjusted()
    assert panel.sessions.equals(exchange("XNYS").sessions(frame["session"].min(), frame["session"].max()))
    assert panel.symbols == bars.symbols
    one = frame[frame["symbol"] == "S02"]
    np.testing.assert_allclose(panel.open[:, 2], one["open"])
    np.testing.assert_array_equal(panel.close[:, 2], one["adj_close"])
    assert panel.values.dtype == panel.targets.dtype == panel.volatility.dtype == np.float32
    assert np.isfinite(panel.values).all()
    assert (panel.values[~panel.mask] == 0).all()
    assert (np.isnan(panel.volatility) == ~panel.mask).all()


def test_targets_are_forward_log_returns(bars: Bars) -> None:
    panel = build_panel(without(bars, "S01", [150]), FeatureConfig(groups=OLD, horizons=(1, 3)))
    for i, horizon in enumerate((1, 3)):
        expected = np.full(panel.close.shape, np.nan)
        expected[:-horizon] = np.log(panel.close[horizon:] / panel.close[:-horizon])
        np.testing.assert_allclose(panel.targets[:, :, i], expected, rtol=1e-4, atol=1e-7)
        assert np.flatnonzero(np.isnan(panel.targets[:-horizon, 1, i])).tolist() == [150 - horizon, 150]


def test_a_gap_is_one_step_of_the_symbols_own_bars(bars: Bars) -> None:
    gap = list(range(150, 160))
    panel = build_panel(without(bars, "S01", gap), FeatureConfig(groups=OLD, horizons=(1, 5)))
    assert np.flatnonzero(~panel.mask[60:, 1]).tolist() == [d - 60 for d in gap]
    assert np.isnan(panel.close[gap, 1]).all()
    step = np.log(panel.close[160, 1] / panel.close[149, 1])
    value = panel.values[160, 1, panel.features.index("return_1")] * panel.volatility[160, 1]
    assert value == pytest.approx(step, rel=1e-5)


def test_every_group_together_is_finite_and_masked_by_the_longest_warmup(bars: Bars) -> None:
    panel = build_panel(bars, FeatureConfig(groups=GROUPS, horizons=(1, 5)))
    assert panel.mask.argmax(axis=0).tolist() == [66] * 4
    assert panel.mask[66:].all()
    assert np.isfinite(panel.values).all()


def test_a_late_or_short_symbol_is_masked(bars: Bars) -> None:
    panel = build_panel(
        without(without(bars, "S01", list(range(200))), "S03", list(range(250))),
        FeatureConfig(groups=OLD, horizons=(1, 5)),
    )
    assert panel.mask.argmax(axis=0)[:3].tolist() == [60, 260, 60]
    assert not panel.mask[:, 3].any()
    assert np.isfinite(panel.targets[250:-5, 3]).all()


def test_history_readjusted_for_a_later_dividend_gives_the_same_features(bars: Bars) -> None:
    lower = Bars(bars.frame.assign(adj_close=bars.frame["adj_close"] * 0.37))
    before, after = (build_panel(b, FeatureConfig(groups=OLD, horizons=(1, 5))) for b in (bars, lower))
    np.testing.assert_allclose(after.values, before.values, rtol=1e-4, atol=1e-5)


def test_a_split_leaves_no_trace(bars: Bars) -> None:
    late = bars.frame["session"] > "2014-08-01"
    raw = bars.frame.copy()
    raw.loc[late, list(PRICES[:4])] /= 4
    raw.loc[late, "volume"] *= 4
    before, after = (build_panel(b, FeatureConfig(groups=OLD, horizons=(1, 5))) for b in (bars, Bars(raw)))
    np.testing.assert_allclose(after.values, before.values, rtol=1e-4, atol=1e-5)


def test_one_symbol_is_enough(bars: Bars) -> None:
    panel = build_panel(bars.select(["S02"]), FeatureConfig(groups=OLD, horizons=(1, 5)))
    assert panel.mask[60:].all()


def test_the_order_of_rows_does_not_matter(bars: Bars) -> None:
    shuffled = Bars(bars.frame.sample(frac=1, random_state=1))
    first, second = (build_panel(b, FeatureConfig(groups=OLD, horizons=(1, 5))) for b in (bars, shuffled))
    assert first.values.tobytes() == second.values.tobytes()


def test_bars_without_volume_or_movement_are_no_trouble(bars: Bars) -> None:
    frame = bars.frame.assign(volume=0.0)
    frame.loc[frame["symbol"] == "S00", list(PRICES)] = 1.25
    panel = build_panel(Bars(frame), FeatureConfig(groups=OLD, horizons=(1, 5)))
    assert panel.mask[60:, 1:].all()
    assert not panel.mask[:, 0].any()  # what never moves is suspended
    assert np.abs(panel.values).max() <= 10
    assert np.abs(Scaler.fit(panel, slice(0, 200)).transform(panel).values).max() <= 5


@pytest.mark.parametrize("factor", [1e-300, 1e-8, 1e290])
def test_prices_of_any_size(bars: Bars, factor: float) -> None:
    tiny = Bars(bars.frame.assign(**{c: bars.frame[c] * factor for c in PRICES}))
    np.testing.assert_allclose(
        build_panel(tiny, FeatureConfig(groups=("returns", "context"))).values,
        build_panel(bars, FeatureConfig(groups=("returns", "context"))).values,
        rtol=1e-3, atol=1e-4,
    )  # fmt: skip


def test_the_crypto_week_has_seven_days(bars: Bars) -> None:
    days = pd.date_range("2020-01-01", periods=300)
    frame = bars.frame.assign(session=np.tile(days.to_numpy(), 4))
    assert build_panel(Bars(frame), FeatureConfig(groups=OLD, calendar="24/7")).mask[60:].all()
    with pytest.raises(DataError, match=r"S00 2020-01-01, .* and \d+ more: no session of XNYS.*features.calendar"):
        build_panel(Bars(frame), FeatureConfig(groups=OLD, horizons=(1, 5)))


@pytest.mark.parametrize(
    ("sessions", "config", "error", "message"),
    [
        (60, {}, HistoryError, "of 4 symbols the longest has 60 sessions, .* need at least 61"),
        (1, {"horizons": (1,)}, HistoryError, "horizon 1 is longer than the data, 1 sessions"),
        (
            100,
            {"horizons": (1, 100)},
            HistoryError,
            "horizon 100 is longer than the data, 100 sessions from 2014-01-02",
        ),
        (100, {"calendar": "XNYC"}, ConfigError, "Did you mean 'XNYS'"),
    ],
)
def test_what_cannot_be_built_is_named(
    bars_of: Callable[..., Bars], sessions: int, config: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        build_panel(bars_of(sessions=sessions), FeatureConfig(**{"groups": OLD, "horizons": (1, 5), **config}))


def test_one_session_past_the_warmup_is_enough(bars_of: Callable[..., Bars]) -> None:
    assert build_panel(bars_of(sessions=61), FeatureConfig(groups=OLD, horizons=(1, 5))).mask.sum() == 4
