"""How a training and a forecast look in a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tenor.cli.console import entry, line, table
from tenor.cli.options import DEFAULT_STORE
from tenor.news_words import news_sentence

if TYPE_CHECKING:
    from tenor.pipeline.train import TrainResult


def show_training(result: TrainResult, store: str) -> None:
    """The new version and its losses, seed by seed; which version is in use; is it any good, and what comes next."""
    line(result.parts)
    rows = (
        (
            str(curve["seed"]),
            str(len(curve["valid"])),
            str(curve["best_epoch"]),
            f"{min(curve['train']):.4f}",
            f"{min(curve['valid']):.4f}",
        )
        for curve in result.forecaster.curves()
    )
    table(("seed", "epochs", "best", "train loss", "validation loss"), rows)
    for symbol, why in result.left_out.items():
        line(f"not trained on: {symbol}, {why}")
    version = result.forecaster.version
    line(f"version: {version} in {result.folder}")
    if result.contest is not None:
        line(result.contest.why)
    if result.champion == version:
        line(f"champion: {version}")
    else:
        line(f"champion: still {result.champion}; 'tenor models promote {version} --force' takes the new one instead")
    line("")
    entry("any good?", result.verdict)
    symbol, at = result.forecaster.recipe.symbols[0], "" if store == DEFAULT_STORE else f" --store {store}"
    entry("next", f"tenor predict {symbol}{at}")
    entry("", f"tenor evaluate{at}   (beside GARCH, HAR and others, on sessions it never saw)")


def show_forecast(forecast: Mapping[str, Any]) -> None:
    """One forecast: how far the price may move, then which way, with the verdict; and what it attended to most.

    Parameters
    ----------
    forecast
        As `Forecast.to_json` writes it.
    """
    horizon = forecast["horizon"]
    ahead = f"{horizon} session{'' if horizon == 1 else 's'} after {forecast['session']}"
    line(f"{forecast['symbol']} for {forecast['target_session']} ({ahead})")
    last = forecast["last_price"]
    down, up = (_signed(forecast[bound] / last - 1) for bound in ("lower", "upper"))
    losses = {"VaR": forecast["value_at_risk"], "shortfall": forecast["expected_shortfall"]}
    line(f"  as of      {_minute(forecast['as_of'])}, last price {last:.2f}, adjusted")
    if "before_open" in forecast:
        before, news = _minute(forecast["before_open"]), _minute(forecast["news_until"])
        line(f"  made       before the open of {before}, news to {news}")
    line(f"  90 %       {forecast['lower']:.2f} … {forecast['upper']:.2f} ({down} … {up})")
    line(f"  volatility {_percent(forecast['volatility'])} a session: {place_in_year(forecast['volatility_rank'])}")
    line(f"  EWMA       {_percent(forecast['baseline_volatility'])} a session, to compare with")
    for title, by_confidence in losses.items():
        parts = (f"{_percent(loss)} at {100 * float(level):g} %" for level, loss in by_confidence.items())
        line(f"  {title:<10} {', '.join(parts)}")
    line(f"  price      {forecast['price']:.2f} expected ({_signed(math.expm1(forecast['expected_return']))})")
    line(f"  P(up)      {100 * forecast['p_up']:.1f} %")
    why = news_sentence(forecast.get("news", ()))
    if why:
        line(f"  news       {why}")
    line(f"  verdict    {forecast['verdict']}")
    for title, weights in (("sessions", forecast["attention_time"]), ("features", forecast["attention_features"])):
        top = sorted(weights.items(), key=lambda item: -item[1])[:3]
        if top:
            line(f"  {title:<10} " + ", ".join(f"{name} {100 * weight:.1f} %" for name, weight in top))
    line(f"  model      {forecast['model_version']}")


def place_in_year(rank: float) -> str:
    """Where a volatility lies among those of the symbol's own last year, by the share `rank` that was lower."""
    side, share = ("more volatile", rank) if rank >= 0.5 else ("calmer", 1 - rank)
    days = "all days" if share > 0.995 else f"{100 * share:.0f} % of days"
    return f"{side} than {days} of its last year"


def _minute(moment: str) -> str:
    """A moment in UTC, in ISO 8601, to the minute."""
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _signed(share: float) -> str:
    return f"{100 * share:+.2f} %".replace("-", "−")
