"""A registered model by ONNX Runtime says what the trained one says; without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tenor.config import FeatureConfig, ModelConfig, SentimentConfig, SplitConfig, TrainConfig
from tenor.data import embedded_bars, embedded_sentiment
from tenor.errors import HistoryError, ModelError, UnknownSymbolError
from tenor.features import build_panel
from tenor.inference import at_once
from tenor.inference.cells import usable
from tenor.inference.predictor import NO_VERDICT, Predictor
from tenor.pipeline.train import load
from tenor.registry import Registry
from tenor.schema import Bars, DailySentiment
from tenor.storage.object_store import open_store
from tenor.training import Forecaster, chronological, fit
from tenor.workspace import Workspace

SYMBOLS = ("AAPL", "AMZN", "BA", "BABA", "C", "GOOG", "JPM", "MSFT")
QUICK = TrainConfig(seeds=(0, 1), epochs=2)
PLAIN = TrainConfig(seeds=(3,), epochs=1)


@pytest.fixture(scope="module")
def bars() -> Bars:
    return embedded_bars().select(SYMBOLS)


@pytest.fixture(scope="module")
def sentiment() -> DailySentiment:
    return embedded_sentiment()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, bars: Bars, sentiment: DailySentiment) -> Registry:
    """With sentiment and two seeds; then the plain LSTM of one seed, without sentiment."""
    registry = Registry(open_store(tmp_path_factory.mktemp("models")), Path("work"))
    for features, model, training in (
        (FeatureConfig(), ModelConfig(hidden=8, lookback=20), QUICK),
        (FeatureConfig(sentiment=False), ModelConfig(hidden=4, lookback=8, attention=False), PLAIN),
    ):  # fmt: skip
        panel = build_panel(bars, features, sentiment=sentiment if features.sentiment else None)
        split = chronological(panel.sessions, SplitConfig(), purge=20)
        made = fit(
            panel,
            split,
            features=features,
            model=model,
            training=training,
            sentiment=SentimentConfig(window=9),
            workers=1,
        )
        validation = {str(horizon): {"verdict": f"Known of {horizon}."} for horizon in panel.horizons}
        registry.add(made, {"fingerprint": made.fingerprint, "split": dict(made.split), "validation": validation})
    return registry


@pytest.fixture(scope="module")
def predictor(registry: Registry) -> Predictor:
    return Predictor.load(registry)


@pytest.fixture(scope="module")
def forecaster(registry: Registry) -> Forecaster:
    return load(registry)


NUMBERS = (
    "expected_return", "price", "lower", "upper", "p_up", "last_price", "volatility", "baseline_volatility",
    "quantiles", "value_at_risk", "expected_shortfall",
)  # fmt: skip


@pytest.mark.parametrize("version", ["champion", "latest"])
def test_it_says_what_the_trained_model_says(
    registry: Registry, bars: Bars, sentiment: DailySentiment, version: str
) -> None:
    predictor, forecaster = Predictor.load(registry, version), load(registry, version)
    panel = build_panel(bars, forecaster.features, sentiment=sentiment if predictor.recipe.with_sentiment else None)
    ours = predictor.run(bars, sentiment).newest(SYMBOLS)
    theirs = forecaster.run(panel).newest(SYMBOLS)
    assert [(f.symbol, f.horizon) for f in ours] == [(s, h) for s in SYMBOLS for h in (1, 5, 20)]
    assert ours.failed == theirs.failed == {}
    spread = float(np.nanstd(forecaster.predict(panel).mean))
    for one, other in zip(ours, theirs, strict=True):
        assert (one.as_of, one.session, one.target_session) == (other.as_of, other.session, other.target_session)
        assert one.model_version == other.model_version == forecaster.version == predictor.recipe.version
        assert one.verdict == f"Known of {one.horizon}."
        for name in NUMBERS:
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-5, abs=1e-5 * spread)
        for name in ("attention_time", "attention_features"):
            seen, trained = getattr(one, name), getattr(other, name)
            assert list(seen) == list(trained)
            assert seen == pytest.approx(trained, rel=1e-4, abs=1e-6)
            assert sum(seen.values()) == pytest.approx(1 if forecaster.model.attention else 0, abs=1e-5)


def test_a_forecast_is_the_same_alone_and_among_others_that_run_beside_it(
    predictor: Predictor, bars: Bars, sentiment: DailySentiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = predictor.run(bars, sentiment).newest(SYMBOLS)
    monkeypatch.setattr(at_once, "OF_SYMBOLS", 1)
    alone = predictor.run(bars, sentiment).newest(SYMBOLS)
    for one, other in zip(alone, together, strict=True):
        assert (one.symbol, one.horizon) == (other.symbol, other.horizon)
        assert [getattr(one, name) for name in NUMBERS] == [
            pytest.approx(getattr(other, name), rel=1e-6) for name in NUMBERS
        ]
        assert one.attention_time == pytest.approx(other.attention_time, rel=1e-5)


def test_features_of_a_past_session_are_those_that_training_saw_to_the_bit(
    predictor: Predictor, forecaster: Forecaster, bars: Bars, sentiment: DailySentiment
) -> None:
    day = pd.Timestamp("2016-02-24")
    whole = build_panel(bars, forecaster.features, sentiment=sentiment)
    then = predictor.recipe.panel(bars.until(day), sentiment.until(day))
    row = whole.sessions.get_loc(day)
    assert then.sessions[-1] == day
    assert then.values.tobytes() == whole.values[: row + 1].tobytes()
    scaled = predictor.recipe.scaled(then).values
    assert scaled.tobytes() == forecaster.recipe.scaler.transform(whole).values[: row + 1].tobytes()


def test_as_of_sees_sessions_that_were_over_by_then_and_nothing_later(
    predictor: Predictor, bars: Bars, sentiment: DailySentiment
) -> None:
    noon = pd.Timestamp("2017-08-15 16:00", tz="UTC")  # New York trades: the session before is the last one over
    then = predictor.run(bars, sentiment, as_of=noon).newest(["MSFT"])
    assert then[0].session == pd.Timestamp("2017-08-14")
    later = bars.frame.copy()
    after = later["session"] > "2017-08-14"
    later.loc[after, ["open", "high", "low", "close", "adj_close"]] *= 3
    assert predictor.run(Bars(later), sentiment, as_of=noon).newest(["MSFT"]) == then


def test_history_is_what_was_said_then(predictor: Predictor, bars: Bars, sentiment: DailySentiment) -> None:
    past = predictor.run(bars, sentiment).history(["MSFT", "AAPL", "NOPE"], 30)
    assert len(past) == 2 * 30 * 3
    assert isinstance(past.failed["NOPE"], UnknownSymbolError)
    assert [(f.symbol, f.horizon) for f in past[:4]] == [("MSFT", 1), ("MSFT", 5), ("MSFT", 20), ("MSFT", 1)]
    assert past[0].attention_time == {}
    newest = {(f.symbol, f.horizon): f for f in predictor.run(bars, sentiment).newest(["AAPL", "MSFT"])}
    for said in past:
        if said.session == newest[said.symbol, said.horizon].session:
            for name in NUMBERS:
                assert getattr(said, name) == getattr(newest[said.symbol, said.horizon], name)
    day = past[30].session
    then = predictor.run(bars.until(day), sentiment.until(day)).newest(["MSFT"])
    for said, again in zip(past[30:33], then, strict=True):
        for name in NUMBERS:
            assert getattr(said, name) == pytest.approx(getattr(again, name), rel=1e-5, abs=1e-8)


def test_intervals_hold_nine_in_ten_where_the_fixed_ones_do_not(
    predictor: Predictor, forecaster: Forecaster, bars: Bars, sentiment: DailySentiment
) -> None:
    """Returns that are wilder than validation's: the fixed width misses, the adaptive one learns."""
    panel = build_panel(bars, forecaster.features, sentiment=sentiment)
    start = panel.sessions.get_loc(pd.Timestamp(forecaster.split["test"][0]))
    targets = panel.targets.copy()
    targets[start:] *= 1.6
    wild = type(panel)(**{**panel.__dict__, "targets": targets})
    said = forecaster.predict(wild)
    adapted = predictor.recipe.adapted(wild, said)
    rows = slice(start + 60, len(panel.sessions) - 5)
    real = targets[rows]
    known = np.isfinite(real) & usable(panel, 20)[rows][:, :, None]
    held = [((real >= one.lower[rows]) & (real <= one.upper[rows]))[known].mean() for one in (said, adapted)]
    assert held[0] < 0.82
    assert held[1] == pytest.approx(0.9, abs=0.02)
    before = slice(0, panel.sessions.get_loc(pd.Timestamp(forecaster.split["validation"][1])) + 1)
    np.testing.assert_array_equal(adapted.lower[before], said.lower[before])


