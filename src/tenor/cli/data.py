"""`tenor data`: bring bars and news into the lake, and look at what is there."""

from __future__ import annotations

from typing import Annotated

import typer

from tenor import console
from tenor.cli.options import DEFAULT_STORE, AsJson, Calendar, Store
from tenor.errors import DataError

app = typer.Typer(no_args_is_help=True, help="Bring bars and news into the lake, and look at what is there.")


@app.command("import")
def data_import(
    paths: Annotated[list[str], typer.Argument(help="Files or folders; 'embedded' for the bars that tenor carries.")],
    store: Store = DEFAULT_STORE,
    calendar: Calendar = "XNYS",
    as_json: AsJson = False,
) -> None:
    """Bring CSV, Parquet or the StockNet folder into the lake; what can't be used is refused by row, the rest kept."""
    from tenor.collect import collect

    collected = collect(store, paths, calendar=calendar)
    if as_json:
        console.print_json(collected.to_json())
    else:
        console.show_collected(collected)
    if not collected.usable:
        raise DataError(f"nothing in {', '.join(paths)} could be used; {len(collected.refused)} rows were refused.")


@app.command("check")
def data_check(store: Store = DEFAULT_STORE, calendar: Calendar = "XNYS", as_json: AsJson = False) -> None:
    """Report per symbol: gaps, duplicates, impossible prices, split-like jumps, stale runs."""
    from tenor.collect import check

    reports = check(store, calendar=calendar)
    if as_json:
        for report in reports:
            console.print_json(report.to_json())
        return
    columns = ("symbol", "first", "last", "sessions", "missing", "duplicates", "not positive", "high < low", "jumps")
    console.table((*columns, "stale runs"), (report.row() for report in reports))
    console.line(f"{sum(report.clean for report in reports)} of {len(reports)} symbols are clean")
