"""How symbols are written: in Yahoo's notation, whichever service they come from.

``BRK.B``, ``BRK/B``, ``BRK B`` and ``BRK.B.US`` are Yahoo's ``BRK-B``; ``BTC/USDT`` and ``BTCUSDT`` are ``BTC-USDT``;
``EUR/USD`` is ``EURUSD=X``. The rules, and what they leave alone, stand in `docs/sources.md`, *Symbols*. What the name
says of the market where a symbol trades is in `tenor.calendars`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LONGEST = 32
FORM = r"[A-Z0-9^][A-Z0-9.^=_&+$#!*~@-]{0,31}"
"""The form of a symbol: the characters of exchanges' own notations. It begins with a letter, a digit or ^."""
_SYMBOL = re.compile(FORM)

# London's prices are in pence (GBp), as its sources quote them. India's National Stock Exchange is not in
# exchange_calendars; it has the holidays of Bombay. In the same way some regional exchanges have those of their
# country's main one. Of the exchanges without a calendar, those that trade from Sunday to Thursday may have bars on any
# day (24/7), the others on weekdays (24/5).
MARKET_SUFFIXES: dict[str, tuple[str, str]] = {
    "L": ("XLON", "GBp"), "IL": ("XLON", "USD"), "XC": ("XLON", "GBp"), "DE": ("XETR", "EUR"), "F": ("XFRA", "EUR"),
    "BE": ("XFRA", "EUR"), "MU": ("XFRA", "EUR"), "DU": ("XDUS", "EUR"), "HM": ("XHAM", "EUR"), "HA": ("XHAM", "EUR"),
    "SG": ("XSTU", "EUR"), "PA": ("XPAR", "EUR"), "AS": ("XAMS", "EUR"), "BR": ("XBRU", "EUR"), "LS": ("XLIS", "EUR"),
    "MI": ("XMIL", "EUR"), "TI": ("XMIL", "EUR"), "MC": ("XMAD", "EUR"), "VI": ("XWBO", "EUR"), "HE": ("XHEL", "EUR"),
    "IR": ("XDUB", "EUR"), "AT": ("ASEX", "EUR"), "TL": ("XTAL", "EUR"), "RG": ("XRIS", "EUR"), "VS": ("XLIT", "EUR"),
    "SW": ("XSWX", "CHF"), "ST": ("XSTO", "SEK"), "CO": ("XCSE", "DKK"), "OL": ("XOSL", "NOK"), "IC": ("XICE", "ISK"),
    "WA": ("XWAR", "PLN"), "PR": ("XPRA", "CZK"), "BD": ("XBUD", "HUF"), "RO": ("XBSE", "RON"), "IS": ("XIST", "TRY"),
    "ME": ("XMOS", "RUB"), "T": ("XTKS", "JPY"), "NS": ("XBOM", "INR"), "BO": ("XBOM", "INR"), "HK": ("XHKG", "HKD"),
    "SS": ("XSHG", "CNY"), "SZ": ("XSHG", "CNY"), "KS": ("XKRX", "KRW"), "KQ": ("XKRX", "KRW"), "TW": ("XTAI", "TWD"),
    "TWO": ("XTAI", "TWD"), "SI": ("XSES", "SGD"), "JK": ("XIDX", "IDR"), "KL": ("XKLS", "MYR"), "BK": ("XBKK", "THB"),
    "AX": ("XASX", "AUD"), "XA": ("XASX", "AUD"), "NZ": ("XNZE", "NZD"), "TO": ("XTSE", "CAD"), "V": ("XTSE", "CAD"),
    "CN": ("XTSE", "CAD"), "NE": ("XTSE", "CAD"), "SA": ("BVMF", "BRL"), "MX": ("XMEX", "MXN"), "BA": ("XBUE", "ARS"),
    "SN": ("XSGO", "CLP"), "CL": ("XBOG", "COP"), "JO": ("XJSE", "ZAc"), "TA": ("XTAE", "ILA"), "SR": ("XSAU", "SAR"),
    "KA": ("XKAR", "PKR"), "QA": ("24/7", "QAR"), "KW": ("24/7", "KWF"), "CA": ("24/7", "EGP"), "AE": ("24/5", "AED"),
    "VN": ("24/5", "VND"), "CR": ("24/5", "VES"), "CME": ("CMES", "USD"), "CBT": ("CMES", "USD"),
    "NYM": ("CMES", "USD"), "CMX": ("CMES", "USD"), "NYB": ("IEPA", "USD"),
}  # fmt: skip
"""For each suffix of a symbol the exchange_calendars name of its exchange, and the currency of its prices."""
WITHOUT_CALENDAR = frozenset({"QA", "KW", "CA", "AE", "VN", "CR"})
"""The suffixes of exchanges for which exchange_calendars has no calendar."""

