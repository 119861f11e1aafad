"""The user's own features: functions of bars, tables of values by date, and events whose dates are known ahead."""

from tenor.features.own.bundle import FOLDER, LAKE, Covariates, Own
from tenor.features.own.events import EventKind
from tenor.features.own.functions import OwnFunction, feature
from tenor.features.own.tables import OwnTable, StaticTable, read_own_table

__all__ = [
    "FOLDER",
    "LAKE",
    "Covariates",
    "EventKind",
    "Own",
    "OwnFunction",
    "OwnTable",
    "StaticTable",
    "feature",
    "read_own_table",
]
