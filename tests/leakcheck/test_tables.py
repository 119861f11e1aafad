"""Finished tables: each planted leak is caught by its name, and its honest twin passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tenor.errors import ConfigError, DataError
from tenor.leakcheck import check_dataset
from tenor.schema import Bars

Column = Callable[[pd.DataFrame], "pd.Series[Any]"]


@pytest.fixture(scope="module")
def honest(bars_of: Callable[..., Bars]) -> pd.DataFrame:
    """Three symbols, 300 sessions: price, honest features, the next session's return and the part of each row."""
    frame = bars_of(symbols=3, sessions=300).frame
    close = frame.groupby("symbol")["adj_close"]
    returns = close.transform(lambda c: np.log(c).diff())
    split = np.where(frame["session"] < frame["session"].unique()[200], "train", "test")
    return pd.DataFrame(
        {
            "date": frame["session"],
            "symbol": frame["symbol"],
            "close": frame["adj_close"],
            "return_1": returns,
            "sma_10": close.transform(lambda c: c.rolling(10).mean()),
            "volatility": returns.groupby(frame["symbol"]).transform(lambda r: r.rolling(20).std()),
            "volume": frame["volume"],
            "target": returns.groupby(frame["symbol"]).shift(-1),
            "split": split,
        }
    )


def each(of: Callable[[pd.Series[Any]], Any], column: str = "close") -> Column:
    return lambda frame: frame.groupby("symbol")[column].transform(of)


def in_train(of: Callable[[pd.Series[Any], pd.Series[Any]], pd.Series[Any]], column: str = "close") -> Column:
    """`of(column, the column's training rows)`."""
    return lambda frame: of(frame[column], frame.loc[frame["split"] == "train", column])


