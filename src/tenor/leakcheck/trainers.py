"""Checks of trainers: what is learned, chosen or scaled must not change if the test rows change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tenor.errors import ConfigError, DataError, one_line
from tenor.leakcheck.report import LeakFinding, LeakReport
from tenor.schema import Float64, Panel, Predictions

if TYPE_CHECKING:  # importing training loads torch, which a check of an own trainer does not need
    from tenor.training import Split

FitPredict = Callable[[Panel, "Split"], Any]
_NUDGE = 1e-4  # training on the targets reacts to such a small change; choosing an epoch by them does not
# parts of the names of curves that rise if the model improves
_RISING = ("acc", "auc", "mcc", "f1", "r2", "ic", "score", "sharpe")


@dataclass(frozen=True)
class TrainerOutput:
    """A trainer's forecasts for the whole panel, [session, symbol] or with horizons, and its choice (an epoch)."""

    mean: Float64
    chosen: Any


@dataclass
class _Trainer:
    function: FitPredict
    split: Split
    name: str
    runs: int = 0

    def __call__(self, panel: Panel) -> TrainerOutput:
        self.runs += 1
        try:
            return _read(self.function(panel, self.split), panel)
        except DataError:
            raise
        except (Exception, SystemExit) as error:
            text = one_line(error, 200).rstrip(".")
            raise DataError(f"{self.name} raised {type(error).__name__}{f' ({text})' if text else ''}.") from error


def check_trainer(
    function: FitPredict, panel: Panel, split: Split, *, seed: int = 0, name: str | None = None
) -> LeakReport:
    """Train again with other test targets, other test features, and other targets where these reach into the next part.

    Parameters
    ----------
    function
        ``function(panel, split)`` trains on ``split.train``, may choose on ``split.valid``, and returns forecasts for
        every session of the panel: Predictions, an array [session, symbol] or [session, symbol, horizon], or a pair
        of one of them and what it chose (such as the epoch). It may also return a Forecaster.
    panel
        The panel, with unscaled features and targets.
    split
        The parts of the panel.
    seed
        Seed of the random changes.
    name
        Name of the trainer in the report; by default that of the function.

    Returns
    -------
    LeakReport
        The findings, what was checked, and what was not.

    Raises
    ------
    DataError
        `function` raises, or returns something else.
    """
    trainer = _Trainer(function, split, str(name or getattr(function, "__name__", type(function).__name__)))
    base, again = trainer(panel), trainer(panel)
    if _differ(base, again).any() or base.chosen != again.chosen:
        text = "two trainings on the same panel give different forecasts"
        return LeakReport((LeakFinding("not_repeatable", trainer.name, text),), (f"{trainer.name}: 2 trainings",))
    rng = np.random.default_rng(seed)
    findings, notes = _targets_of_test(trainer, panel, base, rng), []
    if findings:
        notes.append("scaling: the effect of the test's targets hides that of its features")
    else:
        findings += _features_of_test(trainer, panel, base, rng)
    findings += _overlap(trainer, panel, base)
    if not findings and not _differ(base, trainer(_with_targets(panel, split.train, lambda y: -2 * y))).any():
        findings.append(
            LeakFinding("unresponsive", trainer.name, "turning every training target round changed nothing")
        )
    checked = (
        f"{trainer.name}: {trainer.runs} trainings with other targets and features of the test and of rows before it",
    )
    return LeakReport(tuple(findings), checked, tuple(notes))


