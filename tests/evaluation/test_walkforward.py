"""Folds fitted, saved, resumed and pooled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tenor.evaluation.walkforward as module
from tenor.errors import ConfigError
from tenor.evaluation.baselines import fit_baselines
from tenor.evaluation.evaluate import evaluate
from tenor.evaluation.walkforward import WalkForward, fold_key, walk
from tenor.inference.cells import usable
from tenor.schema import Panel
from tenor.training import Split, fit

FEW = ("persistence", "always-up")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("folds")


@pytest.fixture(scope="module")
def walked(sentiment_panel: Panel, folds: tuple[Split, ...], small: dict[str, Any], folder: Path) -> WalkForward:
    return walk(sentiment_panel, folds, **small, baselines=FEW, cache=folder, workers=1)


def test_a_fold_says_what_a_fit_of_its_own_says(
    walked: WalkForward, sentiment_panel: Panel, folds: tuple[Split, ...], small: dict[str, Any]
) -> None:
    for split in folds:
        alone = fit(sentiment_panel, split, **small, workers=1)
        for found, expected in (
            (walked.predictions["attention LSTM"], alone.predict(sentiment_panel)),
            *zip(walked.seeds.values(), alone.predict_with_each(sentiment_panel)[1], strict=True),
            *(
                (walked.predictions[name], said)
                for name, said in fit_baselines(sentiment_panel, split, names=FEW).items()
            ),
        ):
            np.testing.assert_array_equal(found.mean[split.test], expected.mean[split.test])
            np.testing.assert_array_equal(found.p_up[split.test], expected.p_up[split.test])
    upper = walked.predictions["attention LSTM"].upper
    assert upper is not None
    assert np.isfinite(upper[walked.rows][walked.mask[walked.rows]]).all()


def test_nothing_is_said_outside_the_test_parts(
    walked: WalkForward, sentiment_panel: Panel, small: dict[str, Any]
) -> None:
    assert walked.rows == slice(160, 260)
    assert list(walked.predictions) == ["attention LSTM", *FEW]
    assert list(walked.seeds) == [0, 3]
    for said in (*walked.predictions.values(), *walked.seeds.values()):
        assert np.isnan(said.mean[:160]).all()
    np.testing.assert_array_equal(walked.mask[160:], usable(sentiment_panel, small["model"].lookback)[160:])
    assert not walked.mask[:160].any()
    assert len(walked.table.splitlines()) == 3


def test_all_test_parts_are_judged_together(walked: WalkForward, sentiment_panel: Panel) -> None:
    for horizon in (1, 5):
        found = evaluate(
            walked.counted(sentiment_panel), walked.rows, walked.predictions, horizon=horizon, resamples=50
        )
        assert found.days == 100 - horizon
        assert list(found.table) == ["attention LSTM", *FEW]


def test_a_fold_does_not_know_what_comes_after_it(
    walked: WalkForward, sentiment_panel: Panel, folds: tuple[Split, ...], small: dict[str, Any]
) -> None:
    after = folds[0].test.stop
    values, targets, close = sentiment_panel.values.copy(), sentiment_panel.targets.copy(), sentiment_panel.close.copy()
    values[after:] = 7.0
    targets[after - 5 :] = 0.3
    close[after:] *= 2
    changed = replace(sentiment_panel, values=values, targets=targets, close=close)
    again = walk(changed, folds, **small, baselines=FEW, workers=1)
    for name, said in walked.predictions.items():
        np.testing.assert_array_equal(again.predictions[name].mean[:after], said.mean[:after])
    ours = walked.name
    assert (again.predictions[ours].mean[after:] != walked.predictions[ours].mean[after:]).any()


def test_kept_folds_are_not_trained_again(
    walked: WalkForward, sentiment_panel: Panel, folds: tuple[Split, ...], small: dict[str, Any], folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def no_fit(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(module, "fit", no_fit)
    monkeypatch.setattr(module, "train_seeds", no_fit)
    told: list[tuple[int, int]] = []
    again = walk(
        sentiment_panel,
        folds,
        **small,
        baselines=(),
        cache=folder,
        progress=lambda done, total: told.append((done, total)),
    )
    np.testing.assert_array_equal(again.predictions[again.name].mean, walked.predictions[walked.name].mean)
    assert told == [(4, 4)]
    assert not list((folder / "checkpoints").iterdir())


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_killed_run_goes_on_where_it_stopped(
    walked: WalkForward,
    sentiment_panel: Panel,
    folds: tuple[Split, ...],
    small: dict[str, Any],
    tmp_path: Path,
    after: int,
) -> None:
    def stop(done: int, total: int) -> None:
        if done == after:
            raise Killed

    with pytest.raises(Killed):
        walk(sentiment_panel, folds, **small, baselines=(), cache=tmp_path, workers=1, progress=stop)
    told: list[int] = []
    again = walk(
        sentiment_panel,
        folds,
        **small,
        baselines=(),
        cache=tmp_path,
        workers=1,
        progress=lambda done, _: told.append(done),
    )
    np.testing.assert_array_equal(again.predictions[again.name].mean, walked.predictions[walked.name].mean)
    assert told == [0, 1, 2, 3, 4]
    assert not list((tmp_path / "checkpoints").iterdir())


def test_a_damaged_kept_fold_is_fitted_again(
    walked: WalkForward, sentiment_panel: Panel, folds: tuple[Split, ...], small: dict[str, Any], tmp_path: Path
) -> None:
    walk(sentiment_panel, folds, **small, baselines=(), cache=tmp_path, workers=1)
    weights = sorted((tmp_path / "folds").glob("*/weights.safetensors"))
    assert len(weights) == 2
    weights[0].write_bytes(weights[0].read_bytes()[:-4])
    again = walk(sentiment_panel, folds, **small, baselines=(), cache=tmp_path, workers=1)
    np.testing.assert_array_equal(again.predictions[again.name].mean, walked.predictions[walked.name].mean)


def test_side_by_side_is_the_same_to_the_bit(
    walked: WalkForward, sentiment_panel: Panel, folds: tuple[Split, ...], small: dict[str, Any]
) -> None:
    again = walk(sentiment_panel, folds, **small, baselines=(), workers=2)
    np.testing.assert_array_equal(again.predictions[again.name].mean, walked.predictions[walked.name].mean)


def test_the_key_changes_with_all_that_the_fit_depends_on(
    sentiment_panel: Panel, sentiment_panel_of: Callable[..., Panel], folds: tuple[Split, ...], small: dict[str, Any]
) -> None:
    split = folds[0]
    base = fold_key(sentiment_panel, split, **small)
    assert base == fold_key(sentiment_panel_of(), split, **small)
    later = sentiment_panel.values.copy()
    later[split.valid.stop :] = 0
    assert base == fold_key(replace(sentiment_panel, values=later), split, **small)
    sooner = sentiment_panel.values.copy()
    sooner[10, 0, 0] += 1
    others = [
        fold_key(replace(sentiment_panel, values=sooner), split, **small),
        fold_key(sentiment_panel, folds[1], **small),
        fold_key(sentiment_panel, split, **{**small, "features": replace(small["features"], sentiment=False)}),
        fold_key(sentiment_panel, split, **{**small, "model": replace(small["model"], dropout=0.2)}),
        fold_key(sentiment_panel, split, **{**small, "training": replace(small["training"], seeds=(0, 4))}),
        fold_key(replace(sentiment_panel, symbols=tuple(f"T{i}" for i in range(6))), split, **small),
    ]
    assert len({base, *others}) == 7


def test_folds_that_do_not_follow_each_other_are_refused(
    sentiment_panel: Panel, folds: tuple[Split, ...], small: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="no fold to walk"):
        walk(sentiment_panel, (), **small)
    with pytest.raises(ConfigError, match=r"must follow each other without gap or overlap"):
        walk(sentiment_panel, folds[::-1], **small)
