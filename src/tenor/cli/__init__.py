"""The ``tenor`` command: every verb is one call into `pipeline` or a room, told as text or, with ``--json``, as data.

Exit codes: 0 done; 1 a failure, told in one line on stderr; 2 wrong usage (an unknown option, key or value).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from tenor.cli import ablate, benchmark, console, data, leakcheck, models, registry, sentiment, serve, tune, upload
from tenor.cli.extras import missing
from tenor.errors import ConfigError, TenorError

HELP = "Stock forecasts from prices, indicators and the sentiment of the news, judged honestly."

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=HELP)
app.add_typer(data.app, name="data")
app.add_typer(models.app)
app.add_typer(registry.app, name="models")
app.add_typer(ablate.app)
app.add_typer(tune.app)
app.add_typer(benchmark.app)
app.add_typer(leakcheck.app)
app.add_typer(sentiment.app, name="sentiment")
app.add_typer(serve.app)
app.add_typer(upload.app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (without the program's name) and return its exit code."""
    try:
        app(args=list(sys.argv[1:] if argv is None else argv), prog_name="tenor")
    except SystemExit as stop:  # done, or a usage error that is told already
        return stop.code if isinstance(stop.code, int) else 1
    except ConfigError as error:
        return _fail(str(error), 2)
    except TenorError as error:
        return _fail(str(error), 1)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "tenor":
            raise  # not an extra that is missing, but a fault of ours
        return _fail(missing(error.name), 1)
    except BrokenPipeError:  # the reader of our output went away
        sys.stderr.close()
        return 1
    except OSError as error:
        return _fail(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), 1)
    return 0


def _fail(message: str, code: int) -> int:
    console.stderr.print(f"tenor: {' '.join(message.split())}", soft_wrap=True, markup=False)
    return code
