"""Every feature there is: its name, group, formula, source and warm-up. ``docs/features.md`` is printed from here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tenor.errors import ConfigError, did_you_mean

SETTLED = 60
"""Own bars after which the recursive averages (EMA, RSI, ATR) have forgotten all but a few percent of their seed."""

VOLATILITY_WARMUP = 20
"""Own returns that the volatility rests on, at least."""


@dataclass(frozen=True)
class Feature:
    """One column of the panel.

    Attributes
    ----------
    name, group
        As they stand in config, reports and attention plots.
    formula
        In the words of ``docs/features.md``.
    source
        The function, or the book, it comes from.
    warmup
        Bars of the symbol that must lie before the first one at which the feature is known.
    """

    name: str
    group: str
    formula: str
    source: str
    warmup: int = 0


FEATURES: tuple[Feature, ...] = (
    Feature("return_1", "returns", "log(c / c[-1]) / vol", "log return", 20),
    Feature("return_5", "returns", "log(c / c[-5]) / (vol √5)", "log return", 20),
    Feature("return_20", "returns", "log(c / c[-20]) / (vol √20)", "log return", 20),
    Feature("overnight", "returns", "log(o / c[-1]) / vol, in ±10", "log return", 20),
    Feature("high", "returns", "log(h / c) / vol, in ±10", "log return", 20),
    Feature("low", "returns", "log(l / c) / vol, in ±10", "log return", 20),
    Feature("sma_5", "trend", "log(c / SMA(c, 5)) / (vol √5)", "TA-Lib SMA", 20),
    Feature("sma_20", "trend", "log(c / SMA(c, 20)) / (vol √20)", "TA-Lib SMA", 20),
    Feature("sma_60", "trend", "log(c / SMA(c, 60)) / (vol √60)", "TA-Lib SMA", 59),
    Feature("ema_12", "trend", "log(c / EMA(c, 12)) / (vol √12)", "TA-Lib EMA", SETTLED),
    Feature("macd", "trend", "(EMA(c, 12) − EMA(c, 26)) / (c vol)", "TA-Lib MACD", SETTLED),
    Feature("macd_histogram", "trend", "(MACD − EMA(MACD, 9)) / (c vol)", "TA-Lib MACD", SETTLED),
    Feature("rsi_14", "momentum", "RSI(c, 14) / 50 − 1; 0 where c stood still for 14 bars", "TA-Lib RSI", SETTLED),
    Feature("stochastic_14", "momentum", "2 (c − min l) / (max h − min l) − 1 over 14 bars; 0 where max h = min l",
            "TA-Lib STOCHF", 13),
    Feature("stochastic_14_3", "momentum", "SMA(stochastic_14, 3)", "TA-Lib SMA", 15),
    Feature("roc_10", "momentum", "(c / c[-10] − 1) / (vol √10)", "TA-Lib ROC", 20),
    Feature("volatility", "volatility", "log(vol)", "EWMA, half-life 20", 20),
    Feature("realised_5", "volatility", "log(sd(r, 5) / vol), sd at least 1e-4", "TA-Lib STDDEV", 20),
    Feature("atr_14", "volatility", "log(ATR(h, l, c, 14) / (c vol)), ATR / c at least 1e-4", "TA-Lib ATR", SETTLED),
    Feature("bollinger_width", "volatility", "log(2 sd(log c, 20) / vol), the half width at least 1e-4",
            "TA-Lib BBANDS", 20),
    Feature("bollinger_position", "volatility",
            "(log c − mean(log c, 20)) / (2 sd(log c, 20)), the half width at least 1e-4", "TA-Lib BBANDS", 19),
    Feature("obv_20", "volume", "(OBV − OBV[-20]) / sum(v, 20), in −1..1; 0 where nothing was traded",
            "TA-Lib OBV, SUM", 20),
    Feature("volume_z", "volume", "(log(1 + c v) − mean) / sd over 20 bars, sd at least 0.05",
            "TA-Lib SMA, STDDEV", 19),
    Feature("volume_trend", "volume", "log(SMA(c v, 5) / SMA(c v, 60)), in ±5; 0 where nothing was traded",
            "TA-Lib SMA", 59),
    Feature("market_return_1", "context", "m₁ / mvol", "mean over symbols", 20),
    Feature("market_return_5", "context", "m₅ / (mvol √5)", "mean over symbols", 20),
    Feature("market_volatility", "context", "log(mvol)", "EWMA, half-life 20", 20),
    Feature("dispersion", "context", "sd over symbols of r / mean over symbols of vol", "spread over symbols", 20),
    Feature("breadth", "context", "share of symbols with r > 0 less share with r < 0", "count of symbols", 1),
    Feature("relative_return_1", "context", "(r − m₁) / √(vol² + mvol²)", "stock less market", 20),
    Feature("relative_return_5", "context", "(log(c / c[-5]) − m₅) / √(5 vol² + 5 mvol²)", "stock less market", 20),
    Feature("rank_return_1", "context", "(rank of r among symbols − ½) / count − ½, ties averaged",
            "rank over symbols", 1),
    Feature("sentiment_known", "sentiment", "1 with news in the session, else 0", "Sentiment"),
    Feature("sentiment_mean", "sentiment", "mean; 0 without news", "Sentiment"),
    Feature("sentiment_std", "sentiment", "std; 0 without news", "Sentiment"),
    Feature("sentiment_balance", "sentiment", "positive − negative; 0 without news", "Sentiment"),
    Feature("sentiment_surprise", "sentiment", "surprise; 0 without news", "Sentiment"),
    Feature("sentiment_count", "sentiment", "log(1 + n); 0 without news", "Sentiment"),
    Feature("sentiment_recent", "sentiment", "the last recent, halved every `sentiment.half_life` sessions; 0 after 60",
            "Sentiment"),
    Feature("sentiment_age", "sentiment", "sessions since the last news / 20, at most 1; 1 before the first",
            "Sentiment"),
    Feature("sentiment_market", "sentiment", "market_mean; 0 in a session without any news", "Sentiment"),
    Feature("sentiment_market_count", "sentiment", "log(1 + market_n); 0 in a session without any news",
            "Sentiment"),
    Feature("sentiment_relative", "sentiment", "mean − market_mean; 0 without news", "Sentiment"),
)  # fmt: skip

SENTIMENT = "sentiment"
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(f.group for f in FEATURES if f.group != SENTIMENT))
"""The groups that ``features.groups`` takes; sentiment has its own switch, ``features.sentiment``."""


def check_groups(groups: Sequence[str]) -> None:
    """Raise ConfigError for a group that there is not; near names are suggested."""
    for group in groups:
        if group == SENTIMENT:
            raise ConfigError(
                "features.groups does not take 'sentiment': sentiment features are switched by features.sentiment."
            )
        if group not in GROUPS:
            hint = did_you_mean(group, GROUPS) or f" Known: {', '.join(GROUPS)}."
            raise ConfigError(f"unknown feature group {group!r} in features.groups.{hint}")


def feature_names(groups: Sequence[str]) -> tuple[str, ...]:
    """The names of all features of `groups`, in the catalogue's order, whatever the order of `groups`."""
    return tuple(f.name for f in FEATURES if f.group in groups)


def warmup(groups: Sequence[str]) -> int:
    """Bars of a symbol that must lie before its first known cell, if `groups` are chosen."""
    return max([VOLATILITY_WARMUP, *(f.warmup for f in FEATURES if f.group in groups)])


def markdown() -> str:
    """The catalogue as the table of ``docs/features.md``."""
    rows = [("feature", "group", "formula", "source", "warm-up"), ("---",) * 5]
    rows += [(f"`{f.name}`", f.group, f.formula, f.source, str(f.warmup)) for f in FEATURES]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
