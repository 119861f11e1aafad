"""Does a feature function see the future of the lake?"""

from __future__ import annotations

from tenor.leakcheck import LeakReport, leakcheck_function
from tenor.workspace import Workspace


def leakcheck(store: str, function: str, *, calendar: str) -> LeakReport:
    """Whether the feature function ``path/to/file.py:name`` sees the future of the lake's bars, sentiment or news.

    It gets the bars as a model sees them: without those of extra sessions.
    """
    workspace = Workspace(store)
    lake = workspace.lake
    bars, sentiment = workspace.bars(None, calendar=calendar), lake.sentiment(calendar=calendar)
    return leakcheck_function(function, bars, sentiment=sentiment, news=lake.news(), calendar=calendar)
