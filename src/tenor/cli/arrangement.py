"""How the help is arranged: verbs by what they are for, a first session, and an example under each command."""

from __future__ import annotations

import typer

FIRST_SESSION = (
    "A first session: [bold]tenor data import embedded[/bold], [bold]tenor train[/bold], "
    "[bold]tenor predict AAPL[/bold], [bold]tenor evaluate[/bold], [bold]tenor serve[/bold]. "
    "They work in a folder named 'lake'; --store names another."
)
PANELS = {
    "Data": ("data", "prepare", "sentiment", "topics", "upload"),
    "Forecasts": ("train", "predict", "refresh", "today", "paper", "rl"),
    "Judging": ("evaluate", "judge", "ablate", "leakcheck", "benchmark", "forecast-file"),
    "Models": ("models", "tune"),
    "Service": ("serve", "monitor", "keys", "mcp"),
}
"""Heading of the help -> the verbs under it."""
EXAMPLES = {
    "data import": "tenor data import prices.csv news/ --store lake",
    "data check": "tenor data check --store lake",
    "data fetch": "tenor data fetch AAPL SAP.DE BTC-USD --store lake",
    "data status": "tenor data status AAPL --store lake",
    "data verify": "tenor data verify --store lake",
    "data compact": "tenor data compact --store lake",
    "data doctor": "tenor data doctor",
    "prepare": "tenor prepare --store lake",
    "sentiment score": "tenor sentiment score 'Sales fell short of what was promised'",
    "sentiment why": "tenor sentiment why 'Sales fell short of what was promised'",
    "sentiment evaluate": "tenor sentiment evaluate",
    "sentiment benchmark": "tenor sentiment benchmark --folder FinancialPhraseBank --seeds 5",
    "topics fit": "tenor topics fit --store lake",
    "topics show": "tenor topics show --store lake",
    "topics name": "tenor topics name 3 new-phones --store lake",
    "sentiment train": "tenor sentiment train --data labelled.csv --out weights",
    "upload": "tenor upload --to s3://bucket/prefix --store lake",
    "train": "tenor train --store lake --set model.hidden=32",
    "predict": "tenor predict AAPL MSFT --store lake --horizon 5",
    "refresh": "tenor refresh --store lake --fetch",
    "today": "tenor today --store lake",
    "paper run": "tenor paper run --store lake",
    "paper show": "tenor paper show --store lake",
    "paper orders": "tenor paper orders --store lake",
    "paper reset": "tenor paper reset --store lake",
    "rl train": "tenor rl train --store lake",
    "rl evaluate": "tenor rl evaluate --store lake",
    "rl run": "tenor rl run --store lake",
    "rl promote": "tenor rl promote latest --store lake",
    "evaluate": "tenor evaluate --store lake --report report.html",
    "judge": "tenor judge forecasts.csv --store lake --report judged.html",
    "ablate": "tenor ablate --store lake --report ablate.html",
    "leakcheck": "tenor leakcheck --features mine.py:features --store lake",
    "benchmark": "tenor benchmark acl18 --data FOLDER --no-text",
    "forecast-file": (
        "tenor forecast-file --with fracast --store lake --from 2016-01-04 --to 2016-12-30 --output fracast.csv"
    ),
    "models list": "tenor models list --store lake",
    "models show": "tenor models show champion --store lake",
    "models promote": "tenor models promote latest --store lake",
    "models rollback": "tenor models rollback --store lake",
    "models diff": "tenor models diff champion latest --store lake",
    "models export": "tenor models export champion --to mlflow --store lake",
    "tune": "tenor tune --store lake --grid hidden=16,32 --grid lr=1e-3,3e-4",
    "serve": "tenor serve --store lake --refresh",
    "monitor": "tenor monitor --store lake",
    "keys make": "tenor keys make anna --store lake",
    "keys list": "tenor keys list --store lake",
    "keys revoke": "tenor keys revoke anna --store lake",
    "mcp": "tenor mcp --store lake",
}
"""Command -> one that can be typed."""


def arrange(app: typer.Typer, *, above: str = "") -> None:
    """Put the verbs of `app` under `PANELS`, and an example under each command.

    Parameters
    ----------
    above
        The verb that the commands of `app` belong to; empty for the program's own.
    """
    panel_of = {verb: panel for panel, verbs in PANELS.items() for verb in verbs}
    for command in app.registered_commands:
        name = command.name or (command.callback.__name__.replace("_", "-") if command.callback else "")
        example = EXAMPLES.get(f"{above} {name}".strip())
        if example:
            # the brackets are of the help's markup
            command.epilog = f"Example: [bold]{example.replace('[', chr(92) + '[')}[/bold]"
        if not above:
            command.rich_help_panel = panel_of.get(name, command.rich_help_panel)
    for group in app.registered_groups:
        verb = group.name if isinstance(group.name, str) else ""
        if verb:
            group.rich_help_panel = panel_of.get(verb, group.rich_help_panel)
        if group.typer_instance is not None:
            arrange(group.typer_instance, above=f"{above} {verb}".strip())
