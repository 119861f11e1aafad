"""What happens to texts before they are split into tokens: cleaning, hashing, comparing, the check for English."""

from __future__ import annotations

import functools
import hashlib
import html
import re
import unicodedata
from typing import Any

from tenor.errors import ModelError

MAX_CHARACTERS = 4096
"""A longer text is cut to this length first: the encoder reads far less anyway, and huge texts stay fast."""

_TAG = re.compile(r"<(?:!--.*?-->|/?[a-zA-Z][^<>]{0,400}>)", re.DOTALL)
_SCRIPT = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_QUOTES = re.compile(r"``|''|[“”„«»]")
_APOSTROPHES = re.compile(r"[‘’‚`]")
_SPACES = re.compile(r"\s+")
_KEY = re.compile(r"[\W_]+")
_CERTAIN = 0.6  # flags 0.3 % of three English sets of headlines and tweets; at 0.5 it would be 0.5 %


def clean(text: str) -> str:
    """`text` as the encoder reads it: one line, no mark-up, no control characters, links as the word ``http``.

    HTML entities are replaced and tags removed, Unicode is normalised (NFKC), and curly or doubled quotes become plain
    ones. Only the first `MAX_CHARACTERS` characters are read. Training, scoring and evaluation all use this function.
    Cleaning an ordinary text twice gives the same as cleaning it once, and no text raises an error.
    """
    text = text.lstrip()[:MAX_CHARACTERS]
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = _TAG.sub(" ", _SCRIPT.sub(" ", text))
    text = _SPACES.sub(" ", _URL.sub(" http ", unicodedata.normalize("NFKC", text)))
    if not (text.isascii() and text.isprintable()):  # as most texts are: to look at each character costs a tenth of all
        # Cc, Cf, Cs, Co, Cn: control, format (direction marks, joiners), lone surrogates, private, unassigned
        text = "".join(c for c in text if unicodedata.category(c)[0] != "C")
    text = _APOSTROPHES.sub("'", _QUOTES.sub('"', text))
    return _SPACES.sub(" ", text).strip()


def text_hash(text: str) -> str:
    """The key of a cleaned text in a cache: the first 32 hex digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def duplicate_key(text: str) -> str:
    """A key that is equal for two texts that differ only in case, spacing, punctuation or links."""
    return _KEY.sub(" ", clean(text).replace(" http", " ").casefold()).strip()


def looks_english(text: str) -> bool:
    """False if the cleaned `text` has no letters, has mostly non-Latin ones, or is almost surely in another language.

    The encoder was trained on English alone, so texts in other languages are flagged. Short texts in Latin letters
    ("AAPL up") can't be judged and count as English.
    """
    if not any(c.isalpha() for c in text):
        return False
    if not text.isascii():
        letters = [c for c in text if c.isalpha()]
        latin = sum(c < "ɐ" for c in letters)  # Latin blocks end before U+0250
        if 2 * latin <= len(letters):
            return False
    language, probability = _identifier().classify(text)
    return bool(language == "en" or probability <= _CERTAIN)


@functools.cache
def _identifier() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ModuleNotFoundError:
        raise ModelError("py3langid is not installed: pip install 'tenor[sentiment]'.") from None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