INDICES: dict[str, tuple[str, str]] = {
    "^N225": ("XTKS", "JPY"), "^FTSE": ("XLON", "GBP"), "^GDAXI": ("XETR", "EUR"), "^MDAXI": ("XETR", "EUR"),
    "^STOXX50E": ("XETR", "EUR"), "^FCHI": ("XPAR", "EUR"), "^AEX": ("XAMS", "EUR"), "^BFX": ("XBRU", "EUR"),
    "^IBEX": ("XMAD", "EUR"), "^SSMI": ("XSWX", "CHF"), "^OMX": ("XSTO", "SEK"), "^HSI": ("XHKG", "HKD"),
    "^HSCE": ("XHKG", "HKD"), "^BSESN": ("XBOM", "INR"), "^NSEI": ("XBOM", "INR"), "^NSEBANK": ("XBOM", "INR"),
    "^AXJO": ("XASX", "AUD"), "^KS11": ("XKRX", "KRW"), "^TWII": ("XTAI", "TWD"), "^STI": ("XSES", "SGD"),
    "^JKSE": ("XIDX", "IDR"), "^KLSE": ("XKLS", "MYR"), "^NZ50": ("XNZE", "NZD"), "^GSPTSE": ("XTSE", "CAD"),
    "^BVSP": ("BVMF", "BRL"), "^MXX": ("XMEX", "MXN"), "^MERV": ("XBUE", "ARS"), "^IPSA": ("XSGO", "CLP"),
}  # fmt: skip
"""Indices of exchanges outside the United States; their symbols have no suffix."""

_STABLE = "USDT|USDC|BUSD|FDUSD|TUSD|DAI"
COIN = re.compile(
    rf"([A-Z0-9]{{2,10}})-(USD|{_STABLE}|EUR|GBP|JPY|CHF|AUD|CAD|KRW|TRY|BRL|INR|BTC|ETH|BNB)"
)  # fmt: skip
PAIR = re.compile(r"([A-Z]{3})([A-Z]{3})=X")

