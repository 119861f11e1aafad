"""Which extra of the package brings a module that is not installed."""

from __future__ import annotations

import importlib.metadata
import re

# modules that are not called after their distribution; the others differ by case and punctuation alone
DISTRIBUTIONS = {"mlflow": "mlflow-skinny", "sklearn": "scikit-learn"}

_NOT_NAMED = ("all", "dev")
"""Extras that no message names: one brings everything, the other is for developers."""


def extras_with(module: str) -> list[str]:
    """The extras of the installed package that require the distribution of `module`.

    >>> extras_with("fastapi")
    ['serve']
    """
    top = module.partition(".")[0]
    distribution = _normal(DISTRIBUTIONS.get(top, top))
    try:
        requirements = importlib.metadata.requires("tenor") or []
    except importlib.metadata.PackageNotFoundError:  # run from a copy of the sources, which no installer has seen
        requirements = []
    extras = set()
    for line in requirements:  # such as: torch==2.13.0; extra == 'train'
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"""extra == ['"]([\w-]+)['"]""", line)
        if name and extra and extra[1] not in _NOT_NAMED and _normal(name[0]) == distribution:
            extras.add(extra[1])
    return sorted(extras)


def missing(module: str) -> str:
    """One line for a terminal: `module` is not installed, and how to install it.

    >>> missing("sklearn.ensemble")
    "sklearn is not installed: pip install 'tenor[train]'."
    """
    top = module.partition(".")[0]
    ways = " or ".join(f"'tenor[{extra}]'" for extra in extras_with(module))
    return f"{top} is not installed: pip install {ways}." if ways else f"the Python module {top!r} is not installed."


def _normal(name: str) -> str:
    """The name of a distribution as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
