"""Forecasts from a registered model and the lake's last bars, without torch. Nothing is written."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from datetime import date

import pandas as pd

from tenor.calendars import Exchange, exchange, interval_of
from tenor.config import SourcesConfig
from tenor.errors import ConfigError, TenorError, UnknownSymbolError
from tenor.features.sentiment import OLDEST
from tenor.forecast_table import trained_until_of
from tenor.inference.forecasts import Forecasts
from tenor.inference.predictor import Predictor
from tenor.inference.recipe import Recipe
from tenor.ingest.status import stale
from tenor.lake_forecasts import LakeForecasts
from tenor.lateness import behind_reason, grace_of
from tenor.pipeline.current import CurrentForecasts, answer
from tenor.schema import DailySentiment, Forecast
from tenor.symbols import known_as
from tenor.workspace import Workspace


def predict(store: str, symbols: Sequence[str], *, horizon: int = 1, version: str | None = None) -> Forecasts:
    """Forecasts of `symbols` from the last bars in the lake, by ONNX Runtime.

    If one symbol can't be forecast, the others still are; its error is in ``failed`` of the result, and a warning
    reports it. Class shares, coins and currencies may be written in other services' notations (``BRK.B``,
    ``BTC/USDT``).

    Parameters
    ----------
    store
        A folder, or ``s3://bucket/prefix``.
    symbols
        The symbols to forecast.
    horizon
        Sessions ahead.
    version
        The model's version, or ``champion`` (also None), ``previous`` or ``latest``.

    Returns
    -------
    Forecasts
        A list of `Forecast`; ``to_frame()`` makes a table of it.

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
    forecasts = forecasts_of(Workspace(store), symbols, horizons=[horizon], version=version)[0]
    if not forecasts:
        for error in forecasts.failed.values():
            raise error
    for error in forecasts.failed.values():
        warnings.warn(str(error), stacklevel=2)
    return forecasts


def lake_forecasts(
    store: str,
    symbols: Sequence[str],
    *,
    horizons: Sequence[int],
    version: str | None,
    as_of: str | None,
    session: str | None,
    sources: SourcesConfig,
) -> CurrentForecasts:
    """`tenor.pipeline.current.current_forecasts`, from the lake's bars."""
    workspace = Workspace(store)
    if as_of is not None:
        require_moment(workspace.predictor(version).recipe, as_of)
    until = None if session is None else _session(session)
    forecasts, predictor, old_sentiment = forecasts_of(
        workspace, symbols, horizons=horizons, version=version, until=until
    )
    if until is not None:
        return _of_the_past(forecasts, predictor, until)
    calendar = predictor.recipe.features.calendar
    sessions = exchange(calendar)
    made = list(dict.fromkeys(forecast.symbol for forecast in forecasts))
    return answer(
        [forecast.to_json() for forecast in forecasts],
        {symbol: str(error) for symbol, error in forecasts.failed.items()},
        sources=sources,
        late=stale_forecasts(forecasts, calendar),
        from_services=stale(store, sources, made, interval=interval_of(calendar)) if made else {},
        old_sentiment=old_sentiment,
        notes={
            sessions.label(forecast.target_session): sessions.note
            for forecast in forecasts
            if sessions.uncertain(forecast.target_session)
        },
        trained_until=trained_until_of(predictor.card),
    )


def _session(text: str) -> pd.Timestamp:
    try:
        return pd.Timestamp(date.fromisoformat(text))
    except ValueError:
        raise ConfigError(f"--session is {text!r}; write a session as YYYY-MM-DD.") from None


def _of_the_past(forecasts: Forecasts, predictor: Predictor, until: pd.Timestamp) -> CurrentForecasts:
    """Forecasts after an earlier session; symbols that had no bar by then are told so."""
    unseen = trained_until_of(predictor.card)
    note = (
        f"version {predictor.recipe.version} was trained or calibrated on sessions up to {unseen}: what it says of "
        f"{until:%Y-%m-%d} is no test of it."
    )
    notes = [note] if unseen is not None and until < pd.Timestamp(unseen) else []
    failed = {symbol: str(error) for symbol, error in forecasts.failed.items()}
    return CurrentForecasts([forecast.to_json() for forecast in forecasts], failed, {}, notes, time.time(), unseen)


def require_moment(recipe: Recipe, as_of: str | None) -> None:
    """Raise ConfigError if the model of `recipe` does not forecast at the moment `as_of`; None accepts any moment."""
    if as_of not in (None, "close", "open"):
        raise ConfigError(f"--as-of is {as_of!r}; it takes close or open.")
    own = recipe.features.as_of
    if as_of not in (None, own):
        raise ConfigError(
            f"version {recipe.version} forecasts at the {own}, not at the {as_of}: train one with --as-of {as_of}, or "
            "name another with --model."
        )


def forecasts_of(
    workspace: Workspace,
    symbols: Sequence[str],
    *,
    horizons: Sequence[int],
    version: str | None,
    until: pd.Timestamp | None = None,
) -> tuple[Forecasts, Predictor, str | None]:
    """The forecasts of `predict`, without its warnings and errors, with the model and the state of its sentiment.

    With `until`, they are made from what was known after that session. The last value says why the sentiment is stale;
    it is None if it is not.
    """
    predictor = workspace.predictor(version)
    lake = LakeForecasts(workspace, predictor, until=until)
    names = list(dict.fromkeys(known_as(symbol, lake.known) for symbol in symbols))
    unknown: dict[str, TenorError] = {
        symbol: UnknownSymbolError(symbol, lake.known) for symbol in names if symbol not in lake.known
    }
    forecasts = lake.newest([symbol for symbol in names if symbol in lake.known], list(dict.fromkeys(horizons)))
    by_symbol: dict[str, list[Forecast]] = {}
    for forecast in forecasts:
        by_symbol.setdefault(forecast.symbol, []).append(forecast)
    failed = {**unknown, **forecasts.failed}
    in_order = {symbol: failed[symbol] for symbol in names if symbol in failed}
    calendar = predictor.recipe.features.calendar
    newest = max((forecast.session for forecast in forecasts), default=None)
    reason = None if newest is None else stale_sentiment(lake.sentiment, calendar, newest)
    return Forecasts([f for s in names for f in by_symbol.get(s, ())], in_order), predictor, reason


def stale_forecasts(forecasts: Sequence[Forecast], calendar: str, *, now: pd.Timestamp | None = None) -> dict[str, str]:
    """From each symbol with a stale forecast to the reason, by the calendar alone, whatever the source of its bars.

    Parameters
    ----------
    forecasts
        The newest forecasts.
    calendar
        Calendar of the model's sessions.
    now
        The present, with time zone. A session that closed only just before does not count (`tenor.lateness.GRACE`).
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
    """Why the sentiment of forecasts made after `session` is stale; None if it is not.

    It is stale if no symbol had news for as long as the features look back.

    Parameters
    ----------
    sentiment
        The sentiment that the model used; None if it uses none, which is not stale.
    calendar
        Calendar of the model's sessions.
    session
        The last session that the forecasts used.
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
    """How many sessions after `session` had closed by `now` (with time zone)."""
    today = now.tz_convert("UTC").tz_localize(None).normalize()
    later = calendar.sessions(session, max(session, today + pd.Timedelta(days=1)))[1:]
    return int((calendar.closes(later) <= now).sum())
