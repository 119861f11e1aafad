"""What the words mean that the report and the docs use: the one table that both read.

It needs the standard library alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A term of the field.

    Attributes
    ----------
    name
        As the glossary lists it.
    meaning
        One or two short sentences.
    forms
        Other ways in which texts write it; with capitals, that spelling alone is meant.
    """

    name: str
    meaning: str
    forms: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        """The part of an address that leads to it."""
        return "term-" + re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


GLOSSARY: tuple[Term, ...] = (
    Term(
        "Abstention",
        "Forecasting only where the model is surest.",
        ("abstain", "abstains"),
    ),
    Term(
        "Adaptive conformal inference",
        "A way to widen or narrow intervals day by day, from how often the last ones held, so that 90 % intervals hold "
        "90 %.",
        ("adaptive intervals", "adaptive interval"),
    ),
    Term("Adjusted close", "The close, corrected for splits and dividends, so that differences are returns."),
    Term("As of", "The moment up to which everything is known that a forecast uses."),
    Term("Attention", "Weights by which the network averages past sessions; they add up to 1."),
    Term("AUC", "The chance that a stock that rose had a higher P(up) than one that fell; 0.5 is none."),
    Term("Basis point", "A hundredth of a per cent.", ("bps", "basis points")),
    Term(
        "Brier score",
        "Mean squared error of a probability. Always saying 50 % gets 0.25.",
    ),
    Term(
        "Calibration",
        "Whether what has 70 % probability happens in 70 % of cases.",
        ("calibrated",),
    ),
    Term("Champion", "The version of a model that forecasts now. A new one has to beat it."),
    Term("Coverage", "The share of outcomes inside an interval."),
    Term(
        "CRPS",
        "A loss of a whole distribution (continuous ranked probability score).",
    ),
    Term("Cut-off", "The moment after which news count for the next session."),
    Term(
        "Diebold-Mariano test",
        "Are two forecasts' losses equal on average? Here with one number a day.",
        ("Diebold-Mariano",),
    ),
    Term("Drawdown", "The fall from the highest value so far.", ("deepest fall", "maximum drawdown")),
    Term("Drift", "Features or errors that no longer look as they did in training."),
    Term("Entropy", "How evenly weights are spread; 1 is even."),
    Term(
        "EWMA",
        "Exponentially weighted moving average; of squared returns, with 0.94, the RiskMetrics volatility.",
    ),
    Term("Expected shortfall", "The mean loss in the cases beyond the value at risk.", ("shortfall",)),
    Term("Fold", "One train, validation and test part of a walk-forward evaluation.", ("folds",)),
    Term(
        "GARCH, GJR-GARCH, EGARCH",
        "Classic models of volatility that rises after large moves; the latter two tell losses from gains.",
        ("GARCH", "GJR-GARCH", "GJR-GARCH-t", "EGARCH"),
    ),
    Term(
        "HAR, HAR-X",
        "A regression of variance on its averages over a day, a week, a month (Corsi 2009); X adds a quarter, the "
        "market and the session's loss. *Refitted*: it learns on during the test.",
        ("HAR-X", "HAR"),
    ),
    Term(
        "Holm's correction",
        "Raises p-values by how many were looked at, so that luck is not taken for skill.",
        ("Holm",),
    ),
    Term("Horizon", "How many sessions ahead a forecast looks.", ("horizons", "sessions ahead", "session ahead")),
    Term(
        "Information coefficient (IC)",
        "The correlation of forecast and realised returns over a day's stocks; rank IC: of their ranks; ICIR: its mean "
        "over its spread.",
        ("rank IC", "ICIR"),
    ),
    Term(
        "Interval",
        "A range that should hold the outcome with the stated probability.",
        ("intervals",),
    ),
    Term(
        "Kind of news",
        "What an item is about: earnings, analysts, a merger, a product, law, payouts, the economy, management, the "
        "price.",
        ("kinds of news",),
    ),
    Term("Lake", "The folder, or the place in S3, with bars, news, scores and models."),
    Term("Leak", "The future in a feature: something that was not known yet at the moment for which it stands."),
    Term("Log return", "log(price) − log(price before). 0.01 is about 1 %.", ("log returns",)),
    Term("Long/flat", "A rule that holds the stocks whose forecast is a rise, and no others."),
    Term("Long/short", "A rule that buys the stocks with the highest forecasts and sells the lowest short."),
    Term("MAE, RMSE", "Mean absolute error; square root of the mean squared error.", ("MAE", "RMSE")),
    Term("MCC", "Matthews correlation of forecast and realised direction; 0 is chance."),
    Term(
        "Model confidence set",
        "The models that can't be told from the best one (Hansen, Lunde and Nason 2011).",
        ("among the best",),
    ),
    Term(
        "P-value",
        "How often luck alone would show as large a difference. Below 0.05 counts.",
        ("p-values", "p, Holm", "p after Holm"),
    ),
    Term("Persistence", 'The forecast "the price stays".', ("the price stays",)),
    Term(
        "Pesaran-Timmermann test",
        "Does the direction agree with the market's more often than one that never changes?",
        ("Pesaran-Timmermann", "p, PT"),
    ),
    Term(
        "QLIKE",
        "A loss of a variance forecast that punishes being too calm more than being too wild.",
    ),
    Term(
        "Quantile",
        "The value that the outcome stays below with a given probability.",
        ("quantiles",),
    ),
    Term("Session", "A trading day of an exchange, or an intraday bar.", ("sessions",)),
    Term(
        "Sharpe ratio",
        "Mean return over its spread, a year. *Deflated*: corrected for how many models were tried.",
        ("Sharpe", "Sharpe ratios", "deflated"),
    ),
    Term("Skill", "One less the squared error over that of persistence."),
    Term("Squared error of log variance", "A loss that punishes being wrong by a factor, up or down alike."),
    Term("Surprise", "A session's sentiment less its mean over the sessions before.", ("surprises",)),
    Term("Turnover", "What is traded, as a share of the portfolio; selling everything is 100 %."),
    Term("Utility", "What holding at constant risk by a forecast is worth, a year; no trading profit."),
    Term("Value at risk", "The loss that is passed only on one day in twenty (at 95 %).", ("VaR",)),
    Term(
        "Variance, volatility",
        "The expected squared move of a session; its square root.",
        ("variance", "volatility", "variances"),
    ),
    Term("Walk-forward", "Train on the past, test on what follows, move on.", ("walked forward",)),
)
"""In the order of the alphabet."""


