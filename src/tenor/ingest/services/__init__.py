"""Services on the network that have bars or news."""

PRICES = ("yahoo", "stooq", "tiingo", "alphavantage", "binance")
NEWS = ("yahoo", "feeds", "finnhub", "alphavantage", "stocktwits", "reddit")
