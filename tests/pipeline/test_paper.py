from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from paper_store import SESSIONS, after_close, bars, fill_lake, publish

from tenor.cli import main
from tenor.config import PaperConfig
from tenor.errors import ConfigError, DataError
from tenor.evaluation.backtest import Book, fill
from tenor.pipeline.paper import journal_rows, reset, run, show
from tenor.schema import Bars
from tenor.store.lake import Lake
from tenor.store.paper import PaperJournal
from tenor.trading.account import account_of

DAY, NEXT, THIRD, LATER = "2020-01-06", "2020-01-07", "2020-01-08", "2020-01-09"
EACH = PaperConfig(rule="each", volatility=0.10, cap=1.0, cost=10.0, capital=10_000.0)
CALM, WILD = 0.10 / np.sqrt(252), 0.40 / np.sqrt(252)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    fill_lake(tmp_path, ("CALM", "WILD"), until=DAY)
    publish(tmp_path, DAY, {"CALM": CALM, "WILD": WILD})
    return tmp_path


def test_a_decision_is_filled_at_the_next_open_with_costs_and_marked_at_the_close(store: Path) -> None:
    first = run(str(store), EACH, now=after_close(DAY))
    assert (first.decided, first.booked) == ((DAY,), ())
    assert first.account is not None
    assert first.account.cash == 10_000.0
    # half of the equity each; the wild one a quarter of that
    assert {o.symbol: round(o.target, 2) for o in first.account.pending} == {"CALM": 0.5, "WILD": 0.13}
    fill_lake(store, ("CALM", "WILD"), until=NEXT)
    second = run(str(store), EACH, now=after_close(NEXT))
    assert second.booked == (NEXT,)
    frame = bars(("CALM", "WILD"), until=NEXT)
    last = frame[frame["session"] == NEXT].set_index("symbol")
    bought = {o.symbol: o.target * 10_000 for o in first.account.pending}
    worth = {s: bought[s] * last.loc[s, "close"] / last.loc[s, "open"] for s in bought}
    cost = sum(bought.values()) * 10 / 1e4
    assert second.account is not None
    assert {p.symbol: p.money for p in second.account.positions} == pytest.approx(worth)
    assert second.account.costs == pytest.approx(cost)
    assert second.account.equity == pytest.approx(10_000 - sum(bought.values()) - cost + sum(worth.values()))
    rows = journal_rows(str(store), 1)
    filled = rows[(rows["event"] == "session") & (rows["symbol"] == "CALM")].iloc[0]
    assert filled["quoted"] == pytest.approx(last.loc["CALM", "open"])  # as quoted, not adjusted
    assert "1 session is too few to tell" in second.account.verdict


def test_the_same_session_twice_changes_nothing(store: Path) -> None:
    run(str(store), EACH, now=after_close(DAY))
    before = journal_rows(str(store), 1)
    publish(store, DAY, {"CALM": CALM * 2, "WILD": WILD}, version="other")
    again = run(str(store), EACH, now=after_close(DAY) + pd.Timedelta(minutes=5))
    assert (again.decided, again.booked) == ((), ())
    pd.testing.assert_frame_equal(journal_rows(str(store), 1), before)


def test_of_two_writers_the_first_counts_whole(store: Path) -> None:
    run(str(store), EACH, now=after_close(DAY))
    journal = PaperJournal(store)
    rows = journal.rows()
    journal.write(rows.assign(target=9.0, version="late").drop(columns="batch").head(2))
    pd.testing.assert_frame_equal(journal.rows(), rows)


def test_a_split_between_two_runs_changes_no_position(store: Path) -> None:
    run(str(store), EACH, now=after_close(DAY))
    fill_lake(store, ("CALM", "WILD"), until=NEXT)
    run(str(store), EACH, now=after_close(NEXT))
    held = show(str(store)).positions
    frame = bars(("CALM", "WILD"), until=THIRD)
    gains = (
        frame[frame["session"] == THIRD].set_index("symbol")["close"]
        / frame[frame["session"] == NEXT].set_index("symbol")["close"]
    )
    prices = frame[["open", "high", "low", "close"]].div(4).where(frame["session"] == THIRD, frame)
    split = frame.assign(**{c: prices[c] for c in prices}, adj_close=frame["adj_close"] / 4)
    Lake(store).append_bars(Bars(split), source="made up")
    after = run(str(store), EACH, now=after_close(THIRD)).account
    assert after is not None
    expected = {p.symbol: p.money * gains[p.symbol] for p in held}
    assert {p.symbol: p.money for p in after.positions} == pytest.approx(expected)


