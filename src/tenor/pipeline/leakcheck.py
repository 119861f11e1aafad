"""Does a feature function see the future of the lake?"""

from __future__ import annotations

from tenor.leakcheck import LeakReport, leakcheck_function
from tenor.store import Lake


def leakcheck(store: str, function: str, *, calendar: str) -> LeakReport:
    """Whether the feature function ``path/to/file.py:name`` sees the future of the lake's bars, sentiment or news."""
    lake = Lake(store)
    bars, sentiment = lake.bars(calendar=calendar), lake.sentiment(calendar=calendar)
    return leakcheck_function(function, bars, sentiment=sentiment, news=lake.news(), calendar=calendar)
