"""Fetch the bars of one symbol: ask the sources one after another, and decide which rows go into the lake."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from tenor.calendars import market_of
from tenor.config import SourcesConfig
from tenor.errors import SourceError
from tenor.ingest.files import find_jumps
from tenor.ingest.reconcile import (
    Boundary,
    Span,
    carried_back,
    disagreements,
    scale_changed,
    spliced,
    without_noise,
)
from tenor.ingest.services import PRICE_SOURCES
from tenor.ingest.services.fields import guarded
from tenor.ingest.services.price_source import ACTION_COLUMNS, PriceAnswer, PriceSource
from tenor.schema import BAR_COLUMNS, BarInterval

StoredRows = Callable[[str], pd.DataFrame]
"""Returns the current version of each of a symbol's rows in the lake, with its source."""


@dataclass(frozen=True)
class SymbolFetch:
    """The result of asking the sources about one symbol.

    Attributes
    ----------
    symbol
        The symbol.
    source
        The source that answered; ``""`` if none did.
    rows
        Rows for the lake, with `source` and, for daily bars, `BAR_COLUMNS`, otherwise the columns of ``intraday``.
    new
        How many of `rows` are new to the lake.
    actions
        Splits and dividends.
    name
        Name of the company.
    notes
        Findings that a person should look at.
    errors
        From the name of each source that failed to the reason.
    """

    symbol: str
    source: str = ""
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    new: int = 0
    actions: pd.DataFrame = field(default_factory=pd.DataFrame)
    name: str = ""
    notes: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class FetchPlan:
    """The sources to ask, and what to ask for.

    Attributes
    ----------
    sources
        The sources by name, in the order in which they are asked.
    config
        The settings.
    now
        UTC; sessions that were not over by then are left out.
    since
        The first day to ask for if the lake has no bars of a symbol.
    interval
        The length of a bar.
    rows
        Returns all of the lake's rows of a symbol; called only for the few symbols for which all are needed.
    """

    sources: Mapping[str, PriceSource]
    config: SourcesConfig
    now: pd.Timestamp
    since: pd.Timestamp
    interval: BarInterval
    rows: StoredRows

    def fetch(self, symbol: str, spans: list[Span], stored: pd.DataFrame) -> SymbolFetch:
        """The answer of the first source that has `symbol`; `stored` are the lake's rows from the overlap on."""
        serving = [s for s in self.sources.values() if s.serves(symbol, self.interval)]
        errors = () if serving else (f"no source in sources.prices has {self.interval} bars of {symbol}",)
        for place, source in enumerate(serving):
            try:
                if self.interval == "1d":
                    result = self._daily(symbol, serving, place, spans, stored)
                else:
                    result = self._intraday(symbol, source, spans)
            except SourceError as error:
                errors = (*errors, str(error))
                continue
            return dataclasses.replace(result, errors=errors)
        return SymbolFetch(symbol, errors=errors)

    def starts(self, symbol: str, spans: list[Span]) -> pd.Timestamp:
        """The earliest session that any source would be asked for; the lake's rows from there on are needed."""
        serving = [s for s in self.sources.values() if s.serves(symbol, self.interval)]
        starts = [self._since(symbol, self._boundary(s.name, i, spans)) for i, s in enumerate(serving)]
        return min(starts, default=self.since)

    def _boundary(self, source: str, place: int, spans: list[Span]) -> Boundary:
        return Boundary.of(spans, source, primary=place == 0, live=PRICE_SOURCES)

    def _since(self, symbol: str, boundary: Boundary) -> pd.Timestamp:
        return boundary.since(market_of(symbol).exchange, first=self.since, overlap=self.config.overlap)

    def _ask(self, source: PriceSource, symbol: str, since: pd.Timestamp) -> PriceAnswer:
        return guarded(source.name, lambda: source.bars(symbol, since=since, now=self.now, interval=self.interval))

    def _daily(
        self, symbol: str, serving: list[PriceSource], place: int, spans: list[Span], stored: pd.DataFrame
    ) -> SymbolFetch:
        source = serving[place]
        boundary = self._boundary(source.name, place, spans)
        since = self._since(symbol, boundary)
        answer = self._ask(source, symbol, since)
        fresh = _fresh(answer)
        self._require_bars(answer, since, boundary)
        notes = [
            f"{source.name}: {count} rows with {why} refused" for why, count in answer.refused.items() if why != "empty"
        ]
        if boundary.base_last is not None:
            notes += self._compared(source.name, fresh, "the lake", stored[stored["source"] != source.name])
            rows = spliced(stored, fresh, boundary.base_last, source.name)
        elif boundary.own_last is None:
            older = self.rows(symbol) if spans else stored
            rows = pd.concat([carried_back(older, fresh), fresh]) if spans else fresh
        else:
            own = stored[stored["source"] == source.name]
            if scale_changed(own, fresh):
                first = min(span.first for span in spans)
                answer = self._ask(source, symbol, first)
                fresh = _fresh(answer)
                self._require_bars(answer, first, boundary)
                stored = self.rows(symbol)
                notes.append(f"adjusted prices changed back to {first:%Y-%m-%d}: a split, a dividend or a correction")
                rows = pd.concat([carried_back(stored, fresh), fresh])
            else:
                rows = fresh
        rows = without_noise(stored, rows)
        jumps = self._jumps(stored, rows, source.name)
        if self.config.cross_check or jumps:
            notes += self._second(symbol, serving[place + 1 :], fresh, since)
        actions = answer.actions.assign(symbol=symbol, source=source.name)[["symbol", *ACTION_COLUMNS, "source"]]
        new = int((~rows["session"].isin(stored["session"])).sum())
        return SymbolFetch(symbol, source.name, rows, new, actions, answer.name, (*notes, *jumps))

    def _intraday(self, symbol: str, source: PriceSource, spans: list[Span]) -> SymbolFetch:
        last = max((span.last for span in spans), default=None)
        since = self.since
        if last is not None:  # a moment, not a session: the overlap is a few days
            since = (last.tz_convert("UTC").tz_localize(None) - pd.Timedelta(days=self.config.overlap / 2)).normalize()
        answer = self._ask(source, symbol, since)
        if answer.frame.empty and last is None:
            raise SourceError(f"{source.name} has no {self.interval} bars of {symbol}.", kind="unknown")
        rows = answer.frame.drop(columns="adj_close").rename(columns={"at": "opened_at"})
        rows = rows.assign(symbol=symbol, interval=self.interval, source=source.name)
        new = len(rows) if last is None else int((rows["opened_at"] > last).sum())
        return SymbolFetch(symbol, source.name, rows, new)

    def _require_bars(self, answer: PriceAnswer, since: pd.Timestamp, boundary: Boundary) -> None:
        """Refuse an answer without bars, so that the next source is asked."""
        if not answer.frame.empty:
            return
        what = (
            f"since {since:%Y-%m-%d}, though the lake has some" if boundary.own_last or boundary.base_last else "at all"
        )
        raise SourceError(f"{answer.source} has no bars of {answer.symbol} {what}.", kind="unknown")

    def _compared(self, name: str, fresh: pd.DataFrame, other: str, rows: pd.DataFrame) -> list[str]:
        differences = disagreements(fresh, rows, bound_bps=self.config.disagreement_bps)
        if not differences:
            return []
        shown = ", ".join(f"{day:%Y-%m-%d} by {bps:.0f} bps" for day, bps in differences[:3])
        more = f" and {len(differences) - 3} more sessions" if len(differences) > 3 else ""
        return [f"{name} and {other} disagree on returns: {shown}{more}"]

    def _second(self, symbol: str, others: list[PriceSource], fresh: pd.DataFrame, since: pd.Timestamp) -> list[str]:
        for other in others:
            try:
                second = _fresh(self._ask(other, symbol, since))
            except SourceError:
                continue
            return self._compared(fresh["source"].iloc[0], fresh, other.name, second)
        return []

    def _jumps(self, stored: pd.DataFrame, rows: pd.DataFrame, source: str) -> list[str]:
        """Notes on moves in new sessions that look like an unreported split, or are large but with little turnover."""
        old = stored[~stored["session"].isin(rows["session"])]
        new = rows[~rows["session"].isin(stored["session"])]
        if new.empty:
            return []
        series = pd.concat([old, rows]).sort_values("session", ignore_index=True)
        sessions = set(new["session"])
        return [
            f"{source}: {jump.session:%Y-%m-%d} moves by a factor of {jump.factor:.3g} that no action explains"
            + (f" (like a split of {jump.split})" if jump.split else "")
            for jump in find_jumps(series)
            if jump.session in sessions
        ]


def _fresh(answer: PriceAnswer) -> pd.DataFrame:
    frame = answer.frame.rename(columns={"at": "session"}).assign(symbol=answer.symbol)
    return frame[list(BAR_COLUMNS)].assign(source=answer.source)
