"""The ``tenor`` command: every verb is one call into `pipeline` or a room, told as text or, with ``--json``, as data.

Exit codes: 0 done; 1 a failure, told in one line on stderr; 2 wrong usage (an unknown option, key or value). No
traceback reaches the terminal: that of a fault of tenor's own is kept in a file, which the line names.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from tenor.cli import (
    ablate,
    benchmark,
    console,
    data,
    forecast_file,
    judge,
    leakcheck,
    mcp,
    models,
    paper,
    prepare,
    registry,
    rl,
    sentiment,
    serve,
    today,
    topics,
    tune,
    upload,
)
from tenor.cli.arrangement import FIRST_SESSION, arrange
from tenor.cli.interrupts import interrupted, what_stays
from tenor.cli.unforeseen import explained, reported
from tenor.errors import ConfigError, TenorError

HELP = "Stock forecasts from prices, indicators and the sentiment of the news, judged honestly."
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=HELP,
    epilog=FIRST_SESSION,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data.app, name="data")
app.add_typer(prepare.app)
app.add_typer(models.app)
app.add_typer(registry.app, name="models")
app.add_typer(ablate.app)
app.add_typer(tune.app)
app.add_typer(benchmark.app)
app.add_typer(leakcheck.app)
app.add_typer(judge.app)
app.add_typer(sentiment.app, name="sentiment")
app.add_typer(topics.app, name="topics")
app.add_typer(serve.app)
app.add_typer(today.app)
app.add_typer(paper.app, name="paper")
app.add_typer(rl.app, name="rl")
app.add_typer(upload.app)
app.add_typer(mcp.app)
app.add_typer(forecast_file.app)
arrange(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        try:
            typer.echo(f"tenor {importlib.metadata.version('tenor')}")
        except importlib.metadata.PackageNotFoundError:
            raise ConfigError(
                "tenor runs from its sources and is not installed: pip install -e . gives it a version."
            ) from None
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (without the program's name) and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what the terminal can't show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    try:
        app(args=words, prog_name="tenor")
    except SystemExit as stop:  # done, or a usage error that is told already
        if interrupted(stop):
            console.note(what_stays(words))
            return INTERRUPTED
        return stop.code if isinstance(stop.code, int) else 1
    except BrokenPipeError:  # the reader of our output went away
        sys.stderr.close()
        return 1
    except ConfigError as error:
        return _fail(str(error), 2)
    except TenorError as error:
        return _fail(str(error), 1)
    except Exception as error:  # noqa: BLE001 - the last place where it can become one line
        return _fail(explained(error) or reported(error, words), 1)
    return 0


def _fail(message: str, code: int) -> int:
    console.note(f"tenor: {' '.join(message.split())}")
    return code
