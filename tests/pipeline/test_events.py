"""Dates of a service the whole way: fetched, trained with, forecast from, refreshed as new ones come, and left out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from live import ENVIRONMENT, PATIENT
from services import serving
from world import World

import tenor
from tenor.calendars import exchange
from tenor.cli import main
from tenor.config import Config, SourcesConfig
from tenor.ingest.fetch_events import fetch_events
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys
from tenor.pipeline.refresh import refresh
from tenor.pipeline.train import train
from tenor.schema import Bars
from tenor.store import Lake
from tenor.workspace import Workspace

pytestmark = pytest.mark.torch

QUICK = ("training.seeds=[0]", "training.epochs=1", "model.hidden=4", "model.lookback=10", "features.horizons=[1]")
FOLDS = ("folds.folds=1", "folds.valid_sessions=40", "folds.test_sessions=40")
KINDS = 'features.events=["earnings", "earnings_expected"]'


@dataclasses.dataclass
class Market:
    """A lake with bars, and EDGAR with made-up filings: each symbol files every 63 sessions, after the close."""

    store: str
    world: World
    sessions: pd.DatetimeIndex
    config: SourcesConfig
    http: Http

    def fetch(self, at: pd.Timestamp) -> None:
        self.world.now = at
        lake = Lake(self.store)
        keys = SourceKeys.from_environment(ENVIRONMENT)
        results = fetch_events(lake, lake.symbols(), self.config, now=at, http=self.http, keys=keys)
        assert not results[0].errors


@pytest.fixture
def market(tmp_path: Path, bars_of: Callable[..., Bars]) -> Iterator[Market]:
    bars = bars_of(symbols=4, sessions=400)
    store = str(tmp_path / "lake")
    Lake(store).append_bars(bars, source="test")
    sessions = pd.DatetimeIndex(bars.frame["session"].unique()).sort_values()
    days = exchange("XNYS").sessions(sessions[0] - pd.Timedelta(days=300), sessions[-1])
    filings = {
        symbol: [("8-K", "2.02,9.01", f"{days[k]:%Y-%m-%d} 16:15:00") for k in range(3 * i, len(days), 63)]
        for i, symbol in enumerate(bars.symbols)
    }
    world = World(filings=filings)
    with serving(world, ("edgar",)) as services:
        config = SourcesConfig(
            events=("edgar",), urls=(f"edgar={services['edgar'].url}",), since="2010-01-01", http=PATIENT
        )
        with Http(PATIENT, keys=SourceKeys.from_environment(ENVIRONMENT)) as http:
            yield Market(store, world, sessions, config, http)


def test_results_from_edgar_reach_the_model_the_forecasts_and_the_refresh(market: Market) -> None:
    last = exchange("XNYS").close(market.sessions[-1])
    market.fetch(last)
    train(market.store, Config.read(None, [*QUICK, KINDS]))
    workspace = Workspace(market.store)
    recipe = workspace.predictor().recipe
    columns = ("earnings_next", "earnings_last", "earnings_expected_next", "earnings_expected_last")
    assert recipe.own.names == columns
    before, other = (tenor.predict(market.store, [symbol])[0] for symbol in ("S01", "S00"))
    result = refresh(workspace, workspace.predictor)
    assert not result.notes
    assert result.symbols == ("S00", "S01", "S02", "S03")
    # what is filed after the last close changes no forecast that was made at it
    market.world.filings["S01"].append(("8-K", "2.02", f"{market.sessions[-1]:%Y-%m-%d} 16:20:00"))
    market.fetch(last + pd.Timedelta(hours=2))
    assert tenor.predict(market.store, ["S01"])[0] == before
    # and what was filed before it does: in the network, through the features
    market.world.filings["S01"].append(("8-K", "2.02", f"{market.sessions[-1]:%Y-%m-%d} 11:00:00"))
    market.fetch(last + pd.Timedelta(hours=3))
    after = refresh(workspace, workspace.predictor, fetch=lambda _: market.fetch(last + pd.Timedelta(hours=4)))
    assert not after.notes
    assert tenor.predict(market.store, ["S01"])[0].volatility != before.volatility
    assert tenor.predict(market.store, ["S00"])[0].volatility == other.volatility


def test_the_kind_can_be_left_out_of_an_ablation(market: Market, capsys: pytest.CaptureFixture[str]) -> None:
    market.fetch(exchange("XNYS").close(market.sessions[-1]))
    capsys.readouterr()
    options = ["--workers", "1", *(text for each in (*QUICK, *FOLDS, KINDS) for text in ("--set", each))]
    arguments = ["--without", "earnings", "--without", "earnings_expected"]
    assert main(["ablate", "--store", market.store, *options, *arguments, "--json"]) == 0
    arms = json.loads(capsys.readouterr().out.splitlines()[-1])["own"]
    assert {name: list(rows[0]["levels"]) for name, rows in arms.items()} == {
        "earnings": ["with earnings", "without earnings"],
        "earnings_expected": ["with earnings_expected", "without earnings_expected"],
    }
