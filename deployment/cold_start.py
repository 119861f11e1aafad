"""How long a cold start takes, import to first forecast, as a ratio to the same with PyTorch and transformers.

``python deployment/cold_start.py --store LAKE`` runs the functions under Lambda's emulator, interleaved, and prints
medians. The store must hold a model and published forecasts (``tenor refresh``).
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from emulator import RIE, Emulator, http_event

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
ROUNDS = 5
WITH_TORCH = """
import json, os
import torch, transformers
from tenor.pipeline.train import load
from tenor.lake_forecasts import LakeForecasts
from tenor.workspace import Workspace

def handler(event, context):
    workspace = Workspace(os.environ["TENOR_STORE"])
    model = load(workspace.registry)
    lake = LakeForecasts(workspace, workspace.predictor())
    panel = model.recipe.panel(lake.trained_bars, lake.sentiment)
    return model.forecast(panel, "AAPL", 1).to_json()
"""
WITHOUT = """
import os
from tenor.pipeline.predict import predict

def handler(event, context):
    return predict(os.environ["TENOR_STORE"], ["AAPL"])[0].to_json()
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--store", type=Path, required=True)
    options = parser.parse_args()
    if RIE is None:
        sys.exit("the emulator is not here: run 'make -C deployment tools' first.")
    env = {"TENOR_STORE": str(options.store.resolve()), "TENOR_AUTH": "gateway"}
    with tempfile.TemporaryDirectory() as scratch:
        api = Path(scratch) / "api"
        with zipfile.ZipFile(BUILD / "api-x86_64.zip") as archive:
            archive.extractall(api)
        refresh = Path(scratch) / "refresh"
        shutil.copytree(BUILD / "refresh-x86_64", refresh)
        (refresh / "without.py").write_text(WITHOUT)
        heavy = Path(scratch) / "heavy"
        heavy.mkdir()
        (heavy / "heavy.py").write_text(WITH_TORCH)
        everything = next((HERE.parent / ".venv" / "lib").glob("python3*/site-packages"))
        source = str(HERE.parent / "src")
        request = http_event("GET", "/v1/forecast/AAPL")
        arms = {
            "API function: published forecast": (api, "tenor.aws.api", env, request),
            "refresh function: forecast made with ONNX Runtime": (refresh, "without.handler", env, {}),
            "the same with PyTorch and transformers": (
                heavy, "heavy.handler", env | {"PYTHONPATH": f"{heavy}:{source}:{everything}"}, {}
            ),
        }  # fmt: skip
        seconds: dict[str, list[float]] = {name: [] for name in arms}
        for round_ in range(ROUNDS + 1):
            for name, (task, handler, settings, event) in arms.items():
                function = Emulator(RIE, task, handler, settings, timeout=120)
                begun = time.perf_counter()
                result = function.invoke(event, patience=130)
                spent = time.perf_counter() - begun
                printed = function.stop()
                if result.get("statusCode", 200) != 200 or "errorMessage" in result:
                    sys.exit(f"{name}: {result}\n{printed}")
                if round_:  # the first round reads the files into memory
                    seconds[name].append(spent)
    slowest = statistics.median(seconds["the same with PyTorch and transformers"])
    for name, measured in seconds.items():
        median = statistics.median(measured)
        span = f"{min(measured):.2f} … {max(measured):.2f}"
        print(f"{median:6.2f} s  {span}  {median / slowest:5.3f} of the last  {name}")


if __name__ == "__main__":
    main()
