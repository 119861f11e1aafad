"""Rules raise alerts, each is sent once, over each channel; the digest says what matters; secrets are never shown."""

from __future__ import annotations

import http.server
import json
import logging
import math
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from published_documents import document, head

from tenor.cli import main
from tenor.config import AlertsConfig
from tenor.errors import ConfigError
from tenor.pipeline import alerting
from tenor.serving import alerts, channels
from tenor.serving.digest import digest, digest_text, is_burst
from tenor.serving.published import Index, PublishedForecasts, SymbolEntry, published_forecasts

ALL = ("range > 5%", "rank > 0.9", "missed", "burst", "spike > 4", "drift")


def entry(
    symbol: str,
    *,
    half: float,
    rank: float | None,
    due: list[Any] | None,
    news: list[Any] | None,
    kinds: list[list[Any]] | None = None,
) -> SymbolEntry:
    brief = {
        "last_price": 100.0, "lower": 100 * (1 - half), "upper": 100 * (1 + half), "volatility": half / 1.6,
        "volatility_rank": rank, "value_at_risk": {}, "price": 100.0, "expected_return": 0.0, "p_up": 0.5,
        "target_session": "2020-01-03",
    }  # fmt: skip
    overview = {"name": f"{symbol} Inc", "due": {"1": due}, "sentiment": news, "driver": {"kind": "usual"}}
    if kinds is not None:  # an index of a tenor before has none
        overview["kinds"] = kinds
    return SymbolEntry(
        f"symbols/{symbol}", "0", "2020-01-02T21:00:00+00:00", "2020-01-02", 0, 1.0, "m", {"1": brief}, overview
    )


def index(*, session: str = "2020-01-02", alarm: bool = True) -> Index:
    checks = [
        {"kind": "drift", "name": "volume", "value": 2.0, "bound": 1.0, "alarm": alarm, "detail": "volume moved"},
        {"kind": "error", "name": "1", "value": 1.0, "bound": 2.0, "alarm": False, "detail": "as before"},
    ]
    entries = {
        "CALM": entry("CALM", half=0.01, rank=0.1, due=[session, 0.001, -0.02, 0.02], news=None),
        "WIDE": entry(
            "WIDE",
            half=0.08,
            rank=0.97,
            due=[session, -0.09, -0.03, 0.03],
            news=[12, -0.4, 2.5],
            kinds=[["earnings", 9, 0.3], ["legal", 5, 0.0], ["price", 4, 2.0]],
        ),
        "OLD": entry("OLD", half=0.02, rank=None, due=["2019-12-30", 0.3, -0.03, 0.03], news=[3, 0.1, 0.0]),
    }
    return Index({**head(), "horizons": [1], "monitor": {"checks": checks}, "notes": ["no news came"]}, entries, {})


def test_the_digest_has_the_widest_first_and_what_missed_on_the_last_session() -> None:
    found = digest(index())
    assert [r.symbol for r in found.ranges] == ["WIDE", "OLD", "CALM"]
    assert found.ranges[0].half_width == pytest.approx(0.08)
    assert [m.symbol for m in found.misses] == ["WIDE"]
    assert found.due == 2  # OLD's came due on another session
    assert [(b.symbol, b.items) for b in found.bursts] == [("WIDE", 12)]
    assert [(k.kind, k.times) for k in found.kinds] == [("legal", math.inf), ("earnings", 30.0), ("price", 2.0)]
    assert found.alarms == ("drift of volume: volume moved",)
    text = digest_text(found)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "WIDE       ±  8.00%   92.00 to 108.00   wide for it" in text
    assert "Outside of the range: 1 of 2" in text
    assert "Note: no news came" in text
    assert "WIDE       news about earnings: 9 items, usually 0.3" in text
    assert "talk of the price" not in text  # twice the usual is no spike
    assert json.loads(json.dumps(found.to_json()))["ranges"][0]["symbol"] == "WIDE"
    assert [r.symbol for r in digest(index(), ["CALM"]).ranges] == ["CALM"]


@pytest.mark.parametrize(
    ("items", "usual", "burst"), [(3, 0.0, False), (4, None, True), (4, 2.0, False), (6, 2.0, True)]
)
def test_a_burst_is_many_more_than_usual(items: int, usual: float | None, burst: bool) -> None:
    assert is_burst(items, usual) is burst


def test_each_rule_raises_its_alerts() -> None:
    raised = alerts.raised(index(), AlertsConfig(rules=ALL))
    assert [(a.kind, a.subject) for a in raised] == [
        ("range", "WIDE"), ("rank", "WIDE"), ("missed", "WIDE"), ("burst", "WIDE"), ("spike", "WIDE legal"),
        ("spike", "WIDE earnings"), ("drift", "drift of volume"),
    ]  # fmt: skip
    assert raised[0].text == "WIDE may move ± 8.0% by 2020-01-03 (90 %: 92.00 to 108.00, wide for it)."
    assert raised[2].text == "WIDE moved -9.0% by 2020-01-02; the range was -3.0% to +3.0%."
    assert raised[4].text == ("WIDE, 2020-01-02: news about law and regulators: 5 items, there were none before.")
    about = alerts.raised(
        index(), AlertsConfig(rules=("spike earnings > 4", "spike topic:spam > 2", "spike price > 4"))
    )
    assert [(a.subject, a.session) for a in about] == [("WIDE earnings", "2020-01-02")]
    assert alerts.raised(index(), AlertsConfig(rules=ALL, symbols=("CALM",)))[0].kind == "drift"
    assert alerts.raised(index(alarm=False), AlertsConfig(rules=("drift",))) == []


