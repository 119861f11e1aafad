"""What the parts of a lake's tables are called: when their rows were ingested, and what they hold."""

from __future__ import annotations

import re

# moments have 19 digits, so that names sort by time
PART = re.compile(r"(\d{19})-([0-9a-f]{16})(?:-(\d{19}))?\.parquet")
DIGITS = 16
"""Hex digits of the SHA-256 of its content in the name of a part."""


def digest_in(name: str) -> str:
    """The digest in the name of a part."""
    return name[20 : 20 + DIGITS]
