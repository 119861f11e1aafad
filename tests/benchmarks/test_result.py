from __future__ import annotations

import json

import numpy as np
import pytest

from tenor.benchmarks.result import ACL18, ENSEMBLE, KDD17, BenchmarkResult, accuracy_and_mcc, score_models
from tenor.errors import DataError

RNG = np.random.default_rng(0)
LABEL = np.where(RNG.random((60, 8)) < 0.3, np.nan, RNG.random((60, 8)) < 0.5).astype("float32")
GOOD = np.where(RNG.random((60, 8)) < 0.7, LABEL, 1 - LABEL).astype("float32")
UP = np.full_like(LABEL, 0.6)


def result(seeds: int = 2) -> BenchmarkResult:
    return BenchmarkResult(
        benchmark="made",
        counts={"train": 1, "valid": 1, "test": 1},
        published_counts=None,
        days=60,
        seeds=tuple({"seed": s, "accuracy": 0.5 + s / 10, "mcc": s / 10, "valid_mcc": 0.1, "epoch": 2}
                    for s in range(seeds)),
        models=score_models({ENSEMBLE: np.nan_to_num(GOOD), "always up": UP}, LABEL),
        published=ACL18,
        notes=(),
        config={},
    )  # fmt: skip


def test_accuracy_and_mcc_by_hand() -> None:
    label = np.array([[1, 1, 0, np.nan], [0, 0, 1, 1]], dtype="float32")
    p_up = np.array([[0.9, 0.4, 0.2, np.nan], [0.7, 0.1, 0.8, 0.6]], dtype="float32")
    accuracy, mcc = accuracy_and_mcc(p_up, label)
    assert accuracy == pytest.approx(5 / 7)
    assert mcc == pytest.approx((3 * 2 - 1 * 1) / np.sqrt(4 * 4 * 3 * 3))


def test_interval_holds_the_value_and_the_difference_is_paired() -> None:
    models = score_models({"ours": np.nan_to_num(GOOD), "always up": UP, "same": np.nan_to_num(GOOD)}, LABEL)
    ours = models.scores["ours"].accuracy
    assert ours.low < ours.value < ours.high
    assert models.differences["always up"].accuracy.low > 0
    assert models.differences["same"].accuracy == models.differences["same"].mcc
    assert (models.differences["same"].accuracy.low, models.differences["same"].accuracy.high) == (0, 0)


def test_a_missing_prediction_is_an_error() -> None:
    missing = np.full_like(LABEL, np.nan)
    with pytest.raises(DataError, match=f"has no prediction for {int(np.isfinite(LABEL).sum())} of"):
        score_models({"ours": missing}, LABEL)


def test_rows_and_json() -> None:
    benchmark = result()
    rows = benchmark.rows()
    assert rows[0].accuracy == "55.00 ± 7.07"
    assert [row.model for row in rows[1:3]] == [ENSEMBLE, "always up"]
    assert "paired by day" in rows[2].remark
    assert sum(row.remark.startswith("published") for row in rows) == len(ACL18)
    plain = json.loads(json.dumps(benchmark.to_json(), allow_nan=False))
    assert plain["models"]["scores"][ENSEMBLE]["accuracy"]["value"] == benchmark.models.scores[ENSEMBLE].accuracy.value


def test_one_seed_has_no_spread() -> None:
    assert result(1).to_json()["seed_mean"]["accuracy"]["sd"] is None


@pytest.mark.parametrize("table", [ACL18, KDD17])
def test_published_rows_are_percent(table: tuple) -> None:  # type: ignore[type-arg]
    assert all(45 < row.accuracy < 70 and -0.1 < row.mcc < 0.3 for row in table)
