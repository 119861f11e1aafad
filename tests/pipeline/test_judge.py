"""Anybody's forecasts, judged from file to verdict, on real bars."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from forecast_rows import closes_of, long, rows_of

import tenor
from tenor.config import FeatureConfig, ModelConfig, TrainConfig
from tenor.errors import ConfigError, DataError, HistoryError, UnknownSymbolError
from tenor.evaluation.evaluate import evaluate
from tenor.evaluation.risk import evaluate_risk
from tenor.evaluation.risk_walk import walk_rivals
from tenor.evaluation.volatility_rivals import HAR_X_REFITTED
from tenor.features import build_panel
from tenor.inference.cells import usable
from tenor.pipeline.judge import Judgement, judge
from tenor.referee import baselines
from tenor.referee.result import HINDSIGHT, LATE, LEAK, TRAINING, UNITS
from tenor.schema import Bars, Panel
from tenor.store import Lake
from tenor.training import fit

SYMBOLS = ["AAPL", "BA", "CAT", "GOOG", "MSFT"]
FIRST = "2016-01-04"


@pytest.fixture(scope="module")
def bars() -> Bars:
    return tenor.embedded_bars().select(SYMBOLS)


@pytest.fixture(scope="module")
def closes(bars: Bars) -> pd.DataFrame:
    return closes_of(bars)


@pytest.fixture(scope="module")
def panel(bars: Bars) -> Panel:
    return build_panel(bars, FeatureConfig(horizons=(1, 5), sentiment=False))


def quick(forecasts: Any, bars: Any, **options: Any) -> Judgement:
    return judge(forecasts, bars, quick=True, workers=1, **options)


def kinds(judgement: Judgement) -> list[str]:
    return [finding.kind for finding in judgement.models[0].findings]


def test_our_own_forecasts_get_the_numbers_of_our_own_evaluation(bars: Bars, panel: Panel, tmp_path: Path) -> None:
    start = int(panel.sessions.searchsorted(pd.Timestamp(FIRST)))
    rows = slice(start, start + 200)
    (split,) = baselines.cut(panel, rows.start, rows.stop)
    forecaster = fit(
        panel,
        split,
        features=FeatureConfig(horizons=(1, 5), sentiment=False),
        model=ModelConfig(hidden=4, attention_size=2, lookback=8),
        training=TrainConfig(epochs=1, seeds=(0,)),
        workers=1,
    )
    ours = forecaster.predict(panel)
    assert ours.risk is not None
    mask = np.zeros_like(panel.mask)
    mask[rows] = usable(panel, 8)[rows]
    counted = replace(panel, mask=mask)
    fitted = baselines.fit(panel, (split,), returns=True, risk=True, quick=True, workers=1)

    path = tmp_path / "ours.csv"
    rows_of(panel, ours, mask).to_csv(path, index=False)
    model = quick(path, bars).models[0]
    assert model.judged == model.counted == model.rows
    assert not model.findings
    for horizon in (1, 5):
        result = model.horizons[horizon]
        risk = evaluate_risk(counted, rows, {"ours": ours.risk} | fitted.risks, horizon=horizon)
        for measure in ("log_variance_mse", "qlike", "crps"):
            table = result.losses[measure]
            assert (table.days, table.samples) == (risk.days, risk.samples)
            for name, value in table.values.items():
                expected = risk.table[name][measure]
                assert (value.value, value.low, value.high) == pytest.approx(
                    (expected.value, expected.low, expected.high), rel=2e-6
                )
            for name, comparison in table.comparisons.items():
                theirs = risk.comparisons[name][measure]
                assert comparison.statistic == pytest.approx(theirs.statistic, rel=1e-3, abs=1e-3)
                assert comparison.holm == pytest.approx(theirs.holm, rel=5e-3, abs=1e-6)
            assert table.confidence_set == pytest.approx(risk.confidence_set[measure], abs=0.005)
        for percent, share in result.coverage.items():
            assert share.value == pytest.approx(risk.table["ours"][f"coverage_{percent}"].value, abs=1e-9)
        expected_returns = evaluate(counted, rows, {"ours": ours} | fitted.predictions, horizon=horizon)
        assert result.evaluation is not None
        assert result.evaluation.verdict == expected_returns.verdict
        for name, metrics in expected_returns.table.items():
            for metric, value in metrics.items():
                found = result.evaluation.table[name][metric]
                assert found.value == pytest.approx(value.value, rel=1e-6, abs=1e-9, nan_ok=True)
        assert [test.holm for test in result.evaluation.tests] == pytest.approx(
            [test.holm for test in expected_returns.tests], rel=1e-4
        )


def test_persistence_ties_with_persistence_and_has_no_skill(bars: Bars, closes: pd.DataFrame) -> None:
    model = quick({"stays": long(closes, "price", first=FIRST)}, bars).models[0]
    (outcome,) = model.outcomes
    assert (outcome.kind, outcome.side, outcome.change) == ("returns", 0, 0.0)
    assert model.horizons[1].evaluation is not None
    assert model.horizons[1].evaluation.table["stays"]["skill"].value == pytest.approx(0, abs=1e-12)
    assert not model.worth
    assert "not shown to be worth anything, no better than 'the price stays'" in model.verdict
    assert "squared error of returns the same" in model.verdict
    assert model.findings == ()


def test_perfect_foresight_is_named_as_a_leak(bars: Bars, closes: pd.DataFrame) -> None:
    judgement = quick({"seer": long(closes.shift(-1), "price", first=FIRST).dropna()}, bars)
    assert kinds(judgement) == [LEAK]
    assert "equal the outcome: they know it" in judgement.models[0].findings[0].text
    assert not judgement.models[0].worth
    assert "seer: no evidence, it knows the future, it seems" in judgement.verdict


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_forecast_that_knows_a_part_of_the_future_is_named(bars: Bars, closes: pd.DataFrame, share: float) -> None:
    rng = np.random.default_rng(0)
    ahead = np.log(closes).diff().shift(-1)
    mixed = share * ahead + (1 - share) * ahead.std() * pd.DataFrame(
        rng.normal(size=ahead.shape), ahead.index, ahead.columns
    )
    judgement = quick({"peeks": long(mixed, "return", first=FIRST).dropna()}, bars)
    assert kinds(judgement) == [LEAK]
    assert "is explained by later returns" in judgement.models[0].findings[0].text


def test_a_volatility_of_the_days_to_come_is_named(bars: Bars, panel: Panel) -> None:
    ahead = pd.DataFrame(np.exp(panel.log_variance[:, :, 0] / 2), panel.sessions, panel.symbols)
    judgement = quick({"seer": long(ahead, "volatility", first=FIRST).dropna()}, bars)
    assert LEAK in kinds(judgement)
    assert not judgement.models[0].worth


def test_noise_loses(bars: Bars, closes: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    rows = long(closes, "close", first=FIRST).drop(columns="close")
    rows["return"] = rng.normal(0, 0.01, len(rows))
    rows["p_up"] = rng.uniform(0.2, 0.8, len(rows))
    rows["volatility"] = 0.015 * np.exp(rng.normal(0, 0.5, len(rows)))
    rows["q05"], rows["q50"], rows["q95"] = rows["return"] - 0.02, rows["return"], rows["return"] + 0.02
    model = quick({"noise": rows}, bars).models[0]
    assert {outcome.kind: outcome.side for outcome in model.outcomes} == {
        "volatility": -1, "distribution": -1, "returns": -1, "direction": -1
    }  # fmt: skip
    assert "noise: not shown to be worth anything, worse than" in model.verdict
    assert set(model.horizons[1].coverage) == {"90"}
    assert model.horizons[1].losses["crps"].levels == (0.05, 0.5, 0.95)
    assert model.trading is not None


def test_the_refitted_har_ties_with_itself(bars: Bars, panel: Panel) -> None:
    start = int(panel.sessions.searchsorted(pd.Timestamp(FIRST)))
    stop = start + 250
    splits = baselines.cut(panel, start, stop)
    risk = walk_rivals(panel, splits, names=[HAR_X_REFITTED], workers=1).forecasts[HAR_X_REFITTED]
    frames = []
    for k, horizon in enumerate(panel.horizons):
        variance = pd.DataFrame(risk.volatility[:, :, k].astype("float64") ** 2, panel.sessions, panel.symbols)
        frame = long(variance.iloc[start:stop], "variance", first=FIRST, horizon=horizon)
        frame["log_variance"] = risk.log_variance[start:stop, :, k].ravel()
        frames.append(frame)
    model = quick({"HAR of mine": pd.concat(frames)}, bars).models[0]
    assert [outcome.kind for outcome in model.outcomes] == ["volatility", "volatility"]
    for outcome in model.outcomes:
        assert outcome.side == 0
        assert outcome.change == pytest.approx(0, abs=1e-6)
    for result in model.horizons.values():
        assert result.losses["qlike"].comparisons[HAR_X_REFITTED].change == pytest.approx(0, abs=1e-6)
    # and as the standard deviation of returns that it means
    frames = [
        long(
            pd.DataFrame(risk.return_volatility[:, :, k], panel.sessions, panel.symbols).iloc[start:stop],
            "volatility",
            first=FIRST,
            horizon=horizon,
        )
        for k, horizon in enumerate(panel.horizons)
    ]
    for outcome in quick({"HAR of mine": pd.concat(frames)}, bars).models[0].outcomes:
        assert abs(outcome.change) < 0.02


def test_only_what_a_file_has_is_judged(bars: Bars, closes: pd.DataFrame) -> None:
    rows = long(closes, "close", first=FIRST).drop(columns="close")
    of = {
        "returns": rows.assign(**{"return": 0.0001}),
        "direction": rows.assign(p_up=0.55),
        "volatility": rows.assign(volatility=0.012),
        "distribution": rows.assign(q10=-0.015, q90=0.015),
    }
    for model in quick(of, bars).models:
        assert [outcome.kind for outcome in model.outcomes] == [model.name]
    assert quick({"d": of["direction"]}, bars).models[0].horizons[1].probabilities


def test_several_models_are_compared_on_the_cells_that_all_have(bars: Bars, closes: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    returns = np.log(closes).diff()
    vol = np.sqrt((returns**2).ewm(alpha=0.06).mean())
    good = long(vol, "volatility", first=FIRST)
    bad = good.assign(volatility=good["volatility"] * np.exp(rng.normal(0, 1, len(good))))
    half = good[good["session"] >= "2016-07-01"]
    judgement = quick({"good": good, "bad": bad, "half": half}, bars)
    (pair,) = judgement.pairwise
    assert pair.samples == judgement["half"].horizons[1].losses["log_variance_mse"].samples
    assert set(pair.tests) == {("good", "bad"), ("good", "half"), ("bad", "half")}
    assert pair.tests["good", "bad"].side == 1
    assert pair.tests["good", "half"].change == 0
    assert list(pair.confidence_set) == ["good", "bad", "half", HAR_X_REFITTED]
    assert pair.confidence_set["bad"] < 0.1
    assert pair.confidence_set["good"] == pair.confidence_set["half"]
    assert "bad" not in pair.best
    assert "the 90 % model confidence set is" in judgement.verdict


def test_forecasts_made_too_late_are_left_out(bars: Bars, closes: pd.DataFrame) -> None:
    rows = long(closes, "price", first=FIRST).iloc[: -len(SYMBOLS)].reset_index(drop=True)
    market = tenor.calendars.exchange("XNYS")
    rows["as_of"] = market.closes(pd.DatetimeIndex(rows["session"]))
    assert kinds(quick(rows, bars)) == []
    late = rows.copy()
    late.loc[:9, "as_of"] += pd.Timedelta(hours=24)  # after the close that is forecast
    late.loc[10:14, "as_of"] += pd.Timedelta(hours=18)  # while the session is under way
    late.loc[30:34, "as_of"] -= pd.Timedelta(hours=3)  # before the close that they claim to know
    model = quick(late, bars).models[0]
    assert [(finding.kind, finding.count) for finding in model.findings] == [(LATE, 10), (LATE, 5), (LATE, 5)]
    assert "row 0 (AAPL)" in model.findings[0].text
    assert model.judged - model.counted == 20
    assert model.marked == ""
    all_late = quick(rows.assign(as_of=rows["as_of"] + pd.Timedelta(days=4)), bars).models[0]
    assert all_late.marked == "every forecast is made too late"
    assert not all_late.worth


def test_the_session_follows_from_as_of_or_the_target(bars: Bars, closes: pd.DataFrame) -> None:
    rows = long(closes, "price", first=FIRST).iloc[: -len(SYMBOLS)].reset_index(drop=True)
    market = tenor.calendars.exchange("XNYS")
    days = pd.DatetimeIndex(rows["session"])
    expected = quick(rows, bars).models[0]
    by_moment = rows.assign(as_of=market.closes(days) + pd.Timedelta(minutes=5)).drop(columns="session")
    by_target = rows.assign(target_session=[market.following(day) for day in days])
    for frame in (by_moment, by_target.drop(columns="session"), by_target.drop(columns="horizon"), by_target):
        model = quick({expected.name: frame}, bars).models[0]
        assert repr(model.outcomes) == repr(expected.outcomes)  # NaN is not equal to itself
    wrong = by_target.copy()
    wrong.loc[0, "target_session"] = market.following(days[0], 2)
    (reason,) = quick(wrong, bars).models[0].unjudged
    assert (reason.why, reason.count) == ("the horizon does not lead from session to target_session", 1)


def test_forecasts_within_the_training_are_left_out(bars: Bars, closes: pd.DataFrame) -> None:
    rows = long(closes, "price", first=FIRST)
    before = rows["session"] < "2016-06-30"
    for frame, options in (
        (rows.assign(trained_until="2016-06-30"), {}),
        (rows, {"trained_until": "2016-06-30"}),
    ):
        model = quick(frame, bars, **options).models[0]
        (finding,) = model.findings
        assert (finding.kind, finding.count) == (TRAINING, int(before.sum()))
        assert model.counted == model.judged - int(before.sum())
    marked = quick(rows, bars, trained_until="2030-01-01").models[0]
    assert marked.marked == "every forecast is within the stated training period"
    with pytest.raises(DataError, match="--trained-until is 'last year': write a date as YYYY-MM-DD"):
        quick(rows, bars, trained_until="last year")


def test_forecasts_in_hindsight_are_named(bars: Bars, closes: pd.DataFrame) -> None:
    rows = long(closes, "price", first=FIRST).assign(made_at=pd.Timestamp("2020-01-01", tz="UTC"))
    model = quick(rows, bars).models[0]
    assert {finding.kind for finding in model.findings} == {HINDSIGHT}
    assert model.marked == "every forecast is computed in hindsight"


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"return": lambda r: 100 * r}, "in per cent? Left out. Write 0.012 for 1.2 %"),
        ({"volatility": lambda v: v * np.sqrt(252)}, "annualised (divide by 15.9"),
        ({"volatility": lambda v: 100 * v}, "in per cent (divide by 100)"),
        ({"volatility": lambda v: v**2}, "a variance (take its root"),
        ({"volatility": lambda v: v * np.sqrt(20)}, "over the whole horizon (divide by the root of 20)"),
        ({"price": lambda p: 100 * p}, "a hundred times too large or small: pence for pounds"),
        ({"price": lambda p: p / 100}, "a hundred times too large or small"),
        ({"price": lambda p: 7.8 * p}, "another currency, or prices before a split"),
        ({"price": lambda p: 1.3 * p}, "adjusted at another date, perhaps"),
        ({"q05": lambda q: 100 * q, "q95": lambda q: 100 * q}, "quantiles: their size"),
    ],
)
def test_other_units_are_named_and_left_out(
    bars: Bars, closes: pd.DataFrame, change: dict[str, Any], part: str
) -> None:
    horizon = 20 if "root of 20" in part else 1
    rows = long(closes, "price", first=FIRST, horizon=horizon)
    rng = np.random.default_rng(0)
    rows["return"] = rng.normal(0, 0.006, len(rows))
    rows["volatility"] = 0.012
    rows["q05"], rows["q95"] = -0.02, 0.02
    sound = quick(rows, bars).models[0]
    assert [f for f in sound.findings if f.kind == UNITS] == []
    for column, changed in change.items():
        rows[column] = changed(rows[column])
    model = quick(rows, bars).models[0]
    units = [finding for finding in model.findings if finding.kind == UNITS]
    assert units
    assert part in units[0].text
    assert units[0].excluded
    assert len(units) <= 5
    gone = {"return": "returns", "volatility": "volatility", "q05": "distribution"}.get(next(iter(change)))
    # where the price is left out the file's own return is judged
    assert gone is None or gone not in {outcome.kind for outcome in model.outcomes if gone != "returns"}


def test_simple_returns_are_named_where_prices_show_them(bars: Bars, closes: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    rows = long(closes, "last_price", first=FIRST)
    rows["return"] = rng.normal(0, 0.03, len(rows))
    rows["price"] = rows["last_price"] * (1 + rows["return"])
    model = quick(rows, bars).models[0]
    (finding,) = model.findings
    assert "simple returns" in finding.text
    assert not finding.excluded
    logs = quick(rows.assign(**{"return": np.log1p(rows["return"])}), bars).models[0]
    assert logs.findings == ()
    assert model.outcomes == logs.outcomes


def test_prices_may_be_adjusted_or_not_or_bring_their_own_base(bars: Bars, closes: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    moved = np.exp(pd.DataFrame(rng.normal(0, 0.01, closes.shape), closes.index, closes.columns))
    traded = bars.frame.pivot(index="session", columns="symbol", values="close")
    adjusted = quick({"m": long(closes * moved, "price", first=FIRST)}, bars).models[0]
    unadjusted = quick({"m": long(traded * moved, "price", first=FIRST)}, bars).models[0]
    own = long(3 * closes * moved, "price", first=FIRST)
    own["last_price"] = long(3 * closes, "last_price", first=FIRST)["last_price"]
    based = quick({"m": own}, bars).models[0]
    assert adjusted.findings == unadjusted.findings == based.findings == ()
    for other in (unadjusted, based):
        assert other.outcomes[0].change == pytest.approx(adjusted.outcomes[0].change, rel=1e-4)


def test_what_cannot_be_judged_is_counted_by_reason(bars: Bars, closes: pd.DataFrame) -> None:
    rows = long(closes, "price", first="2017-06-01")
    count = len(rows)
    more = pd.DataFrame(
        [
            ("APPL", "2017-06-01"),  # no such symbol
            ("AAPL", "2017-06-03"),  # a Saturday
            ("AAPL", "2017-07-04"),  # a holiday
            ("AAPL", "2010-01-04"),  # before the bars
            ("AAPL", "2030-01-02"),  # to come
            ("AAPL", "2012-12-03"),  # too few sessions before it
        ],
        columns=["symbol", "session"],
    ).assign(price=100.0, horizon=1, session=lambda f: pd.to_datetime(f["session"]))
    model = quick(pd.concat([rows, more], ignore_index=True), bars).models[0]
    reasons = {each.why: each for each in model.unjudged}
    assert {why: each.count for why, each in reasons.items()} == {
        "outcome not known yet": len(SYMBOLS),
        "unknown symbol": 1,
        "no session of the exchange": 2,
        "before the first bars": 1,
        "after the last bar: not over yet": 1,
        "the symbol has too little history": 1,
    }
    assert "APPL, 1 rows Did you mean 'AAPL'?" in reasons["unknown symbol"].describe()
    assert f"row {count + 1}: AAPL 2017-06-03" in reasons["no session of the exchange"].describe()
    assert model.rows == count + 6
    assert model.judged == count - len(SYMBOLS)


def test_one_symbol_one_day_and_few_days(bars: Bars, closes: pd.DataFrame) -> None:
    rows = long(closes, "price", first=FIRST)
    rows["price"] *= 1.001
    rows["volatility"], rows["p_up"], rows["q05"], rows["q95"] = 0.012, 0.55, rows["price"] * 0.98, rows["price"] * 1.02
    one_symbol = quick(rows[rows["symbol"] == "AAPL"], bars).models[0]
    assert all(outcome.side is not None for outcome in one_symbol.outcomes)
    for days in (1, 2, 29):
        few = rows[rows["session"].isin(sorted(rows["session"].unique())[:days])]
        model = quick(few, bars).models[0]
        assert {outcome.side for outcome in model.outcomes} == {None}
        assert "not decided, too few days to test" in model.verdict
        assert model.horizons[1].evaluation is not None
        assert model.horizons[1].evaluation.tests == []
    thirty = rows[rows["session"].isin(sorted(rows["session"].unique())[:30])]
    assert None not in {outcome.side for outcome in quick(thirty, bars).models[0].outcomes}
    alone = quick(few[(few["symbol"] == "AAPL") & (few["session"] == few["session"].min())], bars).models[0]
    assert alone.judged == 1


def test_horizons_are_judged_one_by_one(bars: Bars, closes: pd.DataFrame) -> None:
    frames = [long(closes, "price", first=FIRST, horizon=h) for h in (1, 3, 20)]
    model = quick(pd.concat(frames), bars).models[0]
    assert [(o.horizon, o.side) for o in model.outcomes] == [(1, 0), (3, 0), (20, 0)]


def test_nothing_after_the_outcome_matters(bars: Bars, closes: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    rows = long(closes, "close", first=FIRST).drop(columns="close")
    rows = rows[rows["session"] < "2016-12-01"].reset_index(drop=True)
    rows["return"], rows["volatility"] = rng.normal(0, 0.01, len(rows)), 0.012
    whole = quick(rows, bars)
    cut = quick(rows, bars.until(pd.Timestamp("2016-12-01")))
    assert whole.models[0].outcomes == cut.models[0].outcomes


def test_a_store_a_frame_and_files_are_taken(bars: Bars, closes: pd.DataFrame, tmp_path: Path) -> None:
    Lake(tmp_path / "lake").append_bars(bars, source="test")
    rows = long(closes, "price", first=FIRST)
    for name in ("one", "persistence"):
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
    expected = quick({"one": rows}, bars).models[0].outcomes
    judgement = quick([tmp_path / "one.csv", tmp_path / "persistence.csv"], tmp_path / "lake")
    # a baseline has that name already
    assert [model.name for model in judgement.models] == ["one", "persistence (file)"]
    assert repr(judgement["one"].outcomes) == repr(expected)  # NaN is not equal to itself
    assert repr(quick({"one": rows}, bars.frame).models[0].outcomes) == repr(expected)
    twice = quick([tmp_path / "one.csv", tmp_path / "one.csv"], tmp_path / "lake")
    assert [model.name for model in twice.models] == ["one", "one (2)"]
    assert len(judgement.to_frame()) == 6
    assert repr(judgement).startswith("Judgement(2 models, horizon 1, ")
    assert "\none: not shown" in repr(judgement)
    assert len(judgement) == 6
    assert len(judgement.head(2)) == 2
    page = judgement._repr_html_()
    assert page.count("<tr") == 3  # the head, and a row a model
    assert "one: not shown to be worth anything" in page
    with pytest.raises(ConfigError, match=r"no model is called 'two'; there are one and persistence \(file\)"):
        judgement["two"]


def test_a_judgement_draws_itself(bars: Bars, closes: pd.DataFrame) -> None:
    judgement = quick({"<one>": long(closes, "price", first=FIRST)}, bars)
    axes = judgement.plot()
    assert [text.get_text() for text in axes.get_yticklabels()] == ["persistence", "drift", "always-up"]
    assert judgement.plot("<one>", loss="squared_error", ax=axes) is axes
    assert "&lt;one&gt;" in judgement._repr_html_()
    with pytest.raises(ConfigError, match="model is 'two'; there are <one>"):
        judgement.plot("two")
    with pytest.raises(ConfigError, match="loss is 'qlike'; <one> was judged by squared_error"):
        judgement.plot(loss="qlike")


def test_what_cannot_be_judged_at_all_is_an_error(bars: Bars, closes: pd.DataFrame) -> None:
    rows = long(closes, "price", first=FIRST)
    with pytest.raises(UnknownSymbolError, match="unknown symbol 'APPLE'"):
        quick(rows.assign(symbol="APPLE", session=pd.bdate_range("2016-01-04", periods=len(rows))), bars)
    with pytest.raises(HistoryError, match=r"no forecast of forecasts can be judged .* outcome not known yet"):
        quick(rows[rows["session"] == rows["session"].max()], bars)
    with pytest.raises(HistoryError, match="too few sessions before it to fit the baselines on"):
        quick(long(closes, "price", first="2013-06-03").query("session < '2013-07-01'"), bars)
    with pytest.raises(ConfigError, match="nothing to judge: name at least one file"):
        quick([], bars)
    with pytest.raises(HistoryError, match="no session of the exchange"):
        quick(rows.assign(session=pd.Timestamp("2016-01-02")).drop_duplicates(["symbol"]), bars)


def test_all_baselines_are_there_without_quick(bars: Bars, closes: pd.DataFrame) -> None:
    two = bars.select(["AAPL", "MSFT"])
    rows = long(closes[["AAPL", "MSFT"]], "price", first="2017-03-01").assign(volatility=0.012)
    model = judge(rows, two, workers=1).models[0]
    result = model.horizons[1].losses
    assert len(result["squared_error"].comparisons) == 8
    assert len(result["log_variance_mse"].comparisons) == 11


def test_the_variance_the_log_variance_and_the_volatility_say_the_same(bars: Bars, panel: Panel) -> None:
    start = int(panel.sessions.searchsorted(pd.Timestamp(FIRST)))
    splits = baselines.cut(build_panel(bars, FeatureConfig(horizons=(1,), sentiment=False)), start, start + 200)
    one = build_panel(bars, FeatureConfig(horizons=(1,), sentiment=False))
    fitted = baselines.fit(one, splits, returns=False, risk=True, quick=True, workers=1)
    ewma = fitted.risks["EWMA"]
    columns = {
        "volatility": ewma.return_volatility[:, :, 0],
        "variance": ewma.volatility[:, :, 0].astype("float64") ** 2,
        "log_variance": ewma.log_variance[:, :, 0],
    }
    for column, values in columns.items():
        part = pd.DataFrame(values, one.sessions, one.symbols).iloc[start : start + 200]
        result = quick({"mine": long(part, column, first=FIRST)}, bars).models[0].horizons[1]
        for measure in ("log_variance_mse", "qlike"):
            assert result.losses[measure].comparisons["EWMA"].change == pytest.approx(0, abs=1e-5)
        assert 0.7 < result.level < 1.4


def test_a_file_dated_by_the_sessions_that_it_is_for_is_noted(bars: Bars, closes: pd.DataFrame) -> None:
    model = quick({"m": long(closes.shift(1), "price", first=FIRST)}, bars).models[0]
    (finding,) = model.findings
    assert (finding.kind, finding.excluded) == ("dates", False)
    assert "call that column target_session" in finding.text
    target = long(closes.shift(1), "price", first=FIRST).rename(columns={"session": "target_session"})
    assert quick({"m": target}, bars).models[0].outcomes[0].side == 0


def test_rows_may_be_mappings(bars: Bars) -> None:
    rows = [{"symbol": "AAPL", "session": "2016-06-01", "horizon": 1, "p_up": 0.5}]
    columns = {name: [value] for name, value in rows[0].items()}
    for forecasts in (rows, columns):
        assert quick(forecasts, bars).models[0].judged == 1
    with pytest.raises(ConfigError, match="nothing to judge"):
        quick(None, bars)
