"""`tenor models`: which versions there are, which is in use, and moving from one to another."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from tenor.cli import console
from tenor.cli.options import DEFAULT_STORE, AsJson, Store
from tenor.errors import ConfigError
from tenor.storage.files import flat

app = typer.Typer(no_args_is_help=True, help="List, compare, promote, roll back and export trained models.")

Name = Annotated[str, typer.Argument(help="A version, or champion, previous, latest.")]


@app.command("list")
def list_models(store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """List all versions, oldest first, and the names that point at them."""
    from tenor.registry import registry_of

    versions = registry_of(store).all()
    if as_json:
        for version in versions:
            console.print_json(version.to_json())
        return
    if not versions:
        console.line(f"no models in {store!r} yet: run 'tenor train --store {store}'.")
        return
    rows = (
        (each.name, f"{each.created_at[:16].replace('T', ' ')}", each.tenor, ", ".join(each.pointers))
        for each in versions
    )
    console.table(("version", "made, UTC", "tenor", ""), rows)


@app.command()
def show(name: Name = "champion", store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Show the card of a version: data, parts, settings and validation metrics."""
    from tenor.registry import registry_of

    card = registry_of(store).open(name).card()
    if as_json:
        console.print_json(card)
        return
    for key, value in flat(card).items():
        console.entry(key, _text(value), width=32)


@app.command()
def promote(
    name: Name,
    store: Store = DEFAULT_STORE,
    force: Annotated[bool, typer.Option("--force", help="Promote it even if it is not shown to be better.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a version the champion if it beats the current one on sessions that neither has seen."""
    from tenor.pipeline.promote import promote
    from tenor.workspace import Workspace

    now, contest = promote(Workspace(store), name, force=force)
    if as_json:
        console.print_json(
            {"champion": now.champion, "previous": now.previous, "contest": contest.to_json() if contest else None}
        )
        return
    if contest is not None:
        console.line(contest.why)
    console.line(f"champion: {now.champion}, before: {now.previous or 'none'}")


@app.command()
def rollback(store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Make the previous champion the champion again."""
    from tenor.registry import registry_of

    now = registry_of(store).rollback()
    if as_json:
        console.print_json({"champion": now.champion, "previous": now.previous})
    else:
        console.line(f"champion: {now.champion}, before: {now.previous or 'none'}")


@app.command()
def diff(
    first: Annotated[str, typer.Argument(help="A version, or a name.")] = "champion",
    second: Annotated[str, typer.Argument(help="A version, or a name.")] = "latest",
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Show the differences between the cards of two versions."""
    from tenor.registry import registry_of

    registry = registry_of(store)
    one = flat(registry.open(first).card())
    two = flat(registry.open(second).card())
    changed = {key: (one.get(key), two.get(key)) for key in {**one, **two} if one.get(key) != two.get(key)}
    if as_json:
        console.print_json({key: list(values) for key, values in changed.items()})
        return
    # sentences would squeeze the columns, and their numbers stand in other rows
    rows = ((key, _text(a), _text(b)) for key, (a, b) in changed.items() if not key.endswith(".verdict"))
    console.table(("", one["version"], two["version"]), rows)


@app.command()
def export(
    name: Name = "champion",
    to: Annotated[str, typer.Option(help="The target: mlflow.")] = "mlflow",
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            help="MLflow's server, such as http://127.0.0.1:5000, or a folder.",
            envvar="MLFLOW_TRACKING_URI",
            show_envvar=True,
        ),
    ] = None,
    experiment: Annotated[
        str, typer.Option(help="The experiment in MLflow; it is created if it does not exist.")
    ] = "tenor",
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Export a version, with its settings, metrics, card and files, as a run of MLflow.

    A version that was exported before is not exported again.
    """
    from tenor.pipeline.export import export_to_mlflow
    from tenor.registry import registry_of

    if to != "mlflow":
        raise ConfigError(f"there is no export to {to!r}: known is mlflow.")
    if not tracking_uri:
        raise ConfigError("where to? Name MLflow's server or a folder with --tracking-uri.")
    exported = export_to_mlflow(registry_of(store), name, uri=tracking_uri, experiment=experiment)
    if as_json:
        console.print_json(asdict(exported))
        return
    done = "exported" if exported.new else "was exported before"
    console.line(f"{exported.version} {done}: run {exported.run} of {exported.experiment!r}, {exported.address}")
    if exported.model is not None:
        console.line(f"mlflow.pyfunc.load_model({exported.model!r}).predict(bars)")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, list):
        return ", ".join(map(str, value[:8])) + (f" … ({len(value)})" if len(value) > 8 else "")
    return value if isinstance(value, str) else json.dumps(value)
