"""Serve forecasts: publish them, run the service, watch for drift, make keys."""

from __future__ import annotations

import functools
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from tenor.cli import console
from tenor.cli.options import DEFAULT_STORE, AsJson, ConfigFile, Overrides, Store, Version
from tenor.errors import ConfigError, ModelError, StoreError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenor.config import SourcesConfig
    from tenor.schema import BarInterval
    from tenor.serving.published import PublishedForecasts

app = typer.Typer()
keys = typer.Typer(no_args_is_help=True, help="API keys of the service.")
app.add_typer(keys, name="keys")

WEBHOOK = "TENOR_WEBHOOK"
Webhook = Annotated[
    str | None,
    typer.Option(
        help="Address to which alarms are posted as JSON. Others can read a command line, so put a secret address "
        "into the variable.",
        envvar=WEBHOOK,
        show_envvar=True,
    ),
]
LOCAL = ("127.0.0.1", "::1", "localhost")


@app.command()
def refresh(
    store: Store = DEFAULT_STORE,
    symbol: Annotated[list[str] | None, typer.Option(help="Only this symbol; may be repeated.")] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch new bars and news first.")] = False,
    model: Version = None,
    webhook: Webhook = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Score the news, forecast every symbol, and publish the forecasts for the service."""
    from tenor.config import Config
    from tenor.pipeline.refresh import refresh as run
    from tenor.serving import logs, webhooks
    from tenor.workspace import Workspace

    settings = Config.read(config, set_ or ())
    if webhook:
        webhooks.check(webhook)
    logs.log_to_stream()
    workspace = Workspace(store)
    result = run(
        workspace,
        functools.partial(workspace.predictor, model),
        fetch=_bringing(store, symbol or (), settings.sources) if fetch else None,
        symbols=symbol,
        sources=settings.sources,
        webhook=webhook,
        alerts=settings.alerts,
    )
    if as_json:
        console.print_json(result.to_json())
        return
    console.line(f"{len(result.symbols)} symbols as of {result.as_of}, by {result.version}, in {result.seconds:.1f} s")
    for name, why in result.skipped.items():
        console.line(f"no forecast of {name}: {why}")
    for name, why in result.stale.items():
        if name not in result.skipped:
            console.line(f"stale: {why}")
    for note in result.notes:
        console.line(note)
    console.line(f"{_alarms(len(result.monitor.alarms))}: 'tenor monitor --store {store}' tells more")


def _alarms(count: int) -> str:
    return f"{count or 'no'} alarm{'' if count == 1 else 's'}"


@app.command()
def monitor(
    store: Store = DEFAULT_STORE,
    every: Annotated[
        bool, typer.Option("--all", help="Show also the features whose drift is within its bounds.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the checks of the last refresh (drift, error, coverage) and how stale the forecasts are now."""
    from tenor.serving.published import published_forecasts
    from tenor.serving.schemas import to_plain
    from tenor.serving.staleness import staleness

    index = published_forecasts(store).index()
    if index is None or "monitor" not in index.head:
        raise ConfigError(f"nothing was published in {store!r} yet: run 'tenor refresh --store {store}'.")
    report = index.head["monitor"]
    stale = staleness(index, None, time.time())
    if as_json:
        console.print_json({**report, "staleness": to_plain(stale)})
        return
    shown = [c for c in report["checks"] if every or c["alarm"] or c["kind"] != "drift"]
    for c in shown:
        mark = "ALARM" if c["alarm"] else "ok"
        console.entry(
            mark, f"{c['kind']} of {c['name']}: {c['detail']} (measured {c['value']:.3f}, bound {c['bound']:.3f})"
        )
    if quiet := len(report["checks"]) - len(shown):
        console.line(f"drift of {quiet} features is within its bounds: --all shows them")
    console.line(f"{_alarms(report['alarms'])} at {report['as_of']}")
    for reason in stale.reasons:
        console.line(f"stale by now: {reason}")


@app.command()
def serve(
    store: Store = DEFAULT_STORE,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 picks a free one.")] = 8000,
    refresh: Annotated[bool, typer.Option(help="Fetch and refresh after each session's close.")] = False,
    key: Annotated[
        bool | None,
        typer.Option("--key/--no-key", help="Require API keys; by default only when serving other machines."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Requests per second of one caller, where 10 symbols of a batch count as one; 20 when serving "
            "other machines.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A further host name under which this service accepts requests.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(help="The origin of a web page that may call the service, such as https://example.org."),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER",
            help="A limit of docs/security.md, such as connections_each=0 behind a proxy; may be repeated.",
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="The session at which the dashboard opens, to replay past forecasts: 2017-06-16."
        ),
    ] = None,
    webhook: Webhook = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Serve forecasts and the dashboard. A store without forecasts gets its first refresh."""
    from tenor.config import Config
    from tenor.pipeline import alerting
    from tenor.pipeline.live import OnDemand
    from tenor.serving import logs, server, webhooks
    from tenor.serving.keys import ApiKeys
    from tenor.serving.limits import Limits
    from tenor.serving.published import published_forecasts
    from tenor.serving.scheduler import RefreshScheduler
    from tenor.serving.service import Service
    from tenor.serving.view import View, snapshot_cache
    from tenor.storage.object_store import open_store

    alerting.check(Config.read(config, set_ or ()).alerts)  # what is wrong is told now, not by the first refresh
    if webhook:
        webhooks.check(webhook)
    local = host in LOCAL
    guarded = not local if key is None else key
    limits = Limits(rate=rate if rate is not None else 0.0 if local else 20.0).changed(limit or ())
    published = published_forecasts(store)
    known = ApiKeys(published.objects) if guarded else None
    if known is not None and not known.all():
        raise ConfigError(
            f"there is no API key yet: make one with 'tenor keys make NAME --store {store}', or serve with --no-key."
        )
    session = _opening(store, published, as_of)
    listening = server.bind(host, port)
    logs.log_to_stream()
    view = View(published, cache=snapshot_cache(store))
    service = Service(
        view,
        limits=limits,
        keys=known,
        hosts=frozenset((*LOCAL, *(name.lower() for name in allow_host or ()))) if local or allow_host else None,
        origins=tuple(allow_origin or ()),
        live=OnDemand(store),
        as_of=session,
    )
    command = [sys.executable, "-m", "tenor", "refresh", "--store", store, *(["--fetch"] if refresh else [])]
    if config:
        command += ["--config", str(config.absolute())]
    for setting in set_ or ():
        command += ["--set", setting]
    keep_fresh = RefreshScheduler(
        command,
        view,
        always=refresh,
        models=open_store(f"{store.rstrip('/')}/models"),
        # by environment: a command line is open to every user of the machine
        secrets={WEBHOOK: webhook} if webhook else {},
    )
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listening.getsockname()[1]}/"
    person = sys.stderr.isatty()
    console.note(f"Open {address}" if person else f"tenor: {address}")
    server.serve(service, listening, keep_fresh=keep_fresh)


def _opening(store: str, published: PublishedForecasts, as_of: str | None) -> str | None:
    """The session to open on: the last one with past forecasts until the date `as_of`; None without one.

    Raises
    ------
    ModelError
        Nothing is published, and there is no model to make forecasts with.
    ConfigError
        `as_of` is not a date, or before all past forecasts.
    """
    from datetime import date

    from tenor.registry import registry_of

    try:
        index = published.index()
    except StoreError:
        return as_of  # the place is away or damaged: a copy may be served, and the page says what it has
    if index is None:
        try:
            registry_of(store).champion()
        except ModelError as error:
            raise ModelError(
                f"there is nothing to serve: {one_line(error, 200)} Here: 'tenor train --store {store}'."
            ) from None
    if as_of is None:
        return None
    try:
        day = date.fromisoformat(as_of).isoformat()
    except ValueError:
        raise ConfigError(f"--as-of takes a date such as 2017-06-16, not {as_of!r}.") from None
    if index is None:
        return day
    sessions = [session for session in index.head.get("sessions", ()) if session[:10] <= day]
    if not sessions:
        known = index.head.get("sessions", ())
        raise ConfigError(
            f"there are no past forecasts until {day} in {store!r}; "
            + (f"they begin on {known[0]}." if known else f"run 'tenor refresh --store {store}'.")
        )
    return str(sessions[-1])


def _bringing(store: str, symbols: Sequence[str], sources: SourcesConfig) -> Callable[[BarInterval], None]:
    from tenor.ingest.fetch import fetch_or_fail

    return functools.partial(fetch_or_fail, store, symbols, sources)


@keys.command("make")
def keys_make(
    name: Annotated[str, typer.Argument(help="Name of the key's owner.")], store: Store = DEFAULT_STORE
) -> None:
    """Make a key and print it once; only its hash is stored."""
    from tenor.serving.keys import ApiKeys
    from tenor.serving.published import published_forecasts

    console.line(ApiKeys(published_forecasts(store).objects).make(name))


@keys.command("list")
def keys_list(store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """List the names that have a key."""
    from datetime import UTC, datetime

    from tenor.serving.keys import ApiKeys
    from tenor.serving.published import published_forecasts

    rows = [
        (k.name, k.id, f"{datetime.fromtimestamp(k.made, UTC):%Y-%m-%d %H:%M}")
        for k in ApiKeys(published_forecasts(store).objects).all()
    ]
    if as_json:
        for name, public, made in rows:
            console.print_json({"name": name, "id": public, "made": made})
    else:
        console.table(("name", "id", "made (UTC)"), rows)


@keys.command("revoke")
def keys_revoke(
    name: Annotated[str, typer.Argument(help="Name of the owner whose key is revoked.")], store: Store = DEFAULT_STORE
) -> None:
    """Revoke a key."""
    from tenor.serving.keys import ApiKeys
    from tenor.serving.published import published_forecasts

    ApiKeys(published_forecasts(store).objects).revoke(name)
    console.line(f"the key of {name} is revoked; services notice within seconds")
