from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tenor.cli.show_studies import show_ablation
from tenor.config import ModelConfig
from tenor.errors import ConfigError, DataError, HistoryError
from tenor.evaluation.news_arms import (
    ALL_NEWS,
    BY_KIND,
    EVERYTHING,
    NEWS_ARMS,
    NONE,
    SENTIMENT,
    SHUFFLED,
    TOPICS,
    NewsWalk,
    arm_panel,
    available_arms,
    news_folds,
    news_rows,
    shuffle_news,
    walk_arms,
)
from tenor.evaluation.news_value import (
    ALL_CELLS,
    DIRECTION,
    NIGHT,
    QLIKE,
    RETURNS,
    VARIANCE,
    NewsValue,
    best_arm,
    news_verdict,
    parts_of,
    value_news,
)
from tenor.evaluation.walkforward import walk
from tenor.pipeline.ablate import AblationResult
from tenor.pipeline.saved_news_value import save_news_value, saved_news_value
from tenor.report.ablation import write_ablation
from tenor.report.answers import news_answer
from tenor.report.news_value import arms_fold
from tenor.schema import Forecast, Panel
from tenor.training.split import Split
from tenor.workspace import Workspace

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("one_thread")]

KINDS = ("any", "earnings", "legal", "topic_oil")
SESSIONS, SYMBOLS = 420, 20


def make_panel(sentiment_panel_of: Callable[..., Panel], *, earnings: float = 1.2, seed: int = 0) -> Panel:
    """With counts of news; bursts of those about earnings raise the log variance of the next session."""
    panel = sentiment_panel_of(sessions=SESSIONS, symbols=SYMBOLS, seed=seed)
    rng = np.random.default_rng(seed)
    counts = rng.poisson((9.0, 1.0, 0.5, 0.7), (SESSIONS, SYMBOLS, len(KINDS))).astype("float64")
    counts[:, :, 1] += rng.poisson(14.0, (SESSIONS, SYMBOLS)) * (rng.random((SESSIONS, SYMBOLS)) < 0.04)
    counts[:20] = 0
    counts[:, :, 0] += counts[:, :, 1:].sum(axis=2)
    noise = rng.normal(0, 0.5, panel.log_variance.shape)
    log_variance = panel.log_variance * 0 - 8 + noise + earnings * (counts[:, :, 1:2] >= 7)
    values = np.concatenate([panel.values, np.log1p(counts).astype(np.float32)], axis=2)
    values[~panel.mask] = 0
    names = tuple(f"news_{kind}_count" for kind in KINDS)
    return replace(panel, values=values, features=panel.features + names, log_variance=log_variance.astype(np.float32))


@pytest.fixture(scope="module")
def panel(sentiment_panel_of: Callable[..., Panel]) -> Panel:
    return make_panel(sentiment_panel_of)


@pytest.fixture(scope="module")
def splits(panel: Panel) -> tuple[Split, ...]:
    return news_folds(panel, news_rows(panel), 2, 40, lookback=8, purge=5)


@pytest.fixture(scope="module")
def walked(panel: Panel, splits: tuple[Split, ...], small: dict[str, Any]) -> NewsWalk:
    return walk_arms(panel, (ALL_NEWS, BY_KIND, TOPICS, EVERYTHING, SHUFFLED), splits, **small, workers=1)


@pytest.fixture(scope="module")
def value(walked: NewsWalk, panel: Panel) -> NewsValue:
    # at the close nothing of the night is known: the arm by kind has the forecasts of the one without news there
    blind = replace(walked, predictions={**walked.predictions, BY_KIND: walked.predictions[NONE]})
    return value_news({"close": blind, "open": walked}, seeds=(0,), folds="fold\n1", resamples=300)


def test_the_arms_see_what_their_names_say(panel: Panel, splits: tuple[Split, ...]) -> None:
    seen = {arm: arm_panel(panel, arm, splits).features for arm in (NONE, *NEWS_ARMS)}
    sentiment = tuple(name for name in panel.features if name.startswith("sentiment_"))
    assert seen[NONE] == ("signal", "b", "c")
    assert seen[ALL_NEWS] == (*seen[NONE], "news_any_count")
    assert seen[SENTIMENT] == (*seen[NONE], *sentiment)
    assert seen[TOPICS] == (*seen[NONE], "news_topic_oil_count")
    assert seen[BY_KIND] == (*seen[NONE], "news_any_count", "news_earnings_count", "news_legal_count")
    assert seen[EVERYTHING] == seen[SHUFFLED] == panel.features


def test_what_there_is_no_news_of_is_no_arm(panel: Panel) -> None:
    assert available_arms(panel) == NEWS_ARMS
    assert available_arms(panel.without({"news_topic_oil_count"})) == tuple(a for a in NEWS_ARMS if a != TOPICS)
    only = panel.without({f"news_{kind}_count" for kind in KINDS})
    assert available_arms(only) == (SENTIMENT, SHUFFLED)
    assert available_arms(only.without({n for n in only.features if n.startswith("sentiment_")})) == ()


