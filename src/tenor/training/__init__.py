"""From a Panel to a Forecaster: chronological parts, sequence training, calibration."""

from tenor.training.fit import fit
from tenor.training.forecaster import Attention, Forecaster
from tenor.training.parallel import Progress
from tenor.training.split import Split, chronological
from tenor.training.trainer import History

__all__ = [
    "Attention",
    "Forecaster",
    "History",
    "Progress",
    "Split",
    "chronological",
    "fit",
]
