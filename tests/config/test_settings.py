from pathlib import Path

import pytest

from tenor.config import Config, from_mapping, to_mapping
from tenor.errors import ConfigError


def test_a_file_and_then_overrides_on_top_of_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('symbols = ["AAPL"]\n[model]\nhidden = 8\n[split]\ntrain_end = 2015-01-01\n')
    config = Config.read(file, ["model.hidden=16", "training.seeds=[3, 4]", "split.valid_end=2015-06-01"])
    assert config.symbols == ("AAPL",)
    assert config.model.hidden == 16
    assert config.training.seeds == (3, 4)
    assert (config.split.train_end, config.split.valid_end) == ("2015-01-01", "2015-06-01")
    assert config.features == Config().features
    assert from_mapping(Config, to_mapping(config)) == config


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.hiden=3"], r"unknown config key 'model\.hiden'\. Did you mean 'hidden'\?"),
        (["modle.hidden=3"], r"unknown config key 'modle'\. Did you mean 'model'\?"),
        (["model"], r"'model' is not KEY=VALUE"),
        (["symbols.x=1", "symbols.x.y=2"], r"'x' is a value, not a table"),
        (["model.hidden=0"], r"model\.hidden"),
        (["split.train_end=yesterday"], r"'split\.train_end' is 'yesterday'; write a day as YYYY-MM-DD"),
        (["features.groups=[]"], r"'features\.groups' is \[\]; it is empty"),
    ],
)
def test_bad_overrides_are_refused_with_the_remedy(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Config.read(None, overrides)


def test_files_that_are_missing_or_no_toml_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config file .*nope\.toml"):
        Config.read(tmp_path / "nope.toml")
    (tmp_path / "bad.toml").write_text("[model\n")
    with pytest.raises(ConfigError, match=r"bad\.toml' is not TOML"):
        Config.read(tmp_path / "bad.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary\.toml' can't be read"):
        Config.read(tmp_path / "binary.toml")
    with pytest.raises(ConfigError, match="can't be read"):
        Config.read(tmp_path)


def test_the_example_config_is_valid() -> None:
    root = Path(__file__).parents[2]
    for file in (root / "examples").glob("*.toml"):
        Config.read(file)
