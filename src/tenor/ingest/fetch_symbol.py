"""One symbol's bars: ask the sources in turn, and say what of their answers goes into the lake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from tenor.calendars import market_of
from tenor.config import SourcesConfig
from tenor.errors import SourceError
from tenor.ingest.files import find_jumps
from tenor.ingest.reconcile import (
    Ground,
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

Rows = Callable[[str], pd.DataFrame]
"""All rows that count of a symbol, with their sources."""


@dataclass(frozen=True)
class SymbolFetch:
    """What became of one symbol.

    Attributes
    ----------
    source
        That answered; ``""`` where none did.
    rows
        What goes into the lake, with `source` and (daily) `BAR_COLUMNS` or the columns of ``intraday``.
    new
        How many of `rows` the lake has no version of.
    actions
        Splits and dividends.
    name
        Of the company.
    notes
        What a person should look at.
    errors
        By source, why it gave nothing.
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
class Asking:
    """Who is asked, and for what.

    Attributes
    ----------
    sources
        In order.
    now
        UTC; sessions that were not over are left out.
    since
        The first day of a symbol that the lake has nothing of.
    rows
        The lake's, for the few symbols of which all are needed.
    """

    sources: Mapping[str, PriceSource]
    config: SourcesConfig
    now: pd.Timestamp
    since: pd.Timestamp
    interval: BarInterval
    rows: Rows

    def symbol(self, symbol: str, spans: list[Span], held: pd.DataFrame) -> SymbolFetch:
        """The first source that answers about `symbol`; `held` are the lake's rows from the overlap on."""
        serving = [s for s in self.sources.values() if s.serves(symbol, self.interval)]
        errors = () if serving else (f"no source in sources.prices has {self.interval} bars of {symbol}",)
        for place, source in enumerate(serving):
            try:
                if self.interval == "1d":
                    found = self._daily(symbol, serving, place, spans, held)
                else:
                    found = self._intraday(symbol, source, spans)
            except SourceError as error:
                errors = (*errors, str(error))
                continue
            return SymbolFetch(**{**found.__dict__, "errors": errors})
        return SymbolFetch(symbol, errors=errors)

    def starts(self, symbol: str, spans: list[Span]) -> pd.Timestamp:
        """The earliest session from which any source would be asked: what has to be known of the lake."""
        serving = [s for s in self.sources.values() if s.serves(symbol, self.interval)]
        starts = [self._since(symbol, self._ground(s.name, i, spans)) for i, s in enumerate(serving)]
        return min(starts, default=self.since)

    def _ground(self, source: str, place: int, spans: list[Span]) -> Ground:
        return Ground.of(spans, source, primary=place == 0, live=PRICE_SOURCES)

    def _since(self, symbol: str, ground: Ground) -> pd.Timestamp:
        return ground.since(market_of(symbol).exchange, first=self.since, overlap=self.config.overlap)

    def _ask(self, source: PriceSource, symbol: str, since: pd.Timestamp) -> PriceAnswer:
        return guarded(source.name, lambda: source.bars(symbol, since=since, now=self.now, interval=self.interval))

    def _daily(
        self, symbol: str, serving: list[PriceSource], place: int, spans: list[Span], held: pd.DataFrame
    ) -> SymbolFetch:
        source = serving[place]
        ground = self._ground(source.name, place, spans)
        since = self._since(symbol, ground)
        answer = self._ask(source, symbol, since)
        fresh = _fresh(answer)
        self._expect(answer, since, ground)
        notes = [
            f"{source.name}: {count} rows with {why} refused" for why, count in answer.refused.items() if why != "empty"
        ]
        if ground.base_last is not None:
            notes += self._compared(source.name, fresh, "the lake", held[held["source"] != source.name])
            rows = spliced(held, fresh, ground.base_last, source.name)
        elif ground.own_last is None:
            older = self.rows(symbol) if spans else held
            rows = pd.concat([carried_back(older, fresh), fresh]) if spans else fresh
        else:
            own = held[held["source"] == source.name]
            if scale_changed(own, fresh):
                first = min(span.first for span in spans)
                answer = self._ask(source, symbol, first)
                fresh = _fresh(answer)
                self._expect(answer, first, ground)
                held = self.rows(symbol)
                notes.append(f"adjusted prices changed back to {first:%Y-%m-%d}: a split, a dividend or a correction")
                rows = pd.concat([carried_back(held, fresh), fresh])
            else:
                rows = fresh
        rows = without_noise(held, rows)
        jumps = self._jumps(held, rows, source.name)
        if self.config.cross_check or jumps:
            notes += self._second(symbol, serving[place + 1 :], fresh, since)
        actions = answer.actions.assign(symbol=symbol, source=source.name)[["symbol", *ACTION_COLUMNS, "source"]]
        new = int((~rows["session"].isin(held["session"])).sum())
        return SymbolFetch(symbol, source.name, rows, new, actions, answer.name, (*notes, *jumps))

    def _intraday(self, symbol: str, source: PriceSource, spans: list[Span]) -> SymbolFetch:
        held = max((span.last for span in spans), default=None)
        since = self.since
        if held is not None:  # moments, here: the overlap is a few days
            since = (held.tz_convert("UTC").tz_localize(None) - pd.Timedelta(days=self.config.overlap / 2)).normalize()
        answer = self._ask(source, symbol, since)
        if answer.frame.empty and held is None:
            raise SourceError(f"{source.name} has no {self.interval} bars of {symbol}.", kind="unknown")
        rows = answer.frame.drop(columns="adj_close").rename(columns={"at": "opened_at"})
        rows = rows.assign(symbol=symbol, interval=self.interval, source=source.name)
        new = len(rows) if held is None else int((rows["opened_at"] > held).sum())
        return SymbolFetch(symbol, source.name, rows, new)

    def _expect(self, answer: PriceAnswer, since: pd.Timestamp, ground: Ground) -> None:
        """An answer without bars is none where some are known to be: the next source is asked."""
        if not answer.frame.empty:
            return
        what = (
            f"since {since:%Y-%m-%d}, though the lake holds some" if ground.own_last or ground.base_last else "at all"
        )
        raise SourceError(f"{answer.source} has no bars of {answer.symbol} {what}.", kind="unknown")

    def _compared(self, name: str, fresh: pd.DataFrame, other: str, rows: pd.DataFrame) -> list[str]:
        found = disagreements(fresh, rows, bound_bps=self.config.disagreement_bps)
        shown = ", ".join(f"{day:%Y-%m-%d} by {bps:.0f} bps" for day, bps in found[:3])
        more = f" and {len(found) - 3} more sessions" if len(found) > 3 else ""
        return [f"{name} and {other} disagree on returns: {shown}{more}"] if found else []

    def _second(self, symbol: str, others: list[PriceSource], fresh: pd.DataFrame, since: pd.Timestamp) -> list[str]:
        for other in others:
            try:
                second = _fresh(self._ask(other, symbol, since))
            except SourceError:
                continue
            return self._compared(fresh["source"].iloc[0], fresh, other.name, second)
        return []

    def _jumps(self, held: pd.DataFrame, rows: pd.DataFrame, source: str) -> list[str]:
        """Moves among the new sessions that look like a split which the source does not tell, or that nobody traded."""
        old = held[~held["session"].isin(rows["session"])]
        new = rows[~rows["session"].isin(held["session"])]
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
