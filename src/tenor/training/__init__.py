"""From a Panel to a Forecaster: chronological parts, sequence training, calibration."""

from tenor.forecasting.cells import usable
from tenor.training.config import TrainConfig
from tenor.training.fit import fit
from tenor.training.forecaster import Attention, Forecaster
from tenor.training.seed import History
from tenor.training.seeds import Progress
from tenor.training.split import Split, SplitConfig, chronological

__all__ = [
    "Attention",
    "Forecaster",
    "History",
    "Progress",
    "Split",
    "SplitConfig",
    "TrainConfig",
    "chronological",
    "fit",
    "usable",
]
