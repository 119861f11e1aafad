"""Walk the default settings forward on a file of bars and judge the risk forecasts beside all rivals; JSON and a table.

The figures of README's table of panels come from here; networks are cached, so that a run that was killed goes on.

    python perf/risk_panel.py panel.parquet --folds 4 --valid 252 --test 242 --end 2025-11-17 --out us89.json
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tenor.config import FeatureConfig, FoldConfig, ModelConfig, TrainConfig
from tenor.evaluation.risk import LOSSES, RiskEvaluation
from tenor.evaluation.risk_walk import risk_evaluations, risk_headline, use_risk, walk_rivals
from tenor.evaluation.walkforward import walk
from tenor.features import build_panel
from tenor.ingest.importing import import_files
from tenor.schema import Bars
from tenor.training.folds import fold_table, walk_forward
from tenor.workspace import Workspace


def main() -> None:
    """Read the options, walk, evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--calendar", default="XNYS")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--valid", type=int, default=252)
    parser.add_argument("--test", type=int, default=242)
    parser.add_argument("--end", default=None)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    features = FeatureConfig(calendar=options.calendar)
    panel = build_panel(bars_of(options.path, options.calendar), features)
    folds = FoldConfig(
        folds=options.folds, valid_sessions=options.valid, test_sessions=options.test, test_end=options.end
    )
    splits = walk_forward(panel.sessions, folds, purge=max(panel.horizons))
    say(fold_table(panel.sessions, splits))
    cache = options.cache or Path(tempfile.gettempdir()) / "tenor-risk-panel"
    model, training = ModelConfig(), TrainConfig(seeds=tuple(range(options.seeds)))
    walked, plain = (
        walk(
            panel,
            splits,
            features=features,
            model=replace(model, attention=attention),
            training=training,
            baselines=(),
            adaptive=attention,
            cache=cache,
            workers=options.workers,
        )
        for attention in (True, False)
    )
    walked.predictions[plain.name] = plain.predictions[plain.name]
    rivals = walk_rivals(panel, splits, workers=options.workers)
    evaluations = risk_evaluations(panel, walked, rivals.forecasts)
    use = use_risk(panel, walked, rivals.forecasts)
    say(risk_headline(evaluations))
    for evaluation in evaluations.values():
        show(evaluation)
    result = {
        "verdict": risk_headline(evaluations),
        "replaced": {name: list(symbols) for name, symbols in rivals.replaced.items()},
        "evaluations": [evaluation.to_json() for evaluation in evaluations.values()],
        "use": use.to_json(),
    }
    options.out.write_text(json.dumps(result, indent=1, allow_nan=False), encoding="utf-8")


def bars_of(path: Path, calendar: str) -> Bars:
    """The bars of a file or folder, imported as any user's are."""
    with tempfile.TemporaryDirectory() as store:
        import_files(store, [str(path)], calendar=calendar)
        return Workspace(store).lake.bars(None, calendar=calendar)


def show(evaluation: RiskEvaluation) -> None:
    """One horizon as a table."""
    say(f"\n{evaluation.horizon} ahead, {evaluation.days} days, {evaluation.samples} forecasts")
    for name, values in evaluation.table.items():
        cells = []
        for loss in LOSSES:
            value = values[loss].value * (1e4 if loss == "crps" else 1)
            test = evaluation.comparisons.get(name, {}).get(loss)
            change = "" if test is None else f" {100 * test.change:+.2f} % t {test.statistic:+.1f} p {test.holm:.4f}"
            cells.append(f"{value:.4f}{change}")
        shares = " ".join(f"{100 * values[f'coverage_{p}'].value:.1f}" for p in (50, 80, 90, 98))
        volatile = f"{100 * values['coverage_90_volatile'].value:.1f}"
        say(f"{name:42} {' | '.join(f'{cell:34}' for cell in cells)} | {shares} | {volatile}")
    for name, tails in list(evaluation.tails.items())[:2]:
        for confidence, test in tails.items():
            rejected = ", ".join(f"{key} {share:.2f}" for key, share in test.rejected.items())
            say(
                f"  {name} VaR {confidence}: {test.violations.value:.4f} p {test.p:.3f} {rejected}; "
                f"Z2 {test.shortfall:+.3f} p {test.shortfall_p:.3f}"
            )
    say(f"  within its band: {100 * evaluation.in_band:.0f} % of symbols")


def say(text: str) -> None:
    """Print at once: a run takes minutes."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
