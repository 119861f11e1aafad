"""Is it better than doing nothing? Metrics, day-resampled intervals, baselines, a simple backtest and the verdict.

Nothing is imported here: `tenor.evaluation.metrics` lies below `tenor.training` and must not pull in the rest.
"""
