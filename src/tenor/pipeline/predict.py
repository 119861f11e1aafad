"""Predict: a registered model and the lake's last bars -> forecasts, without torch. Nothing is written."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import pandas as pd

from tenor.calendars import Exchange, exchange
from tenor.errors import TenorError, UnknownSymbolError
from tenor.features.sentiment import OLDEST
from tenor.inference.forecasts import Forecasts
from tenor.schema import DailySentiment, Forecast
from tenor.serving.staleness import behind_reason, grace_of
from tenor.symbols import known_as
from tenor.workspace import Workspace


def predict(store: str, symbols: Sequence[str], *, horizon: int = 1, version: str | None = None) -> Forecasts:
    """Forecasts of `symbols` from the last bars in the lake, by ONNX Runtime.

    A symbol that can't be forecast hides no other: its error is in ``failed`` of the result, and a warning tells it.
    Class shares, coins and currencies may be written as other services do (``BRK.B``, ``BTC/USDT``).

    Raises
    ------
    UnknownSymbolError
        The lake has none of the symbols.
    ModelError
        Nothing was trained yet.
    DataError
        The model has no such horizon.
    HistoryError
        All symbols have too few sessions.
    """
    forecasts = forecasts_of(Workspace(store), symbols, horizon=horizon, version=version)[0]
    if not forecasts:
        for error in forecasts.failed.values():
            raise error
    for error in forecasts.failed.values():
        warnings.warn(str(error), stacklevel=2)
    return forecasts


def forecasts_of(
    workspace: Workspace, symbols: Sequence[str], *, horizon: int, version: str | None
) -> tuple[Forecasts, str, str | None]:
    """As `predict`, without its warnings and errors; the model's calendar; and why its sentiment is stale, if it is."""
    predictor = workspace.predictor(version)
    lake = workspace.forecasts(predictor)
    names = [known_as(symbol, lake.known) for symbol in symbols]
    unknown: dict[str, TenorError] = {
        symbol: UnknownSymbolError(symbol, lake.known) for symbol in names if symbol not in lake.known
    }
    forecasts = lake.newest([symbol for symbol in names if symbol in lake.known], [horizon])
    by_symbol = {forecast.symbol: forecast for forecast in forecasts}
    failed = {**unknown, **forecasts.failed}
    in_order = {symbol: failed[symbol] for symbol in names if symbol in failed}
    calendar = predictor.recipe.features.calendar
    newest = max((forecast.session for forecast in forecasts), default=None)
    reason = None if newest is None else stale_sentiment(lake.sentiment, calendar, newest)
    return Forecasts([by_symbol[s] for s in names if s in by_symbol], in_order), calendar, reason


def stale_forecasts(forecasts: Sequence[Forecast], calendar: str, *, now: pd.Timestamp | None = None) -> dict[str, str]:
    """Symbol -> why its forecast is stale, by the calendar alone, wherever its bars came from.

    Parameters
    ----------
    calendar
        The sessions of the model.
    now
        Tz-aware; a session that closed only just before does not count (`tenor.serving.staleness.GRACE`).
    """
    moment = (now or pd.Timestamp.now("UTC")) - pd.Timedelta(seconds=grace_of(calendar))
    sessions = exchange(calendar)
    reasons = {}
    for forecast in forecasts:
        behind = sessions_behind(sessions, forecast.session, moment)
        if behind:
            reasons[forecast.symbol] = behind_reason(sessions.label(forecast.session), behind)
    return reasons


def stale_sentiment(sentiment: DailySentiment | None, calendar: str, session: pd.Timestamp) -> str | None:
    """Why the sentiment of forecasts of `session` is stale: no symbol had news for as long as the features look back.

    Parameters
    ----------
    sentiment
        What the model saw; None where it has none, which is not stale.
    calendar
        Of the model's sessions.
    session
        The last one that the forecasts used.
    """
    if sentiment is None or sentiment.frame.empty:
        return None
    sessions = exchange(calendar)
    last = sentiment.frame["session"].max()
    count = len(sessions.sessions(last, session)) - 1 if last < session else 0
    if count <= OLDEST:
        return None
    of, used = sessions.label(last), sessions.label(session)
    return f"the sentiment: the last news is of {of}, {count:,} sessions before {used}, the last session used"


def sessions_behind(calendar: Exchange, session: pd.Timestamp, now: pd.Timestamp) -> int:
    """How many sessions after `session` had closed by `now`, which is tz-aware."""
    today = now.tz_convert("UTC").tz_localize(None).normalize()
    later = calendar.sessions(session, max(session, today + pd.Timedelta(days=1)))[1:]
    return int((calendar.closes(later) <= now).sum())
