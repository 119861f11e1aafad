"""The base class of sources of prices, and their answers: bars that were checked row by row, and corporate actions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.calendars import market_of
from tenor.errors import SourceError
from tenor.features.extra_sessions import extra_of_service
from tenor.ingest.services.source import Source
from tenor.schema import LENGTHS, PRICES, BarInterval, Float64

ACTION_COLUMNS = ("session", "kind", "value")


@dataclass(frozen=True)
class PriceAnswer:
    """The answer of a source about one symbol.

    Attributes
    ----------
    source
        The name of the source.
    symbol
        The symbol.
    interval
        The length of a bar.
    frame
        Columns ``at`` (the session, or the UTC moment at which an intraday bar opened), `PRICES` and ``volume``;
        sorted by ``at``, without repetitions. `open` to `close` are as traded if the source has such prices;
        `adj_close` is adjusted for splits and dividends.
    actions
        Columns `ACTION_COLUMNS`. For the kind ``split``, the value is the number of shares that one share became; for
        ``dividend``, it is money per share.
    refused
        Counts of the rows that can't be used, by reason.
    name
        The name of the company, if the source has it.
    """

    source: str
    symbol: str
    interval: BarInterval
    frame: pd.DataFrame
    actions: pd.DataFrame
    refused: dict[str, int]
    name: str = ""


class PriceSource(Source, ABC):
    """A service that has bars."""

    @abstractmethod
    def serves(self, symbol: str, interval: BarInterval) -> bool:
        """Whether it has such bars at all; otherwise it is not asked."""

    @abstractmethod
    def bars(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp, interval: BarInterval = "1d") -> PriceAnswer:
        """The bars of `symbol` from the day `since` on that were over at `now` (UTC).

        Raises
        ------
        SourceError
            The source has no such symbol, did not answer, or its answer is not as documented.
        """


def no_actions() -> pd.DataFrame:
    """A frame of `ACTION_COLUMNS` without rows."""
    return actions_of([])


def actions_of(rows: Sequence[tuple[pd.Timestamp, str, float]]) -> pd.DataFrame:
    """A frame of `ACTION_COLUMNS`; rows whose value is not finite and positive are left out."""
    sound = [row for row in rows if np.isfinite(row[2]) and row[2] > 0]
    frame = pd.DataFrame(sound, columns=list(ACTION_COLUMNS))
    frame = frame.astype({"session": "datetime64[us]", "kind": "str", "value": "float64"})
    return frame.drop_duplicates(["session", "kind"], keep="last").sort_values(["session", "kind"], ignore_index=True)


def actions_where(days: pd.DatetimeIndex, *, splits: Float64, dividends: Float64) -> pd.DataFrame:
    """Actions from columns as long as `days`: split ratios that are not 1, and dividends above 0."""
    rows = [(days[int(i)], "split", float(splits[i])) for i in np.flatnonzero(splits != 1.0)]
    return actions_of(rows + [(days[int(i)], "dividend", float(dividends[i])) for i in np.flatnonzero(dividends > 0)])


def untouched_by_splits(days: pd.DatetimeIndex, actions: pd.DataFrame) -> Float64:
    """For each day, the factor that converts split-adjusted prices to traded ones: shares today per share of then."""
    splits = actions[actions["kind"] == "split"]
    factor = np.ones(len(days))
    for day, ratio in zip(splits["session"], splits["value"], strict=True):
        factor[np.asarray(days < day)] *= ratio
    return factor


def price_answer(
    source: str,
    symbol: str,
    interval: BarInterval,
    at: pd.DatetimeIndex,
    columns: dict[str, Float64],
    *,
    since: pd.Timestamp,
    now: pd.Timestamp,
    actions: pd.DataFrame | None = None,
    name: str = "",
) -> PriceAnswer:
    """Make an answer from the valid rows that are over at `now`; invalid rows are counted.

    Parameters
    ----------
    source, symbol, interval, actions, name
        As in `PriceAnswer`.
    at
        Sessions (without a zone), or UTC moments of opening for intraday bars.
    columns
        The `PRICES` and ``volume``, as long as `at`; a missing volume becomes 0.
    since
        The first day of the request; earlier rows are left out.
    now
        UTC; rows that are not over by then are left out.

    Raises
    ------
    SourceError
        The columns differ in length, or several rows are invalid and none is valid.
    """
    if len({len(at), *map(len, columns.values())}) != 1:
        raise SourceError(f"{source} sent columns of unequal length for {symbol}.", kind="malformed")
    frame = pd.DataFrame({"at": at, **columns})
    frame["volume"] = frame["volume"].where(np.isfinite(frame["volume"]), 0.0)
    refused: Counter[str] = Counter()
    in_range = np.asarray(at >= (since if interval == "1d" else since.tz_localize("UTC")))
    frame = frame[in_range & _over(symbol, interval, at, now)]
    for why, bad in _rules(symbol, interval):
        rows = bad(frame)
        refused[why] += int(rows.sum())
        frame = frame[~rows]
    repeated = frame["at"].duplicated(keep="last").to_numpy()
    refused["repeated"] += int(repeated.sum())
    frame = frame[~repeated].sort_values("at", ignore_index=True)
    # services write an empty row for a day without trades; it is not a fault
    lost = sum(refused.values()) - refused["empty"]
    if frame.empty and lost > 1:
        raise SourceError(f"{source} sent {lost} rows for {symbol}, none of which can be used.", kind="malformed")
    counts = {why: count for why, count in refused.items() if count}
    actions = no_actions() if actions is None else actions[(actions["session"] >= since).to_numpy()]
    return PriceAnswer(source, symbol, interval, frame, actions.reset_index(drop=True), counts, name)


def _over(symbol: str, interval: BarInterval, at: pd.DatetimeIndex, now: pd.Timestamp) -> NDArray[np.bool_]:
    if interval != "1d":
        return np.asarray(at + LENGTHS[interval] <= now)
    return np.asarray(at <= market_of(symbol).exchange.last_closed(now))


def _rules(symbol: str, interval: BarInterval) -> list[tuple[str, Any]]:
    prices = list(PRICES)

    def closed(frame: pd.DataFrame) -> NDArray[np.bool_]:
        if frame.empty:
            return np.zeros(0, dtype=bool)
        days = pd.DatetimeIndex(frame["at"])
        stray = ~np.asarray(days.isin(market_of(symbol).exchange.sessions(days.min(), days.max())))
        if not stray.any():
            return stray
        bars = frame.rename(columns={"at": "session"})
        return stray & ~extra_of_service(bars, stray, market_of(symbol).calendar)

    rules: list[tuple[str, Any]] = [
        ("empty", lambda f: f[prices].isna().all(axis=1).to_numpy()),
        ("a price missing", lambda f: ~np.isfinite(f[prices].to_numpy()).all(axis=1)),
        ("a price not positive", lambda f: (f[prices].to_numpy() <= 0).any(axis=1)),
        ("high below low", lambda f: (f["high"] < f["low"]).to_numpy()),
        ("volume negative", lambda f: (f["volume"] < 0).to_numpy()),
    ]
    return [*rules, ("no session", closed)] if interval == "1d" else rules