def test_an_order_without_an_open_lapses_and_is_named(store: Path) -> None:
    run(str(store), EACH, now=after_close(DAY))
    fill_lake(store, ("CALM", "WILD"), until=NEXT, drop=(("WILD", NEXT),))
    waits = run(str(store), EACH, now=after_close(NEXT))
    assert waits.booked == ()  # its bar may still come
    fill_lake(store, ("CALM", "WILD"), until=THIRD, drop=(("WILD", NEXT),))
    account = run(str(store), EACH, now=after_close(THIRD)).account
    assert account is not None
    assert account.unfilled == 1
    assert [p.symbol for p in account.positions] == ["CALM"]


def test_a_delisted_symbol_is_waited_for_and_then_left_at_its_last_price(store: Path) -> None:
    run(str(store), EACH, now=after_close(DAY))
    gone = tuple(("WILD", f"{day:%Y-%m-%d}") for day in SESSIONS if day > pd.Timestamp(NEXT))
    fill_lake(store, ("CALM", "WILD"), until="2020-01-13", drop=gone)
    account = run(str(store), EACH, now=after_close("2020-01-13")).account
    assert account is not None
    assert account.sessions == 5
    wild = next(p for p in account.positions if p.symbol == "WILD")
    assert wild.last_bar == NEXT


def test_a_late_decision_waits_for_an_open_that_it_came_before(store: Path) -> None:
    run(str(store), EACH, now=pd.Timestamp(f"{NEXT} 16:00", tz="UTC"))  # while the next session trades
    fill_lake(store, ("CALM", "WILD"), until=THIRD)
    run(str(store), EACH, now=after_close(THIRD))
    rows = journal_rows(str(store), 1)
    whole = rows[(rows["event"] == "session") & (rows["symbol"] == "")].set_index("session")
    assert whole.loc[NEXT, "turnover"] == 0
    assert whole.loc[THIRD, "turnover"] > 0


def test_forecasts_that_sessions_have_followed_are_not_decided_on(store: Path) -> None:
    result = run(str(store), EACH, now=after_close(THIRD))
    assert result.account is None
    assert result.decided == ()
    assert "run 'tenor refresh' first" in result.notes[0]


@pytest.mark.parametrize("better", [False, True])
def test_long_flat_holds_only_with_evidence_of_direction(store: Path, better: bool) -> None:
    publish(store, DAY, {"CALM": CALM, "WILD": WILD}, better=better)
    account = run(str(store), PaperConfig(rule="long/flat"), now=after_close(DAY)).account
    assert account is not None
    assert [o.target for o in account.pending] == ([0.5, 0.5] if better else [0.0, 0.0])
    assert account.notes == (
        () if better else ("nothing is held: no evidence of direction. No edge over persistence.",)
    )


def test_a_replayed_account_equals_the_backtest_step_by_step_and_its_journal_replays(tmp_path: Path) -> None:
    fill_lake(tmp_path, ("CALM", "WILD"), until=DAY)
    publish(tmp_path, DAY, {"CALM": CALM, "WILD": WILD}, history=90)
    account = run(str(tmp_path), PaperConfig(), since=pd.Timestamp("2019-09-03"), now=after_close(DAY)).account
    assert account is not None
    assert account.sessions >= 60
    assert account.sharpe is not None
    assert account.backtest is not None
    rows = journal_rows(str(tmp_path), 1)
    made = rows[(rows["event"] == "decision") & (rows["symbol"] != "")].pivot(
        index="session", columns="symbol", values="target"
    )
    frame = bars(("CALM", "WILD"), until=DAY)
    opens, closes = (frame.pivot(index="session", columns="symbol", values=c) for c in ("open", "close"))
    book = Book(100_000.0, np.zeros(2), closes.loc[made.index[0]].to_numpy())
    for day, decided in zip(account.backtest.sessions[1:], made.index, strict=False):
        trades = fill(book, opens.loc[day].to_numpy(), made.loc[decided].to_numpy(), 10.0)
        assert trades is not None
        book = trades.book.at(closes.loc[day].to_numpy())
    assert account.equity == pytest.approx(book.worth, rel=1e-9)
    assert account.replayed == len(made)
    rows.loc[(rows["symbol"] == "CALM") & (rows["event"] == "session"), "position"] *= 1.01
    with pytest.raises(DataError, match="does not follow from itself on 2019-09"):
        account_of(rows, 1, "XNYS")