def test_short_histories_keep_the_width_that_validation_taught(
    predictor: Predictor, forecaster: Forecaster, bars: Bars, sentiment: DailySentiment
) -> None:
    short = bars.until(pd.Timestamp(forecaster.split["validation"][0]))
    panel = predictor.recipe.panel(short, sentiment)
    said = forecaster.predict(panel)
    forecast = predictor.run(short, sentiment).newest(["BA"])[0]
    assert forecast.lower == pytest.approx(
        panel.close[-1, 2] * np.exp(float(said.lower[-1, panel.symbol_index("BA"), 0])), rel=1e-5
    )


def test_one_symbol_that_fails_does_not_take_the_others_with_it(
    predictor: Predictor, bars: Bars, sentiment: DailySentiment
) -> None:
    frame = bars.frame
    young = Bars(frame[(frame["symbol"] != "BA") | (frame["session"] >= "2017-06-01")])
    made = predictor.run(young, sentiment).newest(["MSFT", "BA", "MSFTT", "MSFT"])
    assert [(f.symbol, f.horizon) for f in made] == [("MSFT", 1), ("MSFT", 5), ("MSFT", 20)]
    assert isinstance(made.failed["BA"], HistoryError)
    assert "BA has 0 sessions with all features, and the model needs 20" in str(made.failed["BA"])
    assert "Did you mean 'MSFT'" in str(made.failed["MSFTT"])