def check_history(history: pd.DataFrame, *, chosen: int | None = None) -> LeakReport:
    """Check whether the chosen epoch is the best one on the test, and not the best one on validation.

    Parameters
    ----------
    history
        One row per epoch, with columns whose names begin with ``val`` (validation) and ``test``.
    chosen
        The epoch whose weights were saved: a value of the column ``epoch`` or, without one, a row counted from 0. If
        None, a column ``best``, ``chosen`` or ``kept`` must mark it.

    Returns
    -------
    LeakReport
        The finding, if there is one, and what was compared.

    Raises
    ------
    DataError
        There is no column of the test, or there are no rows.
    ConfigError
        The chosen epoch is not given, or is not in the history.
    """
    if history.empty:
        raise DataError("the training history has no rows.")
    frame = history.set_axis([str(c).strip().lower() for c in history.columns], axis=1)
    tests = [c for c in frame.columns if c.startswith("test")]
    valids = [c for c in frame.columns if c.startswith("val")]
    if not tests:
        raise DataError(f"the training history has no column of the test, like test_loss: {', '.join(frame.columns)}.")
    epochs = frame["epoch"].to_numpy() if "epoch" in frame else np.arange(len(frame))
    if chosen is None:
        mark = next((c for c in ("best", "chosen", "kept") if c in frame), None)
        marked = np.flatnonzero(frame[mark].astype("bool")) if mark else np.array([], dtype=int)
        if len(marked) != 1:
            raise ConfigError("the chosen epoch is not given: name it, or mark its row in a column 'best'.")
        chosen = int(epochs[marked[0]])
    if chosen not in epochs:
        raise ConfigError(f"epoch {chosen} was chosen, but the history has {epochs.min()} to {epochs.max()}.")
    by_test = {c: epochs[_best(frame[c], c)] for c in tests}
    by_valid = {c: epochs[_best(frame[c], c)] for c in valids}
    checked = (f"the chosen epoch, {chosen} of {len(frame)}, against {', '.join([*valids, *tests])}",)
    at = [c for c, epoch in by_test.items() if epoch == chosen]
    if not at or chosen in by_valid.values():
        return LeakReport((), checked)
    why = "there is no curve of a validation part"
    if by_valid:
        why = f"validation was best at {', '.join(f'{epoch} ({c})' for c, epoch in by_valid.items())}"
    finding = LeakFinding("test_set_early_stopping", f"epoch {chosen}", f"it is the best by {at[0]!r}, and {why}")
    return LeakReport((finding,), checked)


def is_history(frame: pd.DataFrame) -> bool:
    """Whether the table looks like learning curves: it has epochs and a column of the test."""
    names = [str(c).strip().lower() for c in frame.columns]
    return "epoch" in names and any(n.startswith("test") for n in names)


def _targets_of_test(
    trainer: _Trainer, panel: Panel, base: TrainerOutput, rng: np.random.Generator
) -> list[LeakFinding]:
    """Findings on training with the test's targets, or choosing by them."""
    test = slice(trainer.split.test.start, len(panel.sessions))
    order = rng.permutation(test.stop - test.start)
    forecast = base.mean[test] if base.mean.ndim == 3 else base.mean[test, :, None]
    spread = float(np.std(forecast[np.isfinite(forecast)])) if np.isfinite(forecast).any() else 0.0
    # ten times the standard deviation of the targets, whatever the unit of the forecasts
    size = 10 * float(np.nanstd(panel.targets[test])) / spread if spread > 0 else 1.0
    # targets that agree with the forecasts make long training look better, opposite ones short training
    for description, other in (
        ("opposite to its forecasts", lambda y: np.where(np.isnan(forecast), y, -size * forecast)),
        ("equal to its forecasts, enlarged", lambda y: np.where(np.isnan(forecast), y, size * forecast)),
        ("shuffled over its days", lambda y: y[order]),
    ):
        fitted = trainer(_with_targets(panel, test, other))
        moved = _differ(base, fitted)
        if not moved.any() and fitted.chosen == base.chosen:
            continue
        text = f"with the test's targets {description}, {_share(moved)} of its forecasts changed"
        where = f"{trainer.name}, test from {panel.sessions[test.start]:%Y-%m-%d}"
        if fitted.chosen != base.chosen:
            text += f", and it chose {fitted.chosen} instead of {base.chosen}"
        # training reacts to the smallest change; choosing the best of a few epochs does not
        nudged = trainer(_with_targets(panel, test, lambda y: y * np.float32(1 + _NUDGE)))
        if _differ(base, nudged).any():
            text += f"; a change of {_NUDGE:.0e} of them changes forecasts as well: the model is trained on them"
            return [LeakFinding("trained_on_test", where, text)]
        text += f"; a change of {_NUDGE:.0e} of them changes nothing: something is chosen by them"
        return [LeakFinding("test_set_early_stopping", where, text)]
    return []


