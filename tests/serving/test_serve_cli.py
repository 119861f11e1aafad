"""The verbs as a person types them, and alarms on their way."""

from __future__ import annotations

import http.server
import itertools
import json
import logging
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
from serving import clock_of, until

import tenor
from tenor.cli import main
from tenor.errors import ConfigError, UsageError
from tenor.serving import logs
from tenor.serving.keys import ApiKeys
from tenor.serving.monitor import MonitorCheck, MonitorReport, notify
from tenor.serving.published import PublishedForecasts, published_forecasts
from tenor.serving.scheduler import RefreshScheduler
from tenor.serving.schemas import Progress
from tenor.serving.service import Service
from tenor.serving.view import View
from tenor.storage.object_store import open_store


@pytest.fixture
def started(trained: Path, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`tenor serve` on a store without forecasts, in a process of its own."""
    import shutil

    shutil.copytree(trained, tmp_path / "lake")
    command = [sys.executable, "-m", "tenor", "serve", "--store", str(tmp_path / "lake"), "--port", "0"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        url = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
        assert url is not None
        yield url[0], process
        process.kill()


def test_serve_refreshes_an_empty_store_answers_and_stops(started: tuple[str, subprocess.Popen[str]]) -> None:
    url, process = started
    with tenor.Client(url) as client:

        def ready() -> bool:
            try:
                return bool(client.ready()["status"] != "not ready")
            except tenor.TenorError:
                return False

        until(ready, 120, pause=0.5)  # each look writes a line of the log into a pipe that nobody reads yet
        forecast = client.forecast("S00")
    assert forecast.staleness.stale
    assert "sessions have closed" in forecast.staleness.reasons[0]
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) in (0, -signal.SIGTERM)
    assert process.stderr is not None
    for line in process.stderr.read().splitlines():
        assert json.loads(line)["event"]


def test_without_a_model_serve_ends_with_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for store in (tmp_path / "none", tmp_path / "lake"):
        if store.name == "lake":
            store.mkdir()
        assert main(["serve", "--store", str(store), "--port", "0"]) == 1
        shown = capsys.readouterr().err
        assert f"'tenor train --store {store}'" in shown
        assert "\n" not in shown.rstrip()


def test_serve_opens_on_the_session_that_is_not_after_a_date(
    published_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tenor.serving import server

    sessions = published_forecasts(str(published_store)).index().head["sessions"]  # type: ignore[union-attr]
    opened: list[str | None] = []

    def caught(service: Service, listening: socket.socket, *, keep_fresh: object) -> None:
        listening.close()
        opened.append(service.as_of)

    monkeypatch.setattr(server, "serve", caught)
    command = ["serve", "--store", str(published_store), "--port", "0"]
    assert main(command) == 0
    after = date.fromisoformat(sessions[-1]) + timedelta(days=1000)
    weekend = next(a for a, b in itertools.pairwise(sessions) if _day(b) - _day(a) > timedelta(days=2))
    for day in (sessions[3], after.isoformat(), (_day(weekend) + timedelta(days=1)).isoformat()):
        assert main([*command, "--as-of", day]) == 0
    assert opened == [None, sessions[3], sessions[-1], weekend]
    capsys.readouterr()
    for wrong in ("1999-01-04", "yesterday", "2017-02-30"):
        assert main([*command, "--as-of", wrong]) == 2
        assert wrong in capsys.readouterr().err


def _day(session: str) -> date:
    return date.fromisoformat(session)


def test_at_a_terminal_the_log_is_for_a_person(store: Path) -> None:
    """`tenor serve` with a pseudo-terminal as its stderr."""
    lead, end = pty.openpty()
    command = [sys.executable, "-m", "tenor", "serve", "--store", str(store), "--port", "0"]
    with subprocess.Popen(command, stderr=end, env=os.environ | {"OMP_NUM_THREADS": "1"}) as process:
        os.close(end)
        try:
            shown = ""
            while "serving" not in shown:
                shown += os.read(lead, 4096).decode()
            address = re.search(r"Open (http://127\.0\.0\.1:\d+)/", shown)
            assert address is not None
            # on a busy machine it may listen before it has read the forecasts
            until(lambda: httpx.get(f"{address[1]}/readyz").status_code == 200)
            assert httpx.get(f"{address[1]}/v1/symbols").status_code == 200
            assert httpx.get(f"{address[1]}/v1/symbols/NOPE").status_code == 404
            while "404" not in shown:
                shown += os.read(lead, 4096).decode()
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        finally:
            process.kill()
    os.close(lead)
    assert "{" not in shown
    assert re.search(r"^\d\d:\d\d:\d\d  GET /v1/symbols/NOPE: 404 in [\d.]+ ms\r?$", shown, re.MULTILINE)
    assert "/v1/symbols:" not in shown, "what was answered is not news"


def test_control_characters_reach_neither_log(capsys: pytest.CaptureFixture[str]) -> None:
    record = logging.LogRecord("tenor.serving", logging.WARNING, "", 0, "stale", None, None)
    record.reasons = ["a\x1b[31m", "b\nc"]
    for formatter in (logs.PlainFormatter(), logs.JsonFormatter()):
        line = formatter.format(record)
        assert line.isprintable()
        assert "stale" in line
    assert "warning: stale (reasons a" in logs.PlainFormatter().format(record)
    progress = logging.LogRecord("tenor.serving", logging.INFO, "", 0, logs.PROGRESS, None, None)
    progress.stage, progress.done, progress.total = "writing forecasts", 5, 88
    assert logs.PlainFormatter().format(progress).endswith("  writing forecasts: 5 of 88")


def test_the_scheduler_passes_on_how_far_a_refresh_is(published: PublishedForecasts, tmp_path: Path) -> None:
    """A first refresh logs its progress, line by line; the state of the view is looked at while it waits."""
    view = View(PublishedForecasts(open_store(f"{tmp_path}/empty")), clock=lambda: 4e9)
    code = (
        "import json, pathlib, sys, time\n"
        "for done in (1, 2):\n"
        "    print(json.dumps({'event': 'progress', 'stage': 'writing', 'done': done, 'total': 2}), file=sys.stderr)\n"
        "    print('not json', '{\"event\": \"progress\"}', sep='\\n', file=sys.stderr, flush=True)\n"
        f"    while not pathlib.Path({str(tmp_path)!r}, str(done)).exists(): time.sleep(0.01)\n"
    )
    running = threading.Thread(
        target=RefreshScheduler([sys.executable, "-c", code], view).refresh_if_due, args=(threading.Event(),)
    )
    running.start()
    for done in (1, 2):
        until(lambda done=done: view.progress == Progress("writing", done, 2))  # type: ignore[misc]
        (tmp_path / str(done)).touch()
    running.join(60)
    assert view.progress is None


def test_monitor_prints_what_the_refresh_found(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["monitor", "--store", str(store), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {check["kind"] for check in report["checks"]} == {"drift", "error", "coverage", "volatility", "staleness"}
    assert main(["monitor", "--store", str(store), "--all"]) == 0
    output = capsys.readouterr().out
    drift = [check for check in report["checks"] if check["kind"] == "drift"]
    assert all(check["name"] in output for check in drift)
    assert main(["monitor", "--store", str(store)]) == 0
    output = capsys.readouterr().out
    quiet = [check["name"] for check in drift if not check["alarm"]]
    assert f"drift of {len(quiet)} features is within its bounds: --all shows them" in output
    assert quiet[0] not in output.split()
    assert "alarms at" in output
    assert "stale by now" in output
    assert main(["monitor", "--store", str(store / "no")]) == 2
    assert "tenor refresh" in capsys.readouterr().err


def test_keys_are_shown_once(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "make", "ann", "--store", str(store)]) == 0
    key = capsys.readouterr().out.strip()
    assert re.fullmatch(r"tenor_[0-9a-f]{8}_[0-9a-f]{64}", key)
    assert main(["keys", "list", "--store", str(store), "--json"]) == 0
    listed = capsys.readouterr().out
    assert json.loads(listed)["name"] == "ann"
    assert key[15:] not in listed
    assert main(["keys", "make", "ann", "--store", str(store)]) == 1
    assert main(["keys", "revoke", "ann", "--store", str(store)]) == 0
    assert main(["keys", "revoke", "ann", "--store", str(store)]) == 1
    assert main(["serve", "--host", "0.0.0.0", "--port", "0", "--store", str(store)]) == 2
    assert "tenor keys make" in capsys.readouterr().err


def test_keys_made_at_once_are_all_stored(published: PublishedForecasts) -> None:
    makers = [threading.Thread(target=ApiKeys(published.objects).make, args=(f"k{i}",)) for i in range(6)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert [key.name for key in sorted(ApiKeys(published.objects).all(), key=lambda key: key.name)] == [
        f"k{i}" for i in range(6)
    ]
    with pytest.raises(UsageError, match="a b"):
        ApiKeys(published.objects).make("a b")


def report(*alarms: str) -> MonitorReport:
    return MonitorReport(
        "2020", tuple(MonitorCheck("drift", name, 2.0, 1.0, name in alarms, f"{name} moved") for name in "ab")
    )


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, object]]]]:
    messages: list[dict[str, object]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            moved = self.path.startswith("/moved")
            messages.append({"moved": True} if moved else message)
            self.send_response(307 if moved else 500 if self.path == "/broken" else 204)
            if moved:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", messages
    server.shutdown()
    server.server_close()


def test_an_alarm_is_sent_when_it_begins_and_when_it_is_over(hook: tuple[str, list[dict[str, object]]]) -> None:
    url, messages = hook
    notify(report("a"), None, webhook=url)
    notify(report("a"), report("a").to_json(), webhook=url)
    notify(report("b"), report("a").to_json(), webhook=url)
    assert messages == [
        {"as_of": "2020", "alarms": [{"kind": "drift", "name": "a", "detail": "a moved"}], "over": []},
        {
            "as_of": "2020",
            "alarms": [{"kind": "drift", "name": "b", "detail": "b moved"}],
            "over": [{"kind": "drift", "name": "a"}],
        },
    ]


def test_a_webhook_that_fails_stops_nothing(
    hook: tuple[str, list[dict[str, object]]], caplog: pytest.LogCaptureFixture
) -> None:
    assert notify(report("a"), None, webhook=f"{hook[0]}/broken") is not None
    assert notify(report("a"), None, webhook="http://127.0.0.1:9/secret-token") is not None
    assert "secret-token" not in caplog.text
    with pytest.raises(ConfigError, match="ftp"):
        notify(report("a"), None, webhook="ftp://x")


def test_the_scheduler_runs_when_due_and_reports_failure(published: PublishedForecasts) -> None:
    view = View(published, clock=clock_of(published))
    view.poll()
    stop = threading.Event()
    good = RefreshScheduler([sys.executable, "-c", "pass"], view)
    assert not good.refresh_if_due(stop)
    moment = view.clock() + 5 * 86400
    view.clock = lambda: moment
    assert not RefreshScheduler([sys.executable, "-c", "pass"], view, always=False).refresh_if_due(stop)
    bad = RefreshScheduler([sys.executable, "-c", "import sys; sys.exit('tenor: no disk left')"], view)
    assert bad.refresh_if_due(stop)
    assert not bad.refresh_if_due(stop)
    assert "the last refresh failed: no disk left" in view.problems
    assert good.refresh_if_due(stop)
    assert view.problems == ()


def test_a_changed_byte_of_the_model_in_use_is_reported_by_name(store: Path, published: PublishedForecasts) -> None:
    view = View(published, clock=clock_of(published))
    scheduler = RefreshScheduler([], view, models=open_store(store / "models"))
    view.poll()
    scheduler.check()
    assert view.problems == ()
    graph = next((store / "models").glob("versions/*/model.onnx"))
    whole = graph.read_bytes()
    graph.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    scheduler.check()
    assert view.problems == (), "not again so soon"
    scheduler = RefreshScheduler([], view, models=scheduler.models)
    scheduler.check()
    assert "model.onnx is truncated or was changed" in view.problems[0]
    assert main(["refresh", "--store", str(store)]) == 1
    assert view.staleness().stale
    assert view.document("S00")["symbol"] == "S00"
    graph.write_bytes(whole)
    scheduler.check()
    assert view.problems == ()
    other = View(published, clock=clock_of(published))
    other.poll()
    assert any("the last refresh failed" in reason and "model.onnx" in reason for reason in other.staleness().reasons)


def test_a_refresh_that_hangs_is_reported_and_stopped(published: PublishedForecasts) -> None:
    view = View(published, clock=lambda: 4e9)
    view.poll()
    hanging = RefreshScheduler([sys.executable, "-c", "import time; time.sleep(30)"], view, slow=0.2, longest=3.0)
    looking = threading.Thread(target=hanging.refresh_if_due, args=(threading.Event(),))
    looking.start()
    problems: set[str] = set()
    while looking.is_alive():
        problems.update(view.problems)
        time.sleep(0.02)
    assert any("under way for more than" in problem for problem in problems)
    assert "was stopped" in view.problems[0]


def test_a_refresh_ends_with_its_service(published: PublishedForecasts) -> None:
    view = View(published, clock=lambda: 4e9)
    view.poll()
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    RefreshScheduler([sys.executable, "-c", "import time; time.sleep(600)"], view).refresh_if_due(stop)


def test_a_redirect_of_the_webhook_is_not_followed(
    hook: tuple[str, list[dict[str, object]]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    url, messages = hook
    assert notify(report("a"), None, webhook=f"{url}/moved/secret-token") is not None
    assert messages == [{"moved": True}]
    assert "secret-token" not in caplog.text


@pytest.mark.parametrize("address", ["hooks.example/services/SECRET", "ftp://x/SECRET", "http://[x/SECRET", "https://"])
def test_a_webhook_that_is_no_address_is_refused_and_not_shown(
    address: str, store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenor.serving import server

    monkeypatch.setattr(server, "serve", lambda *_, **__: pytest.fail("it serves"))
    for verb in ("serve", "refresh"):
        assert main([verb, "--store", str(store), "--webhook", address]) == 2
        shown = capsys.readouterr().err
        assert "http or https address" in shown
        assert "SECRET" not in shown


def test_a_secret_reaches_the_refresh_by_environment_alone(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `tenor serve` would start, caught before it starts."""
    from tenor.serving import server

    monkeypatch.setenv("TENOR_WEBHOOK", "https://hooks.example/SECRET")
    schedulers: list[RefreshScheduler] = []

    def caught(_: object, listening: socket.socket, *, keep_fresh: RefreshScheduler) -> None:
        listening.close()
        schedulers.append(keep_fresh)

    monkeypatch.setattr(server, "serve", caught)
    assert main(["serve", "--store", str(trained), "--port", "0"]) == 0
    (scheduler,) = schedulers
    assert "SECRET" not in " ".join(scheduler.command)
    assert "SECRET" not in repr(scheduler)
    look = "import os, sys; sys.exit('tenor: ' + os.environ['TENOR_WEBHOOK'])"
    seen = RefreshScheduler([sys.executable, "-c", look], scheduler.view, secrets=scheduler.secrets)
    seen.view.clock = lambda: 4e9
    assert seen.refresh_if_due(threading.Event())
    assert "the last refresh failed: https://hooks.example/SECRET" in scheduler.view.problems
