"""What the service answers, as plain dataclasses: the server describes them in OpenAPI, the client reads them back."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Staleness:
    """How old what is answered is.

    Attributes
    ----------
    stale
        Whether it should be taken with care; `reasons` says why, and is empty otherwise.
    sessions_behind
        Sessions of the exchange that have closed since the last one seen.
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
    """What the network looked at: the weight of each session by date, and of each feature; each sums to 1."""

    sessions: dict[str, float]
    features: dict[str, float]


@dataclass(frozen=True)
class ForecastResponse:
    """One symbol, one horizon.

    Attributes
    ----------
    as_of
        ISO 8601, UTC; the latest moment of information used.
    session
        The last session seen.
    target_session
        The session forecast, `horizon` sessions later.
    expected_return
        Log return to the close of `target_session`; `price` is the adjusted close that it means.
    p_up
        P(return > 0).
    live
        Made for this request, not read from the board.
    """

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
    """What went wrong (RFC 9457).

    Attributes
    ----------
    type
        Names the kind of problem.
    title
        The kind in words.
    detail
        This case, and what to do about it.
    errors
        For a body or parameter that can't be read, where and why.
    """

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
    """The forecasts of a batch in the order asked for, and a problem for each symbol that has none."""

    forecasts: tuple[ForecastResponse, ...]
    problems: tuple[SymbolProblem, ...]
    staleness: Staleness


@dataclass(frozen=True)
class PastForecast:
    """What was said after `session`, and what came true.

    Attributes
    ----------
    made
        ``published`` when it was said then, ``replayed`` when the present model was run on the past later.
    realised_return, realised_price
        None where the target session has no bar yet.
    held
        Inside the interval.
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
    """Every symbol on the board; `p_up` and `expected_return` at the shortest horizon."""

    symbols: tuple[SymbolSummary, ...]
    horizons: tuple[int, ...]
    as_of: str
    model_version: str
    staleness: Staleness


@dataclass(frozen=True)
class TrackRecord:
    """Forecasts that came due after the model's validation part, against persistence ("the price stays").

    Attributes
    ----------
    skill
        1 - RMSE / RMSE of persistence, on returns; `skill_low`, `skill_high` its 95 % interval from resampled days.
    direction
        Share of right directions;
    up_share
        The share that saying "up" each time would have got.
    coverage
        Share of returns inside the 90 % interval. None for what is undefined: too few days.
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
    """The model that made the board's forecasts, its card, and how its forecasts did."""

    champion: str
    versions: tuple[str, ...]
    card: dict[str, Any]
    track: tuple[TrackRecord, ...]
    as_of: str
    staleness: Staleness


@dataclass(frozen=True)
class WordWeight:
    """A word of a text, and how much of the score goes when it is left out."""

    word: str
    contribution: float


@dataclass(frozen=True)
class TextScore:
    """One text's scores; None for a text with nothing to read. `words` where they were asked for."""

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

    scores: tuple[TextScore, ...]
    model_id: str


def to_plain(value: Any) -> dict[str, Any]:
    """An answer as plain dicts, lists and scalars."""
    plain: dict[str, Any] = dataclasses.asdict(value)
    return plain


def from_plain(cls: type[T], value: Mapping[str, Any]) -> T:
    """The answer `cls` from what `to_plain` gave; keys that a newer server added are passed over.

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
        raise ValueError(f"{value!r} is no {hint.__name__}")
    return value
