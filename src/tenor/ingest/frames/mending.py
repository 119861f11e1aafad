"""The line of pandas code that repairs a frame, for each fault that it may have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tenor.calendars import exchange
from tenor.ingest.frames.layout import Layout
from tenor.ingest.frames.tables import FrameTable, Label
from tenor.symbols import LONGEST, clean_symbol

_FEW_DAYS = 4
_FEW_NAMES = 4
_OPTIONAL = ("open", "high", "low")
"""If these columns are missing, only the closes are read."""
_SWAPPED = (("high", "low"), ("low", "high"))
_UNFIT = re.compile(r"[^A-Za-z0-9.^=&-]+")
"""Characters that are replaced to turn a text into a symbol: invalid ones, and some with a meaning in symbols."""
_WITHIN_DAY = {"open": "first", "high": "max", "low": "min", "close": "last", "adj_close": "last", "volume": "sum"}


@dataclass(frozen=True)
class Mender:
    """Writes lines of code that repair the frame ``df``.

    Attributes
    ----------
    table, layout
        The frame's table, and the places of its columns.
    """

    table: FrameTable
    layout: Layout

    def rows(
        self, fault: str, column: str, symbol: str, days: Sequence[str], calendar: str, names: Sequence[str] = ()
    ) -> str:
        """The line that drops the rows of one fault, or repairs them.

        Parameters
        ----------
        fault
            One of `tenor.ingest.files.refusals.REFUSAL_KINDS`, or ``future``, ``missing``, ``infinite``, ``negative``.
        column
            tenor's name of the column.
        symbol
            The symbol of the first such row.
        days
            The distinct days of all such rows, ascending.
        calendar
            The exchange whose sessions count.
        names
            For the fault ``symbol``, the distinct texts that are not symbols.
        """
        if fault == "symbol" and any(names):
            return self._renamed([name for name in names if name])
        cells, number = self.cells(column, symbol), self._numbers(column, symbol)
        lines = {
            "number": f'pd.to_numeric({cells}, errors="coerce").notna()',
            "infinite": f"np.isfinite({number})",
            "nonpositive": f"{number} > 0",
            "negative": f"{number} >= 0",
            "high_below_low": f"{self._numbers('high', symbol)} >= {self._numbers('low', symbol)}",
            "symbol": f'{cells}.notna() & ({cells} != "")',
            "date": f'pd.to_datetime({cells}, errors="coerce").notna()',
            "future": f'{self._days(calendar)} < "{days[0] if days else ""}"',
            "off_calendar": f"~{self._days(calendar)}.isin(pd.to_datetime({list(days)!r}))",
            "conflict": f'~{self._days(calendar)}.duplicated(keep="last")',
        }
        if fault == "off_calendar" and len(days) > _FEW_DAYS:
            sessions = f'exchange_calendars.get_calendar("{calendar}", start="{days[0]}").sessions'
            return self._line(f"import exchange_calendars; df = df[{self._days(calendar)}.isin({sessions})]")
        if fault == "conflict" and (place := self.layout.place("symbol", "")) is not None:
            keys = [self.table.name(place), self.table.name(self.layout.places["session", ""])]
            flat = "df.reset_index()" if self.table.index else "df"
            return self._line(f'df = {flat}.drop_duplicates({keys!r}, keep="last")')
        place = self.layout.place(column, symbol)
        texts = place is not None and pa.types.is_string(
            self.table.column(place).type
        )  # missing values may then be texts such as "n/a"
        missing = f'{cells}.astype(str).str.contains("[0-9]")' if texts else f"{cells}.notna()"
        return self._line(f"df = df[{lines.get(fault, missing)}]")

    def column(self, fault: str, column: str, symbols: Sequence[str]) -> str:
        """The line for a fault that all rows have, so that dropping them would leave none.

        Parameters
        ----------
        fault, column
            As for `rows`.
        symbols
            The symbols of the rows.
        """
        if fault == "symbol":
            return self._line('df["symbol"] = "AAPL"  # or one a row')
        if column == "session":
            return self._assign("session", "", "pd.to_datetime(dates)  # one a row")
        if fault == "high_below_low":
            pairs = {self.layout.place(one, s): self.layout.place(other, s) for s in symbols for one, other in _SWAPPED}
            renames = {self._label(one): self._label(other) for one, other in pairs.items()}
            if all(isinstance(label, tuple) for label in renames):
                return self._line(f"df.columns = [{renames!r}.get(name, name) for name in df.columns]")
            return self._line(f"df = df.rename(columns={renames!r})")
        close, adjusted = (self.layout.place(name, symbols[0]) for name in ("close", "adj_close"))
        group = _OPTIONAL if column in _OPTIONAL else (column,)
        own = {self.layout.place(name, symbol) for symbol in symbols for name in group}
        labels = [self._label(place) for place in sorted(place for place in own if place is not None)]
        if column == "close" and adjusted in (None, close):
            return self._assign("close", symbols[0], "prices  # one a row")
        note = "  # closes alone will do" if group == _OPTIONAL else ""
        return self._line(f"df = df.drop(columns={labels!r}){note}")

    def dates(self, why: str) -> str:
        """The line that converts the column of dates to dates, if it was refused because of `why`."""
        options = ', unit="D", origin="1899-12-30"' if "spreadsheet" in why else ""
        options += ", dayfirst=True" if "first" in why else ""
        return self._assign("session", "", f"pd.to_datetime({self.cells('session', '')}{options})")

    def numbers(self, column: str, symbol: str) -> str:
        """The line that converts a column of texts to numbers, without thousands separators."""
        texts = f'{self.cells(column, symbol)}.astype(str).str.replace(",", "")'
        return self._assign(column, symbol, f'pd.to_numeric({texts}, errors="coerce")')

    def daily(self) -> str:
        """The line that aggregates intraday bars to daily ones; empty for wide frames."""
        date = self.layout.places["session", ""]
        own: dict[Any, str] = {}
        for column, how in _WITHIN_DAY.items():
            place = self.layout.places.get((column, ""))
            if place is not None and (
                place not in own or column == "close"
            ):  # one column of closes may serve as all prices
                own[place] = how
        if not own:
            return ""
        words = {self.table.labels[place]: word for place, word in own.items()}
        symbol = self.layout.place("symbol", "")
        if symbol is None and date < self.table.index:
            return self._line(f'df = df.resample("D").agg({words!r}).dropna()')
        flat = "df.reset_index()" if self.table.index else "df"
        if self.table.is_object(date):  # texts, or moments of several zones
            name = self.table.name(date)
            flat = f"{flat}.assign(**{{{name!r}: lambda df: pd.to_datetime(df[{name!r}], utc=True)}})"
        day = f'pd.Grouper(key={self.table.name(date)!r}, freq="D")'
        keys = day if symbol is None else f"[{self.table.name(symbol)!r}, {day}]"
        return self._line(f"df = {flat}.groupby({keys}).agg({words!r}).dropna().reset_index()")

    def cells(self, column: str, symbol: str) -> str:
        """A column of the frame, as code."""
        place = self.layout.place(column, symbol)
        if place is None:
            return "df"
        if place >= self.table.index:
            return f"df[{self.table.labels[place]!r}]"
        return "df.index" if self.table.index == 1 else f"df.index.get_level_values({place})"

    def _renamed(self, names: Sequence[str]) -> str:
        """The line that converts `names` to valid symbols."""
        cells = self.cells("symbol", "")
        own = {name: _UNFIT.sub("-", name).strip("-.") for name in names}
        distinct = len(set(own.values())) == len(own)
        # a longer name may have been cut off in the refusal
        if (
            max(map(len, names)) <= LONGEST
            and len(own) <= _FEW_NAMES
            and distinct
            and all(clean_symbol(name) for name in own.values())
        ):
            return self._assign("symbol", "", f"{cells}.map(lambda name: {own!r}.get(name, name))")
        texts = f'{cells}.astype(str).str.replace(r"{_UNFIT.pattern}", "-", regex=True)'
        return self._assign("symbol", "", f'{texts}.str.strip("-.").str[:{LONGEST}]')

    def _label(self, place: int | None) -> Label:
        return "" if place is None else self.table.labels[place]

    def _line(self, code: str) -> str:
        return self.table.to_pandas + code

    def _assign(self, column: str, symbol: str, value: str) -> str:
        place, cells = self.layout.place(column, symbol), self.cells(column, symbol)
        if place is None or place >= self.table.index:
            return self._line(f"{cells} = {value}")
        if self.table.index == 1:
            return self._line(f"df.index = {value}")
        flat = f"df[{self.table.name(place)!r}]"
        return self._line(f"df = df.reset_index(); {flat} = {value.replace(cells, flat)}")

    def _numbers(self, column: str, symbol: str) -> str:
        """A column as numbers, as code."""
        cells, place = self.cells(column, symbol), self.layout.place(column, symbol)
        texts = place is not None and pa.types.is_string(self.table.column(place).type)
        return f"pd.to_numeric({cells})" if texts else cells

    def _days(self, calendar: str) -> str:
        """The trading days of the rows, as code."""
        cells, place = self.cells("session", ""), self.layout.places["session", ""]
        kind = self.table.column(place).type
        dot = "" if place < self.table.index else ".dt"
        if not pa.types.is_timestamp(kind):
            return f'pd.to_datetime({cells}, errors="coerce")'
        if self.table.is_object(place):
            cells = f"pd.to_datetime({cells}{', utc=True' if kind.tz else ''})"
        if kind.tz == "UTC":
            cells += f'{dot}.tz_convert("{exchange(calendar).zone}")'
        if kind.tz:
            cells += f"{dot}.tz_localize(None)"
        return f"{cells}{dot}.normalize()"
