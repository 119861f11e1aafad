"""Training, fine-tuning and text scoring on a CUDA card beside all cores of its machine, and how far results differ.

A few minutes, on the embedded bars::

    python perf/gpu.py --out gpu.json

Where PyTorch sees no card, only the cores are measured. Rates are predictions trained a second: the known targets of
the training part (a cell's return and log variance count once), each epoch.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tenor.config import FeatureConfig, FoldConfig, ModelConfig, SplitConfig, TrainConfig
from tenor.data import embedded_bars
from tenor.engines import LocalEngine
from tenor.features import build_panel
from tenor.heads import HEADS, TARGETS
from tenor.schema import Panel
from tenor.training import chronological
from tenor.training.fit import prepare
from tenor.training.folds import walk_forward
from tenor.training.forecaster import build, mean_outputs, outputs
from tenor.training.parallel import train_seeds
from tenor.training.stack import train_stacked
from tenor.training.trainer import History, Task

FOLDS = FoldConfig(folds=4, valid_sessions=126, test_sessions=126)


def main() -> None:
    """Measure, print, and write JSON after each part."""
    options = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    options.add_argument("--out", type=Path, default=Path("gpu.json"))
    options.add_argument("--networks", type=int, default=32, help="seeds of the largest batch, in each of 4 folds")
    options.add_argument("--quick", action="store_true", help="tiny networks, to see that all of it runs")
    options.add_argument("--parts", nargs="*", default=["rates", "differences", "texts"])
    given = options.parse_args()
    result: dict[str, Any] = {"machine": machine()}
    measure = {"rates": rates, "differences": differences, "texts": texts}
    for part in given.parts:
        begun = time.perf_counter()
        try:
            result[part] = measure[part](given)
        except Exception as error:  # noqa: BLE001 (what was measured before it is worth having)
            result[part] = {"failed": f"{type(error).__name__}: {error}"[:400]}
        result[part]["seconds of this part"] = time.perf_counter() - begun
        given.out.write_text(json.dumps(result, indent=1, default=float) + "\n")
        print(json.dumps({part: result[part]}, indent=1, default=float), flush=True)


def machine() -> dict[str, Any]:
    """What the numbers are of."""
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "card": card,
        "cores": len(os.sched_getaffinity(0)),
        "processor": LocalEngine().processor,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "tenor": version("tenor"),
    }


def settings(quick: bool) -> tuple[ModelConfig, TrainConfig, list[str] | None]:
    """The defaults, or something tiny."""
    if quick:
        return ModelConfig(hidden=8, lookback=20), TrainConfig(segments_per_step=8), ["AAPL", "MSFT", "XOM"]
    return ModelConfig(), TrainConfig(), None


def panel_of(symbols: list[str] | None) -> Panel:
    """The embedded bars as features."""
    bars = embedded_bars()
    return build_panel(bars if symbols is None else bars.select(symbols), FeatureConfig())


def fold_tasks(panel: Panel, model: ModelConfig, training: TrainConfig) -> list[Task]:
    """Seeds times four folds."""
    splits = walk_forward(panel.sessions, FOLDS, purge=max(panel.horizons))
    return [task for split in splits for task in prepare(panel, split, model, training).tasks]


def seed_tasks(panel: Panel, model: ModelConfig, training: TrainConfig) -> list[Task]:
    """Seeds on one split."""
    split = chronological(panel.sessions, SplitConfig(), purge=max(panel.horizons))
    return prepare(panel, split, model, training).tasks


def predictions(tasks: list[Task]) -> float:
    """Trained in one epoch of all of them."""
    return sum(float(task.data.known[:, task.train].sum()) / len(TARGETS) for task in tasks)


def on_card(tasks: list[Task], *, half: bool = False, device: str = "cuda") -> dict[str, Any]:
    """Rates of a training on the card: in all, and of an epoch once the graphs are recorded."""
    stamps: list[float] = []
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder) / str(i) for i in range(len(tasks))]

        def report(_history: History) -> None:
            stamps.append(time.perf_counter())

        reports: list[Callable[[History], None]] = [report, *[lambda _history: None] * (len(tasks) - 1)]
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        trained = train_stacked(tasks, places, reports, device=device, half=half)
    seconds = time.perf_counter() - begun
    epochs = len(stamps) - 1
    apart = np.diff(stamps)[1:]  # without the epoch that the graphs are recorded in
    steady = statistics.median(apart) if len(apart) else float("nan")
    return {
        "networks": len(tasks),
        "epochs": epochs,
        "seconds": seconds,
        "seconds an epoch": steady,
        "predictions a second, start included": predictions(tasks) * epochs / seconds,
        "predictions a second": predictions(tasks) / steady,
        "GiB of the card": torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else None,
        "validation loss": statistics.fmean(min(trainer.history.valid) for trainer in trained),
    }


def on_cores(tasks: list[Task], workers: int) -> dict[str, Any]:
    """Rates of a training by processes of this machine, their start left out by a warm-up."""
    engine = LocalEngine(workers)
    short = [replace(task, training=replace(task.training, epochs=1)) for task in tasks[:workers]]
    for each in (short, tasks):
        with tempfile.TemporaryDirectory() as folder:
            places = [Path(folder) / str(i) for i in range(len(each))]
            begun = time.perf_counter()
            trained = train_seeds(each, places, engine=engine, progress=None)
            seconds = time.perf_counter() - begun
    count = tasks[0].training.epochs
    return {
        "networks": len(tasks),
        "epochs": count,
        "workers": workers,
        "seconds": seconds,
        "predictions a second": predictions(tasks) * count / seconds,
        "validation loss": statistics.fmean(min(one.history.valid) for one in trained),
    }


def rates(given: argparse.Namespace) -> dict[str, Any]:
    """Networks of the default size: one seed, five, and many in each of four folds."""
    model, training, symbols = settings(given.quick)
    panel = panel_of(symbols)
    result: dict[str, Any] = {"symbols": len(panel.symbols), "sessions": len(panel.sessions)}
    many = tuple(range(given.networks))
    cores = len(os.sched_getaffinity(0))

    def fixed(seeds: tuple[int, ...], epochs: int) -> TrainConfig:
        return replace(training, seeds=seeds, epochs=epochs, patience=epochs)

    if torch.cuda.is_available():
        on_card(seed_tasks(panel, model, fixed((0,), 2)))  # libraries load
        for name, half in (("float32", False), ("bfloat16", True)):
            result[name] = {
                "1 seed": on_card(seed_tasks(panel, model, fixed((0,), 6)), half=half),
                "5 seeds": on_card(seed_tasks(panel, model, fixed(tuple(range(5)), 6)), half=half),
                f"{given.networks} seeds x 4 folds": on_card(fold_tasks(panel, model, fixed(many, 4)), half=half),
            }
            print(json.dumps(result[name], indent=1, default=float), flush=True)
    result["one core"] = on_cores(seed_tasks(panel, model, fixed((0,), 2)), 1)
    result["all cores"] = on_cores(seed_tasks(panel, model, fixed(tuple(range(cores)), 3)), cores)
    return result


def differences(given: argparse.Namespace) -> dict[str, Any]:
    """Validation losses and forecasts of the same seeds on the cores and on the card."""
    model, training, symbols = settings(given.quick)
    panel = panel_of(symbols)
    card = "cuda" if torch.cuda.is_available() else "cpu"
    cores = len(os.sched_getaffinity(0))
    result: dict[str, Any] = {"card": card}
    for name, dropout in (("without dropout", 0.0), ("dropout as it is", model.dropout)):
        own = replace(model, dropout=dropout)
        tasks = seed_tasks(panel, own, replace(training, seeds=tuple(range(8)), epochs=8))
        split = chronological(panel.sessions, SplitConfig(), purge=max(panel.horizons))
        scaled = prepare(panel, split, own, training).scaled
        with tempfile.TemporaryDirectory() as folder:
            places = [Path(folder) / str(i) for i in range(len(tasks))]
            here = train_seeds(tasks, places, engine=LocalEngine(min(8, cores)), progress=None)
        runs = {"cores": [({n: torch.from_numpy(v) for n, v in one.weights.items()}, one.history) for one in here]}
        for half in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                places = [Path(folder) / str(i) for i in range(len(tasks))]
                away = train_stacked(tasks, places, [lambda _history: None] * len(tasks), device=card, half=half)
            runs["bfloat16" if half else "float32"] = [(one.best, one.history) for one in away]
        forecasts = {}
        for run, trained in runs.items():
            networks = build([weights for weights, _ in trained], own, len(scaled.features), len(panel.horizons))
            forecasts[run] = [outputs(network, scaled) for network in networks]
        known = tasks[0].data.known.transpose(1, 0, 2)[split.valid][..., : len(panel.horizons)] > 0

        def cells(each: list[Any], head: str, known: Any = known, rows: slice = split.valid) -> Any:
            return np.asarray(mean_outputs(each)[head][rows], dtype=np.float64)[known]

        result[name] = {
            run: {
                "validation loss, mean of seeds": statistics.fmean(min(h.valid) for _, h in trained),
                "its standard deviation over seeds": statistics.stdev(min(h.valid) for _, h in trained),
                "largest difference of a seed to the cores": max(
                    abs(min(h.valid) - min(c.valid)) for (_, h), (_, c) in zip(trained, runs["cores"], strict=True)
                ),
                "mean forecast of all seeds, difference to the cores in its standard deviations": {
                    head.name: float(
                        np.abs(cells(forecasts[run], head.name) - cells(forecasts["cores"], head.name)).max()
                        / cells(forecasts["cores"], head.name).std()
                    )
                    for head in HEADS
                },
                "the same, root mean square": {
                    head.name: float(
                        np.sqrt(np.mean((cells(forecasts[run], head.name) - cells(forecasts["cores"], head.name)) ** 2))
                        / cells(forecasts["cores"], head.name).std()
                    )
                    for head in HEADS
                },
            }
            for run, trained in runs.items()
        }
        halves = [cells(forecasts["cores"][:4], "log_variance"), cells(forecasts["cores"][4:], "log_variance")]
        result[name]["two halves of the seeds on the cores, root mean square, log variance"] = float(
            np.sqrt(np.mean((halves[0] - halves[1]) ** 2)) / cells(forecasts["cores"], "log_variance").std()
        )
    return result


def texts(given: argparse.Namespace) -> dict[str, Any]:
    """Sentences a second: fine-tuning and scoring by PyTorch, and scoring by ONNX Runtime."""
    from transformers import BertConfig, BertModel

    from tenor.sentiment.encoder import SHIPPED, OnnxEncoder
    from tenor.sentiment.scorer import Scorer
    from tenor.sentiment.training.classifier import Classifier, FineTuneConfig, TunedClassifier, _tokenizer
    from tenor.sentiment.training.finetune import fine_tune
    from tenor.sentiment.training.graph import graph_weights
    from tenor.sentiment.training.labelled import LabelledTexts

    verbs, things = ("raises", "cuts", "keeps", "misses", "beats"), ("forecast", "dividend", "sales target", "guidance")
    sentences = tuple(
        f"Acme {i % 997} {verbs[i % 5]} its {things[i % 4]} for {'the year' if i % 3 else 'the second quarter'} "
        f"by {i % 89} % to {i} million"
        for i in range(512 if given.quick else 8192)
    )
    labels = np.arange(len(sentences), dtype=np.int64) % 3
    weights = graph_weights((SHIPPED / "model.onnx").read_bytes())
    # the shape of the shipped network, whose weights stand in its graph
    bert = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)

    def shipped(config: FineTuneConfig) -> TunedClassifier:
        model = Classifier(BertModel(bert, add_pooling_layer=False), 384, config.dropout)
        model.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in weights.items()})
        return TunedClassifier(model, _tokenizer(SHIPPED), config)

    count = len(sentences)
    result: dict[str, Any] = {"sentences": count}
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    runs = [("cores", "cpu", False, count // 8)]
    if torch.cuda.is_available():
        runs += [("card, float32", "cuda", False, count), ("card, bfloat16", "cuda", True, count)]
    losses = {}
    for name, device, half, some in runs:
        for dropout in (0.1, 0.0):
            config = FineTuneConfig(epochs=2, device=device, half_precision=half, dropout=dropout)
            tuned = shipped(config)
            stamps = [time.perf_counter()]
            epochs = fine_tune(
                tuned,
                LabelledTexts(sentences[:some], labels[:some], "made up"),
                on_epoch=lambda _epoch, stamps=stamps: stamps.append(time.perf_counter()),
            )
            if dropout:
                result[f"fine-tuning, {name}: sentences a second"] = some / (stamps[2] - stamps[1])
            elif some == count or device == "cpu":
                losses[name] = [epoch.loss for epoch in epochs]
    if torch.cuda.is_available():  # the same sentences and no dropout: what a card changes
        config = FineTuneConfig(epochs=2, device="cuda", dropout=0.0)
        some = count // 8
        epochs = fine_tune(shipped(config), LabelledTexts(sentences[:some], labels[:some], "made up"))
        losses["card, the cores' sentences"] = [epoch.loss for epoch in epochs]
    result["fine-tuning losses without dropout"] = losses
    plain = shipped(FineTuneConfig())
    logits = {}
    for name, device in [("cores", "cpu"), ("card", "cuda")][: 1 + torch.cuda.is_available()]:
        plain.model.to(device)
        plain.logits(sentences[:256])
        begun = time.perf_counter()
        logits[name] = plain.logits(sentences, batch_size=64 if device == "cpu" else 1024)
        result[f"scoring by PyTorch, {name}: texts a second"] = count / (time.perf_counter() - begun)
    if len(logits) == 2:
        result["scoring by PyTorch: largest difference of a logit"] = np.abs(logits["cores"] - logits["card"]).max()
    import onnxruntime

    result["ONNX Runtime"] = {"version": onnxruntime.__version__, "providers": onnxruntime.get_available_providers()}
    for device in ("cpu", "auto"):
        encoder = OnnxEncoder(threads=len(os.sched_getaffinity(0)), device=device)
        scorer = Scorer(encoder)
        scorer.score(sentences[:64])
        begun = time.perf_counter()
        scores = scorer.score(sentences)
        result[f"scoring by ONNX Runtime, {encoder.device}: texts a second"] = count / (time.perf_counter() - begun)
        if device == "cpu":
            first = scores.probabilities
        elif encoder.device == "cuda":
            result["scoring by ONNX Runtime: largest difference"] = np.abs(first - scores.probabilities).max()
    return result


if __name__ == "__main__":
    main()
