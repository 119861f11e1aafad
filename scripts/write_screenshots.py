"""Write the dashboard's pictures in ``docs/images``: ``python scripts/write_screenshots.py --store demo/lake``.

The store needs published forecasts (``tenor refresh``). Needs playwright and Debian's chromium.
"""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

import uvicorn

from tenor.serving.app import create_app
from tenor.serving.published import published_forecasts
from tenor.serving.server import Server, bind
from tenor.serving.service import Service
from tenor.serving.view import View

IMAGES = Path(__file__).parents[1] / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
PICTURES = (
    ("overview.png", "", "#board tbody a", False),
    ("dashboard.png", "#AAPL/5", "#attention .main-svg", False),
    ("replay.png", "#AAPL/5/2017-06-12", "#volatility .main-svg", True),
    ("model.png", "#/model", "#track h3", False),
)
"""File, address, what is there when the page is drawn, whether it is dark."""


def main() -> None:
    """Serve the store, and write each picture."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", required=True)
    parser.add_argument("--folder", type=Path, default=IMAGES)
    options = parser.parse_args()
    service = Service(View(published_forecasts(options.store)), poll=0)
    listening = bind("127.0.0.1", 0)
    server = Server(uvicorn.Config(create_app(service), log_config=None, access_log=False), service)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        while not server.started:
            thread.join(0.1)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for name, address, drawn, dark in PICTURES:
                size, scheme = {"width": 1280, "height": 1000}, "dark" if dark else "light"
                page = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
                page.goto(f"http://127.0.0.1:{listening.getsockname()[1]}/{address}")
                page.wait_for_selector(drawn)
                page.wait_for_load_state("networkidle")
                page.screenshot(path=options.folder / name)
                page.close()
            browser.close()
    finally:
        server.handle_exit(15, None)
        thread.join()


if __name__ == "__main__":
    main()
