"""Features and events of the user's own, from a notebook."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tenor
from tenor.errors import LeakError
from tenor.schema import Bars


def reversal(bars: pd.DataFrame) -> pd.Series:
    return -np.log(bars["close"]).diff(10)


def tomorrow(bars: pd.DataFrame) -> pd.Series:
    return np.log(bars["close"]).diff().shift(-1)


@pytest.fixture(scope="module")
def events(bars: Bars) -> pd.DataFrame:
    days = pd.DatetimeIndex(sorted(bars.frame["session"].unique()))[40::60]
    known = days - pd.Timedelta(days=21)
    return pd.DataFrame({"session": days, "kind": "earnings", "known_since": known.strftime("%Y-%m-%d")})


def test_they_are_features_of_the_model_and_of_its_forecasts(
    frame: pd.DataFrame, events: pd.DataFrame, tiny: tenor.Config, tmp_path: Path
) -> None:
    sectors = pd.DataFrame({"symbol": sorted(frame["unique_id"].unique()), "sector": ["oil", "banks"]})
    model = tenor.fit(frame, config=tiny, own=[reversal, ("sector", sectors)], events=events, progress=False)
    names = model.predictor.recipe.scaler.features
    assert {"reversal", "earnings_next", "earnings_last"} <= set(names)
    assert any(name.startswith("sector") for name in names)
    model.save(tmp_path)
    pd.testing.assert_frame_equal(tenor.load(tmp_path).predict(), model.predict())
    pd.testing.assert_frame_equal(model.predict(frame), model.predict())
    soon = frame["ds"].max() + pd.Timedelta(days=3)
    ahead = pd.DataFrame({"session": [soon], "kind": ["earnings"], "known_since": ["2015-03-02"]})
    moved = model.predict(frame, events=pd.concat([events, ahead]))
    assert (moved["volatility"] != model.predict()["volatility"]).all()


def test_one_that_sees_the_future_is_refused_in_fit_and_evaluate(frame: pd.DataFrame, tiny: tenor.Config) -> None:
    for verb in (tenor.fit, tenor.evaluate):
        with pytest.raises(LeakError, match="tomorrow"):
            verb(frame, config=tiny, own=[tomorrow], progress=False)


def test_an_evaluation_has_them(frame: pd.DataFrame, events: pd.DataFrame, tiny: tenor.Config) -> None:
    plain = tenor.evaluate(frame, config=tiny, folds=1, workers=1, progress=False)
    own = tenor.evaluate(frame, config=tiny, folds=1, own=[reversal], events=events, workers=1, progress=False)
    ours = [e.to_frame().query("model == 'attention LSTM'")["log_variance_mse"].to_numpy() for e in (plain, own)]
    assert (ours[0] != ours[1]).all()
    assert own.config.features.events == ("earnings",)
