from __future__ import annotations

from typing import Any

import pytest

from tenor.config import FeatureConfig, from_mapping, to_mapping
from tenor.errors import ConfigError
from tenor.features.catalogue import check_groups


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"groups": ("trendy",)}, "'trendy' in features.groups. Did you mean 'trend'"),
        ({"groups": ("weather",)}, "Known: returns, trend"),
        ({"groups": ("sentiment",)}, "features.sentiment"),
        ({"groups": ("trend", "trend")}, "twice"),
        ({"groups": ()}, "empty"),
        ({"horizons": ()}, "empty"),
        ({"horizons": (0, 1)}, "from 1"),
        ({"horizons": (-5,)}, "from 1"),
        ({"horizons": (True,)}, "from 1"),
        ({"horizons": (5, 1)}, r"write them rising and once each, \[1, 5\]"),
        ({"horizons": (1, 1)}, r"\[1\]"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_groups(FeatureConfig(**setting).groups)


def test_it_goes_through_a_mapping() -> None:
    config = FeatureConfig(groups=("context", "returns"), sentiment=False, horizons=(1, 2, 10), calendar="XLON")
    assert from_mapping(FeatureConfig, to_mapping(config)) == config
