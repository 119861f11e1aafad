# %% [markdown]
# # Judge a foundation model
#
# fracast is a small network that was trained on millions of series of all kinds, and brings its weights with it:
# `pip install fracast`. It knows nothing of stocks in particular. Does it forecast them? We let it forecast past
# sessions, each from the closes up to it, write the file that `tenor judge` reads, and have it judged. Chronos,
# TimesFM, TiRex, Kronos and neuralforecast go the same way, from a folder with their weights.

# %%
import importlib.util
import sys

import matplotlib.pyplot as plt
import pandas as pd

import tenor
from tenor import adapters

if importlib.util.find_spec("fracast") is None:
    print("This example needs fracast: pip install 'tenor[fracast]'. Nothing was run.")
    sys.exit(0)

# %% [markdown]
# Six stocks that come with tenor, every tenth session of 2016 and 2017, one and five sessions ahead.

# %%
bars = tenor.embedded_bars().select(["AAPL", "BA", "GE", "JPM", "MSFT", "XOM"])
table = adapters.write(
    adapters.load_model("fracast"),
    bars,
    "fracast.parquet",
    first="2016-01-04",
    last="2017-08-24",
    horizons=[1, 5],
    every=10,
)
print(f"{len(table):,} forecasts, by {table['model'].iloc[0]}")
print(table.head(3).T.to_string())

# %% [markdown]
# What a naive check sees: the nine quantiles, and how often the close lay below each of them five sessions later. A
# model that knows how far prices move has both columns alike.

# %%
closes = bars.adjusted().sort_values(["symbol", "session"])
closes["later"] = closes.groupby("symbol")["close"].shift(-5)
five = table[table["horizon"] == 5].assign(session=lambda rows: pd.to_datetime(rows["session"]))
known = five.merge(closes[["symbol", "session", "later"]], on=["symbol", "session"]).dropna(subset=["later"])
for column in [name for name in known.columns if name.startswith("q")]:
    print(f"{column}: {100 * (known['later'] < known[column]).mean():5.1f} % below")

# %% [markdown]
# The referee compares with persistence and other baselines on the same days, and tests the difference by day.

# %%
judged = tenor.judge("fracast.parquet", bars, quick=True, workers=1)
print(judged.verdict)
print(judged.to_frame().to_string(max_rows=30))
judged.plot()
plt.savefig("judged.png")
