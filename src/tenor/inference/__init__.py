"""From the networks' outputs to forecasts: calibration, intervals, attention by date. Needs no torch.

Training and serving both make their forecasts here, one by torch, the other by ONNX Runtime.
"""

from tenor.inference.cells import usable
from tenor.inference.forecasts import Attention, Forecasts, PanelForecasts, Run
from tenor.inference.recipe import Recipe

__all__ = ["Attention", "Forecasts", "PanelForecasts", "Recipe", "Run", "usable"]
