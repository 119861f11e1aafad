"""`tenor data`: bring bars and news into the lake, and look at what is there."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from tenor.cli import console
from tenor.cli.options import DEFAULT_STORE, AsJson, ConfigFile, Overrides, Store, sources_of
from tenor.errors import ConfigError, DataError, SourceError

if TYPE_CHECKING:
    from tenor.ingest.fetch import Fetched
    from tenor.ingest.importing import Collected
    from tenor.schema import BarInterval

BarLength = Annotated[str, typer.Option(help="How long a bar is: 1d, 1h or 15m.")]
OneCalendar = Annotated[
    str | None,
    typer.Option("--calendar", help="One exchange's for all: XNYS, XLON, 24/7 …; without it, each symbol's own."),
]

SHOWN_REFUSALS = 20

app = typer.Typer(no_args_is_help=True, help="Bring bars and news into the lake, and look at what is there.")


@app.command("import")
def data_import(
    paths: Annotated[list[str], typer.Argument(help="Files or folders; 'embedded' for the bars that tenor carries.")],
    store: Store = DEFAULT_STORE,
    calendar: OneCalendar = None,
    as_json: AsJson = False,
) -> None:
    """Bring CSV, Parquet or the StockNet folder into the lake; what can't be used is refused by row, the rest kept."""
    from tenor.ingest.importing import collect

    collected = collect(store, paths, calendar=calendar)
    if as_json:
        console.print_json(collected.to_json())
    else:
        _show_import(collected)
    if not collected.usable:
        raise DataError(f"nothing in {', '.join(paths)} could be used; {len(collected.refused)} rows were refused.")


@app.command("check")
def data_check(store: Store = DEFAULT_STORE, calendar: OneCalendar = None, as_json: AsJson = False) -> None:
    """Report per symbol: gaps, duplicates, impossible prices, split-like jumps, stale runs."""
    from tenor.ingest.importing import check

    reports = check(store, calendar=calendar)
    if as_json:
        for report in reports:
            console.print_json(report.to_json())
        return
    columns = ("symbol", "first", "last", "sessions", "missing", "duplicates", "not positive", "high < low", "jumps")
    console.table((*columns, "stale runs"), (report.row() for report in reports))
    console.line(f"{sum(report.clean for report in reports)} of {len(reports)} symbols are clean")


