from __future__ import annotations

import math
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenor.training.toml_text import toml_text

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
SCALARS = st.one_of(
    st.booleans(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)
VALUES = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=3), st.lists(st.lists(st.integers(0, 9), max_size=2), max_size=2)
)
TABLES = st.recursive(
    st.dictionaries(TEXTS, VALUES, max_size=3),
    lambda inner: st.dictionaries(TEXTS, st.one_of(VALUES, inner), max_size=3),
    max_leaves=6,
)


@given(TABLES)
def test_what_is_written_is_read_back(values: dict) -> None:
    assert tomllib.loads(toml_text(values)) == values


def test_nothing_is_left_out_and_tuples_are_lists() -> None:
    text = toml_text({"a": (1, 2), "gone": None, "t": {"end": None, "x": 1e-05}, "e": {}}, comment="One line\n\nMore")
    assert text == "# One line\n#\n# More\na = [1, 2]\n\n[t]\nx = 1e-05\n\n[e]\n"
    assert tomllib.loads(text) == {"a": [1, 2], "t": {"x": 1e-05}, "e": {}}


def test_numbers_without_end_are_toml() -> None:
    read = tomllib.loads(toml_text({"x": [math.inf, -math.inf, math.nan]}))["x"]
    assert read[:2] == [math.inf, -math.inf]
    assert math.isnan(read[2])


def test_what_toml_has_no_word_for_is_refused() -> None:
    with pytest.raises(TypeError, match="can't be written as TOML"):
        toml_text({"x": [None]})
