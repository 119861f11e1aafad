"""The responses of the service as plain dataclasses: the server describes them in OpenAPI, and the client reads them.

If OpenAPI shows an example of a response, the class has it as `example`.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Staleness:
    """How old the forecasts of a response are.

    Attributes
    ----------
    stale
        Whether they should be used with care.
    sessions_behind
        Number of sessions of the exchange that have closed since the last one whose bars were used.
    reasons
        Why they are stale; empty if they are not.
    replay
        Whether the store has historical data only, and no new data is expected.
    """

    stale: bool
    sessions_behind: int
    reasons: tuple[str, ...] = ()
    replay: bool = False


@dataclass(frozen=True)
class Progress:
    """The progress of a running refresh: `done` of `total` symbols; a total of 0 means unknown."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class PriceInterval:
    """The 90 % interval of the adjusted close, in the quote's currency."""

    lower: float
    upper: float
    level: float = 0.9


@dataclass(frozen=True)
class AttentionWeights:
    """The network's attention.

    Attributes
    ----------
    sessions
        The weight of each session in this horizon's forecast of risk, by date; they sum to 1.
    features
        The mean weight of each feature over those sessions; they sum to 1.
    """

    sessions: dict[str, float]
    features: dict[str, float]


@dataclass(frozen=True)
class ForecastResponse:
    """The forecast of one symbol at one horizon: how far its price may move, then which way.

    Attributes
    ----------
    as_of
        ISO 8601, UTC; the latest moment of information used, except news if there is a `before_open`.
    session
        The last session whose bar was used.
    target_session
        The session that is forecast, `horizon` sessions later.
    last_price
        The adjusted close of `session`, in the quote's currency.
    interval
        The 90 % interval of the adjusted close of `target_session`.
    volatility
        Forecast standard deviation of the log return of one session, for the sessions of the horizon.
    volatility_rank
        Share (0..1) of the symbol's forecasts of the same horizon in the last year that were lower than `volatility`.
        Null for a past forecast with fewer than 60 before it.
    baseline_volatility
        The volatility by an exponentially weighted mean of past squared returns (half-life 20 sessions), to compare
        with `volatility`.
    quantiles
        Quantiles of the adjusted close of `target_session`, by level (``0.01`` to ``0.99``).
    value_at_risk
        By confidence (``0.95``, ``0.99``): the loss over the horizon, as a share of `last_price`, that is exceeded with
        a probability of 1 - confidence. Losses are above 0.
    expected_shortfall
        By confidence: the mean loss if it exceeds `value_at_risk`.
    price
        The expected adjusted close of `target_session`.
    expected_return
        The log return to `price`.
    p_up
        The probability that the return is above 0.
    verdict
        How good such forecasts have been so far, in one sentence.
    attention
        The network's weights of attention; null unless the request has `explain`.
    model_version
        The model that made it.
    live
        Whether it was made for this request, and not read from the published forecasts.
    before_open
        ISO 8601, UTC; the open before which the forecast was made, with the news of the night; null for a forecast made
        at the close.
    news
        What each kind of news adds to the forecast log variance: ``kind, effect, count, level, since_spike``; empty for
        a model without an effect of news.
    news_text
        The same in one sentence; empty if news adds almost nothing.
    """

    example: ClassVar[dict[str, Any]] = {
        "symbol": "AAPL",
        "as_of": "2017-09-01T20:00:00+00:00",
        "session": "2017-09-01",
        "target_session": "2017-09-05",
        "horizon": 1,
        "last_price": 164.05,
        "interval": {"lower": 160.9, "upper": 167.3, "level": 0.9},
        "volatility": 0.0121,
        "volatility_rank": 0.31,
        "baseline_volatility": 0.013,
        "quantiles": {
            "0.01": 158.9, "0.05": 160.9, "0.25": 163.1, "0.5": 164.1, "0.75": 165.2, "0.95": 167.3, "0.99": 169.4,
        },
        "value_at_risk": {"0.95": 0.0192, "0.99": 0.0314},
        "expected_shortfall": {"0.95": 0.0262, "0.99": 0.039},
        "price": 164.12,
        "expected_return": 0.0004,
        "p_up": 0.52,
        "verdict": "On the validation part (14,454 forecasts) the loss of the forecast variance (QLIKE), 0.351, is "
        "lower than that of an EWMA, 0.446; the correlation of forecast and realised direction (MCC) is +0.000, where "
        "0 is chance.",
        "attention": {
            "sessions": {"2017-08-31": 0.49, "2017-09-01": 0.51},
            "features": {"return_1": 0.6, "rsi_14": 0.4},
        },
        "model_version": "7d8124670d25",
        "live": False,
        "staleness": {"stale": False, "sessions_behind": 0, "reasons": [], "replay": False},
        "before_open": "2017-09-05T13:30:00+00:00",
        "news": [{"kind": "earnings", "effect": 0.4, "count": 12, "level": 3.0, "since_spike": 0}],
        "news_text": "News widens the range by 22 %: news about earnings (12 items, 4 times their level).",
    }  # fmt: skip

    symbol: str
    as_of: str
    session: str
    target_session: str
    horizon: int
    last_price: float
    interval: PriceInterval
    volatility: float
    volatility_rank: float | None
    baseline_volatility: float
    quantiles: dict[str, float]
    value_at_risk: dict[str, float]
    expected_shortfall: dict[str, float]
    price: float
    expected_return: float
    p_up: float
    verdict: str
    attention: AttentionWeights | None
    model_version: str
    live: bool
    staleness: Staleness
    before_open: str | None = None
    news: list[dict[str, Any]] = field(default_factory=list)
    news_text: str = ""


