"""How results look in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import pandas as pd

_ROWS = 12


def listed(values: Sequence[object]) -> str:
    """``1, 5 and 20``.

    >>> listed((1, 5, 20)), listed((5,))
    ('1, 5 and 20', '5')
    """
    texts = [str(value) for value in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def table_view(title: str, frame: pd.DataFrame, *, notes: Sequence[str] = ()) -> str:
    """HTML of a title, the first rows of `frame`, and sentences below them."""
    parts = [f"<p><strong>{escape(title)}</strong></p>"]
    if len(frame):
        parts.append(frame.head(_ROWS).to_html(index=False, float_format=lambda value: f"{value:.4g}", border=0))
        if len(frame) > _ROWS:
            parts.append(f"<p>… {len(frame) - _ROWS} more rows: .to_frame() has all of them.</p>")
    parts += [f"<p>{escape(note)}</p>" for note in notes if note]
    return "".join(parts)
