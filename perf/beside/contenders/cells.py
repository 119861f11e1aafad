"""What all contenders in training share: the cells, the validation loss, the clock. Needs NumPy alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
AT_ONCE = 1_024
"""Validation windows that are predicted at once."""


class Cells:
    """Stocks by sessions, and which of them are learned from and validated on.

    Attributes
    ----------
    features
        [symbol, session, feature] float32, scaled.
    variance
        [symbol, session] float32; 0 where there is none.
    target
        [symbol, session] float32; log variance of the next session, 0 where not known.
    train, valid
        (symbols, sessions) of the cells.
    stop
        The first session after the training part.
    lookback
        Sessions that a window holds; the last is that of the cell.
    """

    def __init__(self, arguments: dict[str, Any]) -> None:
        with np.load(arguments["cells"]) as arrays:
            self.features, self.variance = arrays["features"], arrays["variance"]
            self.target = arrays["target"]
            self.train, self.valid = np.nonzero(arrays["train"]), np.nonzero(arrays["valid"])
        self.stop = int(self.train[1].max()) + 1
        learned = self.target[self.train]
        self._mean, self._spread = float(learned.mean()), float(learned.std())
        self.lookback: int = arguments["lookback"]
        # [symbol, session - lookback + 1, feature, lookback], a view
        self._windows = np.lib.stride_tricks.sliding_window_view(self.features, self.lookback, axis=1)
        self._variances = np.lib.stride_tricks.sliding_window_view(self.variance, self.lookback, axis=1)

    def windows(self, symbols: Array, sessions: Array) -> Array:
        """[cell, lookback, feature]."""
        first = sessions - self.lookback + 1
        return np.ascontiguousarray(self._windows[symbols, first].swapaxes(1, 2))

    def variances(self, symbols: Array, sessions: Array) -> Array:
        """[cell, lookback]."""
        return np.ascontiguousarray(self._variances[symbols, sessions - self.lookback + 1])

    def standardised(self) -> Array:
        """`target` less its mean over the training cells, in units of their spread, as libraries want it."""
        return (self.target - self._mean) / self._spread

    def restored(self, predicted: Array) -> Array:
        """Predictions of the standardised target as log variances."""
        return predicted * self._spread + self._mean

    def levels(self) -> Array:
        """[symbol, session] float32; each session's own log variance, standardised: the series, as libraries call it.

        Where it is not known, the last one before, or the first one of all.
        """
        known = np.zeros(self.target.shape, dtype=bool)
        known[:, 1:] = self.target[:, :-1] != 0
        levels = np.zeros_like(self.target)
        levels[:, 1:] = self.standardised()[:, :-1]
        place = np.where(known, np.arange(known.shape[1]), -1)
        last = np.maximum.accumulate(place, axis=1)
        first = known.argmax(axis=1)[:, None]
        return np.take_along_axis(levels, np.where(last < 0, first, last), axis=1)

    def stocks(self) -> Iterator[tuple[int, slice]]:
        """Each stock to learn from, and its sessions from the first window's on to the one after the training part."""
        for symbol in np.unique(self.train[0]):
            first = int(self.train[1][self.train[0] == symbol].min()) - self.lookback + 1
            yield int(symbol), slice(first, self.stop + 1)

    def loss(self, predict: Callable[[Array, Array], Array]) -> float:
        """Mean squared error of what `predict` says of validation cells (symbols, sessions)."""
        symbols, sessions = self.valid
        parts = [slice(start, start + AT_ONCE) for start in range(0, len(symbols), AT_ONCE)]
        predicted = np.concatenate([predict(symbols[part], sessions[part]) for part in parts])
        error: Array = predicted.ravel() - self.target[symbols, sessions]
        return float(np.square(error, dtype=np.float64).mean())


class Race:
    """The time of training alone: for a number of steps, or until the validation loss is reached.

    Validating stands outside the clock, for everyone.
    """

    def __init__(self, cells: Cells, arguments: dict[str, Any], predict: Callable[[Array, Array], Array]) -> None:
        self._cells, self._predict = cells, predict
        self._steps: int = arguments["steps"]
        self._goal: float | None = arguments.get("loss")
        self._limit: float = arguments.get("limit", float("inf"))
        self._every: int = arguments.get("every", 1)
        self._cpu = self._wall = 0.0
        self._taken = self._work = 0
        self._loss: float | None = None
        self._curve: list[tuple[float, float]] = []
        self.resume()

    def resume(self) -> None:
        """Start the clock again."""
        self._begun = time.process_time(), time.perf_counter()

    def pause(self) -> None:
        """Stop the clock, for what is not training."""
        self._cpu += time.process_time() - self._begun[0]
        self._wall += time.perf_counter() - self._begun[1]

    def goes_on(self, predictions: int, steps: int = 1) -> bool:
        """Count `steps` over so many predictions; False once the race is over."""
        self._taken += steps
        self._work += predictions
        if self._goal is None:
            over = self._taken >= self._steps
            if over:
                self.pause()
            return not over
        if self._taken % self._every:
            return True
        self.pause()
        self._loss = self._cells.loss(self._predict)
        self._curve.append((self._cpu, self._loss))
        over = self._loss <= self._goal or self._cpu >= self._limit
        self.resume()
        return not over

    def result(self) -> dict[str, Any]:
        """The round; `to_loss` is null for who did not reach the loss within the limit."""
        done = {"work": float(self._work), "cpu": self._cpu, "wall": self._wall, "steps": self._taken}
        if self._goal is None:
            return done
        assert self._loss is not None
        return done | {
            "loss": self._loss,
            "curve": self._curve,
            "to_loss": self._cpu if self._loss <= self._goal else None,
        }


def lstm_flops(steps: int, features: int, arguments: dict[str, Any]) -> float:
    """Multiplications and additions of an LSTM's products over so many steps, forth and (twice as many) back."""
    hidden, layers = arguments["hidden"], arguments["layers"]
    widths = [features, *[hidden] * (layers - 1)]
    return float(3 * steps * sum(2 * 4 * hidden * (width + hidden) for width in widths))
