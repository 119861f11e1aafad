"""How many symbols run through the networks together: what they need in memory decides."""

from __future__ import annotations

from dataclasses import replace

from tenor.config import FeatureConfig, ModelConfig
from tenor.data import embedded_bars
from tenor.features import build_panel
from tenor.inference.at_once import CHUNK, blocks_of_symbols, symbols_at_once
from tenor.schema import Panel


def test_more_sessions_and_longer_lookbacks_run_fewer_symbols_together() -> None:
    model, longer = ModelConfig(), ModelConfig(lookback=240)
    counts = [symbols_at_once(*each) for each in ((model, 60, 1, 252), (model, 60, 1, 5040), (longer, 60, 1, 5040))]
    assert CHUNK == counts[0] > counts[1] > counts[2] >= 1
    assert symbols_at_once(longer, 60, 3, 100_000_000) == 1
    assert symbols_at_once(replace(longer, network="mine.py:Net@0123456789ab"), 60, 1, 5040) == CHUNK


def test_the_blocks_hold_each_symbol_once_in_order() -> None:
    panel = build_panel(embedded_bars(), FeatureConfig(horizons=(1,)))
    blocks = [panel.symbols[block] for block in blocks_of_symbols(ModelConfig(lookback=240), panel)]
    assert len(blocks) > 1
    assert sum(blocks, ()) == panel.symbols
    assert {len(block) for block in blocks[:-1]} == {symbols_at_once(ModelConfig(lookback=240), *_sizes(panel))}


def _sizes(panel: Panel) -> tuple[int, int, int]:
    sessions, _, features = panel.values.shape
    return features + 1, len(panel.horizons), sessions
