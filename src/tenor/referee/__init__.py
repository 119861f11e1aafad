"""The referee judges anybody's forecasts by the rules for tenor's own. The judged models are not trained here.

`placing` puts the rows of a file on a panel; `honesty` finds forecasts that used what could not be known; `baselines`
fits the models that have to be beaten; `losses` and `judging` compare; `result` holds the outcome.
"""
