"""A challenger takes the champion's place by a paired test on days that neither has seen, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tenor.calendars import exchange
from tenor.cli import main
from tenor.errors import ModelError
from tenor.inference.predictor import read_recipe
from tenor.pipeline import promote
from tenor.registry import Registry, registry_of
from tenor.schema import Bars
from tenor.store import Lake
from tenor.workspace import Workspace

STILL = ("training.learning_rate=1e-9", "training.epochs=1")
KEEN = ("training.learning_rate=2e-2", "training.epochs=12", "training.patience=12", "training.segments_per_step=8")


def calm_after_wild(symbols: int = 6, sessions: int = 520) -> Bars:
    """A wild session follows a calm one, and a calm one a wild one: what a pool of the past gets wrong for ever, and a
    network learns in seconds."""
    rng = np.random.default_rng(0)
    days = exchange("XNYS").sessions(pd.Timestamp("2014-01-02"), pd.Timestamp("2020-12-31"))[:sessions]
    frames = []
    for i in range(symbols):
        spread = np.where((np.arange(sessions) + i) % 2 == 0, 0.03, 0.005)
        close = 50 * np.exp(np.cumsum(rng.normal(0, spread)))
        frames.append(
            pd.DataFrame(
                {
                    "symbol": f"S{i}",
                    "session": days,
                    "open": close,
                    "high": close * (1 + spread),
                    "low": close * (1 - spread),
                    "close": close,
                    "adj_close": close,
                    "volume": 1000.0,
                }
            )
        )
    return Bars(pd.concat(frames))


def train(store: Path, seed: int, *settings: str) -> int:
    always = (f"training.seeds=[{seed}]", "model.hidden=8", "model.lookback=5", "features.horizons=[1,5]")
    return main(["train", "--store", str(store), "--workers", "1", "--json", *with_set(*always, *settings)])


def with_set(*settings: str) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three versions: one that learned nothing, one that did, and another that learned nothing."""
    store = tmp_path_factory.mktemp("lake")
    Lake(store).append_bars(calm_after_wild(), source="made")
    assert train(store, 0, *STILL) == 0
    assert train(store, 1, *KEEN) == 0
    assert train(store, 2, *STILL) == 0
    return store


@pytest.fixture
def registry(store: Path) -> Registry:
    return registry_of(str(store))


def test_training_promotes_what_is_better_and_nothing_else(store: Path, registry: Registry) -> None:
    still, keen, again = registry.versions()
    assert (registry.champion(), registry.pointers().previous, registry.pointers().latest) == (keen, still, again)


def test_a_contest_tells_the_numbers(store: Path, registry: Registry) -> None:
    still, keen, again = registry.versions()
    workspace = Workspace(str(store))
    won, lost = promote.compare(workspace, keen, still), promote.compare(workspace, again, keen)
    assert won.better
    assert won.p is not None
    assert won.p < 0.05
    assert won.challenger_loss < won.champion_loss
    assert (lost.better, lost.champion_loss) == (False, won.challenger_loss)
    test = read_recipe(registry.open(keen)).split["test"]
    assert won.first == test[0]
    assert won.last < test[1]  # the last day's outcome is not known yet
    assert won.days == lost.days > 100
    assert f"loss {won.challenger_loss:.5f} against {won.champion_loss:.5f} of champion {still}" in won.why
    same = promote.compare(workspace, still, still)
    assert not same.better
    assert "too few or too equal to tell" in same.why


def test_only_days_that_neither_has_seen_count(store: Path, registry: Registry, tmp_path: Path) -> None:
    """A champion that was trained up to the last days leaves too few."""
    champion = registry.champion()
    assert train(store, 3, *STILL, "split.train_end=2015-10-01", "split.valid_end=2016-01-08") == 0
    contest = promote.compare(Workspace(str(store)), registry.pointers().latest, champion)
    assert 0 < contest.days < 12
    assert not contest.better
    assert "too few" in contest.why


def test_what_is_not_better_is_refused_without_force(
    store: Path, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    still, keen = registry.versions()[:2]
    before = registry.pointers()
    with pytest.raises(ModelError, match=rf"{still} is not promoted: loss .* champion {keen} .* --force"):
        promote.promote(Workspace(str(store)), still)
    assert registry.pointers() == before
    assert main(["models", "promote", still, "--store", str(store)]) == 1
    assert "not shown to be better, p = " in " ".join(capsys.readouterr().err.split())
    assert main(["models", "promote", still, "--store", str(store), "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"champion": still, "previous": keen, "contest": None}
    assert main(["models", "promote", keen, "--store", str(store), "--json"]) == 0  # the better one needs no force
    assert json.loads(capsys.readouterr().out)["contest"]["better"] is True
    assert main(["models", "rollback", "--store", str(store)]) == 0
    assert capsys.readouterr().out == f"champion: {still}, before: {keen}\n"
    assert main(["models", "rollback", "--store", str(store), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"champion": keen, "previous": still}


def test_versions_are_listed_shown_and_compared(
    store: Path, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    still, keen = registry.versions()[:2]
    at = ("--store", str(store))
    assert main(["models", "list", *at, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["version"] for row in rows] == list(registry.versions())
    assert rows[1]["names"] == ["champion"]
    assert main(["models", "list", *at]) == 0
    assert "champion" in capsys.readouterr().out
    assert main(["models", "show", *at, "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["version"] == keen
    assert card["validation"]["1"]["log_variance_r2"] > 0.1
    assert card["bars"] == Lake(store).bars().fingerprint()
    assert main(["models", "show", still, *at]) == 0
    assert "validation.1.log_variance_r2" in capsys.readouterr().out
    assert main(["models", "diff", still, keen, *at, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["settings.training.learning_rate"] == [1e-9, 2e-2]
    assert "bars" not in told
    assert main(["models", "diff", still, keen, *at]) == 0
    assert "settings.training.epochs" in capsys.readouterr().out


def test_a_champion_that_can_not_be_read_is_told_and_training_is_not_lost(
    store: Path, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    champion = registry.champion()
    key = f"versions/{champion}/weights.safetensors"
    good = registry.objects.get(key).data
    registry.objects.put(key, good[:-1] + b"?")
    try:
        assert train(store, 4, *STILL) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["champion"] == champion
        assert "weights.safetensors is truncated or was changed" in told["contest"]["why"]
        assert registry.pointers().latest == told["version"]
    finally:
        registry.objects.put(key, good)


def test_evaluate_takes_the_model_just_trained_and_predict_the_champion(
    store: Path, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    now = registry.pointers()
    assert now.latest != now.champion
    assert main(["evaluate", "--store", str(store), "--set", "model.hidden=9"]) == 2
    assert f"but version {now.latest}" in " ".join(capsys.readouterr().err.split())
    for asked, version in (((), now.champion), (("--model", "latest"), now.latest)):
        assert main(["predict", "S1", "--store", str(store), "--json", *asked]) == 0
        assert json.loads(capsys.readouterr().out)["model_version"] == version
