"""Services that have news, behind one protocol, `NewsSource`."""

from tenor.config import SourcesConfig
from tenor.errors import ConfigError, did_you_mean
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import VARIABLES, Keys
from tenor.ingest.services.news import alpha_vantage, finnhub, reddit, stocktwits, yahoo
from tenor.ingest.services.news.answer import NewsAnswer, NewsSource, as_news
from tenor.ingest.services.news.feeds import FEEDS, feeds
from tenor.ingest.services.news.tying import Ties
from tenor.ingest.services.prices.alpha_vantage import URL as ALPHA_VANTAGE

__all__ = ["FEEDS", "NewsAnswer", "NewsSource", "Ties", "as_news", "news_sources"]


def news_sources(config: SourcesConfig, http: Http, keys: Keys) -> list[NewsSource]:
    """The sources that `config` names and, where they need one, there is a key for."""
    address = config.url("reddit", "")
    made: dict[str, list[NewsSource]] = {
        "yahoo": [yahoo.YahooNews(http, config.url("yahoo", yahoo.URL))],
        "feeds": [*feeds(http, config.feeds, config.url("feeds", ""))],
        "finnhub": [finnhub.Finnhub(http, keys, config.url("finnhub", finnhub.URL))],
        "alphavantage": [alpha_vantage.AlphaVantageNews(http, keys, config.url("alphavantage", ALPHA_VANTAGE))],
        "stocktwits": [stocktwits.StockTwits(http, config.url("stocktwits", stocktwits.URL))],
        "reddit": [
            reddit.Reddit(http, keys, config.forums, address or reddit.URL, address or reddit.SIGNED_URL),
        ],
    }
    for name in config.news:
        if name not in made:
            hint = did_you_mean(name, made) or f" Known: {', '.join(made)}."
            raise ConfigError(f"unknown source {name!r} in sources.news.{hint}")
    usable = [n for n in config.news if n == "reddit" or all(v in keys for v in VARIABLES.get(n, ()))]
    return [source for name in usable for source in made[name]]
