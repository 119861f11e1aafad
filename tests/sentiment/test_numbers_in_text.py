from __future__ import annotations

import re

import pytest

from tenor.sentiment.numbers_in_text import mark_numbers


@pytest.mark.parametrize(
    "marked",
    [
        "marked",
        "Sales were 210 million (up) against 150 million",
        "Sales were 150 million (down) against 210 million",
        "Profit was EUR 9.4 mn (down) , compared to EUR 10.6 mn",
        "revenue 1.2bn (up) vs 900m",
        "EPS $.45 (up) vs. $0.40 expected",
        "Sales rose to $1,200 (up) from $900.",
        "Profit was 0.9 mln euros (down) (1.2 mln euros in 2008).",
        "Margin: 12.1 % (down) (2008: 13.4 %)",
        "Sales were 10.0 (up) ( 9.0 ) mn",
        "Orders went from 150 to 120 (down) units",
        "From EUR 12 mn a year before, sales went to EUR 10 mn (down).",
        "It earned $3 mn (up) in May, while it earned $2 mn a year earlier",
        "١٢ (down) against ١٣",
        # a loss: signs count, not sizes
        "Its loss was EUR 2 mn (better) against EUR 3 mn",
        "A loss of $8 mn (worse) compared with a profit of $9 mn",
        "Profit was $1 mn (better), compared with a loss of $9 mn",
        "The result was EUR -2.3 mn (worse) against EUR 1.1 mn",
    ],
)
def test_the_later_number_is_marked(marked: str) -> None:
    assert mark_numbers(re.sub(r" \((?:up|down|better|worse)\)", "", marked)) == marked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Acme will meet on Monday",
        "Sales were EUR 10 mn against USD 12 mn",  # other currencies
        "Sales grew 5 % from EUR 11 mn",  # a share and an amount
        "Sales were EUR 10 mn against EUR 10.0 mn",  # the same
        "Founded in 1998, it was sold in 2004, earlier than 2005",
        "It opened on 12 March 2008, earlier than 15 April",
        "It has 1,200 people in 12 countries",  # nothing compares them
        "Traffic was down 9.6 % on the year before, and the load factor fell to 6.2 %",
        "Sales were EUR 3 mn. Last year was better. Debt was EUR 2 mn, less than feared.",
        "It won in the first 9 months, compared with 8 months before",
        "Ratio 3/4 versus 5/6, code A12-7 against B13-8",
    ],
)
def test_other_numbers_are_left_alone(text: str) -> None:
    assert mark_numbers(text) == text


@pytest.mark.parametrize("text", ["9" * 4096, "1 " * 2048, "1.1.1." * 600, "$" * 4096, "12 (" * 1000, "1 from " * 500])
def test_no_text_takes_long(text: str) -> None:
    assert mark_numbers(text).startswith(text[:1])
