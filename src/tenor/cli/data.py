"""`tenor data`: bring bars and news into the lake, and inspect them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tenor.cli import console
from tenor.cli.options import DEFAULT_STORE, AsJson, ConfigFile, Overrides, Store, sources_of
from tenor.errors import ConfigError, DataError, SourceError, StoreError
from tenor.progress import progress_bars

if TYPE_CHECKING:
    from tenor.ingest.fetch import FetchResult
    from tenor.ingest.importing import ImportResult
    from tenor.schema import BarInterval

BarLength = Annotated[str, typer.Option(help="Length of a bar: 1d, 1h or 15m.")]
OneCalendar = Annotated[
    str | None,
    typer.Option(
        "--calendar", help="Calendar for all symbols: XNYS, XLON, 24/7 …; by default each symbol's own exchange."
    ),
]
OwnColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        metavar="NAME=COLUMN,…",
        help="The files' own column names: for bars date=Datum,close=Schluss; for news "
        "text=Titel,published_at=Zeit,symbol=WKN.",
    ),
]

DateOrder = Annotated[
    str | None,
    typer.Option(
        "--dates",
        help="Order of dates such as 02/12/2024: dmy, mdy (or ymd: 24/12/02); by default decided by the file.",
    ),
]
DecimalMark = Annotated[
    str | None,
    typer.Option("--decimal", help="Decimal mark of prices: point or comma; by default decided by the file."),
]
TextEncoding = Annotated[
    str | None,
    typer.Option(
        "--encoding", help="Encoding of text files that are not UTF-8: gbk, big5, cp1251 …; by default Windows-1252."
    ),
]

AsTable = Annotated[
    str | None, typer.Option("--as", metavar="features:NAME", help="Import a table of own features under this name.")
]

SHOWN_REFUSALS = 20

app = typer.Typer(no_args_is_help=True, help="Bring bars and news into the lake, and inspect them.")


@app.command("import")
def data_import(
    paths: Annotated[
        list[str], typer.Argument(help="Files or folders, or 'embedded' for the data that come with tenor.")
    ],
    store: Store = DEFAULT_STORE,
    calendar: OneCalendar = None,
    dates: DateOrder = None,
    decimal: DecimalMark = None,
    columns: OwnColumns = None,
    encoding: TextEncoding = None,
    as_: AsTable = None,
    as_json: AsJson = False,
) -> None:
    """Import bars, news or events from CSV, JSON, Parquet or the StockNet folder.

    Unusable rows are reported, the others imported.

    With --as features:NAME the files are a table of own features (docs/own-features.md).
    """
    from tenor.ingest.files.column_names import parse_columns
    from tenor.ingest.importing import import_files

    if as_ is not None:
        _import_table(store, paths, as_, calendar, as_json=as_json)
        return
    own = parse_columns(columns or ())
    result = import_files(store, paths, calendar=calendar, dates=dates, decimal=decimal, columns=own, encoding=encoding)
    if as_json:
        console.print_json(result.to_json())
    else:
        show_import(result)
    if not result.usable:
        raise DataError(f"nothing in {', '.join(paths)} could be used; {len(result.refused)} rows were refused.")
    if result.missing:
        raise DataError(f"{', '.join(result.missing)}: there is no such file or folder; the others were imported.")


@app.command("check")
def data_check(store: Store = DEFAULT_STORE, calendar: OneCalendar = None, as_json: AsJson = False) -> None:
    """Report gaps, duplicates, impossible prices, jumps like splits and repeated prices for each symbol."""
    from tenor.ingest.importing import check_lake

    reports = check_lake(store, calendar=calendar)
    if as_json:
        for report in reports:
            console.print_json(report.to_json())
        return
    days = ("symbol", "first", "last", "sessions", "missing", "no session")
    faults = ("duplicates", "not positive", "high < low", "jumps", "stale runs")
    console.table((*days, *faults), (report.row() for report in reports))
    console.line(f"{sum(report.clean for report in reports)} of {len(reports)} symbols are clean")


@app.command("fetch")
def data_fetch(
    symbols: Annotated[
        list[str] | None,
        typer.Argument(help="AAPL SAP.DE 7203.T BTC-USD EURUSD=X …; by default all symbols that were fetched before."),
    ] = None,
    store: Store = DEFAULT_STORE,
    source: Annotated[
        list[str] | None,
        typer.Option(help="A source of prices to use instead of the configured ones; may be repeated."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="First day (YYYY-MM-DD) to fetch for symbols that are new to the lake.")
    ] = None,
    interval: BarLength = "1d",
    news: Annotated[bool, typer.Option("--news/--no-news", help="Fetch news as well.")] = True,
    events: Annotated[
        bool | None,
        typer.Option(
            "--events/--no-events", help="Fetch dates of events as well; by default if sources.events is set."
        ),
    ] = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Fetch new and revised bars, news and events from services. Failures are reported, everything else is stored."""
    with _live():
        from tenor.ingest.fetch import fetch

    length = _interval(interval)
    settings = sources_of(config, set_)
    if source:
        settings = dataclasses.replace(settings, prices=tuple(source))
    if since:
        settings = dataclasses.replace(settings, since=since)
    if events and not settings.events:
        raise ConfigError(
            "--events, and sources.events names no source: --set 'sources.events=[\"edgar\"]', for example."
        )
    with _live(), progress_bars(quiet=as_json) as bars:
        result = fetch(
            store,
            symbols or (),
            settings,
            interval=length,
            news=news,
            events=events is not False,
            progress=bars.symbols,
        )
    if as_json:
        console.print_json(result.to_json())
    else:
        _show_fetched(result)
    if not result.worked:
        raise SourceError("nothing could be fetched: see 'tenor data doctor'.", kind="away")


