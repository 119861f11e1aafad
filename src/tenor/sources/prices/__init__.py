"""Services that have bars, behind one protocol, `PriceSource`."""

from tenor.sources.config import SourcesConfig
from tenor.sources.http import Http
from tenor.sources.keys import Keys
from tenor.sources.prices import alpha_vantage, binance, stooq, tiingo, yahoo
from tenor.sources.prices.answer import ACTION_COLUMNS, Answer, PriceSource

__all__ = ["ACTION_COLUMNS", "Answer", "PriceSource", "price_sources"]


def price_sources(config: SourcesConfig, http: Http, keys: Keys) -> dict[str, PriceSource]:
    """The sources that `config` names, in its order."""
    made: dict[str, PriceSource] = {
        "yahoo": yahoo.Yahoo(http, config.url("yahoo", yahoo.URL)),
        "stooq": stooq.Stooq(http, config.url("stooq", stooq.URL)),
        "tiingo": tiingo.Tiingo(http, keys, config.url("tiingo", tiingo.URL)),
        "alphavantage": alpha_vantage.AlphaVantage(http, keys, config.url("alphavantage", alpha_vantage.URL)),
        "binance": binance.Binance(http, config.url("binance", binance.URL)),
    }
    return {name: made[name] for name in config.prices}
