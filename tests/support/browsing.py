"""A real browser on the dashboard: what tests of the page share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

CHROMIUM = Path("/usr/bin/chromium")
Open = Callable[..., Any]


def drawn(page: Any) -> Any:
    """`page`, a symbol's, once its charts are there."""
    page.wait_for_selector("#price .main-svg", timeout=60_000)
    page.wait_for_selector("#volatility .main-svg", timeout=60_000)
    return page


def listed(page: Any) -> Any:
    """`page`, the overview, once its table is there."""
    page.wait_for_selector("#board tbody a", timeout=60_000)
    return page


def shows(page: Any, place: str, text: str) -> None:
    """Wait until `place` has `text`."""
    from playwright.sync_api import expect

    expect(page.locator(place)).to_contain_text(text, timeout=60_000)