# the suffixes and prefixes of other services, and MIC codes, by Yahoo's suffix; "" is the United States
_SUFFIXES = {
    "US": "", "XNYS": "", "XNAS": "", "UK": "L", "LSE": "L", "LON": "L", "XLON": "L", "XETRA": "DE", "DEX": "DE",
    "XETR": "DE", "XFRA": "F", "XPAR": "PA", "XAMS": "AS", "XBRU": "BR", "XLIS": "LS", "XMIL": "MI", "XMAD": "MC",
    "XSWX": "SW", "XSTO": "ST", "XCSE": "CO", "XHEL": "HE", "XOSL": "OL", "PL": "WA", "XWAR": "WA", "HU": "BD",
    "JP": "T", "TSE": "T", "XTKS": "T", "XHKG": "HK", "SH": "SS", "SHG": "SS", "SHH": "SS", "XSHG": "SS", "SHE": "SZ",
    "SHZ": "SZ", "XSHE": "SZ", "NSE": "NS", "XNSE": "NS", "BSE": "BO", "XBOM": "BO", "KO": "KS", "XKRX": "KS",
    "XTAI": "TW", "XSES": "SI", "AU": "AX", "XASX": "AX", "TRT": "TO", "XTSE": "TO", "TRV": "V", "XTSX": "V",
    "XBSP": "SA", "XMEX": "MX", "XJSE": "JO", "XTAE": "TA", "XSAU": "SR", "XIDX": "JK", "XKLS": "KL", "XBKK": "BK",
}  # fmt: skip
_US = dict.fromkeys(("NASDAQ", "NYSE", "AMEX", "NYSEAMERICAN", "ARCA", "NYSEARCA", "BATS", "CBOE", "OTC", "US"), "")
_PREFIXES = _US | {
    "LSE": "L", "LON": "L", "XETR": "DE", "XETRA": "DE", "ETR": "DE", "FWB": "F", "FRA": "F", "EPA": "PA", "AMS": "AS",
    "EBR": "BR", "ELI": "LS", "MIL": "MI", "BIT": "MI", "BME": "MC", "SIX": "SW", "SWX": "SW", "VIE": "VI",
    "OMXSTO": "ST", "STO": "ST", "OMXCOP": "CO", "CPH": "CO", "OMXHEX": "HE", "HEL": "HE", "OSL": "OL", "GPW": "WA",
    "WSE": "WA", "BIST": "IS", "IST": "IS", "TSX": "TO", "TSXV": "V", "CVE": "V", "NSE": "NS", "BSE": "BO",
    "BOM": "BO", "TSE": "T", "TYO": "T", "HKEX": "HK", "HKG": "HK", "SSE": "SS", "SHA": "SS", "SZSE": "SZ", "SHE": "SZ",
    "KRX": "KS", "KOSDAQ": "KQ", "TWSE": "TW", "TPE": "TW", "SGX": "SI", "IDX": "JK", "KLSE": "KL", "SET": "BK",
    "ASX": "AX", "NZX": "NZ", "BMFBOVESPA": "SA", "BVMF": "SA", "BMV": "MX", "JSE": "JO", "TASE": "TA", "TLV": "TA",
    "TADAWUL": "SR",
}  # fmt: skip
_COIN_PLACES = _words("BINANCE BINANCEUS COINBASE KRAKEN BITSTAMP BITFINEX KUCOIN BYBIT OKX GEMINI CRYPTO X CC COIN")
_PAIR_PLACES = _words("FX FX_IDC OANDA FOREXCOM FOREX C CURRENCY FXCM")
_CURRENCIES = _words(
    "USD EUR GBP JPY CHF AUD CAD NZD SEK NOK DKK PLN CZK HUF TRY ZAR MXN BRL CNY CNH HKD SGD KRW INR THB IDR MYR PHP "
    "TWD ILS RUB RON CLP COP SAR AED XAU XAG XPT XPD"
)
# a pair of coin and currency without a mark between them is only recognised for these: SPCUSD may be anything
_COINS = _words(
    "BTC ETH XRP LTC BCH ADA DOGE SOL DOT BNB LINK XLM UNI AVAX MATIC TRX SHIB ATOM ETC XMR EOS NEO XTZ ALGO"
)
_KRAKEN = {"XBT": "BTC", "XXBT": "BTC", "XDG": "DOGE"}
# B of BRK.B, UN of REI.UN, WS of a warrant
_CLASS = re.compile(r"([A-Z0-9&]{1,10})([./ -])([A-Z]{1,2}|WTS)")
_CLASSES = {"WS": "WT", "WTS": "WT", "U": "UN"}
_JOINED = re.compile(r"([A-Z0-9]{2,10}?)(USDT|USDC|BUSD|FDUSD)")
_PREFERRED = re.compile(r"([A-Z]{1,5})[. -]PR[. -]?([A-Z])")