@dataclass(frozen=True)
class Problem:
    """Why a request was not answered (RFC 9457).

    Attributes
    ----------
    type
        The kind of problem, as a URN.
    title
        The kind in words.
    status
        The HTTP status.
    detail
        What happened in this case, and what to do about it.
    request_id
        The id of the request in the log.
    errors
        For a body or parameter that can't be read, the places and reasons.
    """

    example: ClassVar[dict[str, Any]] = {
        "type": "urn:tenor:problem:unknown-symbol",
        "title": "Unknown symbol",
        "status": 404,
        "detail": "unknown symbol 'APPL'. Did you mean 'AAPL'?",
        "request_id": "6f1c0a9be2d14c37",
    }

    type: str
    title: str
    status: int
    detail: str
    request_id: str = ""
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class SymbolProblem:
    """Why one symbol of a batch has no forecast."""

    symbol: str
    problem: Problem


@dataclass(frozen=True)
class ForecastsResponse:
    """The forecasts of a batch in the order requested, and a problem for each symbol that has none."""

    example: ClassVar[dict[str, Any]] = {
        "forecasts": [ForecastResponse.example],
        "problems": [{"symbol": "APPL", "problem": Problem.example}],
        "staleness": {"stale": False, "sessions_behind": 0, "reasons": [], "replay": False},
    }

    forecasts: tuple[ForecastResponse, ...]
    problems: tuple[SymbolProblem, ...]
    staleness: Staleness


