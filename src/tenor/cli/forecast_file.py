"""`tenor forecast-file`: a file of forecasts by anybody's model, for `tenor judge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenor.cli import console
from tenor.cli.options import DEFAULT_STORE, AsJson, Store
from tenor.errors import ConfigError
from tenor.progress import progress_bars

app = typer.Typer()


@app.command("forecast-file")
def forecast_file(
    output: Annotated[Path, typer.Option(help="The file to write, .csv or .parquet.")],
    first: Annotated[str, typer.Option("--from", help="The first session, YYYY-MM-DD.")],
    last: Annotated[str, typer.Option("--to", help="The last session.")],
    with_: Annotated[
        str,
        typer.Option(
            "--with",
            help="The model: chronos, timesfm, tirex, kronos, neuralforecast, fracast, …, or file.py:function.",
        ),
    ],
    model_folder: Annotated[Path | None, typer.Option(help="Folder of the model; nothing is downloaded.")] = None,
    store: Store = DEFAULT_STORE,
    symbol: Annotated[list[str] | None, typer.Option(help="Only this symbol; may be repeated.")] = None,
    horizons: Annotated[str, typer.Option(help="Sessions ahead.")] = "1,5",
    every: Annotated[int, typer.Option(min=1, help="Forecast after every n-th session.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Windows that the model gets in one call.")] = 64,
    trained_until: Annotated[
        str | None, typer.Option(help="The last date whose close the model's training saw, according to its makers.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The model's name in the file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let another model forecast past sessions, each from the bars up to it, and write the forecasts for 'tenor judge'.

    Install the model's package together with tenor in a separate environment.
    """
    from tenor.adapters import load_model, write
    from tenor.forecast_table import format_of
    from tenor.workspace import Workspace

    format_of(output)
    ahead = _horizons(horizons)
    model = load_model(with_, model_folder)
    bars = Workspace(store).lake.bars(symbol or None)
    with progress_bars(quiet=as_json) as progress:
        table = write(
            model,
            bars,
            output,
            first=first,
            last=last,
            horizons=ahead,
            every=every,
            batch=batch,
            trained_until=trained_until,
            name=name,
            progress=progress.windows,
        )
    written = {
        "output": str(output),
        "model": str(table["model"].iloc[0]),
        "forecasts": len(table),
        "symbols": int(table["symbol"].nunique()),
        "sessions": [str(table["session"].min()), str(table["session"].max())],
    }
    if as_json:
        console.print_json(written)
    else:
        console.line(f"{len(table):,} forecasts of {written['symbols']} symbols by {written['model']}: {output}")
        console.line(f"tenor judge {output} --store {store}")


def _horizons(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"--horizons {text!r} are not numbers: write them as 1,5.") from None
