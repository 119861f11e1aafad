# %% [markdown]
# # Is my model worth anything?
#
# You have a model, from whatever library. Write down what it forecasts, one row a symbol, session and horizon, and let
# the referee judge it: beside persistence, HAR and the like, which are fitted only on bars before the forecasts, with
# tests on days. Nothing of your forecasts is trained.
#
# Here the models are two regressions of scikit-learn, for returns and for volatility.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

import tenor

SYMBOLS = ["AAPL", "BA", "CAT", "CVX", "GOOG", "KO", "MSFT", "PFE"]
TRAINED_UNTIL = "2015-12-31"

bars = tenor.embedded_bars().select(SYMBOLS)
close = bars.frame.pivot(index="session", columns="symbol", values="adj_close")
returns = close.transform(np.log).diff()

# %% [markdown]
# A table of features: of every session and symbol the last five returns, and how much the price moved in the last
# session, week and month. The targets are the next return, and the log of the next squared one.


# %%
def long(values: pd.DataFrame) -> pd.Series:
    """One row a symbol and session."""
    return values.melt(ignore_index=False).set_index("symbol", append=True).swaplevel()["value"].dropna()


size = (returns**2 + 1e-6).transform(np.log)
features = pd.DataFrame(
    {f"return {lag} ago": long(returns.shift(lag)) for lag in range(5)}
    | {f"moved in {n}": long(size.rolling(n).mean()) for n in (1, 5, 22)}
).dropna()
ahead = long(returns.shift(-1))
past = features.index.get_level_values("session") < TRAINED_UNTIL
known = features[past].join(ahead.rename("target"), how="inner")
columns = list(features.columns)

return_model = Ridge(alpha=100.0).fit(known[columns], known["target"])
size_model = Ridge(alpha=1.0).fit(known[columns], np.log(known["target"] ** 2 + 1e-6))

# %% [markdown]
# The forecasts. `session` is the last session that the model knew, `horizon` the sessions ahead, `return` a log return,
# `volatility` the standard deviation of one session's log return. The mean of a log of squares lies below the log of
# their mean; the residuals in training say by how much.

# %%
new = features[~past]
level = np.log(np.mean(np.exp(np.log(known["target"] ** 2 + 1e-6) - size_model.predict(known[columns]))))
mine = new.index.to_frame(index=False).assign(
    horizon=1,
    trained_until=TRAINED_UNTIL,
    volatility=np.exp((size_model.predict(new) + level) / 2),
    **{"return": return_model.predict(new)},
)
for level_name, z in (("q05", -1.645), ("q25", -0.674), ("q50", 0.0), ("q75", 0.674), ("q95", 1.645)):
    mine[level_name] = mine["return"] + z * mine["volatility"]
mine.to_csv("ridge.csv", index=False)  # `tenor judge ridge.csv --store lake` judges the file
print(mine.head().to_string())

# %% [markdown]
# And a forecast that anybody has: the volatility of the last month.

# %%
rolling = long(returns.rolling(21).std()).rename("volatility").reset_index().assign(horizon=1)
rolling = rolling[rolling["session"] >= TRAINED_UNTIL]

# %% [markdown]
# The verdict. `quick=True` leaves out the slow baselines (GARCH, boosting, ARIMA); those that decide are always there.

# %%
judged = tenor.judge({"ridge": mine, "last month": rolling}, bars, quick=True)
for model in judged.models:
    print(model.verdict, end="\n\n")

# %% [markdown]
# Each loss beside each baseline, as a frame; and one page that can be published.

# %%
columns = ["model", "measure", "other", "change", "p_holm", "days", "samples"]
print(judged.to_frame()[columns].round(3).to_string(index=False))
print(judged.report("judged.html"))
judged.plot("ridge")
plt.savefig("judged.png")

# %% [markdown]
# The referee also notices what is too good. A forecast that looks one session ahead:

# %%
peeking = long(close.shift(-1)).rename("price").reset_index().assign(horizon=1)
peeking = peeking[peeking["session"] >= TRAINED_UNTIL]
print(tenor.judge({"peeking": peeking}, bars, quick=True).models[0].findings[0].text)
