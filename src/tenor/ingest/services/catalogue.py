"""All sources that exist, and those of them that the settings name."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Any

from tenor.config import SourcesConfig
from tenor.errors import ConfigError, did_you_mean
from tenor.ingest.services.event_source import EventSource
from tenor.ingest.services.news_source import NewsSource
from tenor.ingest.services.price_source import PriceSource
from tenor.ingest.services.source import Source

if TYPE_CHECKING:
    from tenor.ingest.services.http import Http
    from tenor.ingest.services.keys import SourceKeys


def price_classes() -> dict[str, type[PriceSource]]:
    """The class of each source of prices, by name."""
    return _classes("tenor.ingest.services.prices", PriceSource)


def news_classes() -> dict[str, type[NewsSource]]:
    """The class of each source of news, by name."""
    return _classes("tenor.ingest.services.news", NewsSource)


def event_classes() -> dict[str, type[EventSource]]:
    """The class of each source of events, by name."""
    return _classes("tenor.ingest.services.events", EventSource)


def price_sources(config: SourcesConfig, http: Http, keys: SourceKeys) -> dict[str, PriceSource]:
    """The sources of prices that `config` names, in its order, whether or not their keys are set.

    Raises
    ------
    ConfigError
        `config` names an unknown source in `prices`, `news`, `events` or `urls`.
    """
    _require_known(config)
    classes = price_classes()
    return {source.name: source for name in config.prices for source in classes[name].from_config(config, http, keys)}


def news_sources(config: SourcesConfig, http: Http, keys: SourceKeys) -> list[NewsSource]:
    """The sources of news that `config` names, without those whose key is needed but not set.

    Raises
    ------
    ConfigError
        As in `price_sources`.
    """
    _require_known(config)
    classes = news_classes()
    usable = [name for name in config.news if not classes[name].missing_keys(keys)]
    return [source for name in usable for source in classes[name].from_config(config, http, keys)]


def event_sources(config: SourcesConfig, http: Http, keys: SourceKeys) -> list[EventSource]:
    """The sources of events that `config` names, whether or not their keys are set.

    Raises
    ------
    ConfigError
        As in `price_sources`.
    """
    _require_known(config)
    classes = event_classes()
    return [source for name in config.events for source in classes[name].from_config(config, http, keys)]


def key_variables() -> list[str]:
    """The environment variables in which any source looks for its keys."""
    classes: list[type[Source]] = [*price_classes().values(), *news_classes().values(), *event_classes().values()]
    return sorted({variable for each in classes for variable in each.key_variables})


def _classes(package: str, kind: type[Any]) -> dict[str, type[Any]]:
    """From the name of each module in `package` to the one subclass of `kind` that it defines."""
    classes: dict[str, type[Any]] = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__)):
        module = importlib.import_module(f"{package}.{name}")
        # classes that a module only imports belong to other modules
        (classes[name],) = (
            value
            for value in vars(module).values()
            if inspect.isclass(value) and issubclass(value, kind) and value.__module__ == module.__name__
        )
    return classes


def _require_known(config: SourcesConfig) -> None:
    for_prices, for_news, for_events = sorted(price_classes()), sorted(news_classes()), sorted(event_classes())
    with_address = [text.partition("=")[0] for text in config.urls]
    for key, names, known in (
        ("prices", config.prices, for_prices),
        ("news", config.news, for_news),
        ("events", config.events, for_events),
        ("urls", with_address, sorted({*for_prices, *for_news, *for_events})),
    ):
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known) or f" Known: {', '.join(known)}."
                raise ConfigError(f"unknown source {name!r} in sources.{key}.{hint}")
