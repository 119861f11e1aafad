# %% [markdown]
# # A first forecast
#
# From a DataFrame of bars to a forecast of how far each stock may move. The bars here are those that come with tenor;
# what `yf.download(["AAPL", "MSFT"], period="5y")` returns can take their place as it is.

# %%
import matplotlib.pyplot as plt
import pandas as pd

import tenor

bars = tenor.embedded_bars().select(["AAPL", "JPM", "MSFT", "XOM"]).frame
print(bars.tail(3).to_string(index=False))

# %% [markdown]
# ## Train, and forecast
#
# In a notebook every result shows itself as a table: leave its name alone on the last line of a cell, as
# `model.head()` below. Here everything is printed as well, so that the script says the same.
#
# `fit` trains five small networks (an LSTM under attention) and sets their level by the last fifth of the sessions. It
# takes ten seconds on two free cores; two networks are enough to look around.

# %%
model = tenor.fit(bars, seeds=2)
print(model)

forecasts = model.predict()
print(forecasts[["symbol", "session", "horizon", "price", "volatility", "q05", "q95", "p_up"]].to_string(index=False))
model.head()

# %% [markdown]
# A row is one symbol and one horizon, in sessions. `volatility` is the standard deviation of the log return of one
# session, `q05` and `q95` are the ends of the 90 % interval of the price. `p_up` stays close to the share of rises in
# the past, about one half for a session and more for twenty: how far prices go can be forecast here, which way can't.

# %%
model.plot("AAPL")
plt.savefig("aapl.png")

# %% [markdown]
# ## Is it any good?
#
# `evaluate` trains the same settings anew in every fold, and tests them on the sessions that follow, beside GARCH, HAR
# and others. Two folds and one network are quick, and too little for a verdict: with 4 stocks few days decide anything.

# %%
evaluation = tenor.evaluate(bars, folds=2, seeds=1, horizons=(1, 5))
print(evaluation.verdict)

# %%
table = evaluation.to_frame()
columns = ["horizon", "model", "log_variance_mse", "change_log_variance_mse", "p_log_variance_mse", "qlike"]
print(table.loc[table["log_variance_mse"].notna(), columns].round(3).to_string(index=False))
evaluation.report("report.html")

# %%
evaluation.plot()  # below zero tenor is better
plt.savefig("rivals.png")

# %% [markdown]
# ## Keep the model
#
# `save` writes the model and its bars into a folder or a bucket, and `load` reads them: the forecasts are the same to
# the bit. `tenor predict AAPL --store my-model` and `tenor serve --store my-model` work on that folder too.

# %%
model.save("my-model")
again = tenor.load("my-model")
assert again.predict().equals(forecasts)

# %% [markdown]
# Newer bars need no new training: hand them to `predict`, with the whole history, which indicators learn from.

# %%
earlier = bars[bars["session"] <= pd.Timestamp("2017-06-30")]
print(model.predict(earlier, symbols="AAPL", horizons=5)[["symbol", "session", "q05", "q95"]].to_string(index=False))
