"""Does a text look English? The encoder read nothing else, so anything else is flagged."""

from __future__ import annotations

import functools
from typing import Any

from tenor.errors import ModelError

_CERTAIN = 0.6  # flags .3 % of three English sets of headlines and tweets; at .5 it would be .5 %


def looks_english(text: str) -> bool:
    """False when the cleaned `text` has no letters, mostly non-Latin ones, or is surely in another language.

    Short texts in Latin letters ("AAPL up") can't be told and pass.
    """
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
