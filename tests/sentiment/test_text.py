from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenor.sentiment.text import MAX_CHARACTERS, clean, duplicate_key, looks_english, text_hash


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("  Acme\tbeats\r\n forecasts ", "Acme beats forecasts"),
        ("Acme &amp; Sons&#39; profit", "Acme & Sons' profit"),
        ("<p>Acme <b>soars</b></p><script>alert('down')</script>", "Acme soars"),
        ("<!-- ad -->Acme falls<br/>hard", "Acme falls hard"),
        ("margin < 5 % and > 3 %", "margin < 5 % and > 3 %"),
        ("see https://example.com/a?b=1 or www.example.com now", "see http or http now"),
        ("“Strong” quarter, it’s ``good''", '"Strong" quarter, it\'s "good"'),
        ("ｐｒｏｆｉｔ ½", "profit 1⁄2"),
        ("pro\x00fit\x1b[31m\u200b up\u202e", "profit[31m up"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("rally 🚀🚀", "rally 🚀🚀"),
        ("الأرباح ترتفع", "الأرباح ترتفع"),
        ("", ""),
        (" \n\t\x00\u200b ", ""),
        ("<br><hr/>", ""),
    ],
)
def test_clean(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


@given(st.text())
def test_clean_gives_one_line_that_can_be_stored(text: str) -> None:
    cleaned = clean(text)
    assert cleaned == cleaned.strip()
    assert not any(unicodedata.category(c)[0] == "C" for c in cleaned)
    assert len(text_hash(cleaned)) == 32


def test_a_megabyte_is_cut_before_any_work() -> None:
    for text in ("<" * 1_000_000, "a " * 500_000, "&lt;" * 250_000, " " * 1_000_000 + "end", "<a " * 300_000):
        assert len(clean(text)) <= 2 * MAX_CHARACTERS


def test_duplicate_key_ignores_case_spacing_punctuation_and_links() -> None:
    assert duplicate_key("Acme's profit ROSE , 5 % ! https://example.com/x") == duplicate_key("acme s profit rose 5%")
    assert duplicate_key("profit rose") != duplicate_key("profit fell")


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("The company raised its forecast for the full year", True),
        ("$ACME up 5%", True),
        ("Los ingresos de la compañía cayeron con fuerza durante el trimestre", False),
        ("Der Umsatz des Unternehmens ist im letzten Jahr deutlich gesunken", False),
        ("Выручка компании выросла", False),
        ("会社の利益は増加した", False),
        ("الأرباح ترتفع هذا العام", False),
        ("🚀🚀🚀", False),
        ("12.5 %", False),
        ("", False),
    ],
)
def test_other_languages_are_flagged(text: str, english: bool) -> None:
    assert looks_english(text) is english
