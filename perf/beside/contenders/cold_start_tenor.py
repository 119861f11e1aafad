"""Three processes in turn: `tenor predict`, `tenor serve` up to its first answer, and the function on Lambda."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from started import cpu_of, cpu_of_children, with_bytecode
from worker import Run, serve

sys.path += [str(Path(__file__).parents[2]), str(Path(__file__).parents[3] / "deployment")]
SYMBOL = "AAPL"
FUNCTION = """
import json, sys
from tenor.aws import api
answer = api(json.loads(sys.argv[1]), None)
assert answer["statusCode"] == 200, answer
"""


def prepare(arguments: dict[str, Any]) -> Run:
    """Each round starts anew; the files are in the machine's memory after the first."""
    from emulator import http_event
    from served_store import served

    with_bytecode(arguments["bytecode"])
    store = arguments["store"]
    event = json.dumps(http_event("GET", f"/v1/forecast/{SYMBOL}"))

    def once(command: list[str], env: dict[str, str]) -> float:
        before = cpu_of_children()
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL, env=os.environ | env)
        return cpu_of_children() - before

    def run() -> dict[str, Any]:
        predict = once(["-W", "ignore", "-m", "tenor", "predict", SYMBOL, "--store", store], {})
        function = once(["-c", FUNCTION, event], {"TENOR_STORE": store, "TENOR_AUTH": "gateway"})
        with served(store) as (process, host, port):
            while not answered(f"http://{host}:{port}/v1/forecast/{SYMBOL}"):
                time.sleep(0.02)
            serving = cpu_of(process)
        return {"cpu": predict, "serve": serving, "function": function}

    return run


def answered(address: str) -> bool:
    """Whether the server gives the forecast."""
    try:
        with urllib.request.urlopen(address) as answer:  # noqa: S310 - its own server's
            return bool(json.load(answer)["symbol"] == SYMBOL)
    except OSError:
        return False


if __name__ == "__main__":
    serve(prepare)