def _features_of_test(
    trainer: _Trainer, panel: Panel, base: TrainerOutput, rng: np.random.Generator
) -> list[LeakFinding]:
    """Findings on scaling, or another fit, with the test's rows: it changes forecasts made before the test."""
    start = trainer.split.test.start
    values, closes, opens = panel.values.copy(), panel.close.copy(), panel.open.copy()
    later = values[start:]
    spread = np.where(panel.mask[start:, :, None], 1.0, 0.0).astype(np.float32)
    later += spread * (1 + 2 * rng.normal(size=later.shape)).astype(np.float32)
    factor = np.exp(rng.normal(0, 0.3, closes[start:].shape))
    closes[start:] *= factor
    opens[start:] *= factor
    targets = panel.targets.copy()
    targets[start:] *= -2
    moved = _differ(base, trainer(replace(panel, values=values, close=closes, open=opens, targets=targets)))[:start]
    if not moved.any():
        return []
    days = np.flatnonzero(moved.any(axis=tuple(range(1, moved.ndim))))
    where = f"{trainer.name}, sessions before {panel.sessions[start]:%Y-%m-%d}"
    text = f"with other features in the test, {_share(moved)} of the forecasts made before it changed"
    if len(days) > start // 2:
        return [LeakFinding("scaler_on_all_data", where, f"{text}, from {panel.sessions[days[0]]:%Y-%m-%d} on")]
    return [LeakFinding("future", where, f"{text}, the first {start - days[0]} sessions before it")]


def _overlap(trainer: _Trainer, panel: Panel, base: TrainerOutput) -> list[LeakFinding]:
    """Findings on targets that end after the next part has begun."""
    split = trainer.split
    findings = []
    for part, starts in (("train", split.valid.start), ("validation", split.test.start)):
        targets = panel.targets.copy()
        for i, horizon in enumerate(panel.horizons):
            rows = slice(max(starts - horizon + 1, 0), starts)
            targets[rows, :, i] *= -3
        if np.array_equal(targets, panel.targets, equal_nan=True):
            continue
        moved = _differ(base, trainer(replace(panel, targets=targets)))
        if moved.any():
            text = (
                f"targets that end after {panel.sessions[starts]:%Y-%m-%d}, where the next part begins, change "
                f"{_share(moved)} of the forecasts (horizons {', '.join(map(str, panel.horizons))})"
            )
            findings.append(LeakFinding("overlapping_targets", f"{trainer.name}, end of {part}", text))
    return findings


def _with_targets(panel: Panel, rows: slice, other: Callable[[Any], Any]) -> Panel:
    targets = panel.targets.copy()
    new = other(targets[rows])
    # the pattern of missing targets does not change
    targets[rows] = np.where(np.isfinite(targets[rows]) & np.isfinite(new), new, targets[rows])
    return replace(panel, targets=targets)


def _read(output: Any, panel: Panel) -> TrainerOutput:
    chosen: Any = None
    if isinstance(output, tuple) and len(output) == 2:
        output, chosen = output
    if hasattr(output, "predict") and hasattr(output, "history"):  # a Forecaster
        chosen = tuple(history.best_epoch for history in output.history)
        output = output.predict(panel)
    mean = output.mean if isinstance(output, Predictions) else output
    grid = (len(panel.sessions), len(panel.symbols))
    if not isinstance(mean, np.ndarray) or mean.shape[:2] != grid:
        got = f"an array of shape {mean.shape}" if isinstance(mean, np.ndarray) else type(mean).__name__
        raise DataError(
            f"the trainer returned {got}: return Predictions or an array [{grid[0]}, {grid[1]}] of forecasts for the "
            "whole panel, or a pair of it and what was chosen."
        )
    return TrainerOutput(mean.astype("float64"), chosen)


def _differ(first: TrainerOutput, second: TrainerOutput) -> Any:
    """Where forecasts differ in any bit; two missing ones count as equal."""
    return (first.mean != second.mean) & ~(np.isnan(first.mean) & np.isnan(second.mean))


def _share(moved: Any) -> str:
    return f"{moved.mean():.0%}" if moved.mean() > 0.01 else f"{int(moved.sum())} of {moved.size}"


def _best(column: pd.Series[Any], name: str) -> int:
    """The row where a curve is best: the minimum of errors and losses, the maximum of scores."""
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype="float64")
    if np.isnan(values).all():
        raise DataError(f"the training history's column {name!r} holds no numbers.")
    rising = any(part in _RISING for part in name.replace("-", "_").split("_")) or name.endswith("accuracy")
    return int(np.nanargmax(values) if rising else np.nanargmin(values))