def test_what_can_not_be_is_refused_with_its_remedy(store: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing was published"):
        run(str(tmp_path / "none"), EACH)
    with pytest.raises(ConfigError, match="no paper account"):
        show(str(store))
    with pytest.raises(ConfigError, match=r"'CLAM'.*CALM"):
        run(str(store), PaperConfig(symbols=("CLAM",)), now=after_close(DAY))
    with pytest.raises(ConfigError, match="they begin on 2019-06-03"):
        run(str(store), EACH, since=pd.Timestamp("2019-02-01"), now=after_close(DAY))
    with pytest.raises(ConfigError, match="track record"):
        run(str(store), PaperConfig(rule="long/flat"), since=pd.Timestamp("2019-12-02"), now=after_close(DAY))
    run(str(store), EACH, now=after_close(DAY))
    with pytest.raises(ConfigError, match=r"paper\.cost = 10\.0"):
        run(str(store), PaperConfig(rule="each", cost=5.0, capital=10_000.0), now=after_close(DAY))
    assert reset(str(store)) == 1
    assert reset(str(store)) is None
    second = run(str(store), PaperConfig(rule="each", cost=5.0), now=after_close(DAY)).account
    assert second is not None
    assert second.number == 2
    assert show(str(store), 1).settings["cost"] == 10.0


CHILD = """
import os, signal, sys
from pathlib import Path
import pandas as pd
from tenor.config import PaperConfig
from tenor.pipeline.paper import run
store, when = sys.argv[1:]
rename = Path.replace
def killed(path, target):
    if "/paper/" in str(target):
        if when == "after":
            rename(path, target)
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(path, target)
if when != "never":
    Path.replace = killed
run(store, PaperConfig(), since=pd.Timestamp("2019-09-03"), now=pd.Timestamp("2020-01-06 22:00", tz="UTC"))
"""


def child(store: Path, when: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CHILD, str(store), when], stderr=subprocess.PIPE)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    _, error = process.communicate(timeout=200)
    return process.returncode, error


@pytest.mark.processes
def test_a_killed_run_leaves_nothing_or_all_and_two_at_once_leave_one(tmp_path: Path) -> None:
    fill_lake(tmp_path, ("CALM", "WILD"), until=DAY)
    publish(tmp_path, DAY, {"CALM": CALM, "WILD": WILD}, history=90)
    assert ended(child(tmp_path, "before"))[0] == -signal.SIGKILL
    assert PaperJournal(tmp_path).rows().empty
    both = [child(tmp_path, "never") for _ in range(2)]
    codes, errors = zip(*map(ended, both), strict=True)
    # the second one finds an account, which --since does not go on with
    assert sorted(codes) == [0, 1]
    assert b"has begun already" in b"".join(errors)
    whole = show(str(tmp_path))
    reset(str(tmp_path))
    assert ended(child(tmp_path, "after"))[0] == -signal.SIGKILL
    assert show(str(tmp_path)).number == 2
    assert show(str(tmp_path)).equity == whole.equity


def test_the_command_prints_80_columns_and_json(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(str(store), EACH, now=after_close(DAY))
    fill_lake(store, ("CALM", "WILD"), until=NEXT)
    run(str(store), EACH, now=after_close(NEXT))
    assert main(["paper", "show", "--store", str(store)]) == 0
    text = capsys.readouterr().out
    assert "too few to tell" in text
    assert max(map(len, text.splitlines())) <= 80
    assert main(["paper", "show", "--store", str(store), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sharpe"] is None
    assert main(["paper", "show", "--store", str(store), "--journal"]) == 0
    assert capsys.readouterr().out.startswith("symbol,account,session,event")
    assert main(["paper", "run", "--store", str(store), "--since", "soon"]) == 2
    assert "--since is 'soon': write a day as YYYY-MM-DD." in capsys.readouterr().err
