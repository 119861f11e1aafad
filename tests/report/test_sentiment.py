from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from reports import flat
from scipy.stats import spearmanr

from tenor.errors import DataError, UnknownSymbolError
from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.report import Paragraph, Picture, TextTable, style
from tenor.report.page import PageSection, render_page
from tenor.report.sentiment import _rank_correlation, _returns, sentiment_blocks
from tenor.report.words import LONGEST_WORD, MOST_WORDS, figure_words
from tenor.schema import SENTIMENT_COLUMNS, DailySentiment

NOTHING = {"ablation": {}, "ours": "attention LSTM", "without": "persistence"}


@dataclass(frozen=True)
class Why:
    text: str
    score: float
    words: tuple[tuple[str, float], ...]


def sentiment_of(*lines: tuple[str, pd.Timestamp, float, float]) -> DailySentiment:
    """A sentiment of (symbol, session, items, mean); surprise and recent are the mean."""
    frame = pd.DataFrame(lines, columns=["symbol", "session", "n", "mean"])
    usual = {c: 0.0 for c in SENTIMENT_COLUMNS if c not in frame}
    return DailySentiment(frame.assign(**{**usual, "surprise": frame["mean"], "recent": frame["mean"]}))


def blocks_of(world, sentiment, symbols=(), **changed):
    before, effect, *rest = sentiment_blocks(world.panel, sentiment, world.rows, symbols, **{**NOTHING, **changed})
    prices, surprises, *whys = rest
    return [before, *prices.blocks, *surprises.blocks, *effect.blocks, *flat(whys)]


def page_of(blocks) -> str:
    return render_page(title="t", subtitle="s", about={}, sections=[PageSection("News", blocks)])


@pytest.fixture(scope="module")
def sentiment(world) -> DailySentiment:
    """News of AAA on every second session of the test, of BBB before the test only, of CCC never."""
    dates = world.panel.sessions
    return sentiment_of(
        *(("AAA", dates[t], 1.0 + t % 9, 0.5 if t % 4 else -0.25) for t in range(world.rows.start, 150, 2)),
        ("BBB", dates[10], 7.0, 0.4),
        ("BBB", dates[12], 2.0, 0.0),
        ("ZZZ", dates[12], 90.0, 0.9),  # not in the panel
        ("AAA", pd.Timestamp("2030-01-02"), 90.0, 0.9),  # after it
    )


def test_a_session_without_news_stays_blank(world, sentiment):
    _, picture, *_ = blocks_of(world, sentiment, ["AAA"])
    assert isinstance(picture, Picture)
    price, scores, items = picture.figure.axes
    dots = {line.get_label(): line for line in scores.lines}
    rows = sentiment.frame[(sentiment.frame["symbol"] == "AAA") & (sentiment.frame["session"] < "2030")]
    for label, colour, part in (
        ("positive", style.OURS, rows[rows["mean"] > 0]),
        ("negative", style.AGAINST, rows[rows["mean"] < 0]),
    ):
        assert to_hex(dots[label].get_color()) == colour
        assert list(dots[label].get_xdata()) == list(part["session"])
        assert list(dots[label].get_ydata()) == list(part["mean"])
    drawn = [s for s in items.collections[0].get_segments() if len(s) and np.isfinite(s).all()]
    assert [s[1][1] for s in drawn] == list(rows["n"])
    assert len(price.lines[0].get_xdata()) == 120
    # the line of recent sessions holds where there is no news, and begins with the first item
    recent = np.asarray(dots["recent sessions"].get_ydata())
    begin = int(np.flatnonzero(np.isfinite(recent))[0])
    assert np.isfinite(recent[begin:]).all()
    assert f"{rows['n'].sum():.0f} items on {len(rows)} of 120 sessions" in picture.caption


def test_the_test_is_marked_where_it_begins_within_the_sessions_shown(world, sentiment):
    _, inside, outside, _, _ = blocks_of(world, sentiment, ["AAA", "BBB"])
    assert [t.get_text() for t in inside.figure.axes[0].texts] == ["test begins"]
    assert len(outside.figure.axes[0].texts) == 0
    assert "no news in the test" in outside.caption
    assert "no news in the test" not in inside.caption


def test_a_symbol_without_sentiment_is_reported_to_have_none(world, sentiment):
    blocks = blocks_of(world, sentiment, ["CCC", "DDD", "EEE", "AAA"])
    assert [b.text for b in blocks[1:4]] == [
        f"{s} has no news up to the end of the test." for s in ("CCC", "DDD", "EEE")
    ]
    assert not any(isinstance(b, Picture) for b in blocks)  # only three symbols are shown
    with pytest.raises(UnknownSymbolError, match="Did you mean 'AAA'"):
        blocks_of(world, sentiment, ["AAAA"])


