"""Symbols: Yahoo's own stay as they are, other services' forms become them, and none breaks a path or an address."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenor.calendars import calendar_of, market_of
from tenor.cli import main
from tenor.serving.published import _key_part
from tenor.storage.object_store import checked
from tenor.store import Lake
from tenor.symbols import INDICES, MARKET_SUFFIXES, clean_symbol, market_note, taken_for
from tenor.timetables import timetable

YAHOO = re.findall(
    r"\S+",
    "^GSPC BRK-B GC=F EURUSD=X BTC-USD 0700.HK 005930.KS M&M.NS L&TFH.NS J&KBANK.NS BF-B ^TNX CL=F 600519.SS RDS-A "
    "DX-Y.NYB ESZ24.CME ^TA125.TA BAC-PL NIFTY_FIN_SERVICE.NS AAPL240621C00150000 REI-UN.TO VOLV-B.ST ABC-WT A NA TRUE "
    "1INCH-USD USDT-USD BTC-EUR ABC+ ABC$L BT-A.L 0P0000TKZO.L",
)
FORMS = {
    "BRK-B": ["BRK.B", "brk.b", "BRK/B", "BRK B", "BRK.B.US", "BRK-B.US", "$BRK.B", "NYSE:BRK.B", " BRK-B "],
    "BAC-PL": ["BAC.PR.L", "BAC.PRL", "BAC-PR-L", "BAC PR L"],
    "VOLV-B.ST": ["VOLV.B.ST", "VOLV B.ST", "OMXSTO:VOLV.B"],
    "BTC-USDT": ["BTC/USDT", "BTCUSDT", "btc_usdt", "BINANCE:BTCUSDT"],
    "BTC-USD": ["BTC/USD", "BTCUSD", "XBTUSD", "BTC.X", "BTC-USD.CC", "X:BTCUSD"],
    "EURUSD=X": ["EUR/USD", "EURUSD", "EUR_USD", "EUR-USD", "C:EURUSD", "OANDA:EUR_USD", "EURUSD.FOREX"],
    "USDJPY=X": ["JPY=X", "USD/JPY"],
    "0700.HK": ["700.HK", "00700.HK", "HKEX:700"],
    "M&M.NS": ["NSE:M&M", "M&M.NSE"],
    "VOD.L": ["VOD.LSE", "VOD.XLON", "LSE:VOD"],
    "600519.SS": ["600519.SH", "SSE:600519"],
}  # fmt: skip


@pytest.mark.parametrize("symbol", YAHOO)
def test_what_yahoo_writes_stays_and_is_safe_everywhere(symbol: str) -> None:
    assert clean_symbol(symbol) == symbol
    assert taken_for(symbol) == ""
    assert checked(f"symbols/{_key_part(symbol)}-0123.json")  # a key of a folder or a bucket
    assert "/" not in _key_part(symbol)
    assert unquote(quote(symbol, safe="")) == symbol
    assert timetable(calendar_of(symbol, "XNYS")).sessions.size > 1_000


@pytest.mark.parametrize(("symbol", "form"), [(s, form) for s, forms in FORMS.items() for form in forms])
def test_other_services_forms_are_one_symbol(symbol: str, form: str) -> None:
    assert clean_symbol(form) == symbol
    assert clean_symbol(clean_symbol(form)) == symbol


@pytest.mark.parametrize(
    "text",
    ["", " ", "../etc", "a b c", "=1+1", "-A", "@SUM", "+A", "%2e", "ß", "Ⓐ", "A\x00B", "A/B/C", "X" * 200, "FOO:A"],
)
def test_what_is_no_symbol(text: str) -> None:
    assert clean_symbol(text) == ""


@given(st.text(max_size=40))
def test_any_text_becomes_a_safe_symbol_or_none(text: str) -> None:
    symbol = clean_symbol(text)
    assert symbol == "" or re.fullmatch(r"[A-Z0-9^][A-Z0-9.^=_&+$#!*~@-]{0,31}", symbol)
    if symbol:
        checked(f"symbols/{_key_part(symbol)}.json")
        market_of(symbol)


def test_real_suffixes_are_markets_and_other_letters_classes() -> None:
    assert [clean_symbol(s) for s in ("VOD.L", "ABC.V", "BMW.F", "7203.T", "BRK.A")] == [
        "VOD.L", "ABC.V", "BMW.F", "7203.T", "BRK-A",
    ]  # fmt: skip
    for suffix in MARKET_SUFFIXES:
        assert clean_symbol(f"ABC.{suffix}") == f"ABC.{suffix}"
    assert {market_of(index).calendar for index in INDICES} >= {"XTKS", "XLON", "XBOM"}
    assert "any day" in market_note("QNBK.QA")
    assert "no exchange that tenor knows" in market_note("ABC.QQQ")


def test_bars_and_news_of_one_share_meet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    days = pd.date_range("2024-03-04", "2024-03-08").strftime("%Y-%m-%d")
    lines = [f"{s},{d},10,12,9,11,100" for s in ("BRK-B", "M&M.NS", "EUR/USD") for d in days if d != "2024-03-08"]
    (tmp_path / "bars.csv").write_text("\n".join(["ticker,date,open,high,low,close,volume", *lines]))
    (tmp_path / "news.csv").write_text(
        "published_at,ticker,headline\n2024-03-05T14:00:00Z,BRK.B,Orders rose\n2024-03-05T14:00:00Z,QQZ,Plant opens\n"
    )
    store = str(tmp_path / "lake")
    assert main(["data", "import", str(tmp_path / "bars.csv"), str(tmp_path / "news.csv"), "--store", store]) == 0
    out = capsys.readouterr().out
    assert "EUR/USD is taken for EURUSD=X" in out
    assert "news of symbols without bars, which reaches no model: QQZ" in out
    lake = Lake(store)
    assert lake.symbols() == ("BRK-B", "EURUSD=X", "M&M.NS")
    assert lake.news(["BRK-B"]).frame["text"].tolist() == ["Orders rose"]
    assert lake.bars(["brk.b"]).symbols == ("BRK-B",)
    assert main(["data", "status", "BRK/B", "--store", store]) == 0
    assert "BRK-B" in capsys.readouterr().out
    assert main(["data", "status", "--store", store]) == 0
    assert "QQZ" in capsys.readouterr().out
    assert main(["data", "import", "", "--store", store]) == 2
    assert "empty" in capsys.readouterr().err