LEAKS: dict[str, tuple[str, Column, Column]] = {
    "standard scaler": (
        "scaler_on_all_data",
        lambda f: (f["volume"] - f["volume"].mean()) / f["volume"].std(),
        in_train(lambda x, train: (x - train.mean()) / train.std(), "volume"),
    ),
    "scaler of each symbol": (
        "scaler_on_all_data",
        each(lambda c: (c - c.mean()) / c.std(ddof=0)),
        lambda f: f.groupby("date")["close"].transform(lambda c: (c - c.mean()) / c.std(ddof=0)),
    ),
    "min-max": (
        "scaler_on_all_data",
        lambda f: (f["close"] - f["close"].min()) / (f["close"].max() - f["close"].min()),
        in_train(lambda x, train: (x - train.min()) / (train.max() - train.min())),
    ),
    "robust scaler": (
        "scaler_on_all_data",
        lambda f: (f["close"] - f["close"].median()) / (f["close"].quantile(0.75) - f["close"].quantile(0.25)),
        in_train(lambda x, train: (x - train.median()) / (train.quantile(0.75) - train.quantile(0.25))),
    ),
    "ranks": (
        "scaler_on_all_data",
        lambda f: f["close"].rank(pct=True),
        lambda f: f.groupby("date")["close"].rank(pct=True),
    ),
    "centred mean of prices": (
        "centred_window",
        each(lambda c: c.rolling(5, center=True).mean()),
        each(lambda c: c.rolling(5).mean()),
    ),
    "centred mean of three": (
        "centred_window",
        each(lambda c: c.rolling(3, center=True).mean()),
        each(lambda c: c.rolling(3).mean()),
    ),
    "centred mean of returns": (
        "centred_window",
        each(lambda r: r.rolling(7, center=True).mean(), "return_1"),
        each(lambda r: r.rolling(7).mean(), "return_1"),
    ),
    "centred volatility": (
        "centred_window",
        each(lambda r: r.rolling(9, center=True).std(), "return_1"),
        each(lambda r: r.rolling(9).std(), "return_1"),
    ),
    "smoothed over all time": (
        "centred_window",
        each(lambda c: np.convolve(np.pad(c, 8, mode="edge"), np.hanning(17) / np.hanning(17).sum(), mode="valid")),
        each(lambda c: c.ewm(span=8).mean()),
    ),
    "smoothed backwards in time": (
        "centred_window",
        each(lambda c: c[::-1].ewm(span=10).mean()[::-1]),
        each(lambda c: c.ewm(span=10).mean()),
    ),
    "the close on which the target ends": ("same_day_close", each(lambda c: c.shift(-1)), each(lambda c: c.shift(1))),
    "that close, scaled by training": (
        "same_day_close",
        lambda f: (f.groupby("symbol")["close"].shift(-1) - 50) / 7,
        lambda f: (f["close"] - 50) / 7,
    ),
    "an indicator of that close": (
        "same_day_close",
        each(lambda c: (c / c.rolling(10).mean()).shift(-1)),
        each(lambda c: c / c.rolling(10).mean()),
    ),
    "the target": ("same_day_close", lambda f: 3 * f["target"] + 1, lambda f: 3 * f["return_1"] + 1),
    "its direction": (
        "same_day_close",
        lambda f: (f["target"] > 0).astype("float64"),
        lambda f: (f["return_1"] > 0).astype("float64"),
    ),
    "warm-up filled back": (
        "back_fill",
        each(lambda c: c.pct_change().rolling(20).std().bfill()),
        each(lambda c: c.pct_change().rolling(20).std().fillna(0.0)),
    ),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_caught_by_name(honest: pd.DataFrame, leak: str) -> None:
    kind, leaky, _ = LEAKS[leak]
    report = check_dataset(honest.assign(x=leaky(honest)), target="target")
    assert report.kinds == (kind,), report.describe()
    assert [finding.where.split(",")[0] for finding in report.findings] == ["column 'x'"]


@pytest.mark.parametrize("leak", LEAKS)
def test_its_honest_twin_passes(honest: pd.DataFrame, leak: str) -> None:
    report = check_dataset(honest.assign(x=LEAKS[leak][2](honest)), target="target")
    assert report.ok, report.describe()


@pytest.mark.parametrize("without", ["close", "target"])
def test_price_or_target_alone_will_do(honest: pd.DataFrame, without: str) -> None:
    target = None if without == "target" else "target"
    frame = honest.assign(x=LEAKS["centred mean of prices"][1](honest)).drop(columns=without)
    report = check_dataset(frame, target=target)
    assert report.kinds == ("centred_window",)
    assert check_dataset(honest.drop(columns=without), target=target).ok


def test_the_same_days_close_is_caught_where_the_target_is_the_same_days_move(honest: pd.DataFrame) -> None:
    same_day = honest.assign(target=honest["return_1"]).drop(columns=["return_1"])
    report = check_dataset(same_day, target="target")
    assert report.kinds == ("same_day_close",)
    assert "column 'close'" in {finding.where for finding in report.findings}
    columns = ["close", "sma_10", "volatility", "volume"]
    lagged = same_day.assign(**{c: same_day.groupby("symbol")[c].shift(1) for c in columns})
    assert check_dataset(lagged, target="target").ok


TARGETS: dict[str, tuple[int, Column]] = {
    "direction": (1, lambda f: (f["target"] > 0).astype("int64")),
    "five sessions": (5, each(lambda c: np.log(c).diff(5).shift(-5))),
    "five sessions, declared as one": (1, each(lambda c: np.log(c).diff(5).shift(-5))),
    "the price itself": (1, each(lambda c: c.shift(-1))),
    "the price in five": (5, each(lambda c: c.shift(-5))),
    "the price in five, declared as one": (1, each(lambda c: c.shift(-5))),
    "volatility to come": (5, each(lambda r: r.rolling(5).std().shift(-5), "return_1")),
    "volume to come": (1, each(lambda v: np.log(v).shift(-1), "volume")),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_honest_features_pass_under_other_targets(honest: pd.DataFrame, kind: str) -> None:
    horizon, target = TARGETS[kind]
    frame = honest.assign(target=target(honest)).drop(columns="split")
    report = check_dataset(frame, target="target", horizon=horizon)
    assert report.ok, report.describe()


@pytest.mark.parametrize(
    "kind", [k for k in TARGETS if not k.startswith("vol") and k != "the price in five, declared as one"]
)
def test_the_next_close_is_caught_under_other_targets(honest: pd.DataFrame, kind: str) -> None:
    horizon, target = TARGETS[kind]
    frame = honest.assign(target=target(honest), x=each(lambda c: c.shift(-1))(honest)).drop(columns=["split", "close"])
    report = check_dataset(frame, target="target", horizon=horizon)
    assert "column 'x'" in {finding.where for finding in report.findings}, report.describe()


def test_gaps_filled_from_later_rows_are_caught_and_gaps_filled_forward_pass(honest: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    holes = rng.random(len(honest)) < 0.05
    holes[:5] = False
    frame = honest.assign(volume=honest["volume"].mask(holes))
    gappy = frame["close"].mask(holes)
    for fill, kinds in (("bfill", ("back_fill",)), ("ffill", ())):
        filled = getattr(gappy.groupby(frame["symbol"]), fill)()
        report = check_dataset(frame.drop(columns="close").assign(x=filled), target="target")
        assert tuple(k for k in report.kinds if k == "back_fill") == kinds, report.describe()


def test_a_scaler_is_caught_without_knowing_the_split_and_the_report_says_so(honest: pd.DataFrame) -> None:
    frame = honest.assign(x=LEAKS["standard scaler"][1](honest)).drop(columns="split")
    report = check_dataset(frame, target="target")
    assert report.kinds == ("scaler_on_all_data",)
    assert "if some of them are test rows, the scaler was fitted on them" in report.findings[0].evidence
    assert any("name --split or --train-end" in line for line in report.checked)
    by_date = check_dataset(frame, target="target", train_end="2014-09-30")
    assert "over the 564 training rows mean" in by_date.findings[0].evidence


def ends_in_test(by: float, seed: int) -> np.ndarray:
    """500 values in 0..1 with their greatest in row 400, `by` above that of the first 350."""
    values = np.random.default_rng(seed).uniform(0.2, 0.95, 500)
    values[10], values[300], values[400] = 0.0, 1.0 - by, 1.0
    return values


def test_a_column_scaled_with_one_that_is_sure_is_named_too() -> None:
    """Alone it could be bounded: its training rows nearly reach the end. Both ends in training rows do no harm."""
    days = pd.bdate_range("2014-01-06", periods=500)
    near, inside = ends_in_test(0.01, 1), ends_in_test(0.01, 2)
    inside[300] = 1.0
    inside[400] = 0.9
    end = f"{days[349]:%Y-%m-%d}"

    def named(**columns: np.ndarray) -> set[str]:
        table = pd.DataFrame({"date": days, **columns})
        findings = check_dataset(table, train_end=end).findings
        assert {finding.kind for finding in findings} <= {"scaler_on_all_data"}
        return {finding.where for finding in findings}

    assert named(near=near, inside=inside) == set()
    assert named(sure=ends_in_test(0.2, 3), near=near, inside=inside) == {"column 'sure'", "column 'near'"}
    assert named(sure=10 * ends_in_test(0.2, 3), near=near) == {"column 'sure'"}, "of another form"


def test_a_csv_of_four_digits_hides_no_scaler(honest: pd.DataFrame) -> None:
    frame = honest.assign(x=LEAKS["standard scaler"][1](honest).round(4))
    assert check_dataset(frame, target="target").kinds == ("scaler_on_all_data",)


SPLITS: dict[str, tuple[str, Callable[[pd.DataFrame], Any]]] = {
    "rows": ("shuffled_split", lambda f: np.random.default_rng(0).choice(["train", "test"], len(f), p=[0.8, 0.2])),
    "dates": (
        "shuffled_split",
        lambda f: np.where(f["date"].isin(f["date"].drop_duplicates().sample(60, random_state=0)), "test", "train"),
    ),
    "symbols": ("shuffled_split", lambda f: np.where(f["symbol"] == "S02", "test", "train")),
    "reversed": ("shuffled_split", lambda f: np.where(f["date"] < f["date"].unique()[100], "test", "train")),
    "validation among training": (
        "shuffled_split",
        lambda f: np.where(
            f["date"] >= f["date"].unique()[200],
            "test",
            np.random.default_rng(0).choice(["train", "valid"], len(f), p=[0.8, 0.2]),
        ),
    ),
}


@pytest.mark.parametrize("how", SPLITS)
def test_a_shuffled_split_is_caught(honest: pd.DataFrame, how: str) -> None:
    kind, split = SPLITS[how]
    report = check_dataset(honest.assign(split=split(honest)), target="target")
    assert report.kinds == (kind,)
    assert "rows lie on or after" in report.findings[0].evidence


@pytest.mark.parametrize(
    ("name", "values"),
    [("is_train", [True, False]), ("is_test", [0, 1]), ("set", ["Training", "Test"]), ("part", ["train", "val"])],
)
def test_a_split_by_date_passes_in_every_spelling(honest: pd.DataFrame, name: str, values: list[Any]) -> None:
    later = (honest["date"] >= honest["date"].unique()[200]).astype("int64")
    frame = honest.drop(columns="split").assign(**{name: [values[i] for i in later]})
    report = check_dataset(frame, target="target")
    assert report.ok
    assert "training and test rows in time" in report.checked
    shuffled = frame.assign(**{name: frame[name].sample(frac=1.0, random_state=0).to_numpy()})
    assert check_dataset(shuffled, target="target").kinds == ("shuffled_split",)


def test_targets_that_reach_into_the_test_are_caught_and_a_purge_passes(honest: pd.DataFrame) -> None:
    frame = honest.assign(target=TARGETS["five sessions"][1](honest))
    report = check_dataset(frame, target="target", horizon=5)
    assert report.kinds == ("overlapping_targets",)
    assert "the targets of 12 train rows" in report.findings[0].evidence
    days = frame["date"].unique()
    purged = frame[(frame["date"] < days[195]) | (frame["date"] >= days[200])]
    assert check_dataset(purged, target="target", horizon=5).ok


NEWS: dict[str, tuple[tuple[str, ...], str, list[str]]] = {
    "in time": ((), "2015-03-02", ["2015-03-02T20:59:00Z", "2015-03-01T12:00:00Z"]),
    "after the close": (("news_after_close",), "2015-03-02", ["2015-03-02T21:00:00Z", "2015-03-02T15:00:00Z"]),
    "summer time": (("news_after_close",), "2015-07-02", ["2015-07-02T20:30:00Z", "2015-07-02T15:00:00Z"]),
    "a half day": (("news_after_close",), "2015-11-27", ["2015-11-27T18:30:00Z", "2015-11-27T15:00:00Z"]),
    "for Monday, from Sunday": ((), "2015-03-02", ["2015-03-01T23:00:00Z", "2015-02-28T12:00:00Z"]),
    "a row dated on Sunday speaks of Monday": ((), "2015-03-01", ["2015-03-01T23:00:00Z", "2015-02-28T12:00:00Z"]),
    "another zone": ((), "2015-03-02", ["2015-03-02T15:59:00-05:00", "2015-03-02T10:00:00-05:00"]),
    "its own day, no time": (("news_without_time",), "2015-03-02", ["2015-03-02", "2015-02-27"]),
    "the day before, no time": ((), "2015-03-02", ["2015-03-01", "2015-02-27"]),
}


@pytest.mark.parametrize("case", NEWS)
def test_news_is_held_against_the_close(case: str) -> None:
    kinds, day, moments = NEWS[case]
    frame = pd.DataFrame({"date": day, "symbol": "A", "score": [0.1, 0.2], "published_at": moments})
    report = check_dataset(frame)
    assert report.kinds == kinds, report.describe()
    if kinds == ("news_after_close",):
        assert "1 of 2 items were published after the close" in report.findings[0].evidence


def test_news_is_held_against_the_close_of_the_symbols_own_market() -> None:
    at = ["2015-03-02T07:00:00Z", "2015-03-02T07:00:00Z", "2015-03-02T23:00:00Z"]
    frame = pd.DataFrame(
        {"date": "2015-03-02", "symbol": ["AAA", "7203.T", "BTC-USD"], "score": [0.1, 0.2, 0.3], "published_at": at}
    )
    report = check_dataset(frame)
    assert report.kinds == ("news_after_close",)
    assert "1 of 3 items" in report.findings[0].evidence
    assert "7203.T" in report.findings[0].where
    assert "against the closes of 24/7 and XNYS and XTKS" in report.describe()


def test_at_the_open_the_night_is_no_leak() -> None:
    moments = ["2015-03-02T21:30:00Z", "2015-03-03T14:29:00Z", "2015-03-03T14:31:00Z"]
    frame = pd.DataFrame({"date": "2015-03-02", "symbol": "A", "score": [0.1, 0.2, 0.3], "published_at": moments})
    assert "3 of 3 items were published after the close of" in check_dataset(frame).findings[0].evidence
    report = check_dataset(frame, as_of="open")
    assert "1 of 3 items were published after the open after" in report.findings[0].evidence
    assert check_dataset(frame.iloc[:2], as_of="open").ok


REFUSED: dict[str, tuple[pd.DataFrame, dict[str, Any], type[Exception], str]] = {
    "nothing": (pd.DataFrame(), {}, DataError, "no rows"),
    "no date": (pd.DataFrame({"x": [1.0]}), {}, DataError, "no date column"),
    "bad date": (pd.DataFrame({"date": ["soon"], "x": 1.0}), {}, DataError, "can't be read"),
    "undated": (pd.DataFrame({"date": ["2015-01-02", None], "x": 1.0}), {}, DataError, "empty in 1 rows"),
    "unknown": (pd.DataFrame({"date": ["2015-01-02"], "x": 1.0}), {"target": "y"}, ConfigError, "no column 'y'"),
    "near": (pd.DataFrame({"date": ["2015-01-02"], "goal": 1.0}), {"target": "gaol"}, ConfigError, "mean 'goal'"),
    "twice": (pd.DataFrame({"date": ["2015-01-02"] * 2, "x": 1.0}), {}, DataError, "name the column with the symbols"),
    "two of a name": (pd.DataFrame([["2015-01-02", 1, 2]], columns=["date", "x", "x"]), {}, DataError, "two columns"),
    "texts": (pd.DataFrame({"date": ["2015-01-02"], "x": "a"}), {}, DataError, "no numeric feature"),
    "text target": (pd.DataFrame({"date": ["2015-01-02"], "x": "a"}), {"target": "x"}, DataError, "is not a number"),
    "split": (pd.DataFrame({"date": ["2015-01-02"], "x": 1, "k": "a"}), {"split": "k"}, DataError, "it takes train"),
    "end": (pd.DataFrame({"date": ["2015-01-02"], "x": 1}), {"train_end": "2019-01-01"}, ConfigError, "lies outside"),
    "no day": (pd.DataFrame({"date": ["2015-01-02"], "x": 1}), {"train_end": "May"}, ConfigError, "YYYY-MM-DD"),
    "horizon": (pd.DataFrame({"date": ["2015-01-02"], "x": 1}), {"horizon": 0}, ConfigError, "horizon is 0"),
    "zone": (
        pd.DataFrame({"date": ["2015-01-02"], "x": 1, "published_at": "2015-01-02 10:00"}),
        {},
        DataError,
        "no time zone",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_used_is_refused(case: str) -> None:
    frame, options, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        check_dataset(frame, **options)


@pytest.mark.parametrize("rows", [1, 30, 59])
def test_too_few_rows_are_noted(honest: pd.DataFrame, rows: int) -> None:
    report = check_dataset(honest.groupby("symbol").head(rows), target="target")
    assert report.ok
    assert any("no symbol has 60 rows" in note for note in report.notes)


def test_empty_constant_and_infinite_columns_do_no_harm(honest: pd.DataFrame) -> None:
    frame = honest.assign(
        empty=np.nan, same=7.0, wild=np.where(np.arange(len(honest)) % 50 == 0, np.inf, 1.5), text="a"
    )
    frame["huge"] = honest["return_1"] * 1e300
    report = check_dataset(frame, target="target")
    assert report.ok, report.describe()
    assert "'text': no numbers" in report.notes


def test_dates_as_numbers_and_unsorted_rows_are_read(honest: pd.DataFrame) -> None:
    frame = honest.assign(x=LEAKS["centred mean of prices"][1](honest)).sample(frac=1.0, random_state=0)
    frame = frame.assign(date=frame["date"].dt.strftime("%Y%m%d").astype("int64"))
    assert check_dataset(frame, target="target").kinds == ("centred_window",)
