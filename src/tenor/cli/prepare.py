"""`tenor prepare`: from files to the table that a training reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenor.cli import console
from tenor.cli.data import show_import
from tenor.cli.options import DEFAULT_STORE, AsJson, ConfigFile, Overrides, Store
from tenor.progress import progress_bars

app = typer.Typer()


@app.command()
def prepare(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files or folders with bars or news; by default the content of the lake, or 'embedded' if it is empty."
        ),
    ] = None,
    store: Store = DEFAULT_STORE,
    config: ConfigFile = None,
    set_: Overrides = None,
    output: Annotated[
        Path | None, typer.Option(help="A file, .csv or .parquet, to write the features and targets to.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import files, score the news, and build the features and targets that 'tenor train' reads."""
    from tenor.config import Config
    from tenor.pipeline.prepare import prepare as run

    settings = Config.read(config, set_ or ())
    with progress_bars(quiet=as_json) as bars:
        result = run(store, paths or (), settings, output=output, progress=bars.texts)
    if as_json:
        console.print_json(result.to_json())
        return
    if result.imported is not None:
        show_import(result.imported)
    console.line(repr(result.panel))
    console.line(f"{int(result.panel.mask.sum()):,} rows have all features: 'tenor train --store {store}' reads them")
    if result.output is not None:
        console.line(f"table: {result.output}")
