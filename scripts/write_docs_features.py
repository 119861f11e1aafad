"""Write the table of docs/features.md anew from the declarations of the features."""

from __future__ import annotations

import re
from pathlib import Path

from tenor.features.catalogue import markdown

PAGE = Path(__file__).parents[1] / "docs" / "features.md"
TABLE = re.compile(r"^\| feature \|.*\n(?:\|.*\n)+", re.MULTILINE)


def main() -> None:
    """Replace the table; the text around it stays."""
    text, count = TABLE.subn(lambda _: markdown(), PAGE.read_text(encoding="utf-8"))
    if count != 1:
        raise SystemExit(f"{PAGE} has {count} tables that begin with '| feature |'; it should have one.")
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
