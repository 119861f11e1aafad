"""`tenor leakcheck`: does your data, or your feature function, see the future?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tenor.cli import console
from tenor.cli.options import DEFAULT_STORE, AsJson, Calendar, Store
from tenor.errors import ConfigError, DataError

if TYPE_CHECKING:
    from tenor.schema import AsOf

app = typer.Typer()


@app.command()
def leakcheck(
    file: Annotated[Path | None, typer.Argument(help="A finished table, as CSV or Parquet.")] = None,
    features: Annotated[
        str | None, typer.Option(help="Instead of a table, a function of the lake's bars: path/to/file.py:name.")
    ] = None,
    store: Store = DEFAULT_STORE,
    target: Annotated[str | None, typer.Option(help="The column with the target.")] = None,
    date: Annotated[str | None, typer.Option(help="The column with the session.")] = None,
    symbol: Annotated[str | None, typer.Option(help="The column with the symbol.")] = None,
    split: Annotated[str | None, typer.Option(help="The column with train, validation or test.")] = None,
    train_end: Annotated[str | None, typer.Option(help="Instead of such a column, the last day of training.")] = None,
    published_at: Annotated[
        str | None, typer.Option(help="The column with the time of publication of the news.")
    ] = None,
    price: Annotated[str | None, typer.Option(help="The column with the close.")] = None,
    horizon: Annotated[int, typer.Option(min=1, help="Sessions from a row to its target.")] = 1,
    calendar: Calendar = "XNYS",
    as_of: Annotated[
        str,
        typer.Option(
            "--as-of", metavar="close|open", help="The cut-off of a row's news: close or open (of the next session)."
        ),
    ] = "close",
    as_json: AsJson = False,
) -> None:
    """Check whether a table or a feature function uses the future. Exits with 1 if it does, and names the leaks."""
    if (file is None) == (features is None):
        raise typer.BadParameter("give either a file or --features.")
    if features is not None:
        from tenor.pipeline.leakcheck import leakcheck as check_function

        result = check_function(store, features, calendar=calendar)
    else:
        from tenor.leakcheck import leakcheck_file

        result = leakcheck_file(
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
            as_of=_moment(as_of),
        )
    if as_json:
        console.print_json(result.to_json())
    else:
        console.line(result.describe())
    if not result.ok:
        count = len(result.findings)
        raise DataError(f"{count} finding{'s' if count > 1 else ''}: {', '.join(result.kinds)}.")


def _moment(text: str) -> AsOf:
    if text == "close":
        return "close"
    if text == "open":
        return "open"
    raise ConfigError(f"--as-of is {text!r}; it takes close or open.")
