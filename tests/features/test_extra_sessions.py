"""Bars on days without a session: kept where they can be trusted, and never a row of a panel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tenor.calendars import exchange
from tenor.features.extra_sessions import extra_days, extra_in_file, extra_of_service, on_sessions
from tenor.ingest.importing import import_files
from tenor.schema import Bars
from tenor.store import Lake

SATURDAY = pd.Timestamp("2014-03-08")


def frame_of(symbols: int, *, extra: int = 0, on: pd.Timestamp = SATURDAY, volume: float = 10.0) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    days = exchange("XNYS").sessions(pd.Timestamp("2014-01-02"), pd.Timestamp("2014-06-30"))
    frames = []
    for i in range(symbols):
        own = days.append(pd.DatetimeIndex([on])).sort_values() if i < extra else days
        close = 50 + rng.normal(0, 1, len(own))
        prices = {"open": close, "high": close + 1, "low": close - 1, "close": close, "adj_close": close}
        frames.append(pd.DataFrame({"symbol": f"S{i}", "session": own, **prices, "volume": 10.0}))
    frame = pd.concat(frames, ignore_index=True)
    frame.loc[frame["session"] == on, "volume"] = volume
    return frame


def stray(frame: pd.DataFrame) -> np.ndarray:
    days = pd.DatetimeIndex(frame["session"])
    return ~np.asarray(days.isin(exchange("XNYS").sessions(days.min(), days.max())))


def accepted(frame: pd.DataFrame) -> int:
    return int(extra_in_file(frame, stray(frame), "XNYS").sum())


def test_several_symbols_with_volume_make_an_extra_session() -> None:
    assert accepted(frame_of(4, extra=4)) == 4
    assert accepted(frame_of(4, extra=3)) == 3


def test_few_symbols_or_no_volume_do_not() -> None:
    assert accepted(frame_of(4, extra=2)) == 0
    assert accepted(frame_of(10, extra=4)) == 0
    assert accepted(frame_of(4, extra=4, volume=0.0)) == 0


def test_a_bar_with_a_wrong_date_is_no_extra_session() -> None:
    moved = frame_of(4)
    moved.loc[moved["session"] == "2014-03-07", "session"] = SATURDAY  # Friday's bar, dated a day late
    assert accepted(moved) == 0
    copied = frame_of(4, extra=4)
    for _, rows in copied.groupby("symbol"):
        here, before = rows.index[rows["session"] == SATURDAY][0], rows.index[rows["session"] == "2014-03-07"][0]
        copied.loc[here, ["open", "high", "low", "close"]] = copied.loc[before, ["open", "high", "low", "close"]]
    assert accepted(copied) == 0
    shifted = frame_of(4)
    shifted["session"] += pd.Timedelta(days=1)  # a whole file a day late
    assert accepted(shifted) == 0


def test_a_price_service_is_trusted_for_one_symbol() -> None:
    frame = frame_of(1, extra=1).drop(columns="symbol")
    assert extra_of_service(frame, stray(frame), "XNYS").sum() == 1
    hollow = frame[frame["session"] != "2014-03-07"].reset_index(drop=True)
    assert extra_of_service(hollow, stray(hollow), "XNYS").sum() == 0


def test_a_day_that_the_lake_has_needs_one_symbol() -> None:
    alone = frame_of(1, extra=1)
    known = extra_days(pd.DatetimeIndex(frame_of(3, extra=3)["session"]), "XNYS")
    assert list(known) == [SATURDAY]
    assert extra_in_file(alone, stray(alone), "XNYS", known).sum() == 1
    other = frame_of(1, extra=1, on=pd.Timestamp("2014-03-15"))
    assert extra_in_file(other, stray(other), "XNYS", known).sum() == 0
    still = frame_of(1, extra=1, volume=0.0)
    assert extra_in_file(still, stray(still), "XNYS", known).sum() == 0


def test_a_lake_on_a_wrong_calendar_vouches_for_no_day() -> None:
    assert not len(extra_days(pd.DatetimeIndex(frame_of(1)["session"]) + pd.Timedelta(days=1), "XNYS"))


def test_a_file_of_one_symbol_is_kept_beside_the_lake(tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    frames = frame_of(4, extra=4).rename(columns={"session": "date"})
    for name, symbols in (("many.csv", ["S0", "S1", "S2"]), ("S3.csv", ["S3"])):
        part = frames[frames["symbol"].isin(symbols)]
        part.to_csv(tmp_path / name, index=False, date_format="%Y-%m-%d")
    assert len(import_files(str(tmp_path / "empty"), [str(tmp_path / "S3.csv")]).refused) == 1
    import_files(lake, [str(tmp_path / "many.csv")])
    assert not import_files(lake, [str(tmp_path / "S3.csv")]).refused
    assert SATURDAY in set(Lake(lake).bars(["S3"]).frame["session"])


def test_a_panel_stands_on_sessions_alone() -> None:
    bars = Bars(frame_of(3, extra=3))
    assert SATURDAY not in set(on_sessions(bars, "XNYS").frame["session"])
    shifted = frame_of(3)
    shifted["session"] += pd.Timedelta(days=1)
    assert len(on_sessions(Bars(shifted), "XNYS").frame) == len(shifted)  # left for the panel to refuse
