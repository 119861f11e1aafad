"""What the tests of the sources share: a file written and read in one call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tenor.ingest.files import FileBatch, read_bars


@pytest.fixture
def now() -> pd.Timestamp:
    return pd.Timestamp("2020-06-01 12:00", tz="UTC")


@pytest.fixture
def load(tmp_path: Path, now: pd.Timestamp) -> Callable[..., FileBatch]:
    """``load(content, name)``: what reading the file `name` of that content gives, at `now`."""

    def _load(content: str | bytes, name: str = "AAA.csv", *, calendar: str = "XNYS") -> FileBatch:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_bars([path], calendar=calendar, now=now)

    return _load
