"""Time to first paint, layout shift, bytes and time to interactive of the dashboard, in Chromium.

    python perf/dashboard.py --store LAKE [--symbols 5000]

With ``--symbols`` the overview is measured on as many copies of LAKE's published symbols, under other names, with short
documents. Needs playwright and Debian's chromium. Figures are the median of `VISITS` first visits, each by a browser
without a cache.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from tenor.serving.app import create_app
from tenor.serving.published import INDEX, PublishedForecasts, published_forecasts
from tenor.serving.server import Server, bind
from tenor.serving.service import Service
from tenor.serving.view import View
from tenor.storage.object_store import open_store

CHROMIUM = "/usr/bin/chromium"
VISITS = 5
SHORT = 60
"""Bars and past forecasts of a copy."""
OBSERVE = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
READY = "() => document.querySelectorAll('#board tbody a').length > 0 && performance.now()"
FIGURES_SHOWN = "() => document.querySelectorAll('#figures dd').length > 0 && performance.now()"
MODEL_SHOWN = "() => document.querySelectorAll('#track h3').length > 0 && performance.now()"
FIGURES = """() => ({
  paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
  shift: window.shift,
  bytes: [performance.getEntriesByType("navigation")[0], ...performance.getEntriesByType("resource")]
    .reduce((sum, entry) => sum + entry.transferSize, 0),
})"""
SCROLL = """async (step) => {
  const box = document.getElementById("board");
  const gaps = [];
  let last = performance.now();
  for (let i = 0; i < 120; i += 1) {
    box.scrollTop += step;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }
  gaps.sort((a, b) => a - b);
  return { median: gaps[60], worst: gaps.at(-1), rows: document.querySelectorAll("#board tbody tr").length };
}"""
SEARCH = """async () => {
  const begun = performance.now();
  const field = document.getElementById("filter");
  field.value = "apple";
  field.dispatchEvent(new Event("input"));
  await new Promise(requestAnimationFrame);
  return performance.now() - begun;
}"""


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", required=True)
    parser.add_argument("--symbols", type=int, default=0)
    options = parser.parse_args()
    published = published_forecasts(options.store)
    with tempfile.TemporaryDirectory() as folder:
        if options.symbols:
            published = copies(published, PublishedForecasts(open_store(folder)), options.symbols)
        poll(published)
        with served(published) as url:
            measure(url, symbol_too=not options.symbols)


def poll(published: PublishedForecasts) -> None:
    """Print the size of the index, and what the polls of it cost that find it new, and unchanged."""
    view = View(published, preload=False)
    begun = time.perf_counter()
    view.poll()
    new = time.perf_counter() - begun
    view.poll()
    begun = time.perf_counter()
    for _ in range(100):
        view.poll()
    same = (time.perf_counter() - begun) / 100
    size = len(published.objects.get(INDEX).data)
    print(f"index {size / 2**20:.2f} MiB; a poll: new {1e3 * new:.0f} ms, unchanged {1e3 * same:.3f} ms")


def copies(published: PublishedForecasts, place: PublishedForecasts, symbols: int) -> PublishedForecasts:
    """`symbols` copies of what is published, in `place`."""
    index = published.index()
    assert index is not None
    documents = [short(json.loads(published.read(entry))) for entry in index.entries.values()]
    place.publish((copy(documents[i % len(documents)], i) for i in range(symbols)), index.head)
    return place


def copy(document: dict[str, Any], i: int) -> dict[str, Any]:
    """The document as that of another symbol: every close a little different, so that it compresses as others do."""
    rng = random.Random(i)  # noqa: S311 - no secret
    bars = {**document["bars"], "close": [close * rng.uniform(0.98, 1.02) for close in document["bars"]["close"]]}
    names = ("lower", "upper", "volatility", "volatility_rank", "p_up", "last_price")
    forecasts = [
        {**forecast, **{name: forecast[name] * rng.uniform(0.9, 1.0) for name in names}}
        for forecast in document["forecasts"]
    ]
    return {**document, "symbol": f"X{i:04d}", "bars": bars, "forecasts": forecasts}


def short(document: dict[str, Any]) -> dict[str, Any]:
    """The document with its last `SHORT` bars and past forecasts."""
    columns = {name: values[-SHORT:] for name, values in document["bars"].items()}
    history = {
        horizon: {name: values[-SHORT:] for name, values in each.items()}
        for horizon, each in document["history"].items()
    }
    forecasts = [{**forecast, "symbol": "X"} for forecast in document["forecasts"]]
    return {**document, "bars": columns, "history": history, "forecasts": forecasts}


@contextmanager
def served(published: PublishedForecasts) -> Iterator[str]:
    """A service of it, once it answers; yields its address."""
    service = Service(View(published), poll=0)
    listening = bind("127.0.0.1", 0)
    server = Server(uvicorn.Config(create_app(service), log_config=None, access_log=False), service)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    while not server.started:
        thread.join(0.1)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.handle_exit(15, None)
        thread.join()


def measure(url: str, *, symbol_too: bool) -> None:
    """Visit the overview, and where `symbol_too` the page of its first symbol."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        rows = []
        for _ in range(VISITS):
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            page.add_init_script(OBSERVE)
            page.goto(url)
            ready = page.wait_for_function(READY).json_value()
            page.wait_for_load_state("networkidle")
            rows.append({"interactive": ready, **page.evaluate(FIGURES)})
        report("overview", rows)
        for step in (100, 900):
            print(f"scrolling 120 frames of {step} px, ms a frame:", page.evaluate(SCROLL, step))
        print(f"search until the next frame: {page.evaluate(SEARCH):.0f} ms")
        if symbol_too:
            rows = []
            first = page.evaluate("fetch('/v1/symbols').then((r) => r.json()).then((r) => r.symbols[0].symbol)")
            for _ in range(VISITS):
                page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
                page.add_init_script(OBSERVE)
                page.goto(f"{url}/#{first}/1")
                figures = page.wait_for_function(FIGURES_SHOWN).json_value()
                page.wait_for_selector("#price .main-svg")
                charts = page.evaluate("performance.now()")
                page.wait_for_load_state("networkidle")
                rows.append({"interactive": figures, "charts": charts, **page.evaluate(FIGURES)})
            report(f"symbol page of {first}", rows)
            rows = []
            for _ in range(VISITS):
                page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
                page.add_init_script(OBSERVE)
                page.goto(f"{url}/#/model")
                ready = page.wait_for_function(MODEL_SHOWN).json_value()
                page.wait_for_load_state("networkidle")
                rows.append({"interactive": ready, **page.evaluate(FIGURES)})
            report("model page", rows)
        browser.close()


def report(what: str, rows: list[dict[str, float]]) -> None:
    """Print the median of each figure."""
    middle = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    print(
        f"{what}: first paint {middle['paint']:.0f} ms, usable {middle['interactive']:.0f} ms, layout shift "
        f"{middle['shift']:.3f}, {middle['bytes'] / 2**20:.2f} MiB"
        + (f", charts {middle['charts']:.0f} ms" if "charts" in middle else "")
    )


if __name__ == "__main__":
    main()
