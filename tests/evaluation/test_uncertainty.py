import numpy as np
import pandas as pd
import pytest

from tenor.errors import DataError, HistoryError
from tenor.evaluation.uncertainty import SHARES, abstention
from tenor.schema import Panel, Predictions

ROWS = slice(100, 400)


def make(p_up_of, sessions=401, symbols=10, seed=0):
    """A panel of one horizon with random returns, and the forecast that `p_up_of` (rng, returns) makes of them."""
    rng = np.random.default_rng(seed)
    shape = (sessions, symbols)
    returns = (rng.normal(0.0005, 0.01, shape) + rng.normal(0, 0.005, (sessions, 1))).astype("float32")
    panel = Panel(
        values=np.zeros((*shape, 1), "float32"),
        mask=np.ones(shape, bool),
        targets=returns[..., None],
        volatility=np.full(shape, 0.01, "float32"),
        open=np.ones(shape),
        close=np.ones(shape),
        sessions=pd.bdate_range("2015-01-05", periods=sessions).astype("datetime64[us]"),
        symbols=tuple(f"S{i}" for i in range(symbols)),
        features=("one",),
        horizons=(1,),
    )
    p_up = np.asarray(p_up_of(rng, returns), "float32")[..., None]
    return panel, Predictions("tenor", np.zeros_like(p_up), p_up)


def honest(rng, returns):
    """Right with the probability that it states."""
    sure = rng.uniform(0.5, 0.8, returns.shape)
    right = rng.random(returns.shape) < sure
    return np.where(right == (returns > 0), sure, 1 - sure)


def by_day(rng, returns):
    """As sure on a day of all symbols, between .5 and .8."""
    sure = np.repeat(rng.uniform(0.5, 0.8, (len(returns), 1)), returns.shape[1], axis=1)
    right = rng.random(returns.shape) < sure
    return np.where(right == (returns > 0), sure, 1 - sure)


def test_a_model_that_knows_what_it_knows_is_right_more_often_where_it_is_surer():
    found = abstention(*rows_of(honest), horizon=1)
    assert [point.cells for point in found] == pytest.approx(SHARES, abs=2e-3)
    assert [point.threshold for point in found] == sorted(point.threshold for point in found)
    accuracy = [point.accuracy.value for point in found]
    assert accuracy[0] == pytest.approx(0.65, abs=0.03)
    assert accuracy[-1] == pytest.approx(0.79, abs=0.06)
    assert np.corrcoef(accuracy, [point.threshold for point in found])[0, 1] > 0.95
    for point in found:
        assert point.accuracy.low < point.accuracy.value < point.accuracy.high
        assert point.edge.low > 0
    assert found[0].days == 1.0
    assert found[-1].days < 0.6


def rows_of(how, **options):
    panel, said = make(how, **options)
    return panel, ROWS, said


def test_points_are_what_counting_gives():
    panel, rows, said = rows_of(honest)
    for point in abstention(panel, rows, said, horizon=1):
        p_up, returns = said.p_up[rows, :, 0].astype(float), panel.targets[rows, :, 0]
        speaks = np.abs(p_up - 0.5) >= point.threshold
        right = ((p_up > 0.5) == (returns > 0))[speaks].mean()
        assert point.accuracy.value == pytest.approx(right)
        assert point.edge.value == pytest.approx(right - (returns > 0)[speaks].mean())
        assert point.cells == pytest.approx(speaks.mean())
        assert point.days == pytest.approx(speaks.any(axis=1).mean())


def test_whole_days_speak_or_are_silent():
    found = abstention(*rows_of(by_day), horizon=1, whole_days=True)
    for point in found:
        assert point.days == pytest.approx(point.cells)
    assert [point.days for point in found] == pytest.approx(SHARES, abs=0.01)
    assert found[-1].accuracy.value > found[0].accuracy.value + 0.05


def test_a_model_that_does_not_know_what_it_knows_gains_nothing_from_silence():
    found = abstention(*rows_of(lambda rng, returns: rng.uniform(0.3, 0.7, returns.shape)), horizon=1)
    for point in found:
        assert point.accuracy.low < 0.5 < point.accuracy.high


def test_equal_certainty_falls_silent_together():
    found = abstention(*rows_of(lambda rng, r: np.where(rng.random(r.shape) < 0.3, 0.6, 0.45)), horizon=1)
    assert [round(point.threshold, 3) for point in found] == [0.05, 0.1]
    assert found[0].cells == 1.0
    assert found[1].cells == pytest.approx(0.3, abs=0.03)


def test_no_direction_no_curve():
    assert abstention(*rows_of(lambda rng, returns: np.full(returns.shape, 0.5)), horizon=1) == []


def test_masked_cells_and_unknown_returns_do_not_count():
    panel, rows, said = rows_of(honest)
    panel.mask[150:200] = False
    panel.mask[:, 2] = False
    panel.targets[300:310] = np.nan
    before = abstention(panel, rows, said, horizon=1)
    said.p_up[~panel.mask] = 0.999
    said.p_up[300:310] = 0.001
    assert repr(abstention(panel, rows, said, horizon=1)) == repr(before)


def test_one_day_one_symbol():
    panel, said = make(honest, symbols=1)
    found = abstention(panel, slice(100, 101), said, horizon=1)
    assert len(found) == 1
    assert found[0].cells == found[0].days == 1.0
    assert np.isnan(found[0].accuracy.low)


def test_what_cannot_be_judged_is_refused():
    panel, rows, said = rows_of(honest)
    said.p_up[200, 3] = np.nan
    with pytest.raises(DataError, match="tenor predicts nothing in 1 of 3000 cells"):
        abstention(panel, rows, said, horizon=1)
    panel.mask[:] = False
    with pytest.raises(HistoryError, match="no forecast 1 sessions ahead"):
        abstention(panel, rows, said, horizon=1)
