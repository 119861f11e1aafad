from __future__ import annotations

from pathlib import Path

import pytest

from tenor.errors import ConfigError
from tenor.training.grid import candidates, read_grid


@pytest.mark.parametrize(
    ("word", "key", "values"),
    [
        ("hidden=16,32", "model.hidden", (16, 32)),
        ("model.hidden = 16, 32", "model.hidden", (16, 32)),
        ("lr=1e-3,3e-4", "training.learning_rate", (1e-3, 3e-4)),
        ("learning_rate=1", "training.learning_rate", (1.0,)),
        ("sentiment=true,false", "features.sentiment", (True, False)),
        ("groups=returns+trend,returns", "features.groups", (("returns", "trend"), ("returns",))),
        ('groups=["returns"],["trend"]', "features.groups", (("returns",), ("trend",))),
        ("horizons=1,1+5", "features.horizons", ((1,), (1, 5))),
        ("seeds=0+1", "training.seeds", ((0, 1),)),
        ("dense=64,32+16", "model.dense", ((64,), (32, 16))),
        ("dense=[],[64]", "model.dense", ((), (64,))),
    ],
)
def test_a_word_names_a_key_and_its_values(word: str, key: str, values: tuple) -> None:
    assert read_grid(words=[word]) == {key: values}


def test_a_file_takes_any_way_to_write_a_key_and_words_come_after_it(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text(
        '[grid]\nmodel.hidden = [8, 16]\n"training.epochs" = [2]\nlr = [1e-3]\n'
        '[grid.features]\ngroups = [["returns"], ["returns", "trend"]]\n'
    )
    assert read_grid(path, ["hidden=32"]) == {
        "model.hidden": (32,),
        "training.epochs": (2,),
        "training.learning_rate": (1e-3,),
        "features.groups": (("returns",), ("returns", "trend")),
    }


def test_every_combination_is_a_candidate_and_the_last_key_varies_fastest() -> None:
    points = candidates(read_grid(words=["hidden=1,2", "layers=1,2"]))
    assert [tuple(c.values()) for c in points] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert list(points[0]) == ["model.hidden", "model.layers"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the grid is empty"),
        (["hidden"], "'hidden' is not KEY=VALUE"),
        (["=3"], "is not KEY=VALUE"),
        (["hidden="], "'model.hidden' has no value"),
        (["hiden=3"], "unknown grid key 'hiden'. Did you mean 'hidden'"),
        (["model.lookbak=3"], "unknown grid key 'model.lookbak'. Did you mean 'model.lookback'"),
        (["zzzzz=3"], "unknown grid key 'zzzzz'. Known: features.groups"),
        (["hidden=16,x"], "'model.hidden' takes a whole number, not 'x'"),
        (["hidden=16.5"], "'model.hidden' takes a whole number, not 16.5"),
        (["hidden=0"], "'model.hidden' is 0; it must be a whole number from 1"),
        (["lr=nan"], "'training.learning_rate' is nan"),
        (["sentiment=maybe"], "'features.sentiment' takes true or false, not 'maybe'"),
        (["groups=retuns"], "unknown feature group 'retuns' in features.groups. Did you mean 'returns'"),
        (["hidden=16,16"], "'model.hidden' has 16 twice"),
        (["lr=1,1.0"], "has 1.0 twice"),
        (["calendar=XNYS"], "'calendar' can't be searched: folds are sessions of one calendar"),
        (["features.calendar=XNYS"], "can't be searched"),
        (["split.valid_end=2015-01-01"], "can't be searched: a search takes its folds"),
        (["sentiment.window=3"], "can't be searched: daily sentiment is computed before the search"),
        (["symbols=A"], "can't be searched: scores over different symbols"),
    ],
)
def test_a_word_that_cannot_be_used_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_grid(words=words)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[grid]\n", "the grid is empty"),
        ("", "holds one table, [grid], with lists by config key; it has none"),
        ("[model]\nhidden = 3\n[grid]\nlr = [1]\n", "it has 'model'"),
        ("grid = 3\n", "holds one table"),
        ("[grid]\nhidden = 16\n", "takes a list of values to try, not 16: write [16]"),
        ("[grid]\nhidden = []\n", "has no value to try"),
        ("[grid]\nlr = [1.0]\ntraining.learning_rate = [2.0]\n", "names 'training.learning_rate' twice"),
        ("[grid]\ngroups = ['returns']\n", "'features.groups' takes a list, not 'returns'"),
        ("[grid\n", "is not TOML"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "grid.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_grid(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no grid file .*none\.toml"):
        read_grid(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="can't be read"):
        read_grid(tmp_path)
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="can't be read"):
        read_grid(tmp_path / "b.toml")
