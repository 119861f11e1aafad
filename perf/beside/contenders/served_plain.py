"""A service of forecasts as one writes it in an hour: FastAPI, a file a symbol, and a model of the answer."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict


class Interval(BaseModel):
    """The 90 % interval."""

    lower: float
    upper: float
    level: float


class Staleness(BaseModel):
    """How old it is."""

    stale: bool
    sessions_behind: int
    reasons: list[str]
    replay: bool


class Forecast(BaseModel):
    """The answer."""

    model_config = ConfigDict(protected_namespaces=())
    symbol: str
    as_of: str
    session: str
    target_session: str
    horizon: int
    last_price: float
    interval: Interval
    volatility: float
    volatility_rank: float
    baseline_volatility: float
    quantiles: dict[str, float]
    value_at_risk: dict[str, float]
    expected_shortfall: dict[str, float]
    price: float
    expected_return: float
    p_up: float
    verdict: str
    attention: dict[str, Any] | None
    model_version: str
    live: bool
    staleness: Staleness
    before_open: str | None
    news: list[dict[str, Any]]
    news_text: str


def application(folder: Path) -> FastAPI:
    """The app that answers from the files of `folder`."""
    app = FastAPI()

    @app.get("/v1/forecast/{symbol}")
    def forecast(symbol: str, horizon: int = 1) -> Forecast:
        try:
            with (folder / f"{symbol}.json").open(encoding="utf-8") as file:
                return Forecast(**json.load(file)[str(horizon)])
        except (FileNotFoundError, KeyError):
            raise HTTPException(404, f"no forecast of {symbol} at {horizon}") from None

    return app


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", file=sys.stderr, flush=True)
    uvicorn.Server(uvicorn.Config(application(Path(sys.argv[1])))).run([listening])