@dataclass(frozen=True)
class PastForecast:
    """A forecast made after `session`, and the realised value.

    Attributes
    ----------
    volatility, baseline_volatility
        The forecast volatility of one session, and that of the EWMA at the time.
    made
        ``published`` if it was published at that time, ``replayed`` if the present model was run on the past.
    realised_return, realised_price
        None if the target session has no bar yet.
    held
        Whether the realised price is inside the interval.
    quantiles, value_at_risk, expected_shortfall
        As in a forecast, rounded to 0.001 %; empty if an older tenor published it without them.
    """

    session: str
    target_session: str
    last_price: float
    expected_return: float
    price: float
    lower: float
    upper: float
    volatility: float
    baseline_volatility: float
    p_up: float
    made: Literal["published", "replayed"]
    model_version: str
    realised_return: float | None = None
    realised_price: float | None = None
    held: bool | None = None
    quantiles: dict[str, float] = field(default_factory=dict)
    value_at_risk: dict[str, float] = field(default_factory=dict)
    expected_shortfall: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class HistoryResponse:
    """Past forecasts of a symbol at one horizon, oldest first."""

    example: ClassVar[dict[str, Any]] = {
        "symbol": "AAPL",
        "as_of": "2017-09-01T20:00:00+00:00",
        "horizon": 1,
        "model_version": "7d8124670d25",
        "forecasts": [
            {
                "session": "2017-08-31",
                "target_session": "2017-09-01",
                "last_price": 164.0,
                "expected_return": 0.0004,
                "price": 164.07,
                "lower": 160.8,
                "upper": 167.4,
                "volatility": 0.0121,
                "baseline_volatility": 0.013,
                "p_up": 0.52,
                "made": "published",
                "model_version": "7d8124670d25",
                "realised_return": 0.0003,
                "realised_price": 164.05,
                "held": True,
                "quantiles": {
                    "0.01": 159.1,
                    "0.05": 160.8,
                    "0.25": 163.1,
                    "0.5": 164.1,
                    "0.75": 165.1,
                    "0.95": 167.4,
                    "0.99": 169.2,
                },
                "value_at_risk": {"0.95": 0.0195, "0.99": 0.0299},
                "expected_shortfall": {"0.95": 0.0262, "0.99": 0.039},
            }
        ],
        "staleness": {"stale": False, "sessions_behind": 0, "reasons": [], "replay": False},
    }

    symbol: str
    as_of: str
    horizon: int
    model_version: str
    forecasts: tuple[PastForecast, ...]
    staleness: Staleness


@dataclass(frozen=True)
class SymbolSummary:
    """A symbol in a list; `lower` and `upper` are its 90 % interval, `value_at_risk` is by confidence."""

    symbol: str
    as_of: str
    session: str
    last_price: float
    lower: float
    upper: float
    volatility: float
    volatility_rank: float | None
    value_at_risk: dict[str, float]
    p_up: float
    expected_return: float
    stale: bool


SUMMARY = (
    "last_price", "lower", "upper", "volatility", "volatility_rank", "value_at_risk", "p_up", "expected_return",
)  # fmt: skip
"""The values of a forecast in `SymbolSummary`; all are names in `published.BRIEF`."""


@dataclass(frozen=True)
class SymbolsResponse:
    """All symbols that have a forecast, with their forecasts at the shortest horizon."""

    symbols: tuple[SymbolSummary, ...]
    horizons: tuple[int, ...]
    as_of: str
    model_version: str
    staleness: Staleness


@dataclass(frozen=True)
class TrackRecord:
    """The track record: forecasts with known outcomes, from after the model's validation part.

    Volatility is compared with an EWMA, returns and directions with persistence.

    A value is None if there are too few days for it.

    Attributes
    ----------
    days, forecasts
        Numbers of days and forecasts with a known outcome.
    first, last
        The first and last session after which they were made.
    coverage
        Share of returns inside the 90 % interval.
    squared_ratio
        Mean of (return / forecast volatility over the horizon)²; 1 if the volatility is right on average.
    risk_gain
        Mean QLIKE loss of the EWMA's variance minus that of the forecast's, against squared returns; above 0 the
        forecast is better.
    risk_low, risk_high
        Its 95 % interval, from resampled days.
    risk_verdict
        One sentence on volatility, tested at 5 % over all horizons together, as `verdict`.
    skill
        1 - RMSE / RMSE of persistence ("the price stays"), on returns.
    skill_low, skill_high
        Its 95 % interval, from resampled days.
    direction
        Share of right directions.
    up_share
        The share of right directions of always forecasting "up".
    verdict
        One sentence on returns and directions, tested at 5 % over all horizons together: the p-value of the
        Diebold-Mariano test on days is corrected for their number (Holm).
    risk_better, better
        Whether, by these tests, the volatility is better than the EWMA's; and whether returns are better than
        persistence and directions than always "up". Only then are they shown as evidence.
    """

    horizon: int
    days: int
    forecasts: int
    first: str | None
    last: str | None
    coverage: float | None
    squared_ratio: float | None
    risk_gain: float | None
    risk_low: float | None
    risk_high: float | None
    risk_verdict: str
    skill: float | None
    skill_low: float | None
    skill_high: float | None
    direction: float | None
    up_share: float | None
    verdict: str
    risk_better: bool = False
    better: bool = False