def terms_in(text: str) -> list[tuple[int, int, Term]]:
    """Where `text` uses a term: first and last place as of a slice, and the term; longer forms win.

    Examples
    --------
    >>> [(start, stop, term.name) for start, stop, term in terms_in("The rank IC of the folds")]
    [(4, 11, 'Information coefficient (IC)'), (19, 24, 'Fold')]
    """
    places = []
    for match in _PATTERN.finditer(text):
        term = _EXACT.get(match[0]) or _LOOSE.get(match[0].lower())
        if term is not None:
            places.append((match.start(), match.end(), term))
    return places


def markdown() -> str:
    """The glossary as a page of the docs."""
    return "# Glossary\n" + "".join(f"\n## {term.name}\n\n{term.meaning}\n" for term in GLOSSARY)


def _is_abbreviation(form: str) -> bool:
    return sum(letter.isupper() for letter in form) > 1


_FORMS = [(form, term) for term in GLOSSARY for form in (term.name, *term.forms)]
_EXACT = {form: term for form, term in _FORMS if _is_abbreviation(form)}
_LOOSE = {form.lower(): term for form, term in _FORMS if not _is_abbreviation(form)}
_PATTERN = re.compile(
    r"(?<![\w-])(?:"
    + "|".join(re.escape(form) for form, _ in sorted(_FORMS, key=lambda each: -len(each[0])))
    + r")(?![\w-])",
    re.IGNORECASE,
)