def clean_symbol(text: str) -> str:
    """The symbol that `text` stands for, in Yahoo's notation; ``""`` if it is not a symbol.

    Examples
    --------
    >>> [clean_symbol(text) for text in (" aapl.us", "BRK.B", "brk/b", "BF B", "M&M.NS", "^GSPC", "GC=F")]
    ['AAPL', 'BRK-B', 'BRK-B', 'BF-B', 'M&M.NS', '^GSPC', 'GC=F']
    >>> [clean_symbol(text) for text in ("BTC/USDT", "BTCUSD", "EUR/USD", "JPY=X", "NSE:M&M", "VOD.LSE", "700.HK")]
    ['BTC-USDT', 'BTC-USD', 'EURUSD=X', 'USDJPY=X', 'M&M.NS', 'VOD.L', '0700.HK']
    >>> [clean_symbol(text) for text in ("BT.A.L", "RCI.B.TO", "7203.T", "not one", "", "=1+1", "A/B/C")]
    ['BT-A.L', 'RCI-B.TO', '7203.T', '', '', '', '']
    """
    # the upper case of other letters may be ASCII, as that of ß
    return _clean(text) if len(text) <= 4 * LONGEST and text.isascii() else ""


@functools.lru_cache(maxsize=1 << 16)
def _clean(text: str) -> str:
    text = " ".join(text.split())
    symbol = text.upper().removesuffix(" US EQUITY")
    if symbol[:1] == "$":  # a cashtag
        symbol = symbol[1:]
    place, colon, rest = symbol.partition(":")
    symbol = _placed(place, rest) if colon else _pair(symbol) or _stock(symbol)
    return symbol if len(symbol) <= LONGEST and _SYMBOL.fullmatch(symbol) else ""


def taken_for(text: str) -> str:
    """A note if `text` was read as a differently written symbol, else an empty text.

    Changes of case, blanks and the suffix ``.US`` are not noted.

    >>> taken_for("BTC/USDT"), taken_for("aapl.us")
    ('BTC/USDT is taken for BTC-USDT', '')
    """
    symbol = clean_symbol(text)
    plain = " ".join(text.split()).upper().removeprefix("$").removesuffix(".US")
    return f"{text.strip()[:40]} is taken for {symbol}" if symbol and symbol != plain else ""


def market_note(symbol: str) -> str:
    """What is uncertain about the market of `symbol`, in words; empty if nothing is.

    >>> market_note("QNBK.QA")
    "QNBK.QA: there is no calendar of the exchange '.QA', so bars of any day are taken"
    >>> market_note("ABC.XYZ"), market_note("SAP.DE")
    ("ABC.XYZ: '.XYZ' is the suffix of no exchange that tenor knows, so New York's sessions count", '')
    """
    _, dot, suffix = symbol.rpartition(".")
    if not dot:
        return ""
    if suffix in WITHOUT_CALENDAR:
        days = "any day" if MARKET_SUFFIXES[suffix][0] == "24/7" else "any weekday"
        return f"{symbol}: there is no calendar of the exchange '.{suffix}', so bars of {days} are taken"
    if suffix not in MARKET_SUFFIXES:
        return f"{symbol}: '.{suffix}' is the suffix of no exchange that tenor knows, so New York's sessions count"
    return ""


def known_as(text: str, known: Collection[str]) -> str:
    """The symbol in `known` that `text` stands for; `text` itself if there is none.

    >>> known_as("brk.b", {"BRK-B", "AAPL"}), known_as("own name", {"own name"}), known_as("X", {"AAPL"})
    ('BRK-B', 'own name', 'X')
    """
    if text in known:
        return text
    symbol = clean_symbol(text)
    return symbol if symbol in known else text


