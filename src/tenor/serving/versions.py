"""The versions of a registry as the model page shows them: what each beats, and why the champion is the champion."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from tenor.errors import TenorError
from tenor.registry import Registry

SHOWN = 20
"""Versions, the newest."""
BEATS_EWMA = "is lower than that of an EWMA"
"""What the verdict of a validation part says where the volatility was better (`tenor.pipeline.train`)."""


def version_rows(registry: Registry) -> list[dict[str, Any]]:
    """The newest versions, newest first, in the fields of `schemas.ModelVersion`.

    A version whose card can't be read has no ``beats``: the forecasts do not wait for it.
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
    """The horizons at which the validation part shows a version ahead of what anyone could say without a model.

    Parameters
    ----------
    validation
        Of a card: by horizon ``error_reduction`` (against persistence) and ``verdict``.

    Returns
    -------
    dict
        ``volatility`` (a lower QLIKE than an EWMA), ``returns`` (a lower error than persistence). No test: a
        difference may be chance. Both are empty for a version that beats nothing.
    """
    return {
        "volatility": [int(h) for h, results in validation.items() if BEATS_EWMA in str(results.get("verdict", ""))],
        "returns": [int(h) for h, results in validation.items() if (results.get("error_reduction") or 0.0) > 0],
    }
