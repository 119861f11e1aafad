"""Paper trading: decide on published forecasts, book the fills, and show the account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tenor.calendars import calendar_of, exchange, interval_of
from tenor.config import PaperConfig
from tenor.errors import ConfigError, StoreError, did_you_mean
from tenor.pipeline.paper_published import publish_account
from tenor.pipeline.policies import PolicyRule
from tenor.serving.published import Index, PublishedForecasts, past_forecasts, published_forecasts
from tenor.storage.files import read_json
from tenor.store.lake import Lake
from tenor.store.paper import PaperJournal
from tenor.store.tables import PAPER
from tenor.symbols import known_as
from tenor.trading.account import Account, account_number, account_of
from tenor.trading.booking import (
    DECISION,
    LIVE,
    REPLAYED,
    RESET,
    SESSION,
    WHOLE,
    Prices,
    decision_rows,
    session_rows,
    settings_in,
)
from tenor.trading.rules import Decision, Forecast, decide, settings_of

_BEFORE = pd.Timedelta(days=400)
"""How much history of bars is read before the first session to book; correlations need a year."""


@dataclass(frozen=True)
class PaperRun:
    """The result of a run.

    Attributes
    ----------
    decided
        Sessions after which this run made a decision, ISO dates.
    booked
        Sessions that this run booked, ISO dates.
    notes
        What could not be done, and why; one sentence each.
    account
        The account after the run; None if nothing was ever decided.
    """

    decided: tuple[str, ...]
    booked: tuple[str, ...]
    notes: tuple[str, ...]
    account: Account | None

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "decided": list(self.decided),
            "booked": list(self.booked),
            "notes": list(self.notes),
            "account": None if self.account is None else self.account.to_json(),
        }


@dataclass(frozen=True)
class _Universe:
    """What is traded: its symbols, their one calendar, and the horizon of the forecasts."""

    symbols: tuple[str, ...]
    calendar: str
    horizon: int


def run(
    store: str, config: PaperConfig, *, since: pd.Timestamp | None = None, now: pd.Timestamp | None = None
) -> PaperRun:
    """Book the sessions that followed earlier decisions, and decide on the newest published forecasts.

    A second run on the same forecasts changes nothing. Everything is written as one part of the lake, so a run that is
    killed leaves either all of it or nothing.

    Parameters
    ----------
    store
        A lake's folder or ``s3://bucket/prefix``, with published forecasts.
    config
        The rule and its settings, which must be those with which the account was begun.
    since
        Begin an account in the past: use the published past forecasts from this session on, as if each decision had
        been made at the close of its session.
    now
        UTC; the present by default.

    Raises
    ------
    ConfigError
        Nothing was published, a symbol has no forecast or another calendar, the account was begun with other settings,
        or `since` is not possible.
    StoreError
        The lake or the published forecasts can't be read or written.
    """
    moment = pd.Timestamp.now(tz="UTC") if now is None else now
    published, journal, lake = published_forecasts(store), PaperJournal(store), Lake(store)
    index = published.index()
    if index is None or not index.entries:
        raise ConfigError(f"nothing was published in {published.objects.location} yet: run 'tenor refresh' first.")
    policy = PolicyRule.of(store) if config.rule == "rl" else None
    if policy is not None:
        config = policy.configured(config)
    universe, notes = _universe(index, config)
    settings = {**settings_of(config), "calendar": universe.calendar}
    with journal.alone():
        rows = journal.rows()
        number = account_number(rows)
        mine = rows[rows["account"] == number]
        decisions = mine[mine["event"] == DECISION]
        if len(decisions):
            _require_same(settings_in(decisions), settings, number)
        if since is not None and len(decisions):
            raise ConfigError(
                f"paper account {number} has begun already: --since is for a new one, after 'paper reset'."
            )
        symbols = sorted({*universe.symbols, *decisions["symbol"]} - {WHOLE})
        last = mine.loc[mine["event"] != RESET, "session"].max() if len(mine) else since
        start = min(t for t in (last, since, moment.tz_localize(None).normalize()) if t is not None and not pd.isna(t))
        booked = mine.loc[mine["event"] == "session", "session"].max()
        start = decisions["session"].min() if len(decisions) and pd.isna(booked) else start
        prices = Prices.of(lake.rows("bars", symbols, since=start - _BEFORE))
        made, more = _decisions(published, index, config, universe, prices, mine, since, moment, policy)
        notes += more
        fresh: list[dict[str, Any]] = []
        for decision, at in made:
            origin = LIVE if since is None else REPLAYED
            fresh += decision_rows(decision, settings, account=number, booked_at=at, origin=origin)
        added = pd.DataFrame(fresh, columns=list(PAPER.columns)) if fresh else mine.head(0)
        known = _together(mine, added)
        origin = LIVE if since is None else REPLAYED
        sessions = session_rows(known, prices, account=number, calendar=universe.calendar, now=moment, origin=origin)
        journal.write(_together(added, sessions))
        mine = _together(known, sessions)
    account = account_of(mine, number, universe.calendar) if (mine["event"] == DECISION).any() else None
    if account is not None:
        notes += publish_account(published, account, mine)
    return PaperRun(
        tuple(f"{decision.session:%Y-%m-%d}" for decision, _ in made),
        tuple(f"{day:%Y-%m-%d}" for day in sorted(set(sessions["session"]))),
        tuple(notes),
        account,
    )


def show(store: str, number: int | None = None) -> Account:
    """The account `number` of a store, computed from the journal; by default the last one with a decision.

    Raises
    ------
    ConfigError
        There is no such account.
    DataError
        Its rows do not follow from one another.
    """
    rows = PaperJournal(store).rows()
    known = sorted(set(rows.loc[rows["event"] == DECISION, "account"]))
    if not known:
        raise ConfigError(f"no paper account in {store}: run 'tenor paper run' after a refresh.")
    chosen = known[-1] if number is None else number
    if chosen not in known:
        raise ConfigError(f"no paper account {chosen} in {store}: there are {', '.join(map(str, known))}.")
    decisions = rows[(rows["account"] == chosen) & (rows["event"] == DECISION)]
    return account_of(rows, chosen, settings_in(decisions)["calendar"])


def journal_rows(store: str, number: int) -> pd.DataFrame:
    """The rows of the journal that belong to the account `number`."""
    rows = PaperJournal(store).rows()
    return rows[rows["account"] == number].reset_index(drop=True)


def reset(store: str, *, now: pd.Timestamp | None = None) -> int | None:
    """Close the account; the next run begins a new one with the same capital. Its rows are kept for `show`.

    Returns
    -------
    int or None
        The number of the closed account; None if no account was open.
    """
    moment = pd.Timestamp.now(tz="UTC") if now is None else now
    journal = PaperJournal(store)
    with journal.alone():
        rows = journal.rows()
        number = account_number(rows)
        mine = rows[rows["account"] == number]
        if mine.empty:
            return None
        row = {
            "symbol": WHOLE, "account": number, "session": mine["session"].max(), "event": RESET, "booked_at": moment,
            "origin": LIVE,
        }  # fmt: skip
        journal.write(pd.DataFrame([row]))
    decisions = mine[mine["event"] == DECISION]
    if len(decisions):
        account = account_of(mine, number, settings_in(decisions)["calendar"])
        publish_account(published_forecasts(store), account, mine, closed=True)
    return number


def _together(*frames: pd.DataFrame) -> pd.DataFrame:
    some = [frame.astype(object) for frame in frames if len(frame)]
    if not some:
        return frames[0].head(0)
    joined = pd.concat(some, ignore_index=True).infer_objects()
    numbers = ["volatility", "p_up", "target", "before", "fill", "close", "quoted", "traded", "cost", "position"]
    for name in (*numbers, "cash", "equity", "turnover"):
        joined[name] = pd.to_numeric(joined[name])
    for name in ("session", "decided"):
        joined[name] = pd.to_datetime(joined[name])
    joined["booked_at"] = pd.to_datetime(joined["booked_at"], utc=True)
    return joined


def _universe(index: Index, config: PaperConfig) -> tuple[_Universe, list[str]]:
    axis, names = str(index.head["calendar"]), index.entries
    if interval_of(axis) != "1d":
        raise ConfigError(f"the forecasts are of {axis}: paper trading needs those of daily bars.")
    horizon = min(map(int, index.head["horizons"]), default=1)
    notes: list[str] = []
    if not config.symbols:
        chosen = [name for name in sorted(names) if calendar_of(name, axis) == axis]
        others = len(names) - len(chosen)
        if others:
            notes.append(
                f"{others} symbols of other calendars than {axis} are left out: paper.symbols takes those of one."
            )
        if not chosen:
            raise ConfigError(f"no forecast is of a symbol of {axis}: set paper.symbols.")
        return _Universe(tuple(chosen), axis, horizon), notes
    chosen = [known_as(name, set(names)) for name in config.symbols]
    for name in chosen:
        if name not in names:
            raise ConfigError(
                f"config key 'paper.symbols' has {name!r}, of which there is no forecast.{did_you_mean(name, names)}"
            )
    calendars = {calendar_of(name, axis): name for name in chosen}
    if len(calendars) > 1:
        both = ", ".join(f"{name} is of {calendar}" for calendar, name in sorted(calendars.items()))
        raise ConfigError(f"config key 'paper.symbols' mixes calendars ({both}): an account trades on one.")
    return _Universe(tuple(sorted(set(chosen))), next(iter(calendars)), horizon), notes


def _require_same(begun: Mapping[str, Any], settings: Mapping[str, Any], number: int) -> None:
    for key, value in begun.items():
        if settings.get(key) != value:
            raise ConfigError(
                f"paper account {number} was begun with paper.{key} = {value!r}, not {settings.get(key)!r}: give that "
                "one, or begin another account with 'tenor paper reset'."
            )


_Made = list[tuple[Decision, pd.Timestamp]]


def _decisions(
    published: PublishedForecasts,
    index: Index,
    config: PaperConfig,
    universe: _Universe,
    prices: Prices,
    mine: pd.DataFrame,
    since: pd.Timestamp | None,
    now: pd.Timestamp,
    policy: PolicyRule | None,
) -> tuple[_Made, list[str]]:
    """The decisions to add, each with its moment, and notes."""
    record: Mapping[str, Any] = next((r for r in index.head.get("track", ()) if r["horizon"] == universe.horizon), {})
    evidence = str(record.get("verdict", ""))

    def by_rule(session: pd.Timestamp, forecasts: Mapping[str, Forecast]) -> Decision:
        if policy is not None:
            booked = session_rows(mine, prices, account=0, calendar=universe.calendar, now=now, origin=LIVE)
            return policy.decide(session, forecasts, _shares(_together(mine, booked)), config.cap)
        return decide(
            config,
            session,
            forecasts,
            prices.close,
            calendar=universe.calendar,
            directional=bool(record.get("better", False)),
            evidence=evidence,
        )

    if since is not None and policy is not None:
        past = list(_past(published, index, config, universe, record, since))
        decided = policy.replay(past, config.cap, config.cost)
        return [(decision, exchange(universe.calendar).close(decision.session)) for decision in decided], []
    if since is not None:
        return [
            (by_rule(session, forecasts), exchange(universe.calendar).close(session))
            for session, forecasts in _past(published, index, config, universe, record, since)
        ], []
    session = max(pd.Timestamp(index.entries[name].session) for name in universe.symbols)
    notes: list[str] = []
    last = mine.loc[mine["event"] == DECISION, "session"].max()
    if session <= last:
        return [], notes
    closed = exchange(universe.calendar).last_closed(now)
    if closed > session:
        note = (
            f"nothing was decided: the newest forecasts are of {session:%Y-%m-%d}, and {closed:%Y-%m-%d} has closed "
            "since; run 'tenor refresh' first, or begin an account afterwards with --since."
        )
        return [], [note]
    forecasts: dict[str, Forecast] = {}
    for name in universe.symbols:
        entry = index.entries[name]
        brief = entry.brief.get(str(universe.horizon), {})
        if pd.Timestamp(entry.session) == session and brief:
            if "volatility" not in brief:
                raise StoreError("the forecasts were published by an older tenor: run 'tenor refresh'.")
            forecasts[name] = Forecast(name, entry.model_version, float(brief["volatility"]), float(brief["p_up"]))
    late = len(universe.symbols) - len(forecasts)
    if late:
        notes.append(f"{late} of {len(universe.symbols)} symbols have no forecast of {session:%Y-%m-%d}: not held.")
    return [(by_rule(session, forecasts), now)], notes


def _shares(rows: pd.DataFrame) -> dict[str, float]:
    """By symbol, the share of the equity that is held after the last booked close."""
    booked = rows[rows["event"] == SESSION]
    if booked.empty:
        return {}
    last = booked[booked["session"] == booked["session"].max()].set_index("symbol")
    equity = float(last.loc[WHOLE, "equity"])
    positions = last["position"].drop(WHOLE)
    return {str(symbol): float(money) / equity for symbol, money in positions.items()} if equity > 0 else {}


def _past(
    published: PublishedForecasts,
    index: Index,
    config: PaperConfig,
    universe: _Universe,
    record: Mapping[str, Any],
    since: pd.Timestamp,
) -> Iterable[tuple[pd.Timestamp, dict[str, Forecast]]]:
    """The published past forecasts from `since` on, by session."""
    if config.rule == "long/flat":
        raise ConfigError(
            "paper.rule = 'long/flat' can't begin with --since: the track record that allows it knows those days."
        )
    first = record.get("first")
    if first is None or since < pd.Timestamp(first):
        begins = f"they begin on {first}" if first else "none has come due"
        raise ConfigError(
            f"--since {since:%Y-%m-%d} is before the forecasts that no fit and no choice has seen: {begins}."
        )
    by_session: dict[pd.Timestamp, dict[str, Forecast]] = {}
    for name in universe.symbols:
        document = read_json(published.read(index.entries[name]))
        for row in past_forecasts(document, universe.horizon):
            day = pd.Timestamp(row.session)
            if day >= since:
                by_session.setdefault(day, {})[name] = Forecast(name, row.model_version, row.volatility, row.p_up)
    if not by_session:
        raise ConfigError(f"--since {since:%Y-%m-%d}: no published past forecast is of that session or a later one.")
    return sorted(by_session.items())
