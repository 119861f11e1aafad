"""Is it better than doing nothing? Metrics, day-resampled intervals, baselines, a simple backtest and the verdict.

Nothing is imported here: the command line and the report's types need one module at a time, not all with torch.
"""
