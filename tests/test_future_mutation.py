"""The spine: change everything after session t, and nothing that was known at t changes by one bit.

A stage takes bars, sentiment and t, and returns what it claims to have known: arrays over [session, symbol, ...]. To
put a new stage (a fitted network's forecasts, say) under the same proof, add it to `STAGES`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tenor.calendars import exchange
from tenor.config import FeatureConfig, ModelConfig, TrainConfig
from tenor.data import embedded_bars
from tenor.distribution import Risk
from tenor.features import Scaler, build_panel
from tenor.features.own import Own, OwnFunction
from tenor.schema import PRICES, SENTIMENT_COLUMNS, Bars, DailyKinds, DailySentiment, Panel
from tenor.training import Forecaster, Split, fit
from tenor.user_code import Source

CONFIG = FeatureConfig(horizons=(1, 5))


@dataclass(frozen=True)
class Known:
    """What a stage claims: `arrays` over [session, symbol, ...]."""

    sessions: pd.DatetimeIndex
    symbols: tuple[str, ...]
    arrays: dict[str, NDArray[np.generic]]


Stage = Callable[[Bars, DailySentiment | None, pd.Timestamp], Known]


def features(bars: Bars, sentiment: DailySentiment | None, at: pd.Timestamp) -> Known:
    return of_panel(build_panel(bars, CONFIG, sentiment=sentiment))


def scaled(bars: Bars, sentiment: DailySentiment | None, at: pd.Timestamp) -> Known:
    panel = build_panel(bars, CONFIG, sentiment=sentiment)
    return of_panel(Scaler.fit(panel, slice(0, panel.sessions.get_loc(at) + 1)).transform(panel))


def own(bars: Bars, sentiment: DailySentiment | None, at: pd.Timestamp) -> Known:
    """Own features: a function, a table of symbols that come and go, what does not change."""
    values = [
        ("S00", "2014-04-01", 4.0),
        ("S01", "2014-03-03", 1.0),
        ("ZZZ9", "2014-02-03", 2.0),
        ("AAPL", "2014-03-03", 3.0),
    ]
    tables = [
        ("table", pd.DataFrame(values, columns=["symbol", "known_since", "value"])),
        ("firm", pd.DataFrame({"symbol": ["S00", "S01", "AAPL"], "size": [1.0, 2.0, 3.0]})),
    ]
    made = dataclasses.replace(Own.of(CONFIG, given=tables), functions=(SMOOTHED,)).fitted(bars, at)
    return of_panel(build_panel(bars, CONFIG, sentiment=sentiment, own=made))


def news(bars: Bars, sentiment: DailySentiment | None, at: pd.Timestamp) -> Known:
    """Counts of kinds of news; those of the fixture follow from its sentiment, row by row."""
    config = dataclasses.replace(CONFIG, kinds=("any", "earnings"))
    if sentiment is not None:
        rows = sentiment.frame
        few = rows[rows["n"] % 3 == 0]
        cells = [rows.assign(kind=""), few.assign(kind="earnings", n=few["n"] // 3)]
        sentiment = dataclasses.replace(sentiment, kinds=DailyKinds(pd.concat(cells)))
    return of_panel(build_panel(bars, config, sentiment=sentiment))


CODE = "def smoothed(bars):\n    return bars['close'] / bars['close'].ewm(halflife=5).mean() - 1\n"
SMOOTHED = OwnFunction("smoothed", Source(CODE, "mine.py", "smoothed"))


STAGES: dict[str, Stage] = {"features": features, "scaled": scaled, "own": own, "news": news}


def of_panel(panel: Panel) -> Known:
    arrays = {n: getattr(panel, n) for n in ("values", "mask", "volatility", "variance", "open", "close")}
    for i, horizon in enumerate(panel.horizons):
        # a target is known when its horizon has passed
        known = np.full_like(panel.close, np.nan, dtype=np.float32)
        known[horizon:] = panel.targets[:-horizon, :, i]
        arrays[f"target_{horizon}"] = known
        risk = np.full_like(known, np.nan)
        risk[horizon:] = panel.log_variance[:-horizon, :, i]
        arrays[f"log_variance_{horizon}"] = risk
    return Known(panel.sessions, panel.symbols, arrays)


def assert_same_until(at: pd.Timestamp, before: Known, after: Known) -> None:
    rows = before.sessions.get_loc(at) + 1
    assert before.sessions[:rows].equals(after.sessions[:rows])
    shared = [s for s in before.symbols if s in after.symbols]
    places = [[known.symbols.index(s) for s in shared] for known in (before, after)]
    for name, array in before.arrays.items():
        old, new = (known.arrays[name][:rows][:, place] for known, place in zip((before, after), places, strict=True))
        changed = [shared[i] for i in range(len(shared)) if old[:, i].tobytes() != new[:, i].tobytes()]
        assert not changed, f"{name} of {changed[:3]} changed at or before {at:%Y-%m-%d}"
        for known, place in zip((before, after), places, strict=True):
            rest = np.delete(known.arrays[name][:rows], place, axis=1)
            assert not np.nan_to_num(rest.astype("float64")).any(), f"{name} knows a symbol before its first bar"
        assert array.dtype == after.arrays[name].dtype


def mutate_after(
    bars: Bars, sentiment: DailySentiment | None, at: pd.Timestamp, rng: np.random.Generator
) -> tuple[Bars, DailySentiment | None]:
    """The same bars and sentiment up to `at`; after it rows are changed, deleted, added, and symbols begin and end."""
    frame = bars.frame
    past, later = frame[frame["session"] <= at], frame[frame["session"] > at]
    end = frame["session"].max() + pd.Timedelta(days=rng.integers(0, 20))
    sessions = exchange(CONFIG.calendar).sessions(at, end)[1:]
    symbols = [*bars.symbols, "AAA0", "S00X", "ZZZ9"]

    ended = rng.choice(bars.symbols, rng.integers(0, len(bars.symbols)), replace=False)
    lost = rng.random(len(later)) < rng.choice([0.0, 0.3, 1.0], p=[0.4, 0.4, 0.2])
    added = cells(sessions, symbols, 60 if rng.random() < 0.7 else 0, rng)
    added = added.assign(**dict.fromkeys(PRICES, 30.0), volume=100.0)
    later = pd.concat([later[~later["symbol"].isin(ended) & ~lost], added]).drop_duplicates(["symbol", "session"])
    factor = np.exp(rng.normal(0, rng.choice([0.01, 1.0, 5.0]), len(later)))
    later = later.assign(
        **{c: later[c] * factor for c in PRICES[:4]},
        adj_close=later["adj_close"] * np.exp(rng.normal(0, 1, len(later))),
        volume=np.where(rng.random(len(later)) < 0.2, 0.0, rng.integers(0, 10**9, len(later))),
    )
    if sentiment is not None:
        said = sentiment.frame[sentiment.frame["session"] <= at]
        unsaid = sentiment.frame.loc[sentiment.frame["session"] > at, ["symbol", "session"]]
        kept = unsaid[rng.random(len(unsaid)) < rng.choice([0.0, 0.5, 1.0])]
        fresh = pd.concat([kept, cells(sessions, symbols, 80, rng)]).drop_duplicates()
        sentiment = DailySentiment(pd.concat([said, sentiments(fresh, rng)]))
    return Bars(pd.concat([past, later])), sentiment


def cells(sessions: pd.DatetimeIndex, symbols: list[str], count: int, rng: np.random.Generator) -> pd.DataFrame:
    """Some (symbol, session) pairs drawn at random, each once."""
    count = count if len(sessions) else 0
    days = sessions[rng.integers(0, max(len(sessions), 1), count)]
    names = np.array(symbols, dtype=object)[rng.integers(0, len(symbols), count)]
    return pd.DataFrame({"symbol": pd.Series(names, dtype="str"), "session": days}).drop_duplicates()


def sentiments(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    numbers = {c: rng.uniform(-1, 1, len(rows)) for c in SENTIMENT_COLUMNS[2:]}
    return rows.assign(**numbers | {c: rng.integers(1, 50, len(rows)) for c in ("n", "market_n")})


def dirty(clean: Bars, rng: np.random.Generator) -> Bars:
    """Gaps, a late start, a stale run, a year without volume, split-like jumps: what real bars have."""
    frame = clean.frame
    number = frame.groupby("symbol").cumcount()
    frame = frame[(rng.random(len(frame)) > 0.02) & ~((frame["symbol"] == "S01") & (number < 90))].copy()
    stale = (frame["symbol"] == "S02") & number.between(100, 130)
    frame.loc[stale, list(PRICES)] = 42.0
    frame.loc[frame["symbol"] == "S03", "volume"] = 0.0
    jump = (rng.random(len(frame)) < 0.01) * np.log(10)
    frame[list(PRICES)] = frame[list(PRICES)].mul(np.exp(rng.choice([-1, 1], len(frame)) * jump), axis=0)
    return Bars(frame)


def sentiment_for(bars: Bars, rng: np.random.Generator) -> DailySentiment:
    rows = bars.frame.loc[rng.random(len(bars.frame)) < 0.3, ["symbol", "session"]]
    return DailySentiment(sentiments(rows, rng))


@pytest.fixture(scope="module")
def cases(bars_of: Callable[..., Bars]) -> list[tuple[Bars, DailySentiment]]:
    made = []
    for seed, symbols in ((0, 5), (1, 12)):
        rng = np.random.default_rng(seed)
        bars = dirty(bars_of(symbols=symbols, sessions=220, seed=seed), rng)
        made.append((bars, sentiment_for(bars, rng)))
    return made


@pytest.mark.parametrize("stage", STAGES)
@settings(max_examples=100)
@given(which=st.integers(0, 1), cut=st.integers(70, 215), seed=st.integers(0, 2**32 - 1), with_news=st.booleans())
def test_the_future_changes_nothing(
    cases: list[tuple[Bars, DailySentiment]], stage: str, which: int, cut: int, seed: int, with_news: bool
) -> None:
    bars, sentiment = cases[which][0], cases[which][1] if with_news else None
    at = pd.DatetimeIndex(bars.frame["session"].unique()).sort_values()[cut]
    later_bars, later_sentiment = mutate_after(bars, sentiment, at, np.random.default_rng(seed))
    assert_same_until(at, STAGES[stage](bars, sentiment, at), STAGES[stage](later_bars, later_sentiment, at))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("cut", ["2013-01-02", "2015-08-24", "2017-08-31"])
def test_the_future_changes_nothing_on_real_bars(stage: str, cut: str) -> None:
    rng = np.random.default_rng(7)
    bars, at = embedded_bars(), pd.Timestamp(cut)
    sentiment = sentiment_for(bars, rng)
    later_bars, later_sentiment = mutate_after(bars, sentiment, at, rng)
    assert_same_until(at, STAGES[stage](bars, sentiment, at), STAGES[stage](later_bars, later_sentiment, at))


def _scaler_on_all(bars: Bars, sentiment: DailySentiment | None, at: pd.Timestamp) -> Known:
    panel = build_panel(bars, CONFIG, sentiment=sentiment)
    return of_panel(Scaler.fit(panel, slice(None)).transform(panel))


def _centred(bars: Bars, sentiment: DailySentiment | None, at: pd.Timestamp) -> Known:
    known = features(bars, sentiment, at)
    smooth = known.arrays["values"].copy()
    smooth[1:-1] = (smooth[:-2] + smooth[1:-1] + smooth[2:]) / 3
    return Known(known.sessions, known.symbols, known.arrays | {"values": smooth})


def _target_as_feature(bars: Bars, sentiment: DailySentiment | None, at: pd.Timestamp) -> Known:
    panel = build_panel(bars, CONFIG, sentiment=sentiment)
    return Known(panel.sessions, panel.symbols, {"values": panel.targets})


def _sentiment_of_tomorrow(bars: Bars, sentiment: DailySentiment | None, at: pd.Timestamp) -> Known:
    assert sentiment is not None
    sessions = exchange(CONFIG.calendar).sessions(pd.Timestamp("2013-12-01"), pd.Timestamp("2016-01-01"))
    shifted = sentiment.frame.assign(
        session=sessions[sessions.get_indexer(pd.DatetimeIndex(sentiment.frame["session"])) - 1]
    )
    return features(bars, DailySentiment(shifted), at)


@pytest.mark.parametrize("leak", [_scaler_on_all, _centred, _target_as_feature, _sentiment_of_tomorrow])
def test_a_planted_leak_is_caught(cases: list[tuple[Bars, DailySentiment]], leak: Stage) -> None:
    bars, sentiment = cases[0]
    at = pd.DatetimeIndex(bars.frame["session"].unique()).sort_values()[150]
    later_bars, later_sentiment = mutate_after(bars, sentiment, at, np.random.default_rng(3))
    with pytest.raises(AssertionError, match="changed at or before"):
        assert_same_until(at, leak(bars, sentiment, at), leak(later_bars, later_sentiment, at))


def test_a_symbol_that_starts_later_changes_nothing_before(bars_of: Callable[..., Bars]) -> None:
    bars = bars_of(symbols=9, sessions=200)
    newcomers = bars_of(symbols=9, sessions=80, seed=5, first="2014-07-01").frame
    newcomers = newcomers.assign(symbol=newcomers["symbol"].str.replace("S", "R") + "X")
    at = newcomers["session"].min() - pd.Timedelta(days=1)
    together = Bars(pd.concat([bars.frame, newcomers[newcomers["session"] <= bars.frame["session"].max()]]))
    assert together.symbols[0] not in bars.symbols
    assert_same_until(at, features(bars, None, at), features(together, None, at))


# forecasts ----------------------------------------------------------------------------------------------------------

RISK = tuple(field.name for field in dataclasses.fields(Risk))


@pytest.fixture(scope="module")
def forecaster(bars_of: Callable[..., Bars]) -> Forecaster:
    """Trained on the first half of the year; what follows validation is what its intervals learn from."""
    panel = build_panel(bars_of(symbols=5, sessions=220, seed=8), FeatureConfig(horizons=(1, 5), sentiment=False))
    split = Split(slice(66, 100), slice(105, 130), slice(135, 220), 5)
    model = ModelConfig(hidden=6, attention_size=4, lookback=8)
    training = TrainConfig(seeds=(0, 1), epochs=1, segment=20, burn_in=8, segments_per_step=4, learning_rate=1e-2)
    features = FeatureConfig(horizons=(1, 5), sentiment=False)
    return fit(panel, split, features=features, model=model, training=training, workers=1)


def mutate_values_after(bars: Bars, at: pd.Timestamp, rng: np.random.Generator) -> Bars:
    """Every bar after `at` is another one: crashes, splits that nobody adjusted, halts; the sessions stay."""
    frame = bars.frame.copy()
    later = (frame["session"] > at).to_numpy()
    rows = frame.loc[later, list(PRICES)] * np.exp(rng.normal(0, rng.choice([0.02, 0.5, 3.0]), (later.sum(), 1)))
    rows["high"] = np.maximum(rows["high"], rows[["open", "close"]].max(axis=1)) * np.exp(rng.exponential(0.1))
    if rng.random() < 0.5:
        halted = (frame.loc[later, "symbol"] == "S02").to_numpy()
        rows.loc[halted] = 12.0
    frame.loc[later, list(PRICES)] = rows
    frame.loc[later, "volume"] = rng.integers(0, 10**9, later.sum()).astype("float64")
    return Bars(frame)


@settings(max_examples=25)
@given(cut=st.integers(74, 218), seed=st.integers(0, 2**32 - 1))
def test_the_future_changes_no_forecast_and_no_risk_by_one_bit(
    cases: list[tuple[Bars, DailySentiment]], forecaster: Forecaster, cut: int, seed: int
) -> None:
    bars = cases[0][0]
    at = pd.DatetimeIndex(bars.frame["session"].unique()).sort_values()[cut]
    before, after = (
        forecaster.run(forecaster.recipe.panel(each, None))
        for each in (bars, mutate_values_after(bars, at, np.random.default_rng(seed)))
    )
    rows = before.panel.sessions.get_loc(at) + 1
    old, new = before.predictions, after.predictions
    assert old.lower is not None
    pairs = {name: (getattr(old, name), getattr(new, name)) for name in ("mean", "p_up", "lower", "upper")}
    pairs |= {f"risk.{name}": (getattr(old.risk, name), getattr(new.risk, name)) for name in RISK}
    for name, (first, second) in pairs.items():
        assert first[:rows].tobytes() == second[:rows].tobytes(), f"{name} changed at or before {at:%Y-%m-%d}"
    if rows < 215:
        assert (old.risk.log_variance[rows:] != new.risk.log_variance[rows:]).any()


@pytest.mark.parametrize("symbol", ["A", "S01X", "ZZZ"])
def test_a_suspended_symbol_changes_no_other_forecast(
    bars_of: Callable[..., Bars], forecaster: Forecaster, symbol: str
) -> None:
    bars = bars_of(symbols=5, sessions=220, seed=3)
    still = bars.frame[bars.frame["symbol"] == "S00"].assign(symbol=symbol, volume=0.0)
    runs = []
    for price in (None, 1.25, 4000.0):
        rows = [] if price is None else [still.assign(**dict.fromkeys(PRICES, price))]
        runs.append(forecaster.run(forecaster.recipe.panel(Bars(pd.concat([bars.frame, *rows])), None)))
    others = [[run.panel.symbol_index(s) for s in bars.symbols] for run in runs]
    for run in runs[1:]:
        assert run.last[run.panel.symbol_index(symbol)] == -1
        assert run.newest([symbol]).failed.keys() == {symbol}
    for name in ("mean", "p_up", "lower", "upper", *RISK):
        found = [getattr(r.predictions if hasattr(r.predictions, name) else r.predictions.risk, name) for r in runs]
        if name not in ("quantiles", "shortfalls", "scale"):
            found = [each[:, place] for each, place in zip(found, others, strict=True)]
        assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes(), name
