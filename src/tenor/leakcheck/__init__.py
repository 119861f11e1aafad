"""Does it see the future? A check for people's own feature functions, finished tables and trainers.

What each part can and cannot prove stands in ``docs/leakcheck.md``.
"""

from tenor.leakcheck.commands import (
    leakcheck_file,
    leakcheck_function,
    leakcheck_trainer,
    load_function,
    tenor_features,
)
from tenor.leakcheck.functions import check_features
from tenor.leakcheck.report import LEAK_KINDS, LeakFinding, LeakReport
from tenor.leakcheck.tables import check_dataset
from tenor.leakcheck.trainers import check_history, check_trainer

__all__ = [
    "LEAK_KINDS",
    "LeakFinding",
    "LeakReport",
    "check_dataset",
    "check_features",
    "check_history",
    "check_trainer",
    "leakcheck_file",
    "leakcheck_function",
    "leakcheck_trainer",
    "load_function",
    "tenor_features",
]
