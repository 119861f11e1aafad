"""Walk the networks of examples/networks forward beside tenor's own, with and without attention; JSON and a table.

The figures of docs/own-models.md come from here. All have the same folds, seeds and settings of training; nothing is
chosen by the test part. Networks are cached, so that a run that was killed goes on.

    python perf/networks.py --config examples/demo.toml --seeds 3 --out networks.json
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from tenor.config import Config, ModelConfig
from tenor.data import embedded_bars
from tenor.evaluation import cells
from tenor.evaluation.comparison import compare_models
from tenor.evaluation.contrasts import RISK, Ablation, compare_walks
from tenor.evaluation.risk import RiskEvaluation, evaluate_risk
from tenor.evaluation.walkforward import WalkForward, walk
from tenor.features import build_panel
from tenor.schema import Panel
from tenor.storage.files import json_values
from tenor.training.folds import fold_table, walk_forward

EXAMPLES = Path(__file__).parent.parent / "examples" / "networks"
OURS, PLAIN = "attention LSTM", "LSTM without attention"
OWN = {"GRU": "gru.py:GRU", "TCN": "tcn.py:TCN", "transformer": "transformer.py:Transformer"}


def main() -> None:
    """Read the options, walk, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--symbols", type=int, default=None, help="Of the embedded 88, every n-th, so many.")
    parser.add_argument("--alone", action="store_true", help="Without each symbol's own regression (model.linear).")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "tenor-networks")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    config = Config.read(options.config)
    bars = embedded_bars()
    if options.symbols is not None:
        every = np.linspace(0, len(bars.symbols) - 1, options.symbols).round().astype(int)
        bars = bars.select([bars.symbols[i] for i in every])
    panel = build_panel(bars, config.features)
    splits = walk_forward(panel.sessions, config.folds, purge=max(panel.horizons))
    say(fold_table(panel.sessions, splits))
    model = replace(config.model, linear=not options.alone)
    arms: dict[str, ModelConfig] = {OURS: model, PLAIN: replace(model, attention=False)}
    arms |= {name: replace(model, network=str(EXAMPLES / spec)) for name, spec in OWN.items()}
    walks: dict[str, WalkForward] = {}
    for name, network in arms.items():
        begun = time.process_time()
        walks[name] = walk(
            panel,
            splits,
            features=config.features,
            model=network,
            training=replace(config.training, seeds=tuple(range(options.seeds))),
            baselines=(),
            cache=options.cache,
            workers=options.workers,
        )
        shares = np.mean(
            [f.forecaster.recipe.calibration.fitted["log_variance"]["share"] for f in walks[name].folds], 0
        )
        parameters = sum(p.numel() for p in walks[name].folds[0].forecaster.networks[0].parameters())
        say(
            f"{name}: {parameters:,} parameters, {time.process_time() - begun:.0f} s of processor time in this run; "
            f"its share of the forecast {', '.join(f'{share:.2f}' for share in shares)}"
        )
    result = {"symbols": list(panel.symbols), "horizons": [judged(panel, walks, h) for h in panel.horizons]}
    options.out.write_text(json.dumps(json_values(result), indent=1, allow_nan=False), encoding="utf-8")


def judged(panel: Panel, walks: dict[str, WalkForward], horizon: int) -> dict[str, object]:
    """One horizon: risk with Holm's correction over the networks, direction, and the seeds one by one."""
    first = walks[OURS]
    counted = first.counted(panel)
    predictions = {name: each.predictions[each.name] for name, each in walks.items()}
    forecasts = {name: p.risk for name, p in predictions.items() if p.risk is not None}
    risk = evaluate_risk(counted, first.rows, forecasts, horizon=horizon)
    ablation = compare_walks(panel, walks, horizon=horizon, kinds=partial(cells.by_volatility, panel))
    direction = compare_models(counted, first.rows, predictions, horizon=horizon)
    show(risk, ablation)
    for comparison in direction:
        say(f"  {comparison.verdict}")
    return {
        "risk": risk.to_json(),
        "ablation": ablation.to_json(),
        "direction": [comparison.to_json() for comparison in direction],
    }


def show(risk: RiskEvaluation, ablation: Ablation) -> None:
    """A row a network: change of squared error and QLIKE against the attention LSTM, and by seed."""
    say(f"\n{risk.horizon} ahead, {risk.days} days, {risk.samples} forecasts")
    by_seed = {
        contrast.other: -np.array(contrast.by_seed[RISK]) for contrast in ablation.contrasts if contrast.cells == "all"
    }
    for name, values in risk.table.items():
        parts = [f"{name:24}"]
        for loss in ("log_variance_mse", "qlike"):
            test = risk.comparisons.get(name, {}).get(loss)
            change = (
                "" if test is None else f" ({-100 * test.change / (1 + test.change):+.1f} %, Holm p {test.holm:.3f})"
            )
            parts.append(f"{loss} {values[loss].value:.4f}{change}")
        levels = ablation.levels[name]
        parts.append(f"direction {100 * levels['direction']:.1f} %, rank IC {levels['rank_ic']:+.3f}")
        seeds = by_seed.get(name, np.array([]))
        spread = float(seeds.std(ddof=1)) if len(seeds) > 1 else math.nan
        if len(seeds):
            parts.append(f"seeds {seeds.mean():+.4f} sd {spread:.4f}")
        say(" | ".join(parts))


def say(text: str) -> None:
    """Print at once: a run takes minutes."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
