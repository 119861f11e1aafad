"""How fresh the lake is, which sources work, and the commands that say so."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from live import ENVIRONMENT, Live
from world import World

from tenor.cli import main
from tenor.config import SourcesConfig
from tenor.errors import StoreError, UnknownSymbolError
from tenor.ingest.doctor import doctor
from tenor.ingest.status import stale, status
from tenor.lateness import refusal
from tenor.schema import Bars

Make = Callable[..., Live]
FIRST = pd.Timestamp("2024-01-02")


def test_each_symbol_is_judged_by_its_own_market(live_with: Make) -> None:
    live = live_with(World(), news=("yahoo",))
    live.fetch("AAPL", "7203.T", "BTC-USD", day="2024-06-28", news=True)
    monday = pd.Timestamp("2024-07-01 12:00", tz="UTC")  # New York is not open yet, Tokyo is closed again
    statuses = {s.symbol: s for s in status(live.lake.location, live.config, now=monday)}
    assert {s: row.behind for s, row in statuses.items()} == {"AAPL": 0, "7203.T": 1, "BTC-USD": 3}
    assert {s: row.stale for s, row in statuses.items()} == {"AAPL": False, "7203.T": False, "BTC-USD": True}
    assert statuses["AAPL"].last_news == max(i["at"] for i in live.world.news("AAPL", pd.Timestamp(0, tz="UTC"))).floor(
        "s"
    )
    assert statuses["AAPL"].source == statuses["AAPL"].news_source == "yahoo"
    assert statuses["AAPL"].fetched_at == live.world.now
    assert (statuses["7203.T"].currency, statuses["BTC-USD"].calendar) == ("JPY", "24/7")
    assert json.loads(json.dumps(statuses["BTC-USD"].to_json()))["expected"] == "2024-06-30"


def test_a_stale_source_is_reported_unless_config_ignores_it(live_with: Make) -> None:
    live = live_with(World())
    live.fetch("AAPL", "MSFT", day="2024-06-21")
    later = pd.Timestamp("2024-06-27 21:00", tz="UTC")
    warnings = stale(live.lake.location, live.config, ["AAPL", "MSFT"], now=later)
    assert list(warnings) == ["AAPL", "MSFT"]
    assert warnings["AAPL"] == (
        "the last bar of AAPL is of 2024-06-21 (from yahoo), 4 sessions of XNYS behind 2024-06-27"
    )
    assert refusal(warnings["AAPL"]).endswith("2024-06-27: run 'tenor data fetch', or set sources.when_stale to say.")
    assert stale(live.lake.location, live.config, ["AAPL"], now=live.world.now) == {}
    assert stale(live.lake.location, dataclasses.replace(live.config, when_stale="ignore"), ["AAPL"], now=later) == {}


def test_what_files_brought_is_not_called_stale(live_with: Make) -> None:
    live = live_with(World())
    live.lake.append_bars(Bars(live.world.bars("AAPL", FIRST).assign(symbol="AAPL")), source="file")
    (one,) = status(live.lake.location, live.config, ["AAPL"], now=pd.Timestamp("2025-06-27", tz="UTC"))
    assert (one.stale, one.live, one.fetched_at) == (False, False, None)
    assert one.behind > 200


def test_nothing_to_tell(live_with: Make) -> None:
    live = live_with(World())
    with pytest.raises(StoreError, match="no bars yet"):
        status(live.lake.location, live.config)
    live.fetch("AAPL", day="2024-06-28")
    with pytest.raises(UnknownSymbolError, match="Did you mean 'AAPL'"):
        status(live.lake.location, live.config, ["APPL"])


def test_the_doctor_says_what_works(live_with: Make) -> None:
    live = live_with(World(), prices=("yahoo", "stooq", "tiingo", "binance"), news=("yahoo", "feeds", "finnhub"))
    live.services["stooq"].faults = ["*html"]
    keys = type(live.keys).from_environment({k: v for k, v in ENVIRONMENT.items() if k != "FINNHUB_API_KEY"})
    checks = doctor(live.config, now=live.world.now, http=live.http, keys=keys)
    assert [(c.source, c.kind, c.works) for c in checks] == [
        ("yahoo", "prices", True), ("stooq", "prices", False), ("tiingo", "prices", True), ("binance", "prices", True),
        ("yahoo", "news", True), ("feeds", "news", False), ("finnhub", "news", False),
    ]  # fmt: skip
    messages = {(c.source, c.kind): c.message for c in checks}
    assert messages["yahoo", "prices"].endswith("bars to 2024-06-28")
    assert "web page" in messages["stooq", "prices"]
    assert messages["finnhub", "news"] == "needs a key: set the environment variable FINNHUB_API_KEY"
    assert checks[3].symbol == "BTC-USD"
    assert not Path(live.lake.location).exists()


@pytest.fixture
def toml(live_with: Make, tmp_path: Path) -> tuple[Live, Path]:
    """Services that tell of the days up to now, and a config file that points at them."""
    live = live_with(World(now=pd.Timestamp.now("UTC")), prices=("yahoo", "stooq"), news=("yahoo",))
    path = tmp_path / "live.toml"
    urls = ", ".join(json.dumps(text) for text in live.config.urls)
    path.write_text(
        "[sources]\n"
        f'prices = ["yahoo", "stooq"]\nnews = ["yahoo"]\nsince = "2024-06-03"\nurls = [{urls}]\n'
        "[sources.http]\nattempts = 1\nbackoff_seconds = 0\nrequests_per_minute = 100000\n"
    )
    return live, path


def test_the_commands(toml: tuple[Live, Path], capsys: pytest.CaptureFixture[str]) -> None:
    live, path = toml
    where = ["--store", live.lake.location, "--config", str(path)]
    assert main(["data", "fetch", "AAPL", "NOPE", *where]) == 0
    out, err = capsys.readouterr()
    assert "NOPE: failed: yahoo has no such symbol" in out
    assert "news from yahoo:" in out
    assert err == "tenor: 1 of 2 symbols could not be fetched\n"
    assert main(["data", "fetch", "NOPE", "--no-news", *where]) == 1
    assert "nothing could be fetched" in capsys.readouterr().err
    assert main(["data", "fetch", "--json", "--no-news", *where]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [(o["symbol"], o["source"], o["new"]) for o in printed["bars"]] == [("AAPL", "yahoo", 0)]
    assert main(["data", "fetch", "AAPL", "--interval", "2h", *where]) == 2
    assert main(["data", "fetch", "AAPL", "--source", "yahu", *where]) == 2
    assert "Did you mean 'yahoo'" in capsys.readouterr().err
    assert main(["data", "fetch", "AAPL", "--source", "stooq", "--no-news", "--json", *where]) == 0
    assert json.loads(capsys.readouterr().out)["bars"][0]["source"] == "stooq"
    assert main(["data", "status", "--json", *where]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["symbol"] == "AAPL"
    assert main(["data", "status", *where]) == 0
    assert "1 of 1 symbols are stale" in capsys.readouterr().out  # the made-up market ends in 2024
    assert main(["data", "doctor", "--json", *where[2:]]) == 1
    assert "no source works from here" in capsys.readouterr().err


def test_the_default_config_is_the_documented_one() -> None:
    config: Any = SourcesConfig()
    assert config.prices[0] == "yahoo"
    assert config.when_stale == "say"


WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from tenor.cli import main
sys.exit(main(sys.argv[1:]))
"""


