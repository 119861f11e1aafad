"""A source is one module with one class: how it is found, and how an unknown name is refused."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from live import PATIENT
from wire import ENVIRONMENT, SERVICES

import tenor.ingest.services.prices
from tenor.config import SourcesConfig
from tenor.errors import ConfigError
from tenor.ingest.services import EVENT_SOURCES, NEWS_SOURCES, PRICE_SOURCES
from tenor.ingest.services.catalogue import (
    event_classes,
    event_sources,
    key_variables,
    news_classes,
    news_sources,
    price_classes,
    price_sources,
)
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys

MODULE = '''
from tenor.ingest.services.price_source import PriceSource, actions_where, price_answer


class Example(PriceSource):
    """A source that was dropped in."""

    name = "example"
    default_url = "https://example.org"
    key_variables = ("EXAMPLE_KEY",)
    gap = 2.0

    def serves(self, symbol, interval):
        return True

    def bars(self, symbol, *, since, now, interval="1d"):
        raise NotImplementedError
'''


def test_every_module_is_a_source_of_its_name_and_every_source_is_under_contract() -> None:
    every = ((PRICE_SOURCES, price_classes()), (NEWS_SOURCES, news_classes()), (EVENT_SOURCES, event_classes()))
    for names, classes in every:
        assert tuple(classes) == names
        assert [each.name for each in classes.values()] == list(names)
    assert {*PRICE_SOURCES, *NEWS_SOURCES, *EVENT_SOURCES} == set(SERVICES)
    assert key_variables() == sorted(ENVIRONMENT)


def test_the_default_settings_name_sources_that_there_are() -> None:
    default = SourcesConfig()
    assert set(default.prices) <= set(PRICE_SOURCES)
    assert set(default.news) <= set(NEWS_SOURCES)
    assert default.events == ()


def test_one_new_module_is_all_that_a_new_source_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "example.py").write_text(textwrap.dedent(MODULE))
    package = tenor.ingest.services.prices
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    keys = SourceKeys.from_environment({"EXAMPLE_KEY": "sesame"})
    config = SourcesConfig(prices=("yahoo", "example"), urls=("example=https://mirror.example/",))
    try:
        with Http(PATIENT, keys=keys) as http:
            sources = price_sources(config, http, keys)
        assert list(sources) == ["yahoo", "example"]
        assert sources["example"].url == "https://mirror.example"
        assert sources["example"].missing_keys(SourceKeys.from_environment({})) == ["EXAMPLE_KEY"]
        assert sources["example"].key() == "sesame"
        assert keys.hidden("open sesame") == "open ***"
    finally:
        sys.modules.pop("tenor.ingest.services.prices.example", None)
        vars(package).pop("example", None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prices": ("yahooo",)}, r"unknown source 'yahooo' in sources\.prices\. Did you mean 'yahoo'\?"),
        ({"prices": ("finnhub",)}, r"unknown source 'finnhub' in sources\.prices\. .*"),
        ({"news": ("stoktwits",)}, r"unknown source 'stoktwits' in sources\.news\. Did you mean 'stocktwits'\?"),
        ({"news": ("nowhere",)}, r"unknown source 'nowhere' in sources\.news\. Known: alphavantage, feeds, .*"),
        ({"events": ("edgr",)}, r"unknown source 'edgr' in sources\.events\. Did you mean 'edgar'\?"),
        ({"events": ("yahoo",)}, r"unknown source 'yahoo' in sources\.events\. Known: alphavantage, edgar, finnhub\."),
        ({"urls": ("tingo=https://x.example",)}, r"unknown source 'tingo' in sources\.urls\. Did you mean 'tiingo'\?"),
    ],
)
def test_an_unknown_name_is_refused_wherever_it_stands(settings: dict[str, tuple[str, ...]], message: str) -> None:
    keys = SourceKeys.from_environment({})
    config = SourcesConfig(**settings)  # type: ignore[arg-type]
    with Http(PATIENT, keys=keys) as http:
        for build in (price_sources, news_sources, event_sources):
            with pytest.raises(ConfigError, match=f"^{message}$"):
                build(config, http, keys)


def test_the_names_cost_no_client_and_no_parser() -> None:
    code = """
    import sys
    from tenor.ingest.services import NEWS_SOURCES, PRICE_SOURCES
    assert "yahoo" in PRICE_SOURCES and "feeds" in NEWS_SOURCES
    loaded = {"httpx", "feedparser", "pandas", "tenor.ingest.services.prices.yahoo"} & set(sys.modules)
    assert not loaded, loaded
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
