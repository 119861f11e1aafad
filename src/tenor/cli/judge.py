"""`tenor judge`: is it worth anything? Anybody's forecasts beside the baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenor.cli import console
from tenor.cli.options import DEFAULT_STORE, AsJson, EngineAddress, Store, Workers, engine_at
from tenor.progress import progress_bars

app = typer.Typer()


@app.command()
def judge(
    files: Annotated[list[Path], typer.Argument(help="Forecasts as CSV or Parquet, one file for each model.")],
    store: Store = DEFAULT_STORE,
    report: Annotated[
        Path | None, typer.Option(help="The HTML page to write, as one file that can be published.")
    ] = None,
    trained_until: Annotated[
        str | None, typer.Option(help="The last day (YYYY-MM-DD) that the training of the models saw.")
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option(help="The files' own column names: symbol=Ticker,session=Datum.")
    ] = None,
    dates: Annotated[str | None, typer.Option(help="The order of dates such as 02/12/2024: dmy, mdy or ymd.")] = None,
    calendar: Annotated[
        str | None,
        typer.Option(help="The calendar whose sessions count: XNYS, XLON, 24/7 …; by default that of the symbols."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out the slow baselines: boosting, GARCH, ARIMA.")
    ] = False,
    workers: Workers = None,
    engine: EngineAddress = None,
    as_json: AsJson = False,
) -> None:
    """Judge anybody's forecasts (symbol, session, horizon and price, return, volatility, p_up or q05 …) on the lake."""
    from tenor.cli.show_judgement import show_judgement
    from tenor.ingest.files.column_names import parse_columns
    from tenor.ingest.files.forecast_columns import NAMES
    from tenor.pipeline.judge import judge as judge_files

    own_names = parse_columns(columns or (), NAMES)
    with progress_bars(quiet=as_json) as bars:
        judgement = judge_files(
            files,
            store,
            report=report,
            trained_until=trained_until,
            columns=own_names,
            dates=dates,
            calendar=calendar,
            quick=quick,
            workers=engine_at(engine, workers),
            progress=bars.arm,
        )
    if as_json:
        console.print_json(judgement.to_json())
        return
    show_judgement(judgement)
    if report is not None:
        console.line(f"\nreport: {report}")