def without(missing: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    """``tenor`` with `arguments` on an installation that lacks the packages `missing`."""
    command = [sys.executable, "-c", WITHOUT.format(missing=missing), *arguments]
    return subprocess.run(command, check=False, timeout=120, capture_output=True, text=True)


def test_what_needs_no_services_works_without_torch_and_a_client(tmp_path: Path) -> None:
    missing = ("torch", "httpx", "tenacity", "feedparser")
    (tmp_path / "AAPL.csv").write_text(
        "Date,Open,High,Low,Close,Volume\n2024-01-02,10,12,9,11,5\n2024-01-03,11,12,10,11.5,5\n"
    )
    store = ("--store", str(tmp_path / "lake"))
    settings = ("--set", "sources.max_stale_sessions=3")
    for arguments, shown in (
        (("import", str(tmp_path / "AAPL.csv"), *store), "bars: 2 new"),
        (("status", *store, *settings), "0 of 1 symbols are stale"),
        (("check", *store), "1 of 1 symbols are clean"),
        (("compact", *store), "0 parts merged"),
        (("fetch", "--help"), "Fetch new and revised bars"),
    ):
        run = without(missing, "data", *arguments)
        assert (run.returncode, run.stderr) == (0, "")
        assert shown in run.stdout


@pytest.mark.parametrize("package", ["httpx", "tenacity", "feedparser"])
def test_each_missing_package_of_the_extra_is_named(tmp_path: Path, package: str) -> None:
    run = without((package,), "data", "fetch", "AAPL", "--store", str(tmp_path / "lake"))
    assert run.returncode == 2
    assert run.stderr == f"tenor: {package} is not installed: pip install 'tenor[live]'.\n"


def test_asking_how_fresh_a_lake_is_needs_no_client() -> None:
    code = "import sys; import tenor.ingest.status, tenor.ingest.files; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_a_missing_extra_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("tenor.ingest")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tenacity", None)
    monkeypatch.delitem(sys.modules, "tenor.ingest.services.http", raising=False)
    assert main(["data", "doctor"]) == 2
    assert capsys.readouterr().err == "tenor: tenacity is not installed: pip install 'tenor[live]'.\n"
