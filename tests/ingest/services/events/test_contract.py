"""One contract for every source of events: the same dates over their wire formats, whole and with faults."""

from __future__ import annotations

import dataclasses
import json
import logging
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pytest
from live import PATIENT
from services import LASTING_FAULTS, Service, serving
from wire import ENVIRONMENT, SERVICES
from world import World

from tenor.config import SourcesConfig
from tenor.errors import SourceError
from tenor.ingest.services import EVENT_SOURCES
from tenor.ingest.services.catalogue import event_sources
from tenor.ingest.services.event_source import EventAnswer, EventSource, reacting_session
from tenor.ingest.services.events.edgar import accepted_at
from tenor.ingest.services.fields import guarded
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys

SINCE = pd.Timestamp("2024-01-01", tz="UTC")
CALENDARS = ("alphavantage", "finnhub")
NO_FILINGS: dict[str, list[str]] = {"form": [], "items": [], "filingDate": [], "acceptanceDateTime": []}


@dataclass
class Made:
    world: World
    services: dict[str, Service]
    keys: SourceKeys
    config: SourcesConfig
    slept: list[float] = field(default_factory=list)

    def source(self, name: str, http: Http) -> EventSource:
        (source,) = event_sources(dataclasses.replace(self.config, events=(name,)), http, self.keys)
        return source


@pytest.fixture
def made() -> Iterator[Made]:
    coming = [("2024-07-25", "amc"), ("2024-07-26", "bmo"), ("2024-07-06", "amc"), ("2024-07-31", "")]
    world = World(coming={"AAPL": coming, "BRK-B": [("2024-08-02", "bmo")]})
    with serving(world, EVENT_SOURCES) as services:
        urls = tuple(f"{name}={service.url}" for name, service in services.items())
        yield Made(world, services, SourceKeys.from_environment(ENVIRONMENT), SourcesConfig(urls=urls, http=PATIENT))


@pytest.fixture
def http(made: Made) -> Iterator[Http]:
    with Http(PATIENT, keys=made.keys, sleep=made.slept.append) as client:
        yield client


@pytest.fixture
def restored() -> Iterator[None]:
    before = dict(SERVICES)
    yield
    SERVICES.update(before)


def ask(made: Made, source: EventSource, symbol: str = "AAPL", kind: str = "earnings") -> EventAnswer:
    asked = symbol if source.by_symbol else ""
    answer = guarded(source.name, lambda: source.events(asked, since=SINCE, now=made.world.now))
    chosen = (answer.frame["symbol"] == symbol) & (answer.frame["kind"] == kind)
    return dataclasses.replace(answer, frame=answer.frame[chosen].reset_index(drop=True))


def speaking(name: str, body: bytes, kind: str = "application/json", status: int = 200) -> None:
    SERVICES[name] = dataclasses.replace(SERVICES[name], speak=lambda *_: (status, kind, body))


