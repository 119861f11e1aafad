"""How long the report is: as many horizons, rivals, stocks and details as that of a real run, counted as it is read.

What counts is each word with a letter outside of figures: sentences, captions, titles of folds, cells of tables (names
of stocks and models too), links and the glossary; what is folded as well. Numbers, and labels within figures, do not.
"""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from reports import OURS, Page, deletion, make_walk

from tenor.evaluation.baselines import ALWAYS_UP, BOOSTING, DRIFT, LINEAR, PERSISTENCE
from tenor.evaluation.faithfulness import FEATURES, OLDER, STEPS, Faithfulness
from tenor.evaluation.garch import EGARCH, GARCH, GJR
from tenor.evaluation.statistical import ARIMA, ETS, THETA
from tenor.evaluation.volatility_rivals import CONSTANT, EWMA, HAR, HAR_X, HAR_X_REFITTED
from tenor.report import Fold, NewsDetails, ReportExtras, write_report
from tenor.report.model import attention_blocks, faithfulness_blocks, training_blocks
from tenor.report.sentiment import sentiment_blocks
from tenor.schema import SENTIMENT_COLUMNS, DailySentiment

STOCKS, REAL_STOCKS = 24, 88
WITHOUT = "the same without sentiment"
RIVALS = (
    "LSTM", CONSTANT, "rolling 20", "rolling 250", EWMA, HAR, HAR_X, HAR_X_REFITTED, GARCH, GJR, EGARCH, BOOSTING,
)  # fmt: skip
BASELINES = ("LSTM", PERSISTENCE, DRIFT, ALWAYS_UP, LINEAR, BOOSTING, ARIMA, ETS, THETA)
ABOUT = {
    "Model version": "3c64e8ba0765",
    "Symbols": "88",
    "Bars": "2012-09-04 … 2017-09-01 (XNYS)",
    "Train": "2012-09-04 … 2014-12-02 (565 sessions)",
    "Validation": "2015-01-02 … 2015-09-01 (168 sessions)",
    "Test": "2015-10-01 … 2017-08-31 (484 sessions)",
    "Purged between the parts": "20 sessions",
    "Features": "122, known at each session's close",
    "All settings": "tenor models show 3c64e8ba0765",
}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    walk = make_walk(symbols=STOCKS, horizons=(1, 5, 20), rivals=RIVALS, baselines=BASELINES)
    rng = np.random.default_rng(4)
    panel, rows = walk.panel, walk.rows
    frame = pd.DataFrame(
        [(s, day, 6.0, rng.uniform(-0.5, 0.5)) for s in panel.symbols for day in panel.sessions[rows][::2]],
        columns=["symbol", "session", "n", "mean"],
    )
    usual = {name: 0.0 for name in SENTIMENT_COLUMNS if name not in frame}
    sentiment = DailySentiment(frame.assign(**{**usual, "surprise": frame["mean"], "recent": frame["mean"]}))
    risk = {h: replace(e, comparisons={WITHOUT: e.comparisons["LSTM"]}) for h, e in walk.risk.items()}
    returns = {h: replace(e, against={WITHOUT: e.against["LSTM"]}) for h, e in walk.walked.evaluations.items()}
    news = sentiment_blocks(
        panel, sentiment, rows, panel.symbols[:3], ablation=returns, risk=risk, ours=OURS, without=WITHOUT
    )
    shape = (rows.stop - rows.start, STOCKS)
    attention = SimpleNamespace(
        time=rng.dirichlet(np.full(12, 0.3), (*shape, 3)).astype("float32"),
        feature=rng.dirichlet(np.ones(len(panel.features)), shape).astype("float32"),
    )
    tests = [deletion(what, over=0.05, error=0.1) for what in (STEPS, OLDER, FEATURES)]
    curves = [{"seed": seed, "train": [1.0, 0.9], "valid": [1.0, 0.9], "best_epoch": 2} for seed in range(5)]
    folds = [
        Fold("Version 3c64e8ba0765: how it learned, and its own test part", training_blocks(curves)),
        Fold(
            "Attention of this version",
            (
                *attention_blocks(panel, rows, attention),
                *faithfulness_blocks(Faithfulness(1, 400, 273, *tests, {1: 0.9, 5: 0.9, 20: 0.9}, "…")),
            ),
        ),
    ]
    extras = ReportExtras(NewsDetails(risk, returns, WITHOUT, news), walk.trading(), folds)
    replaced = replace(walk, replaced={GARCH: panel.symbols[:3], EGARCH: panel.symbols[:20]})
    path = tmp_path_factory.mktemp("report") / "report.html"
    return write_report(path, replaced, about=ABOUT, extras=extras).read_text(encoding="utf-8")


def test_a_whole_report_has_fewer_than_3000_words(text: str) -> None:
    page = Page(text)
    for fold in (
        "1 session ahead: the 90",
        "20 sessions ahead: the 90",
        "20 sessions ahead: skill",
        "Attention of this",
    ):
        assert f"<summary>{fold}" in text
    assert 1500 < page.words + REAL_STOCKS - STOCKS < 3000


def test_the_first_page_is_read_in_a_minute(text: str) -> None:
    first = Page(text[: text.index("<nav")] + "</body></html>")
    assert first.words < 300


def test_prices_have_a_currency_and_every_other_figure_a_unit_or_a_title(text: str) -> None:
    assert "prices in USD" in text
    assert "What 100 USD became" in text
    assert re.search(r"<title>[^<]*\d USD, close", text[text.index('id="symbols"') :])
