"""The settings files in examples/ are sound, and say what they are said to say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenor.config import Config

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_every_settings_file_is_read(path: Path) -> None:
    assert Config.read(path) != Config()


def test_mse_adam_is_squared_error_alone_by_adam_alone() -> None:
    config = Config.read(EXAMPLES / "mse-adam.toml")
    training = config.training
    assert (training.return_weight, training.risk_weight, training.direction_weight) == (1.0, 1.0, 0.0)
    assert training.weight_decay == 0.0
    assert config.model.linear is False