@pytest.mark.parametrize("name", EVENT_SOURCES)
class TestEventSource:
    def test_every_date_with_its_session_and_kind(self, made: Made, http: Http, name: str) -> None:
        answer = ask(made, made.source(name, http))
        frame = answer.frame
        assert set(frame["kind"]) == {"earnings"}
        assert str(frame["known_since"].dtype) == "datetime64[us, UTC]"
        assert str(frame["session"].dtype) == "datetime64[us]"
        days = frame["session"].dt.strftime("%Y-%m-%d").tolist()
        if name in CALENDARS:  # after a close: the next session; a Saturday: Monday
            assert days == ["2024-07-08", "2024-07-26", "2024-07-31"]
            assert frame["known_since"].isna().all()
            assert answer.covered is not None
        else:
            assert days == ["2024-01-26", "2024-04-24", "2024-06-20"]
            assert answer.covered is None
        assert answer.refused == 0

    @pytest.mark.parametrize("fault", ["429", "500", "length"])
    def test_what_passes_is_tried_again(self, made: Made, http: Http, name: str, fault: str) -> None:
        made.services[name].faults = [fault]
        assert len(ask(made, made.source(name, http)).frame) == 3

    @pytest.mark.parametrize(
        ("fault", "kind"),
        LASTING_FAULTS,
    )
    def test_what_does_not_pass_is_one_clear_error(
        self, made: Made, name: str, fault: str, kind: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        made.services[name].faults = [f"*{fault}"]
        config = dataclasses.replace(PATIENT, deadline_seconds=0.3, attempts=1) if fault == "drip" else PATIENT
        with Http(config, keys=made.keys, sleep=made.slept.append) as http, pytest.raises(SourceError) as caught:
            ask(made, made.source(name, http))
        assert caught.value.kind == kind
        assert "\n" not in str(caught.value)
        text = "".join(traceback.format_exception(caught.value)) + caplog.text
        assert not [key for key in ENVIRONMENT.values() if key in text]

    def test_a_wait_that_is_asked_for_is_waited(self, made: Made, http: Http, name: str) -> None:
        made.services[name].faults, made.services[name].retry_after = ["429"], "7"
        ask(made, made.source(name, http))
        assert 7.0 in made.slept

    def test_without_its_key_it_says_which_one(self, made: Made, http: Http, name: str) -> None:
        made.keys = SourceKeys.from_environment({})
        with pytest.raises(SourceError, match=r"needs a .*: set the environment variable [A-Z_]+\.") as caught:
            ask(made, made.source(name, http))
        assert caught.value.kind == "refused"
        assert not made.services[name].requests

    def test_class_shares_are_asked_for_as_it_writes_them(self, made: Made, http: Http, name: str) -> None:
        assert len(ask(made, made.source(name, http), "BRK-B").frame) == (1 if name in CALENDARS else 3)

    @pytest.mark.parametrize("symbol", ["SAP.DE", "BTC-USD", "EURUSD=X", "^GSPC", "7203.T"])
    def test_what_it_does_not_have_is_not_asked_for(self, made: Made, http: Http, name: str, symbol: str) -> None:
        assert not made.source(name, http).serves(symbol)


class TestEdgar:
    def test_times_of_acceptance_are_utc_whichever_clock_they_are_written_by(self, made: Made, http: Http) -> None:
        truth = ask(made, made.source("edgar", http)).frame["known_since"].tolist()
        assert truth[0] == pd.Timestamp("2024-01-25 21:05:10", tz="UTC")
        made.world.eastern = ("AAPL",)
        assert ask(made, made.source("edgar", http)).frame["known_since"].tolist() == truth

    def test_where_nothing_decides_the_later_moment_counts(self) -> None:
        rows = {"form": "8-K", "filingDate": "2024-05-02", "acceptanceDateTime": "2024-05-02T13:30:00.000Z"}
        assert accepted_at(pd.DataFrame([rows])).tolist() == [pd.Timestamp("2024-05-02 17:30", tz="UTC")]

    def test_a_filing_of_the_other_clock_among_many_is_read_by_its_own(self) -> None:
        stamps = [
            ("2024-02-01", "2024-02-01T21:30:00.000Z"),  # 16:30: after a later clock it would be filed the next day
            ("2024-05-02", "2024-05-02T20:31:00.000Z"),
            ("2024-08-01", "2024-08-01T07:30:32.000Z"),  # half past three at night in UTC
        ]
        table = pd.DataFrame(stamps, columns=["filingDate", "acceptanceDateTime"]).assign(form="8-K")
        assert accepted_at(table).dt.strftime("%m-%d %H:%M").tolist() == ["02-01 21:30", "05-02 20:31", "08-01 11:30"]

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "yesterday",
            "2024-05-02",
            "2024-05-02T13:30:00",
            "2024-05-02T13:30:00+02:00",
            "9999-12-31T23:59:59.000Z",
            "0001-01-01T00:00:00.000Z",
            "2024-02-30T12:00:00.000Z",
        ],
    )
    def test_a_time_that_is_none_is_refused_and_counted(
        self, made: Made, http: Http, restored: None, text: str
    ) -> None:
        columns = {"form": ["8-K"], "items": ["2.02"], "filingDate": ["2024-05-02"], "acceptanceDateTime": [text]}
        table = {"0": {"cik_str": 1, "ticker": "AAPL"}}
        both = json.dumps({"filings": {"recent": columns, "files": []}, **table}).encode()
        answers = {"/files/company_tickers.json": json.dumps(table).encode()}
        speak = lambda _w, path, *_: (200, "application/json", answers.get(path, both))  # noqa: E731
        SERVICES["edgar"] = dataclasses.replace(SERVICES["edgar"], speak=speak)
        answer = ask(made, made.source("edgar", http))
        assert answer.frame.empty
        assert answer.refused == 1

    def test_a_filing_at_the_very_close_belongs_to_the_next_session(self, made: Made, http: Http) -> None:
        made.world.filings["AAPL"] = [
            ("8-K", "2.02", "2024-02-01 15:59:59"),
            ("8-K", "2.02", "2024-03-04 16:00:00"),
            ("8-K", "2.02", "2024-03-28 17:31:00"),  # before Good Friday: Monday
            ("8-K", "2.02", "2024-04-30 16:05:00"),
            ("8-K", "2.02", "2024-05-01 08:00:00"),  # before the same close: the first counts
        ]
        frame = ask(made, made.source("edgar", http)).frame
        days = ["2024-02-01", "2024-03-05", "2024-04-01", "2024-05-01"]
        assert frame["session"].dt.strftime("%Y-%m-%d").tolist() == days
        assert frame["known_since"].iloc[-1] == pd.Timestamp("2024-04-30 20:05", tz="UTC")

    def test_five_thousand_filings_over_many_pages(self, made: Made, http: Http) -> None:
        days = pd.bdate_range("2004-09-01", "2024-05-31")
        made.world.filings["AAPL"] = [
            ("8-K" if i % 63 == 0 else "4", "2.02,9.01" if i % 63 == 0 else "", f"{day:%Y-%m-%d} 16:10:00")
            for i, day in enumerate(days)
        ]
        assert len(days) > 5_000
        source = made.source("edgar", http)
        answer = source.events("AAPL", since=pd.Timestamp("2005-01-01", tz="UTC"), now=made.world.now)
        assert (answer.frame["kind"] == "earnings_expected").sum() * 2 == len(answer.frame)
        expected = [day for i, day in enumerate(days) if i % 63 == 0 and day >= pd.Timestamp("2005-01-01")]
        assert len(answer.frame) == 2 * len(expected)
        made.services["edgar"].requests.clear()
        late = source.events("AAPL", since=pd.Timestamp("2024-01-01", tz="UTC"), now=made.world.now)
        assert len(late.frame) / 2 == sum(day >= pd.Timestamp("2024-01-01") for day in expected) == 1
        assert len(made.services["edgar"].requests) == 1  # no page of older filings, and the tickers once

    def test_next_years_results_are_expected_52_weeks_after_these(self, made: Made, http: Http) -> None:
        made.world.filings["AAPL"] = [("8-K", "2.02", "2022-07-05 16:10:00"), ("8-K", "2.02", "2024-06-27 08:00:00")]
        frame = (
            made.source("edgar", http).events("AAPL", since=SINCE - pd.Timedelta(days=900), now=made.world.now).frame
        )
        rows = frame[frame["kind"] == "earnings_expected"]
        # July 6, 2022 and 52 weeks; June 26, 2025
        assert rows["session"].dt.strftime("%Y-%m-%d").tolist() == ["2023-07-05", "2025-06-26"]
        assert rows["known_since"].tolist() == [
            pd.Timestamp("2022-07-05 20:10", tz="UTC"),
            pd.Timestamp("2024-06-27 12:00", tz="UTC"),
        ]

    def test_a_foreign_company_is_a_note(self, made: Made, http: Http) -> None:
        made.world.filings["AAPL"] = [("20-F", "", "2024-03-01 09:00:00"), ("6-K", "", "2024-05-02 07:00:00")]
        answer = ask(made, made.source("edgar", http))
        assert answer.frame.empty
        assert answer.note == "AAPL files 6-K, as foreign companies do: its filings have no items that tell results"

    def test_a_ticker_without_a_company(self, made: Made, http: Http) -> None:
        with pytest.raises(SourceError, match=r"edgar has no company of the ticker NOPE\.") as caught:
            ask(made, made.source("edgar", http), "NOPE")
        assert caught.value.kind == "unknown"

    def test_the_tickers_are_asked_for_once_even_where_they_fail(self, made: Made, http: Http) -> None:
        made.services["edgar"].faults = ["*html"]
        source = made.source("edgar", http)
        for _ in range(3):
            with pytest.raises(SourceError, match="a web page"):
                ask(made, source)
        assert len(made.services["edgar"].requests) == 1

    @pytest.mark.parametrize("contact", ["nobody", "Ada Exämple ada@tenor.example", "ada@tenor.example\tX"])
    def test_a_contact_that_is_none_is_refused_before_a_request(self, made: Made, http: Http, contact: str) -> None:
        made.keys = SourceKeys.from_environment({"EDGAR_IDENTITY": contact})
        with pytest.raises(SourceError, match="needs a contact: set EDGAR_IDENTITY to a name and an e-mail address"):
            ask(made, made.source("edgar", http))
        assert not made.services["edgar"].requests

    def test_a_refusal_says_what_sec_wants(self, made: Made, http: Http, restored: None) -> None:
        speaking("edgar", b"<!DOCTYPE html><html></html>", "text/html", 403)
        with pytest.raises(SourceError, match=r"edgar refuses the request \(403\): SEC wants EDGAR_IDENTITY") as caught:
            ask(made, made.source("edgar", http))
        assert caught.value.kind == "refused"

    @pytest.mark.parametrize(
        "body",
        [
            {"filings": {"recent": {"form": ["8-K"], "items": [], "filingDate": [], "acceptanceDateTime": []}}},
            {"filings": {"recent": {"form": ["8-K"], "items": ["2.02"]}}},
            {"filings": {"recent": []}},
            {"filings": {"recent": {}, "files": "abc"}},
            {"filings": {"recent": {**NO_FILINGS, "form": [None]}, "files": []}},
            {"filings": {"recent": NO_FILINGS, "files": [1]}},
            {"filings": {"recent": NO_FILINGS, "files": "abc"}},
            {"filings": None},
            [],
        ],
    )
    def test_columns_that_do_not_fit_are_one_error(self, made: Made, http: Http, restored: None, body: Any) -> None:
        answers = {"/files/company_tickers.json": b'{"0": {"cik_str": 1, "ticker": "AAPL"}}'}
        spoken = json.dumps(body).encode()
        speak = lambda _w, path, *_: (200, "application/json", answers.get(path, spoken))  # noqa: E731
        SERVICES["edgar"] = dataclasses.replace(SERVICES["edgar"], speak=speak)
        with pytest.raises(SourceError) as caught:
            ask(made, made.source("edgar", http))
        assert caught.value.kind == "malformed"

    def test_a_page_is_never_looked_for_elsewhere(self, made: Made, http: Http, restored: None) -> None:
        body = {"filings": {"recent": NO_FILINGS, "files": [{"name": "../../secret.json", "filingTo": "2024-01-01"}]}}
        answers = {"/files/company_tickers.json": b'{"0": {"cik_str": 1, "ticker": "AAPL"}}'}
        speak = lambda _w, path, *_: (200, "application/json", answers.get(path, json.dumps(body).encode()))  # noqa: E731
        SERVICES["edgar"] = dataclasses.replace(SERVICES["edgar"], speak=speak)
        with pytest.raises(SourceError, match=r"'files\.name' is missing or of another type"):
            ask(made, made.source("edgar", http))
        assert len(made.services["edgar"].requests) == 2


