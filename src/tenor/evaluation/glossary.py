"""The glossary: the meanings of the terms in the report and the docs, which both read this table.

It needs only the standard library.
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
        The term, as the glossary lists it.
    meaning
        One or two short sentences.
    forms
        Other spellings in texts; if a spelling has capitals, only exactly that one counts.
    """

    name: str
    meaning: str
    forms: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        """The anchor of the term, the part of a web address after ``#``."""
        return "term-" + re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


GLOSSARY: tuple[Term, ...] = (
    Term("Ablation", "Training the same model with a part left out, to measure what that part is worth."),
    Term(
        "Abstention",
        "Making a forecast only where the model is most certain.",
        ("abstain", "abstains"),
    ),
    Term(
        "Adaptive conformal inference",
        "A method that widens or narrows intervals day by day, so that 90 % intervals contain 90 % of outcomes.",
        ("adaptive intervals", "adaptive interval"),
    ),
    Term("Adjusted close", "The close, corrected for splits and dividends, so that its changes are returns."),
    Term("As of", "The moment at which everything that a forecast uses was known."),
    Term("Attention", "The weights with which the network averages past sessions; they add up to 1."),
    Term("AUC", "The probability that a stock that rose had a higher P(up) than one that fell; 0.5 is chance."),
    Term("Basis point", "A hundredth of a per cent.", ("bps", "basis points")),
    Term(
        "Brier score",
        "The mean squared error of a probability. Always saying 50 % gets 0.25.",
    ),
    Term(
        "Calibration",
        "What is given a probability of 70 % happens in 70 % of cases.",
        ("calibrated",),
    ),
    Term("Champion", "The version of the model that makes the forecasts. A new version has to beat it."),
    Term("Coverage", "The share of outcomes inside an interval."),
    Term(
        "CRPS",
        "The continuous ranked probability score: a loss of a whole distribution.",
    ),
    Term("Cut-off", "The moment after which news counts for the next session."),
    Term(
        "Diebold-Mariano test",
        "Tests whether two forecasts have the same mean loss; here with one number for each day.",
        ("Diebold-Mariano",),
    ),
    Term("Drawdown", "The fall of a portfolio from its highest value so far.", ("deepest fall", "maximum drawdown")),
    Term("Drift", "A change of features or errors since the training."),
    Term("Entropy", "A measure of how evenly weights are spread; 1 is even."),
    Term(
        "EWMA",
        "Exponentially weighted moving average. Of squared returns with decay 0.94, it is the RiskMetrics variance.",
    ),
    Term("Expected shortfall", "The mean loss in the cases in which the value at risk is exceeded.", ("shortfall",)),
    Term("Fold", "One training, validation and test part of a walk-forward evaluation.", ("folds",)),
    Term(
        "GARCH, GJR-GARCH, EGARCH",
        "Classic models in which volatility rises after large moves; in the last two, more after losses.",
        ("GARCH", "GJR-GARCH", "GJR-GARCH-t", "EGARCH"),
    ),
    Term(
        "HAR, HAR-X",
        "A regression of variance on its averages over a day, a week and a month (Corsi 2009); X adds a quarter, the "
        "market and the session's loss. *Refitted*: it goes on learning during the test.",
        ("HAR-X", "HAR"),
    ),
    Term(
        "Holm's correction",
        "Raises p-values for the number of comparisons, so that luck is not taken for skill.",
        ("Holm",),
    ),
    Term(
        "Horizon",
        "The number of sessions that a forecast looks ahead.",
        ("horizons", "sessions ahead", "session ahead"),
    ),
    Term(
        "Information coefficient (IC)",
        "The correlation of forecast and realised returns over the stocks of a day. Rank IC: of their ranks. ICIR: the "
        "mean of the IC divided by its standard deviation.",
        ("rank IC", "ICIR"),
    ),
    Term(
        "Interval",
        "A range that should contain the outcome with the stated probability.",
        ("intervals",),
    ),
    Term(
        "Kind of news",
        "What an item is about: earnings, analysts, a merger, a product, law, payouts, the economy, management, the "
        "price.",
        ("kinds of news",),
    ),
    Term("Lake", "The folder, or the prefix in S3, with bars, news, scores and models."),
    Term("Leak", "Information in a feature that was not known yet at the moment of the forecast."),
    Term("Log return", "log(price) − log(price before). 0.01 is about 1 %.", ("log returns",)),
    Term("Long/flat", "A rule that holds the stocks that are forecast to rise, and no others."),
    Term("Long/short", "A rule that buys the stocks with the highest forecasts and sells short those with the lowest."),
    Term("MAE, RMSE", "The mean absolute error; the square root of the mean squared error.", ("MAE", "RMSE")),
    Term("MCC", "The Matthews correlation of forecast and realised direction; 0 is chance."),
    Term(
        "Model confidence set",
        "The models that are not distinguishable from the best one (Hansen, Lunde and Nason 2011).",
        ("among the best",),
    ),
    Term(
        "P-value",
        "The probability of such a difference by luck alone. Below 0.05 it counts.",
        ("p-values", "p, Holm", "p after Holm"),
    ),
    Term("Panel", "The table of features by session and symbol that models are trained on; one entry is a cell."),
    Term("Persistence", 'The forecast "the price stays".', ("the price stays",)),
    Term(
        "Pesaran-Timmermann test",
        "Tests whether forecast and realised direction agree more often than independent directions would.",
        ("Pesaran-Timmermann", "p, PT"),
    ),
    Term(
        "Purging",
        "Leaving out sessions whose targets reach into the next part.",
        ("purged",),
    ),
    Term(
        "QLIKE",
        "A loss of a variance forecast that punishes too low a forecast more than too high a one.",
    ),
    Term(
        "Quantile",
        "The value below which the outcome stays with a given probability.",
        ("quantiles",),
    ),
    Term("Session", "A trading day of an exchange, or an intraday bar.", ("sessions",)),
    Term(
        "Sharpe ratio",
        "Mean return over its standard deviation, for a year. *Deflated*: corrected for the number of tries.",
        ("Sharpe", "Sharpe ratios", "deflated"),
    ),
    Term("Skill", "One minus the ratio of the RMSE to that of persistence."),
    Term("Squared error of log variance", "A loss that punishes an error by a factor equally in both directions."),
    Term("Surprise", "A session's sentiment minus its mean over the sessions before.", ("surprises",)),
    Term("Topic", "A group of similar items that was found in your own news and is named by its words.", ("topics",)),
    Term("Turnover", "The amount traded, as a share of the portfolio; selling everything is 100 %."),
    Term("Utility", "The yearly worth of holding at constant risk by a forecast; not a trading profit."),
    Term("Value at risk", "The loss that is exceeded only on one day in twenty (at 95 %).", ("VaR",)),
    Term(
        "Variance, volatility",
        "Variance is the expected squared move of a session; volatility is its square root.",
        ("variance", "volatility", "variances"),
    ),
    Term(
        "Walk-forward", "Training on the past, testing on the sessions that follow, and moving on.", ("walked forward",)
    ),
)
"""In the order of the alphabet."""


def terms_in(text: str) -> list[tuple[int, int, Term]]:
    """Where `text` uses a term: start and end, as in a slice, and the term; the longest spelling wins.

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
    lead = "This page explains the terms of the reports and the docs, for every reader.\n"
    return f"# Glossary\n\n{lead}" + "".join(f"\n## {term.name}\n\n{term.meaning}\n" for term in GLOSSARY)


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
