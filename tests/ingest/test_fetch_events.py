"""Events from services into the lake: known from when they were said, moved without changing what was known before."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from live import ENVIRONMENT, Live
from world import World

from tenor.calendars import exchange
from tenor.cli import main
from tenor.config import to_mapping
from tenor.errors import ConfigError
from tenor.features.axis import Axis
from tenor.features.own import EventKind
from tenor.features.own.events import FARTHEST
from tenor.ingest.doctor import doctor
from tenor.ingest.fetch_events import EventsResult, fetch_events
from tenor.ingest.services.keys import SourceKeys
from tenor.ingest.status import status
from tenor.schema import Bars

Make = Callable[..., Live]
SCRIPT = Path(__file__).parents[1] / "support" / "fetch_once.py"


def events(live: Live, at: str, *symbols: str) -> list[EventsResult]:
    live.world.now = pd.Timestamp(at, tz="UTC")
    return fetch_events(
        live.lake, symbols or ("AAPL",), live.config, now=live.world.now, http=live.http, keys=live.keys
    )


def known(live: Live) -> list[tuple[str, str, str]]:
    """Day, known since and withdrawn since, as texts."""
    made = live.lake.events()
    assert made is not None
    texts = made.frame[["session", "known_since", "withdrawn_since"]].copy()
    texts["session"] = texts["session"].dt.strftime("%m-%d")
    for column in ("known_since", "withdrawn_since"):
        texts[column] = texts[column].dt.strftime("%m-%d %H:%M").fillna("")
    return list(texts.itertuples(index=False, name=None))


def until_next(live: Live, last: str) -> dict[str, int]:
    """Sessions until the next known results, by session."""
    days = exchange("XNYS").sessions(pd.Timestamp("2024-06-03"), pd.Timestamp(last))
    price = dict.fromkeys(("open", "high", "low", "close", "adj_close", "volume"), 10.0)
    axis = Axis.of(Bars(pd.DataFrame({"symbol": "AAPL", "session": days, **price})), "XNYS")
    made = live.lake.events()
    assert made is not None
    line = EventKind("earnings").features(made, axis, ["AAPL"])["earnings_next"][:, 0]
    counts = (pd.Series((1 + FARTHEST) ** line, index=days) - 1).round().astype(int)
    return {f"{day:%m-%d}": int(n) for day, n in counts.items()}


def test_past_results_come_once_and_the_next_fetch_goes_on(live_with: Make) -> None:
    live = live_with(World(), events=("edgar",))
    (first,) = events(live, "2024-05-01 22:00", "AAPL", "BRK-B", "SAP.DE")
    assert (first.new, first.known, first.requests, first.failures) == (8, 0, 2, 0)
    live.services["edgar"].requests.clear()
    (second,) = events(live, "2024-06-21 22:00", "AAPL", "BRK-B", "SAP.DE")
    assert (second.new, second.withdrawn) == (4, 0)
    pages = [path for path, _ in live.services["edgar"].requests if "-submissions-" in path]
    assert pages == []  # older filings are not asked for again
    made = live.lake.events(symbols=["AAPL"])
    assert made is not None
    assert made.frame["known_since"].iloc[0] == pd.Timestamp("2024-01-25 21:05:10", tz="UTC")
    (third,) = events(live, "2024-06-21 22:00", "AAPL", "BRK-B")
    assert third.new == 0


@pytest.mark.parametrize("source", ["finnhub", "alphavantage"])
def test_a_date_that_is_moved_stops_being_the_next_one_and_what_was_known_stays(live_with: Make, source: str) -> None:
    live = live_with(World(coming={"AAPL": [("2024-07-25", "bmo")]}), events=(source,))
    assert events(live, "2024-06-10 12:00")[0].new == 1
    before = until_next(live, "2024-06-14")
    live.world.coming["AAPL"] = [("2024-08-01", "bmo")]
    (moved,) = events(live, "2024-06-17 12:00")
    assert (moved.new, moved.withdrawn) == (1, 1)
    assert known(live) == [("07-25", "06-10 12:00", "06-17 12:00"), ("08-01", "06-17 12:00", "")]
    after = until_next(live, "2024-06-18")
    assert {day: after[day] for day in before} == before
    assert (before["06-07"], before["06-10"], after["06-14"], after["06-17"]) == (60, 31, 27, 31)
    live.world.coming["AAPL"] = [("2024-07-25", "bmo")]  # and moved back
    (back,) = events(live, "2024-06-20 12:00")
    assert (back.new, back.withdrawn) == (1, 1)
    assert known(live) == [
        ("07-25", "06-10 12:00", "06-17 12:00"),
        ("07-25", "06-20 12:00", ""),
        ("08-01", "06-17 12:00", "06-20 12:00"),
    ]
    again = until_next(live, "2024-06-21")
    assert {day: again[day] for day in after} == after
    assert again["06-20"] == 24
    assert events(live, "2024-06-21 12:00")[0].known == 1
    then = live.lake.events(as_of=pd.Timestamp("2000-01-01", tz="UTC"))
    assert then is None


def test_a_date_of_today_is_taken_back_only_where_another_shows_that_it_was_moved(live_with: Make) -> None:
    live = live_with(World(coming={"AAPL": [("2024-07-25", "amc")]}), events=("finnhub",))
    events(live, "2024-07-01 12:00")
    live.world.coming["AAPL"] = [("2024-10-24", "amc")]  # it has reported: the calendar goes on to the next quarter
    assert events(live, "2024-07-25 21:00")[0].withdrawn == 0
    assert known(live)[0] == ("07-26", "07-01 12:00", "")
    other = live_with(World(coming={"MSFT": [("2024-07-25", "amc")]}), events=("finnhub",))
    events(other, "2024-07-01 12:00", "MSFT")
    other.world.coming["MSFT"] = [("2024-08-01", "amc")]
    assert events(other, "2024-07-25 13:00", "MSFT")[0].withdrawn == 1


def test_a_calendar_that_lists_nothing_takes_nothing_back(live_with: Make) -> None:
    live = live_with(World(coming={"AAPL": [("2024-07-25", "amc")]}), events=("finnhub",))
    events(live, "2024-07-01 12:00")
    live.world.coming["AAPL"] = []
    assert events(live, "2024-07-02 12:00")[0].withdrawn == 0
    live.services["finnhub"].faults = ["*500"]
    assert events(live, "2024-07-03 12:00")[0].failed
    assert known(live) == [("07-26", "07-01 12:00", "")]


def test_what_one_source_takes_back_another_may_still_announce(live_with: Make) -> None:
    live = live_with(World(coming={"AAPL": [("2024-07-25", "bmo")]}), events=("finnhub", "alphavantage"))
    assert [each.new for each in events(live, "2024-06-10 12:00")] == [1, 1]
    live.services["alphavantage"].faults = ["*500"]
    live.world.coming["AAPL"] = [("2024-08-01", "bmo")]
    finnhub, _ = events(live, "2024-06-17 12:00")
    assert finnhub.withdrawn == 1
    assert known(live) == [("07-25", "06-10 12:00", ""), ("08-01", "06-17 12:00", "")]
    live.services["alphavantage"].faults = []
    assert [each.withdrawn for each in events(live, "2024-06-18 12:00")] == [0, 1]
    assert known(live) == [("07-25", "06-10 12:00", "06-18 12:00"), ("08-01", "06-17 12:00", "")]


def test_results_that_were_announced_stay_known_from_then_on(live_with: Make) -> None:
    live = live_with(World(coming={"AAPL": [("2024-06-20", "")]}), events=("alphavantage",))
    events(live, "2024-06-03 12:00")
    config = live.config.__class__(**{**live.config.__dict__, "events": ("edgar",)})
    live.config = config
    events(live, "2024-06-21 12:00")
    made = live.lake.events()
    assert made is not None
    day = made.frame[made.frame["session"] == pd.Timestamp("2024-06-20")]
    assert day["known_since"].tolist() == [pd.Timestamp("2024-06-03 12:00", tz="UTC")]


def test_without_a_source_nothing_is_asked_and_nothing_is_written(live_with: Make) -> None:
    live = live_with(World())
    assert events(live, "2024-06-21 22:00") == []
    result = live.fetch("AAPL")
    assert result.events == ()
    assert result.to_json()["events"] == []
    assert live.lake.events() is None


def test_failures_are_told_once_and_the_symbol_is_asked_from_its_beginning_again(live_with: Make) -> None:
    live = live_with(World(), events=("edgar",))
    live.services["edgar"].faults = ["*500"]
    (failed,) = events(live, "2024-05-01 22:00", "AAPL", "MSFT", "BRK-B")
    assert (failed.failures, len(failed.errors)) == (3, 1)
    assert failed.failed
    live.services["edgar"].faults = []
    (whole,) = events(live, "2024-06-21 22:00", "AAPL", "MSFT", "BRK-B", "NOPE")
    assert (whole.new, whole.failures, whole.failed) == (18, 1, False)
    assert whole.errors == ("edgar has no company of the ticker NOPE.",)


def test_a_fetch_that_is_killed_keeps_its_batches_and_the_next_goes_on(live_with: Make, tmp_path: Path) -> None:
    symbols = [f"T{i:03d}" for i in range(130)]
    filings = {symbol: [("8-K", "2.02", "2024-05-02 16:10:00"), ("4", "", "2024-05-03 16:10:00")] for symbol in symbols}
    live = live_with(World(filings=filings), events=("edgar",), prices=("yahoo",), news=())
    live.world.now = pd.Timestamp("2024-06-03 23:30", tz="UTC")
    settings = {
        "store": live.lake.location,
        "symbols": symbols,
        "config": to_mapping(live.config),
        "environment": ENVIRONMENT,
        "now": str(live.world.now),
        "only": "events",
    }
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), json.dumps(settings)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        deadline = time.monotonic() + 60
        while len(live.services["edgar"].requests) < 80 and time.monotonic() < deadline:
            time.sleep(0.01)
        child.kill()
    (result,) = events(live, "2024-06-03 23:45", *symbols)
    made = live.lake.events()
    assert made is not None
    assert len(made.frame) == 2 * len(symbols)
    assert result.new + result.known <= 2 * len(symbols)
    assert not result.failures


def test_two_fetches_at_once_leave_each_date_once(live_with: Make) -> None:
    live = live_with(World(coming={"AAPL": [("2024-07-25", "bmo")]}), events=("edgar", "finnhub"))
    live.world.now = pd.Timestamp("2024-06-21 22:00", tz="UTC")
    settings = {
        "store": live.lake.location,
        "symbols": ["AAPL"],
        "config": to_mapping(live.config),
        "environment": ENVIRONMENT,
        "now": str(live.world.now),
        "only": "events",
    }
    children = [
        subprocess.Popen([sys.executable, str(SCRIPT), json.dumps(settings)], stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [child.wait(120) for child in children] == [0, 0]
    made = live.lake.events()
    assert made is not None
    assert len(made.frame) == 7
    assert made.frame["withdrawn_since"].isna().all()


def test_status_shows_the_next_event_and_doctor_asks_each_source(live_with: Make) -> None:
    coming = [("2024-07-25", "amc"), ("2024-07-18", "")]
    live = live_with(World(coming={"AAPL": coming}), events=("edgar", "finnhub", "alphavantage"))
    live.fetch("AAPL", "MSFT", day="2024-06-20")
    aapl, msft = status(live.lake.location, live.config, now=live.world.now)
    assert (aapl.events, aapl.next_event, aapl.next_kind) == (8, pd.Timestamp("2024-07-18"), "earnings")
    assert aapl.to_json()["next_event"] == "2024-07-18"
    assert (msft.events, msft.next_event, msft.next_kind) == (6, pd.Timestamp("2025-01-24"), "earnings_expected")
    checks = [c for c in doctor(live.config, now=live.world.now, http=live.http, keys=live.keys) if c.kind == "events"]
    assert [(c.source, c.symbol, c.works) for c in checks] == [
        ("edgar", "AAPL", True),
        ("finnhub", "AAPL", True),
        ("alphavantage", "", True),
    ]
    assert checks[0].message == "6 dates to 2025-06-20"
    bare = SourceKeys.from_environment({})
    checks = [c for c in doctor(live.config, now=live.world.now, http=live.http, keys=bare) if c.kind == "events"]
    assert [c.works for c in checks] == [False] * 3
    assert "needs a contact, as SEC asks of programs" in checks[0].message
    assert "set the environment variable EDGAR_IDENTITY" in checks[0].message


def test_the_command_line_fetches_events_where_they_are_configured(
    live_with: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    live = live_with(World(now=pd.Timestamp("2024-06-21 22:00", tz="UTC")), events=("edgar",))
    for variable, key in ENVIRONMENT.items():
        monkeypatch.setenv(variable, key)
    store, urls = live.lake.location, json.dumps(list(live.config.urls))
    options = ["--no-news", "--store", store, "--set", f"sources.urls={urls}", "--set", 'sources.prices=["yahoo"]']
    assert main(["data", "fetch", "AAPL", "--events", *options]) == 2
    assert "--events, and sources.events names no source" in capsys.readouterr().err
    edgar = ["--set", 'sources.events=["edgar"]', "--set", "sources.http.requests_per_minute=100000"]
    assert main(["data", "fetch", "AAPL", "--no-events", *options, *edgar]) == 0
    assert "events from" not in capsys.readouterr().out
    assert main(["data", "fetch", "AAPL", "NOPE", *options, *edgar]) == 0
    told = capsys.readouterr().out
    assert "events from edgar: 6 new, 0 already there, 0 withdrawn, 0 refused" in told
    assert "events from edgar: 1 of 2 requests failed: edgar has no company of the ticker NOPE." in told
    assert main(["data", "fetch", "AAPL", *options, *edgar, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events"][0]["failures"] == 0
    assert main(["data", "status", "--store", store]) == 0
    assert "next event" in capsys.readouterr().out


def test_an_unknown_source_of_events_is_refused_before_anything_is_fetched(live_with: Make) -> None:
    live = live_with(World(), events=("edgr",))
    with pytest.raises(ConfigError, match=r"unknown source 'edgr' in sources\.events"):
        live.fetch("AAPL")
    assert not live.services["yahoo"].requests


def test_a_note_is_shown_once_a_symbol(live_with: Make) -> None:
    live = live_with(World(filings={"AAPL": [("6-K", "", "2024-05-02 07:00:00")]}), events=("edgar",))
    (result,) = events(live, "2024-06-21 22:00")
    assert result.notes == ("AAPL files 6-K, as foreign companies do: its filings have no items that tell results",)
    assert live.lake.events() is None