def test_news_after_the_test_is_not_shown(world):
    late = sentiment_of(("AAA", world.panel.sessions[150], 9.0, 0.5))
    (shown,) = sentiment_blocks(world.panel, late, slice(60, 140), ["AAA"], **NOTHING)[2].blocks
    assert shown == Paragraph("AAA has no news up to the end of the test.")


@pytest.mark.parametrize("lines", [[("ZZZ", "2016-01-04")], [("AAA", "2030-01-02")]])
def test_a_sentiment_that_never_meets_the_panel(world, lines):
    sentiment = sentiment_of(*((s, pd.Timestamp(d), 9.0, 0.5) for s, d in lines))
    blocks = blocks_of(world, sentiment, ["AAA"])
    assert all(isinstance(b, Paragraph) for b in blocks)
    assert "No stock has news" in blocks[2].text


def test_the_most_moving_days_are_ranked_and_shown_in_numbers(world):
    dates, close = world.panel.sessions, world.panel.close
    sentiment = sentiment_of(
        ("AAA", dates[20], 100.0, 0.2),  # 2.0
        ("BBB", dates[30], 9.0, -0.9),  # 2.7
        ("DDD", dates[40], 4.0, 1.0),  # too few items
        ("EEE", dates[159], 5.0, 0.5),  # 1.1, and no next session
        ("FFF", dates[50], 9.0, 0.0),  # no surprise
    )
    _, table, _ = blocks_of(world, sentiment)
    assert isinstance(table, TextTable)
    assert [row[0] for row in table.rows] == ["BBB", "AAA", "EEE"]
    same, following = (np.log(close[30 + k, 1] / close[29 + k, 1]) for k in (0, 1))
    assert table.rows[0][1:] == (
        style.format_day(dates[30]), "9", "−0.90", "−0.90",
        style.format_percent(float(same)), style.format_percent(float(following)),
    )  # fmt: skip
    assert table.rows[2][-1] == "–"
    assert "5 stock-sessions" in table.caption
    assert "too few sessions" in table.caption


def test_rank_correlation_is_spearmans_over_known_cells():
    rng = np.random.default_rng(3)
    x, noise = rng.normal(size=(2, 200, 6))
    x[rng.random(x.shape) < 0.4] = np.nan
    x[50:60] = np.nan  # whole days without news
    y = np.exp(np.nan_to_num(x) + noise)
    y[0] = np.nan
    known = np.isfinite(x) & np.isfinite(y)
    correlation = _rank_correlation(x, y)
    assert correlation.value == pytest.approx(spearmanr(x[known], y[known]).statistic, abs=1e-12)
    assert 0.5 < correlation.low < correlation.value < correlation.high < 0.8
    n = known.sum()
    assert correlation.high - correlation.low == pytest.approx(
        4 * (1 - correlation.value**2) / np.sqrt(n), rel=0.35
    )  # independent cells


@pytest.mark.parametrize("x", [np.full((60, 2), np.nan), np.ones((60, 2))])
def test_rank_correlation_of_nothing_is_undefined(x):
    y = np.random.default_rng(0).normal(size=(60, 2))
    assert np.isnan([_rank_correlation(x, y).value, _rank_correlation(x, y).low]).all()


def test_returns_of_the_session_and_of_the_next():
    same, following = _returns(np.exp([[0.0], [1.0], [3.0], [np.nan], [4.0]]))
    np.testing.assert_allclose(same[:, 0], [np.nan, 1, 2, np.nan, np.nan])
    np.testing.assert_allclose(following[:, 0], [1, 2, np.nan, np.nan, np.nan])


@pytest.mark.parametrize(
    ("now", "then", "sentence"),
    [
        (0.8, 0.0, "agrees with what the price has just done, and is not shown to lead it"),
        (0.0, 0.8, "sentiment is followed by returns of the same sign"),
        (0.0, -0.8, "sentiment is followed by returns of the opposite sign"),
    ],
)
def test_the_caption_states_whether_sentiment_follows_or_leads(world_of, now, then, sentence):
    world = world_of(sessions=300)
    same, following = _returns(world.panel.close)
    noise = np.random.default_rng(1).normal(0, 0.008, same.shape)
    means = np.nan_to_num(np.clip(20 * (now * same + then * following + noise), -0.99, 0.99))
    sentiment = sentiment_of(
        *(
            (s, d, 6.0, means[t, i])
            for t, d in enumerate(world.panel.sessions)
            for i, s in enumerate(world.panel.symbols)
        )
    )
    _, table, _ = blocks_of(world, sentiment)
    assert sentence in table.caption


