"""docs/decisions/index.md: the decisions with their titles."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
HEAD = """# Decisions

Why tenor is as it is: context, decision, consequences. If a later decision changed one, it says so. Each page is for
those who want to know the reasons, or to change them.

This page is written by `make docs-pages`.
"""


def page() -> str:
    """The text of the page."""
    rows = [HEAD]
    for path in sorted(FOLDER.glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ").strip()
        rows.append(f"- {path.name[:4]}: [{re.sub(r'^[0-9]+[.:] *', '', title)}]({path.name})")
    return "\n".join(rows) + "\n"
