"""From what the networks say to forecasts: calibration, intervals, attention by date. Needs no torch.

Training and serving both make their forecasts here, one by torch, the other by ONNX Runtime.
"""

from tenor.inference.calibration import Calibration
from tenor.inference.cells import usable
from tenor.inference.recipe import Recipe, Run

__all__ = ["Calibration", "Recipe", "Run", "usable"]
