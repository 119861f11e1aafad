"""`tenor paper`: paper trading by a stated rule, its journal, and orders for a paper account at Alpaca."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenor.cli import console
from tenor.cli.options import DEFAULT_STORE, AsJson, ConfigFile, Overrides, Since, Store

if TYPE_CHECKING:
    from tenor.trading.account import Account

app = typer.Typer(no_args_is_help=True, help="Paper trading: positions by a stated rule, with costs, in a journal.")
SHOWN = 10
"""Positions and orders that are listed."""


@app.command()
def run(
    store: Store = DEFAULT_STORE,
    since: Since = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """After a refresh, book filled decisions and decide on the newest forecasts. A second run changes nothing."""
    from tenor.config import Config
    from tenor.pipeline.paper import run as run_paper

    settings = Config.read(config, set_ or ()).paper
    result = run_paper(store, settings, since=_day(since))
    if as_json:
        console.print_json(result.to_json())
        return
    for note in result.notes:
        console.entry("Note", note)
    console.entry("Decided", _days(result.decided) or "nothing new")
    console.entry("Booked", _days(result.booked) or "nothing new")
    if result.account is not None:
        _show(result.account)


@app.command()
def show(
    store: Store = DEFAULT_STORE,
    account: Annotated[int | None, typer.Option(min=1, help="An earlier account; by default the last one.")] = None,
    journal: Annotated[bool, typer.Option("--journal", help="Print the journal's rows as CSV instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the account: its positions, returns and costs, and the comparison with holding."""
    from tenor.pipeline.paper import journal_rows
    from tenor.pipeline.paper import show as show_paper

    found = show_paper(store, account)
    if journal:
        console.raw(journal_rows(store, found.number).to_csv(index=False))
    elif as_json:
        console.print_json(found.to_json())
    else:
        _show(found)


@app.command()
def reset(store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Close the account. The next run opens a new one, and the journal keeps all rows."""
    from tenor.pipeline.paper import reset as reset_paper

    number = reset_paper(store)
    if as_json:
        console.print_json({"closed": number})
    elif number is None:
        console.line("No paper account has begun: there is nothing to close.")
    else:
        console.line(f"Paper account {number} is closed; 'tenor paper show --account {number}' still shows it.")


@app.command()
def orders(
    store: Store = DEFAULT_STORE,
    send: Annotated[
        bool, typer.Option("--send", help="Send the orders to the paper account; otherwise they are only shown.")
    ] = False,
    config: ConfigFile = None,
    set_: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Show the orders that bring a paper account at Alpaca to the newest decision; they are sent only with --send.

    Needs APCA_API_KEY_ID and APCA_API_SECRET_KEY of a paper account. A live account is never reached.
    """
    from tenor.config import Config
    from tenor.pipeline.paper_orders import orders as run_orders

    settings = Config.read(config, set_ or ())
    result = run_orders(store, settings.paper, settings.sources.http, send=send)
    if as_json:
        console.print_json(result.to_json())
    else:
        console.table(
            ("order", "side", "shares", "status", "filled"),
            [(o.symbol, o.side, o.qty, o.status, o.filled) for o in result.orders],
        )
        for note in result.notes:
            console.entry("Note", note)
        if not send:
            console.line("Nothing was sent: --send sends them to the paper account.")
    if result.unsettled:
        raise typer.Exit(1)


def _show(account: Account) -> None:
    settings = account.settings
    console.entry("Account", f"{account.number}, rule {settings['rule']}, {_rule(settings)}")
    if account.replayed:
        console.entry("Replayed", f"{account.replayed} decisions were made afterwards, on published past forecasts")
    if account.sessions:
        sessions = "1 session" if account.sessions == 1 else f"{account.sessions} sessions"
        console.entry("Equity", f"{account.equity:,.2f} after {account.booked} ({account.growth:+.2%} in {sessions})")
        console.entry("Holding", f"{account.holding_growth:+.2%} with the same symbols in equal parts")
        console.entry("Drawdown", f"{account.max_drawdown:.2%} (holding {account.holding_max_drawdown:.2%})")
        console.entry(
            "Costs", f"{account.costs:,.2f} at {settings['cost']:g} bps; turnover {account.turnover:.1%} a session"
        )
        if account.sharpe is not None:
            s = account.sharpe
            interval = f", 95 % interval {s.low:+.2f} to {s.high:+.2f}" if s.low == s.low else ""
            console.entry("Sharpe", f"{s.value:+.2f}{interval}; volatility {account.volatility:.1%} a year")
    else:
        console.entry("Equity", f"{account.equity:,.2f}, all in cash")
    console.entry("Verdict", account.verdict)
    for note in account.notes:
        console.entry("Note", note)
    if account.unfilled:
        console.entry("Unfilled", f"{account.unfilled} orders met a session without an open, and lapsed")
    if account.positions:
        console.line("")
        console.table(
            ("held", "money", "share", "last price"),
            [(p.symbol, f"{p.money:,.2f}", f"{p.share:.1%}", p.last_bar) for p in account.positions[:SHOWN]],
        )
        _more(len(account.positions))
    if account.pending:
        console.line("")
        console.table(
            ("at the next open", "share", "forecast volatility"),
            [(o.symbol, f"{o.target:.1%}", f"{o.volatility:.2%} a session") for o in account.pending[:SHOWN]],
        )
        _more(len(account.pending))


def _more(count: int) -> None:
    if count > SHOWN:
        console.line(f"… and {count - SHOWN} more (--json)")


def _rule(settings: dict[str, Any]) -> str:
    aim = "" if settings["rule"] in ("long/flat", "rl") else f"volatility {settings['volatility']:.0%} a year, "
    return f"{aim}cap {settings['cap']:g}, costs {settings['cost']:g} bps"


def _days(days: tuple[str, ...]) -> str:
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]} ({len(days)} sessions)" if days else ""


def _day(text: str | None) -> Any:
    import pandas as pd

    from tenor.errors import ConfigError

    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--since is {text!r}: write a day as YYYY-MM-DD.") from None
    return pd.Timestamp(day)
