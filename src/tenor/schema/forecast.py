"""The type of one forecast, as users get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tenor.schema.tables import label

_OPEN = ("before_open", "news_until")
"""Fields that `Forecast.to_json` leaves out of a forecast made at the close."""


@dataclass(frozen=True, repr=False)
class Forecast:
    """One symbol, one horizon, made after the close of a session, or before the next open.

    Attributes
    ----------
    as_of
        UTC; the close of `session`. Nothing later was used, except news if there is a `before_open`.
    session
        The last session that the forecast uses, in the model's calendar.
    target_session
        The session the forecast is for.
    expected_return
        Expected log return from the close of `session` to that of `target_session`; `price` is the adjusted close that
        follows from it. For a symbol of another market, the return is from its last close known at the end of
        `session` to its last close known at the end of `target_session` (``docs/sources.md``).
    last_price
        Adjusted close of `session`.
    lower, upper
        90 % interval of the price: the quantiles 0.05 and 0.95.
    p_up
        The probability that the return is above 0.
    volatility
        Forecast standard deviation of the log return of one session, for the sessions of the horizon.
    volatility_rank
        Share of the symbol's forecasts of the same horizon in the last year that were lower than `volatility`.
    baseline_volatility
        The volatility by an exponentially weighted mean of past squared returns (half-life 20 sessions), to compare
        with `volatility`.
    quantiles
        Quantiles of the price, by level (``"0.01"`` to ``"0.99"``).
    value_at_risk, expected_shortfall
        By confidence (``"0.95"``, ``"0.99"``). Value at risk: the loss over the horizon, as a share of `last_price`,
        that is exceeded with a probability of 1 - confidence. Expected shortfall: the mean loss if it is exceeded.
        Losses are above 0.
    verdict
        How good such forecasts have been so far, in one sentence.
    attention_time
        Weight of each of the last L sessions in the forecast of risk, by date. The weights sum to 1.
    attention_features
        Mean weight of each feature over those sessions. The weights sum to 1.
    before_open
        UTC; the open that follows `session`, if the forecast is made before it. News published after the close is then
        used up to `news_until`. None for a forecast that is made at the close.
    news_until
        UTC; news published after this moment was not used. None if `before_open` is None.
    news
        What each kind of news adds to the forecast log variance, the largest first: ``kind, effect, count`` (items in
        the session), ``level`` (their mean number in the sessions before), ``since_spike`` (sessions since there were
        about twice as many items as usual; None if there never were). Empty for a model without an effect of news.
    """

    symbol: str
    as_of: pd.Timestamp
    session: pd.Timestamp
    target_session: pd.Timestamp
    horizon: int
    expected_return: float
    last_price: float
    price: float
    lower: float
    upper: float
    p_up: float
    volatility: float
    volatility_rank: float
    baseline_volatility: float
    quantiles: dict[str, float]
    value_at_risk: dict[str, float]
    expected_shortfall: dict[str, float]
    verdict: str
    attention_time: dict[str, float]
    attention_features: dict[str, float]
    model_version: str
    before_open: pd.Timestamp | None = None
    news_until: pd.Timestamp | None = None
    news: tuple[dict[str, Any], ...] = ()

    def __repr__(self) -> str:
        ahead = "the next session" if self.horizon == 1 else f"{self.horizon} sessions ahead"
        return (
            f"Forecast({self.symbol} {label(self.session, intraday=self.intraday)}, {ahead}: {self.lower:.6g} to "
            f"{self.upper:.6g} (90 %), volatility {100 * self.volatility:.2f} %, P(up) {self.p_up:.2f})"
        )

    def to_json(self) -> dict[str, Any]:
        """A mapping of values that JSON can hold; sessions are written by `tenor.schema.label`, `as_of` in ISO 8601."""
        plain = dict(self.__dict__)
        plain["as_of"] = self.as_of.isoformat()
        for key in _OPEN:
            moment = plain.pop(key)
            if moment is not None:
                plain[key] = moment.isoformat()
        for key in ("session", "target_session"):
            plain[key] = label(getattr(self, key), intraday=self.intraday)
        if drivers := plain.pop("news"):
            plain["news"] = list(map(dict, drivers))
        return plain

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Forecast:
        """The forecast from which `to_json` made `values`, equal in every bit."""
        keys = ("as_of", "session", "target_session", *(key for key in _OPEN if key in values))
        moments = {key: pd.Timestamp(values[key]) for key in keys}
        return cls(**{**values, **moments, "news": tuple(map(dict, values.get("news", ())))})

    @property
    def intraday(self) -> bool:
        """Whether its sessions are intraday bars. Such a session is named by its close, so it equals `as_of`."""
        return self.session == self.as_of.tz_convert("UTC").tz_localize(None)