class TestCalendars:
    @pytest.mark.parametrize("body", [b'{"Information": "your key alpha-key-91c2 is used up"}', b'{"Note": "slower"}'])
    def test_a_refusal_of_alpha_vantage_is_no_calendar(
        self, made: Made, http: Http, restored: None, body: bytes
    ) -> None:
        speaking("alphavantage", body)
        with pytest.raises(SourceError, match=r"alphavantage gives no answer \(") as caught:
            ask(made, made.source("alphavantage", http))
        assert caught.value.kind == "limited"
        assert "alpha-key-91c2" not in str(caught.value)

    @pytest.mark.parametrize(
        "body",
        [
            b"symbol,name,reportDate\r\n",
            b"",
            b"{}",
            b"[1]",
            b"symbol,reportDate\r\nAAPL,soon\r\n",
            b"symbol,reportDate\n" + b"A" * 200_000,
        ],
    )
    def test_an_empty_calendar_takes_nothing_back(self, made: Made, http: Http, restored: None, body: bytes) -> None:
        speaking("alphavantage", body, "text/csv")
        with pytest.raises(SourceError) as caught:
            ask(made, made.source("alphavantage", http))
        assert caught.value.kind == "malformed"

    def test_rows_that_are_no_dates_are_refused_and_counted(self, made: Made, http: Http, restored: None) -> None:
        rows = [("2024-07-25", "amc"), ("soon", ""), (None, ""), ("2024-02-30", ""), (20240725, ""), ("2024-7-5", "")]
        listed = [{"date": day, "hour": hour, "symbol": "AAPL"} for day, hour in rows]
        speaking(
            "finnhub", json.dumps({"earningsCalendar": [*listed, {"date": "2024-07-01", "symbol": "MSFT"}]}).encode()
        )
        answer = ask(made, made.source("finnhub", http))
        assert answer.refused == 4
        assert answer.frame["session"].dt.strftime("%Y-%m-%d").tolist() == ["2024-07-05", "2024-07-26"]

    def test_a_calendar_none_of_whose_dates_can_be_read_is_an_error(
        self, made: Made, http: Http, restored: None
    ) -> None:
        speaking("finnhub", b'{"earningsCalendar": [{"date": "25.07.2024", "symbol": "AAPL"}]}')
        with pytest.raises(SourceError, match="sent 1 dates of AAPL, none of which can be read"):
            ask(made, made.source("finnhub", http))

    def test_what_is_over_or_years_away_is_left_out(self, made: Made, http: Http) -> None:
        made.world.coming["AAPL"] = [("2024-06-28", "bmo"), ("2024-06-28", "amc"), ("2027-01-04", "")]
        assert ask(made, made.source("alphavantage", http)).frame["session"].dt.strftime("%Y-%m-%d").tolist() == [
            "2024-07-01"
        ]


@pytest.mark.parametrize(
    ("day", "after_close", "session"),
    [
        ("2024-07-03", False, "2024-07-03"),
        ("2024-07-03", True, "2024-07-05"),  # the Fourth of July is not a session
        ("2024-07-04", True, "2024-07-05"),
        ("2024-07-04", False, "2024-07-05"),
        ("2024-07-06", True, "2024-07-08"),
        ("1700-01-01", False, None),
        ("9999-12-31", True, None),
        ("", False, None),
        (None, False, None),
    ],
)
def test_the_first_session_that_can_react(day: Any, after_close: bool, session: str | None) -> None:
    made = reacting_session("AAPL", day, after_close=after_close)
    assert made == (None if session is None else pd.Timestamp(session))