@dataclass(frozen=True)
class ModelVersion:
    """A version of the model.

    Attributes
    ----------
    created_at
        ISO 8601, UTC.
    names
        ``champion`` (in use), ``previous``, ``latest``.
    beats
        ``volatility`` and ``returns``: the horizons at which it was better than an EWMA, and than persistence, on its
        validation part; both are empty if it was never better. None if its card can't be read.
    contest
        ``at``, ``against``, ``promoted`` and ``why``: the result of the comparison with the champion of that time; None
        if there was none.
    """

    version: str
    created_at: str
    names: tuple[str, ...]
    beats: dict[str, Any] | None
    contest: dict[str, Any] | None


@dataclass(frozen=True)
class ModelsResponse:
    """The model that made the published forecasts, its card, and the track record of its forecasts."""

    champion: str
    versions: tuple[str, ...]
    card: dict[str, Any]
    track: tuple[TrackRecord, ...]
    as_of: str
    staleness: Staleness
    registry: tuple[ModelVersion, ...] = ()


@dataclass(frozen=True)
class PaperPosition:
    """A position in a symbol: its value in money and as a share of the equity, and the last session with a price."""

    symbol: str
    money: float
    share: float
    last_bar: str


@dataclass(frozen=True)
class PaperOrder:
    """An order for the next open: the share of the equity to hold, and the forecast on which it is based."""

    symbol: str
    target: float
    volatility: float
    version: str


@dataclass(frozen=True)
class PaperFill:
    """A fill at an open: adjusted price, money traded (below 0 for a sale), cost, and the position afterwards."""

    session: str
    symbol: str
    price: float | None
    traded: float
    cost: float
    position: float
    note: str = ""


@dataclass(frozen=True)
class PaperCurve:
    """The equity after each booked session, and that of holding the same symbols; both are 1 at the start."""

    sessions: tuple[str, ...]
    equity: tuple[float, ...]
    holding: tuple[float, ...]


@dataclass(frozen=True)
class PaperAccount:
    """An account of paper trading, from its journal; no real money is traded.

    A value is None if there are too few sessions for it.

    Attributes
    ----------
    number
        The number of the account in the store, from 1.
    closed
        Whether it was closed by a reset; then the next run begins another account.
    settings
        The rule and settings with which it was begun.
    replayed
        Number of decisions that were made later, from published past forecasts.
    sessions, decided, booked
        Number of booked sessions; session of the last decision; last booked session. The last two are empty at first.
    cash, equity, costs
        In money, in the unit of `settings.capital`.
    turnover
        Mean turnover of a session, as a share of the equity.
    growth, holding_growth, max_drawdown, holding_max_drawdown
        Growth and largest drawdown since the start, as shares, of the account and of holding the same symbols in equal
        parts.
    volatility, sharpe
        Annual volatility and Sharpe ratio.
    unfilled
        Number of orders for a session without an open.
    positions, orders, fills
        The positions; the orders for the next open; and the last 500 fills, newest first.
    curve
        The equity curve; None before the first booked session.
    """

    number: int
    closed: bool
    settings: dict[str, Any]
    replayed: int
    sessions: int
    decided: str
    booked: str
    cash: float
    equity: float
    costs: float
    turnover: float | None
    growth: float
    holding_growth: float | None
    max_drawdown: float | None
    holding_max_drawdown: float | None
    volatility: float | None
    sharpe: float | None
    unfilled: int
    notes: tuple[str, ...]
    verdict: str
    positions: tuple[PaperPosition, ...]
    orders: tuple[PaperOrder, ...]
    fills: tuple[PaperFill, ...]
    curve: PaperCurve | None = None


