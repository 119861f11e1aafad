"""The ``tenor`` command: every verb is one call into `pipeline` or a room, told as text or, with ``--json``, as data.

Exit codes: 0 done; 1 a failure, told in one line on stderr; 2 wrong usage (an unknown option, key or value).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tenor import console
from tenor.errors import ConfigError, DataError, TenorError

HELP = "Stock forecasts from prices, indicators and the mood of the news, judged honestly."

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=HELP)
data_app = typer.Typer(no_args_is_help=True, help="Bring bars and news into the lake, and look at what is there.")
app.add_typer(data_app, name="data")

Store = Annotated[str, typer.Option(help="The lake: a folder, or s3://bucket/prefix.", envvar="TENOR_STORE")]
AsJson = Annotated[bool, typer.Option("--json", help="Print data instead of text: one object, or one a line.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings, in TOML.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting, above the file: model.hidden=64.")
]
Calendar = Annotated[str, typer.Option(help="The exchange's calendar: XNYS, XLON, XTKS, 24/7 …")]
Version = Annotated[str | None, typer.Option("--model", help="A model version; without it, the champion.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes to train in; without it, one a core.")]
DEFAULT_STORE = "lake"


@data_app.command("import")
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


@data_app.command("check")
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


@app.command()
def train(
    store: Store = DEFAULT_STORE,
    config: ConfigFile = None,
    set_: Overrides = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Train the forecaster on the lake's bars and make it the champion. A killed run resumes where it stopped."""
    from tenor import pipeline
    from tenor.collect import EMBEDDED, collect
    from tenor.config import Config

    settings = Config.read(config, set_ or ())
    if store == DEFAULT_STORE and not Path(store).exists():
        console.stderr.print(f"no lake at {store!r} yet: filling it with the embedded bars of 88 US stocks, 2012-2017")
        collect(store, [EMBEDDED])
    with console.bars(quiet=as_json) as bars:
        trained = pipeline.train(store, settings, workers=workers, progress=bars.epoch, scoring=bars.texts)
    if as_json:
        console.print_json(trained.to_json())
    else:
        console.show_trained(trained)


@app.command()
def evaluate(
    store: Store = DEFAULT_STORE,
    config: ConfigFile = None,
    set_: Overrides = None,
    workers: Workers = None,
    model: Version = None,
    report: Annotated[Path, typer.Option(help="The HTML report to write; the figures as JSON lie beside it.")] = Path(
        "report.html"
    ),
    show: Annotated[list[str] | None, typer.Option(help="A symbol to draw by itself; may be given again.")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge the champion on sessions it never saw, beside baselines, and write the report."""
    from tenor import pipeline
    from tenor.config import Config

    settings = Config.read(config, set_ or ()) if config or set_ else None
    with console.bars(quiet=as_json) as bars:
        judged = pipeline.evaluate(
            store, config=settings, version=model, report=report, show=show or (), workers=workers, progress=bars.epoch
        )
    if as_json:
        console.print_json(judged.to_json())
        return
    for evaluation in judged.evaluations.values():
        console.show_evaluation(evaluation)
    console.show_ablation(judged.ablation)
    console.line(f"\nreport: {judged.report}")


@app.command()
def predict(
    symbols: Annotated[list[str], typer.Argument(help="Symbols to forecast.")],
    store: Store = DEFAULT_STORE,
    horizon: Annotated[int, typer.Option(min=1, help="Sessions ahead.")] = 1,
    model: Version = None,
    as_json: AsJson = False,
) -> None:
    """Forecast from the last bars in the lake."""
    from tenor import pipeline

    for forecast in pipeline.predict(store, symbols, horizon=horizon, version=model):
        if as_json:
            console.print_json(forecast.to_json())
        else:
            console.show_forecast(forecast)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (without the program's name) and return its exit code."""
    try:
        app(args=list(sys.argv[1:] if argv is None else argv), prog_name="tenor")
    except SystemExit as stop:  # done, or a usage error that is told already
        return stop.code if isinstance(stop.code, int) else 1
    except ConfigError as error:
        return _fail(str(error), 2)
    except TenorError as error:
        return _fail(str(error), 1)
    except BrokenPipeError:  # the reader of our output went away
        sys.stderr.close()
        return 1
    except OSError as error:
        return _fail(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), 1)
    return 0


def _fail(message: str, code: int) -> int:
    console.stderr.print(f"tenor: {' '.join(message.split())}", soft_wrap=True, markup=False)
    return code
