"""`model.network`: read once, a value from then on, and out of the way of whoever has none."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from operator import attrgetter
from pathlib import Path

import pytest
from networks import WHOLE, own, written

from tenor.config import Config, ModelConfig, changed, from_mapping, to_mapping
from tenor.config.network_code import LARGEST, digest_of
from tenor.errors import ConfigError
from tenor.model.export import _Ensemble


def test_without_a_network_mappings_are_what_they_were() -> None:
    assert list(to_mapping(ModelConfig())) == [
        "hidden",
        "layers",
        "attention_size",
        "lookback",
        "dropout",
        "attention",
        "linear",
    ]


def test_the_file_is_read_once_and_two_paths_to_one_text_are_one_network(tmp_path: Path) -> None:
    config = own(tmp_path)
    (tmp_path / "mine.py").write_text("raise SystemExit\n")
    assert (config.network, config.code) == (f"mine.py:Net@{digest_of(WHOLE)}", WHOLE)
    (tmp_path / "there").mkdir()
    assert own(tmp_path / "there") == config
    assert to_mapping(own(tmp_path / "there")) == to_mapping(config)


def test_another_text_is_another_network(tmp_path: Path) -> None:
    assert own(tmp_path) != own(tmp_path, WHOLE + "\n")


def test_mappings_name_the_text_and_a_config_of_one_takes_it_again(tmp_path: Path) -> None:
    config = own(tmp_path, options={"width": 4, "kind": "b"})
    mapping = to_mapping(config)
    assert mapping["options"] == {"kind": "b", "width": 4}
    assert not {"code", "path"} & set(mapping)
    again = from_mapping(ModelConfig, mapping)
    assert (again, again.code) == (config, "")
    assert replace(again, code=config.code).code == WHOLE
    with pytest.raises(ConfigError, match=r"the code at hand for model.network mine.py:Net@\w+ is another text"):
        replace(again, code="other")


def test_a_changed_config_keeps_its_code_and_another_network_has_its_own(tmp_path: Path) -> None:
    config = own(tmp_path)
    assert changed(config, {"hidden": 3}, "model").code == WHOLE
    other = replace(config, network=written(tmp_path, WHOLE + "# 2\n", "other.py"))
    assert (other.code, other.path) == (WHOLE + "# 2\n", str(tmp_path / "other.py"))
    without = replace(config, network="")
    assert (without.code, without.path, without) == ("", "", ModelConfig(lookback=8))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as worker:
        assert worker.submit(attrgetter("code"), config).result() == WHOLE, "a worker trains by the same text"


def test_it_is_a_key_of_the_config_file_and_its_code_is_not(tmp_path: Path) -> None:
    written(tmp_path)
    toml = tmp_path / "own.toml"
    toml.write_text(f'[model]\nnetwork = "{tmp_path}/mine.py:Net"\n[model.options]\nwidth = 4\n')
    config = Config.read(toml, ["model.options.depth=2"]).model
    assert (config.code, config.options) == (WHOLE, {"depth": 2, "width": 4})
    with pytest.raises(ConfigError, match=r"unknown config key 'model.code'"):
        Config.read(None, ["model.code=1"])


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("Net", r"config key 'model.network' is 'Net'; write path/to/file.py:Class"),
        ("mine.py:", r"write path/to/file.py:Class"),
        ("mine.py:a b", r"write path/to/file.py:Class"),
        ("package.mine:Net", r"travels with the model as one file, so name a file that ends in .py, as in mine.py:Net"),
        ("{}/mina.py:Net", r"no file '.*mina.py' for model.network. Did you mean 'mine.py'"),
        ("{}/nowhere/mine.py:Net", r"no file '.*nowhere/mine.py' for model.network"),
        ("{}/mine.py:Nets", r"mine.py has no class 'Nets'. Did you mean 'Net'"),
        ("{}/mine.py:torch", r"mine.py has no class 'torch'. It has Net."),
        ("{}/empty.py:Net", r"empty.py has no class 'Net'. It has none."),
        ("{}/broken.py:Net", r"broken.py is not Python: .* in line 1"),
        ("{}/null.py:Net", r"null.py is not Python: "),
        ("{}/latin.py:Net", r"latin.py can't be read: 'utf-8' codec can't decode"),
        ("{}/large.py:Net", r"large.py is larger than 1,000,000 bytes"),
        ("{}/folder.py:Net", r"no file '.*folder.py'"),
    ],
)
def test_what_names_no_class_of_a_file_is_refused(network: str, message: str, tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "broken.py").write_text("class Net(:\n")
    (tmp_path / "null.py").write_bytes(b"class Net: pass\0")
    (tmp_path / "latin.py").write_bytes("# Größe\n".encode("latin-1"))
    (tmp_path / "large.py").write_text("#" * (LARGEST + 1))
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(ConfigError, match=message) as caught:
        ModelConfig(network=network.format(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "line", ["import layers", "from layers import Layer", "from . import layers", "import kit.all"]
)
def test_a_file_beside_it_would_not_travel_and_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "layers.py").write_text("Layer = 1\n")
    (tmp_path / "kit").mkdir()
    with pytest.raises(ConfigError, match=r"mine.py, line 1, imports '.*' from beside it, and only mine.py travels"):
        own(tmp_path, f"{line}\n{WHOLE}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"a": [1]}, r"config key 'model.options.a' is \[1\]; it takes a finite number, a text, true or false"),
        ({"a": float("nan")}, r"config key 'model.options.a' is nan"),
        ({"a b": 1}, r"config key 'model.options' has 'a b', which is not the name of an argument"),
        ({"class": 1}, r"which is not the name of an argument"),
    ],
)
def test_options_are_arguments(options: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        own(tmp_path, options=options)


def test_a_class_in_place_of_its_name_is_refused_with_the_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'model.network' is .*; it takes a text '.*/export.py:_Ensemble'"):
        ModelConfig(network=_Ensemble)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"'model.network' is 3; it takes a text, path/to/mine.py:Net"):
        ModelConfig(network=3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"'model.options' is \[1\]; it takes a table of keyword arguments"):
        own(tmp_path, options=[1])
    with pytest.raises(ConfigError, match=r"'model.options' is \{1: 2\}; it takes a table of keyword arguments"):
        own(tmp_path, options={1: 2})


def test_options_without_a_network_and_options_that_are_no_table_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"'model.options' is \{'a': 1\}; it is for a network of your own"):
        ModelConfig(options={"a": 1})
    with pytest.raises(
        ConfigError, match=r"config key 'model.options' is a table, not 3: write it as \[model.options\]"
    ):
        Config.read(None, ["model.options=3"])