def test_an_arm_that_can_not_be_is_refused(panel: Panel, splits: tuple[Split, ...], small: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="no arm 'topics' here; the arms are: all news, sentiment"):
        walk_arms(panel.without({"news_topic_oil_count"}), (TOPICS,), splits, **small)


def test_counts_change_forecasts_of_risk_alone_and_share_their_networks(
    walked: NewsWalk, panel: Panel, splits: tuple[Split, ...], small: dict[str, Any]
) -> None:
    none, kinds = walked.predictions[NONE], walked.predictions[BY_KIND]
    np.testing.assert_array_equal(none.mean, kinds.mean)
    np.testing.assert_array_equal(none.p_up, kinds.p_up)
    assert none.risk is not None
    assert kinds.risk is not None
    rows = walked.rows
    assert np.nanmax(np.abs(none.risk.log_variance[rows] - kinds.risk.log_variance[rows])) > 0.3
    # to the bit what `walk` gives for the panel with those counts, calibrated with them
    alone = walk(arm_panel(panel, BY_KIND, splits), splits, **small, baselines=(), workers=1)
    here = alone.predictions[alone.name]
    assert here.risk is not None
    np.testing.assert_array_equal(here.risk.log_variance, kinds.risk.log_variance)
    np.testing.assert_array_equal(here.risk.volatility, kinds.risk.volatility)
    # and its forecasts say what each kind of news added
    seen = arm_panel(panel, BY_KIND, splits)
    run = alone.folds[-1].forecaster.run(seen)
    forecast = run.newest(["S01"], [1])[0]
    assert {driver["kind"] for driver in forecast.news} >= {"any", "earnings"}
    count = np.expm1(seen.values[-1, 1, seen.features.index("news_earnings_count")])
    assert next(d for d in forecast.news if d["kind"] == "earnings")["count"] == pytest.approx(count)
    assert Forecast.from_json(json.loads(json.dumps(forecast.to_json()))) == forecast
    assert set(forecast.attention_features) == {"signal", "b", "c"}
    assert all(not past.news for past in run.history(["S01"], 3))


def test_news_that_moves_risk_helps_and_moved_to_other_days_it_does_not(value: NewsValue) -> None:
    best = best_arm(value.comparisons, horizon=1)
    assert best is not None
    assert best.moment == "open"
    by_arm = {c.arm: c for c in value.on(ALL_CELLS, horizon=1, metric=VARIANCE) if c.moment == "open"}
    assert by_arm[BY_KIND].helps
    assert by_arm[BY_KIND].change.high < 0
    assert by_arm[SHUFFLED].change.value > 0.5 * by_arm[BY_KIND].change.value
    assert not by_arm[ALL_NEWS].change.value < by_arm[BY_KIND].change.value
    assert value.verdict.startswith("The news helps to forecast how far prices move in the next session")
    assert "On which way it is not shown to help" in value.verdict


def test_the_night_is_an_arm_at_the_open_against_itself_at_the_close(value: NewsValue) -> None:
    night = {c.arm: c.change.value for c in value.on(ALL_CELLS, horizon=1, metric=VARIANCE) if c.moment == NIGHT}
    assert night[EVERYTHING] == 0
    own = next(c for c in value.on(ALL_CELLS, horizon=1, metric=VARIANCE) if (c.moment, c.arm) == ("open", BY_KIND))
    assert night[BY_KIND] == pytest.approx(own.change.value)
    assert SHUFFLED not in night


def test_changes_are_those_of_mean_losses_on_the_same_cells(value: NewsValue, walked: NewsWalk, panel: Panel) -> None:
    ours, other = (walked.predictions[arm].risk for arm in (BY_KIND, NONE))
    assert ours is not None
    assert other is not None
    cells = walked.mask & np.isfinite(panel.targets[:, :, 0])
    near = parts_of(panel)["next to earnings"]
    assert 0 < near.mean() < 0.3
    for name, chosen in (("all", cells), ("next to earnings", cells & near)):
        first, second = (
            np.square(risk.log_variance[:, :, 0].astype("float64") - panel.log_variance[:, :, 0])[chosen].mean()
            for risk in (ours, other)
        )
        shown = next(c for c in value.on(name, horizon=1, metric=VARIANCE) if (c.moment, c.arm) == ("open", BY_KIND))
        assert shown.change.value == pytest.approx(first / second - 1)
        assert shown.samples == chosen.sum()


def test_holm_takes_arms_and_moments_but_no_placebo_and_no_part(value: NewsValue) -> None:
    family = [c for c in value.comparisons if np.isfinite(c.holm)]
    assert {(c.cells, c.other) for c in family} == {(ALL_CELLS, NONE)}
    assert SHUFFLED not in {c.arm for c in family}
    assert {c.metric for c in family} <= {VARIANCE, QLIKE, RETURNS, DIRECTION}
    for c in family:
        assert c.holm >= c.change.p


