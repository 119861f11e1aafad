"""Any model's forecasts, session by session: what it may see, what it may return, and the file that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.csv
import pytest

from tenor.adapters import Model, Window, of_arch, of_function, of_regressor, of_statsforecast, roll, write
from tenor.adapters.rolling import by_quantiles
from tenor.errors import ConfigError, DataError, HistoryError, RaisedError, TenorError
from tenor.schema import Bars

FIRST, LAST = "2014-03-03", "2014-03-14"


@pytest.fixture(scope="module")
def bars(bars_of: Callable[..., Bars]) -> Bars:
    return bars_of(symbols=3, sessions=120, seed=1)


def stays(close: Any, horizon: int) -> Any:
    return np.full(horizon, close[-1])


def rows(model: Model, bars: Bars, **options: Any) -> list[dict[str, Any]]:
    dates = {"first": pd.Timestamp(FIRST), "last": pd.Timestamp(LAST)}
    return roll(model, bars, **{**dates, "horizons": (1, 5), **options})


def test_a_forecast_sees_the_bars_up_to_its_session_and_no_more(bars: Bars) -> None:
    seen: list[tuple[str, pd.Timestamp, int, float]] = []

    def predict(windows: Sequence[Window], horizon: int) -> list[dict[str, Any]]:
        for window in windows:
            seen.append((window.symbol, window.session, len(window.close), float(window.close[-1])))
            window.bars.loc[:, "close"] = -1.0  # a model can spoil nothing but its own copy
        return [{"price": np.arange(1.0, horizon + 1)} for _ in windows]

    made = rows(Model("m", predict, context=40), bars, batch=7)
    adjusted = bars.adjusted().set_index(["symbol", "session"])["close"]
    sessions = bars.frame["session"].drop_duplicates()
    days = sessions[(sessions >= FIRST) & (sessions <= LAST)]
    assert [(s, d) for s, d, _, _ in seen] == [(s, d) for s in bars.symbols for d in days]
    for symbol, session, length, last in seen:
        assert length == 40
        assert last == adjusted[symbol, session]
    assert [(row["horizon"], row["price"]) for row in made[:2]] == [(1, 1.0), (5, 5.0)]
    assert len(made) == 2 * len(seen)


@pytest.mark.parametrize(
    "model",
    [
        of_function(lambda close, horizon: close[-horizon:][::-1] * 1.01, name="f"),
        of_arch(context=60),
        of_regressor(__import__("sklearn.linear_model").linear_model.Ridge(), lags=5),
    ],
)
def test_what_comes_after_a_session_changes_no_forecast(bars: Bars, model: Model) -> None:
    frame = bars.frame.copy()
    later = frame["session"] > LAST
    frame.loc[later, ["open", "high", "low", "close", "adj_close"]] *= np.linspace(1, 9, int(later.sum()))[:, None]
    changed = Bars(frame.assign(high=frame[["open", "high", "low", "close"]].max(axis=1), low=0.01))
    same = Bars(bars.frame.assign(low=0.01))
    assert rows(model, same) == rows(model, changed)
    assert rows(model, same) == rows(model, Bars(frame[~later].assign(low=0.01)))


def test_prices_are_adjusted(bars: Bars) -> None:
    halved = Bars(bars.frame.assign(adj_close=bars.frame["close"] / 2))
    closes = bars.frame.set_index(["symbol", "session"])["close"]
    for row in rows(of_function(stays, name="f"), halved):
        assert row["price"] == pytest.approx(closes[row["symbol"], pd.Timestamp(row["session"])] / 2)


def test_quantiles_are_put_in_order_and_say_how_likely_a_rise_is(bars: Bars) -> None:
    def predict(windows: Sequence[Window], horizon: int) -> list[Any]:
        crossing = np.array([[1.1, 0.9, 1.0]] * horizon)
        return [by_quantiles(crossing * window.close[-1], (0.1, 0.5, 0.9)) for window in windows]

    row = rows(Model("m", predict), bars)[0]
    last = row["last_price"]
    assert [row["q10"], row["q50"], row["q90"]] == pytest.approx([0.9 * last, last, 1.1 * last])
    assert row["price"] == row["q50"]
    assert row["p_up"] == pytest.approx(0.5)


def test_nan_is_no_forecast_and_a_young_symbol_waits(bars: Bars) -> None:
    young = Bars(bars.frame[(bars.frame["symbol"] != "S02") | (bars.frame["session"] > "2014-03-01")])
    made = rows(of_function(lambda close, h: np.full(h, np.nan), name="f"), young)
    assert {row["symbol"] for row in made} == {"S00", "S01"}
    assert {row["price"] for row in made} == {None}


def refusing(error: type[BaseException]) -> Model:
    def predict(windows: Sequence[Window], horizon: int) -> list[Any]:
        raise error("two\nlines")

    return Model("mine", predict)


WRONG: list[tuple[Model, dict[str, Any], type[TenorError], str]] = [
    (
        of_function(lambda c, h: c, name="f"),
        {},
        DataError,
        r"f gave price of shape \(\d+,\) at S00 2014-03-03: .*\(5,\)",
    ),
    (of_function(lambda c, h: c[:h], name="f", levels=(0.1,)), {}, DataError, r"quantiles of shape \(5,\) at S00 2014"),
    (of_function(lambda c, h: {"mood": c[:h]}, name="f"), {}, DataError, "f gave a column 'mood' at S00 2014-03-03"),
    (of_function(lambda c, h: {}, name="f"), {}, DataError, "f gave no columns at S00 2014-03-03"),
    (Model("few", lambda w, h: []), {}, DataError, "few gave 0 forecasts of 30 windows from S00 2014-03-03 on"),
    (refusing(ValueError), {}, RaisedError, r"mine raised ValueError \(two lines\) at S00 2014-03-03"),
    (of_function(stays, name="f"), {"horizons": (0,)}, ConfigError, r"horizons \[0\] can't be"),
    (of_function(stays, name="f"), {"horizons": (1, 1)}, ConfigError, r"horizons \[1, 1\] can't be"),
    (of_function(stays, name="f"), {"every": 0}, ConfigError, "every 0 and batch 64 can't be"),
    (of_function(stays, name="f"), {"last": pd.Timestamp("2014-01-01")}, ConfigError, "comes after the last"),
    (of_function(stays, name="f"), {"trained_until": "May"}, ConfigError, "trained_until 'May' is not a date"),
    (
        of_function(stays, name="f"),
        {"first": pd.Timestamp("2014-01-02"), "last": pd.Timestamp("2014-01-08")},
        HistoryError,
        "no symbol has 32 sessions up to 2014-01-08",
    ),
]


@pytest.mark.parametrize(("model", "options", "error", "expected"), WRONG)
def test_what_can_not_be_is_one_line(
    bars: Bars, model: Model, options: dict[str, Any], error: type[TenorError], expected: str
) -> None:
    with pytest.raises(error, match=expected) as raised:
        rows(model, bars, **options)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_is_written_whole_or_not_at_all(bars: Bars, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"stays.{ending}"
    table = write(stays, bars, path, first=FIRST, last=LAST, trained_until="2013-12-31", name="the price stays")
    read = pyarrow.csv.read_csv(path).to_pandas() if ending == "csv" else pd.read_parquet(path)
    assert list(read.columns) == list(table.columns)
    assert read["price"].tolist() == table["price"].tolist()
    assert set(read["model"]) == {"the price stays"}
    assert set(pd.to_datetime(read["trained_until"])) == {pd.Timestamp("2013-12-31")}
    keys = list(zip(read["symbol"], read["session"], read["horizon"], strict=True))
    assert keys == sorted(keys)
    with pytest.raises(RaisedError):
        write(refusing(KeyError), bars, tmp_path / f"no.{ending}", first=FIRST, last=LAST)
    with pytest.raises(ConfigError, match="'soon' is not a date of a session"):
        write(stays, bars.frame, tmp_path / f"no.{ending}", first="soon", last=LAST)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_statsforecast_and_arch_say_how_far(bars: Bars) -> None:
    from statsforecast.models import Naive

    naive = rows(of_statsforecast(Naive()), bars, every=5)
    for row in naive:
        assert row["q05"] < row["price"] == pytest.approx(row["last_price"])
        assert row["price"] < row["q95"]
    for row in rows(of_arch(context=100), bars, every=5, horizons=(5,)):
        returns = np.diff(np.log(bars.adjusted().query("symbol == @row['symbol']")["close"]))
        assert 0.5 < row["volatility"] / returns.std() < 2
    # no formula for five sessions: by simulation, the same each time
    simulated = of_arch(vol="EGARCH")
    once, again = (rows(simulated, bars, every=8, horizons=(5,)) for _ in range(2))
    assert once == again
    assert all(row["volatility"] > 0 for row in once)


def test_a_regressor_is_fitted_to_complete_returns_alone() -> None:
    fitted: list[tuple[Any, Any]] = []

    class Noting:
        def fit(self, X: Any, y: Any) -> Noting:
            fitted.append((X.copy(), y.copy()))
            return self

        def predict(self, X: Any) -> Any:
            return X[:, -1]

    close = np.exp(np.cumsum(np.arange(1.0, 31.0)))  # the log return of session t is t
    window = Window("S", pd.DataFrame({"session": pd.bdate_range("2014-01-01", periods=30), "close": close}))
    (made,) = of_regressor(Noting(), lags=3).predict([window], 2)
    np.testing.assert_allclose(made["return"], [30, 30])
    X, y = fitted[1]
    np.testing.assert_allclose(X[-1], [26, 27, 28])  # known after session 28; two sessions on is session 30, the last
    np.testing.assert_allclose(y[-1], 29 + 30)
