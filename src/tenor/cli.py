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
sentiment_app = typer.Typer(no_args_is_help=True, help="Score texts with BERT, ask why, measure and tune the scorer.")
app.add_typer(sentiment_app, name="sentiment")

Store = Annotated[str, typer.Option(help="The lake: a folder, or s3://bucket/prefix.", envvar="TENOR_STORE")]
AsJson = Annotated[bool, typer.Option("--json", help="Print data instead of text: one object, or one a line.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings, in TOML.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting, above the file: model.hidden=64.")
]
Calendar = Annotated[str, typer.Option(help="The exchange's calendar: XNYS, XLON, XTKS, 24/7 …")]
Version = Annotated[str | None, typer.Option("--model", help="A model version; without it, the champion.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes to train in; without it, one a core.")]
ScorerName = Annotated[
    str, typer.Option("--scorer", help="'default', a folder of weights, or a Hugging Face id such as ProsusAI/finbert.")
]
Labelled = Annotated[str, typer.Option("--data", help="fpb, tfns, semeval17, sentfin, or a CSV file with text,label.")]
Published = Annotated[
    Path | None, typer.Option(help="The folder with the published sets.", envvar="TENOR_DATA", show_envvar=True)
]
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
def ablate(
    store: Store = DEFAULT_STORE,
    config: ConfigFile = None,
    set_: Overrides = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Does the mood help? Walk forward with it, without it, and with it shuffled across days; same folds and seeds."""
    from tenor import studies
    from tenor.config import Config

    settings = Config.read(config, set_ or ())
    with console.bars(quiet=as_json) as bars:
        ablated = studies.ablate(store, settings, workers=workers, progress=bars.arm, texts=bars.texts)
    if as_json:
        console.print_json(ablated.to_json())
    else:
        console.show_ablated(ablated)


@app.command()
def tune(
    store: Store = DEFAULT_STORE,
    config: ConfigFile = None,
    set_: Overrides = None,
    grid: Annotated[
        list[str] | None, typer.Option(help="A key and its values: hidden=16,32; may be given again.")
    ] = None,
    grid_file: Annotated[Path | None, typer.Option(help="The same as a TOML file, in a table [grid].")] = None,
    scoring: Annotated[str, typer.Option(help="What ranks: skill, rank_ic or mcc.")] = "skill",
    horizon: Annotated[int, typer.Option(min=1, help="The horizon that is scored, in sessions.")] = 1,
    out: Annotated[Path, typer.Option(help="Where the best config goes; --config takes it.")] = Path("best.toml"),
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Search a grid of settings on walk-forward folds before the test part. A killed search goes on."""
    from tenor import studies
    from tenor.config import Config

    settings = Config.read(config, set_ or ())
    with console.bars(quiet=as_json) as bars:
        tuned = studies.tune(
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
        )
    if as_json:
        console.print_json(tuned.to_json())
    else:
        console.show_tuned(tuned)


@app.command()
def benchmark(
    name: Annotated[str, typer.Argument(help="acl18, kdd17, or glt for any set in that layout.")],
    data: Annotated[Path, typer.Option(help="The folder, as published.")],
    out: Annotated[Path | None, typer.Option(help="A JSON file for the result.")] = None,
    train_end: Annotated[str | None, typer.Option(help="glt: last day of training.")] = None,
    valid_end: Annotated[str | None, typer.Option(help="glt: last day of validation.")] = None,
    test_end: Annotated[str | None, typer.Option(help="glt: last day of the test.")] = None,
    workers: Workers = 1,
    as_json: AsJson = False,
) -> None:
    """Our row beside the published ones, by their protocol: ten seeds, one frozen configuration."""
    from tenor import studies

    with console.bars(quiet=as_json) as bars:
        result = studies.benchmark(
            name,
            data,
            out=out,
            train_end=train_end,
            valid_end=valid_end,
            test_end=test_end,
            workers=workers or 1,
            progress=bars.epoch,
        )
    if as_json:
        console.print_json(result.to_json())
    else:
        console.show_benchmark(result)


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
    from tenor import studies

    if (file is None) == (features is None):
        raise typer.BadParameter("give a file, or --features, and not both.")
    if features is not None:
        found = studies.leakcheck(store, features, calendar=calendar)
    else:
        from tenor.evaluation.leakcheck import leakcheck_file

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


@sentiment_app.command("score")
def sentiment_score(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to score.")] = None,
    file: Annotated[Path | None, typer.Option(help="A CSV or Parquet file with a column 'text'.")] = None,
    scorer: ScorerName = "default",
    as_json: AsJson = False,
) -> None:
    """P(positive), P(neutral), P(negative) and a score in -1..1 for each text."""
    from tenor.sentiment import Scorer
    from tenor.sentiment.files import read_texts

    if bool(texts) == (file is not None):
        raise typer.BadParameter("give texts, or --file, and not both.")
    given = texts or read_texts(Path(str(file)))
    with console.bars(quiet=as_json) as bars:
        scores = Scorer.load(scorer).score(given, progress=bars.texts)
    if as_json:
        for row in scores.rows():
            console.print_json(row)
    else:
        console.show_scores(given, scores)


@sentiment_app.command("why")
def sentiment_why(
    text: Annotated[str, typer.Argument(help="The text.")], scorer: ScorerName = "default", as_json: AsJson = False
) -> None:
    """Which words moved the score: each is left out in turn."""
    from tenor.sentiment import Scorer, why

    explanation = why(Scorer.load(scorer), text)
    if as_json:
        console.print_json(explanation.to_json())
    else:
        console.show_why(explanation)


@sentiment_app.command("evaluate")
def sentiment_evaluate(
    data: Labelled,
    folder: Published = None,
    agreement: Annotated[int, typer.Option(help="Of PhraseBank's annotators, in %: 50, 66, 75 or 100.")] = 50,
    scorer: ScorerName = "default",
    as_json: AsJson = False,
) -> None:
    """Accuracy, macro-F1 and calibration on labelled sentences, beside a majority class and two lexicons."""
    from tenor.sentiment import Scorer
    from tenor.sentiment.evaluate import compare, read_labelled

    sentences = read_labelled(data, folder, agreement=agreement)
    with console.bars(quiet=as_json) as bars:
        comparison = compare(Scorer.load(scorer), sentences, progress=bars.texts)
    if as_json:
        console.print_json(comparison.to_json())
    else:
        console.show_comparison(comparison)


@sentiment_app.command("train")
def sentiment_train(
    data: Labelled,
    out: Annotated[Path, typer.Option(help="Where the tuned weights go; --scorer takes that folder.")],
    folder: Published = None,
    work: Annotated[Path, typer.Option(help="State of an unfinished run, to go on from.")] = Path("sentiment-work"),
    as_json: AsJson = False,
) -> None:
    """Tune the encoder on labelled sentences. A killed run goes on where it stopped."""
    from tenor.sentiment.evaluate import read_labelled
    from tenor.sentiment.recipe import tune_on

    sentences = read_labelled(data, folder)
    with console.bars(quiet=as_json) as bars:
        quality = tune_on(sentences, out, work=work, on_step=bars.steps)
    if as_json:
        console.print_json({"out": str(out), **quality.to_json()})
    else:
        console.line(
            f"{out}: accuracy {quality.accuracy:.3f}, macro-F1 {quality.macro_f1:.3f} on {quality.n} kept apart"
        )


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
