"""`tenor upload`: a laptop's store into a bucket, or one bucket's into another."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from tenor.cli import console
from tenor.cli.options import DEFAULT_STORE, AsJson, Store
from tenor.progress import progress_bars

app = typer.Typer()


@app.command()
def upload(
    to: Annotated[str, typer.Option(help="The target: s3://bucket/prefix, or a folder.")],
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Copy bars, news, models and published forecasts to another store.

    Existing objects are not changed; pointers are written last.
    """
    from tenor.pipeline.upload import upload as copy

    with progress_bars(quiet=as_json) as bars:
        done = copy(store, to, progress=bars.objects)
    if as_json:
        console.print_json(asdict(done))
    else:
        console.line(f"{done.sent} objects sent ({done.bytes / 1e6:.1f} MB), {done.present} were there already")
