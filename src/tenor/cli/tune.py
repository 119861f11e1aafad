"""`tenor tune`: which settings are best on folds before the test part?"""

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
def tune(
    store: Store = DEFAULT_STORE,
    config: ConfigFile = None,
    set_: Overrides = None,
    model: Network = None,
    as_of: Moment = None,
    grid: Annotated[
        list[str] | None, typer.Option(help="A setting and its values: hidden=16,32; may be repeated.")
    ] = None,
    grid_file: Annotated[Path | None, typer.Option(help="The grid as a TOML file, in a table [grid].")] = None,
    scoring: Annotated[
        str, typer.Option(help="The metric that ranks: log_variance_r2, error_reduction, rank_ic or mcc.")
    ] = "log_variance_r2",
    horizon: Annotated[int, typer.Option(min=1, help="The horizon that is scored, in sessions.")] = 1,
    out: Annotated[Path, typer.Option(help="The file to write the best settings to, for --config.")] = Path(
        "best.toml"
    ),
    report: Annotated[Path | None, typer.Option(help="The HTML page of the search to write.")] = None,
    workers: Workers = None,
    engine: EngineAddress = None,
    allow_leak: AllowLeak = False,
    as_json: AsJson = False,
) -> None:
    """Search a grid of settings on walk-forward folds before the test part. An interrupted search resumes."""
    from tenor.config import Config
    from tenor.pipeline.tune import tune as search

    settings = Config.read(config, with_network(set_, model, as_of))
    with progress_bars(quiet=as_json) as bars:
        tuned = search(
            store,
            settings,
            grid=grid or (),
            grid_file=grid_file,
            out=out,
            horizon=horizon,
            scoring=scoring,
            workers=engine_at(engine, workers),
            progress=bars.fits,
            texts=bars.texts,
            report=report,
            allow_leak=allow_leak,
        )
    if as_json:
        console.print_json(tuned.to_json())
    else:
        show_studies.show_tuning(tuned)
