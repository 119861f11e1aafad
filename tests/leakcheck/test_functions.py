"""Feature functions: each planted leak is caught by its name, and its honest twin passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tenor.calendars import exchange
from tenor.config import FeatureConfig
from tenor.errors import ConfigError, DataError
from tenor.features import Scaler, build_panel
from tenor.leakcheck import LEAK_KINDS, LeakReport, check_features, leakcheck_function, tenor_features
from tenor.leakcheck.output import read_output
from tenor.schema import SENTIMENT_COLUMNS, Bars, DailySentiment, News, Panel

Feature = Callable[[pd.DataFrame], Any]


@pytest.fixture(scope="module")
def few(bars_of: Callable[..., Bars]) -> Bars:
    return bars_of(symbols=4, sessions=140)


def each(of: Callable[[pd.Series[Any]], Any], column: str = "close") -> Feature:
    """The feature ``x``: `of` a column, symbol by symbol."""
    return lambda frame: pd.DataFrame({"x": frame.groupby("symbol")[column].transform(of)})


def wide(of: Callable[[pd.DataFrame], pd.DataFrame]) -> Feature:
    """A frame with one column a symbol."""
    return lambda frame: of(frame.pivot(index="session", columns="symbol", values="close"))


def survivors(frame: pd.DataFrame) -> pd.DataFrame:
    last = frame.groupby("symbol")["session"].transform("max")
    kept = frame[last == frame["session"].max()]
    return kept[["symbol", "session"]].assign(x=np.log(kept["close"]))


LEAKS: dict[str, tuple[str, Feature, Feature]] = {
    "standard scaler": (
        "scaler_on_all_data",
        lambda f: pd.DataFrame({"x": (f["close"] - f["close"].mean()) / f["close"].std()}),
        each(lambda c: (c - c.expanding().mean()) / c.expanding(2).std()),
    ),
    "min-max of each symbol": (
        "scaler_on_all_data",
        each(lambda c: (c - c.min()) / (c.max() - c.min())),
        each(lambda c: (c - c.rolling(20).min()) / (c.rolling(20).max() - c.rolling(20).min())),
    ),
    "rank over all time": (
        "scaler_on_all_data",
        each(lambda c: c.rank(pct=True)),
        lambda f: pd.DataFrame({"x": f.groupby("session")["close"].rank(pct=True)}),
    ),
    "centred mean": (
        "centred_window",
        each(lambda c: c.rolling(5, center=True).mean()),
        each(lambda c: c.rolling(5).mean()),
    ),
    "centred median": (
        "centred_window",
        each(lambda c: c.rolling(7, center=True).median()),
        each(lambda c: c.rolling(7).median()),
    ),
    "mean of the week": (
        "centred_window",
        lambda f: pd.DataFrame({"x": f.groupby(["symbol", f["session"].dt.to_period("W")])["close"].transform("mean")}),
        lambda f: pd.DataFrame({"x": f.groupby(["symbol", f["session"].dt.to_period("W")])["close"].cummax()}),
    ),
    "target as a feature": (
        "future_value",
        each(lambda c: np.log(c.shift(-1) / c)),
        each(lambda c: np.log(c / c.shift(1))),
    ),
    "warm-up filled back": (
        "back_fill",
        each(lambda c: c.pct_change().rolling(20).std().bfill()),
        each(lambda c: c.pct_change().rolling(20).std().fillna(0.0)),
    ),
    "gaps filled back": ("back_fill", wide(lambda w: w.bfill()), wide(lambda w: w.ffill())),
    "gaps interpolated": ("back_fill", wide(lambda w: w.interpolate()), wide(lambda w: w.ffill().pct_change())),
    "survivors alone": (
        "survivorship",
        survivors,
        lambda f: f[["symbol", "session"]].assign(x=np.log(f["close"])),
    ),
    "rows still to come": (
        "future",
        lambda f: pd.DataFrame({"x": f.groupby("symbol").cumcount(ascending=False)}),
        lambda f: pd.DataFrame({"x": f.groupby("symbol").cumcount()}),
    ),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_caught_by_name(few: Bars, leak: str) -> None:
    kind, leaky, _ = LEAKS[leak]
    report = check_features(leaky, few, cuts=1)
    assert report.kinds == (kind,)
    assert not report.ok
    assert LEAK_KINDS[kind][0] in report.describe()


@pytest.mark.parametrize("leak", LEAKS)
def test_its_honest_twin_passes(few: Bars, leak: str) -> None:
    report = check_features(LEAKS[leak][2], few, cuts=1)
    assert report.ok, report.describe()


def test_the_finding_says_what_session_which_input_and_how_far(few: Bars) -> None:
    def function(frame: pd.DataFrame) -> pd.DataFrame:
        close, volume = frame.groupby("symbol")["close"], frame.groupby("symbol")["volume"]
        return pd.DataFrame(
            {
                "centred_5": close.transform(lambda c: c.rolling(5, center=True).mean()),
                "honest": close.transform(lambda c: c.rolling(5).mean()),
                "next_volume": volume.shift(-3),
            }
        )

    report = check_features(function, few, cuts=1)
    centred, volume = report.findings
    assert centred.where.startswith("feature 'centred_5', session 20")
    assert "'close' of later sessions changed; it looks 2 sessions ahead and 2 back" in centred.evidence
    assert "'open'" not in centred.evidence
    assert volume.kind == "future_value"
    assert "'volume' of later sessions changed; it looks 3 sessions ahead" in volume.evidence
    assert "rolling(n) without center=True" in centred.remedy


def test_the_same_day_counts_where_one_decides_at_the_open(few: Bars) -> None:
    leaky, clean = each(lambda c: np.log(c).diff()), each(lambda c: np.log(c).diff().shift(1))
    gap = lambda f: pd.DataFrame({"x": np.log(f["open"] / f.groupby("symbol")["close"].shift(1))})  # noqa: E731
    assert check_features(leaky, few, cuts=2).ok
    assert check_features(leaky, few, cuts=2, decided="open").kinds == ("same_day_close",)
    assert check_features(clean, few, cuts=2, decided="open").ok
    assert check_features(gap, few, cuts=2, decided="open").ok


def news_for(bars: Bars) -> News:
    """Three items a symbol a week, at all hours."""
    rng = np.random.default_rng(0)
    rows = bars.frame.sample(frac=0.6, random_state=0)
    at = rows["session"].dt.tz_localize("UTC") + pd.to_timedelta(rng.uniform(12, 24, len(rows)), unit="h")
    texts = [f"{'good' if up else 'bad'} word {i}" for i, up in enumerate(rng.random(len(rows)) > 0.5)]
    frame = pd.DataFrame({"published_at": at, "symbol": rows["symbol"], "text": texts})
    return News(frame.assign(id=[f"{i:x}" for i in range(len(frame))], source="made", url=""))


def tone_by(dates: Callable[[pd.DataFrame], pd.Series[Any]]) -> Callable[..., pd.DataFrame]:
    def function(frame: pd.DataFrame, news: pd.DataFrame) -> pd.DataFrame:
        tone = news["text"].str.startswith("good").astype("float64")
        daily = tone.groupby([news["symbol"], dates(news).rename("session")]).mean().rename("tone").reset_index()
        return frame[["symbol", "session"]].merge(daily, how="left")

    return function


def test_news_dated_after_the_close_is_caught_and_news_by_session_passes(few: Bars) -> None:
    news = news_for(few)
    by_day = tone_by(lambda n: n["published_at"].dt.tz_convert("America/New_York").dt.tz_localize(None).dt.normalize())
    by_session = tone_by(lambda n: exchange("XNYS").session_of(n["published_at"], margin=pd.Timedelta(0)))
    by_day_clean = check_features(by_session, few, news=news, cuts=3)
    assert by_day_clean.ok, by_day_clean.describe()
    report = check_features(
        lambda frame, news: by_day(frame, news).astype({"session": "datetime64[us]"}), few, news=news, cuts=3
    )
    assert report.kinds == ("news_after_close",)
    assert "of later sessions" in report.findings[0].evidence


def on(bars: Bars, calendar: str, suffix: str) -> Bars:
    """The same bars on the sessions of another market, under names that tell it."""
    days = bars.frame["session"].unique()
    there = exchange(calendar).sessions(pd.Timestamp("2014-01-06"), pd.Timestamp("2016-12-30"))[: len(days)]
    frame = bars.frame.assign(symbol=bars.frame["symbol"] + suffix)
    return Bars(frame.assign(session=frame["session"].map(dict(zip(days, there, strict=True)))))


def by_utc_day(news: pd.DataFrame) -> pd.Series[Any]:
    return news["published_at"].dt.tz_localize(None).dt.normalize().astype("datetime64[us]")


def test_news_is_known_by_the_close_of_its_symbols_own_market(few: Bars) -> None:
    tokyo = on(few, "XTKS", ".T")
    news = news_for(tokyo)
    # noon to midnight in UTC is after Tokyo's close, and, but for the last hours, before New York's
    early = News(news.frame[news.frame["published_at"].dt.hour < 20])
    caught = check_features(tone_by(by_utc_day), tokyo, news=early, cuts=3)
    assert caught.kinds == ("news_after_close",)
    by_session = tone_by(lambda n: exchange("XTKS").session_of(n["published_at"], margin=pd.Timedelta(0)))
    assert check_features(by_session, tokyo, news=early, cuts=3).ok
    york = News(news_for(few).frame.query("published_at.dt.hour < 20"))
    assert check_features(tone_by(by_utc_day), few, news=york, cuts=3).ok


def rows_given(bars: pd.DataFrame, calendar: str) -> pd.DataFrame:
    """Every (symbol, session) that a check of `bars` gives to a feature function, in all of its calls."""
    calls: list[pd.DataFrame] = []

    def recorded(frame: pd.DataFrame) -> pd.DataFrame:
        calls.append(frame[["symbol", "session"]].copy())
        return frame[["close"]]

    check_features(recorded, bars, cuts=3, calendar=calendar)
    return pd.concat(calls).drop_duplicates()


def test_each_market_has_more_sessions_of_its_own_to_come(few: Bars) -> None:
    frame = pd.concat([few.frame, on(few, "XTKS", ".T").frame, on(few, "24/7", "-USD").frame], ignore_index=True)
    given = rows_given(frame, "XNYS")
    for suffix, calendar in ((".T", "XTKS"), ("-USD", "24/7"), ("", "XNYS")):
        market = rf"S\d\d{suffix}"
        last = frame.loc[frame["symbol"].str.fullmatch(market), "session"].max()
        later = given[given["symbol"].str.fullmatch(market) & (given["session"] > last)]
        assert sorted(later["session"].unique()) == [exchange(calendar).following(last, k) for k in range(1, 6)]
        assert len(later) == 4 * 5
    # New York's holidays are not Tokyo's: which session comes next is not known
    assert rows_given(few.frame, "XTKS")["session"].max() == few.frame["session"].max()


@pytest.mark.parametrize(("calendar", "suffix"), [("XTKS", ".T"), ("24/7", "-USD"), ("24/7", "-x")])
def test_tenors_own_features_are_checked_on_the_calendar_given(few: Bars, calendar: str, suffix: str) -> None:
    moved = on(few, calendar, suffix)
    report = leakcheck_function("tenor.leakcheck:tenor_features", moved, cuts=2, calendar=calendar)
    assert report.ok, report.describe()


def sentiment_for(bars: Bars) -> DailySentiment:
    rng = np.random.default_rng(1)
    rows = bars.frame.loc[rng.random(len(bars.frame)) < 0.5, ["symbol", "session"]]
    numbers = {c: rng.uniform(-1, 1, len(rows)) for c in SENTIMENT_COLUMNS[2:]}
    return DailySentiment(rows.assign(**numbers | {c: rng.integers(1, 50, len(rows)) for c in ("n", "market_n")}))


def test_tomorrows_sentiment_is_caught_and_tenors_own_features_pass(few: Bars) -> None:
    sentiment = sentiment_for(few)

    def early(frame: pd.DataFrame, sentiment: pd.DataFrame) -> Panel:
        sessions = exchange("XNYS").sessions(pd.Timestamp("2013-12-01"), pd.Timestamp("2016-01-01"))
        place = sessions.get_indexer(pd.DatetimeIndex(sentiment["session"]))
        shifted = DailySentiment(sentiment.assign(session=sessions[place - 1]))
        return build_panel(Bars(frame), FeatureConfig(groups=("returns",)), sentiment=shifted)

    report = check_features(early, few, sentiment=sentiment, cuts=2)
    assert report.kinds == ("news_after_close",)
    own = check_features(tenor_features, few, sentiment=sentiment, cuts=3)
    assert own.ok, own.describe()
    assert any("HistoryError" in note for note in own.notes)  # cut off after 3 sessions there is too little history


def test_tenors_scaled_features_pass_from_the_day_on_which_the_scaler_was_fitted(few: Bars) -> None:
    fitted_until = few.frame["session"].unique()[100]

    def scaled(frame: pd.DataFrame) -> Panel:
        panel = build_panel(Bars(frame), FeatureConfig())
        return Scaler.fit(panel, slice(0, int(panel.sessions.searchsorted(fitted_until)) + 1)).transform(panel)

    def scaled_on_all(frame: pd.DataFrame) -> Panel:
        # without the calendar: a month's end that was never seen yet is constant, and then scaled to 0
        panel = build_panel(Bars(frame), FeatureConfig(groups=("returns", "trend", "volatility", "risk", "context")))
        return Scaler.fit(panel, slice(None)).transform(panel)

    assert check_features(scaled, few, cuts=2, known_from=fitted_until).ok
    report = check_features(scaled_on_all, few, cuts=2, known_from=fitted_until)
    assert report.kinds == ("scaler_on_all_data",)


def test_what_is_not_repeatable_is_reported_as_such(few: Bars) -> None:
    def noisy(frame: pd.DataFrame) -> pd.DataFrame:
        rng = np.random.default_rng()
        return pd.DataFrame({"noise": rng.normal(size=len(frame)), "level": frame["close"].to_numpy()})

    report = check_features(noisy, few, cuts=1)
    assert report.kinds == ("not_repeatable",)
    assert [finding.where for finding in report.findings] == ["feature 'noise' of noisy"]


def test_a_function_that_ignores_its_inputs_proves_nothing(few: Bars) -> None:
    kept: list[pd.DataFrame] = []

    def cached(frame: pd.DataFrame) -> pd.DataFrame:
        if not kept:
            kept.append(frame[["symbol", "session"]].assign(x=frame.groupby("symbol")["close"].shift(-1)))
        return kept[0]

    assert check_features(cached, few, cuts=1).kinds == ("unresponsive",)


def test_a_column_that_nothing_changes_is_noted(few: Bars) -> None:
    report = check_features(
        lambda f: pd.DataFrame({"x": f["close"], "weekday": f["session"].dt.day_of_week}), few, cuts=1
    )
    assert report.ok
    assert any("'weekday': no change of the inputs changed it" in note for note in report.notes)


def test_rounding_is_no_leak_and_is_noted(few: Bars) -> None:
    def through_totals(frame: pd.DataFrame) -> pd.DataFrame:
        # a trailing mean by way of the whole total: honest but for the last digits
        total = frame.groupby("symbol")["close"].transform("sum")
        ahead = total - frame.groupby("symbol")["close"].cumsum()
        return pd.DataFrame({"x": (total - ahead) / (frame.groupby("symbol").cumcount() + 1)})

    report = check_features(through_totals, few, cuts=2)
    assert report.ok
    assert any("taken for rounding" in note for note in report.notes)


def test_a_function_that_changes_its_frame_is_given_a_fresh_one(few: Bars) -> None:
    def rude(frame: pd.DataFrame) -> pd.DataFrame:
        frame["close"] *= 2
        del frame["open"]
        return pd.DataFrame({"x": frame["close"]})

    assert check_features(rude, few, cuts=1).ok


def test_a_function_that_can_not_take_truncated_data_is_reported(few: Bars) -> None:
    whole = len(few.frame)

    def picky(frame: pd.DataFrame) -> pd.DataFrame:
        if len(frame) < whole:
            raise ValueError("I want\nall of it.")
        return pd.DataFrame({"x": frame["close"]})

    report = check_features(picky, few, cuts=2)
    assert report.kinds == ("raises",)
    assert "raised ValueError (I want all of it)" in report.describe()

    def crash(frame: pd.DataFrame) -> pd.DataFrame:
        raise SystemExit(3)

    with pytest.raises(DataError, match=r"^crash raised SystemExit \(3\) on the whole data"):
        check_features(crash, few)


def test_targets_may_look_ahead(few: Bars) -> None:
    def both(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"x": frame["close"], "y": frame.groupby("symbol")["close"].shift(-1)})

    assert check_features(both, few, targets=("y",), cuts=1).ok
    assert not check_features(both, few, cuts=1).ok
    with pytest.raises(DataError, match="nothing but targets"):
        check_features(both, few, targets=("x", "y"), cuts=1)


FORMS: dict[str, Feature] = {
    "array": lambda f: f["close"].to_numpy(),
    "table": lambda f: f[["close", "volume"]].to_numpy(),
    "series": lambda f: f["close"],
    "keys as columns, shuffled": lambda f: f[["session", "symbol", "close"]].sample(frac=1.0, random_state=1),
    "other names": lambda f: f.rename(columns={"symbol": "Ticker", "session": "Date"})[["Ticker", "Date", "close"]],
    "keys as index": lambda f: f.set_index(["session", "symbol"])[["close"]],
    "wide": lambda f: f.pivot(index="session", columns="symbol", values="close"),
    "texts": lambda f: pd.DataFrame({"x": np.where(f["close"] > 50, "up", "down")}),
    "flags": lambda f: pd.DataFrame({"x": f["close"] > f["open"]}),
    "some rows": lambda f: f[["close"]][f.groupby("symbol").cumcount() >= 5],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_output_is_understood(few: Bars, form: str) -> None:
    report = check_features(FORMS[form], few, cuts=1)
    assert report.ok, report.describe()


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (None, "returned NoneType: return a DataFrame"),
        (np.zeros(3), r"array of shape \(3,\)"),
        (pd.DataFrame({"x": [1.0]}, index=[9999]), "frame of 1 rows that can't be placed"),
        (pd.DataFrame({"symbol": ["A"], "session": [pd.Timestamp("2014-01-02")]}), "no feature columns"),
        (pd.DataFrame({"symbol": ["A", "A"], "session": ["2014-01-02"] * 2, "x": [1, 2]}), "A 2014-01-02 twice"),
    ],
)
def test_what_can_not_be_understood_is_refused(few: Bars, output: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_output(output, few.frame)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"symbol": ["A"]}), "no column 'session'"),
        (pd.DataFrame({"symbol": [], "session": []}), "no rows"),
        (pd.DataFrame({"symbol": ["A"] * 2, "session": ["2014-01-02"] * 2, "x": 1}), "A 2014-01-02 appears twice"),
        (pd.DataFrame({"symbol": ["A"], "session": ["2014-01-02"], "x": 1}), "too few to check"),
        (pd.DataFrame({"symbol": ["A"], "session": [None], "x": 1}), "missing in some rows"),
    ],
)
def test_bars_that_can_not_be_used_are_refused(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_features(lambda f: f["x"], frame)


def test_options_out_of_range_are_refused(few: Bars) -> None:
    with pytest.raises(ConfigError, match="cuts is 0"):
        check_features(FORMS["series"], few, cuts=0)
    with pytest.raises(ConfigError, match="1999-01-01"):
        check_features(FORMS["series"], few, cuts=[pd.Timestamp("1999-01-01")])
    with pytest.raises(ConfigError, match="'close' or 'open'"):
        check_features(FORMS["series"], few, decided="noon")  # type: ignore[arg-type]


def test_other_columns_and_integers_are_changed_too(few: Bars) -> None:
    rng = np.random.default_rng(0)
    count = len(few.frame)
    frame = few.frame.assign(
        filings=rng.integers(0, 3, count), sector=rng.choice(["oil", "tech"], count), halted=rng.random(count) < 0.1
    )
    for column in ("filings", "sector", "halted"):
        leaky = lambda f, column=column: pd.DataFrame({"x": f.groupby("symbol")[column].shift(-1)})  # noqa: E731
        report = check_features(leaky, frame, cuts=2)
        assert report.kinds == ("future_value",)
        assert repr(column) in report.findings[0].evidence


def test_a_count_that_is_changed_stays_one(few: Bars) -> None:
    frame = few.frame.assign(items=np.where(np.arange(len(few.frame)) % 4, 1, np.arange(len(few.frame)) + 1))

    def counted(table: pd.DataFrame) -> pd.DataFrame:
        if not (table["items"] >= 1).all() or (table["items"] != table["items"].round()).any():
            raise ValueError("a row without items")
        return pd.DataFrame({"x": table.groupby("symbol")["items"].shift(1)})

    report = check_features(counted, frame, cuts=2)
    assert report.ok
    assert not [line for line in report.notes if line.startswith("changed")]
    leaky = check_features(lambda f: counted(f).assign(x=f.groupby("symbol")["items"].shift(-1)), frame, cuts=2)
    assert "'items'" in leaky.findings[0].evidence


def test_the_same_seed_gives_the_same_report_and_it_goes_to_json(few: Bars) -> None:
    import json

    runs: list[tuple[int, int]] = []
    reports: list[LeakReport] = [
        check_features(LEAKS["centred mean"][1], few, cuts=1, progress=lambda *done: runs.append(done))
        for _ in range(2)
    ]
    assert reports[0] == reports[1]
    assert runs[0] == (1, runs[0][1])
    plain = json.loads(json.dumps(reports[0].to_json(), allow_nan=False))
    assert plain["ok"] is False
    assert plain["findings"][0]["kind"] == "centred_window"
    assert plain["findings"][0]["remedy"]


DATED: dict[str, Any] = {
    "weekday": lambda f: f["session"].dt.day_of_week,
    "month": lambda f: f["session"].dt.month,
    "day of the year on a circle": lambda f: np.sin(2 * np.pi * f["session"].dt.day_of_year / 365.25),
    "days since a day": lambda f: (f["session"] - pd.Timestamp("2010-01-01")).dt.days,
    "last day of a quarter": lambda f: f["session"].dt.is_quarter_end.astype("float64"),
}


@pytest.mark.parametrize("kind", DATED)
def test_a_feature_of_the_date_alone_is_no_finding(few: Bars, kind: str) -> None:
    report = check_features(lambda f: pd.DataFrame({"x": DATED[kind](f)}), few, cuts=1)
    assert report.ok, report.describe()
    assert any("depends on the dates alone" in note for note in report.notes)


def test_what_is_looked_up_by_date_stays_a_finding(few: Bars) -> None:
    days = few.frame["session"].drop_duplicates()
    kept = pd.Series(np.random.default_rng(0).normal(size=len(days)), index=days)

    def looked_up(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"x": frame["session"].map(kept)})

    assert check_features(looked_up, few, cuts=1).kinds == ("unresponsive",)
    assert check_features(lambda f: pd.DataFrame({"x": np.full(len(f), 2.0)}), few, cuts=1).kinds == ("unresponsive",)
