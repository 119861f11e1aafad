"""`tenor mcp`: forecasts, verdicts, sentiment and the state of the data as tools for assistants."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenor.cli import console
from tenor.cli.extras import missing
from tenor.cli.options import DEFAULT_STORE, Store
from tenor.cli.unforeseen import explained, reported
from tenor.errors import ConfigError, TenorError, did_you_mean, one_line

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from tenor.pipeline.assistant import Tools

app = typer.Typer()

MOST_OF_ERROR = 1000
"""Characters of what an assistant reads of an error: it may quote a file."""
HOST = "127.0.0.1"
"""The only address served on: there are no keys. Others reach it through a proxy that has some."""


@app.command()
def mcp(
    store: Store = DEFAULT_STORE,
    files: Annotated[
        Path | None, typer.Option(help="The only folder from which forecasts to judge, and evaluations, are read.")
    ] = None,
    http: Annotated[bool, typer.Option("--http", help="Serve by HTTP on 127.0.0.1, not by stdin and stdout.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port for --http; 0 picks a free one.")] = 8765,
) -> None:
    """Serve tools for assistants by the Model Context Protocol: forecast, evaluate, judge, sentiment, data_status.

    The tools only read. The program of the assistant starts this command and communicates with it.
    """
    if files is not None and not files.is_dir():
        raise ConfigError(f"--files {str(files)!r} is not a folder: name the one with the files of forecasts.")
    try:
        from tenor.pipeline.assistant import Tools

        made = server(Tools(store, files))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("mcp", "mcp_types", "pydantic"):
            raise
        raise ConfigError(missing("mcp")) from None
    if not http:
        made.run("stdio")
        return
    import uvicorn

    from tenor.serving.server import bind

    listening = bind(HOST, port)
    console.note(f"tenor: http://{HOST}:{listening.getsockname()[1]}/mcp")
    config = uvicorn.Config(made.streamable_http_app(host=HOST), log_config=None, access_log=False)
    uvicorn.Server(config).run([listening])


def server(tools: Tools) -> MCPServer[Any]:
    """A server of `tools`, whose errors are one line each."""
    from importlib.metadata import PackageNotFoundError, version

    from mcp.server.mcpserver import Context, MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp_types import ToolAnnotations
    from pydantic import ValidationError

    from tenor.pipeline.assistant import INSTRUCTIONS

    fields = {tool.__name__: list(inspect.signature(tool).parameters) for tool in tools.all()}

    class Server(MCPServer[Any]):
        async def call_tool(
            self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
        ) -> Any:
            """As `MCPServer.call_tool`; refuses unknown arguments, and whatever fails is reported in one line."""
            if name not in fields:
                raise ToolError(
                    f"there is no tool {name[:40]!r}.{did_you_mean(name, fields) or f' Known: {[*fields]}.'}"
                )
            for argument in arguments:
                if argument not in fields[name]:
                    hint = did_you_mean(argument, fields[name]) or f" It takes {', '.join(fields[name])}."
                    raise ToolError(f"{name} takes no {argument[:40]!r}.{hint}")
            try:
                return await super().call_tool(name, arguments, context)
            except ToolError as error:
                cause = error.__cause__ or error
                if isinstance(cause, ValidationError):
                    shown = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in cause.errors()[:5])
                    raise ToolError(f"{name} can't take this: {shown[:500]}.") from None
                if isinstance(cause, TenorError):
                    raise ToolError(one_line(cause, MOST_OF_ERROR)) from None
                if isinstance(cause, Exception) and not isinstance(cause, ToolError):
                    raise ToolError(explained(cause) or reported(cause, ["mcp"])) from None
                raise

    try:
        number = version("tenor")
    except PackageNotFoundError:  # run from a copy of the sources, which no installer has seen
        number = ""
    made = Server("tenor", instructions=INSTRUCTIONS, version=number, log_level="ERROR")
    for tool in tools.all():
        description = " ".join(inspect.getdoc(tool).split()) if tool.__doc__ else ""  # type: ignore[union-attr]
        made.add_tool(
            tool, description=description, annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False)
        )
    return made