@dataclass(frozen=True)
class PaperResponse:
    """The account of paper trading; None if none has begun (``tenor paper run``)."""

    example: ClassVar[dict[str, Any]] = {
        "account": {
            "number": 1,
            "closed": False,
            "settings": {"rule": "basket", "volatility": 0.1, "cap": 1.0, "cost": 10.0, "capital": 100000.0},
            "replayed": 0,
            "sessions": 2,
            "decided": "2017-09-01",
            "booked": "2017-09-01",
            "cash": 20110.5,
            "equity": 100310.5,
            "costs": 80.2,
            "turnover": 0.41,
            "growth": 0.0031,
            "holding_growth": 0.0035,
            "max_drawdown": 0.0008,
            "holding_max_drawdown": 0.001,
            "volatility": 0.043,
            "sharpe": None,
            "unfilled": 0,
            "notes": [],
            "verdict": "2 sessions are too few to tell the rule from holding the same symbols.",
            "positions": [{"symbol": "AAPL", "money": 80200.0, "share": 0.7995, "last_bar": "2017-09-01"}],
            "orders": [{"symbol": "AAPL", "target": 0.78, "volatility": 0.0106, "version": "7d8124670d25"}],
            "fills": [
                {
                    "session": "2017-08-31",
                    "symbol": "AAPL",
                    "price": 163.2,
                    "traded": 80200.0,
                    "cost": 80.2,
                    "position": 80200.0,
                    "note": "",
                }
            ],
            "curve": {
                "sessions": ["2017-08-30", "2017-08-31", "2017-09-01"],
                "equity": [1.0, 1.0004, 1.0031],
                "holding": [1.0, 1.0006, 1.0035],
            },
        }
    }

    account: PaperAccount | None


@dataclass(frozen=True)
class WordWeight:
    """A word of a text, and by how much the score falls if it is left out."""

    word: str
    contribution: float


@dataclass(frozen=True)
class TextScore:
    """The scores of one text; None if there is nothing to read. `words` is set only if the request asks for it.

    `kinds` has the probability of each of `tenor.kinds.KINDS`; a text may be of several kinds, or of none.
    """

    positive: float | None
    neutral: float | None
    negative: float | None
    score: float | None
    language_ok: bool
    empty: bool
    words: tuple[WordWeight, ...] | None = None
    kinds: Mapping[str, float] | None = None


@dataclass(frozen=True)
class SentimentResponse:
    """Scores of the texts, in their order; `model_id` names the weights."""

    example: ClassVar[dict[str, Any]] = {
        "scores": [
            {"positive": 0.97, "neutral": 0.02, "negative": 0.01, "score": 0.96, "language_ok": True, "empty": False}
        ],
        "model_id": "tenor-minilm",
    }

    scores: tuple[TextScore, ...]
    model_id: str


def to_plain(value: Any) -> dict[str, Any]:
    """A response as plain dicts, lists and scalars."""
    plain: dict[str, Any] = dataclasses.asdict(value)
    return plain


def from_plain(cls: type[T], value: Mapping[str, Any]) -> T:
    """The response of type `cls` from the result of `to_plain`; unknown keys of a newer server are ignored.

    Raises
    ------
    ValueError
        A key is missing or has a value of another type.
    """
    hints = typing.get_type_hints(cls)
    fields = [field for field in dataclasses.fields(cls) if field.name in value]  # type: ignore[arg-type]
    try:
        return cls(**{field.name: _convert(hints[field.name], value[field.name]) for field in fields})
    except TypeError as error:
        raise ValueError(f"not a {cls.__name__}: {error}") from error


def _convert(hint: Any, value: Any) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _convert(inner[0], value)
    if origin is tuple:
        return tuple(_convert(inner[0], item) for item in value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise ValueError(f"not a {hint.__name__}: {value!r}")
        return from_plain(hint, value)
    if hint is float and isinstance(value, int):
        return float(value)
    if isinstance(hint, type) and not isinstance(value, hint):
        raise ValueError(f"{value!r} is not of type {hint.__name__}")
    return value
