"""Is a forecast better than doing nothing? Metrics, intervals from resampled days, baselines, a backtest, the verdict.

Nothing is imported here: the command line and the report need single modules, not all of them and PyTorch.
"""
