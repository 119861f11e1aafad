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
    return sorted(extra for extra, brought in _brought().items() if distribution in brought)


def _brought() -> dict[str, set[str]]:
    """Extra -> the distributions that the installed package requires for it."""
    try:
        requirements = importlib.metadata.requires("tenor") or []
    except importlib.metadata.PackageNotFoundError:  # run from a copy of the sources, which no installer has seen
        requirements = []
    brought: dict[str, set[str]] = {}
    for line in requirements:  # such as: torch==2.13.0; extra == 'train'
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"""extra == ['"]([\w-]+)['"]""", line)
        if name and extra and extra[1] not in _NOT_NAMED:
            brought.setdefault(extra[1], set()).add(_normal(name[0]))
    return brought


def missing(module: str) -> str:
    """One line for a terminal: `module` is not installed, and how to install it.

    >>> missing("sklearn.ensemble")
    "sklearn is not installed: pip install 'tenor[train]'."
    """
    top, brought = module.partition(".")[0], _brought()
    extras = extras_with(module)
    # an extra that holds another one (`rl` holds `train`) brings more than is asked for
    least = [extra for extra in extras if not any(brought[other] < brought[extra] for other in extras)]
    ways = " or ".join(f"'tenor[{extra}]'" for extra in least)
    return f"{top} is not installed: pip install {ways}." if ways else f"the Python module {top!r} is not installed."


def _normal(name: str) -> str:
    """The name of a distribution as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
