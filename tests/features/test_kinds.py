"""Features of kinds of news: worked values against plain loops, and how settings name the kinds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tenor import config as settings_of_tenor
from tenor.calendars import exchange
from tenor.config import Config, FeatureConfig, from_mapping, to_mapping
from tenor.errors import ConfigError, DataError
from tenor.features import build_panel, kinds
from tenor.features.kinds import kind_names, news_features, with_kinds
from tenor.features.own import Own
from tenor.schema import KINDS, SENTIMENT_COLUMNS, Bars, DailyKinds, DailySentiment

SESSIONS = exchange("XNYS").sessions(pd.Timestamp("2015-01-02"), pd.Timestamp("2015-12-31"))


def counts(rows: list[tuple[str, int, str, int, float]], sessions: pd.DatetimeIndex = SESSIONS) -> DailyKinds:
    """Rows as (symbol, number of the session, kind, n, mean)."""
    frame = pd.DataFrame(rows, columns=["symbol", "session", "kind", "n", "mean"])
    return DailyKinds(frame.assign(session=sessions[frame["session"].astype(int)]))


def drawn(rng: np.random.Generator, symbols: tuple[str, ...] = ("A", "B", "X")) -> DailyKinds:
    rows: list[tuple[str, int, str, int, float]] = []
    for symbol in symbols:
        for session in np.flatnonzero(rng.random(len(SESSIONS)) < 0.5):
            items = int(rng.integers(1, 30))
            rows.append((symbol, int(session), "", items, float(rng.uniform(-1, 1))))
            if rng.random() < 0.4:
                rows.append((symbol, int(session), "earnings", int(rng.integers(1, items + 1)), 0.25))
    return counts(rows)


def by_hand(daily: DailyKinds, symbol: str, kind: str) -> dict[str, list[float]]:
    """The features of one symbol in plain Python, from their formulas."""
    frame = daily.frame
    n = {(r.symbol, r.session): r.n for r in frame[frame["kind"] == kind].itertuples()}
    mean = {(r.symbol, r.session): r.mean for r in frame[frame["kind"] == kind].itertuples()}
    items = {(r.symbol, r.session): r.n for r in frame[frame["kind"] == ""].itertuples()}
    begin = int(SESSIONS.get_loc(frame["session"].min()))
    own = [n.get((symbol, day), 0) for day in SESSIONS]
    made: dict[str, list[float]] = {name: [] for name in ("count", "share", "surprise", "spike", "sentiment", "market")}
    last = None
    for t, day in enumerate(SESSIONS):
        before = own[max(begin, t - 60) : t] if t > begin else []
        level = np.log(1 + own[t])
        if before and own[t] >= 4 and own[t] >= 3 * np.mean(before):
            last = t
        made["count"].append(level)
        made["share"].append(own[t] / items[(symbol, day)] if (symbol, day) in items else 0.0)
        made["surprise"].append(level - np.mean(np.log1p(before)) if before else 0.0)
        made["spike"].append(1.0 if last is None else min(1.0, np.log(1 + t - last) / np.log(61)))
        made["sentiment"].append(mean.get((symbol, day), 0.0))
        total = sum(count for (_, session), count in items.items() if session == day)
        made["market"].append(sum(c for (_, session), c in n.items() if session == day) / total if total else 0.0)
    return made


def test_every_feature_is_what_its_formula_says() -> None:
    daily = drawn(np.random.default_rng(0))
    found = news_features(daily, SESSIONS, ("A", "B", "QUIET"), "XNYS", ("any", "earnings"))
    assert tuple(found) == kind_names(("any", "earnings"))
    for i, symbol in enumerate(("A", "B", "QUIET")):
        for name, kind in (("any", ""), ("earnings", "earnings")):
            for what, values in by_hand(daily, symbol, kind).items():
                np.testing.assert_allclose(found[f"news_{name}_{what}"][:, i], values, atol=1e-12, err_msg=what)
    assert (found["news_known"][:, 2] == 0).all()
    spikes = found["news_earnings_spike"][:, :2]
    assert (spikes == 0).any()
    assert (spikes == 1).any()


def test_a_quiet_symbol_is_exactly_zero() -> None:
    loud: list[tuple[str, int, str, int, float]] = [("A", t, "", t % 7 + 1, 0.1) for t in range(len(SESSIONS))]
    found = news_features(counts(loud), SESSIONS, ("A", "B"), "XNYS", ("any",))
    assert (found["news_any_surprise"][:, 1] == 0).all()
    assert (found["news_any_count"][:, 1] == 0).all()


def test_what_is_usual_does_not_depend_on_where_the_bars_begin() -> None:
    daily = drawn(np.random.default_rng(1))
    whole = news_features(daily, SESSIONS, ("A", "B"), "XNYS", ("earnings",))
    tail = news_features(daily, SESSIONS[180:], ("A", "B"), "XNYS", ("earnings",))
    for name, values in whole.items():
        assert values[180:].tobytes() == tail[name].tobytes(), name


def test_without_any_counts_there_is_no_news() -> None:
    empty = drawn(np.random.default_rng(0)).until(pd.Timestamp("2014-01-02"))
    found = news_features(empty, SESSIONS, ("A",), "XNYS", ("earnings",))
    assert {name: float(values.sum()) for name, values in found.items() if values.any()} == {
        "news_earnings_spike": len(SESSIONS)
    }


def test_counts_of_another_calendar_are_refused() -> None:
    saturday = DailyKinds(
        pd.DataFrame([("A", "2015-01-03", "", 1, 0.0)], columns=["symbol", "session", "kind", "n", "mean"])
    )
    with pytest.raises(DataError, match="kinds: 2015-01-03 is not a session of XNYS"):
        news_features(saturday, SESSIONS, ("A",), "XNYS", ("any",))


DAILY = counts(
    [
        ("A", 1, "", 9, 0.0), ("A", 1, "legal", 1, 0.0), ("A", 1, "topic:chips", 2, 0.0), ("A", 1, "topic:oil", 4, 0.0),
        ("A", 200, "", 9, 0.0), ("A", 200, "topic:chips", 9, 0.0),
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"kinds": ("legal", "any")}, ("legal", "any")),
        ({"kinds": ("earnings",)}, ("earnings",)),  # of which there is no item
        ({"kinds": True}, KINDS),
        ({"kinds": False}, ()),
        ({"kinds": ()}, ()),
        ({"kinds": ("topic:oil",)}, ("topic:oil",)),
        ({"kinds": ("legal",), "topics": True}, ("legal", "topic:chips", "topic:oil")),
        ({"kinds": (), "topics": 1}, ("topic:chips",)),
    ],
)
def test_settings_name_kinds(config: dict[str, Any], named: tuple[str, ...]) -> None:
    resolved = with_kinds(FeatureConfig(**config), DAILY)
    assert resolved.kinds == named
    assert with_kinds(resolved, DAILY) == resolved


def test_the_most_frequent_topics_are_those_of_the_training_part() -> None:
    config = FeatureConfig(kinds=(), topics=1)
    assert with_kinds(config, DAILY.until(SESSIONS[100])).kinds == ("topic:oil",)


@pytest.mark.parametrize(
    ("config", "daily", "error", "message"),
    [
        ({"kinds": ("earnigs",)}, DAILY, ConfigError, "'earnigs', and there is no kind.*Did you mean 'earnings'"),
        ({"kinds": ("earnings",)}, None, DataError, "features.kinds is set, and the lake has no daily counts of kinds"),
        ({"kinds": True}, None, DataError, "import news, or leave it out"),
        ({"topics": 3}, None, DataError, "features.topics is set, and the lake has no daily counts"),
        ({"topics": 3}, drawn(np.random.default_rng(0)), DataError, "have no topics: import the news itself"),
    ],
)
def test_what_there_is_not_is_refused(
    config: dict[str, Any], daily: DailyKinds | None, error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        with_kinds(FeatureConfig(**config), daily, where="the lake")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kinds": ("legal", "legal")}, "name each once"),
        ({"kinds": ("",)}, "none that is empty"),
        ({"topics": -1}, "from 0, or true for all"),
        ({"as_of": "noon"}, "'close' or 'open'"),
    ],
)
def test_impossible_settings_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FeatureConfig(**config)


def test_by_default_there_are_kinds_where_there_are_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "DEFAULT_KINDS", ("earnings",))
    assert with_kinds(FeatureConfig(), None) == FeatureConfig()
    assert with_kinds(FeatureConfig(), DAILY).kinds == ("earnings",)
    assert with_kinds(FeatureConfig(kinds=()), DAILY).kinds == ()


def test_settings_travel_and_are_left_out_by_default() -> None:
    assert not {"kinds", "topics", "as_of"} & set(to_mapping(FeatureConfig()))
    for config in (
        FeatureConfig(kinds=("legal",), topics=5, as_of="open"),
        FeatureConfig(kinds=(), topics=True),
        FeatureConfig(kinds=True),
    ):
        assert from_mapping(FeatureConfig, to_mapping(config)) == config
    assert Config.read(overrides=['features.kinds=["legal"]', "features.as_of=open"]).features.as_of == "open"
    assert isinstance(settings_of_tenor.DEFAULT_KINDS, tuple)


def with_counts(bars: Bars, rng: np.random.Generator) -> DailySentiment:
    rows = bars.frame.loc[rng.random(len(bars.frame)) < 0.4, ["symbol", "session"]]
    numbers = {c: rng.uniform(-1, 1, len(rows)) for c in SENTIMENT_COLUMNS[2:]}
    n = rng.integers(1, 50, len(rows))
    daily = rows.assign(**numbers | {"n": n, "market_n": n})
    cells = [daily.assign(kind=""), daily[n % 3 == 0].assign(kind="legal")]
    return DailySentiment(daily, kinds=DailyKinds(pd.concat(cells)))


def test_a_panel_has_the_kinds_that_its_config_names(bars_of: Callable[..., Bars]) -> None:
    bars = bars_of(symbols=3, sessions=150)
    daily = with_counts(bars, np.random.default_rng(0))
    plain = build_panel(bars, FeatureConfig(horizons=(1,)), sentiment=daily)
    assert not [name for name in plain.features if name.startswith("news_")]
    panel = build_panel(bars, FeatureConfig(horizons=(1,), kinds=("legal",), sentiment=False), sentiment=daily)
    assert panel.features[-7:] == kind_names(("legal",))
    assert not [name for name in panel.features if name.startswith("sentiment_")]
    assert panel.values[..., -7:].any(axis=(0, 1)).all()
    without = build_panel(bars, FeatureConfig(horizons=(1,), kinds=("legal",)))
    assert not [name for name in without.features if name.startswith("news_")]


def test_symbols_of_another_market_have_the_counts_of_their_own_sessions(bars_of: Callable[..., Bars]) -> None:
    home = bars_of(symbols=2, sessions=150)
    tokyo = exchange("XTKS").sessions(home.frame["session"].min(), home.frame["session"].max())
    one = home.frame[home.frame["symbol"] == "S00"].reset_index(drop=True)
    foreign = one.iloc[: len(tokyo)].assign(symbol="7203.T", session=tokyo[: len(one)])
    bars = Bars(pd.concat([home.frame, foreign]))
    daily = with_counts(bars, np.random.default_rng(1))
    assert daily.kinds is not None
    config = FeatureConfig(horizons=(1,), kinds=("legal",), sentiment=False)
    panel = build_panel(bars, config, sentiment=daily)
    column, place = panel.features.index("news_legal_count"), panel.symbols.index("7203.T")
    legal = daily.kinds.frame
    legal = legal[(legal["symbol"] == "7203.T") & (legal["kind"] == "legal")].set_index("session")["n"]
    over = exchange("XTKS").closed_by(exchange("XNYS").closes(panel.sessions))
    for row in np.flatnonzero(panel.mask[:, place]):
        assert panel.values[row, place, column] == pytest.approx(np.log1p(legal.get(over[row], 0.0)))


def test_sentiment_of_another_moment_is_refused(bars_of: Callable[..., Bars]) -> None:
    bars = bars_of(symbols=2, sessions=150)
    daily = dataclasses.replace(with_counts(bars, np.random.default_rng(0)), kinds=None)
    with pytest.raises(DataError, match=r"sentiment: it was made at the close, and features\.as_of is open"):
        build_panel(bars, FeatureConfig(horizons=(1,), as_of="open"), sentiment=daily)


def test_an_own_feature_can_not_take_the_name_of_a_kind() -> None:
    table = pd.DataFrame({"symbol": ["A"], "known_since": ["2015-01-02"], "value": [1.0]})
    with pytest.raises(ConfigError, match="'news_legal_count' as a feature of tenor's is"):
        Own.of(FeatureConfig(), given=[("news_legal_count", table)])
