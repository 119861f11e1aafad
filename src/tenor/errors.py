"""Everything that tenor raises on purpose.

TenorError                 one line: what value, where, what to do
├── UsageError             the caller asked for something that can't be
│   ├── ConfigError        an unknown or impossible setting
│   │   └── RowsError      rows that the scikit-learn estimator does not take
│   └── UnknownSymbolError a symbol that the lake or the model does not hold
├── DataError              bars, news or a file that can't be used
│   ├── CellError          cells of a table of the user's own that can't be used
│   ├── FrameError         a DataFrame that can't be used, with the line of code that mends it
│   ├── HistoryError       usable data, but too little of it
│   ├── LeakError          a feature that sees the future
│   └── UnusableError      a file, or a row of it, that can't be used
│       └── ColumnError    a column of a frame whose cells are no single values
├── SourceError            a source on the network did not answer as it documents
├── StoreError             the lake can't be read or written
│   ├── MissingObject      there is no object under the key
│   └── Conflict           the object changed before it could be replaced
├── TrainingError          a training that diverged or was killed
├── ModelError             a saved model that is missing, changed or does not fit
├── RaisedError            a function of the user's raised: it is reported, not a fault of tenor's
├── OverRateError          a caller of the service asks for more work than its rate allows
├── LiveError              the service has no forecast made on request
└── ServiceError           a tenor service that can't be reached, or refuses
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable, Mapping


def _sentence(text: str) -> str:
    return text if text.endswith(("?", ".")) else f"{text}."


class TenorError(Exception):
    """Base of all errors that tenor raises on purpose; ``str(error)`` is one line fit for a terminal."""


class UsageError(TenorError):
    """The caller asked for something that can't be: a query that is not SQL, a report on nothing."""


class ConfigError(UsageError):
    """A setting is unknown, of the wrong type or out of its range."""


class RowsError(ConfigError, ValueError):
    """X is not what `tenor.PanelForecaster` takes. Also a ValueError, which scikit-learn expects."""


class TrainingError(TenorError):
    """A training diverged, or one of its processes was killed."""


LONGEST_SYMBOL = 64
"""The most characters of a symbol. No exchange has longer ones, so a longer text is not a symbol."""


class UnknownSymbolError(UsageError):
    """The lake, panel or model has no such symbol.

    Parameters
    ----------
    symbol
        The symbol asked for.
    known
        The symbols that exist; similar ones are suggested.
    """

    def __init__(self, symbol: str, known: Iterable[str]) -> None:
        names = sorted(known)
        hint = did_you_mean(symbol[:LONGEST_SYMBOL], names)
        if not hint:
            shown = ", ".join(names[:8]) + (" …" if len(names) > 8 else ".")
            hint = f" Known: {shown}" if names else " There are no symbols yet: run 'tenor data import' first."
        short = symbol if len(symbol) <= LONGEST_SYMBOL else f"{symbol[:LONGEST_SYMBOL]}…"
        super().__init__(f"unknown symbol {short!r}.{hint}")
        self.symbol = symbol


class DataError(TenorError):
    """Bars, news or a file can't be used; the message names file or symbol, row, value and remedy."""


class HistoryError(DataError):
    """The data is sound, but there is too little of it for the lookback, horizon or split asked for."""


class FrameError(DataError):
    """A DataFrame that can't be used.

    Parameters
    ----------
    why
        What is wrong, with the column, the row and the value that show it.
    mend
        The line of Python that repairs it, in which the frame is called ``df``.

    Attributes
    ----------
    mend : str
        The same line; empty if no single line can do it.
    why : str
        The parameter `why`.
    """

    def __init__(self, why: str, mend: str = "") -> None:
        super().__init__(f"{_sentence(why)} Mend it with: {mend}" if mend else _sentence(why))
        self.why = why
        self.mend = mend


class CellError(DataError):
    """Cells of a table of the user's own that can't be used, in a file or a frame.

    Parameters
    ----------
    where
        The file's name, or the name by which messages call the frame.
    why
        What is wrong, in words.
    remedy
        What to do about it, in words.
    rows
        The rows that show the problem, counted from 0; empty if the whole table is at fault.
    column
        tenor's name of the wrong column; ``""`` if no single column is wrong.
    mend
        The line of Python that repairs the frame ``df``. ``CELLS`` stands for the column, ``NAME`` for its name, and
        ``KEYS`` for the names of the columns symbol, session and known_since.
    """

    def __init__(
        self, where: str, why: str, remedy: str, *, rows: Iterable[int] = (), column: str = "", mend: str = ""
    ) -> None:
        self.rows = tuple(map(int, rows))
        more = f" and {len(self.rows) - 1} more" if len(self.rows) > 1 else ""
        place = f" row {self.rows[0] + 1}{more}" if self.rows else ""
        super().__init__(_sentence(f"{where}{place}: {why}: {remedy}"))
        self.where = where
        self.why = why
        self.column = column
        self.mend = mend

    def of_frame(self, names: Mapping[str, Hashable]) -> FrameError:
        """The same problem as the error of a frame, whose rows count from 0.

        Parameters
        ----------
        names
            From tenor's names of columns to those of the frame.
        """
        more = f"; {len(self.rows)} rows have this fault" if len(self.rows) > 1 else ""
        place = f", row {self.rows[0]}" if self.rows else ""
        name = names.get(self.column, self.column)
        line = self.mend.replace("CELLS", f"df[{name!r}]").replace("NAME", repr(name))
        line = line.replace("KEYS", repr(list(names.values())))
        return FrameError(f"{self.where}{place}: {self.why}{more}", line)


