"""Counts of news from the lake to a forecast and its drivers, and `tenor ablate` over its arms."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tenor.cli import main
from tenor.schema import KINDS, SENTIMENT_COLUMNS, Bars, DailyKinds, DailySentiment
from tenor.store import Lake
from tenor.workspace import Workspace

pytestmark = pytest.mark.torch  # the verbs train

QUICK = [
    *("--set", "training.seeds=[0]", "--set", "training.epochs=1", "--set", "model.lookback=5"),
    *("--set", "folds.folds=2", "--set", "folds.valid_sessions=40", "--set", "folds.test_sessions=40"),
    *("--workers", "1"),
]


def counted_news(bars: Bars, as_of: str = "close") -> DailySentiment:
    """A few items of every symbol in every session, with a burst of earnings now and then."""
    rng = np.random.default_rng(0)
    cells = bars.frame[["symbol", "session"]]
    n = pd.DataFrame(rng.poisson(1.0, (len(cells), len(KINDS))), columns=list(KINDS), index=cells.index)
    n["earnings"] += rng.poisson(9.0, len(cells)) * (rng.random(len(cells)) < 0.05)
    n[""] = n.sum(axis=1) + 3
    rows = cells.join(n).melt(["symbol", "session"], var_name="kind", value_name="n").assign(mean=0.1)
    kinds = DailyKinds(rows[rows["n"] > 0], as_of=as_of)  # type: ignore[arg-type]
    everything = kinds.frame[kinds.frame["kind"] == ""]
    columns = {
        c: everything[c].to_numpy() if c in ("symbol", "session", "n") else np.full(len(everything), 0.1)
        for c in SENTIMENT_COLUMNS
    }
    return DailySentiment(pd.DataFrame(columns), as_of=as_of, kinds=kinds)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, bars_of: Callable[..., Bars]) -> Path:
    folder = tmp_path_factory.mktemp("news") / "lake"
    bars = bars_of(symbols=4, sessions=520)
    lake = Lake(folder)
    lake.append_bars(bars, source="made")
    lake.append_sentiment(counted_news(bars), source="made")
    return folder


def test_counts_reach_the_forecast_but_not_the_network(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--store", str(store), *QUICK[:6], "--workers", "1", "--json"]) == 0
    features = json.loads(capsys.readouterr().out)["features"]
    assert "sentiment_mean" in features
    assert not any(name.startswith("news_") for name in features)
    workspace = Workspace(str(store))
    predictor = workspace.predictor()
    assert predictor.recipe.with_kinds
    assert "news_effect" not in predictor.recipe.to_mapping()["model"]  # the default is no key: older models have none
    assert main(["predict", "S00", "--store", str(store), "--json"]) == 0
    assert '"S00"' in capsys.readouterr().out


def test_ablate_compares_the_arms_that_the_news_allow(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["ablate", "--store", str(store), *QUICK, "--without", "news"]
    page = tmp_path / "news.html"
    assert main([*options, "--arms", "kinds", "--arms", "all-news", "--report", str(page), "--json"]) == 0
    news = json.loads(capsys.readouterr().out)["news"]
    assert news["moments"] == ["close"]  # what was imported is of one moment
    assert news["arms"] == ["all news", "kinds"]
    assert {c["cells"] for c in news["comparisons"]} >= {"all", "next to earnings", "elsewhere", "earnings spike"}
    assert "Does the news help?" in page.read_text(encoding="utf-8")
    assert main([*options, "--arms", "kinds"]) == 0
    shown = capsys.readouterr().out
    assert news["verdict"].partition(":")[0][:20] in shown
    assert "kinds, close" in shown


def test_arms_that_are_not_there_are_refused_before_anything_is_trained(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arm, reason in (("kindz", "did you mean 'kinds'?"), ("topics", "no arm 'topics' here")):
        assert main(["ablate", "--store", str(store), *QUICK, "--without", "news", "--arms", arm]) in (1, 2)
        error = capsys.readouterr().err
        assert reason in error.replace("Did", "did")
        assert error.count("\n") == 1
