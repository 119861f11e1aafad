"""`tenor benchmark`: tenor's row beside the published ones, by their protocols."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenor.cli import console, show_studies
from tenor.cli.options import DEFAULT_STORE, AsJson, Store, Workers
from tenor.progress import progress_bars

app = typer.Typer()


@app.command()
def benchmark(
    name: Annotated[str, typer.Argument(help="acl18, kdd17, or glt for any data set in that layout.")],
    data: Annotated[Path, typer.Option(help="The folder of the data set, as published.")],
    out: Annotated[Path | None, typer.Option(help="The JSON file to write the result to.")] = None,
    train_end: Annotated[str | None, typer.Option(help="glt: last day of training.")] = None,
    valid_end: Annotated[str | None, typer.Option(help="glt: last day of validation.")] = None,
    test_end: Annotated[str | None, typer.Option(help="glt: last day of the test.")] = None,
    text: Annotated[bool, typer.Option(help="glt: use the folder's tweets, or only prices.")] = True,
    seeds: Annotated[int, typer.Option(min=1, help="Networks to train; the protocols ask for ten.")] = 10,
    store: Store = DEFAULT_STORE,
    workers: Workers = 1,
    as_json: AsJson = False,
) -> None:
    """Train by the protocol of a published benchmark and compare with published results. An interrupted run resumes."""
    from tenor.pipeline.benchmark import benchmark as run

    with progress_bars(quiet=as_json) as bars:
        result = run(
            name,
            data,
            out=out,
            train_end=train_end,
            valid_end=valid_end,
            test_end=test_end,
            workers=workers or 1,
            progress=bars.epoch,
            store=store,
            seeds=seeds,
            text=text,
            texts=bars.texts,
        )
    if as_json:
        console.print_json(result.to_json())
    else:
        show_studies.show_benchmark(result)
