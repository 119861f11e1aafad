"""A panel in blocks has the bytes of the panel at once, whatever the blocks and wherever they are computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from carrying_engine import CarryingEngine
from held_bars import HeldBars

from tenor.config import FeatureConfig
from tenor.engines import LocalEngine
from tenor.errors import ConfigError, DataError, HistoryError, UnknownSymbolError
from tenor.features import GROUPS, build_panel
from tenor.features.blocks import ARRAYS, open_panel, panel_in_blocks
from tenor.schema import Bars, Panel

FEATURES = FeatureConfig(horizons=(1, 5))


@pytest.fixture(scope="module")
def market(bars_of: Callable[..., Bars]) -> Bars:
    """Symbols of which one starts late, one ends early, one has gaps, and one stands still for a while."""
    bars = bars_of(symbols=9, sessions=300)
    frame = bars.frame
    names = bars.symbols
    order = frame.groupby("symbol").cumcount()
    gone = (
        ((frame["symbol"] == names[0]) & (order < 120))
        | ((frame["symbol"] == names[3]) & (order > 200))
        | ((frame["symbol"] == names[5]) & (order % 7 == 3))
    )
    still = (frame["symbol"] == names[7]) & order.between(150, 180)
    for column in ("open", "high", "low", "close", "adj_close"):
        frame = frame.assign(**{column: frame[column].mask(still, 20.0)})
    return replace(bars, frame=frame[~gone])


def assert_same(one: Panel, other: Panel) -> None:
    for name in ARRAYS:
        first, second = getattr(one, name), getattr(other, name)
        assert first.dtype == second.dtype
        assert first.tobytes() == second.tobytes(), name
    assert one.sessions.equals(other.sessions)
    assert one.sessions.dtype == other.sessions.dtype
    for name in ("symbols", "features", "horizons", "calendar"):
        assert getattr(one, name) == getattr(other, name)


@pytest.mark.parametrize("megabytes", [1, 3, 200])
def test_blocks_have_the_bytes_of_the_panel_at_once(market: Bars, megabytes: int, tmp_path: Path) -> None:
    whole = build_panel(market, FEATURES)
    panel = panel_in_blocks(
        HeldBars(market), market.symbols, FEATURES, tmp_path / "panel", megabytes=megabytes, workers=1
    )
    assert_same(panel, whole)
    assert whole.mask.any()
    assert not whole.mask[:, 7][160:180].any()
    assert isinstance(panel.values, np.memmap)
    assert_same(open_panel(tmp_path / "panel"), whole)
    assert not (tmp_path / "panel" / "work").exists()
    with pytest.raises(ValueError, match="read-only"):
        panel.values[0, 0, 0] = 1


@pytest.mark.parametrize("groups", [("returns",), tuple(GROUPS), ("risk",), ("context",)])
def test_each_choice_of_features(market: Bars, groups: tuple[str, ...], tmp_path: Path) -> None:
    config = replace(FEATURES, groups=tuple(group for group in groups if group not in ("sentiment", "kinds")))
    panel = panel_in_blocks(HeldBars(market), market.symbols, config, tmp_path / "panel", megabytes=2, workers=1)
    assert_same(panel, build_panel(market, config))


@pytest.mark.processes
def test_processes_side_by_side(market: Bars, tmp_path: Path) -> None:
    panel = panel_in_blocks(
        HeldBars(market), market.symbols, FEATURES, tmp_path / "panel", megabytes=1, workers=LocalEngine(2)
    )
    assert_same(panel, build_panel(market, FEATURES))


def test_machines_that_see_no_file_of_this_one(market: Bars, tmp_path: Path) -> None:
    engine = CarryingEngine()
    panel = panel_in_blocks(HeldBars(market), market.symbols, FEATURES, tmp_path / "panel", megabytes=1, workers=engine)
    assert_same(panel, build_panel(market, FEATURES))
    assert len([task for task in engine.ran if isinstance(task, slice)]) > 1


def test_markets_with_sessions_of_their_own(bars_of: Callable[..., Bars], tmp_path: Path) -> None:
    bars = bars_of(symbols=3, sessions=200)
    renamed = {name: f"{name}{suffix}" for name, suffix in zip(bars.symbols, (".US", ".US", ".US"), strict=True)}
    bars = replace(bars, frame=bars.frame.assign(symbol=bars.frame["symbol"].map(renamed)))
    config = replace(FEATURES, calendar="24/7")
    try:
        whole = build_panel(bars, config)
    except DataError as error:
        pytest.fail(str(error))
    panel = panel_in_blocks(HeldBars(bars), bars.symbols, config, tmp_path / "panel", megabytes=1, workers=1)
    assert_same(panel, whole)


def test_a_run_that_was_killed_is_made_again_and_never_opened(market: Bars, tmp_path: Path) -> None:
    class Breaks(HeldBars):
        calls = 0

        def __call__(self, symbols: Sequence[str]) -> Bars:
            Breaks.calls += 1
            if Breaks.calls == 4:
                raise KeyboardInterrupt
            return super().__call__(symbols)

    with pytest.raises(KeyboardInterrupt):
        panel_in_blocks(Breaks(market), market.symbols, FEATURES, tmp_path / "panel", megabytes=1, workers=1)
    assert not (tmp_path / "panel").exists()
    with pytest.raises(DataError, match="holds no panel that can be read"):
        open_panel(tmp_path / "panel.part")
    panel = panel_in_blocks(HeldBars(market), market.symbols, FEATURES, tmp_path / "panel", megabytes=1, workers=1)
    assert_same(panel, build_panel(market, FEATURES))


@pytest.mark.parametrize(
    ("changes", "keys", "error", "message"),
    [
        ({"own": ("mine.py:f",)}, {}, ConfigError, "'features.own' is set, and a panel in blocks"),
        ({"events": ("earnings",)}, {}, ConfigError, "'features.events' is set, and a panel in blocks"),
        ({"calendar": "XNYS@1h"}, {}, DataError, "they are of 1d, and features.calendar is XNYS@1h"),
        ({"horizons": (500,)}, {}, HistoryError, "horizon 500 is longer than the data"),
        ({}, {"megabytes": 0}, ConfigError, "0 megabytes are too few for the columns of one symbol"),
        ({}, {"symbols": ()}, DataError, "no symbols"),
        ({}, {"symbols": ("NOPE",)}, UnknownSymbolError, "unknown symbol 'NOPE'"),
    ],
)
def test_what_is_refused(
    market: Bars, changes: dict, keys: dict, error: type[Exception], message: str, tmp_path: Path
) -> None:
    given = {"symbols": market.symbols, "megabytes": 5} | keys
    with pytest.raises(error, match=message):
        panel_in_blocks(
            HeldBars(market),
            given["symbols"],
            replace(FEATURES, **changes),
            tmp_path / "panel",
            megabytes=given["megabytes"],
            workers=1,
        )
    assert not (tmp_path / "panel").exists()


def test_a_reader_that_gives_other_symbols_is_named(market: Bars, tmp_path: Path) -> None:
    class Fewer(HeldBars):
        def __call__(self, symbols: Sequence[str]) -> Bars:
            return super().__call__(symbols[:-1])

    with pytest.raises(DataError, match=f"{market.symbols[-1]} is missing among those of a block of 9 symbols"):
        panel_in_blocks(Fewer(market), market.symbols, FEATURES, tmp_path / "panel", workers=1)


def test_a_folder_that_is_there_stays_as_it_is(market: Bars, tmp_path: Path) -> None:
    (tmp_path / "panel").mkdir()
    (tmp_path / "panel" / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="exists already: remove it, or name another folder"):
        panel_in_blocks(HeldBars(market), market.symbols, FEATURES, tmp_path / "panel", workers=1)
    assert (tmp_path / "panel" / "mine.txt").read_text() == "mine"
