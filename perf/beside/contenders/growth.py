"""What one size costs tenor, step by step: a panel, an epoch and the forecasts; or texts counted by day, or scored."""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import worker

sys.path.insert(0, str(Path(__file__).parents[2]))  # perf/
from own_memory import OwnMemory

Step = Callable[[], object]


def prepare(arguments: dict[str, Any]) -> worker.Run:
    """Import all that the steps need, and make what they start from."""
    steps = STEPS[arguments["job"]](arguments)
    own = OwnMemory()

    def run() -> dict[str, Any]:
        own.forget()
        done: dict[str, Any] = {"before": own.most}
        for name, step in steps.items():
            begun = time.process_time()
            step()
            done[name] = {"cpu": time.process_time() - begun, "peak": own.most}
        return done

    return run


def _model(arguments: dict[str, Any]) -> Mapping[str, Step]:
    import torch

    from tenor.calendars import exchange
    from tenor.config import FeatureConfig, ModelConfig, SplitConfig, TrainConfig
    from tenor.features import build_panel, open_panel, panel_in_blocks
    from tenor.schema import Bars
    from tenor.training import chronological
    from tenor.training.fit import prepare as prepared
    from tenor.training.forecaster import outputs
    from tenor.training.trainer import Trainer

    torch.set_num_threads(1)
    torch.optim.Adam([torch.zeros(1, requires_grad=True)], fused=True)  # the first one imports for a second
    count, sessions = arguments["symbols"], round(252 * arguments["years"])
    days = exchange("XNYS").sessions(pd.Timestamp("2001-01-02"), pd.Timestamp("2025-01-02"))[:sessions]
    rng = np.random.default_rng(0)
    moves = 0.02 * rng.standard_normal((count, sessions))
    close = 50 * np.exp(np.cumsum(moves, axis=1)).ravel()
    names = np.repeat([f"S{i:05d}" for i in range(count)], sessions)
    prices = {"open": close, "high": close * 1.01, "low": close * 0.99, "close": close, "adj_close": close}
    bars = Bars(pd.DataFrame({"symbol": names, "session": np.tile(days, count), **prices, "volume": 1e6}))
    model = ModelConfig(lookback=arguments["lookback"])
    training = TrainConfig(seeds=(0,), burn_in=arguments["lookback"])
    state: dict[str, Any] = {}

    config = FeatureConfig(horizons=(1,))

    def panel() -> None:
        state["panel"] = build_panel(bars, config)

    def in_files() -> None:
        places = {name: range(i * sessions, (i + 1) * sessions) for i, name in enumerate(bars.symbols)}

        def bars_of(some: Sequence[str]) -> Bars:
            rows = itertools.chain.from_iterable(places[name] for name in some)
            return Bars(bars.frame.iloc[list(rows)].reset_index(drop=True))

        state["folder"] = tempfile.TemporaryDirectory(prefix="tenor-bench-")
        folder = Path(state["folder"].name) / "panel"
        panel_in_blocks(bars_of, bars.symbols, config, folder, megabytes=128, workers=1)
        state["panel"] = open_panel(folder)

    def epoch() -> None:
        split = chronological(state["panel"].sessions, SplitConfig(), purge=1)
        ready = prepared(state["panel"], split, model, training)
        trainer = Trainer(ready.tasks[0])
        trainer.run_epoch()
        state["net"], state["scaled"] = trainer.net.eval(), ready.scaled

    def forecasts() -> None:
        outputs(state["net"], state["scaled"])

    return {"panel": in_files if arguments.get("files") else panel, "epoch": epoch, "forecasts": forecasts}


def _counting(arguments: dict[str, Any]) -> Mapping[str, Step]:
    from daily_news_size import blocks

    from tenor.sentiment.daily import DailyNews

    symbols = [f"S{i:04d}" for i in range(500)]

    def counting() -> None:
        days = DailyNews()
        for news, scores in blocks(arguments["texts"], symbols, 5.0):
            days.add(news, scores)
        days.sentiment()

    return {"counting": counting}


def _scoring(arguments: dict[str, Any]) -> Mapping[str, Step]:
    from tenor.sentiment import Scorer

    scorer = Scorer.load()
    rng = np.random.default_rng(0)
    words = np.array(
        [
            "shares",
            "of",
            "the",
            "company",
            "rise",
            "fall",
            "after",
            "profit",
            "sales",
            "report",
            "and",
            "lower",
            "costs",
            "loss",
            "debt",
        ]
    )
    texts = [" ".join(rng.choice(words, rng.integers(8, 25))) + f" {i}" for i in range(arguments["texts"])]
    return {"scoring": lambda: scorer.score(texts)}


STEPS: Mapping[str, Callable[[dict[str, Any]], Mapping[str, Step]]] = {
    "model": _model,
    "counting": _counting,
    "scoring": _scoring,
}

if __name__ == "__main__":
    worker.serve(prepare)