def dotted(symbol: str) -> str:
    """A US class share in the notation of most services other than Yahoo; other symbols unchanged.

    >>> dotted("BRK-B"), dotted("BTC-USD"), dotted("AAPL")
    ('BRK.B', 'BTC-USD', 'AAPL')
    """
    return re.sub(r"^([A-Z]{1,5})-([A-Z])$", r"\1.\2", symbol)


def _placed(place: str, symbol: str) -> str:
    """A symbol after the name of the place where it trades: ``NSE:M&M``, ``BINANCE:BTCUSDT``, ``FX:EURUSD``."""
    if place in _COIN_PLACES or place in _PAIR_PLACES:
        return _pair(symbol)
    if place not in _PREFIXES:
        return ""
    suffix = _PREFIXES[place]
    return _stock(f"{symbol}.{suffix}" if suffix else symbol)


def _pair(symbol: str) -> str:
    """A coin or a pair of currencies in any service's form, as Yahoo writes it; empty for anything else."""
    symbol = re.sub(r"\.(CC|FOREX|FX)$", "", symbol)
    if found := re.fullmatch(r"([A-Z]{3})=X", symbol):  # Yahoo's short form: what a dollar costs
        return f"USD{found[1]}=X" if found[1] != "USD" else ""
    if found := re.fullmatch(r"([A-Z0-9]{2,10})\.X", symbol):  # as StockTwits writes coins
        return f"{found[1]}-USD"
    if found := re.fullmatch(r"([A-Z0-9]{2,10})[/_-]([A-Z]{2,5})", symbol) or _JOINED.fullmatch(symbol):
        left, right = found.groups()
    elif re.fullmatch(r"[A-Z]{6,8}", symbol) and (
        symbol[-3:] in _CURRENCIES or (symbol[-3:] in ("BTC", "ETH") and symbol[:-3] in _COINS)
    ):
        left, right = symbol[:-3], symbol[-3:]
        if _KRAKEN.get(left, left) not in _COINS | _CURRENCIES:
            return ""
    else:
        return ""
    left = _KRAKEN.get(left, left)
    if left in _CURRENCIES and right in _CURRENCIES:
        return f"{left}{right}=X" if left != right else ""
    coin = f"{left}-{right}"
    return coin if COIN.fullmatch(coin) else ""


def _stock(symbol: str) -> str:
    """A stock, an index, a future: other services' suffixes and class marks as Yahoo writes them."""
    if PAIR.fullmatch(symbol):
        return symbol
    if found := _PREFERRED.fullmatch(symbol):
        return f"{found[1]}-P{found[2]}"
    stem, dot, suffix = symbol.rpartition(".")
    if dot and suffix in _SUFFIXES:
        suffix = _SUFFIXES[suffix]
    elif not dot or suffix not in MARKET_SUFFIXES:
        stem, suffix = symbol, ""
    if suffix == "HK" and stem.isdigit():
        stem = f"{int(stem):04d}"
    if found := _CLASS.fullmatch(stem):
        name, mark, letters = found.groups()
        # two letters behind a dot are the suffix of some exchange, unless a known one follows
        if suffix or len(letters) == 1 or mark != "." or letters in ("WS", "WT", "UN", "WTS"):
            stem = f"{name}-{letters if suffix else _CLASSES.get(letters, letters)}"
    return f"{stem}.{suffix}" if suffix else stem


_LEGAL = re.compile(
    r"(,?\s+(the|inc|incorporated|corp|corporation|co|company|plc|ltd|limited|llc|ag|se|sa|s\.a|nv|n\.v|ab|asa|oyj|spa"
    r"|s\.p\.a|kgaa|gmbh|holdings?|group|class [a-c]|adr|common stock|ordinary shares)\.?)+$",
    re.IGNORECASE,
)


def short_name(name: str) -> str:
    """A company's name without the legal form at its end.

    >>> short_name("Orchard Example Holdings, Inc.")
    'Orchard Example'
    """
    return _LEGAL.sub("", name.strip()).strip(" ,.")
