"""Cleaning of a text before it is tokenised: the same function at training, scoring and evaluation."""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata

MAX_CHARACTERS = 4096
"""A text is cut here before anything else looks at it: the encoder reads far fewer tokens, and megabytes stay quick."""

_TAG = re.compile(r"<(?:!--.*?-->|/?[a-zA-Z][^<>]{0,400}>)", re.DOTALL)
_SCRIPT = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_QUOTES = re.compile(r"``|''|[“”„«»]")
_APOSTROPHES = re.compile(r"[‘’‚`]")
_SPACES = re.compile(r"\s+")
_KEY = re.compile(r"[\W_]+")


def clean(text: str) -> str:
    """`text` as the encoder reads it: one line, no mark-up, no control characters, links as the word ``http``.

    HTML entities and tags are resolved, Unicode is brought to NFKC, curly and doubled quotes to plain ones. Only the
    first `MAX_CHARACTERS` characters are looked at. The function is idempotent on ordinary text, and never fails.
    """
    text = text.lstrip()[:MAX_CHARACTERS]
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = _TAG.sub(" ", _SCRIPT.sub(" ", text))
    text = _URL.sub(" http ", unicodedata.normalize("NFKC", text))
    # Cc, Cf, Cs, Co, Cn: control, format (direction marks, joiners), lone surrogates, private, unassigned
    text = "".join(c for c in _SPACES.sub(" ", text) if unicodedata.category(c)[0] != "C")
    text = _APOSTROPHES.sub("'", _QUOTES.sub('"', text))
    return _SPACES.sub(" ", text).strip()


def text_hash(text: str) -> str:
    """Name of a cleaned text in a cache: the first 32 hex digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def duplicate_key(text: str) -> str:
    """What two texts share when they are the same sentence but for case, spacing, punctuation and links."""
    return _KEY.sub(" ", clean(text).replace(" http", " ").casefold()).strip()
