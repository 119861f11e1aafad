"""`tenor train`, `tenor evaluate`, `tenor predict`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenor.cli import console, show_evaluation, show_training
from tenor.cli.extras import missing
from tenor.cli.options import (
    DEFAULT_STORE,
    AllowLeak,
    AsJson,
    ConfigFile,
    EngineAddress,
    Moment,
    MomentOfModel,
    Network,
    Overrides,
    Store,
    Version,
    Workers,
    engine_at,
    sources_of,
    with_network,
)
from tenor.progress import progress_bars

app = typer.Typer()


@app.command()
def train(
    store: Store = DEFAULT_STORE,
    config: ConfigFile = None,
    set_: Overrides = None,
    model: Network = None,
    as_of: Moment = None,
    workers: Workers = None,
    engine: EngineAddress = None,
    allow_leak: AllowLeak = False,
    as_json: AsJson = False,
) -> None:
    """Train on the lake's bars.

    A new model becomes the champion if it beats the current one. An interrupted run resumes.
    """
    from tenor.config import Config
    from tenor.ingest.importing import EMBEDDED, import_files
    from tenor.pipeline import train

    settings = Config.read(config, with_network(set_, model, as_of))
    if store == DEFAULT_STORE and not Path(store).exists():
        console.note(f"no lake at {store!r} yet: filling it with the embedded bars of 88 US stocks, 2012-2017")
        import_files(store, [EMBEDDED])
    with progress_bars(quiet=as_json) as bars:
        trained = train.train(
            store,
            settings,
            workers=engine_at(engine, workers),
            progress=bars.epoch,
            scoring=bars.texts,
            allow_leak=allow_leak,
        )
    if as_json:
        console.print_json(trained.to_json())
    else:
        show_training.show_training(trained, store)


@app.command()
def evaluate(
    store: Store = DEFAULT_STORE,
    config: ConfigFile = None,
    set_: Overrides = None,
    workers: Workers = None,
    engine: EngineAddress = None,
    model: Annotated[str | None, typer.Option(help="A version, or champion; by default the latest.")] = None,
    as_of: MomentOfModel = None,
    report: Annotated[
        Path, typer.Option(help="The HTML report to write; its figures are written as JSON beside it.")
    ] = Path("report.html"),
    show: Annotated[list[str] | None, typer.Option(help="A symbol that gets its own figure; may be repeated.")] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(help="Your own regressor: path/to/file.py:name, scikit-learn's fit and predict; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a model walk-forward against baselines, and write the report. An interrupted run resumes."""
    from tenor.config import Config
    from tenor.evaluation import statistical
    from tenor.pipeline import evaluate

    settings = Config.read(config, set_ or ()) if config or set_ else None
    with progress_bars(quiet=as_json) as bars:
        judged = evaluate.evaluate(
            store,
            config=settings,
            version=model,
            as_of=as_of,
            report=report,
            show=show or (),
            baselines=baseline or (),
            workers=engine_at(engine, workers),
            progress=bars.epoch,
            walking=bars.arm,
        )
    if as_json:
        console.print_json(judged.to_json())
        return
    show_evaluation.show_risk(judged.risk, judged.use, verdict=judged.verdict)
    console.line("")
    show_evaluation.show_walk_forward(judged.walked)
    console.line(f"\nVersion {judged.version} on its own test part")
    for evaluation in judged.evaluations.values():
        show_evaluation.show_evaluation(evaluation)
    show_evaluation.show_sentiment_effect(judged.ablation, judged.risk_ablation)
    if not statistical.available():
        names = ", ".join(statistical.STATISTICAL)
        console.line(f"\nleft out of the baselines: {names}. {missing(statistical.LIBRARY)}")
    console.line(f"\nreport: {judged.report}")


@app.command()
def predict(
    symbols: Annotated[list[str], typer.Argument(help="Symbols to forecast.")],
    store: Store = DEFAULT_STORE,
    horizon: Annotated[
        list[int] | None, typer.Option(min=1, help="Sessions ahead; may be repeated; by default 1.")
    ] = None,
    model: Version = None,
    as_of: MomentOfModel = None,
    session: Annotated[
        str | None,
        typer.Option(help="An earlier session, YYYY-MM-DD: makes the forecast after it, from what was known then."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write the forecasts as a table, .csv or .parquet, that 'tenor judge' reads.")
    ] = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Forecast how far prices may move, from the last bars in the lake.

    A symbol that can't be forecast is reported in one line, the others are forecast, and the exit code is 1. The same
    happens to a symbol with stale bars if sources.when_stale is refuse; otherwise its forecast is marked as stale.
    """
    from tenor.forecast_table import format_of, write_forecasts
    from tenor.pipeline.current import current_forecasts

    if output is not None:
        format_of(output)  # before the forecasts are made: what is wrong with a name is no work
    current = current_forecasts(
        store,
        symbols,
        horizons=horizon or [1],
        version=model,
        as_of=as_of,
        session=session,
        sources=sources_of(config, set_),
    )
    notes = [f"stale: {current.stale[f['symbol']]}" for f in current.forecasts if f["symbol"] in current.stale]
    for line in dict.fromkeys([*notes, *current.notes, *current.failed.values()]):
        console.note(f"tenor: {' '.join(line.split())}")
    if output is not None and current.forecasts:
        write_forecasts(output, current.rows())
    for forecast in current.forecasts:
        if as_json:
            console.print_json({**forecast, "stale": current.stale.get(forecast["symbol"])})
        elif output is None:
            show_training.show_forecast(forecast)
    if output is not None and current.forecasts and not as_json:
        console.line(f"{len(current.forecasts)} forecasts: {output}")
    if current.failed:
        raise typer.Exit(1)
