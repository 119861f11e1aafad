"""How data and results are shown in a notebook: as one line of text, or as an HTML table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Protocol

import numpy as np
import pandas as pd

_ROWS = 12
_COLUMNS = 20
_WIDEST = 120
"""The most characters of a cell; longer ones are cut."""


def listed(values: Sequence[object]) -> str:
    """`values` as a list in words: ``1, 5 and 20``.

    >>> listed((1, 5, 20)), listed((5,))
    ('1, 5 and 20', '5')
    """
    texts = [str(value) for value in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _number(value: float) -> str:
    """Four digits, without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 1e4 else np.format_float_positional(value, 4, fractional=False, trim="-")


def table_view(title: str, frame: pd.DataFrame, *, notes: Sequence[str] = ()) -> str:
    """HTML with a title, the first rows of `frame`, and the sentences `notes` below them."""
    parts = [f"<p><strong>{escape(title)}</strong></p>"]
    if len(frame):
        shown = frame.head(_ROWS)
        moments = shown.select_dtypes("datetimetz").columns
        shown = shown.assign(**{name: shown[name].dt.strftime("%Y-%m-%d %H:%M") for name in moments})
        with pd.option_context("display.max_colwidth", _WIDEST):
            table = shown.to_html(index=False, float_format=_number, border=0, na_rep="–", max_cols=_COLUMNS)
        # a wide table scrolls by itself, and its cells do not break
        parts.append(f'<div style="overflow-x: auto; white-space: nowrap">{table}</div>')
        if len(frame) > _ROWS:
            parts.append(f"<p>… {len(frame) - _ROWS:,} more rows: .to_frame() has all of them.</p>")
    parts += [f"<p>{escape(note)}</p>" for note in notes if note]
    return "".join(parts)


class _HoldsFrame(Protocol):
    @property
    def frame(self) -> pd.DataFrame: ...


class FrameView:
    """How data in a frame, ``self.frame``, are shown in a notebook."""

    def to_frame(self: _HoldsFrame) -> pd.DataFrame:
        """A copy of the rows."""
        return self.frame.copy()

    def head(self: _HoldsFrame, rows: int = 5) -> pd.DataFrame:
        """The first rows."""
        return self.frame.head(rows)

    def __len__(self: _HoldsFrame) -> int:
        return len(self.frame)

    def __bool__(self) -> bool:
        return True  # also without rows: `if news` asks whether news were given

    def __repr__(self: _HoldsFrame) -> str:
        moment = "published_at" if "published_at" in self.frame else "session"
        name, moments = type(self).__name__, self.frame[moment]
        if not len(moments):
            return f"{name}(no rows)"
        symbols = self.frame["symbol"].nunique()
        count = (
            f"{symbols:,} symbol{'' if symbols == 1 else 's'}, {len(moments):,} row{'' if len(moments) == 1 else 's'}"
        )
        return f"{name}({count}, {moments.min():%Y-%m-%d} … {moments.max():%Y-%m-%d})"

    def _repr_html_(self: _HoldsFrame) -> str:
        return table_view(repr(self), self.frame)