def test_an_alert_of_the_last_refresh_is_not_new_but_the_next_session_s_is() -> None:
    before = alerts.to_json(alerts.raised(index(), AlertsConfig(rules=ALL)))
    again = alerts.raised(index(), AlertsConfig(rules=ALL))
    assert alerts.new_alerts(again, before) == []
    later = [alerts.Alert(a.kind, a.subject, "2020-01-03", a.text) for a in again]
    assert [a.kind for a in alerts.new_alerts(later, before)] == ["range", "rank", "missed", "burst", "spike", "spike"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("rnage > 4%", "did you mean 'range'"),
        ("range", "it takes a bound, as in 'range > 4%'"),
        ("missed > 3", "it takes no bound: 'missed'"),
        ("rank > 95", "between 0 and 1"),
        ("range > 1.2.3", "'1.2.3' is not a number"),
        ("range < 4%", "is not a rule such as"),
        ("spike", "it takes a bound, as in 'spike earnings > 4'"),
        ("spike earnngs > 4", "did you mean 'earnings'"),
        ("range earnings > 4%", "takes no kind of news"),
        ("", "is not a rule such as"),
    ],
)
def test_a_rule_that_cant_be_read_is_refused(rule: str, message: str) -> None:
    with pytest.raises(ConfigError, match=r"alerts\.rules") as error:
        alerts.read_rule(rule)
    assert message.lower() in str(error.value).lower()


class Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs; offers a login, and no TLS."""

    def handle(self) -> None:
        received: list[str] = self.server.received  # type: ignore[attr-defined]
        self.wfile.write(b"220 test\r\n")
        data = False
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            received.append(line)
            if data:
                data = line != "."
                if not data:
                    self.wfile.write(b"250 taken\r\n")
            elif line.upper().startswith("EHLO"):
                self.wfile.write(b"250-test\r\n250 AUTH PLAIN LOGIN\r\n")
            elif line.upper() == "DATA":
                data = True
                self.wfile.write(b"354 go on\r\n")
            elif line.upper() == "QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")


@pytest.fixture
def mail() -> Iterator[tuple[int, list[str]]]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail) as server:
        server.received = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1], server.received  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


@pytest.fixture
def web() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    requests: list[tuple[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requests.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(500 if "broken" in self.path else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", requests
        server.shutdown()
        thread.join()


def test_a_message_goes_over_every_channel(mail: tuple[int, list[str]], web: tuple[str, list[tuple[str, Any]]]) -> None:
    (port, lines), (url, requests) = mail, web
    environment = {
        "TENOR_WEBHOOK": f"{url}/hook",
        "TENOR_SMTP": f"smtp://127.0.0.1:{port}",
        "TENOR_MAIL_TO": "a@example.com, b@example.com",
        "TENOR_TELEGRAM_TOKEN": "12:secret",
        "TENOR_TELEGRAM_CHAT": "42",
        "TENOR_TELEGRAM_URL": url,
    }
    taken = channels.send(channels.CHANNELS, "tenor: 1 alert", "WIDE may move", {"alerts": []}, environment)
    assert taken == ["webhook", "email", "telegram"]
    assert requests[0] == ("/hook", {"subject": "tenor: 1 alert", "text": "WIDE may move", "alerts": []})
    assert requests[1][0] == "/bot12:secret/sendMessage"
    assert requests[1][1]["chat_id"] == "42"
    assert "WIDE may move" in requests[1][1]["text"]
    said = {line.lower() for line in lines}  # newer Pythons say MAIL FROM
    assert {"mail from:<a@example.com>", "rcpt to:<a@example.com>", "rcpt to:<b@example.com>"} <= said
    assert {"Subject: tenor: 1 alert", "WIDE may move"} <= {*lines}


def test_a_long_message_is_cut_for_telegram(web: tuple[str, list[tuple[str, Any]]]) -> None:
    url, requests = web
    environment = {"TENOR_TELEGRAM_TOKEN": "t", "TENOR_TELEGRAM_CHAT": "1", "TENOR_TELEGRAM_URL": url}
    channels.send(["telegram"], "s", "x" * 10_000, {}, environment)
    assert len(requests[0][1]["text"]) == channels.TELEGRAM_LONGEST


def test_a_password_goes_to_no_server_without_tls_and_no_failure_shows_it(
    mail: tuple[int, list[str]], web: tuple[str, list[tuple[str, Any]]], caplog: pytest.LogCaptureFixture
) -> None:
    port, lines = mail
    environment = {
        "TENOR_SMTP": f"smtp://me:hunter2@127.0.0.1:{port}",
        "TENOR_MAIL_TO": "a@example.com",
        "TENOR_WEBHOOK": f"{web[0]}/broken/hunter2",
        "TENOR_TELEGRAM_TOKEN": "hunter2",
        "TENOR_TELEGRAM_CHAT": "1",
        "TENOR_TELEGRAM_URL": "http://127.0.0.1:9",
    }
    with caplog.at_level(logging.DEBUG):
        assert channels.send(channels.CHANNELS, "s", "t", {}, environment) == []
    assert not any(line.upper().startswith(("AUTH", "MAIL FROM")) for line in lines)
    assert "hunter2" not in caplog.text
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 3


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "needs the environment variable TENOR_SMTP"),
        ({"TENOR_SMTP": "smtp://h"}, "TENOR_MAIL_TO"),
        ({"TENOR_SMTP": "mail.example.com:pass1", "TENOR_MAIL_TO": "a@b.c"}, "TENOR_SMTP is not an address"),
        ({"TENOR_SMTP": "smtp://h:99999999", "TENOR_MAIL_TO": "a@b.c"}, "TENOR_SMTP is not an address"),
        ({"TENOR_SMTP": "smtp://h", "TENOR_MAIL_TO": "a@b.c\nBcc: x@y.z"}, "TENOR_MAIL_TO"),
    ],
)
def test_what_a_channel_lacks_is_named_and_its_value_is_not(environment: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        channels.check(["email"], environment)
    assert "pass1" not in str(error.value)


def published_index(folder: Path, what: Index) -> PublishedForecasts:
    published = published_forecasts(str(folder))
    published.publish([document("WIDE")], head())
    published.set_index(what)
    return published


def test_an_alert_is_sent_once_and_again_only_if_nobody_took_it(
    tmp_path: Path, web: tuple[str, list[tuple[str, Any]]]
) -> None:
    url, requests = web
    published = published_index(tmp_path, index())
    config = AlertsConfig(rules=("missed",), channels=("webhook",))
    broken, right = {"TENOR_WEBHOOK": f"{url}/broken"}, {"TENOR_WEBHOOK": f"{url}/right"}

    def head_now() -> Any:
        now = published.index()
        assert now is not None
        return now.head

    assert len(alerting.send_new_alerts(published, config, {}, broken)) == 1
    assert head_now()[alerting.ALERTS] == []
    assert len(alerting.send_new_alerts(published, config, head_now(), right)) == 1
    assert len(head_now()[alerting.ALERTS]) == 1
    assert alerting.send_new_alerts(published, config, head_now(), right) == []
    assert [path for path, _ in requests] == ["/broken", "/right"]
    assert requests[1][1]["alerts"][0]["subject"] == "WIDE"


def test_today_prints_the_digest_and_sends_it(
    tmp_path: Path,
    web: tuple[str, list[tuple[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, requests = web
    published_index(tmp_path, index())
    store = ["--store", str(tmp_path)]
    assert main(["today", *store]) == 0
    assert "Widest ranges" in capsys.readouterr().out
    assert main(["today", *store, "--symbol", "CALM", "--json"]) == 0
    assert [r["symbol"] for r in json.loads(capsys.readouterr().out)["ranges"]] == ["CALM"]
    monkeypatch.setenv("TENOR_WEBHOOK", url)
    assert main(["today", *store, "--send", "--set", 'alerts.channels=["webhook"]']) == 0
    assert "Widest ranges" in requests[0][1]["text"]
    for words, message in (
        (["--send"], "there is no channel"),
        (["--symbol", "NONE"], "there is no forecast of NONE"),
        (["--set", "alerts.rules=['x']", "--send", "--set", 'alerts.channels=["webhook"]'], "alerts.rules"),
        (["--set", 'alerts.channels=["fax"]'], "alerts.channels"),
    ):
        assert main(["today", *store, *words]) == 2
        assert message in capsys.readouterr().err
    assert main(["today", "--store", str(tmp_path / "none")]) == 2
    assert "tenor refresh" in capsys.readouterr().err


def test_a_refresh_sends_what_is_new(
    store: Path,
    web: tuple[str, list[tuple[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, requests = web
    config = store.parent / "alerts.toml"
    config.write_text('[alerts]\nrules = ["range > 0%"]\nchannels = ["webhook"]\n', encoding="utf-8")
    command = ["refresh", "--store", str(store), "--config", str(config)]
    monkeypatch.delenv("TENOR_WEBHOOK", raising=False)
    assert main(command) == 2
    assert "TENOR_WEBHOOK" in capsys.readouterr().err
    monkeypatch.setenv("TENOR_WEBHOOK", url)
    assert main(command) == 0
    sent = [message for _, message in requests if "text" in message]
    assert len(sent) == 1
    assert {alert["kind"] for alert in sent[0]["alerts"]} == {"range"}
    assert main(command) == 0
    assert len([message for _, message in requests if "text" in message]) == 1
