"""The result of a store's last ablation of news, saved for the report."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from tenor.config import ModelConfig, to_mapping
from tenor.errors import MissingObject, StoreError
from tenor.evaluation.news_value import NewsValue
from tenor.registry import Registry
from tenor.storage.files import read_json

log = logging.getLogger("tenor.pipeline")

KEY = "ablations/news.json"
"""Key of the saved result, beside the versions."""


@dataclass(frozen=True)
class SavedNewsValue:
    """The saved result of an ablation.

    Attributes
    ----------
    value
        The comparison of the arms.
    day
        When it was made (YYYY-MM-DD, UTC).
    symbols
        How many symbols it used.
    same_model
        Whether its model settings are those of the model in the report.
    """

    value: NewsValue
    day: str
    symbols: int
    same_model: bool


def save_news_value(registry: Registry, value: NewsValue, model: ModelConfig, symbols: int) -> None:
    """Save `value` beside the versions of `registry`, in place of the previous one; if that fails, it is logged."""
    saved = {
        "day": f"{datetime.now(UTC):%Y-%m-%d}",
        "model": to_mapping(model),
        "symbols": symbols,
        "value": value.to_json(),
    }
    try:
        registry.objects.put(KEY, json.dumps(saved, allow_nan=False).encode())
    except StoreError as error:  # the ablation is still shown
        log.warning("what the news is worth is not kept for the report", extra={"error": str(error)})


def saved_news_value(registry: Registry, model: ModelConfig) -> SavedNewsValue | None:
    """The result of the last ablation, for a report of `model`; None if there is none or it can't be read."""
    try:
        saved = read_json(registry.objects.get(KEY).data)
        same = saved["model"] == to_mapping(model)
        return SavedNewsValue(NewsValue.from_json(saved["value"]), str(saved["day"]), int(saved["symbols"]), same)
    except MissingObject:
        return None
    except (StoreError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("what the news is worth can't be read: run 'tenor ablate' again", extra={"error": str(error)})
        return None
