"""Beside training: does sentiment help, which settings are best, how do published models fare, does it leak?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenor.cli import console, show_studies
from tenor.cli.options import DEFAULT_STORE, AsJson, Calendar, ConfigFile, Overrides, Store, Workers
from tenor.errors import DataError

app = typer.Typer()

Report = Annotated[Path | None, typer.Option(help="An HTML file for the page that shows it.")]


@app.command()
def ablate(
    store: Store = DEFAULT_STORE,
    config: ConfigFile = None,
    set_: Overrides = None,
    report: Report = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Does sentiment help? Walk forward with it, without it, and with it shuffled across days; same folds and seeds."""
    from tenor.config import Config
    from tenor.pipeline import ablate as ablate_

    settings = Config.read(config, set_ or ())
    with console.progress_bars(quiet=as_json) as bars:
        ablated = ablate_.ablate(store, settings, workers=workers, progress=bars.arm, texts=bars.texts, report=report)
    if as_json:
        console.print_json(ablated.to_json())
    else:
        show_studies.show_ablation(ablated)


@app.command()
def tune(
    store: Store = DEFAULT_STORE,
    config: ConfigFile = None,
    set_: Overrides = None,
    grid: Annotated[
        list[str] | None, typer.Option(help="A key and its values: hidden=16,32; may be given again.")
    ] = None,
    grid_file: Annotated[Path | None, typer.Option(help="The same as a TOML file, in a table [grid].")] = None,
    scoring: Annotated[str, typer.Option(help="What ranks: error_reduction, rank_ic or mcc.")] = "error_reduction",
    horizon: Annotated[int, typer.Option(min=1, help="The horizon that is scored, in sessions.")] = 1,
    out: Annotated[Path, typer.Option(help="Where the best config goes; --config takes it.")] = Path("best.toml"),
    report: Report = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Search a grid of settings on walk-forward folds before the test part. A killed search goes on."""
    from tenor.config import Config
    from tenor.pipeline import tune as tune_

    settings = Config.read(config, set_ or ())
    with console.progress_bars(quiet=as_json) as bars:
        tuned = tune_.tune(
            store,
            settings,
            grid=grid or (),
            grid_file=grid_file,
            out=out,
            horizon=horizon,
            scoring=scoring,
            workers=workers,
            progress=bars.fits,
            texts=bars.texts,
            report=report,
        )
    if as_json:
        console.print_json(tuned.to_json())
    else:
        show_studies.show_tuning(tuned)


@app.command()
def benchmark(
    name: Annotated[str, typer.Argument(help="acl18, kdd17, or glt for any set in that layout.")],
    data: Annotated[Path, typer.Option(help="The folder, as published.")],
    out: Annotated[Path | None, typer.Option(help="A JSON file for the result.")] = None,
    train_end: Annotated[str | None, typer.Option(help="glt: last day of training.")] = None,
    valid_end: Annotated[str | None, typer.Option(help="glt: last day of validation.")] = None,
    test_end: Annotated[str | None, typer.Option(help="glt: last day of the test.")] = None,
    text: Annotated[bool, typer.Option(help="glt: with the folder's tweets, or prices alone.")] = True,
    seeds: Annotated[int, typer.Option(min=1, help="Networks; the protocols ask for ten.")] = 10,
    store: Store = DEFAULT_STORE,
    workers: Workers = 1,
    as_json: AsJson = False,
) -> None:
    """Our row beside the published ones, by their protocol: ten seeds, frozen settings. A killed run goes on."""
    from tenor.pipeline import benchmark as benchmark_

    with console.progress_bars(quiet=as_json) as bars:
        result = benchmark_.benchmark(
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


@app.command()
def leakcheck(
    file: Annotated[Path | None, typer.Argument(help="A finished table, CSV or Parquet.")] = None,
    features: Annotated[str | None, typer.Option(help="A function instead: path/to/file.py:name, of the bars.")] = None,
    store: Store = DEFAULT_STORE,
    target: Annotated[str | None, typer.Option(help="The column that is forecast.")] = None,
    date: Annotated[str | None, typer.Option(help="The column with the session.")] = None,
    symbol: Annotated[str | None, typer.Option(help="The column with the symbol.")] = None,
    split: Annotated[str | None, typer.Option(help="The column that says train, validation or test.")] = None,
    train_end: Annotated[str | None, typer.Option(help="Or the last day of training.")] = None,
    published_at: Annotated[str | None, typer.Option(help="The column with the news' time of publication.")] = None,
    price: Annotated[str | None, typer.Option(help="The column with the close.")] = None,
    horizon: Annotated[int, typer.Option(min=1, help="Sessions ahead of the target.")] = 1,
    calendar: Calendar = "XNYS",
    as_json: AsJson = False,
) -> None:
    """Does your data, or your feature function, see the future? Exits 1 where it does, and names what."""
    from tenor.pipeline import leakcheck as leakcheck_

    if (file is None) == (features is None):
        raise typer.BadParameter("give a file, or --features, and not both.")
    if features is not None:
        found = leakcheck_.leakcheck(store, features, calendar=calendar)
    else:
        from tenor.leakcheck import leakcheck_file

        found = leakcheck_file(
            Path(str(file)),
            target=target,
            date=date,
            symbol=symbol,
            split=split,
            train_end=train_end,
            published_at=published_at,
            price=price,
            horizon=horizon,
            calendar=calendar,
        )
    if as_json:
        console.print_json(found.to_json())
    else:
        console.line(found.describe())
    if not found.ok:
        raise DataError(f"{len(found.findings)} leaks: {', '.join(found.kinds)}.")