def test_known_dates_of_earnings_are_next_to_them(panel: Panel) -> None:
    ahead = np.full(panel.mask.shape, 1.0, dtype=np.float32)
    ahead[200] = np.log1p(1) / np.log1p(60)
    plain = panel.without({f"news_{kind}_count" for kind in KINDS})
    assert list(parts_of(plain)) == [ALL_CELLS]
    dated = replace(
        plain,
        values=np.concatenate([plain.values, ahead[:, :, None]], axis=2),
        features=(*plain.features, "earnings_next"),
    )
    near = parts_of(dated)["next to earnings"]
    assert near[200].all()
    assert near.sum() == near[200].size


def test_shuffled_days_stay_in_their_stretch(panel: Panel, splits: tuple[Split, ...]) -> None:
    shuffled = shuffle_news(panel, splits, seed=1)
    first, _ = news_rows(panel)
    for stretch in (slice(first, splits[0].test.start), *(split.test for split in splits)):
        before, after = (
            np.sort(each.values[stretch, :5, 3:].reshape(stretch.stop - stretch.start, -1).sum(axis=1))
            for each in (panel, shuffled)
        )
        np.testing.assert_allclose(before, after, rtol=1e-4)
    assert not np.array_equal(panel.values, shuffled.values)
    np.testing.assert_array_equal(panel.values[:, :, :3], shuffled.values[:, :, :3])


def test_folds_cover_the_sessions_with_news_after_the_first_ones(panel: Panel, splits: tuple[Split, ...]) -> None:
    first, last = news_rows(panel)
    assert splits[0].test.start >= first + 120
    assert splits[-1].test.stop == last + 1
    for one, two in itertools.pairwise(splits):
        assert one.test.stop == two.test.start
    for split in splits:
        assert split.valid.start - split.train.stop == split.test.start - split.valid.stop == 5


def test_too_little_news_is_refused_in_one_line(panel: Panel) -> None:
    with pytest.raises(HistoryError, match="sessions to test on in 9 folds") as raised:
        news_folds(panel, news_rows(panel), 9, 40, lookback=8, purge=20)
    assert "\n" not in str(raised.value)
    quiet = panel.values.copy()
    quiet[:, :, 3:] = 0
    with pytest.raises(HistoryError, match="there is no news in any session"):
        news_rows(replace(panel, values=quiet))


def test_other_folds_at_the_other_moment_are_refused(walked: NewsWalk) -> None:
    with pytest.raises(DataError, match="over other symbols or folds"):
        value_news({"close": walked, "open": replace(walked, rows=slice(0, 3))}, seeds=(0,))


def test_without_forecasts_the_verdict_says_so() -> None:
    assert news_verdict([], horizon=1).startswith("Whether the news helps is unknown")


def test_terminal_and_page_show_the_same(value: NewsValue, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = AblationResult({}, value.folds, news=value)
    show_ablation(result)
    shown = capsys.readouterr().out
    assert value.verdict in shown
    tables = [line for line in shown.splitlines() if value.verdict not in line]
    assert max(map(len, (line.rstrip() for line in tables))) <= 80
    assert "next to earnings" in shown
    page = write_ablation(tmp_path / "news.html", {}, value.folds, news=value, about={"data": "made"})
    text = page.read_text(encoding="utf-8")
    assert "Does the news help?" in text
    assert value.verdict.partition(":")[0] in text
    assert "Where the news helps" in text
    assert result.to_json()["news"]["verdict"] == value.verdict


def test_what_was_found_is_read_back_and_shown_in_the_report(
    value: NewsValue, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    again = NewsValue.from_json(json.loads(json.dumps(value.to_json())))
    assert again.to_json() == value.to_json()
    registry, model = Workspace(str(tmp_path)).registry, ModelConfig()
    assert saved_news_value(registry, model) is None
    save_news_value(registry, value, model, symbols=8)
    saved = saved_news_value(registry, model)
    assert saved is not None
    assert saved.same_model
    other_model = saved_news_value(registry, ModelConfig(hidden=7))
    assert repr(other_model) == repr(replace(saved, same_model=False))  # NaN is not equal to itself
    fold = arms_fold(saved.value, saved.day, symbols=saved.symbols, same_model=False)
    arms = [row[0] for row in fold.blocks[2].rows]
    assert "kinds, at the open" in arms
    assert "kinds, open against close" in arms
    assert any("next to earnings" in arm for arm in arms)
    assert "other settings" in fold.blocks[0].text
    answer = news_answer({}, {}, "", "News", saved.value)
    assert "kinds, before the next open" in answer.sentence
    assert "after Holm" in answer.sentence
    assert "after Holm" not in news_answer({}, {}, "", None).sentence
    registry.objects.put("ablations/news.json", b'{"value": 1}')
    assert saved_news_value(registry, model) is None
    assert "can't be read" in caplog.text
