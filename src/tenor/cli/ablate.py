"""`tenor ablate`: do the news and attention help?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenor.cli import console, show_studies
from tenor.cli.options import (
    DEFAULT_STORE,
    AllowLeak,
    AsJson,
    ConfigFile,
    EngineAddress,
    Moment,
    Network,
    Overrides,
    Store,
    Workers,
    engine_at,
    with_network,
)
from tenor.progress import progress_bars

app = typer.Typer()


@app.command()
def ablate(
    store: Store = DEFAULT_STORE,
    config: ConfigFile = None,
    set_: Overrides = None,
    model: Network = None,
    as_of: Moment = None,
    report: Annotated[Path | None, typer.Option(help="The HTML page of the ablation to write.")] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            help="The part to leave out: news, sentiment, attention, an own feature by name, or own for all own "
            "features; may be repeated."
        ),
    ] = None,
    arms: Annotated[
        list[str] | None,
        typer.Option(
            help="A variant of the news: all-news (number of items), sentiment, topics, kinds, everything, shuffled; "
            "may be repeated."
        ),
    ] = None,
    workers: Workers = None,
    engine: EngineAddress = None,
    allow_leak: AllowLeak = False,
    as_json: AsJson = False,
) -> None:
    """Walk forward with the news, without it, with it shuffled, and without attention; compare risk and returns.

    Counts of news by kind change a forecast after the network, so that variants that differ only in counts share one
    training. On a store without news only attention is compared. --without restricts the comparison to the parts that
    it names.
    """
    from tenor.config import Config
    from tenor.pipeline.ablate import ablate as walk_forward_each

    settings = Config.read(config, with_network(set_, model, as_of))
    with progress_bars(quiet=as_json) as bars:
        ablated = walk_forward_each(
            store,
            settings,
            workers=engine_at(engine, workers),
            progress=bars.arm,
            texts=bars.texts,
            report=report,
            without=without or (),
            arms=arms or (),
            allow_leak=allow_leak,
        )
    if as_json:
        console.print_json(ablated.to_json())
    else:
        show_studies.show_ablation(ablated)
