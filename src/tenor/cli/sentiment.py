"""`tenor sentiment`: score texts, ask why, measure and tune the scorer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenor import console
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
    with console.bars(quiet=as_json) as bars:
        scores = Scorer.load(scorer).score(given, progress=bars.texts)
    if as_json:
        for row in scores.rows():
            console.print_json(row)
    else:
        console.show_scores(given, scores)


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
        console.show_why(explanation)


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
    from tenor.sentiment.evaluate import compare, read_labelled

    sentences = read_labelled(data, folder, agreement=agreement)
    with console.bars(quiet=as_json) as bars:
        comparison = compare(Scorer.load(scorer), sentences, progress=bars.texts)
    if as_json:
        console.print_json(comparison.to_json())
    else:
        console.show_comparison(comparison)


@app.command("train")
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
