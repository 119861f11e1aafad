from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tenor.config import FeatureConfig
from tenor.features import FEATURES, GROUPS, build_panel, feature_names, warmup
from tenor.features.catalogue import markdown
from tenor.features.indicators import VOLATILITY_WARMUP, Series, indicator, indicators
from tenor.schema import Bars

DOC = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_documentation_is_the_catalogue() -> None:
    assert markdown() in DOC.read_text(encoding="utf-8"), "docs/features.md is out of date: run 'make docs-pages'."


def test_names_are_unique_and_every_group_is_there() -> None:
    names = [f.name for f in FEATURES]
    assert len(set(names)) == len(names)
    assert set(FeatureConfig().groups) == set(GROUPS)
    assert feature_names(["trend", "returns"]) == feature_names(["returns", "trend"])


@pytest.mark.parametrize("group", sorted({feature.group for feature in indicator.features}))
def test_each_group_computes_what_the_catalogue_names(group: str, bars: Bars) -> None:
    frame = bars.frame[bars.frame["symbol"] == "S00"]
    series = Series(*(frame[c].to_numpy() for c in ("open", "high", "low", "close", "volume")))
    computed = indicators(series, (group,))
    own = [feature.name for feature in indicator.features]  # the risk of the market is not a symbol's own
    assert tuple(computed) == tuple(name for name in feature_names([group]) if name in own)
    for feature in FEATURES:
        if feature.name in computed:
            known = np.isfinite(computed[feature.name])
            assert known[max(feature.warmup, VOLATILITY_WARMUP) :].all(), feature.name
            # what settles (EMA, RSI, ATR) has numbers before its warm-up ends; nothing has any after
            assert feature.warmup >= int(known.argmax()), f"{feature.name} is known from {known.argmax()}"


def test_the_panel_has_the_features_in_the_order_of_their_declaration(bars: Bars) -> None:
    panel = build_panel(bars, FeatureConfig(groups=GROUPS))
    own = tuple(feature.name for feature in indicator.features)
    assert panel.features[: len(own)] == own
    assert panel.features == feature_names(GROUPS)


@pytest.mark.parametrize(
    "groups", [("returns",), ("context",), ("trend",), ("momentum", "volume"), ("risk",), ("calendar",), GROUPS]
)
def test_the_mask_opens_after_the_longest_warmup(groups: tuple[str, ...], bars: Bars) -> None:
    panel = build_panel(bars, FeatureConfig(groups=groups))
    assert panel.mask.argmax(axis=0).tolist() == [warmup(groups)] * 4
    assert panel.mask[warmup(groups) :].all()
