"""Services that have bars, behind one protocol, `PriceSource`."""

from tenor.config import SourcesConfig
from tenor.errors import ConfigError, did_you_mean
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import Keys
from tenor.ingest.services.prices import alpha_vantage, binance, stooq, tiingo, yahoo
from tenor.ingest.services.prices.answer import ACTION_COLUMNS, Answer, PriceSource

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
    for name in config.prices:
        if name not in made:
            hint = did_you_mean(name, made) or f" Known: {', '.join(made)}."
            raise ConfigError(f"unknown source {name!r} in sources.prices.{hint}")
    return {name: made[name] for name in config.prices}
