"""Options that several verbs take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tenor import engines
    from tenor.config import SourcesConfig

Store = Annotated[str, typer.Option(help="The lake: a folder, or s3://bucket/prefix.", envvar="TENOR_STORE")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text: one object, or one per line.")]
AllowLeak = Annotated[
    bool,
    typer.Option("--allow-leak", help="Continue even if the leak check finds that an own feature sees the future."),
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="A TOML file with settings.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting; it overrides the file: model.hidden=64."),
]
Calendar = Annotated[
    str,
    typer.Option(help="Calendar of symbols whose names show no market: XNYS, XLON, 24/7 …; others use their market's."),
]
Version = Annotated[str | None, typer.Option("--model", help="A version, previous or latest; by default the champion.")]
Network = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="FILE.py:CLASS", help="A network of your own in place of tenor's: docs/own-models.md."
    ),
]
Moment = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="close|open",
        help="Forecasts are made after the close, or before the next open with the news of the night (features.as_of).",
    ),
]
MomentOfModel = Annotated[
    str | None,
    typer.Option("--as-of", metavar="close|open", help="Refuse a model whose forecasts are not made at that moment."),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes to train in; by default one per core.")]
EngineAddress = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="local|ray|ray://HOST:PORT",
        help="Where tasks run: processes of this machine, or a Ray cluster (docs/scale.md).",
        envvar="TENOR_ENGINE",
    ),
]
ScorerName = Annotated[
    str, typer.Option("--scorer", help="'default', a folder of weights, or a Hugging Face id such as ProsusAI/finbert.")
]
Labelled = Annotated[
    str,
    typer.Option(
        "--data",
        help="embedded or negation (in this package), fpb, tfns, semeval17, sentfin, or a CSV file with text,label.",
    ),
]
Published = Annotated[
    Path | None, typer.Option(help="The folder with the published data sets.", envvar="TENOR_DATA", show_envvar=True)
]

Since = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="Open a new account at this past date, on the published past forecasts."),
]

DEFAULT_STORE = "lake"


def with_network(overrides: Sequence[str] | None, network: str | None, as_of: str | None = None) -> list[str]:
    """The ``--set`` of a command line, and its ``--model`` and ``--as-of`` as two of them."""
    given = {"model.network": network, "features.as_of": as_of}
    return [*(overrides or ()), *(f"{key}={json.dumps(value)}" for key, value in given.items() if value is not None)]


def engine_at(address: str | None, workers: int | None) -> engines.Workers:
    """What ``--engine`` and ``--workers`` ask for."""
    if address is None:
        return workers
    from tenor.engines import from_address

    return from_address(address, workers)


def sources_of(config: Path | None, overrides: Sequence[str] | None) -> SourcesConfig:
    """The settings of sources; where none are given, without loading all the others."""
    from tenor.config import SourcesConfig

    if not config and not overrides:
        return SourcesConfig()
    from tenor.config import Config

    return Config.read(config, overrides or ()).sources
