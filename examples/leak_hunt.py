# %% [markdown]
# # Leak hunt
#
# A backtest that looks too good usually saw the future. Four common ways how that happens, and how tenor names them. No
# model is trained here: the check looks at your data and at your code.

# %%
import numpy as np
import pandas as pd

import tenor
from tenor.leakcheck import check_dataset, check_features, check_history

bars = tenor.embedded_bars().select(["AAPL", "AMZN", "JNJ", "XOM"])
print(bars.frame.tail(3).to_string(index=False))

# %% [markdown]
# ## A function that makes features
#
# It gets the bars, one row a symbol and session, and returns its features with the same two columns. Two of these three
# columns are wrong; can you see which?


# %%
def features(frame: pd.DataFrame) -> pd.DataFrame:
    """Three features of the close."""
    close = frame.groupby("symbol")["close"]
    return frame[["symbol", "session"]].assign(
        momentum=close.transform(lambda c: c / c.shift(20) - 1),
        smooth=close.transform(lambda c: c / c.rolling(5, center=True).mean() - 1),
        level=close.transform(lambda c: (c - c.mean()) / c.std()),
    )


report = check_features(features, bars)
print(report.describe())

# %% [markdown]
# `smooth` is a centred mean: it knows the next two closes. `level` is standardised by the mean and the deviation of the
# whole history, of which the first years know nothing yet. Trailing windows and statistics of the past are the remedy:


# %%
def mended(frame: pd.DataFrame) -> pd.DataFrame:
    """The same three, from the past alone."""
    close = frame.groupby("symbol")["close"]
    return frame[["symbol", "session"]].assign(
        momentum=close.transform(lambda c: c / c.shift(20) - 1),
        smooth=close.transform(lambda c: c / c.rolling(5).mean() - 1),
        level=close.transform(lambda c: (c - c.rolling(250).mean()) / c.rolling(250).std()),
    )


report = check_features(mended, bars)
print(report.describe())
assert report.ok

# %% [markdown]
# ## A finished table
#
# Often there is only a file, as it was handed over: numbers, dates and a target. Here `volume` was standardised before
# the rows were split into training and test.

# %%
apple = bars.select(["AAPL"]).frame
returns = apple["adj_close"].transform(np.log).diff()
table = pd.DataFrame(
    {
        "date": apple["session"],
        "volume": np.log(apple["volume"]),
        "momentum": returns.rolling(20).sum(),
        "target": returns.shift(-1),
    }
).dropna()
table["volume"] = (table["volume"] - table["volume"].mean()) / table["volume"].std()
report = check_dataset(table, target="target", date="date", train_end="2016-06-30")
print(report.describe())

# %% [markdown]
# ## A learning curve
#
# The epoch that was kept is the best one of the test set, and not of the validation set: the test set chose it.

# %%
history = pd.DataFrame(
    {
        "epoch": range(1, 7),
        "val_loss": [1.00, 0.95, 0.93, 0.94, 0.96, 0.97],
        "test_loss": [1.02, 0.99, 0.97, 0.94, 0.95, 0.96],
    }
)
print(check_history(history, chosen=4).describe())

# %% [markdown]
# An empty list of findings is no proof: it lists what was tried. What each check can and can't see is
# written in `docs/leakcheck.md`. On the command line: `tenor leakcheck table.csv --target target` and
# `tenor leakcheck --features my_features.py:build --store lake`.
