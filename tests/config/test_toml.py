"""Settings that no person writes: nested, enormous, endless. Each is refused in one line that names it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenor.config import Config, HttpConfig, ModelConfig, TrainConfig
from tenor.config.toml import read_toml
from tenor.errors import ConfigError

DIGITS = "9" * 5_000
FILES = {
    "nested list": "symbols = " + "[" * 3_000 + "]" * 3_000,
    "nested table": "x = " + "{a=" * 3_000 + "1" + "}" * 3_000,
    "dotted key": ".".join("a" * 3_000) + " = 1",
    "not closed": "symbols = " + "[" * 30_000,
    "digits": f"[model]\nhidden = {DIGITS}",
    "digits of a float": f"[training]\nlearning_rate = {'9' * 400}",
    "hexadecimal": "[model]\nhidden = 0x" + "f" * 5_000,
    "list of digits": f"[training]\nseeds = [1, {DIGITS}]",
    "infinite": "[training]\nlearning_rate = 1e999",
    "nan": "[training]\nlearning_rate = nan",
    "text of a megabyte": 'symbols = "' + "a" * 1_000_000 + '"',
    "key of a megabyte": "a" * 1_000_000 + " = 1",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_a_file_is_refused_in_one_short_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        Config.read(path)
    assert len(str(refusal.value)) < 600
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "training.seeds=" + "[" * 3_000,
        "training.seeds=" + "[" * 3_000 + "]" * 3_000,
        f"model.hidden={DIGITS}",
        f"model.hidden=-{DIGITS}",
        f"training.seeds=[{DIGITS}]",
        f"training.learning_rate={'9' * 400}",
        "training.learning_rate=nan",
        "folds.scheme={a=1}",
        ".".join("a" * 3_000) + "=1",
        "=1",
    ],
)
def test_an_override_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Config.read(None, [text])
    assert len(str(refusal.value)) < 600


@pytest.mark.parametrize(
    "make",
    [
        lambda: ModelConfig(hidden=10**5_000),
        lambda: TrainConfig(learning_rate=10**400 * -1),
        lambda: HttpConfig(deadline_seconds=float("inf")),
        lambda: TrainConfig(seeds=(10**6_000,)),
    ],
)
def test_a_number_from_code_is_refused_too(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigError):
        make()


@given(st.text(alphabet='[]{}="a.1\n,', max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):  # nothing else is raised
        read_toml(text)
