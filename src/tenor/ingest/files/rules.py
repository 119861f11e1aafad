"""Which rows of a file are bars: each rule removes the rows that break it and gives the reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.calendars import exchange, market_of
from tenor.errors import UnusableError
from tenor.features.extra_sessions import extra_in_file
from tenor.ingest.files import cells, numbers
from tenor.ingest.files.date_order import DateEvidence
from tenor.ingest.files.date_texts import NOT_A_DATE, TIME_OF_DAY
from tenor.ingest.files.dates import DateColumn, read_dates
from tenor.ingest.files.reading import Reading
from tenor.ingest.files.refusals import RefusalKind, join_refusals, refusal_frame
from tenor.ingest.files.sessions import first_unfinished, sessions_between
from tenor.ingest.files.tables import RawTable
from tenor.schema import PRICES
from tenor.symbols import market_note, taken_for

# from this many cells of a column on that are wrong in the same way, they are not typos: refusing them one by one would
# drop all rows of one kind
_ALIKE = 2


class RowFilter:
    """The rows of one file, and the rules that they must pass.

    Parameters
    ----------
    file
        The file's name in messages.
    raw
        The file's cells.
    symbol
        The symbol of all rows, if there is no column of symbols.
    calendar
        The exchange on whose sessions the rows must lie (None: each symbol's own).
    now
        UTC; rows of sessions that are not over by then are refused.
    reading
        What the user stated about the file.

    Attributes
    ----------
    symbols : list of str
        The symbols of the file, indexed by their code.
    """

    def __init__(
        self, file: str, raw: RawTable, symbol: str, calendar: str | None, now: pd.Timestamp, reading: Reading
    ) -> None:
        self.file = file
        self._raw = raw
        self._calendar = calendar
        self._now = now
        self._reading = reading
        self.remaining = np.ones(len(raw.rows), dtype=bool)
        self.notes = [*raw.notes, *raw.columns.notes()]
        self._refused: list[pd.DataFrame] = []
        self._codes = np.zeros(len(raw.rows), dtype="int32")
        self.symbols = [symbol]
        self._days = np.full(len(raw.rows), np.datetime64("NaT"), "datetime64[D]")
        self._values: dict[str, NDArray[np.float64]] = {}
        self._indian = False

    def refusals(self) -> pd.DataFrame:
        """The rows refused so far."""
        return join_refusals(self._refused)

    def frame(self) -> pd.DataFrame:
        """The remaining rows, as columns of `Bars`, in the file's order."""
        keep = self.remaining
        return pd.DataFrame(
            {
                "symbol": pd.Categorical.from_codes(self._codes[keep], pd.Index(self.symbols, dtype="str")),
                "session": self._days[keep].astype("datetime64[us]"),
                **{name: self._values[name][keep] for name in (*PRICES, "volume")},
            }
        )

    def read(self) -> None:
        """Convert cells to dates, symbols and numbers, and refuse the rows that can't be converted."""
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
        self._require_quoted()
        self._indian = self._keep_shares() if "series" in raw.cells else False
        unnamed = self._read_symbols() if "symbol" in raw.cells else None
        values = self._read_numbers()
        days = self._read_dates(values["close"].values)
        self._days = days.days
        no_prices = np.logical_and.reduce([values[c].missing for c in PRICES if c in values])
        no_volume = values["volume"].missing if "volume" in values else True
        # an empty line is not a row; in a wide table, a line without prices of a symbol is not a row of that symbol
        self.remaining &= ~(no_prices & ((days.texts == "") & no_volume | raw.side_by_side))
        if unnamed is not None:
            bad, symbol_texts = unnamed
            own = list(symbol_texts[bad & self.remaining])
            self.refuse(bad, "symbol", own, "symbol", "is not a symbol", "correct it or drop the row")
        self._refuse_dates(days)
        if "period" in raw.cells:
            codes, own, _ = cells.read_symbols(raw.cells["period"])
            intraday = np.array([text not in ("D", "") for text in own], dtype=bool)[codes]
            self.refuse_cells(intraday, "period", "row", "is not a daily bar", "export daily bars")
        empty = np.logical_and.reduce([values[c].missing for c in PRICES if c in values])
        self.refuse_cells(empty, "close", "empty", "has no prices", "nothing to do: the source has no bar for this day")
        for column, read in values.items():
            self.refuse_cells(read.wrong, column, "number", "is not a number", "correct it or drop the row")
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
        """Refuse rows with a price that is not finite or not positive, high below low, or a negative volume."""
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

    def on_calendar(self) -> None:
        """Refuse rows on days that are not past sessions of the exchange."""
        own = self.calendars()
        if self._calendar is None:
            self.notes += [note for symbol in self.symbols if (note := market_note(symbol))][:3]
        for code in dict.fromkeys(own):
            self._on(code, np.array([other == code for other in own], dtype=bool)[self._codes])

    def _on(self, calendar: str, among: NDArray[np.bool_]) -> None:
        unfinished = first_unfinished(calendar, self._now)
        if unfinished is not None:
            why = f"is not over yet (it is {self._now:%Y-%m-%d %H:%M} UTC)"
            remedy = "import it again when the session is over"
            self.refuse_days(among & (self._days >= unfinished), "unfinished", why, remedy)
        known = self._days[self.remaining & among]
        if not len(known):
            return
        sessions = sessions_between(calendar, np.datetime64("1800-01-01"), known.max())
        if not len(sessions) or known.min() < sessions[0]:
            begins = sessions[0] if len(sessions) else known.max() + 1
            why = f"lies before the calendar of {calendar} begins"
            self.refuse_days(
                among & (self._days < begins), "off_calendar", why, "nothing to do: newer rows are imported"
            )
        if exchange(calendar).uncertain(pd.Timestamp(known.max())):
            self.notes.append(exchange(calendar).note)
        closed = among & ~np.isin(self._days, sessions)
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
        extra[rows] = extra_in_file(frame, closed[rows], calendar, self._reading.extra_days(calendar))
        if extra.any():
            days = sorted({str(day) for day in self._days[extra]})
            more = f" and {len(days) - 3} more days" if len(days) > 3 else ""
            self.notes.append(f"imported as extra sessions of {calendar}: {', '.join(days[:3])}{more}")
        return extra

    def one_bar_a_day(self) -> None:
        """Refuse repeated bars of a symbol and day; the first one in the file is used."""
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
        # for each row the position of the first row of its symbol and day
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
        """Refuse the rows where `bad` is true; the refusal shows the cell of `column` as it is in the file."""
        if (bad & self.remaining).any():
            rows = np.flatnonzero(bad & self.remaining)
            name = column if column in self._raw.cells else "close"
            self.refuse(bad, name, cells.cell_texts(self._raw.cells[name], rows), kind, why, remedy)

    def refuse_days(self, bad: NDArray[np.bool_], kind: RefusalKind, why: str, remedy: str) -> None:
        """Refuse the rows where `bad` is true; the refusal shows the day."""
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
        """Refuse the rows where `bad` is true.

        `values`, and `why` if it is a list, has one text for each of these rows that has not been refused before.
        """
        rows = np.flatnonzero(bad & self.remaining)
        if not len(rows):
            return
        names = np.array(self.symbols, dtype=object)
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

    def _read_symbols(self) -> tuple[NDArray[np.bool_], NDArray[np.object_]]:
        """Read the symbols; returns which rows have no symbol, and the text of each row's symbol."""
        self._codes, self.symbols, own = cells.read_symbols(self._raw.cells["symbol"])
        texts = np.array([text[:40] for text in own], dtype=object)[self._codes]
        bad = np.array([not s for s in self.symbols], dtype=bool)[self._codes]
        if self._indian:
            self._name_exchange()
        # texts such as N/A mean that the symbol is missing
        taken = [note for text, symbol in zip(own, self.symbols, strict=True) if symbol and (note := taken_for(text))]
        if taken:
            more = f" and {len(taken) - 3} more" if len(taken) > 3 else ""
            self.notes.append(f"{', '.join(taken[:3])}{more}")
        # AAPL and aapl.us are one symbol
        names, codes = np.unique(np.array(self.symbols, dtype=object), return_inverse=True)
        self.symbols = list(names)
        self._codes = codes[self._codes].astype("int32")
        return bad, texts

    def _keep_shares(self) -> bool:
        """Drop series other than EQ from a price list of an Indian exchange; returns whether it is such a list."""
        codes, series = cells.distinct(self._raw.cells["series"])
        plain = [(text or "").strip().upper() for text in series]
        if "EQ" not in plain:
            return False
        shares = np.array([text == "EQ" for text in plain], dtype=bool)[codes]
        self.remaining &= shares
        if not shares.all():
            others = sorted({text for text in plain if text not in ("EQ", "")})
            shown = ", ".join(others[:4]) + (" …" if len(others) > 4 else "")
            self.notes.append(f"{int((~shares).sum())} rows of other series than EQ ({shown}) are left out")
        return True

    def _name_exchange(self) -> None:
        """Write the symbols of a price list of an Indian exchange as Yahoo does: ``INFY.NS``."""
        suffix = _suffix_of(self._raw.cells["source"]) if "source" in self._raw.cells else ".NS"
        named = next((s for s in self.symbols if s and "." not in s), "")
        if suffix and named:
            self.symbols = [s + suffix if s and "." not in s else s for s in self.symbols]
            self.notes.append(f"symbols are those of an Indian exchange: {named} is {named}{suffix}")

    def calendars(self) -> list[str]:
        """The calendar of each symbol."""
        return [self._calendar or market_of(symbol).calendar for symbol in self.symbols]

    def _own_names(self) -> dict[str, str]:
        return {column: self._raw.columns.own_name(column) for column in self._raw.cells}

    def _read_numbers(self) -> dict[str, numbers.NumberColumn]:
        raw, stored = self._raw, self._reading.stored

        def closes() -> dict[int, NDArray[np.float64]]:
            known = stored([symbol for symbol in self.symbols if symbol]) if stored else None
            if known is None or known.empty:
                return {}
            by_symbol = {str(s): rows.to_numpy(dtype="float64") for s, rows in known.groupby("symbol")["close"]}
            return {code: by_symbol[s] for code, s in enumerate(self.symbols) if s in by_symbol}

        evidence = numbers.Evidence(
            raw.rows,
            self._own_names(),
            self._reading.decimal,
            raw.delimiter,
            _year_first(raw.cells["session"]),
            self._codes,
            closes,
        )
        columns = {c: raw.cells[c] for c in (*PRICES, "volume") if c in raw.cells}
        values, notes = numbers.read_numbers(columns, evidence)
        self.notes += notes
        # a row without any other price, such as a dividend, is not a bar, so dropping it loses no bar
        priced = [~values[c].missing & ~values[c].wrong for c in PRICES if c in values]
        none = ~np.logical_or.reduce(priced)
        wrong = sum(read.wrong.astype("int8") for c, read in values.items() if c != "volume")
        bars = self.remaining & ~(none & (wrong == 1))
        for column, read in values.items():
            places = np.flatnonzero(read.wrong & bars)
            texts = cells.cell_texts(raw.cells[column], places)
            why, remedy = "is not a number", "write all numbers alike, or give --decimal point or --decimal comma"
            self._require_typos(column, places, texts, why, remedy)
        return values

    def _read_dates(self, closes: NDArray[np.float64]) -> DateColumn:
        raw, reading = self._raw, self._reading
        name = raw.columns.own_name("session")
        evidence = DateEvidence(
            raw.rows,
            name,
            self._codes,
            self.symbols,
            self.calendars(),
            closes,
            self._now,
            reading.dates,
            reading.stored,
        )
        days = read_dates(raw.cells["session"], evidence, raw.cells.get("clock"))
        self.notes += days.notes
        bad = np.isnat(days.days) & self.remaining
        if (self.remaining & ~bad).any():
            for why, remedy in (
                (NOT_A_DATE, "write all dates alike, as YYYY-MM-DD"),
                (TIME_OF_DAY, "export daily bars"),
            ):
                among = (
                    bad & np.array([days.why.get(text) == why for text in days.texts], dtype=bool) if bad.any() else bad
                )
                places = np.flatnonzero(among)
                self._require_typos("session", places, [str(t)[:40] for t in days.texts[places]], why, remedy)
        return days

    def _require_typos(self, column: str, places: NDArray[np.intp], texts: list[str], why: str, remedy: str) -> None:
        """Refuse the whole file if several cells of `column` are wrong in the same way: they are not typos.

        Raises
        ------
        UnusableError
            Several cells have the same pattern of digits and punctuation.
        """
        shapes = [re.sub(r"\d+", "9", text) if re.search(r"\d", text) else "" for text in texts]
        shape, count = next(iter(Counter(shape for shape in shapes if shape).most_common(1)), ("", 0))
        if count >= _ALIKE:
            first = shapes.index(shape)
            raise UnusableError(
                f"{why}, as {count} rows have it",
                remedy,
                row=int(self._raw.rows[places[first]]),
                column=self._raw.columns.own_name(column),
                value=texts[first],
            )

    def _require_quoted(self) -> None:
        """Refuse the file if several lines have more cells than the header, because of thousands separators, say."""
        width, mark = len(self._raw.columns.names), self._raw.delimiter
        long = [(line, text) for line, text in self._raw.ragged if text.count(mark) >= width and re.search(r"\d", text)]
        if len(long) >= _ALIKE:
            line, text = long[0]
            raise UnusableError(
                f"has more than the {width} columns of the header, as {len(long)} lines have",
                "put numbers with thousands separators in quotes, or export without such separators",
                row=line,
                column="row",
                value=text[:40],
            )

    def _refuse_dates(self, days: DateColumn) -> None:
        bad = np.isnat(days.days) & self.remaining
        texts = [str(text) for text in days.texts[bad]]
        why = [days.why[text] for text in texts]
        remedy = "write dates as YYYY-MM-DD, one row a day"
        self.refuse(bad, "session", [text[:40] for text in texts], "date", why, remedy)

    def _day_texts(self, mask: NDArray[np.bool_]) -> list[str]:
        return [str(day) for day in self._days[mask & self.remaining]]

    def _note_order(self, key: NDArray[Any]) -> None:
        same = (key[1:] >> 32) == (key[:-1] >> 32)
        back = int((same & (key[1:] < key[:-1])).sum())
        ahead = int((same & (key[1:] > key[:-1])).sum())
        if back and ahead:
            self.notes.append(f"rows were not in order of date ({min(back, ahead)} steps the wrong way): sorted")


def _year_first(dates: Any) -> bool:
    """Whether a column of dates begins with a text that has the year first, or is not a column of texts."""
    texts = (str(value.as_py() or "").strip() for value in dates[:20])
    first = next((text for text in texts if text), "")
    return re.match(r"(19|20)\d{2}(\D|\d{4}(\D|$))|\d{9}", first) is not None


def _suffix_of(source: Any) -> str:
    """Yahoo's suffix of the Indian exchange that a column names; ``""`` if it names another one or several."""
    _, own = cells.distinct(source)
    names = {(text or "").strip().upper() for text in own}
    return {"NSE": ".NS", "BSE": ".BO"}.get(names.pop(), "") if len(names) == 1 else ""