def test_the_ablation_says_what_sentiment_adds(world, sentiment):
    less = {
        "return_rmse": ConfidenceInterval(-2e-4, -3e-4, -1e-4),  # a smaller error: helps
        "direction": ConfidenceInterval(-0.02, -0.03, -0.01),
        "rank_ic": ConfidenceInterval(0.01, -0.01, 0.03),
    }
    unknown = {metric: ConfidenceInterval(0.01, np.nan, np.nan) for metric in less}
    undefined = {metric: ConfidenceInterval(np.nan, np.nan, np.nan) for metric in less}
    ablation = {
        h: replace(world.evaluations[1], horizon=h, against={"persistence": row})
        for h, row in ((1, less), (5, unknown), (20, undefined))
    }
    *_, picture = blocks_of(world, sentiment, ablation=ablation)
    for sentence in (
        "sentiment helps (RMSE of returns, at 5 %); sentiment hurts (direction accuracy, at 5 %); no difference at ",
        "sessions): too few sessions to tell.",
        "sessions): undefined.",
    ):
        assert sentence in picture.caption
    rmse, right, ic = picture.figure.axes
    assert [t.get_text() for t in rmse.get_yticklabels()] == [
        "1 session ahead",
        "5 sessions ahead",
        "20 sessions ahead",
    ]
    assert [to_hex(a.lines[1].get_color()) for a in (rmse, right, ic)] == [style.OURS, style.AGAINST, style.CALM]


def test_an_ablation_of_other_models_is_refused(world, sentiment):
    with pytest.raises(DataError, match="not 'attention LSTM' with 'without sentiment'"):
        blocks_of(world, sentiment, ablation=world.evaluations, without="without sentiment")
    with pytest.raises(DataError, match="evaluate these two, 'always-up' first"):
        blocks_of(world, sentiment, ablation=world.evaluations, ours="always-up")
    *_, last = blocks_of(world, sentiment)
    assert "it is unknown what sentiment adds" in last.text


def test_words_keep_their_order_and_the_strongest_stay():
    words = [(f"w{i}", 0.001 * i * (-1) ** i) for i in range(MOST_WORDS + 10)]
    axes = figure_words(words).axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == [w for w, _ in words[10:]]
    assert [b.get_width() for b in axes.patches] == pytest.approx([v for _, v in words[10:]])
    assert {to_hex(b.get_facecolor()) for b in axes.patches} == {style.OURS, style.AGAINST}


def test_words_that_the_font_lacks_and_endless_ones_are_shown_safely():
    words = [("\U0001f680", 0.1), ("a\tb", 0.0), ("x" * 300, -0.2), ("$A_1$", 0.0)]
    figure = figure_words(words)
    shown = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert shown == ["\ufffd", "a\ufffdb", "x" * (LONGEST_WORD - 1) + "…", "$A_1$"]
    assert style.svg(figure, "x").endswith("</svg>\n")  # a missing glyph would warn


def test_whys_are_shown_with_their_scores(world, sentiment):
    whys = [Why("Sales rose sharply", 0.66, (("Sales", 0.0), ("rose", 0.2), ("sharply", -0.31))), Why("", 0.0, ())]
    *_, picture, nothing = blocks_of(world, sentiment, whys=whys)
    assert picture.caption.startswith("'Sales rose sharply' scores 0.66. ")
    assert "'sharply' (−0.31)" in picture.alt
    assert nothing == Paragraph("'' scores 0.00. It has no words to weigh.")


def test_one_symbol_one_session(world_of):
    world = world_of(symbols=("ONE",), sessions=60, tested=12, horizons=(1,))
    sentiment = sentiment_of(("ONE", world.panel.sessions[0], 1.0, 0.0))
    section = sentiment_blocks(
        world.panel,
        sentiment,
        world.rows,
        ["ONE"],
        ablation=world.evaluations,
        ours="attention LSTM",
        without="persistence",
    )
    text = page_of(section)
    words = re.sub(r"<[^>]+>", "", text)
    assert "1 item on 1 of 1 session," in words
    assert "too few sessions to tell." in words
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL).lower()


def test_names_and_texts_are_escaped(world_of):
    nasty = "<script>alert('x')</script>"
    world = world_of(symbols=(nasty,), horizons=(1,))
    evaluation = world.evaluations[1]
    named = replace(
        evaluation,
        table={nasty: evaluation.table["attention LSTM"]},
        against={nasty: evaluation.against["persistence"]},
    )
    sentiment = sentiment_of(*((nasty, d, 9.0, 0.3) for d in world.panel.sessions[-30:]))
    section = sentiment_blocks(
        world.panel, sentiment, world.rows, [nasty], ablation={1: named}, ours=nasty, without=nasty,
        whys=[Why(nasty, 0.1, ((nasty, 0.1), ("&", -0.1)))],
    )  # fmt: skip
    text = page_of(section)
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert") >= 5
    assert re.findall(r'<section id="([a-z-]+)"', text) == ["news", "glossary"]
