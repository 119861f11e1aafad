"""The documented wire formats, spoken about the made-up market: one function and one entry of `SERVICES` a service.

The contract tests (``tests/ingest/services``) run over every entry.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
from world import World

from tenor.calendars import exchange, market_of

Speak = Callable[[World, str, Mapping[str, str], Mapping[str, str]], tuple[int, str, bytes]]
"""World, path, query and headers -> status, content type and body."""


@dataclass(frozen=True)
class Wire:
    """How a service speaks, and what the contract tests must know of it.

    Attributes
    ----------
    speak
        Its answer to a request.
    fields
        Texts in its answer that are replaced when the format "changes"; without any the answer becomes ``{}``.
    keys
        The keys that it accepts, by environment variable.
    symbol, unknown
        One that it has, and one that it has not.
    adjusted_only
        It has adjusted prices alone.
    actions
        It reports splits and dividends.
    cut_off_is_seen
        An answer that is cut off can be recognised.
    """

    speak: Speak
    fields: tuple[bytes, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    symbol: str = "AAPL"
    unknown: str = "NOPE"
    adjusted_only: bool = False
    actions: bool = True
    cut_off_is_seen: bool = True


JSON, CSV, XML = "application/json", "text/csv", "application/rss+xml"
_OWN = {"btc.v": "BTC-USD", "eurusd": "EURUSD=X"}


def _json(value: Any, status: int = 200) -> tuple[int, str, bytes]:
    return status, JSON, json.dumps(value).encode()


def _epoch(day: pd.Timestamp, zone: str) -> int:
    return int((day + pd.Timedelta(hours=9, minutes=30)).tz_localize(zone).timestamp())


def yahoo(world: World, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, str, bytes]:
    """Chart v8 and search v1."""
    if path == "/v1/finance/search":
        symbol = query["q"]
        news = [
            {"uuid": str(n["id"]), "title": n["title"], "publisher": n["publisher"], "link": n["url"],
             "providerPublishTime": int(n["at"].timestamp()), "type": "STORY", "relatedTickers": [symbol]}
            for n in world.news(symbol, world.now - pd.Timedelta(days=world.news_days))[-int(query["newsCount"]) :]
        ]  # fmt: skip
        return _json({"quotes": [{"symbol": symbol, "longname": f"{symbol} Example Corporation"}], "news": news})
    symbol = unquote(path.removeprefix("/v8/finance/chart/"))
    if symbol in world.unknown:
        error = {"code": "Not Found", "description": "nothing here"}
        return _json({"chart": {"result": None, "error": error}}, 404)
    zone = exchange(market_of(symbol).calendar).zone
    meta = {"symbol": symbol, "exchangeTimezoneName": zone, "longName": f"{symbol} Example Corporation"}
    since = pd.Timestamp(int(query["period1"]), unit="s").normalize()
    if query["interval"] != "1d":
        rows = world.intraday(symbol, since, {"1h": 60, "15m": 15}[query["interval"]])
        quote = {c: rows[c].tolist() for c in ("open", "high", "low", "close", "volume")}
        stamps = [int(t.timestamp()) for t in rows["at"]]
        result = {"meta": meta, "timestamp": stamps, "indicators": {"quote": [quote]}}
        return _json({"chart": {"result": [result], "error": None}})
    rows = world.bars(symbol, since, live=True)
    if rows.empty:
        result = {"meta": meta, "indicators": {"quote": [{}], "adjclose": [{}]}}
        return _json({"chart": {"result": [result], "error": None}})
    later = rows["split"].to_numpy()[::-1].cumprod()[::-1]
    since_split = np.append(later[1:], 1.0)  # a bar of the day of a split is in new shares already
    quote = {c: (rows[c].to_numpy() / since_split).tolist() for c in ("open", "high", "low", "close")}
    quote["volume"] = (rows["volume"].to_numpy() * since_split).tolist()
    indicators: dict[str, Any] = {"quote": [quote]}
    if market_of(symbol).kind == "stock":
        indicators["adjclose"] = [{"adjclose": rows["adj_close"].tolist()}]
    stamps = [_epoch(day, zone) for day in rows["session"]]
    events: dict[str, Any] = {}
    for stamp, row in zip(stamps, rows.itertuples(), strict=True):
        if row.split != 1:
            split = {"date": stamp, "numerator": row.split, "denominator": 1, "splitRatio": f"{row.split:g}:1"}
            events.setdefault("splits", {})[str(stamp)] = split
        if row.dividend:
            events.setdefault("dividends", {})[str(stamp)] = {"date": stamp, "amount": row.dividend}
    result = {"meta": meta, "timestamp": stamps, "indicators": indicators}
    return _json({"chart": {"result": [result | ({"events": events} if events else {})], "error": None}})


def stooq(world: World, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, str, bytes]:
    """The CSV download."""
    own = query["s"]
    symbol = _OWN.get(own) or own.removesuffix(".us").upper()
    symbol = symbol[:-3] + ".T" if symbol.endswith(".JP") else symbol
    rows = world.bars(symbol, pd.Timestamp(query["d1"])) if symbol not in world.unknown else pd.DataFrame()
    if rows.empty:
        return 200, "text/plain", b"No data"
    factor = rows["adj_close"] / rows["close"]
    lines = ["Date,Open,High,Low,Close,Volume"]
    for row, f in zip(rows.itertuples(), factor, strict=True):
        prices = ",".join(f"{price * f:.10g}" for price in (row.open, row.high, row.low, row.close))
        lines.append(f"{row.session:%Y-%m-%d},{prices},{row.volume / f:.10g}")
    return 200, CSV, "\r\n".join(lines).encode()


def tiingo(world: World, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, str, bytes]:
    """Daily and IEX prices."""
    if headers.get("Authorization") != "Token tiingo-key-5f3a":
        return _json({"detail": "Invalid token."}, 401)
    kind, symbol = path.strip("/").split("/")[-3:-1]
    if symbol in world.unknown:
        return _json({"detail": "Not found."}, 404)
    since = pd.Timestamp(query["startDate"])
    if kind == "iex":
        rows = world.intraday(symbol, since, {"1hour": 60, "15min": 15}[query["resampleFreq"]])
        prices = [
            {"date": f"{r.at:%Y-%m-%dT%H:%M:%S}.000Z", "open": r.open, "high": r.high, "low": r.low, "close": r.close,
             "volume": r.volume}
            for r in rows.itertuples()
        ]  # fmt: skip
        return _json(prices)
    rows = world.bars(symbol, since)
    prices = [
        {"date": f"{r.session:%Y-%m-%d}T00:00:00.000Z", "open": r.open, "high": r.high, "low": r.low, "close": r.close,
         "volume": int(r.volume), "adjClose": r.adj_close, "divCash": r.dividend, "splitFactor": r.split}
        for r in rows.itertuples()
    ]  # fmt: skip
    return _json(prices)


def alphavantage(
    world: World, path: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> tuple[int, str, bytes]:
    """TIME_SERIES_DAILY_ADJUSTED, TIME_SERIES_INTRADAY, NEWS_SENTIMENT and EARNINGS_CALENDAR."""
    key = query.get("apikey", "")
    if key != "alpha-key-91c2":
        return _json({"Information": f"your key {key} was not accepted"})
    if query["function"] == "EARNINGS_CALENDAR":
        times = {"bmo": "pre-market", "amc": "post-market", "": ""}
        lines = ["symbol,name,reportDate,fiscalDateEnding,estimate,currency,timeOfTheDay"]
        for symbol, rows in sorted({"ZZZ": [("2024-09-16", "")], **world.coming}.items()):
            lines += [f"{symbol},{symbol} Inc,{day},2024-06-30,1.5,USD,{times[hour]}" for day, hour in rows]
        return 200, CSV, ("\r\n".join(lines) + "\r\n").encode()
    if query["function"] == "NEWS_SENTIMENT":
        symbol = query["tickers"]
        feed = [
            {"title": n["title"], "url": n["url"], "time_published": f"{n['at']:%Y%m%dT%H%M%S}",
             "summary": n["summary"], "source": n["publisher"], "ticker_sentiment": [{"ticker": symbol}]}
            for n in world.news(symbol, pd.Timestamp(query["time_from"], tz="UTC"))
        ]  # fmt: skip
        return _json({"items": str(len(feed)), "feed": feed})
    symbol = query["symbol"]
    if symbol in world.unknown:
        return _json({"Error Message": "Invalid API call."})
    meta = {"2. Symbol": symbol, "6. Time Zone": "US/Eastern"}
    if query["function"] == "TIME_SERIES_INTRADAY":
        rows = world.intraday(symbol, pd.Timestamp("2024-01-02"), int(query["interval"].removesuffix("min")))
        local = rows["at"].dt.tz_convert("America/New_York")
        series = {
            f"{at:%Y-%m-%d %H:%M:%S}": {
                "1. open": f"{r.open}", "2. high": f"{r.high}", "3. low": f"{r.low}", "4. close": f"{r.close}",
                "5. volume": f"{r.volume:.0f}",
            }
            for at, r in zip(local, rows.itertuples(), strict=True)
        }  # fmt: skip
        return _json({"Meta Data": meta, f"Time Series ({query['interval']})": dict(reversed(series.items()))})
    rows = world.bars(symbol, pd.Timestamp("2024-01-02"))
    rows = rows.tail(100) if query["outputsize"] == "compact" else rows
    series = {
        f"{r.session:%Y-%m-%d}": {
            "1. open": f"{r.open}", "2. high": f"{r.high}", "3. low": f"{r.low}", "4. close": f"{r.close}",
            "5. adjusted close": repr(r.adj_close), "6. volume": f"{r.volume:.0f}",
            "7. dividend amount": f"{r.dividend:.4f}", "8. split coefficient": f"{r.split:.1f}",
        }
        for r in rows.iloc[::-1].itertuples()
    }  # fmt: skip
    return _json({"Meta Data": meta | {"5. Time Zone": "US/Eastern"}, "Time Series (Daily)": series})


def binance(world: World, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, str, bytes]:
    """Klines."""
    symbol = query["symbol"].removesuffix("USDT") + "-USD"
    if symbol in world.unknown or not query["symbol"].endswith("USDT"):
        return _json({"code": -1121, "msg": "Invalid symbol."}, 400)
    start, end = (pd.Timestamp(int(query[k]), unit="ms", tz="UTC") for k in ("startTime", "endTime"))
    if query["interval"] == "1d":
        rows = world.bars(symbol, pd.Timestamp("2024-01-01"), live=True)
        rows = rows.assign(at=rows["session"].dt.tz_localize("UTC"))
        length = pd.Timedelta(days=1)
    else:
        minutes = {"1h": 60, "15m": 15}[query["interval"]]
        rows, length = world.intraday(symbol, pd.Timestamp("2024-01-01"), minutes), pd.Timedelta(minutes=minutes)
    rows = rows[(rows["at"] >= start) & (rows["at"] <= end)].head(int(query["limit"]))
    klines = []
    for r in rows.itertuples():
        open_ms = int(r.at.timestamp() * 1000)
        close_ms = int((r.at + length).timestamp() * 1000) - 1
        texts = [f"{v:.8f}" for v in (r.open, r.high, r.low, r.close, r.volume)]
        klines.append([open_ms, *texts, close_ms, "0.0", 12, "0.0", "0.0", "0"])
    return _json(klines)


def finnhub(world: World, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, str, bytes]:
    """Company news and the calendar of results."""
    if headers.get("X-Finnhub-Token") != "finnhub-key-77d0":
        return _json({"error": "Please use an API key."}, 401)
    symbol = query["symbol"]
    if path == "/api/v1/calendar/earnings":
        rows = [
            {
                "date": day,
                "epsActual": None,
                "epsEstimate": 1.5,
                "hour": hour,
                "quarter": 3,
                "symbol": symbol,
                "year": 2024,
            }
            for day, hour in world.coming.get(symbol.replace(".", "-"), [])
            if query["from"] <= day <= query["to"]
        ]
        return _json({"earningsCalendar": rows})
    items = world.news(symbol, pd.Timestamp(query["from"], tz="UTC"))
    return _json(
        [
            {"category": "company", "datetime": int(n["at"].timestamp()), "headline": n["title"], "id": n["id"],
             "image": "", "related": symbol, "source": n["publisher"], "summary": n["summary"], "url": n["url"]}
            for n in reversed(items)
        ]
    )  # fmt: skip


def edgar(world: World, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, str, bytes]:
    """The table of tickers, a company's filings, and further pages of them: two filings a page."""
    if "@" not in headers.get("User-Agent", ""):
        return 403, "text/html", b"<!DOCTYPE html><html><body>Undeclared automated tool</body></html>"
    symbols = ["AAPL", "MSFT", "BRK-B", *world.filings]
    if path == "/files/company_tickers.json":
        rows = [{"cik_str": 1000 + i, "ticker": s, "title": s} for i, s in enumerate(dict.fromkeys(symbols))]
        return _json({str(i): row for i, row in enumerate(rows)})
    name = path.removeprefix("/submissions/")
    number, _, page = name.removesuffix(".json").removeprefix("CIK").partition("-submissions-")
    symbol = list(dict.fromkeys(symbols))[int(number) - 1000]
    rows = world.filed(symbol)
    size = max(2, len(rows) // 2)
    pages = [rows[start : start + size] for start in range(0, len(rows), size)] or [[]]
    if page:
        return _json(_filings(symbol in world.eastern, pages[int(page)]))
    files = [
        {"name": f"CIK{number}-submissions-{i:03d}.json", "filingCount": len(each),
         "filingFrom": _filed(each[-1][2]), "filingTo": _filed(each[0][2])}
        for i, each in enumerate(pages)
        if i
    ]  # fmt: skip
    recent = _filings(symbol in world.eastern, pages[0])
    return _json({"cik": number, "tickers": [symbol], "filings": {"recent": recent, "files": files}})


def _filings(eastern: bool, rows: list[tuple[str, str, pd.Timestamp]]) -> dict[str, list[str]]:
    clocks = [at.tz_convert("America/New_York") if eastern else at for _, _, at in rows]
    return {
        "accessionNumber": [f"0000000000-24-{i:06d}" for i, _ in enumerate(rows)],
        "filingDate": [_filed(at) for _, _, at in rows],
        "acceptanceDateTime": [f"{clock:%Y-%m-%dT%H:%M:%S}.000Z" for clock in clocks],
        "form": [form for form, _, _ in rows],
        "items": [items for _, items, _ in rows],
    }


def _filed(at: pd.Timestamp) -> str:
    """The day of a filing: what is accepted after 17:30 is of the next working day."""
    local = at.tz_convert("America/New_York").tz_localize(None)
    late = local - local.normalize() > pd.Timedelta(hours=17.5)
    return f"{local + pd.offsets.BDay() if late else local:%Y-%m-%d}"


def stocktwits(world: World, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, str, bytes]:
    """The stream of a symbol, newest first, page by page."""
    symbol = unquote(path.removeprefix("/api/2/streams/symbol/").removesuffix(".json"))
    items = world.news(symbol, world.now - pd.Timedelta(days=30))
    top = int(query.get("max", 10**12))
    page = [n for n in reversed(items) if n["id"] < top][:30]
    messages = [
        {"id": n["id"], "body": f"${symbol} {n['title']}", "created_at": f"{n['at']:%Y-%m-%dT%H:%M:%SZ}",
         "user": {"username": "someone"}, "symbols": [{"symbol": symbol}]}
        for n in page
    ]  # fmt: skip
    more = bool(page) and any(n["id"] < page[-1]["id"] for n in items)
    cursor = {"more": more, "max": page[-1]["id"] if page else None, "since": page[0]["id"] if page else None}
    return _json({"response": {"status": 200}, "symbol": {"symbol": symbol}, "cursor": cursor, "messages": messages})


def reddit(world: World, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, str, bytes]:
    """Token and search."""
    if path == "/api/v1/access_token":
        if not headers.get("Authorization", "").startswith("Basic "):
            return _json({"message": "Unauthorized", "error": 401}, 401)
        return _json({"access_token": "bearer-token-aa", "token_type": "bearer", "expires_in": 3600})
    if "Authorization" in headers and headers["Authorization"] != "Bearer bearer-token-aa":
        return _json({"message": "Unauthorized", "error": 401}, 401)
    symbol = query["q"].strip('"$')
    items = world.news(symbol, world.now - pd.Timedelta(days=7))
    children = [
        {"kind": "t3", "data": {"id": str(n["id"]), "title": n["title"], "selftext": n["summary"],
         "created_utc": n["at"].timestamp(), "permalink": f"/r/stocks/comments/{n['id']}/", "url": n["url"],
         "subreddit": "stocks"}}
        for n in reversed(items)
    ]  # fmt: skip
    return _json({"kind": "Listing", "data": {"after": None, "dist": len(children), "children": children}})


def feeds(world: World, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, str, bytes]:
    """RSS 2.0 at /rss, Atom at /atom, about the symbol of the query."""
    symbol = query.get("s", "AAPL")
    items = world.news(symbol, world.now - pd.Timedelta(days=world.news_days))
    if path == "/atom":
        entries = "".join(
            f"<entry><id>tag:{n['id']}</id><title>{n['title']}</title><summary>{n['summary']}</summary>"
            f"<link href='{n['url']}'/><published>{n['at']:%Y-%m-%dT%H:%M:%SZ}</published></entry>"
            for n in items
        )
        body = f"<feed xmlns='http://www.w3.org/2005/Atom'><title>Example</title>{entries}</feed>"
        return 200, "application/atom+xml", f"<?xml version='1.0' encoding='utf-8'?>{body}".encode()
    entries = "".join(
        f"<item><guid>{n['id']}</guid><title>{n['title']}</title><description>{n['summary']}</description>"
        f"<link>{n['url']}</link><pubDate>{n['at']:%a, %d %b %Y %H:%M:%S} +0000</pubDate></item>"
        for n in items
    )
    body = f"<rss version='2.0'><channel><title>Example</title>{entries}</channel></rss>"
    return 200, XML, f"<?xml version='1.0' encoding='utf-8'?>{body}".encode()


SERVICES: dict[str, Wire] = {
    "yahoo": Wire(yahoo, (b'"indicators"', b'"news"')),
    # nothing in a CSV says that it is cut off, unless it ends in the middle of a row
    "stooq": Wire(stooq, (b"Close",), adjusted_only=True, actions=False, cut_off_is_seen=False),
    "tiingo": Wire(tiingo, (b'"close"',), {"TIINGO_API_KEY": "tiingo-key-5f3a"}),
    "alphavantage": Wire(
        alphavantage, (b'"4. close"', b'"feed"', b"reportDate"), {"ALPHAVANTAGE_API_KEY": "alpha-key-91c2"}
    ),
    "binance": Wire(binance, symbol="BTC-USD", unknown="NOPE-USD", actions=False),
    "finnhub": Wire(finnhub, (b'"datetime"', b'"earningsCalendar"'), {"FINNHUB_API_KEY": "finnhub-key-77d0"}),
    "edgar": Wire(edgar, (b'"filings"', b'"ticker"'), {"EDGAR_IDENTITY": "Ada Example ada@tenor.example"}),
    "stocktwits": Wire(stocktwits, (b'"messages"',)),
    "reddit": Wire(
        reddit, (b'"children"', b'"access_token"'),
        {"REDDIT_CLIENT_ID": "reddit-id-20", "REDDIT_CLIENT_SECRET": "reddit-secret-21"},
    ),
    # a feed that is cut off keeps the items that came whole
    "feeds": Wire(feeds, cut_off_is_seen=False),
}  # fmt: skip
ENVIRONMENT = {variable: key for wire in SERVICES.values() for variable, key in wire.keys.items()}
"""All keys, as an environment has them."""
