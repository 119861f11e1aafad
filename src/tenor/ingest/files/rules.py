"""Which rows of a file are bars: each rule removes the rows that break it and gives the reason."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.calendars import exchange, market_of
from tenor.features.extra_sessions import extra_in_file
from tenor.ingest.files import cells
from tenor.ingest.files.refusals import RefusalKind, join_refusals, refusal_frame
from tenor.ingest.files.tables import RawTable
from tenor.schema import PRICES
from tenor.symbols import market_note, taken_for


class RowFilter:
    """The rows of one file, and the rules that they must pass.

    Parameters
    ----------
    file
        The file's name in messages.
    raw
        The file's cells.
    symbol
        The symbol of all rows, where no column has one.
    """

    def __init__(self, file: str, raw: RawTable, symbol: str) -> None:
        self.file = file
        self._raw = raw
        self.remaining = np.ones(len(raw.rows), dtype=bool)
        self.notes = raw.columns.notes()
        self._refused: list[pd.DataFrame] = []
        self._codes = np.zeros(len(raw.rows), dtype="int32")
        self._symbols = [symbol]
        self._days = np.full(len(raw.rows), np.datetime64("NaT"), "datetime64[D]")
        self._values: dict[str, NDArray[np.float64]] = {}

    def refusals(self) -> pd.DataFrame:
        """The rows refused so far."""
        return join_refusals(self._refused)

    def frame(self) -> pd.DataFrame:
        """The remaining rows, as columns of `Bars`, in the file's order."""
        keep = self.remaining
        return pd.DataFrame(
            {
                "symbol": pd.Categorical.from_codes(self._codes[keep], pd.Index(self._symbols, dtype="str")),
                "session": self._days[keep].astype("datetime64[us]"),
                **{name: self._values[name][keep] for name in (*PRICES, "volume")},
            }
        )

    def read(self) -> None:
        """Cells to values: dates, symbols, numbers; daily bars only."""
        raw = self._raw
        if raw.ragged:
            lines, texts = zip(*raw.ragged, strict=True)
            self._refused.append(
                refusal_frame(
                    file=self.file,
                    row=lines,
                    kind="row",
                    column="row",
                    value=[text[:40] for text in texts],
                    why=f"does not have the {len(raw.columns.names)} columns of the header",
                    remedy="complete the line or drop it",
                )
            )
        values = {c: cells.read_numbers(raw.cells[c]) for c in (*PRICES, "volume") if c in raw.cells}
        days = cells.read_dates(raw.cells["session"])
        self._days = days.days
        # a blank line is no row
        self.remaining = ~np.logical_and.reduce([days.texts == "", *(read.missing for read in values.values())])
        if "symbol" in raw.cells:
            self._read_symbols()
        self._read_dates(days)
        if "period" in raw.cells:
            codes, own, _ = cells.read_symbols(raw.cells["period"])
            intraday = np.array([text not in ("D", "") for text in own], dtype=bool)[codes]
            self.refuse_cells(intraday, "period", "row", "is no daily bar", "export daily bars")
        empty = np.logical_and.reduce([values[c].missing for c in PRICES if c in values])
        self.refuse_cells(empty, "close", "empty", "has no prices", "nothing to do: the source has no bar for this day")
        for column, read in values.items():
            self.refuse_cells(read.wrong, column, "number", "is no number", "correct it or drop the row")
            if column != "volume":
                self.refuse_cells(read.missing, column, "number", "is missing", "fill it in or drop the row")
            self._values[column] = read.values
        self._values.setdefault("adj_close", self._values["close"])
        volume = self._values.get("volume", np.zeros(len(self.remaining)))
        gaps = np.isnan(volume)
        if (gaps & self.remaining).any():
            self.notes.append(f"{int((gaps & self.remaining).sum())} rows have no volume: it is taken as 0")
        self._values["volume"] = np.where(gaps, 0.0, volume)

    def sound_prices(self) -> None:
        """Prices are finite and positive, high is not below low, and no volume is negative."""
        for column in PRICES:
            if column in self._raw.cells:
                values = self._values[column]
                self.refuse_cells(~np.isfinite(values), column, "number", "is not finite", "correct it or drop the row")
                self.refuse_cells(values <= 0, column, "nonpositive", "is not positive", "correct it or drop the row")
        high, low = self._values["high"], self._values["low"]
        below = self.remaining & (high < low)
        shown = [f"{h:.10g} < {w:.10g}" for h, w in zip(high[below], low[below], strict=True)]
        self.refuse(below, "high", shown, "high_below_low", "is below low", "swap or correct them, or drop the row")
        volume = self._values["volume"]
        bad = ~np.isfinite(volume) | (volume < 0)
        self.refuse_cells(bad, "volume", "number", "is negative or not finite", "correct it or drop the row")

    def on_calendar(self, calendar: str | None, now: pd.Timestamp) -> None:
        """Days are sessions of the exchange `calendar` (None: of each symbol's own) that were over at `now` (UTC)."""
        own = [calendar or market_of(symbol).calendar for symbol in self._symbols]
        if calendar is None:
            self.notes += [note for symbol in self._symbols if (note := market_note(symbol))][:3]
        for code in dict.fromkeys(own):
            self._on(code, now, np.array([other == code for other in own], dtype=bool)[self._codes])

    def _on(self, calendar: str, now: pd.Timestamp, among: NDArray[np.bool_]) -> None:
        unfinished = _first_unfinished(calendar, now)
        if unfinished is not None:
            why = f"is not over yet (it is {now:%Y-%m-%d %H:%M} UTC)"
            remedy = "import it again when the session is over"
            self.refuse_days(among & (self._days >= unfinished), "unfinished", why, remedy)
        known = self._days[self.remaining & among]
        if not len(known):
            return
        sessions = exchange(calendar).sessions(pd.Timestamp("1800-01-01"), pd.Timestamp(known.max()))
        if not len(sessions) or known.min() < _day(sessions[0]):
            begins = _day(sessions[0]) if len(sessions) else known.max() + 1
            why = f"lies before the calendar of {calendar} begins"
            self.refuse_days(
                among & (self._days < begins), "off_calendar", why, "nothing to do: newer rows are imported"
            )
        if exchange(calendar).uncertain(pd.Timestamp(known.max())):
            self.notes.append(exchange(calendar).note)
        closed = among & ~np.isin(self._days, sessions.to_numpy().astype("datetime64[D]"))
        closed &= ~self._extra(closed, among, calendar)
        why = f"is not a session of {calendar}"
        remedy = "choose the exchange with --calendar (24/7 for coins, 24/5 for currencies) or drop the row"
        self.refuse_days(closed, "off_calendar", why, remedy)

    def _extra(self, closed: NDArray[np.bool_], among: NDArray[np.bool_], calendar: str) -> NDArray[np.bool_]:
        """Which of the rows on closed days are bars of an extra session (see `tenor.features.extra_sessions`)."""
        rows = np.flatnonzero(among & self.remaining)
        extra = np.zeros(len(self.remaining), dtype=bool)
        if not closed[rows].any():
            return extra
        frame = pd.DataFrame({"symbol": self._codes[rows], "session": self._days[rows].astype("datetime64[us]")})
        frame = frame.assign(**{name: self._values[name][rows] for name in (*PRICES, "volume")})
        extra[rows] = extra_in_file(frame, closed[rows], calendar)
        if extra.any():
            days = sorted({str(day) for day in self._days[extra]})
            more = f" and {len(days) - 3} more days" if len(days) > 3 else ""
            self.notes.append(f"kept as extra sessions of {calendar}: {', '.join(days[:3])}{more}")
        return extra

    def one_bar_a_day(self) -> None:
        """One bar per symbol and day: of several, the first in the file stays."""
        rows = np.flatnonzero(self.remaining)
        if len(rows) < 2:
            return
        # symbol in the upper 32 bits, day in the lower (shifted: days before 1970 are negative): one sort orders both
        key = self._codes[rows].astype("int64") << 32 | self._days[rows].astype("int64") + (1 << 30)
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        again = np.concatenate([[False], ordered[1:] == ordered[:-1]])
        if not again.any():
            self._note_order(key)
            return
        # for each row the place of the first one of its symbol and day
        starts = np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))
        later, first = rows[order[again]], rows[order[starts[again]]]
        same = np.logical_and.reduce([self._values[c][later] == self._values[c][first] for c in (*PRICES, "volume")])
        nothing, choose = "nothing to do: one is imported", "keep the right one; the first was imported"
        repeat: tuple[RefusalKind, Any, str, str] = ("repeat", same, "repeats", nothing)
        conflict: tuple[RefusalKind, Any, str, str] = ("conflict", ~same, "has other values than", choose)
        for kind, chosen, word, remedy in (repeat, conflict):
            mask = np.zeros(len(self.remaining), dtype=bool)
            mask[later[chosen]] = True
            # `refuse` takes one reason a row, in the order of the file
            in_order = np.argsort(later[chosen], kind="stable")
            why = [f"{word} row {self._raw.rows[f]} of the same day" for f in first[chosen][in_order]]
            self.refuse(mask, "session", self._day_texts(mask), kind, why, remedy)
        self._note_order(key)

    def refuse_cells(self, bad: NDArray[np.bool_], column: str, kind: RefusalKind, why: str, remedy: str) -> None:
        """Refuse the rows where `bad` holds, naming the cell of `column` as it stands in the file."""
        if (bad & self.remaining).any():
            rows = np.flatnonzero(bad & self.remaining)
            name = column if column in self._raw.cells else "close"
            self.refuse(bad, name, cells.cell_texts(self._raw.cells[name], rows), kind, why, remedy)

    def refuse_days(self, bad: NDArray[np.bool_], kind: RefusalKind, why: str, remedy: str) -> None:
        """Refuse the rows where `bad` holds, naming the day."""
        self.refuse(bad, "session", self._day_texts(bad & self.remaining), kind, why, remedy)

    def refuse(
        self,
        bad: NDArray[np.bool_],
        column: str,
        values: Sequence[str],
        kind: RefusalKind,
        why: str | list[str],
        remedy: str,
    ) -> None:
        """Refuse the rows where `bad` holds; `values` (and `why`, as a list) has one text for each still remaining."""
        rows = np.flatnonzero(bad & self.remaining)
        if not len(rows):
            return
        names = np.array(self._symbols, dtype=object)
        self._refused.append(
            refusal_frame(
                file=self.file,
                row=self._raw.rows[rows],
                symbol=names[self._codes[rows]],
                session=self._days[rows],
                column=self._raw.columns.own_name(column),
                value=values,
                kind=kind,
                why=why,
                remedy=remedy,
            )
        )
        self.remaining[rows] = False

    def _read_symbols(self) -> None:
        self._codes, self._symbols, texts = cells.read_symbols(self._raw.cells["symbol"])
        bad = np.array([not s for s in self._symbols], dtype=bool)[self._codes]
        values = [texts[c][:40] for c in self._codes[bad]]
        self.refuse(bad, "symbol", values, "symbol", "is no symbol", "correct it or drop the row")
        taken = [note for text in texts if (note := taken_for(text))]
        if taken:
            more = f" and {len(taken) - 3} more" if len(taken) > 3 else ""
            self.notes.append(f"{', '.join(taken[:3])}{more}")
        # AAPL and aapl.us are one symbol
        own, codes = np.unique(np.array(self._symbols, dtype=object), return_inverse=True)
        self._symbols = list(own)
        self._codes = codes[self._codes].astype("int32")

    def _read_dates(self, days: cells.DateColumn) -> None:
        bad = np.isnat(days.days) & self.remaining
        texts = [str(text) for text in days.texts[bad]]
        why = [days.why[text] for text in texts]
        remedy = "write dates as YYYY-MM-DD, one row a day"
        self.refuse(bad, "session", [text[:40] for text in texts], "date", why, remedy)
        if days.day_first:
            self.notes.append("dates are read day first: some first numbers are above 12")

    def _day_texts(self, mask: NDArray[np.bool_]) -> list[str]:
        return [str(day) for day in self._days[mask & self.remaining]]

    def _note_order(self, key: NDArray[Any]) -> None:
        same = (key[1:] >> 32) == (key[:-1] >> 32)
        back = int((same & (key[1:] < key[:-1])).sum())
        ahead = int((same & (key[1:] > key[:-1])).sum())
        if back and ahead:
            self.notes.append(f"rows were not in order of date ({min(back, ahead)} steps the wrong way): sorted")


@functools.lru_cache(maxsize=8)
def _first_unfinished(calendar: str, now: pd.Timestamp) -> np.datetime64 | None:
    today = now.tz_localize(None).normalize()
    soon = exchange(calendar).sessions(today - pd.Timedelta(days=15), today + pd.Timedelta(days=15))
    return next((_day(session) for session in soon if exchange(calendar).close(session) > now), None)


def _day(session: pd.Timestamp) -> np.datetime64:
    return np.datetime64(session.date(), "D")