@app.command("fetch")
def data_fetch(
    symbols: Annotated[
        list[str] | None,
        typer.Argument(help="AAPL SAP.DE 7203.T BTC-USD EURUSD=X …; none: all that were fetched before."),
    ] = None,
    store: Store = DEFAULT_STORE,
    source: Annotated[
        list[str] | None, typer.Option(help="Ask this source of prices, instead of the configured; may be repeated.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="The first day of a symbol that the lake has nothing of.")] = None,
    interval: BarLength = "1d",
    news: Annotated[bool, typer.Option("--news/--no-news", help="News as well.")] = True,
    config: ConfigFile = None,
    set_: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Bring bars and news from services into the lake: what is new or revised. What fails is told, the rest kept."""
    with _live():
        from tenor.ingest.fetch import fetch

    length = _interval(interval)
    settings = sources_of(config, set_)
    if source:
        settings = dataclasses.replace(settings, prices=tuple(source))
    if since:
        settings = dataclasses.replace(settings, since=since)
    with console.progress_bars(quiet=as_json) as bars:
        fetched = fetch(store, symbols or (), settings, interval=length, news=news, progress=bars.symbols)
    if as_json:
        console.print_json(fetched.to_json())
    else:
        _show_fetched(fetched)
    if not fetched.worked:
        raise SourceError("nothing could be fetched: see 'tenor data doctor'.", kind="away")


@app.command("status")
def data_status(
    symbols: Annotated[list[str] | None, typer.Argument(help="Symbols; none: all.")] = None,
    store: Store = DEFAULT_STORE,
    interval: BarLength = "1d",
    config: ConfigFile = None,
    set_: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Say per symbol: the last bar, the last news, where from, and how many sessions of its market they are behind."""
    from tenor.calendars import exchange
    from tenor.ingest.status import status

    found = status(store, sources_of(config, set_), symbols or None, interval=_interval(interval))
    if as_json:
        for one in found:
            console.print_json(one.to_json())
        return
    rows = (
        (
            one.symbol,
            one.calendar,
            exchange(one.calendar).label(one.last_bar),
            one.source,
            f"{one.behind}{' stale' if one.stale else '' if one.live else ' (files)'}",
            "–" if one.last_news is None else f"{one.last_news:%Y-%m-%d %H:%M}",
            one.news_source or "–",
            one.note if len(one.note) <= 60 else f"{one.note[:59]}…",
        )
        for one in found
    )
    console.table(("symbol", "calendar", "last bar", "from", "behind", "last news", "from", "note"), rows)
    console.line(f"{sum(one.stale for one in found)} of {len(found)} symbols are stale")


@app.command("compact")
def data_compact(store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Merge the lake's many small parts into few, for quicker reading; every row and every version stays."""
    from tenor.store import Lake

    done = Lake(store).compact()
    if as_json:
        console.print_json(dataclasses.asdict(done))
        return
    console.line(f"{done.old} parts merged into {done.new}; {done.deleted} deleted that were merged before")
    if done.new:
        console.line("the old parts are passed over from now on; a compaction in an hour or later deletes them")


@app.command("doctor")
def data_doctor(config: ConfigFile = None, set_: Overrides = None, as_json: AsJson = False) -> None:
    """Ask every configured source one small question, for real, and say which work."""
    with _live():
        from tenor.ingest.doctor import doctor

    checks = doctor(sources_of(config, set_))
    if as_json:
        for check in checks:
            console.print_json(check.to_json())
    else:
        rows = (
            (c.source, c.kind, "works" if c.works else "fails", c.symbol or "–", f"{c.seconds:.1f} s", c.told)
            for c in checks
        )
        console.table(("source", "for", "", "asked for", "took", "said"), rows)
    if not any(check.works for check in checks):
        raise SourceError("no source works from here: check the network, then the keys.", kind="away")


@contextlib.contextmanager
def _live() -> Iterator[None]:
    """Say which extra is missing, where one is."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is not installed: pip install 'tenor[live]'.") from None


def _show_import(result: Collected) -> None:
    """What an import did, file by file."""
    for file in result.files if len(result.files) <= SHOWN_REFUSALS else ():
        console.line(file.describe())
    for text in result.refused[:SHOWN_REFUSALS]:
        console.line(f"refused: {text}")
    if (more := len(result.refused) - SHOWN_REFUSALS) > 0:
        console.line(f"… and {more} more refused; --json lists all.")
    for kind, appended in (("bars", result.bars), ("news", result.news), ("sentiment", result.sentiment)):
        if appended.new or appended.revised or appended.unchanged:
            console.line(f"{kind}: {appended.new} new, {appended.revised} revised, {appended.unchanged} already there")


def _show_fetched(fetched: Fetched) -> None:
    rows = ((o.symbol, o.source or "–", str(o.new), str(o.revised)) for o in fetched.bars)
    console.table(("symbol", "source", "new bars", "revised"), rows)
    for outcome in fetched.bars:
        for note in outcome.notes:
            console.line(f"{outcome.symbol}: {note}")
        for error in outcome.errors:
            console.line(f"{outcome.symbol}: {'failed' if outcome.failed else 'passed over'}: {error}")
    for news in fetched.news:
        told = f"{news.new} new, {news.known} already there, {news.repeats} of them repeats, {news.refused} refused"
        console.line(f"news from {news.source}: {told}")
        for error in news.errors:
            console.line(f"news from {news.source}: {news.failures} of {news.asked} requests failed: {error}")
    failed = sum(outcome.failed for outcome in fetched.bars)
    if failed:
        console.stderr.print(f"tenor: {failed} of {len(fetched.bars)} symbols could not be fetched", markup=False)


def _interval(text: str) -> BarInterval:
    from tenor.schema import LENGTHS

    for interval in LENGTHS:
        if text == interval:
            return interval
    raise ConfigError(f"--interval is {text!r}; it takes {', '.join(LENGTHS)}.")
