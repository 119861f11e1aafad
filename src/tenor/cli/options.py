"""Options that several verbs take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Store = Annotated[str, typer.Option(help="The lake: a folder, or s3://bucket/prefix.", envvar="TENOR_STORE")]
AsJson = Annotated[bool, typer.Option("--json", help="Print data instead of text: one object, or one a line.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings, in TOML.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting, above the file: model.hidden=64.")
]
Calendar = Annotated[str, typer.Option(help="The exchange's calendar: XNYS, XLON, XTKS, 24/7 …")]
Version = Annotated[str | None, typer.Option("--model", help="A version, or previous, latest; without it, champion.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes to train in; without it, one a core.")]
ScorerName = Annotated[
    str, typer.Option("--scorer", help="'default', a folder of weights, or a Hugging Face id such as ProsusAI/finbert.")
]
Labelled = Annotated[str, typer.Option("--data", help="fpb, tfns, semeval17, sentfin, or a CSV file with text,label.")]
Published = Annotated[
    Path | None, typer.Option(help="The folder with the published sets.", envvar="TENOR_DATA", show_envvar=True)
]

DEFAULT_STORE = "lake"