def test_sentiment_is_asked_for_where_the_model_needs_it(registry: Registry, predictor: Predictor, bars: Bars) -> None:
    with pytest.raises(ModelError, match="was trained with sentiment, and there is none"):
        predictor.run(bars, None).newest(["MSFT"])
    plain = Predictor.load(registry, "latest")
    assert not plain.recipe.with_sentiment
    assert len(plain.run(bars, None).newest(["MSFT"])) == 3


def test_what_it_tells_of_itself(predictor: Predictor, forecaster: Forecaster) -> None:
    assert predictor.recipe == forecaster.recipe
    assert predictor.recipe.symbols == SYMBOLS
    assert predictor.recipe.sentiment == SentimentConfig(window=9)
    assert predictor.card["fingerprint"] == forecaster.fingerprint
    assert predictor.recipe.universe(("AAPL", "BA", "ZZ"), ["ZZ"]) == ["AAPL", "BA", "ZZ"]


def test_a_graph_that_is_none_is_told(tmp_path: Path, forecaster: Forecaster) -> None:
    class Broken:
        version = "0123456789ab"
        files = staticmethod(forecaster.files)
        to_onnx = staticmethod(lambda: b"no graph")

    registry = Registry(open_store(tmp_path), tmp_path)
    registry.add(Broken(), {})
    with pytest.raises(ModelError, match=r"model\.onnx can't be run here"):
        Predictor.load(registry)


PROBE = """
import json, sys, warnings
from tenor.pipeline.predict import predict
store = sys.argv[1]
made = predict(store, ["S01"])
heavy = ("torch", "sklearn", "matplotlib", "transformers", "tenor.training", "tenor.model")
print(json.dumps([made[0].symbol, [name for name in heavy if name in sys.modules]]))
"""


@pytest.mark.parametrize("place", ["folder", pytest.param("bucket", marks=pytest.mark.slow)])
def test_predict_imports_no_torch(
    place: str,
    tmp_path: Path,
    bars_of: Callable[..., Bars],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    store = str(tmp_path)
    if place == "bucket":
        request.getfixturevalue("s3_environment")
        monkeypatch.chdir(tmp_path)  # work of no version stays here
        store = f"s3://served/{tmp_path.name}"
    from tenor.cli import main
    from tenor.store import Lake

    Lake(store).append_bars(bars_of(symbols=2, sessions=300), source="made")
    quick = ("training.seeds=[0]", "training.epochs=1", "model.hidden=4", "model.lookback=5")
    assert main(["train", "--store", store, "--workers", "1", *(x for s in quick for x in ("--set", s))]) == 0
    done = subprocess.run([sys.executable, "-c", PROBE, store], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["S01", []]


def test_a_card_without_verdicts_still_forecasts(trained: Path) -> None:
    predictor = Workspace(str(trained)).predictor()
    for card in ({}, {"validation": {}}, {"validation": {"1": {"skill": 0.0}}}):
        older = replace(predictor, card=card)
        assert set(older.verdicts().values()) == {NO_VERDICT}
        assert set(older.verdicts()) == set(predictor.recipe.horizons)
