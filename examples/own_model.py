# %% [markdown]
# # A network of your own
#
# tenor trains, calibrates, tests and serves any `torch.nn.Module` that reads `[batch, time, features]` and gives a
# forecast at every step. Here one is written, trained, saved, used, and compared with tenor's attention LSTM, on eight
# stocks and within a minute. `examples/networks/` has a GRU, a TCN and a small transformer.

# %%
from pathlib import Path

import numpy as np

import tenor
from tenor.config import SplitConfig, TrainConfig
from tenor.evaluation.risk import evaluate_risk
from tenor.training import chronological, fit

# %% [markdown]
# ## The network
#
# It lies in a file, because its code travels with the model. In a notebook, begin a cell with `%%writefile mine.py`.
#
# - `x` holds the scaled features of each session and, last, the variance of the session.
# - `log_variance` is the forecast of risk: the log of the mean variance of the sessions ahead, one number a horizon.
#   Here it starts from the variance of the last month, and the network says what to add. Two more heads, `mean` and
#   `up_logit`, may be left out: then the price stays where it is, and the chance of a rise is the base rate.
# - No step may look at a later one. A convolution that is padded on the left sees the past alone.

# %%
MINE = """
import torch
from torch import nn
from torch.nn import functional

import tenor


class Mine(nn.Module):
    def __init__(self, config, n_features, n_horizons, width=24):
        super().__init__()
        self.inputs = nn.Linear(n_features, width)
        self.week = nn.Conv1d(width, width, 5)
        self.dropout = nn.Dropout(config.dropout)
        self.risk = nn.Linear(width, n_horizons)

    def forward(self, x):
        states = torch.tanh(self.inputs(x)).transpose(1, 2)      # [batch, width, time]
        states = self.week(functional.pad(states, (4, 0)))       # this session and the four before it
        states = self.dropout(torch.tanh(states.transpose(1, 2)))
        return {"log_variance": self.risk(states) + tenor.pooled_log_variance(x, 22)}
"""
Path("mine.py").write_text(MINE)

# %% [markdown]
# ## Train it
#
# The parts follow each other in time. Two seeds and few epochs keep this short; the forecast is the seeds' mean.

# %%
bars = tenor.embedded_bars().select(["AAPL", "CAT", "GE", "JNJ", "KO", "MSFT", "WMT", "XOM"])
features = tenor.FeatureConfig()
panel = tenor.build_panel(bars, features)
split = chronological(panel.sessions, SplitConfig(), purge=max(panel.horizons))
print(split.describe(panel.sessions))

training = TrainConfig(seeds=(0, 1), epochs=8)
own = tenor.ModelConfig(network="mine.py:Mine", options={"width": 16})
mine = fit(panel, split, features=features, model=own, training=training, workers=1)
for curve in mine.curves():
    print(f"{mine.name}, seed {curve['seed']}: validation loss", np.round(curve["valid"], 3))

# %% [markdown]
# ## Save it, load it, forecast
#
# The folder holds the weights, the settings and `mine.py`, so that it can be loaded where the file is not.

# %%
mine.save("mine-model")
print(sorted(path.name for path in Path("mine-model").iterdir()))
loaded = tenor.Forecaster.load("mine-model")
forecast = loaded.forecast(panel, "AAPL", 5)
print(f"AAPL, 5 sessions after {forecast.session:%Y-%m-%d}: volatility {100 * forecast.volatility:.2f} % a session,")
print(f"90 % of outcomes between {forecast.lower:.2f} and {forecast.upper:.2f}, now {forecast.last_price:.2f}")

# %% [markdown]
# ## Compare it with tenor's own network
#
# Same data, parts, seeds and epochs; the squared error of log variance. The test is Diebold-Mariano on days, and the
# change is the loss of the first model over that of the other, less 1. Eight stocks and one test part decide little;
# `docs/own-models.md` has the comparison on 88 stocks.

# %%
lstm = fit(panel, split, features=features, model=tenor.ModelConfig(), training=training, workers=1)
risks = {model.name: risk for model in (mine, lstm) if (risk := model.predict(panel).risk)}
for horizon in panel.horizons:
    result = evaluate_risk(panel, split.test, risks, horizon=horizon)
    test = result.comparisons[lstm.name]["log_variance_mse"]
    losses = ", ".join(f"{name} {row['log_variance_mse'].value:.4f}" for name, row in result.table.items())
    print(f"{horizon:2} ahead, {result.days} days: {losses}; {100 * test.change:+.1f} %, p {test.p:.2f}")

# %% [markdown]
# ## What is checked
#
# Before it trains, the network is run on made data while everything after a step is replaced. What changes before that
# step has seen the future:

# %%
Path("peeks.py").write_text(MINE.replace("(4, 0)", "(2, 2)"))
try:
    fit(panel, split, features=features, model=tenor.ModelConfig(network="peeks.py:Mine"), training=training)
except tenor.TenorError as error:
    print(error)
