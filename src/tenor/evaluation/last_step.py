"""The forecast of risk for only the last session of a window, for tests that repeat it a hundred thousand times.

The network forecasts at every step, and its attention at every step is most of what that costs. A deletion test needs
the last step only, and changes nothing before the lookback: the LSTM's state before it is computed once for all tests,
and one query is compared with the keys (`AttentionLSTM.last`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from tenor.model.attention_lstm import AttentionLSTM
from tenor.model.reproducible import one_thread
from tenor.schema import Float32, Float64

BATCH = 200
"""Windows that run through a network at once: more do not fit the processor's cache and are slower."""


class LastStep:
    """The forecast log variance of the last session of some windows, the mean over networks with attention.

    Parameters
    ----------
    networks
        All of one shape.
    windows
        [window, time, feature + 1]; inputs as `tenor.inference.cells.network_input` makes them, at least a lookback
        long. What lies before the lookback warms up the LSTM.
    place
        Which horizon, as a place on the last axis of the forecasts.
    """

    def __init__(self, networks: Sequence[AttentionLSTM], windows: Float32, place: int) -> None:
        self._networks = networks
        self._place = place
        lookback = networks[0].config.lookback
        self.inputs: Float32 = np.ascontiguousarray(windows[:, -lookback:])
        before = torch.from_numpy(np.ascontiguousarray(windows[:, :-lookback]))
        with torch.no_grad():
            self._states = [network.state_after(before) for network in networks]

    def forecast(self, inputs: Float32) -> Float64:
        """[window]; the forecast if the last steps were `inputs` [window, lookback, feature + 1]."""
        total = np.zeros(len(inputs))
        with one_thread():
            self._add(total, inputs)
        return total / len(self._networks)

    def _add(self, total: Float64, inputs: Float32) -> None:
        for network, (hidden, cell) in zip(self._networks, self._states, strict=True):
            for start in range(0, len(inputs), BATCH):
                part = slice(start, start + BATCH)
                state = (hidden[:, part].contiguous(), cell[:, part].contiguous())
                with torch.no_grad():
                    total[part] += network.last(torch.from_numpy(inputs[part]), state, self._place).numpy()
