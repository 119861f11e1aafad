"""`tenor topics`: what the store's own news is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tenor.cli import console
from tenor.cli.options import DEFAULT_STORE, AsJson, ScorerName, Store
from tenor.progress import progress_bars

if TYPE_CHECKING:
    from tenor.pipeline.topics import ShownTopics
    from tenor.topics.model import TopicModel

app = typer.Typer(no_args_is_help=True, help="What your news is about: topics with words, shares and examples.")

TopicName = Annotated[
    str, typer.Argument(metavar="TOPIC", help="The topic's name or number, as in 'tenor topics show'.")
]
_DAYS = 10
_SYMBOLS = 10
_EXAMPLE = 160


@app.command("fit")
def topics_fit(
    store: Store = DEFAULT_STORE,
    k: Annotated[int, typer.Option("--k", help="Number of topics.")] = 20,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="Use only news published before this date (UTC), such as the end of a training part."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random starts.")] = 0,
    scorer: ScorerName = "default",
    as_json: AsJson = False,
) -> None:
    """Fit topics on the store's news and save them. Topics that are found again keep their places and your names."""
    from tenor.pipeline.topics import fit

    with progress_bars(quiet=as_json) as bars:
        fitted = fit(store, k=k, until=until, seed=seed, scorer=scorer, progress=bars.texts)
    if as_json:
        console.print_json(fitted.to_json())
        return
    model = fitted.model
    console.line(f"{len(model)} topics of {model.settings['items']} distinct items, version {model.version}")
    _table(model)
    for note in fitted.notes:
        console.line(f"note: {note}")


@app.command("show")
def topics_show(
    topic: Annotated[
        str | None,
        typer.Argument(help="A topic to show in full, by name or number, with its symbols, days and examples."),
    ] = None,
    store: Store = DEFAULT_STORE,
    version: Annotated[
        str | None,
        typer.Option(
            help="The version of the topics: a model's or that of an earlier fit; by default that of the last fit."
        ),
    ] = None,
    examples: Annotated[int, typer.Option(min=0, max=100, help="Number of examples for each topic.")] = 3,
    scorer: ScorerName = "default",
    as_json: AsJson = False,
) -> None:
    """Show the topics: their words, their share of the news by symbol and day, and typical items."""
    from tenor.pipeline.topics import show

    with progress_bars(quiet=as_json) as bars:
        shown = show(store, topic=topic, version=version, examples=examples, scorer=scorer, progress=bars.months)
    number = None if topic is None else shown.model.number(topic)
    if as_json:
        console.print_json(shown.to_json(number))
    elif number is None:
        console.line(f"{shown.items} items, {shown.unread} without a topic (empty, or not English)")
        _table(shown.model, shown)
    else:
        _show_one(shown, number)


@app.command("name")
def topics_name(
    topic: TopicName,
    name: Annotated[str, typer.Argument(help="The new name; '' restores the name from its words.")],
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Rename a topic. A later fit keeps the name if it finds the topic again."""
    from tenor.pipeline.topics import rename
    from tenor.workspace import Workspace

    number = Workspace(store).topics.current().number(topic)
    model = rename(store, topic, name)
    if as_json:
        console.print_json({"number": number, "name": model.names[number], "version": model.version})
    else:
        console.line(f"topic {number} is called {model.names[number]} now")


def _table(model: TopicModel, shown: ShownTopics | None = None) -> None:
    """A row a topic."""
    rows = []
    widest = max(len(" ".join(topic.words)) for topic in model.topics)
    for number, (name, topic) in enumerate(zip(model.names, model.topics, strict=True)):
        size = str(topic.items) if shown is None else f"{shown.share(number):.1%}"
        rows.append((f"{number:>2}  {name}", size, " ".join(topic.words).ljust(widest)))
    console.table(("topic", "items" if shown is None else "share", "words".ljust(widest)), rows)


def _show_one(shown: ShownTopics, number: int) -> None:
    """One topic: words, symbols, the latest days, examples."""
    topic = shown.model.topics[number]
    console.bold(f"{number}  {shown.model.names[number]}")
    console.line(" ".join(topic.words))
    console.line(f"{shown.counts[number]} of {shown.items} items, {shown.share(number):.1%} of those with a topic")
    by_symbol = sorted(shown.shares(number, by="symbol").items(), key=lambda pair: (-pair[1], pair[0]))
    console.table(("symbol", "share"), [(symbol, f"{share:.1%}") for symbol, share in by_symbol[:_SYMBOLS]])
    by_day = list(shown.shares(number, by="day").items())[-_DAYS:]
    console.table(("day (UTC)", "share"), [(day, f"{share:.1%}") for day, share in by_day])
    for example in shown.examples.get(number, ()):
        text = example["text"]
        short = text if len(text) <= _EXAMPLE else f"{text[: _EXAMPLE - 1]}…"
        console.line(f"{example['published_at'][:10]} {example['symbol']}: {short}")
