"""Leak checks: do own feature functions, finished tables or trainers look ahead?

``docs/leakcheck.md`` says what each check can and cannot prove.
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
