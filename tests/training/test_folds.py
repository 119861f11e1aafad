"""Walk-forward folds, as tables of dates."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenor.calendars import exchange
from tenor.config import FoldConfig
from tenor.errors import ConfigError, HistoryError
from tenor.training.folds import fold_table, walk_forward

STOCKNET = exchange("XNYS").sessions(pd.Timestamp("2012-09-04"), pd.Timestamp("2017-09-01"))
LONG = exchange("XNYS").sessions(pd.Timestamp("2010-01-04"), pd.Timestamp("2014-12-31"))
MADE = FoldConfig(folds=3, valid_sessions=126, test_sessions=100, test_end="2016-03-31")


def test_the_table_in_the_docstring_is_what_comes_out() -> None:
    printed = fold_table(STOCKNET, walk_forward(STOCKNET, MADE, purge=5))
    shown = [line.strip() for line in (walk_forward.__doc__ or "").splitlines()]
    assert [line for line in shown if line[:1] in "123" and "…" in line] == printed.splitlines()[1:]
    assert printed.splitlines()[0].split() == ["fold", "train", "validation", "test"]


def test_ten_sessions_by_hand() -> None:
    days = exchange("24/7").sessions(pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-12"))
    config = {"folds": 2, "valid_sessions": 2, "test_sessions": 2}
    table = [
        ("expanding", [("01-01", "01-04", "01-06", "01-07", "01-09", "01-10"),
                       ("01-01", "01-06", "01-08", "01-09", "01-11", "01-12")]),
        ("rolling", [("01-01", "01-04", "01-06", "01-07", "01-09", "01-10"),
                     ("01-03", "01-06", "01-08", "01-09", "01-11", "01-12")]),
    ]  # fmt: skip
    for scheme, expected in table:
        folds = walk_forward(days, FoldConfig(scheme=scheme, **config), purge=1)
        dates = [tuple(day[5:] for span in fold.dates(days).values() for day in span) for fold in folds]
        assert dates == expected


def test_rolling_starts_as_the_docstring_says() -> None:
    folds = walk_forward(
        STOCKNET, FoldConfig(folds=3, scheme="rolling", valid_sessions=126, test_sessions=100, test_end="2016-03-31"),
        purge=5,
    )  # fmt: skip
    starts = [f"{STOCKNET[fold.train.start]:%Y-%m-%d}" for fold in folds]
    assert ", ".join(starts) in " ".join((walk_forward.__doc__ or "").split())
    assert len({fold.train.stop - fold.train.start for fold in folds}) == 1


@given(
    count=st.integers(1, 900),
    folds=st.integers(1, 6),
    scheme=st.sampled_from(["expanding", "rolling"]),
    valid=st.integers(1, 80),
    test=st.integers(1, 80),
    purge=st.integers(0, 12),
)
def test_parts_are_purged_and_test_parts_follow_without_gap(
    count: int, folds: int, scheme: str, valid: int, test: int, purge: int
) -> None:
    days = LONG[:count]
    config = FoldConfig(folds=folds, scheme=scheme, valid_sessions=valid, test_sessions=test)
    needed = 2 * valid + 2 * purge + folds * test
    if count < needed:
        with pytest.raises(HistoryError, match=f"need {needed} sessions, and there are {count} of them"):
            walk_forward(days, config, purge=purge)
        return
    splits = walk_forward(days, config, purge=purge)
    assert len(splits) == folds
    assert splits[-1].test.stop == count
    for split in splits:
        assert split.train.start >= 0
        assert split.train.stop - split.train.start >= valid
        assert split.valid.start - split.train.stop == split.test.start - split.valid.stop == purge
        assert split.valid.stop - split.valid.start == valid
        assert split.test.stop - split.test.start == test
    for before, after in itertools.pairwise(splits):
        assert after.test.start == before.test.stop


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"folds": 0}, r"'folds.folds' is 0; it must be a whole number >= 1"),
        ({"folds": True}, r"'folds.folds' is True"),
        ({"valid_sessions": -3}, r"'folds.valid_sessions' is -3"),
        ({"test_sessions": 2.5}, r"'folds.test_sessions' is 2.5"),
        ({"scheme": "sliding"}, r"'folds.scheme' is 'sliding'; it takes 'expanding' or 'rolling'"),
        ({"test_end": "soon"}, r"'folds.test_end' is 'soon'; write a day as YYYY-MM-DD"),
    ],
)
def test_impossible_configs_are_refused_by_key(config: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FoldConfig(**config)


@pytest.mark.parametrize(
    ("days", "config", "message"),
    [
        (STOCKNET[:0], MADE, "no sessions to fold: import bars"),
        (STOCKNET, FoldConfig(test_end="2012-01-01"), "there are 0 of them .*Import more history"),
        (STOCKNET, FoldConfig(folds=20), r"20 folds of 126 test .* or lower folds.folds"),
    ],
)
def test_too_short_a_history_names_the_remedy(days: pd.DatetimeIndex, config: FoldConfig, message: str) -> None:
    with pytest.raises(HistoryError, match=message):
        walk_forward(days, config, purge=5)


def test_a_negative_purge_is_refused() -> None:
    with pytest.raises(ConfigError, match="a purge of -1"):
        walk_forward(STOCKNET, MADE, purge=-1)
