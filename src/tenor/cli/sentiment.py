"""`tenor sentiment`: score texts, ask why, measure and tune the scorer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenor.cli import console, show_sentiment
from tenor.cli.options import AsJson, Labelled, Published, ScorerName

app = typer.Typer(no_args_is_help=True, help="Score texts with BERT, ask why, measure and tune the scorer.")


@app.command("score")
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
    with console.progress_bars(quiet=as_json) as bars:
        scores = Scorer.load(scorer).score(given, progress=bars.texts)
    if as_json:
        for row in scores.rows():
            console.print_json(row)
    else:
        show_sentiment.show_scores(given, scores)


@app.command("why")
def sentiment_why(
    text: Annotated[str, typer.Argument(help="The text.")], scorer: ScorerName = "default", as_json: AsJson = False
) -> None:
    """Which words moved the score: each is left out in turn."""
    from tenor.sentiment import Scorer, why

    explanation = why(Scorer.load(scorer), text)
    if as_json:
        console.print_json(explanation.to_json())
    else:
        show_sentiment.show_explanation(explanation)


@app.command("evaluate")
def sentiment_evaluate(
    data: Labelled,
    folder: Published = None,
    agreement: Annotated[int, typer.Option(help="Of PhraseBank's annotators, in %: 50, 66, 75 or 100.")] = 50,
    scorer: ScorerName = "default",
    as_json: AsJson = False,
) -> None:
    """Accuracy, macro-F1 and calibration on labelled sentences, beside a majority class and two lexicons."""
    from tenor.sentiment import Scorer
    from tenor.sentiment.training.evaluate import compare, read_labelled

    sentences = read_labelled(data, folder, agreement=agreement)
    with console.progress_bars(quiet=as_json) as bars:
        comparison = compare(Scorer.load(scorer), sentences, progress=bars.texts)
    if as_json:
        console.print_json(comparison.to_json())
    else:
        show_sentiment.show_comparison(comparison)


@app.command("benchmark")
def sentiment_benchmark(
    folder: Published = None,
    seeds: Annotated[int, typer.Option(min=1, help="Splits to tune and test on.")] = 5,
    start: Annotated[
        Path | None, typer.Option(help="A float32 classifier to start from; without it, the weights of this package.")
    ] = None,
    work: Annotated[Path, typer.Option(help="Each seed's result; what is there is not run again.")] = Path(
        "sentiment-benchmark"
    ),
    as_json: AsJson = False,
) -> None:
    """Tune on Financial PhraseBank and test on a random 20 %, once a seed: about 8 minutes a seed on one core.

    Twice that on a processor without bfloat16.
    """
    from tenor.sentiment.training.evaluate import published_folder
    from tenor.sentiment.training.protocol import fpb_protocol

    with console.progress_bars(quiet=as_json) as bars:
        report = fpb_protocol(
            published_folder("fpb", folder), range(seeds), start=start, work=work, on_step=bars.steps
        ).to_json()
    if as_json:
        console.print_json(report)
        return
    cells = [(part, measure) for part in ("at_50", "at_100") for measure in ("accuracy", "macro_f1")]
    rows = [(str(told["seed"]), *(f"{told[part][name]:.3f}" for part, name in cells)) for told in report["seeds"]]
    spread = [report[f"{name}_{part}"] for part, name in cells]
    rows.append(("mean ± sd", *(f"{of['mean']:.3f} ± {of['sd']:.3f}" for of in spread)))
    console.table(("seed", "accuracy 50 %", "macro-F1", "accuracy 100 %", "macro-F1"), rows)


@app.command("train")
def sentiment_train(
    data: Labelled,
    out: Annotated[Path, typer.Option(help="Where the tuned weights go; --scorer takes that folder.")],
    folder: Published = None,
    work: Annotated[Path, typer.Option(help="State of an unfinished run, to go on from.")] = Path("sentiment-work"),
    as_json: AsJson = False,
) -> None:
    """Tune the scorer of this package on labelled sentences. A killed run goes on where it stopped."""
    from tenor.sentiment.training.evaluate import read_labelled
    from tenor.sentiment.training.recipe import tune_on

    sentences = read_labelled(data, folder)
    with console.progress_bars(quiet=as_json) as bars:
        quality = tune_on(sentences, out, work=work, on_step=bars.steps)
    if as_json:
        console.print_json({"out": str(out), **quality.to_json()})
    else:
        console.line(
            f"{out}: accuracy {quality.accuracy:.3f}, macro-F1 {quality.macro_f1:.3f} on {quality.n} kept apart"
        )
