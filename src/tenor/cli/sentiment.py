"""`tenor sentiment`: score texts, explain scores, evaluate and tune the scorer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenor.cli import console, show_sentiment
from tenor.cli.options import AsJson, Labelled, Published, ScorerName
from tenor.progress import progress_bars

app = typer.Typer(no_args_is_help=True, help="Score texts with BERT, explain scores, evaluate and tune the scorer.")


@app.command("score")
def sentiment_score(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to score.")] = None,
    file: Annotated[Path | None, typer.Option(help="A CSV or Parquet file with texts, instead of TEXTS.")] = None,
    column: Annotated[
        str | None, typer.Option(help="The file's column of texts; by default 'text', 'headline' or 'title'.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="The file's encoding, if it is not UTF-8: gbk, cp1251 …")] = None,
    scorer: ScorerName = "default",
    kinds: Annotated[
        Path | None,
        typer.Option(
            help="A classifier of the kinds of news that was trained for the scorer; by default the one that "
            "comes with it."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print P(positive), P(neutral), P(negative), a score in -1..1 and the kinds of news for each text."""
    from tenor.ingest.files.text_columns import read_texts
    from tenor.sentiment import Scorer

    if bool(texts) == (file is not None):
        raise typer.BadParameter("give either texts or --file.")
    if file is None and (column is not None or encoding is not None):
        option = "--column names a column" if column is not None else "--encoding is that"
        raise typer.BadParameter(f"{option} of --file: give one.")
    to_score = texts or read_texts(Path(str(file)), column, encoding)
    with progress_bars(quiet=as_json) as bars:
        loaded = Scorer.load(scorer, kinds=kinds)
        scores = loaded.score(to_score, progress=bars.texts, kinds=loaded.has_kinds)
    if as_json:
        for row in scores.rows():
            console.print_json(row)
    else:
        show_sentiment.show_scores(to_score, scores)


@app.command("why")
def sentiment_why(
    text: Annotated[str, typer.Argument(help="The text to explain.")],
    scorer: ScorerName = "default",
    as_json: AsJson = False,
) -> None:
    """Show how much each word changes the score, by leaving out each in turn."""
    from tenor.sentiment import Scorer, why

    explanation = why(Scorer.load(scorer), text)
    if as_json:
        console.print_json(explanation.to_json())
    else:
        show_sentiment.show_explanation(explanation)


@app.command("evaluate")
def sentiment_evaluate(
    data: Labelled = "embedded",
    folder: Published = None,
    agreement: Annotated[
        int, typer.Option(help="For fpb: the least agreement of its annotators in %: 50, 66, 75 or 100.")
    ] = 50,
    scorer: ScorerName = "default",
    as_json: AsJson = False,
) -> None:
    """Print accuracy, macro-F1 and calibration on labelled sentences, with a majority class and two lexicons.

    Lexicons that are not installed are left out.
    """
    from tenor.sentiment import Scorer
    from tenor.sentiment.training.evaluate import compare_scorers, read_labelled

    sentences = read_labelled(data, folder, agreement=agreement)
    with progress_bars(quiet=as_json) as bars:
        comparison = compare_scorers(Scorer.load(scorer), sentences, progress=bars.texts)
    if as_json:
        console.print_json(comparison.to_json())
    else:
        show_sentiment.show_comparison(comparison)


@app.command("benchmark")
def sentiment_benchmark(
    folder: Published = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of random splits to tune and test on.")] = 5,
    start: Annotated[
        Path | None,
        typer.Option(help="Folder of a float32 classifier to start from; by default the weights in this package."),
    ] = None,
    work: Annotated[
        Path, typer.Option(help="Folder for the result of each seed; finished seeds are not run again.")
    ] = Path("sentiment-benchmark"),
    as_json: AsJson = False,
) -> None:
    """Tune on Financial PhraseBank and test on a random 20 %, once for each seed.

    A seed takes about 8 minutes on one core, and twice as long on a processor without bfloat16.
    """
    from tenor.sentiment.training.evaluate import published_folder
    from tenor.sentiment.training.protocol import fpb_protocol

    with progress_bars(quiet=as_json) as bars:
        report = fpb_protocol(
            published_folder("fpb", folder), range(seeds), start=start, work=work, on_step=bars.steps
        ).to_json()
    if as_json:
        console.print_json(report)
        return
    cells = [(part, measure) for part in ("at_50", "at_100") for measure in ("accuracy", "macro_f1")]
    rows = [(str(result["seed"]), *(f"{result[part][name]:.3f}" for part, name in cells)) for result in report["seeds"]]
    spread = [report[f"{name}_{part}"] for part, name in cells]
    rows.append(("mean ± sd", *(f"{values['mean']:.3f} ± {values['sd']:.3f}" for values in spread)))
    console.table(("seed", "accuracy 50 %", "macro-F1", "accuracy 100 %", "macro-F1"), rows)


@app.command("train")
def sentiment_train(
    data: Labelled,
    out: Annotated[Path, typer.Option(help="Folder for the tuned weights, to pass to --scorer.")],
    folder: Published = None,
    work: Annotated[Path, typer.Option(help="Folder for checkpoints, from which an interrupted run resumes.")] = Path(
        "sentiment-work"
    ),
    device: Annotated[
        str, typer.Option(help="What tunes: cpu; cuda, a card; auto, a card where there is one.")
    ] = "cpu",
    as_json: AsJson = False,
) -> None:
    """Tune the scorer of this package on labelled sentences. An interrupted run resumes when it is started again."""
    from tenor.config import changed
    from tenor.sentiment.training.evaluate import read_labelled
    from tenor.sentiment.training.tune import TUNE_CONFIG, tune_on

    config = changed(TUNE_CONFIG, {"device": device}, "")
    sentences = read_labelled(data, folder)
    with progress_bars(quiet=as_json) as bars:
        quality = tune_on(sentences, out, work=work, config=config, on_step=bars.steps)
    if as_json:
        console.print_json({"out": str(out), **quality.to_json()})
    else:
        console.line(
            f"{out}: accuracy {quality.accuracy:.3f}, macro-F1 {quality.macro_f1:.3f} on {quality.n} held-out sentences"
        )
