"""How each metric is shown: its title, unit, digits, whether higher is better, and an explanation.

The report, the terminal and the glossary use this table. It needs only the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MetricTitle:
    """How one metric is shown.

    Attributes
    ----------
    title
        The title in lower case except for names, for headings of tables and within sentences.
    unit
        ``%`` for shares and returns, which are stored as fractions; ``%²`` for their squares; empty if there is no
        unit.
    digits, difference_digits
        Decimal places, in `unit`, of a value and of a difference between two models, which is smaller.
    higher_is_better
        Whether a higher value is better.
    no_skill
        The expected value for a forecast without information; None if it depends on the data.
    explanation
        The meaning, in one sentence.
    """

    title: str
    unit: Literal["", "%", "%²"]
    digits: int
    difference_digits: int
    higher_is_better: bool
    no_skill: float | None
    explanation: str

    @property
    def scale(self) -> float:
        """Factor from a stored value to its value in `unit`."""
        return {"": 1.0, "%": 100.0, "%²": 1e4}[self.unit]

    @property
    def heading(self) -> str:
        """The title and, if there is one, the unit, for columns with numbers only."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    @property
    def direction(self) -> str:
        """``higher is better`` or ``lower is better``."""
        return "higher is better" if self.higher_is_better else "lower is better"


TITLES: dict[str, MetricTitle] = {
    "return_rmse": MetricTitle(
        "RMSE of returns", "%", 3, 4, False, None, "Root of the mean squared error of the forecast returns."
    ),
    "return_mae": MetricTitle(
        "MAE of returns", "%", 3, 4, False, None, "Mean absolute error of the forecast returns."
    ),
    "price_rmse": MetricTitle(
        "RMSE of prices", "%", 3, 4, False, None,
        "Root of the mean squared error of the forecast prices, each in % of the last close.",
    ),
    "price_mae": MetricTitle(
        "MAE of prices", "%", 3, 4, False, None,
        "Mean absolute error of the forecast prices, each in % of the last close.",
    ),
    "skill": MetricTitle(
        "skill against persistence", "%", 2, 4, True, 0.0,
        "1 − RMSE / RMSE of persistence, on returns; persistence forecasts that the price stays.",
    ),
    "mase": MetricTitle(
        "MASE", "", 4, 4, False, 1.0, "Mean absolute error of the forecast prices over that of persistence."
    ),
    "direction": MetricTitle(
        "direction accuracy", "%", 2, 2, True, 0.5, "Share of forecasts whose direction, up or not up, was right."
    ),
    "mcc": MetricTitle(
        "MCC", "", 3, 4, True, 0.0, "Matthews correlation of the forecast and the realised direction, from −1 to 1."
    ),
    "auc": MetricTitle(
        "AUC", "", 3, 4, True, 0.5,
        "Probability that a stock that rose had a higher P(up) than one that did not rise.",
    ),
    "brier": MetricTitle(
        "Brier score", "", 4, 4, False, 0.25,
        "Mean squared error of the forecast probability of a rise; always saying one half gives 0.25.",
    ),
    "rank_ic": MetricTitle(
        "rank IC", "", 3, 4, True, 0.0,
        "Rank correlation of forecast and return across the stocks of one session, mean over sessions.",
    ),
    "icir": MetricTitle(
        "ICIR", "", 3, 4, True, 0.0, "Mean of the rank IC over its standard deviation from session to session."
    ),
    "loss": MetricTitle(
        "squared error in units of volatility", "", 5, 5, False, None,
        "Mean squared error of the return divided by its volatility, which is what the network minimises.",
    ),
}  # fmt: skip
"""How metrics are shown, by key: those of `tenor.evaluation.bootstrap.METRICS`, and those of an ablation."""

RISK_TITLES: dict[str, MetricTitle] = {
    "log_variance_mse": MetricTitle(
        "squared error of log variance", "", 4, 4, False, None,
        "Mean squared error of the forecast log of the mean variance of the sessions ahead.",
    ),
    "qlike": MetricTitle(
        "QLIKE", "", 4, 4, False, 0.0,
        "Mean of x − log x − 1, x being realised over forecast variance; it punishes too low a forecast more.",
    ),
    "crps": MetricTitle(
        "CRPS of returns", "%", 4, 4, False, None,
        "Continuous ranked probability score: twice the mean pinball loss of the quantiles from 0.05 to 0.95.",
    ),
}  # fmt: skip
"""The same for forecasts of risk (`tenor.evaluation.risk.LOSSES`)."""

SCORE_TITLES: dict[str, MetricTitle] = {
    "squared_error": MetricTitle(
        "squared error of returns", "%²", 4, 4, False, None, "Mean squared error of the forecast log returns."
    ),
    "brier": TITLES["brier"],
}  # fmt: skip
"""The same for the losses of returns and directions in judgements of forecast files (`tenor.referee`)."""


def loss_title(measure: str) -> MetricTitle:
    """How a loss of `RISK_TITLES` or `SCORE_TITLES` is shown."""
    return {**RISK_TITLES, **SCORE_TITLES}[measure]
