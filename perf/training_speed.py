"""Sequence training against one window a prediction: targets trained a CPU-second, same network, same data.

``make bench`` runs it: five rounds, the two in turn, one thread, on the embedded bars. The ratio is what counts.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch

from tenor.config import FeatureConfig, ModelConfig, SplitConfig, TrainConfig
from tenor.data import embedded_bars
from tenor.features import Scaler, build_panel
from tenor.heads import TARGETS
from tenor.inference.cells import usable
from tenor.model import AttentionLSTM
from tenor.model.reproducible import reproducible
from tenor.training import chronological
from tenor.training.sequences import Sequences
from tenor.training.trainer import Task, Trainer

ROUNDS, BATCH, BATCHES = 5, 256, 20


def main() -> None:
    """Measure and print."""
    panel = build_panel(embedded_bars(), FeatureConfig())
    split = chronological(panel.sessions, SplitConfig(), purge=max(panel.horizons))
    scaled = Scaler.fit(panel, split.train).transform(panel)
    model, training = ModelConfig(), TrainConfig()
    data = Sequences.of(scaled, lookback=model.lookback, clip=training.target_clip)
    trainer = Trainer(Task(data, split.train, split.valid, model, training, 0))
    targets = float(data.known[:, split.train].sum()) / len(TARGETS)  # a cell's return and log variance count once

    net = AttentionLSTM(model, len(panel.features), len(panel.horizons))
    adam = torch.optim.Adam(net.parameters(), lr=training.learning_rate)
    # [symbol, session - lookback + 1, feature, lookback], a view
    windows = np.lib.stride_tricks.sliding_window_view(data.inputs, model.lookback, axis=1)
    rows, columns = np.nonzero(
        (usable(panel, model.lookback) & np.isfinite(panel.log_variance).all(axis=2))[split.train]
    )
    rng = np.random.default_rng(0)

    def by_sequence() -> float:
        trainer._train()
        return targets

    def by_window() -> float:
        for _ in range(BATCHES):
            pick = rng.integers(len(rows), size=BATCH)
            t, n = rows[pick], columns[pick]
            batch = windows[n, t - model.lookback + 1].swapaxes(1, 2)  # [window, lookback, feature]
            forecast = net(torch.from_numpy(np.ascontiguousarray(batch))).heads["log_variance"][:, -1]
            loss = (forecast - torch.from_numpy(scaled.log_variance[t, n])).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
        return float(BATCHES * BATCH * len(panel.horizons))

    rates: dict[str, list[float]] = {"sequences": [], "windows": []}
    with reproducible():
        for _ in range(ROUNDS):
            for name, run in (("sequences", by_sequence), ("windows", by_window)):
                start = time.process_time()
                done = run()
                rates[name].append(done / (time.process_time() - start))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        spread = f"{min(values):,.0f} … {max(values):,.0f}"
        print(f"{name:10} {medians[name]:9,.0f} targets a CPU-second (of {ROUNDS}: {spread})")
    print(f"ratio      {medians['sequences'] / medians['windows']:.1f}")


if __name__ == "__main__":
    main()
