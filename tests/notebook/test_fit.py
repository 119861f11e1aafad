"""From a frame to a model, and from a model to a frame of forecasts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tenor
from tenor.errors import ConfigError, DataError, FrameError, HistoryError, UnknownSymbolError
from tenor.inference.forecasts import FORECAST_COLUMNS
from tenor.notebook.fitting import least_sessions
from tenor.notebook.model import FittedModel
from tenor.schema import Bars


def test_a_frame_in_and_a_frame_of_forecasts_out(model: FittedModel, bars: Bars) -> None:
    forecasts = model.predict()
    assert tuple(forecasts.columns) == FORECAST_COLUMNS
    assert {"symbol", "session", "horizon", "price", "volatility", "q05", "q95", "p_up"} <= set(forecasts.columns)
    assert list(zip(forecasts["symbol"], forecasts["horizon"], strict=True)) == [
        (symbol, horizon) for symbol in bars.symbols for horizon in (1, 5)
    ]
    assert (forecasts["session"] == bars.frame["session"].max()).all()
    levels = forecasts.filter(regex=r"^q\d\d$").to_numpy()
    assert (np.diff(levels, axis=1) > 0).all()
    assert (forecasts["target_session"] > forecasts["session"]).all()


def test_the_model_learns_up_to_the_end(model: FittedModel, bars: Bars) -> None:
    sessions = sorted(bars.frame["session"].unique())
    split = model.predictor.recipe.split
    assert split["train"][0] == f"{sessions[0]:%Y-%m-%d}"
    # the longest horizon is purged before the one session that is left for the test
    assert split["validation"][1] == f"{sessions[-2 - 5]:%Y-%m-%d}"
    assert split["test"] == (f"{sessions[-1]:%Y-%m-%d}",) * 2


def test_it_is_trained_and_predicts_as_the_commands_do_with_the_same_settings(
    model: FittedModel, bars: Bars, tiny: tenor.Config, tmp_path: Path
) -> None:
    from dataclasses import replace

    from tenor.config import SplitConfig

    tenor.Lake(tmp_path).append_bars(bars, source="test")
    split = model.predictor.recipe.split
    sessions = sorted(bars.frame["session"].unique())
    own = SplitConfig(
        train_end=f"{sessions[round(0.8 * len(sessions))]:%Y-%m-%d}", valid_end=f"{sessions[-2]:%Y-%m-%d}"
    )
    trained = tenor.train(str(tmp_path), replace(tiny, split=own))
    assert trained.forecaster.version == model.version
    assert trained.forecaster.split == split
    assert (
        tenor.predict(str(tmp_path), bars.symbols, horizon=5)
        .to_frame()
        .equals(model.predict(horizons=5).reset_index(drop=True))
    )


def test_symbols_and_horizons_are_chosen(model: FittedModel, bars: Bars) -> None:
    first = bars.symbols[0]
    assert set(model.predict(first)["symbol"]) == {first}
    assert set(model.predict([first.lower()], horizons=5)["horizon"]) == {5}
    with pytest.raises(UnknownSymbolError, match="unknown symbol 'NOPE'"):
        model.predict("NOPE")
    with pytest.raises(DataError, match="horizon 3 is not in model"):
        model.predict(horizons=3)
    with pytest.warns(UserWarning, match="unknown symbol 'NOPE'"):
        assert set(model.predict([first, "NOPE"])["symbol"]) == {first}


def test_newer_bars_are_forecast_without_training(model: FittedModel, bars: Bars, frame: pd.DataFrame) -> None:
    assert model.predict(frame).equals(model.predict())
    before = bars.frame["session"].sort_values().unique()[-4]
    earlier = model.predict(frame[frame["ds"] <= before])
    assert (earlier["session"] == before).all()
    with pytest.raises(HistoryError):
        model.predict(frame.groupby("unique_id").tail(12))
    with pytest.raises(FrameError, match="row 3"):
        model.predict(frame.assign(y=frame["y"].where(frame.index != 3, -1.0)))


def test_news_become_sentiment_features(frame: pd.DataFrame, bars: Bars, tiny: tenor.Config, tmp_path: Path) -> None:
    days = bars.frame["session"].unique()[60::6]
    news = pd.DataFrame(
        {
            "headline": [f"Sales {'beat' if i % 2 else 'missed'} estimates in region {i}" for i in range(len(days))],
            "ticker": [bars.symbols[i % 2] for i in range(len(days))],
            "published_at": pd.DatetimeIndex(days).tz_localize("UTC") + pd.Timedelta(hours=15),
        }
    )
    model = tenor.fit(frame, news, config=tiny, progress=False)
    assert "sentiment_mean" in model.predictor.recipe.scaler.features
    assert model.predict(frame, news=news).equals(model.predict())
    model.save(tmp_path)
    assert tenor.load(tmp_path).predict().equals(model.predict())
    # the news count: without the last ones the forecast is another
    assert not model.predict(frame, news=news[:-8]).equals(model.predict())
    with pytest.raises(FrameError, match="no item is about a symbol of the bars"):
        tenor.fit(frame, news.assign(ticker="OTHER"), config=tiny, progress=False)
    with pytest.raises(FrameError, match="a date without a time"):
        tenor.fit(frame, news.assign(published_at="2014-05-02"), config=tiny, progress=False)


def test_daily_sentiment_in_place_of_news(tiny: tenor.Config, tmp_path: Path) -> None:
    bars = tenor.embedded_bars().select(["AAPL", "MSFT"]).until(pd.Timestamp("2014-06-30"))
    model = tenor.fit(bars, sentiment=tenor.embedded_sentiment(), config=tiny, progress=False)
    model.save(tmp_path)
    assert tenor.load(tmp_path).predict().equals(model.predict())
    with pytest.raises(ConfigError, match="news and sentiment are both given"):
        tenor.fit(bars, pd.DataFrame(), sentiment=tenor.embedded_sentiment(), config=tiny)


def test_coins_stand_on_their_own_calendar(frame: pd.DataFrame, tiny: tenor.Config) -> None:
    days = frame.groupby("unique_id").cumcount().map(lambda i: pd.Timestamp("2014-01-01") + pd.Timedelta(days=i))
    names = dict(zip(frame["unique_id"].unique(), ("BTC-USD", "ETH-USD"), strict=True))
    coins = frame.assign(ds=days, unique_id=frame["unique_id"].map(names))
    model = tenor.fit(coins, config=tiny, progress=False)
    assert model.predictor.recipe.features.calendar == "24/7"
    first = model.predict("BTC-USD").iloc[0]
    assert first["target_session"] - first["session"] == pd.Timedelta(days=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"config": tenor.ModelConfig()}, "config is a ModelConfig; it takes a Config"),
        ({"horizons": (5, 1)}, r"'features\.horizons' is \[5, 1\]"),
        ({"horizons": "5"}, "horizons is '5'; it takes sessions ahead"),
        ({"horizons": (1, 2.5)}, r"horizons is \(1, 2\.5\)"),
        ({"seeds": 0}, r"'training\.seeds' is \[\]"),
        ({"seeds": "a"}, "seeds is 'a'; it takes how many networks"),
        ({"calendar": "XNYZ"}, "XNYZ"),
        ({"sentiment": pd.DataFrame()}, "sentiment is a DataFrame; it takes a DailySentiment"),
    ],
)
def test_settings_that_can_not_be_are_refused(frame: pd.DataFrame, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(tenor.TenorError, match=message):
        tenor.fit(frame, progress=False, **arguments)


def test_too_short_a_history_says_how_much_it_takes(frame: pd.DataFrame, tiny: tenor.Config) -> None:
    enough = least_sessions(tiny)
    tenor.fit(frame.groupby("unique_id").head(enough), config=tiny, progress=False)
    with pytest.raises(HistoryError, match=f"has 40 sessions, the most of all, .* takes about {enough}: "):
        tenor.fit(frame.groupby("unique_id").head(40), config=tiny, progress=False)


def test_nothing_is_left_behind(frame: pd.DataFrame, tiny: tenor.Config, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = tenor.fit(frame, config=tiny, progress=False)
    assert any(tmp_path.glob("tenor-*/models"))
    del model
    assert not list(tmp_path.glob("tenor-*"))
    with pytest.raises(HistoryError):
        tenor.fit(frame.groupby("unique_id").head(20), config=tiny, progress=False)
