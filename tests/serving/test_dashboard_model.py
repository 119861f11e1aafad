"""The model page in a real browser: its one sentence and its pictures, in every state that a store can be in."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from browsing import CHROMIUM, Open, shows
from serving import Running, Serve

from tenor.serving.published import PublishedForecasts
from tenor.serving.schemas import PaperResponse

pytestmark = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: install Debian's chromium"),
    pytest.mark.browser,
]


def head_with(published: PublishedForecasts, **changed: Any) -> None:
    """Publish what is published again, with another head."""
    index = json.loads(published.objects.get("index.json").data)
    index["head"] |= changed
    published.objects.put("index.json", json.dumps(index).encode())


def head_of(published: PublishedForecasts) -> dict[str, Any]:
    index = published.index()
    assert index is not None
    return dict(index.head)


def test_the_verdict_and_the_figures_are_those_of_the_service(up: Running, visit: Open) -> None:
    page = visit(up, "#/model")
    models = httpx.get(f"{up.url}/v1/models").json()
    report = httpx.get(f"{up.url}/v1/monitor").json()
    first = models["track"][0]
    shows(page, "#model-verdict", f"held {100 * first['coverage']:.1f} % of {first['forecasts']:,} forecasts")
    assert page.locator("#track h3").all_inner_texts() == ["Next session", "5 sessions ahead", "20 sessions ahead"]
    assert page.locator("#track > section").count() == len(models["track"])
    for record, box in zip(models["track"], page.locator("#track > section").all(), strict=True):
        assert ("no edge over a moving average" in box.inner_text()) is (not record["risk_better"])
        assert ("no edge over “the price stays”" in box.inner_text()) is (not record["better"])
        box.locator("summary").click()
        assert record["risk_verdict"] in box.inner_text()
        assert record["verdict"] in box.inner_text()
    alarms = sum(check["alarm"] for check in report["checks"])
    shows(page, "#health-verdict", f"of {len(report['checks'])} checks")
    assert page.locator("#watch .alarm").count() == len({c["kind"] for c in report["checks"] if c["alarm"]})
    assert ("The monitor is quiet" in page.inner_text("#model-verdict")) is (alarms == 0)
    shows(page, "#versions-text", "is in use because it is the only one")
    assert page.is_hidden("#paper")
    page.click("text=Card of the version in use")
    shows(page, "#card", models["champion"])


@pytest.mark.parametrize(
    ("risk", "way", "opening"),
    [
        (True, False, "Use its ranges, not its directions"),
        (False, False, "No edge"),
        (True, True, "Use its ranges, and its directions with care"),
        (False, True, "Use its directions with care"),
    ],
)
def test_the_sentence_says_what_to_use_it_for(
    published: PublishedForecasts, serve: Serve, visit: Open, risk: bool, way: bool, opening: str
) -> None:
    track = [{**record, "risk_better": risk, "better": way} for record in head_of(published)["track"]]
    head_with(published, track=track)
    shows(visit(serve(published), "#/model"), "#model-verdict", opening)


def test_before_the_first_record_and_without_a_monitor_it_says_so(
    published: PublishedForecasts, serve: Serve, visit: Open
) -> None:
    names = ("coverage", "squared_ratio", "risk_gain", "risk_low", "risk_high", "skill", "skill_low", "skill_high")
    nothing = "No forecast made after the model's validation part has come due yet: there is nothing to judge."
    track = [
        {**record, **dict.fromkeys(names), "days": 0, "forecasts": 0, "first": None, "last": None,
         "direction": None, "up_share": None, "verdict": nothing, "risk_verdict": nothing,
         "risk_better": False, "better": False}
        for record in head_of(published)["track"]
    ]  # fmt: skip
    head_with(published, track=track, monitor={"as_of": "2020-01-01T00:00:00+00:00", "alarms": 0, "checks": []})
    page = visit(serve(published), "#/model")
    shows(page, "#model-verdict", "Too early to say")
    shows(page, "#model-verdict", "The monitor has not run yet.")
    shows(page, "#health-verdict", "'tenor refresh' runs it")
    shows(page, "#calibration-text", "There is nothing to judge yet")
    assert page.locator("#watch li").count() == 0
    assert page.locator("#track svg").count() == 0


def test_alarms_are_named_and_old_data_are_none_in_a_replay(
    published: PublishedForecasts, serve: Serve, visit: Open
) -> None:
    old = {"kind": "staleness", "name": "sessions_behind", "value": 9.0, "bound": 0.0, "alarm": True,
           "detail": "9 sessions have closed since the last one used"}  # fmt: skip
    moved = {"kind": "drift", "name": "log_variance_5", "value": 3.0, "bound": 1.0, "alarm": True, "detail": "PSI 3"}
    head_with(published, monitor={"as_of": "2020-01-01T00:00:00+00:00", "alarms": 2, "checks": [old, moved]})
    page = visit(serve(published), "#/model")
    shows(page, "#model-verdict", "The monitor has 2 alarms.")
    shows(page, "#watch", "log variance 5: PSI 3")
    shows(page, "#watch", "9 sessions have closed")
    page.goto(page.url.replace("#/model", "#/overview/1"))
    shows(page, "#today", "2 alarms")
    head_with(published, replay=True)
    page = visit(serve(published), "#/model")
    shows(page, "#model-verdict", "The monitor has 1 alarm.")
    shows(page, "#watch", "nothing new is expected")
    page.goto(page.url.replace("#/model", "#/overview/1"))
    shows(page, "#today", "1 alarm")


def test_versions_that_beat_nothing_are_labelled_and_the_champion_says_why(
    published: PublishedForecasts, serve: Serve, visit: Open
) -> None:
    champion = head_of(published)["model_version"]
    why = "loss 0.5 against 0.6 of champion bbbbbbbbbbbb over 120 sessions: better, p = 0.010."
    rows = [
        {"version": "cccccccccccc", "created_at": "2020-03-01T10:00:00+00:00", "names": ["latest"],
         "beats": {"volatility": [], "returns": []},
         "contest": {"at": "2020-03-01T11:00:00+00:00", "against": champion, "promoted": False, "why": "no better."}},
        {"version": champion, "created_at": "2020-02-01T10:00:00+00:00", "names": ["champion"],
         "beats": {"volatility": [1, 5], "returns": []},
         "contest": {"at": "2020-02-01T11:00:00+00:00", "against": "bbbbbbbbbbbb", "promoted": True, "why": why}},
        {"version": "bbbbbbbbbbbb", "created_at": "2020-01-01T10:00:00+00:00", "names": ["previous"], "beats": None,
         "contest": None},
    ]  # fmt: skip
    head_with(published, registry=rows, versions=["bbbbbbbbbbbb", champion, "cccccccccccc"])
    page = visit(serve(published), "#/model")
    shows(page, "#versions-text", f"in place of bbbbbbbbbbbb: {why}")
    lines = page.locator("#versions tbody tr").all_inner_texts()
    assert [("no edge" in line, "in use" in line, "not known" in line) for line in lines] == [
        (True, False, False), (False, True, False), (False, False, True),
    ]  # fmt: skip
    assert "EWMA: 1 session, 5 sessions" in lines[1]
    assert "Not promoted: no better." in lines[0]


def test_an_index_of_a_tenor_before_it_has_its_versions_without_a_table(
    published: PublishedForecasts, serve: Serve, visit: Open
) -> None:
    index = json.loads(published.objects.get("index.json").data)
    del index["head"]["registry"]
    published.objects.put("index.json", json.dumps(index).encode())
    page = visit(serve(published), "#/model")
    shows(page, "#versions-text", "is in use because it is the only one")
    assert page.is_hidden("#versions")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 768), ("dark", 390)])
def test_paper_trading_is_shown_to_everybody(
    published: PublishedForecasts, serve: Serve, visit: Open, scheme: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    account = {**PaperResponse.example["account"], "replayed": 3}
    account["positions"] = [{"symbol": "S01", "money": 80200.0, "share": 0.7995, "last_bar": "2017-09-01"}]
    published.set_paper(account)
    page = visit(serve(published), "#/model", color_scheme=scheme, viewport={"width": width, "height": 844})
    shows(page, "#paper-verdict", "too few to tell")
    shows(page, "#paper-figures", "100,310.50")
    shows(page, "#paper-text", "3 decisions were made afterwards")
    assert page.locator("#paper-curve svg").count() == 1
    report = Axe().run(page)
    assert report.violations_count == 0, report.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("#paper-positions a >> text=S01")
    shows(page, "#hero-title", "S01")
