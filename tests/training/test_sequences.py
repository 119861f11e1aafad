from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.heads import TARGETS
from tenor.inference.cells import usable
from tenor.training.sequences import Segments, Sequences


def data(symbols: int, time: int, seed: int = 0) -> Sequences:
    """Inputs that name their own place: 1000 * symbol + session + 1; one target, and what is known of it."""
    place = (1000 * np.arange(symbols)[:, None] + np.arange(time) + 1).astype(np.float32)[..., None]
    known = (np.random.default_rng(seed).random((symbols, time, 1)) < 0.8).astype(np.float32)
    return Sequences(place, place * known, known)


@given(
    symbols=st.integers(1, 4),
    start=st.integers(0, 30),
    length=st.integers(1, 90),
    segment=st.integers(1, 50),
    burn_in=st.integers(0, 20),
    seed=st.integers(0, 99),
)
@settings(max_examples=80)
def test_every_known_cell_of_the_part_is_in_one_segment_after_its_own_past(
    symbols: int, start: int, length: int, segment: int, burn_in: int, seed: int
) -> None:
    sequences = data(symbols, start + length + 10, seed)
    segments = Segments(sequences, slice(start, start + length), segment=segment, burn_in=burn_in)
    torch.manual_seed(seed)
    inputs, targets, known = segments.take(segments.epoch())
    assert inputs.shape[1:] == (burn_in + segment, 1)
    ahead = inputs[:, burn_in:]
    seen = sorted(targets[known > 0].tolist())
    assert seen == sorted(sequences.targets[:, start : start + length][sequences.known[:, start : start + length] > 0])
    assert torch.equal(ahead[known > 0], targets[known > 0])  # inputs and targets of the same cell
    steps = inputs[:, 1:] - inputs[:, :-1]
    inside = (inputs[:, 1:] > 0) & (inputs[:, :-1] > 0)
    assert (steps[inside] == 1).all()  # one symbol's sessions, in order
    last = 1000 * (symbols - 1) + start + length
    assert (inputs <= last).all()  # nothing from after the part


def test_borders_of_segments_move_with_every_epoch() -> None:
    segments = Segments(data(3, 200), slice(0, 150), segment=20, burn_in=5)
    torch.manual_seed(0)
    first, second = (set(segments.epoch().tolist()) for _ in range(2))
    assert len(first & second) < len(first) / 2


def test_a_cell_is_usable_from_the_lookback_th_session_with_all_features(panel_of) -> None:
    panel = panel_of()
    cells = usable(panel, 8)
    late = panel.mask[:, -1].argmax()
    assert cells[:, 0].argmax() == 7
    assert cells[:, -1].argmax() == late + 7
    assert not cells[50:53, 1].any()
    assert cells[53, 1]


def test_targets_are_in_units_of_their_volatility_and_clipped(panel_of) -> None:
    panel = panel_of()
    panel.volatility[20, 0] = 0.0  # a return over no volatility is not known
    sequences = Sequences.of(panel, lookback=8, clip=1.5)
    returns, known = sequences.targets[..., :2], sequences.known[..., :2]
    assert not known[0, 20].any()
    assert np.abs(returns).max() == 1.5
    expected = panel.targets[30, 2, 1] / (0.02 * np.sqrt(5))
    assert returns[2, 30, 1] == pytest.approx(np.clip(expected, -1.5, 1.5), rel=1e-6)
    assert not known[:, -5:, 1].any()  # five sessions ahead lie beyond the panel
    assert sequences.fingerprint() != Sequences.of(panel, lookback=9, clip=1.5).fingerprint()


def test_beside_them_stand_the_log_variances_ahead_and_they_are_not_clipped(panel_of) -> None:
    panel = panel_of()
    panel.volatility[20, 0] = 0.0
    sequences = Sequences.of(panel, lookback=8, clip=1.5)
    assert TARGETS == ("return", "log_variance")
    assert sequences.targets.shape == sequences.known.shape == (4, 240, 4)
    cells = usable(panel, 8)[:, :, None] & np.isfinite(panel.log_variance)
    np.testing.assert_array_equal(sequences.known[..., 2:].transpose(1, 0, 2), cells)
    expected = np.where(cells, panel.log_variance, 0)
    np.testing.assert_array_equal(sequences.targets[..., 2:].transpose(1, 0, 2), expected)
    assert sequences.targets[..., 2:].min() < -8
    assert sequences.known[0, 20, 2:].all()  # of a return without volatility the variance is known all the same


def test_inputs_are_features_and_the_variance_of_the_session(panel_of) -> None:
    panel = panel_of()
    sequences = Sequences.of(panel, lookback=8, clip=1.5)
    assert sequences.inputs.shape == (4, 240, 6)
    np.testing.assert_array_equal(sequences.inputs[..., :5].transpose(1, 0, 2), panel.values)
    variance = sequences.inputs[..., 5].T
    np.testing.assert_array_equal(variance > 0, np.isfinite(panel.variance))
    assert (variance[50:53, 1] == 0).all()  # no bar
    assert variance[60, 2] == np.float32(panel.variance[60, 2])
    other = dataclasses.replace(panel, variance=panel.variance * 2, log_variance=panel.log_variance)
    assert sequences.fingerprint() != Sequences.of(other, lookback=8, clip=1.5).fingerprint()
