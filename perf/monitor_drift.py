"""What the drift alarm finds and how often it is raised for nothing, on embedded bars, along the path in use.

Bars go into a lake, a small model is trained there by `tenor train`'s own code, and the panel and the training part are
those that `tenor refresh` hands to the monitor. Planted: all cells of a feature in a window of 20 sessions of the test
part, moved up or down by some standard deviations of the training part, one feature at a time. Undisturbed: every
session of the validation and test parts in turn is taken for the last one. Prints JSON.

    python perf/monitor_drift.py --out monitor.json
"""

from __future__ import annotations

import argparse
import collections
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tenor.config import Config
from tenor.ingest.importing import import_files
from tenor.lake_forecasts import LakeForecasts
from tenor.pipeline.train import train
from tenor.schema import Panel
from tenor.serving.drift import WINDOW, profile
from tenor.serving.monitor import feature_drift, training_part
from tenor.workspace import Workspace

SETTINGS = ("training.seeds=[0]", "training.epochs=1", "model.hidden=8")
"""Of the model: neither its weights nor its forecasts play a part, only its recipe does."""
SHIFTS = (0.5, 1.0, 2.0, 3.0)
MONTH = 21
"""Sessions."""


def main() -> None:
    """Read the options, train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("examples/demo.toml"))
    parser.add_argument("--every", type=int, default=40, help="sessions between the windows with planted drifts")
    parser.add_argument("--step", type=int, default=1, help="sessions between the undisturbed days that are checked")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as store:
        import_files(store, ["embedded"])
        train(store, Config.read(options.config, SETTINGS))
        workspace = Workspace(store)
        run = LakeForecasts(workspace, workspace.predictor())
        recipe, panel = run.recipe, (run.trained or run.everything).panel
    training = training_part(panel, recipe)
    result = {
        "features": len(panel.features),
        "training": [training.start, training.stop],
        "undisturbed": undisturbed(panel, training, options.step),
        "planted": planted(panel, training, options.every),
    }
    text = json.dumps(result, indent=1)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


def undisturbed(panel: Panel, training: slice, step: int) -> dict[str, Any]:
    """Every day after the training part as the last one: days with an alarm, alarms that begin, their features."""
    ends = range(training.stop + WINDOW, len(panel.sessions) + 1, step)
    by_feature: collections.Counter[str] = collections.Counter()
    days = begun = 0
    greatest = 0.0
    before: set[str] = set()
    for end in ends:
        checks = feature_drift(panel.between(0, end), training)
        raised = {check.name for check in checks if check.alarm}
        days += bool(raised)
        begun += len(raised - before)
        by_feature.update(raised)
        before = raised
    for k in range(len(panel.features)):
        greatest = max(greatest, profile(panel.values[:, :, k], panel.mask, training).bounds[1])
    sessions = len(ends) * step
    return {
        "days": len(ends),
        "days_with_alarm": days,
        "days_with_alarm_a_month": round(days / len(ends) * MONTH, 2),
        "alarms_begun_a_month": round(begun / sessions * MONTH, 2),
        "days_by_feature": dict(by_feature.most_common()),
        "greatest_ks_bound": round(greatest, 4),
    }


def planted(panel: Panel, training: slice, every: int) -> dict[str, Any]:
    """The share of the features found, by the shift in standard deviations, over windows `every` sessions apart."""
    ends = range(training.stop + 5 * WINDOW, len(panel.sessions) + 1, every)
    found: dict[float, list[bool]] = {shift: [] for shift in SHIFTS}
    per_feature: dict[float, dict[str, float]] = {shift: {} for shift in SHIFTS}
    for k, name in enumerate(panel.features):
        values = panel.values[:, :, k]
        spread = values[training][panel.mask[training]].std(dtype="float64")
        if spread == 0:  # constant in the training part: there is no such thing as its spread
            continue
        usual = profile(values, panel.mask, training)
        for shift in SHIFTS:
            hits = []
            for end in ends:
                window, mask = values[end - WINDOW : end], panel.mask[end - WINDOW : end]
                hits += [
                    usual.judge((window + np.float32(sign * shift * spread)).astype("float32"), mask)[0] > 1
                    for sign in (-1, 1)
                ]
            found[shift] += hits
            per_feature[shift][name] = float(np.mean(hits))
    return {
        "windows": len(ends),
        "share_found": {str(shift): round(float(np.mean(hits)), 3) for shift, hits in found.items()},
        "features_found_in_most_windows": {
            str(shift): f"{sum(share > 0.5 for share in shares.values())} of {len(shares)}"
            for shift, shares in per_feature.items()
        },
        "found_in_less_than_half_of_windows_at_3": [name for name, share in per_feature[3.0].items() if share <= 0.5],
    }


if __name__ == "__main__":
    main()
