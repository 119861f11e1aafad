"""How many symbols run through the networks together: fewer need less memory, and stay in the processor's caches."""

from __future__ import annotations

from collections.abc import Iterator

from tenor.config import ModelConfig
from tenor.schema import Panel

CHUNK = 32
"""The most symbols that run through the networks together."""
OF_SYMBOLS = 96 << 20
"""About how many bytes the symbols may take that run through a network together without gradients."""


def symbols_at_once(model: ModelConfig, inputs: int, horizons: int, sessions: int) -> int:
    """How many symbols run through a network together over `sessions` sessions.

    At most `CHUNK`, and no more than take `OF_SYMBOLS` bytes at the peak. The outputs do not depend on it.

    Parameters
    ----------
    model
        The settings of the network.
    inputs, horizons
        Its numbers of inputs and of horizons.
    sessions
        The length of the sequences.
    """
    if model.network:  # what a user's network takes is not known
        return CHUNK
    a_step = 6 * inputs + 12 * model.hidden * model.layers
    if model.attention:
        a_step += horizons * (6 * model.lookback + 2 * model.attention_size)
    count: int = OF_SYMBOLS // (4 * sessions * a_step)
    return min(max(1, count), CHUNK)


def blocks_of_symbols(model: ModelConfig, scaled: Panel) -> Iterator[slice]:
    """The columns of a scaled panel, block by block, as they run through a network along all sessions."""
    sessions, symbols, features = scaled.values.shape
    count = symbols_at_once(model, features + 1, len(scaled.horizons), sessions)  # and the variance
    for start in range(0, symbols, count):
        yield slice(start, start + count)
