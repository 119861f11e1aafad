from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tenor.benchmarks.acl18 import DATES as ACL18
from tenor.benchmarks.acl18 import acl18_bars
from tenor.benchmarks.kdd17 import DATES as KDD17
from tenor.benchmarks.kdd17 import kdd17_bars
from tenor.benchmarks.protocol import EARLIER_BARS, PartDates, Samples, label_of, label_samples, rows_of
from tenor.calendars import exchange
from tenor.errors import DataError, HistoryError
from tenor.schema import Bars


def grid(bars: Bars) -> pd.DatetimeIndex:
    days = bars.frame["session"]
    return exchange("XNYS").sessions(days.min(), days.max())


@pytest.mark.parametrize(
    ("simple_return", "label"),
    [(0.0055, 1), (0.0054, np.nan), (0.0, np.nan), (-0.0049, np.nan), (-0.005, 0), (-0.3, 0), (2.0, 1),
     (np.nan, np.nan)],
)  # fmt: skip
def test_label(simple_return: float, label: float) -> None:
    np.testing.assert_array_equal(label_of([simple_return]), [label])


def test_a_sample_stands_in_the_row_of_the_session_before(bars_of: Callable[..., Bars]) -> None:
    bars = bars_of(symbols=2, sessions=120)
    sessions = grid(bars)
    days = [f"{sessions[i]:%Y-%m-%d}" for i in (50, 79, 80, 99, 100, 119)]
    labelled = label_samples(
        bars,
        sessions,
        bars.symbols,
        PartDates(train=(days[0], days[1]), valid=(days[2], days[3]), test=(days[4], days[5])),
    )
    assert (labelled.train, labelled.valid, labelled.test) == (slice(49, 79), slice(79, 99), slice(99, 119))
    close = bars.frame[bars.frame["symbol"] == "S01"]["adj_close"].to_numpy()
    np.testing.assert_array_equal(labelled.label[49:119, 1], label_of(close[50:] / close[49:-1] - 1))
    assert np.isnan(labelled.label[:49]).all()


def test_a_missing_session_puts_the_sample_in_the_row_of_the_bar_before(bars_of: Callable[..., Bars]) -> None:
    bars = bars_of(symbols=2, sessions=120)
    sessions = grid(bars)
    gap = (bars.frame["symbol"] == "S00") & (bars.frame["session"] == sessions[90])
    holed = Bars(bars.frame[~gap])
    days = [f"{sessions[i]:%Y-%m-%d}" for i in (50, 79, 80, 99, 100, 119)]
    labelled = label_samples(
        holed,
        sessions,
        bars.symbols,
        PartDates(train=(days[0], days[1]), valid=(days[2], days[3]), test=(days[4], days[5])),
    )
    assert np.isnan(labelled.label[90, 0])
    close = bars.frame[bars.frame["symbol"] == "S00"]["adj_close"].to_numpy()
    np.testing.assert_array_equal(labelled.label[89, 0], label_of(close[91] / close[89] - 1))


def test_a_sample_needs_the_published_features_history(bars_of: Callable[..., Bars]) -> None:
    bars = bars_of(symbols=1, sessions=120)
    sessions = grid(bars)
    days = [f"{sessions[i]:%Y-%m-%d}" for i in (0, 79, 80, 99, 100, 119)]
    labelled = label_samples(
        bars,
        sessions,
        bars.symbols,
        PartDates(train=(days[0], days[1]), valid=(days[2], days[3]), test=(days[4], days[5])),
    )
    assert np.flatnonzero(np.isfinite(labelled.label[:, 0]))[0] >= EARLIER_BARS - 1
    assert np.isnan(labelled.label[: EARLIER_BARS - 1]).all()


def test_dates_out_of_order() -> None:
    with pytest.raises(DataError, match="out of order"):
        PartDates(
            train=("2014-01-01", "2015-08-01"), valid=("2015-08-01", "2015-09-30"), test=("2015-10-01", "2015-12-31")
        )


def test_bars_that_miss_a_part(bars: Bars) -> None:
    with pytest.raises(HistoryError, match="no sample between 2015-08-01 and 2015-09-30"):
        label_samples(bars, grid(bars), bars.symbols, ACL18)


def test_acl18_has_the_published_counts_and_labels(published: Callable[[str], Path]) -> None:
    bars = acl18_bars(published("stocknet-dataset"))
    assert len(bars.symbols) == 87
    sessions = grid(bars)
    labelled = label_samples(bars, sessions, bars.symbols, ACL18)
    assert labelled.counts() == {"train": 20_315, "valid": 2_555, "test": 3_720}
    assert np.nanmean(labelled.label[labelled.test]) == pytest.approx(0.5129, abs=5e-5)  # always up

    folder = published("acl18-adv-alstm-labels") / "price"
    days = pd.to_datetime(pd.Series((folder / "trading_dates.csv").read_text().split()))
    rows = sessions.get_indexer(pd.DatetimeIndex(days)) - 1
    inside = (days >= pd.Timestamp("2014-01-01")).to_numpy()
    for column, symbol in enumerate(bars.symbols):
        published_label = np.loadtxt(folder / "ourpped" / f"{symbol}.csv", delimiter=",")[inside, -2]
        ours = labelled.label[rows[inside], column]
        here = np.isfinite(ours)
        np.testing.assert_array_equal(ours[here], (published_label[here] + 1) / 2)
        assert not here[published_label == 0].any()


def test_kdd17_has_the_published_counts(published: Callable[[str], Path]) -> None:
    bars = kdd17_bars(published("kdd17-price_long_50"))
    labelled = label_samples(bars, grid(bars), bars.symbols, KDD17)
    assert labelled.counts() == {"train": 64_644, "valid": 8_070, "test": 7_398}
    assert np.nanmean(labelled.label[labelled.test]) == pytest.approx(0.5285, abs=5e-5)


def test_rows_of_a_part_that_begins_at_the_first_session() -> None:
    sessions = exchange("XNYS").sessions(pd.Timestamp("2015-01-02"), pd.Timestamp("2015-02-02"))
    assert rows_of(sessions, "2015-01-02", "2015-01-08") == slice(0, 4)
    empty = Samples(np.full((3, 1), np.nan, "float32"), slice(0, 1), slice(1, 2), slice(2, 3))
    assert empty.counts() == {"train": 0, "valid": 0, "test": 0}
