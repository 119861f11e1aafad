"""Folds that are shortened where a history is too short for them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import tenor
from tenor.config import Config, FoldConfig
from tenor.errors import HistoryError
from tenor.features.axis import Axis
from tenor.training import chronological
from tenor.training.folds import SHORTEST, that_fit, walk_forward


@pytest.mark.parametrize("count", [246, 300, 500, 773, 889])
def test_what_comes_out_fits_and_keeps_its_proportions(count: int) -> None:
    config = FoldConfig(folds=2, valid_sessions=183, test_sessions=242)
    folds = that_fit(count, config, purge=20)
    sessions = pd.bdate_range("2012-01-02", periods=count)
    splits = walk_forward(sessions, folds, purge=20)
    assert splits[-1].test.stop == count
    assert folds.test_sessions / folds.valid_sessions == pytest.approx(242 / 183, rel=0.03)
    # one more session in each part would not fit
    longer = FoldConfig(folds=2, valid_sessions=folds.valid_sessions + 1, test_sessions=folds.test_sessions + 1)
    with pytest.raises(HistoryError):
        walk_forward(sessions, longer, purge=20)


def test_folds_that_fit_stay_and_hopeless_ones_are_left_to_be_refused() -> None:
    config = FoldConfig(folds=2, valid_sessions=183, test_sessions=242)
    assert that_fit(890, config, purge=20) is config
    assert that_fit(100, config, purge=20) is config
    assert that_fit(10, config, purge=20) is config
    assert min(that_fit(240, config, purge=20).valid_sessions, 242) >= SHORTEST


def test_the_example_settings_leave_room_for_a_search() -> None:
    config = Config.read(Path(__file__).parents[2] / "examples" / "demo.toml")
    sessions = Axis.of(tenor.embedded_bars(), config.features.calendar).sessions
    purge = max(config.features.horizons)
    count = chronological(sessions, config.split, purge=purge).test.start
    folds = that_fit(count, config.folds, purge=purge)
    assert len(walk_forward(sessions[:count], folds, purge=purge)) == 2
