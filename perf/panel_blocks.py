"""The panel of many symbols at once and in blocks: seconds, peak memory, and whether the bytes are the same.

    python perf/panel_blocks.py --symbols 500 1000 2000 --sessions 2520

Each way runs in a process of its own, of which the peak of resident memory is taken; what it takes before it has any
bar is given as well, and the peak of what is not in files. Bars are random walks, made again for each block by a seed
of each symbol, as a lake reads them from its parts: at once they are in memory all together. Memory is bounded where
its peak does not grow with symbols. ``--way "in blocks" training`` trains a tiny network for an epoch on the panel in
files: what a training takes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from own_memory import OwnMemory

from tenor.calendars import exchange
from tenor.config import FeatureConfig, ModelConfig, SplitConfig, TrainConfig
from tenor.features import build_panel
from tenor.features.blocks import ARRAYS, open_panel, panel_in_blocks
from tenor.schema import Bars, Panel

WAYS = ("at once", "in blocks", "training")
TINY = ModelConfig(hidden=4, attention_size=2, lookback=20)
ONE_EPOCH = TrainConfig(seeds=(0,), epochs=1, segments_per_step=16)


class Walks:
    """Random walks of any symbols over the sessions of New York."""

    def __init__(self, sessions: int) -> None:
        every = exchange("XNYS").sessions(pd.Timestamp("2006-01-03"), pd.Timestamp("2025-12-31"))
        self.days = every[-sessions:]

    def __call__(self, symbols: Sequence[str]) -> Bars:
        """Their bars."""
        parts = []
        for symbol in symbols:
            rng = np.random.default_rng(int(symbol[1:]))
            count = len(self.days)
            close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, count)))
            open_ = close * np.exp(rng.normal(0, 0.005, count))
            spread = np.exp(np.abs(rng.normal(0, 0.005, (2, count))))
            parts.append((open_, np.maximum(open_, close) * spread[0], np.minimum(open_, close) / spread[1], close))
        columns = np.concatenate(parts, axis=1)
        frame = pd.DataFrame(dict(zip(("open", "high", "low", "close"), columns, strict=True)))
        frame["adj_close"], frame["volume"] = frame["close"], 1e6
        frame["symbol"] = np.repeat(np.array(symbols, dtype=object), len(self.days))
        frame["session"] = np.tile(self.days.to_numpy(), len(symbols))
        return Bars(frame)


def digest(panel: Panel) -> str:
    """A hash of all arrays, some sessions at a time, so that it adds nothing to the peak."""
    total = hashlib.sha256()
    for name in ARRAYS:
        array = getattr(panel, name)
        for start in range(0, len(array), 16):
            total.update(np.ascontiguousarray(array[start : start + 16]).tobytes())
    return total.hexdigest()


def peak() -> float:
    """Of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one(way: str, symbols: int, sessions: int, megabytes: int, folder: Path) -> dict[str, object]:
    """Build once, in this process."""
    walks, names = Walks(sessions), tuple(f"S{i:05d}" for i in range(symbols))
    config = FeatureConfig(sentiment=False)
    Walks(sessions)(names[:1])
    before, own = peak(), OwnMemory()
    begun = time.process_time()
    if way == "at once":
        panel = build_panel(walks(names), config)
    elif way == "training":
        from tenor.training import chronological, fit  # PyTorch would be in the memory of the other ways as well

        panel = open_panel(folder)
        split = chronological(panel.sessions, SplitConfig(), purge=max(panel.horizons))
        fit(panel, split, features=config, model=TINY, training=ONE_EPOCH, workers=1)
    else:
        panel = panel_in_blocks(walks, names, config, folder, megabytes=megabytes, workers=1)
    seconds, most = time.process_time() - begun, peak()
    size = sum(getattr(panel, name).nbytes for name in ARRAYS) / 2**20
    return {
        "way": way,
        "symbols": symbols,
        "sessions": sessions,
        "features": len(panel.features),
        "CPU-seconds": round(seconds, 1),
        "MiB before": round(before),
        "MiB at most": round(most),
        "of its own": round(own.most),
        "MiB of the panel": round(size),
        "sha256": digest(panel),
    }


def main() -> None:
    """Each size both ways, and a table."""
    options = argparse.ArgumentParser()
    options.add_argument("--symbols", type=int, nargs="+", default=[500, 1000, 2000])
    options.add_argument("--sessions", type=int, default=2520)
    options.add_argument("--megabytes", type=int, default=128)
    options.add_argument("--folder", type=Path, default=None)
    options.add_argument("--way", choices=WAYS, nargs="+", default=WAYS[:2])
    options.add_argument("--here", action="store_true", help="one size, one way, in this process")
    given = options.parse_args()
    if given.here:
        print(json.dumps(one(given.way[0], given.symbols[0], given.sessions, given.megabytes, given.folder)))
        return
    for symbols in given.symbols:
        digests = set()
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            for way in given.way:
                command = [sys.executable, __file__, "--here", "--way", way, "--symbols", str(symbols)]
                command += ["--sessions", str(given.sessions), "--megabytes", str(given.megabytes)]
                command += ["--folder", f"{folder}/panel"]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                row = json.loads(done.stdout)
                digests.add(row["sha256"])
                print(json.dumps(row), flush=True)
        if len(given.way) > 1:
            print(f"{symbols} symbols: {'the same bytes' if len(digests) == 1 else 'OTHER BYTES'}", flush=True)


if __name__ == "__main__":
    main()
