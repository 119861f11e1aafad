# %% [markdown]
# # Your own CSV
#
# A file of bars as a bank or a broker exports it, with names and faults of its own, and what tenor says about them.

# %%
from pathlib import Path

import pandas as pd

import tenor

# %% [markdown]
# ## A file to begin with
#
# This cell only makes one: German names, a closing price that is missing, and one that is zero.

# %%
bars = tenor.embedded_bars().select(["MSFT"]).frame
export = pd.DataFrame(
    {
        "Datum": bars["session"].dt.strftime("%d.%m.%Y"),
        "Eröffnung": bars["open"],
        "Hoch": bars["high"],
        "Tief": bars["low"],
        "Schluss": bars["close"],
        "Volumen": bars["volume"],
    }
)
export.loc[40, "Schluss"] = None
export.loc[900, "Schluss"] = 0.0
export.to_csv("export.csv", index=False)
print(Path("export.csv").read_text(encoding="utf-8")[:160])

# %% [markdown]
# ## Read it
#
# Column names are found in several languages. What the frame does not say, and what can't be true, tenor refuses, with
# the column, the row and the line of code that mends it.

# %%
df = pd.read_csv("export.csv")
try:
    tenor.bars_of(df)
except tenor.FrameError as error:
    print(error)

# %%
df["symbol"] = "MSFT"
try:
    tenor.bars_of(df)
except tenor.FrameError as error:
    print(error)

# %%
df = df[df["Schluss"].notna()]
try:
    tenor.bars_of(df)
except tenor.FrameError as error:
    print(error)

# %%
df = df[df["Schluss"] > 0]
print(tenor.bars_of(df).frame.head(3).to_string(index=False))

# %% [markdown]
# ## Forecast
#
# One stock, the next session alone, and a small network: it is a try, not a model to rely on. All settings stand in
# `tenor.Config`.

# %%
small = tenor.Config(model=tenor.ModelConfig(hidden=16, lookback=22))
model = tenor.fit(df, config=small, horizons=(1,), seeds=2)
print(model.predict().T.to_string(header=False))
for note in model.notes:
    print("note:", note)

# %% [markdown]
# ## News, if you have some
#
# A text, a time with its zone and a symbol a row. A date without a time is refused: it could be hours off, and let the
# model read tomorrow's news.

# %%
news = pd.DataFrame(
    {"headline": ["Profit above expectations"], "ticker": ["MSFT"], "published": ["2017-07-20"]},
)
try:
    tenor.news_of(news)
except tenor.FrameError as error:
    print(error)

# %%
news["published"] = "2017-07-20T20:05:00Z"
print(tenor.news_of(news).frame[["symbol", "published_at", "text"]].to_string(index=False))
