"""The referee: anybody's forecasts, judged as tenor's own are; nothing of them is trained.

`placing` puts the rows of a file on a panel, `honesty` names what a forecaster could not have known, `baselines` fits
what has to be beaten, `losses` and `judging` compare, `result` holds the outcome.
"""
