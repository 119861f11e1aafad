"""`tenor today`: the digest of the newest forecasts."""

from __future__ import annotations

from typing import Annotated

import typer

from tenor.cli import console
from tenor.cli.options import DEFAULT_STORE, AsJson, ConfigFile, Overrides, Store

app = typer.Typer()


@app.command()
def today(
    store: Store = DEFAULT_STORE,
    symbol: Annotated[list[str] | None, typer.Option(help="Only this symbol; may be repeated.")] = None,
    send: Annotated[bool, typer.Option("--send", help="Also send the digest over alerts.channels.")] = False,
    config: ConfigFile = None,
    set_: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Print a digest of the newest forecasts: widest ranges, misses, bursts of news, the model's health."""
    from dataclasses import replace

    from tenor.config import Config
    from tenor.pipeline.alerting import today as run
    from tenor.serving.digest import digest_text
    from tenor.serving.published import published_forecasts

    settings = Config.read(config, set_ or ()).alerts
    if symbol:
        settings = replace(settings, symbols=tuple(symbol))
    summary = run(published_forecasts(store), settings, send=send)
    if as_json:
        console.print_json(summary.to_json())
    else:
        console.line(digest_text(summary))
