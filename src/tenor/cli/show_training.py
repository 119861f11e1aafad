"""How a training and a forecast look in a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tenor.cli.console import line, table

if TYPE_CHECKING:
    from tenor.pipeline.train import TrainResult
    from tenor.schema import Forecast


def show_training(result: TrainResult) -> None:
    """The new version and its losses, seed by seed; and which version is in use now."""
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
    version = result.forecaster.version
    line(f"version: {version} in {result.folder}")
    if result.contest is not None:
        line(result.contest.why)
    if result.champion == version:
        line(f"champion: {version}")
    else:
        line(f"champion: still {result.champion}; 'tenor models promote {version} --force' takes the new one instead")


def show_forecast(forecast: Forecast) -> None:
    """One forecast, and what it attended to most."""
    dates = forecast.to_json()
    line(
        f"{forecast.symbol} for {dates['target_session']} ({forecast.horizon} "
        f"session{'' if forecast.horizon == 1 else 's'} after {dates['session']})"
    )
    line(f"  as of      {forecast.as_of:%Y-%m-%d %H:%M} UTC")
    move = math.expm1(forecast.expected_return)
    line(f"  return     {100 * move:+.2f} % (log {forecast.expected_return:+.5f})")
    line(f"  price      {forecast.price:.2f}, adjusted; last {forecast.last_price:.2f}")
    line(f"  90 %       {forecast.lower:.2f} … {forecast.upper:.2f}")
    line(f"  P(up)      {forecast.p_up:.3f}")
    for title, weights in (("sessions", forecast.attention_time), ("features", forecast.attention_features)):
        top = sorted(weights.items(), key=lambda item: -item[1])[:3]
        if top:
            line(f"  {title:<10} " + ", ".join(f"{name} {100 * weight:.1f} %" for name, weight in top))
    line(f"  model      {forecast.model_version}")
