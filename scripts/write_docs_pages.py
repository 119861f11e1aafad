"""Write the pages of docs/ that come from the code: features (the table), settings, commands, Python."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tenor.evaluation import glossary
from tenor.features.catalogue import markdown

sys.path.insert(0, str(Path(__file__).parent / "site"))
import commands_page
import decisions_page
import python_page
import settings_page

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {
    "glossary.md": glossary.markdown,
    "settings.md": settings_page.page,
    "commands.md": commands_page.page,
    "python-api.md": python_page.page,
    "decisions/index.md": decisions_page.page,
}
"""Written whole."""
TABLE = re.compile(r"^\| feature \|.*\n(?:\|.*\n)+", re.MULTILINE)


def write(folder: Path) -> None:
    """Write the pages into `folder`; around the table of features the text of the present page stays."""
    text, count = TABLE.subn(lambda _: markdown(), (DOCS / "features.md").read_text(encoding="utf-8"))
    if count != 1:
        raise SystemExit(f"docs/features.md has {count} tables that begin with '| feature |'; it should have one.")
    for name, content in {"features.md": text, **{name: page() for name, page in PAGES.items()}}.items():
        path = Path(folder) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    write(DOCS)
