from __future__ import annotations

import itertools

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenor.calendars import exchange
from tenor.config import SplitConfig
from tenor.errors import ConfigError, HistoryError
from tenor.training import Split, chronological

TEN = pd.DatetimeIndex(pd.bdate_range("2024-01-01", periods=10)).astype("datetime64[us]")  # 1st is a Monday


@pytest.mark.parametrize(
    ("config", "purge", "train", "valid", "test"),
    [
        ({"train_end": "2024-01-04", "valid_end": "2024-01-09"}, 0, (0, 4), (4, 7), (7, 10)),
        ({"train_end": "2024-01-04", "valid_end": "2024-01-09"}, 1, (0, 3), (4, 6), (7, 10)),
        ({"train_end": "2024-01-04", "valid_end": "2024-01-09"}, 2, (0, 2), (4, 5), (7, 10)),
        ({"train_end": "2024-01-04", "valid_end": "2024-01-09", "test_end": "2024-01-10"}, 1, (0, 3), (4, 6), (7, 8)),
        # days that are no session: the last one before them counts
        ({"train_end": "2024-01-06", "valid_end": "2024-01-10"}, 1, (0, 4), (5, 7), (8, 10)),
        ({}, 0, (0, 6), (6, 8), (8, 10)),
        ({"valid_end": "2024-01-09"}, 1, (0, 5), (6, 6 + 0), None),
        ({"train_end": "2024-01-02"}, 1, (0, 1), (2, 4), (5, 10)),
        ({"test_end": "2030-01-01"}, 0, (0, 6), (6, 8), (8, 10)),
    ],
)
def test_a_table_of_splits(config: dict, purge: int, train: tuple, valid: tuple, test: tuple | None) -> None:
    if test is None:
        with pytest.raises(HistoryError, match="the validation part 2024-01-09 … 2024-01-09 has 1 sessions"):
            chronological(TEN, SplitConfig(**config), purge=purge)
        return
    split = chronological(TEN, SplitConfig(**config), purge=purge)
    assert split == Split(slice(*train), slice(*valid), slice(*test), purge)


def test_the_default_is_60_15_25_of_real_sessions() -> None:
    days = exchange("XNYS").sessions(pd.Timestamp("2012-09-04"), pd.Timestamp("2017-09-01"))
    split = chronological(days, SplitConfig(), purge=5)
    assert [rows.stop - rows.start for rows in split.parts().values()] == [750, 184, 314]
    assert split.describe(days) == (
        "train 2012-09-04 … 2015-08-27 (750 sessions) · purge 5 · "
        "validation 2015-09-04 … 2016-05-27 (184 sessions) · purge 5 · "
        "test 2016-06-07 … 2017-09-01 (314 sessions)"
    )


@given(count=st.integers(1, 400), purge=st.integers(0, 10))
def test_no_target_of_a_part_reaches_into_the_next(count: int, purge: int) -> None:
    days = exchange("XNYS").sessions(pd.Timestamp("2015-01-02"), pd.Timestamp("2020-01-02"))[:count]
    try:
        split = chronological(days, SplitConfig(), purge=purge)
    except HistoryError:
        assert count < 12 * (purge + 2)
        return
    parts = list(split.parts().values())
    for before, after in itertools.pairwise(parts):
        assert before.stop - 1 + purge < after.start
    assert parts[0].start == 0
    assert parts[-1].stop == count


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"train_end": "2015-02-30"}, r"'split.train_end' is '2015-02-30'; write a day as YYYY-MM-DD"),
        ({"valid_end": "spring"}, r"'split.valid_end' is 'spring'"),
        ({"train_end": "2015-02-03", "valid_end": "2015-02-03"},
         r"'split.valid_end' is 2015-02-03, not after 'split.train_end' 2015-02-03"),
        ({"train_end": "2015-02-03", "test_end": "2014-02-03"},
         r"'split.test_end' is 2014-02-03, not after 'split.train_end'"),
    ],
)  # fmt: skip
def test_dates_that_make_no_sense_are_refused_by_key(config: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SplitConfig(**config)


@pytest.mark.parametrize(
    ("config", "purge", "message"),
    [
        ({"train_end": "2023-01-01"}, 0, "the train part holds no session; the bars span 2024-01-01 … 2024-01-12"),
        ({"valid_end": "2024-02-01"}, 0, "the test part holds no session"),
        ({"train_end": "2024-01-12", "valid_end": "2024-01-15"}, 0, "the validation part holds no session"),
        ({"train_end": "2024-01-04", "valid_end": "2024-01-10"}, 4,
         r"the train part 2024-01-01 … 2024-01-04 has 4 sessions, and 4 are dropped .*horizon up to 4.*Import more"),
    ],
)  # fmt: skip
def test_an_empty_part_names_its_days_and_the_remedy(config: dict, purge: int, message: str) -> None:
    with pytest.raises(HistoryError, match=message):
        chronological(TEN, SplitConfig(**config), purge=purge)


def test_no_sessions_at_all() -> None:
    with pytest.raises(HistoryError, match="no sessions to split"):
        chronological(TEN[:0], SplitConfig(), purge=1)
