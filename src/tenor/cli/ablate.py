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
            help="What to ask about: news, sentiment, attention, an own feature by name, own for all; may be repeated."
        ),
    ] = None,
    arms: Annotated[
        list[str] | None,
        typer.Option(
            help="What of the news: all-news (how many items), sentiment, topics, kinds, everything, shuffled; may be "
            "repeated."
        ),
    ] = None,
    workers: Workers = None,
    engine: EngineAddress = None,
    allow_leak: AllowLeak = False,
    as_json: AsJson = False,
) -> None:
    """Walk forward with the news, without it, with it shuffled, and without attention; compare risk and returns.

    Counts of the news by kind change a forecast after the network: arms that differ in them alone share its training.
    A store without news is asked about attention alone. With --without only what it names is asked about.
    """
    from tenor.config import Config
    from tenor.pipeline.ablate import ablate as walk_forward_each

    settings = Config.read(config, with_network(set_, model, as_of))
    with console.progress_bars(quiet=as_json) as bars:
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
