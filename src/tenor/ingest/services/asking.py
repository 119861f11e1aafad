"""The boundary behind which no source is trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenor.errors import SourceError

T = TypeVar("T")


def asked(source: str, call: Callable[[], T]) -> T:
    """What `call` gives; whatever an unforeseen answer makes it trip over is a SourceError (``malformed``) as well."""
    try:
        return call()
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        told = f"{source} sent an answer of an unforeseen shape ({type(error).__name__}): see 'tenor data doctor'."
        raise SourceError(told, kind="malformed") from error
