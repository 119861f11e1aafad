# %% [markdown]
# # A feature of your own
#
# A feature is a function of one symbol's bars. tenor checks that it does not see the future, trains with it, saves its
# code with the model, and tells you what it is worth. Everything below runs in the current folder, without a network.

# %%
from pathlib import Path

import pandas as pd

import tenor
from tenor.features.own import Own
from tenor.ingest.importing import import_files
from tenor.leakcheck.own import check_own
from tenor.pipeline.ablate import ablate

bars = tenor.embedded_bars().select(["AAPL", "CVX", "JPM", "MSFT"])
tenor.Lake("lake").append_bars(bars, source="embedded")

# %% [markdown]
# ## Two functions
#
# Both get a frame of adjusted prices and volume, indexed by session, and return one number for each row. The second one
# divides by the mean and the spread of the *whole* history: its first row knows how the last one will look.

# %%
Path("mine.py").write_text(
    '''
import numpy as np
import tenor


@tenor.feature(warmup=20)
def squeeze(bars):
    """How narrow the ranges of the last 5 days are, beside those of the last 20."""
    width = np.log(bars["high"] / bars["low"])
    return np.log(width.rolling(5).mean() / width.rolling(20).mean())


def busy(bars):
    """How unusual the volume is."""
    volume = np.log1p(bars["volume"])
    return (volume - volume.mean()) / volume.std()
'''
)
settings = [
    "training.seeds=[0]",
    "training.epochs=2",
    "model.hidden=8",
    "model.lookback=20",
    "features.horizons=[1]",
    "folds.folds=1",
    "folds.valid_sessions=100",
    "folds.test_sessions=200",
]

# %% [markdown]
# ## The leaky one is refused
#
# Before anything is trained, the function is run on other futures: changed, shuffled, cut off. What it says of a
# session must not change with what comes after it.

# %%
leaky = tenor.Config.read(None, [*settings, 'features.own=["mine.py:busy"]'])
try:
    tenor.train("lake", leaky, workers=1)
except tenor.TenorError as error:
    print(error)

# %% [markdown]
# ## The honest one is trained with
#
# The same check, on its own, and then a training. The feature stands in the model by its name, and its code among the
# model's files, under a hash.

# %%
honest = tenor.Config.read(None, [*settings, 'features.own=["mine.py:squeeze"]'])
own = Own.of(honest.features).fitted(bars)
print(check_own(own, bars)["squeeze"].describe())

# %%
trained = tenor.train("lake", honest, workers=1)
print("version", trained.forecaster.version)
print("features", ", ".join(trained.forecaster.recipe.scaler.features[-3:]))
print("files", ", ".join(sorted(p.name for p in Path(trained.folder, "own").iterdir())))

# %% [markdown]
# From now on the saved code counts. The file can be changed or lost: a forecast is made from what the model was trained
# with, here, on a server and in Lambda.

# %%
Path("mine.py").rename("mine_away.py")
forecast = tenor.predict("lake", ["AAPL"])[0]
print(f"AAPL, {forecast.session:%Y-%m-%d}: volatility {100 * forecast.volatility:.2f} % a session")
print(f"attention to squeeze: {100 * forecast.attention_features['squeeze']:.1f} %")
Path("mine_away.py").rename("mine.py")

# %% [markdown]
# ## What does not change, and what is known ahead
#
# A table with one row a symbol becomes columns of zeros and ones. Dates that are known ahead are imported with the day
# on which they became known: an event counts from then on, and no earlier.

# %%
sector = pd.DataFrame({"symbol": ["AAPL", "CVX", "JPM", "MSFT"], "sector": ["tech", "oil", "bank", "tech"]})
days = pd.DatetimeIndex(bars.frame["session"].unique())
meetings = pd.DataFrame(
    {
        "symbol": "",  # of all symbols
        "session": days[40::32].strftime("%Y-%m-%d"),
        "kind": "fed",
        "known_since": days[10:-30:32].strftime("%Y-%m-%d"),
    }
)
meetings.to_csv("events.csv", index=False)

print(import_files("lake", ["events.csv"]).events)
with_events = tenor.Config.read(None, [*settings, 'features.own=["mine.py:squeeze"]', 'features.events=["fed"]'])
more = tenor.train("lake", with_events, own=[("sector", sector)], workers=1)
print("features", ", ".join(more.forecaster.recipe.scaler.features[-6:]))

# %% [markdown]
# ## What is it worth?
#
# The same model with the feature and without it, on the same cells and folds, tested by resampled days. Two epochs on
# four stocks are too little to find much: the verdict says whether the difference is distinguishable from zero.

# %%
result = ablate("lake", honest, without=["squeeze"], workers=1)
for horizon, ablation in result.own["squeeze"].items():
    print(f"{horizon} session ahead: {ablation.verdict}")
