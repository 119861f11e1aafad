"""Which symbols a text is about."""

from __future__ import annotations

import pytest

from tenor.ingest.services.matching import SymbolMatcher

NAMES = {
    "AAPL": "Orchard Example Inc.",
    "SAP.DE": "Spree Software SE",
    "MSFT": "Window Works Corporation",
    "GE": "Lamp",
    "ALL": "Every Insurance Group, Inc.",
}
MATCHER = SymbolMatcher(["AAPL", "SAP.DE", "MSFT", "GE", "BTC-USD", "ALL"], NAMES)


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("$AAPL up, $msft down", ["AAPL", "MSFT"]),
        ("why I sold $AAPL.", ["AAPL"]),
        ("$AAPLX is another", []),
        ("US$GE? no", []),
        ("Orchard Example opens a plant", ["AAPL"]),
        ("an orchard example, in lower case", []),
        ("Window Works and Spree Software sign", ["SAP.DE", "MSFT"]),
        ("A maker of lamps (NYSE: GE) hires", ["GE"]),
        ("GE alone is too short to be sure", []),
        ("AAPL in a sentence", ["AAPL"]),
        ("ALL CAPS: AAPL AND MSFT TO THE MOON", []),
        ("Insurer Every Insurance pays", ["ALL"]),
        ("$BTC.X and $BTC", ["BTC-USD"]),
        ("$SAP beats", ["SAP.DE"]),
        ("SAP.DE in Frankfurt", ["SAP.DE"]),
        ("nothing here", []),
        ("", []),
        ("the cAAPLe of good hope", []),
    ],
)
def test_by_cashtag_ticker_and_name(text: str, symbols: list[str]) -> None:
    assert MATCHER.symbols(text) == symbols


def test_names_with_signs_of_their_own() -> None:
    matcher = SymbolMatcher(["A", "B"], {"A": "C++ (Example) S.p.A.", "B": ""})
    assert matcher.symbols("shares of C++ (Example) rise") == ["A"]
