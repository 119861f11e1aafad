"""One contract for every source of prices: the same market over each wire format, whole and with faults."""

from __future__ import annotations

import dataclasses
import logging
import traceback
from typing import Any

import numpy as np
import pandas as pd
import pytest
from wire import ENVIRONMENT, SERVICES

from tenor.errors import SourceError
from tenor.ingest.services import PRICE_SOURCES
from tenor.ingest.services.catalogue import price_sources
from tenor.ingest.services.fields import guarded
from tenor.ingest.services.http import Http
from tenor.ingest.services.price_source import PriceAnswer, PriceSource
from tenor.schema import PRICES, BarInterval

SINCE = pd.Timestamp("2024-02-01")


@pytest.fixture(params=PRICE_SOURCES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def source(made: Any, name: str) -> PriceSource:
    return price_sources(made.config, made.http, made.keys)[name]


def ask(made: Any, source: PriceSource, symbol: str | None = None, interval: BarInterval = "1d") -> PriceAnswer:
    symbol = symbol or SERVICES[source.name].symbol
    return guarded(source.name, lambda: source.bars(symbol, since=SINCE, now=made.world.now, interval=interval))


class TestPriceSource:
    def test_every_closed_session_once_as_the_market_had_it(self, made: Any, source: PriceSource) -> None:
        answer = ask(made, source)
        truth = made.world.bars(answer.symbol, SINCE)
        assert list(answer.frame["at"]) == list(truth["session"])
        assert answer.refused == {}
        np.testing.assert_allclose(answer.frame["adj_close"], truth["adj_close"], rtol=1e-7)
        factor = 1.0 if not SERVICES[source.name].adjusted_only else truth["adj_close"] / truth["close"]
        for column in ("open", "high", "low", "close"):
            np.testing.assert_allclose(answer.frame[column], truth[column] * factor, rtol=1e-7)
        if not SERVICES[source.name].adjusted_only:
            np.testing.assert_allclose(answer.frame["volume"], truth["volume"], rtol=1e-7)

    def test_splits_and_dividends_where_the_service_reports_them(self, made: Any, source: PriceSource) -> None:
        actions = ask(made, source).actions
        if not SERVICES[source.name].actions:
            assert actions.empty
            return
        assert actions.to_numpy().tolist() == [
            [pd.Timestamp("2024-03-14"), "dividend", 0.6],
            [pd.Timestamp("2024-05-13"), "split", 4.0],
            [pd.Timestamp("2024-06-13"), "dividend", 0.2],
        ]

    @pytest.mark.parametrize("interval", ["1h", "15m"])
    def test_intraday_bars_are_moments_of_opening_in_utc(
        self, made: Any, source: PriceSource, interval: BarInterval
    ) -> None:
        symbol = SERVICES[source.name].symbol
        if not source.serves(symbol, interval):
            assert source.name == "stooq"
            return
        answer = ask(made, source, interval=interval)
        truth = made.world.intraday(symbol, SINCE, {"1h": 60, "15m": 15}[interval])
        assert list(answer.frame["at"]) == list(truth["at"])
        assert str(answer.frame["at"].dtype) == "datetime64[us, UTC]"
        np.testing.assert_allclose(answer.frame[list(PRICES[:4])], truth[list(PRICES[:4])], rtol=1e-7)

    def test_a_session_under_way_is_left_out(self, made: Any, source: PriceSource) -> None:
        before = made.world.now
        try:
            # New York is open, the coin's day is not over
            made.world.now = pd.Timestamp("2024-06-27 15:00", tz="UTC")
            last = pd.Timestamp(ask(made, source).frame["at"].iloc[-1])
            assert last == pd.Timestamp("2024-06-26")
        finally:
            made.world.now = before

    def test_a_symbol_that_it_does_not_have(self, made: Any, source: PriceSource) -> None:
        made.world.unknown = ("NOPE", "NOPE-USD")
        symbol = SERVICES[source.name].unknown
        with pytest.raises(SourceError, match="no such symbol") as caught:
            ask(made, source, symbol)
        assert caught.value.kind == "unknown"

    @pytest.mark.parametrize("fault", ["429", "500", "truncated", "length"])
    def test_what_passes_is_tried_again(self, made: Any, source: PriceSource, fault: str) -> None:
        if fault == "truncated" and not SERVICES[source.name].cut_off_is_seen:
            pytest.skip("nothing in its answer says that it is cut off")
        made.services[source.name].faults = [fault]
        made.services[source.name].retry_after = "7"
        assert len(ask(made, source).frame) > 90
        assert len(made.services[source.name].requests) == 2
        assert (7.0 in made.slept) == (fault == "429")

    @pytest.mark.parametrize(
        ("fault", "kind", "message"),
        [
            ("429", "limited", "asks for fewer requests"),
            ("500", "away", "fails"),
            ("drip", "away", "did not finish within|did not answer in time"),
            ("truncated", "malformed", "cut off"),
            ("html", "malformed", "web page"),
            ("length", "away", "broke off in the middle"),
            ("loop", "malformed", "redirects more than 3 times"),
            ("changed", "malformed", "has changed its answer"),
            ("huge", "malformed", "sent more than 1 MB"),
        ],
    )
    def test_what_does_not_pass_is_one_clear_error(
        self, made: Any, source: PriceSource, fault: str, kind: str, message: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        made.services[source.name].faults = [f"*{fault}"]
        if fault == "drip":
            http = Http(dataclasses.replace(made.config.http, deadline_seconds=0.3, attempts=1), keys=made.keys)
            source = price_sources(made.config, http, made.keys)[source.name]
        with pytest.raises(SourceError, match=message) as caught:
            ask(made, source)
        assert caught.value.kind == kind
        assert str(caught.value).startswith(source.name)
        assert "\n" not in str(caught.value)
        text = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(source) + repr(made.http)
        assert not [key for key in ENVIRONMENT.values() if key in text]

    def test_an_empty_result_is_no_bars_or_no_such_symbol(self, made: Any, source: PriceSource) -> None:
        far = made.world.now.tz_localize(None).normalize() + pd.Timedelta(days=1)
        if source.name == "stooq":
            with pytest.raises(SourceError, match="no such symbol, or no bar of AAPL since 2024-06-29"):
                source.bars("AAPL", since=far, now=made.world.now)
            return
        answer = source.bars(SERVICES[source.name].symbol, since=far, now=made.world.now)
        assert answer.frame.empty
        assert set(answer.frame.columns) == {"at", *PRICES, "volume"}

    def test_nothing_in_an_answer_is_trusted(self, made: Any, source: PriceSource) -> None:
        # every leaf of the answer becomes something else, one after another: a frame of sound bars or a SourceError
        wire = SERVICES[source.name]
        rng = np.random.default_rng(3)

        def mangled(*args: Any) -> tuple[int, str, bytes]:
            status, kind, body = wire.speak(*args)
            text = bytearray(body)
            for place in rng.integers(0, len(text), 3):
                text[place] = rng.choice(list(b'0x"[]{},:-n '))
            return status, kind, bytes(text)

        SERVICES[source.name] = dataclasses.replace(wire, speak=mangled)
        sound = refused = 0
        try:
            for _ in range(12):
                try:
                    answer = ask(made, source)
                except SourceError as error:
                    refused += str(error).startswith(source.name)
                    continue
                prices = answer.frame[list(PRICES)].to_numpy()
                sound += bool(np.isfinite(prices).all() and (prices > 0).all() and answer.frame["at"].is_unique)
        finally:
            SERVICES[source.name] = wire
        assert sound + refused == 12


def test_a_key_that_is_not_accepted_and_one_that_is_missing(made: Any) -> None:
    from tenor.ingest.services.keys import SourceKeys

    sources = price_sources(made.config, made.http, SourceKeys.from_environment({}))
    with pytest.raises(SourceError, match="tiingo needs a key: set the environment variable TIINGO_API_KEY"):
        ask(made, sources["tiingo"])
    wrong = SourceKeys.from_environment({"TIINGO_API_KEY": "wrong-tiingo", "ALPHAVANTAGE_API_KEY": "wrong-alpha"})
    sources = price_sources(made.config, made.http, wrong)
    for name, kind in (("tiingo", "refused"), ("alphavantage", "limited")):
        with pytest.raises(SourceError) as caught:
            ask(made, sources[name])
        assert caught.value.kind == kind
        assert "wrong-" not in str(caught.value)


def test_two_sources_of_one_market_agree_on_its_returns(made: Any) -> None:
    sources = price_sources(made.config, made.http, made.keys)
    returns = [
        np.diff(np.log(ask(made, sources[name], "AAPL").frame["adj_close"]))
        for name in ("yahoo", "stooq", "tiingo", "alphavantage")
    ]
    for other in returns[1:]:
        np.testing.assert_allclose(other, returns[0], atol=1e-8)
