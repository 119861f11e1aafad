"""From a Panel to a Forecaster: chronological parts, sequence training, calibration."""

from tenor.training.fit import fit
from tenor.training.forecaster import Forecaster, PanelAttention
from tenor.training.parallel import Progress
from tenor.training.split import Split, chronological, split_from_dates
from tenor.training.trainer import History

__all__ = [
    "Forecaster",
    "History",
    "PanelAttention",
    "Progress",
    "Split",
    "chronological",
    "fit",
    "split_from_dates",
]