class LeakError(DataError):
    """A user's own feature depends on what was not known yet; the message says which one, and how it was found."""


class UnusableError(DataError):
    """Nothing in a file can be used.

    Attributes
    ----------
    why
        The reason, in words.
    remedy
        What to do about it, in words.
    row
        The row that shows it; 0 if the whole file is at fault.
    column
        The file's own name of the column that shows it; ``""`` if the whole file is at fault.
    value
        The cell that shows it; ``""`` if the whole file is at fault.
    mend
        The line of Python that repairs a frame ``df``, with ``CELLS`` for the column; ``""`` if there is none.
    """

    def __init__(
        self, why: str, remedy: str, *, row: int = 0, column: str = "", value: str = "", mend: str = ""
    ) -> None:
        super().__init__(f"{why}: {remedy}.")
        self.mend = mend
        self.why = why
        self.remedy = remedy
        self.row = row
        self.column = column
        self.value = value


class ColumnError(UnusableError):
    """A column whose cells tenor can't read.

    Parameters
    ----------
    why, row, column, value
        As for `UnusableError`.
    mend
        The code whose value repairs the column, with ``CELLS`` for the column; empty if the column should be dropped.
    """

    def __init__(self, why: str, mend: str, *, row: int, column: str, value: str = "") -> None:
        super().__init__(why, "write one value a cell", row=row, column=column, value=value, mend=mend)


class SourceError(TenorError):
    """A source of bars, news or events did not answer, or not as it documents; its message never holds a key.

    Parameters
    ----------
    message
        What happened, and what to do.
    kind
        ``away`` (not reached, broken off or failing), ``limited`` (asked to wait), ``refused`` (a key is missing or
        not accepted), ``unknown`` (it has no such symbol), ``malformed`` (the answer is not what is documented) or
        ``unsupported`` (it can't be asked that).
    """

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class StoreError(TenorError):
    """The lake can't be read or written."""


class MissingObject(StoreError):  # noqa: N818 - an answer that callers expect, as KeyError is to a mapping
    """There is no object under the key."""


class Conflict(StoreError):  # noqa: N818
    """Somebody else replaced the object since it was read: read it again, and decide again what to write."""


class ModelError(TenorError):
    """A saved model is missing, truncated, changed since it was written, or does not fit the data."""


class RaisedError(TenorError):
    """A function of the user's own raised; the message says what."""


class ServiceError(TenorError):
    """A tenor service can't be reached, or refuses.

    Attributes
    ----------
    status
        The HTTP status of its answer; None if there was no answer.
    kind
        The kind of the problem, for example ``unknown-symbol``.
    retry_after
        Seconds to wait before the next request, as the service states them; None if it states none.
    """

    def __init__(
        self, message: str, *, status: int | None = None, kind: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.retry_after = retry_after


class OverRateError(TenorError):
    """A caller asks for more work than its rate allows.

    Parameters
    ----------
    wait
        Seconds until it may ask again.
    """

    def __init__(self, wait: float) -> None:
        super().__init__(f"more work than the rate allows: ask again in {wait:.0f} s.")
        self.wait = wait


class LiveError(TenorError):
    """There is no live forecast, for the reason in the message."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x' or 'y'?`` with the names in `known` that are most similar to `name`, or an empty string.

    Upper and lower case are not distinguished.
    """
    folded: dict[str, str] = {}
    for candidate in known:
        folded.setdefault(candidate.lower(), candidate)
    near = difflib.get_close_matches(name.lower(), list(folded), n=3, cutoff=0.6)
    alike = [difflib.SequenceMatcher(None, candidate, name.lower()).ratio() for candidate in near]
    named = [repr(folded[c]) for c, ratio in zip(near, alike, strict=True) if ratio > alike[0] - 0.15]
    return f" Did you mean {' or '.join(named)}?" if named else ""


def one_line(error: BaseException, most: int) -> str:
    """What `error` says, in one line of at most `most` characters: short enough to stand in another message."""
    return " ".join(str(error).split())[:most]