@app.command("status")
def data_status(
    symbols: Annotated[list[str] | None, typer.Argument(help="By default all symbols.")] = None,
    store: Store = DEFAULT_STORE,
    interval: BarLength = "1d",
    config: ConfigFile = None,
    set_: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Show each symbol's last bar, news and next event, their sources, and how many sessions the bar is behind."""
    from tenor.calendars import exchange
    from tenor.ingest.status import news_without_bars, status

    statuses = status(store, sources_of(config, set_), symbols or None, interval=_interval(interval))
    without_bars = () if symbols else news_without_bars(store)
    if as_json:
        for each in statuses:
            console.print_json(each.to_json())
        if without_bars:
            console.print_json({"news_without_bars": list(without_bars)})
        return
    rows = (
        (
            each.symbol,
            each.calendar,
            exchange(each.calendar).label(each.last_bar),
            each.source,
            f"{each.behind}{' stale' if each.stale else '' if each.live else ' (files)'}",
            "–" if each.last_news is None else f"{each.last_news:%Y-%m-%d %H:%M}",
            each.news_source or "–",
            "–" if each.next_event is None else f"{each.next_event:%Y-%m-%d} {each.next_kind}",
            each.note if len(each.note) <= 60 else f"{each.note[:59]}…",
        )
        for each in statuses
    )
    console.table(("symbol", "calendar", "last bar", "from", "behind", "last news", "from", "next event", "note"), rows)
    console.line(f"{sum(each.stale for each in statuses)} of {len(statuses)} symbols are stale")
    for note in dict.fromkeys(exchange(each.calendar).note for each in statuses):
        if note:
            console.line(note)
    if without_bars:
        console.line(_without_bars(without_bars))


@app.command("verify")
def data_verify(store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Compare every file of the store with its checksum: bars, news, models, published forecasts.

    Each fault is one line.
    """
    from tenor.pipeline.verify import verify

    result = verify(store)
    if as_json:
        console.print_json(result.to_json())
    else:
        for line in result.damaged:
            console.line(line)
        console.line(f"{result.parts} parts, {result.versions} models and {result.documents} published documents read")
    if result.damaged:
        count = len(result.damaged)
        raise StoreError(f"{count} file{'s' if count > 1 else ''} of {store} can't be used: see the lines above.")


@app.command("compact")
def data_compact(store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Merge the lake's small parts for faster reading. No row and no version is lost."""
    from tenor.store import Lake

    result = Lake(store).compact()
    if as_json:
        console.print_json(dataclasses.asdict(result))
        return
    console.line(f"{result.old} parts merged into {result.new}; {result.deleted} of earlier runs deleted")
    if result.new:
        console.line("the old parts are no longer read; a compaction in an hour or later deletes them")


@app.command("doctor")
def data_doctor(config: ConfigFile = None, set_: Overrides = None, as_json: AsJson = False) -> None:
    """Send every configured source one small request, and report which work."""
    with _live():
        from tenor.ingest.doctor import doctor

    settings = sources_of(config, set_)
    with _live():
        checks = doctor(settings)
    if as_json:
        for check in checks:
            console.print_json(check.to_json())
    else:
        rows = (
            (c.source, c.kind, "works" if c.works else "fails", c.symbol or "–", f"{c.seconds:.1f} s", c.message)
            for c in checks
        )
        console.table(("source", "for", "", "symbol", "time", "message"), rows)
    if not any(check.works for check in checks):
        raise SourceError("no source works from here: check the network, then the keys.", kind="away")


@contextlib.contextmanager
def _live() -> Iterator[None]:
    """Name the extra to install where a package of it is missing: at an import, or when sources are built."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is not installed: pip install 'tenor[live]'.") from None


def show_import(result: ImportResult) -> None:
    """What an import did, file by file."""
    for file in result.files if len(result.files) <= SHOWN_REFUSALS else ():
        console.line(file.describe())
    for text in result.refused[:SHOWN_REFUSALS]:
        console.line(f"refused: {text}")
    if (more := len(result.refused) - SHOWN_REFUSALS) > 0:
        console.line(f"… and {more} more refused; --json lists all.")
    for kind, appended in (
        ("bars", result.bars),
        ("news", result.news),
        ("sentiment", result.sentiment),
        ("events", result.events),
    ):
        if appended.new or appended.revised or appended.unchanged:
            console.line(f"{kind}: {appended.new} new, {appended.revised} revised, {appended.unchanged} already there")
    if result.without_bars:
        console.line(_without_bars(result.without_bars))
    if result.events_without_bars:
        console.line(_without_bars(result.events_without_bars, "events"))


def _import_table(store: str, paths: list[str], as_: str, calendar: str | None, *, as_json: bool) -> None:
    from tenor.features.own import LAKE
    from tenor.ingest.importing import import_table

    if not as_.startswith(LAKE):
        raise ConfigError(f"--as is {as_!r}; it takes {LAKE}NAME, for a table of own features.")
    result = import_table(store, paths, name=as_.removeprefix(LAKE), calendar=calendar)
    if as_json:
        console.print_json(result.to_json())
        return
    rows = result.rows
    console.line(f"{result.name} ({', '.join(result.columns)}): {rows.new} new values, {rows.unchanged} already there")
    if result.without_bars:
        console.line(_without_bars(result.without_bars, "values"))


def _without_bars(symbols: Sequence[str], what: str = "news") -> str:
    more = f" and {len(symbols) - SHOWN_REFUSALS} more" if len(symbols) > SHOWN_REFUSALS else ""
    reach = "reaches" if what == "news" else "reach"
    return f"{what} of symbols without bars, which {reach} no model: {', '.join(symbols[:SHOWN_REFUSALS])}{more}"


def _show_fetched(result: FetchResult) -> None:
    rows = ((o.symbol, o.source or "–", str(o.new), str(o.revised)) for o in result.bars)
    console.table(("symbol", "source", "new bars", "revised"), rows)
    for outcome in result.bars:
        for note in outcome.notes:
            console.line(f"{outcome.symbol}: {note}")
        for error in outcome.errors:
            console.line(f"{outcome.symbol}: {'failed' if outcome.failed else 'skipped'}: {error}")
    for news in result.news:
        counts = f"{news.new} new, {news.known} already there, {news.repeats} of them repeats, {news.refused} refused"
        console.line(f"news from {news.source}: {counts}")
        for error in news.errors:
            console.line(f"news from {news.source}: {news.failures} of {news.requests} requests failed: {error}")
    for dates in result.events:
        counts = f"{dates.new} new, {dates.known} already there, {dates.withdrawn} withdrawn, {dates.refused} refused"
        console.line(f"events from {dates.source}: {counts}")
        for note in dates.notes[:SHOWN_REFUSALS]:
            console.line(f"events from {dates.source}: {note}")
        for error in dates.errors[:SHOWN_REFUSALS]:
            console.line(f"events from {dates.source}: {dates.failures} of {dates.requests} requests failed: {error}")
    failed = sum(outcome.failed for outcome in result.bars)
    if failed:
        console.note(f"tenor: {failed} of {len(result.bars)} symbols could not be fetched")


def _interval(text: str) -> BarInterval:
    from tenor.schema import LENGTHS

    for interval in LENGTHS:
        if text == interval:
            return interval
    raise ConfigError(f"--interval is {text!r}; it takes {', '.join(LENGTHS)}.")
