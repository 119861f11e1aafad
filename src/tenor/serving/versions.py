"""The versions of a registry for the model page: what each one beats, and why the champion was promoted."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from tenor.errors import TenorError
from tenor.registry import Registry

SHOWN = 20
"""How many of the newest versions are shown."""
BEATS_EWMA = "is lower than that of an EWMA"
"""The words in the verdict of a validation part with a better volatility (`tenor.pipeline.train`)."""


def version_rows(registry: Registry) -> list[dict[str, Any]]:
    """The newest versions, newest first, with the fields of `schemas.ModelVersion`.

    A version whose card can't be read has no ``beats``; this does not stop the publication of forecasts.
    """
    contests = registry.contests()
    rows = []
    for version in reversed(registry.all()[-SHOWN:]):
        card: dict[str, Any] = {}
        with contextlib.suppress(TenorError):
            card = version.card()
        rows.append(
            {
                "version": version.name,
                "created_at": version.created_at,
                "names": list(version.pointers),
                "beats": beats(card["validation"]) if "validation" in card else None,
                "contest": contests.get(version.name),
            }
        )
    return rows


def beats(validation: Mapping[str, Mapping[str, Any]]) -> dict[str, list[int]]:
    """The horizons at which a version was better than simple baselines on its validation part.

    Parameters
    ----------
    validation
        From a model's card: by horizon ``error_reduction`` (against persistence) and ``verdict``.

    Returns
    -------
    dict
        ``volatility`` (a lower QLIKE than an EWMA), ``returns`` (a lower error than persistence). Differences are not
        tested, so they may be chance. Both are empty if the version was never better.
    """
    return {
        "volatility": [int(h) for h, results in validation.items() if BEATS_EWMA in str(results.get("verdict", ""))],
        "returns": [int(h) for h, results in validation.items() if (results.get("error_reduction") or 0.0) > 0],
    }
