"""Alpha Vantage: stocks of the US and some other exchanges, as traded and adjusted. It needs a key."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tenor.calendars import market_of, parts_of
from tenor.errors import SourceError
from tenor.ingest.services.fields import as_numbers, field_at, format_changed
from tenor.ingest.services.price_source import PriceAnswer, PriceSource, actions_where, price_answer
from tenor.ingest.services.source import Source
from tenor.schema import BarInterval

_SUFFIXES = {"": "", "L": ".LON", "DE": ".DEX", "TO": ".TRT", "BO": ".BSE", "NS": ".BSE"}
_INTERVALS = {"1h": "60min", "15m": "15min"}
_DAILY = {"open": "1. open", "high": "2. high", "low": "3. low", "close": "4. close", "adj_close": "5. adjusted close"}
_DAILY |= {"volume": "6. volume", "dividend": "7. dividend amount", "split": "8. split coefficient"}
_INTRADAY = {key: _DAILY[key] for key in ("open", "high", "low", "close")} | {"volume": "5. volume"}


class AlphaVantage(PriceSource):
    """The time series. The key is sent in the query, because the service accepts it nowhere else."""

    name = "alphavantage"
    default_url = "https://www.alphavantage.co"
    key_variables = ("ALPHAVANTAGE_API_KEY",)
    gap = 1.0

    def serves(self, symbol: str, interval: BarInterval) -> bool:
        """Whether `symbol` is a stock of an exchange that it has; intraday bars exist only for US stocks."""
        if market_of(symbol).kind != "stock" or symbol.startswith("^") or "=" in symbol:
            return False
        suffix = parts_of(symbol)[1]
        return suffix == "" if interval != "1d" else suffix in _SUFFIXES

    def bars(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp, interval: BarInterval = "1d") -> PriceAnswer:
        """See `PriceSource`; the short answer (100 rows) is requested if it reaches back far enough."""
        stem, suffix = parts_of(symbol)
        short = interval == "1d" and (now.tz_localize(None) - since).days < 120
        params = {"symbol": stem + _SUFFIXES[suffix], "outputsize": "compact" if short else "full"}
        if interval == "1d":
            params |= {"function": "TIME_SERIES_DAILY_ADJUSTED"}
        else:
            params |= {"function": "TIME_SERIES_INTRADAY", "interval": _INTERVALS[interval], "adjusted": "false"}
            params |= {"extended_hours": "false"}
        body = query(self, params)
        series = field_at(body, _series_name(body, self.name), source=self.name)
        if not isinstance(series, dict):
            raise format_changed(self.name, "Time Series")
        names = _DAILY if interval == "1d" else _INTRADAY
        columns = {
            key: as_numbers(
                [field_at(row, field, source=self.name) for row in series.values()], source=self.name, field=field
            )
            for key, field in names.items()
        }
        at = self._at(list(series), interval, body)
        if interval != "1d":
            columns["adj_close"] = columns["close"].copy()
            return price_answer(self.name, symbol, interval, at, columns, since=since, now=now)
        splits, dividends = columns.pop("split"), columns.pop("dividend")
        actions = actions_where(at, splits=splits, dividends=dividends)
        return price_answer(self.name, symbol, interval, at, columns, since=since, now=now, actions=actions)

    def _at(self, texts: list[str], interval: BarInterval, body: Any) -> pd.DatetimeIndex:
        try:
            if interval == "1d":
                return pd.DatetimeIndex(pd.to_datetime(texts, format="%Y-%m-%d")).as_unit("us")
            meta = field_at(body, "Meta Data", source=self.name)
            zone = next((str(v) for k, v in meta.items() if k.endswith("Time Zone")), "US/Eastern")
            local = pd.DatetimeIndex(pd.to_datetime(texts, format="%Y-%m-%d %H:%M:%S"))
            return local.tz_localize(zone).tz_convert("UTC").as_unit("us")
        except (ValueError, TypeError):
            raise format_changed(self.name, "Time Series") from None


def query(source: Source, params: dict[str, str]) -> dict[str, Any]:
    """The service's JSON answer to `params`.

    Raises
    ------
    SourceError
        The service refuses. It does so with status 200 and a text, which may repeat the key.
    """
    name = source.name
    body = source.get_json("/query", params={**params, "apikey": source.key()})
    if not isinstance(body, dict):
        raise format_changed(name, "Meta Data")
    refuse_excuses(source, body)
    return body


def refuse_excuses(source: Source, body: dict[str, Any]) -> None:
    """Raise a SourceError if `body` is not an answer but the service's reason for not answering."""
    if "Error Message" in body:
        raise SourceError(f"{source.name} has no such symbol.", kind="unknown")
    for field in ("Note", "Information"):
        if field in body:
            reason = source.keys.hidden(" ".join(str(body[field]).split()))[:160]
            raise SourceError(f"{source.name} gives no answer ({reason}).", kind="limited")


def _series_name(body: dict[str, Any], source: str) -> str:
    for name in body:
        if name.startswith("Time Series"):
            return name
    raise format_changed(source, "Time Series")
