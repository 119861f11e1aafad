"""The responses of the service as plain dataclasses: the server describes them in OpenAPI, the client reads them back.

A response that OpenAPI shows an example of carries it as `example`.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
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
        Sessions of the exchange that have closed since the last one whose bars were used.
    reasons
        Why they are stale; empty where they are not.
    """

    stale: bool
    sessions_behind: int
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class PriceInterval:
    """The 90 % interval of the adjusted close, in the quote's currency."""

    lower: float
    upper: float
    level: float = 0.9


@dataclass(frozen=True)
class AttentionWeights:
    """The network's attention: the weight of each session by date, and of each feature; each sums to 1."""

    sessions: dict[str, float]
    features: dict[str, float]


@dataclass(frozen=True)
class ForecastResponse:
    """The forecast of one symbol at one horizon.

    Attributes
    ----------
    as_of
        ISO 8601, UTC; the latest moment of information used.
    session
        The last session whose bar was used.
    target_session
        The session forecast, `horizon` sessions later.
    expected_return
        Log return to the close of `target_session`; `price` is the adjusted close that it means.
    p_up
        P(return > 0).
    live
        Made for this request, not read from the published forecasts.
    """

    example: ClassVar[dict[str, Any]] = {
        "symbol": "AAPL",
        "as_of": "2017-09-01T20:00:00+00:00",
        "session": "2017-09-01",
        "target_session": "2017-09-05",
        "horizon": 1,
        "expected_return": 0.0004,
        "p_up": 0.52,
        "last_price": 164.05,
        "price": 164.12,
        "interval": {"lower": 160.9, "upper": 167.3, "level": 0.9},
        "attention": {
            "sessions": {"2017-08-31": 0.49, "2017-09-01": 0.51},
            "features": {"return_1": 0.6, "rsi_14": 0.4},
        },
        "model_version": "7d8124670d25",
        "live": False,
        "staleness": {"stale": False, "sessions_behind": 0, "reasons": []},
    }

    symbol: str
    as_of: str
    session: str
    target_session: str
    horizon: int
    expected_return: float
    p_up: float
    last_price: float
    price: float
    interval: PriceInterval
    attention: AttentionWeights
    model_version: str
    live: bool
    staleness: Staleness


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
        This case, and what to do about it.
    request_id
        The request in the log.
    errors
        For a body or parameter that can't be read, where and why.
    """

    example: ClassVar[dict[str, Any]] = {
        "type": "urn:tenor:problem:unknown-symbol",
        "title": "There is no such thing",
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
        "staleness": {"stale": False, "sessions_behind": 0, "reasons": []},
    }

    forecasts: tuple[ForecastResponse, ...]
    problems: tuple[SymbolProblem, ...]
    staleness: Staleness


@dataclass(frozen=True)
class PastForecast:
    """A forecast made after `session`, and the realised value.

    Attributes
    ----------
    made
        ``published`` where it was published at that time, ``replayed`` where the present model was run on the past.
    realised_return, realised_price
        None where the target session has no bar yet.
    held
        Whether the realised price lies inside the interval.
    """

    session: str
    target_session: str
    last_price: float
    expected_return: float
    price: float
    lower: float
    upper: float
    p_up: float
    made: Literal["published", "replayed"]
    model_version: str
    realised_return: float | None = None
    realised_price: float | None = None
    held: bool | None = None


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
                "p_up": 0.52,
                "made": "published",
                "model_version": "7d8124670d25",
                "realised_return": 0.0003,
                "realised_price": 164.05,
                "held": True,
            }
        ],
        "staleness": {"stale": False, "sessions_behind": 0, "reasons": []},
    }

    symbol: str
    as_of: str
    horizon: int
    model_version: str
    forecasts: tuple[PastForecast, ...]
    staleness: Staleness


@dataclass(frozen=True)
class SymbolSummary:
    """A symbol in a list."""

    symbol: str
    as_of: str
    session: str
    last_price: float
    p_up: float
    expected_return: float
    stale: bool


@dataclass(frozen=True)
class SymbolsResponse:
    """Every symbol that has a forecast; `p_up` and `expected_return` at the shortest horizon."""

    symbols: tuple[SymbolSummary, ...]
    horizons: tuple[int, ...]
    as_of: str
    model_version: str
    staleness: Staleness


@dataclass(frozen=True)
class TrackRecord:
    """Forecasts that came due after the model's validation part, against persistence ("the price stays").

    A figure that too few days leave undefined is None.

    Attributes
    ----------
    days, forecasts
        How many came due.
    first, last
        The first and last session after which they were made.
    skill
        1 - RMSE / RMSE of persistence, on returns.
    skill_low, skill_high
        Its 95 % interval, from resampled days.
    direction
        Share of right directions.
    up_share
        The share that always forecasting "up" would have got right.
    coverage
        Share of returns inside the 90 % interval.
    verdict
        One sentence, at 5 % over all horizons together: its p-value, Diebold-Mariano's on days, is adjusted by Holm
        for their number.
    """

    horizon: int
    days: int
    forecasts: int
    first: str | None
    last: str | None
    skill: float | None
    skill_low: float | None
    skill_high: float | None
    direction: float | None
    up_share: float | None
    coverage: float | None
    verdict: str


@dataclass(frozen=True)
class ModelsResponse:
    """The model that made the published forecasts, its card, and the track record of its forecasts."""

    champion: str
    versions: tuple[str, ...]
    card: dict[str, Any]
    track: tuple[TrackRecord, ...]
    as_of: str
    staleness: Staleness


@dataclass(frozen=True)
class WordWeight:
    """A word of a text, and by how much the score falls when it is left out."""

    word: str
    contribution: float


@dataclass(frozen=True)
class TextScore:
    """One text's scores; None for a text with nothing to read. `words` only where the request asks for them."""

    positive: float | None
    neutral: float | None
    negative: float | None
    score: float | None
    language_ok: bool
    empty: bool
    words: tuple[WordWeight, ...] | None = None


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
    """The response `cls` from what `to_plain` returned; keys that a newer server added are ignored.

    Raises
    ------
    ValueError
        A key is missing or has another shape.
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
