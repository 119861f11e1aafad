"""`tenor tune` and `tenor ablate`, on a small lake of made bars."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tenor.cli import main
from tenor.config import Config
from tenor.schema import Bars, DailySentiment
from tenor.store import Lake

pytestmark = pytest.mark.torch  # the verbs train


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, bars_of: Callable[..., Bars]) -> Path:
    folder = tmp_path_factory.mktemp("tune")
    bars_of(symbols=3, sessions=420).frame.to_parquet(folder / "bars.parquet")
    assert main(["data", "import", str(folder / "bars.parquet"), "--store", str(folder / "lake")]) == 0
    return folder / "lake"


def test_tune_writes_a_config_that_train_takes(lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "best.toml"
    quick = ["--set", "training.seeds=[0]", "--set", "training.epochs=1", "--set", "model.lookback=5"]
    folds = ["--set", "folds.folds=2", "--set", "folds.valid_sessions=40", "--set", "folds.test_sessions=40"]
    options = ["--store", str(lake), *quick, *folds, "--grid", "hidden=4,6", "--out", str(out), "--workers", "1"]
    capsys.readouterr()
    assert main(["tune", *options, "--report", str(tmp_path / "tuned.html"), "--json"]) == 0
    assert "Which settings are best?" in (tmp_path / "tuned.html").read_text(encoding="utf-8")
    told = json.loads(capsys.readouterr().out)
    assert len(told["trials"]) == 2
    best = Config.read(out)
    assert best.model.hidden in (4, 6)
    assert best.model.lookback == 5
    assert tomllib.loads(out.read_text())["training"]["epochs"] == 1
    assert main(["tune", *options]) == 2  # what is there is not overwritten
    assert "exists already" in capsys.readouterr().err
    assert main(["train", "--store", str(lake), "--config", str(out), "--workers", "1"]) == 0


def test_an_unknown_grid_key_is_refused_with_a_suggestion(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", "--store", str(lake), "--grid", "hiden=3", "--out", str(tmp_path / "x.toml")]) == 2
    assert "Did you mean 'hidden'" in capsys.readouterr().err
    assert not (tmp_path / "x.toml").exists()


def test_ablate_without_any_sentiment_asks_about_attention(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = ["--set", "training.seeds=[0]", "--set", "training.epochs=1", "--set", "model.lookback=5"]
    folds = ["--set", "folds.folds=1", "--set", "folds.valid_sessions=40", "--set", "folds.test_sessions=40"]
    options = ["ablate", "--store", str(lake), *quick, *folds, "--workers", "1"]
    capsys.readouterr()
    assert main([*options, "--report", str(tmp_path / "ablated.html")]) == 0
    shown = capsys.readouterr().out
    assert "neither news nor sentiment to leave out" in shown
    assert "with attention minus" in shown
    assert "with sentiment minus" not in shown
    page = (tmp_path / "ablated.html").read_text(encoding="utf-8")
    assert "Does attention help?" in page
    assert "The news: there are" not in page
    assert main([*options, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["horizons"] == []
    assert [each["horizon"] for each in told["attention"]] == [1, 5, 20]
    assert main([*options, "--set", "model.attention=false"]) == 1
    assert "has neither news nor sentiment" in capsys.readouterr().err
    # what is named and not there is refused, and not left out in silence
    for refused, reason in (
        (["--without", "sentiment"], "has neither news nor sentiment to leave out"),
        (["--arms", "kinds"], "has neither news nor sentiment to leave out"),
        (["--without", "attention", "--set", "model.attention=false"], "has no attention of tenor's to leave out"),
        (["--without", "attention", "--without", "sentiment"], "has neither news nor sentiment to leave out"),
    ):
        assert main([*options, *refused, "--report", str(tmp_path / "none.html")]) == 1
        error = capsys.readouterr().err
        assert reason in error
        assert error.count("\n") == 1
    assert not (tmp_path / "none.html").exists()


def test_ablate_compares_with_without_and_shuffled(
    tmp_path: Path, bars_of: Callable[..., Bars], capsys: pytest.CaptureFixture[str]
) -> None:
    bars = bars_of(symbols=3, sessions=420)
    lake = Lake(tmp_path / "lake")
    lake.append_bars(bars, source="made")
    rows = bars.frame[["symbol", "session"]].iloc[::3]
    noise = np.random.default_rng(0).normal(0, 0.3, len(rows)).clip(-1, 1)
    constant = dict.fromkeys(("n", "market_n"), 2.0) | dict.fromkeys(("std", "positive", "negative"), 0.3)
    sentiments = dict.fromkeys(("mean", "surprise", "recent"), noise) | {"market_mean": 0.1}
    lake.append_sentiment(DailySentiment(rows.assign(**constant, **sentiments)), source="made")
    quick = ["--set", "training.seeds=[0]", "--set", "training.epochs=1", "--set", "model.lookback=5"]
    folds = ["--set", "folds.folds=2", "--set", "folds.valid_sessions=40", "--set", "folds.test_sessions=40"]
    capsys.readouterr()
    page = ["--report", str(tmp_path / "ablated.html")]
    assert main(["ablate", "--store", str(tmp_path / "lake"), *quick, *folds, "--workers", "1", "--json", *page]) == 0
    assert "Do the news and attention help?" in (tmp_path / "ablated.html").read_text(encoding="utf-8")
    told = json.loads(capsys.readouterr().out)
    assert len(told["horizons"]) == len(told["attention"]) == len(Config().features.horizons)
    assert {c["other"] for c in told["horizons"][0]["contrasts"]} == {"without sentiment", "sentiment shuffled"}
    loss = {c["other"]: c["differences"]["loss"] for c in told["horizons"][0]["contrasts"] if c["cells"] == "all"}
    assert loss["without sentiment"]["p"] > 0.05  # it is noise
    assert "On returns, sentiment does not help at 5 %" in told["horizons"][0]["verdict"]
    assert told["horizons"][0]["verdict"].startswith("On risk, sentiment ")
    assert {c["other"] for c in told["attention"][0]["contrasts"]} == {"without attention"}
    assert told["attention"][0]["verdict"].startswith("On risk, attention ")
