"""How much of a step of training runs through the network together, so that memory is bounded.

The factors of `bytes_of_segment` count the arrays that are held for the gradients of a session.
"""

from __future__ import annotations

from tenor.config import ModelConfig, TrainConfig

OF_STEP = 384 << 20
"""About how many bytes the segments of a step may take that run through the network together."""


def bytes_of_segment(model: ModelConfig, training: TrainConfig, inputs: int, horizons: int) -> int:
    """About how many bytes the activations of a segment take for one of tenor's own networks in training.

    Parameters
    ----------
    model, training
        The settings.
    inputs, horizons
        Numbers of inputs and of horizons of the network.
    """
    a_step: int = 40 * model.hidden * model.layers + 16 * inputs
    if model.attention:
        a_step += horizons * (22 * model.lookback + 6 * model.attention_size)
    return 4 * (training.burn_in + training.segment) * a_step


def segments_at_once(model: ModelConfig, training: TrainConfig, inputs: int, horizons: int) -> int:
    """How many segments of a step run through the network together: equal parts of at most `OF_STEP` bytes.

    Parameters are those of `bytes_of_segment`.
    """
    count = training.segments_per_step
    if model.network:  # what a user's network computes may depend on the others of its batch
        return count
    parts = -(-count * bytes_of_segment(model, training, inputs, horizons) // OF_STEP)
    return -(-count // parts)
