"""Predict: a registered model and the lake's last bars -> forecasts, without torch. Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tenor.calendars import Exchange, exchange
from tenor.errors import UnknownSymbolError
from tenor.schema import Forecast
from tenor.serving.staleness import behind_reason, grace_of
from tenor.workspace import Workspace


def predict(store: str, symbols: Sequence[str], *, horizon: int = 1, version: str | None = None) -> list[Forecast]:
    """Forecasts of `symbols` from the last bars in the lake, by ONNX Runtime.

    Raises
    ------
    UnknownSymbolError
        The lake has no such symbol.
    ModelError
        Nothing was trained yet.
    DataError
        The model has no such horizon.
    HistoryError
        A symbol has too few sessions.
    """
    return forecasts_of(Workspace(store), symbols, horizon=horizon, version=version)[0]


def forecasts_of(
    workspace: Workspace, symbols: Sequence[str], *, horizon: int, version: str | None
) -> tuple[list[Forecast], str]:
    """As `predict`, and the calendar of the model's sessions."""
    predictor = workspace.predictor(version)
    lake = workspace.forecasts(predictor)
    for symbol in symbols:
        if symbol not in lake.known:
            raise UnknownSymbolError(symbol, lake.known)
    forecasts = lake.newest(symbols, [horizon])
    for error in forecasts.failed.values():
        raise error
    by_symbol = {forecast.symbol: forecast for forecast in forecasts}
    return [by_symbol[symbol] for symbol in symbols], predictor.recipe.features.calendar


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


def sessions_behind(calendar: Exchange, session: pd.Timestamp, now: pd.Timestamp) -> int:
    """How many sessions after `session` had closed by `now`, which is tz-aware."""
    today = now.tz_convert("UTC").tz_localize(None).normalize()
    later = calendar.sessions(session, max(session, today + pd.Timedelta(days=1)))[1:]
    return int((calendar.closes(later) <= now).sum())
