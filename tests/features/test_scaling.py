from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tenor.config import FeatureConfig
from tenor.errors import HistoryError, ModelError
from tenor.features import Scaler, build_panel
from tenor.schema import Bars, Panel

TRAIN = slice(0, 200)


@pytest.fixture
def panel(bars: Bars) -> Panel:
    return build_panel(bars, FeatureConfig())


def test_the_training_part_has_mean_0_and_spread_1(panel: Panel) -> None:
    scaled = Scaler.fit(panel, TRAIN).transform(panel)
    cells = scaled.values[TRAIN][scaled.mask[TRAIN]].astype("float64")
    # the hour of daily bars is always the same
    unclipped = (np.abs(cells) < 5).all(axis=0) & (cells != cells[0]).any(axis=0)
    assert unclipped.sum() > 20
    np.testing.assert_allclose(cells[:, unclipped].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(cells[:, unclipped].std(axis=0), 1, atol=1e-5)


def test_only_the_given_rows_are_looked_at(panel: Panel) -> None:
    wild = panel.values.copy()
    wild[200:] = 1e6
    assert Scaler.fit(replace(panel, values=wild), TRAIN) == Scaler.fit(panel, TRAIN)


def test_masked_cells_are_neither_counted_nor_scaled(panel: Panel) -> None:
    mask = panel.mask.copy()
    mask[::2, 1] = False
    values = np.where(mask[:, :, None], panel.values, 77.0).astype("float32")
    holes = replace(panel, values=values, mask=mask)
    scaler = Scaler.fit(holes, TRAIN)
    np.testing.assert_allclose(scaler.mean, panel.values[TRAIN][mask[TRAIN]].astype("float64").mean(axis=0))
    assert (scaler.transform(holes).values[~mask] == 0).all()


def test_values_are_clipped_and_the_input_is_left_alone(panel: Panel) -> None:
    scaler = Scaler.fit(panel, TRAIN)
    wild = panel.values.copy()
    wild[250] = [[1e30], [-1e30], [1e30], [-1e30]]
    scaled = scaler.transform(replace(panel, values=wild))
    assert scaled.values[250, :, 0].tolist() == [5, -5, 5, -5]
    assert np.abs(scaled.values).max() == 5
    assert (wild[250] != scaled.values[250]).all()


def test_a_feature_that_was_constant_in_training_is_0(panel: Panel) -> None:
    values = panel.values.copy()
    values[:, :, 0] = 0.1
    values[200:, :, 0] = 3.0
    scaler = Scaler.fit(replace(panel, values=values), TRAIN)
    assert scaler.std[0] == 0
    assert (scaler.transform(replace(panel, values=values)).values[:, :, 0] == 0).all()


def test_through_json_it_is_the_same_to_the_bit(panel: Panel) -> None:
    scaler = Scaler.fit(panel, TRAIN)
    back = Scaler.from_mapping(json.loads(json.dumps(scaler.to_mapping())))
    assert back == scaler
    assert back.transform(panel).values.tobytes() == scaler.transform(panel).values.tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": [0.0]}, "2 features, 1 means and 2 spreads"),
        ({"std": [1.0, -1.0]}, "spread -1.0 of 'b'"),
        ({"std": [1.0, float("nan")]}, "of 'b'"),
        ({"mean": ["0", 0.0]}, "mean '0' and"),
        ({"mean": [None, 0.0]}, "mean None and"),
        ({"colour": 1}, "its keys are"),
    ],
)
def test_a_damaged_mapping_is_refused(change: dict[str, Any], message: str) -> None:
    sound = {"features": ["a", "b"], "mean": [0.0, 0.0], "std": [1.0, 1.0]}
    Scaler.from_mapping(sound)
    with pytest.raises(ModelError, match=message):
        Scaler.from_mapping(sound | change)


def test_other_features_are_refused_by_name(bars: Bars, panel: Panel) -> None:
    scaler = Scaler.fit(panel, TRAIN)
    other = build_panel(bars, FeatureConfig(groups=("returns", "volume")))
    with pytest.raises(ModelError, match="the panel lacks sma_5, "):
        scaler.transform(other)
    with pytest.raises(ModelError, match="the model does not know sma_5, "):
        Scaler.fit(other, TRAIN).transform(panel)
    turned = replace(panel, features=panel.features[::-1])
    with pytest.raises(ModelError, match="their order differs"):
        scaler.transform(turned)


@pytest.mark.parametrize("rows", [slice(0, 0), slice(0, 40)], ids=["no rows", "warm-up alone"])
def test_nothing_to_fit_on(panel: Panel, rows: slice) -> None:
    with pytest.raises(HistoryError, match="not one usable cell"):
        Scaler.fit(panel, rows)
