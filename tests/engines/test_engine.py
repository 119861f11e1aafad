import importlib.util

import pytest

from tenor.engines import LocalEngine, from_address
from tenor.errors import ConfigError


@pytest.mark.parametrize("address", [None, "local"])
def test_without_an_address_the_processes_of_this_machine_work(address: str | None) -> None:
    engine = from_address(address, 3)
    assert isinstance(engine, LocalEngine)
    assert engine.cores == 3


@pytest.mark.parametrize("address", ["dask", "rays://head:10001", "", "Ray"])
def test_another_address_is_named_with_those_that_there_are(address: str) -> None:
    with pytest.raises(ConfigError, match=f"engine '{address}' is unknown: it is local, ray, or ray://host:10001"):
        from_address(address)


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_its_module_is_what_is_missing() -> None:
    with pytest.raises(ModuleNotFoundError, match="ray"):
        from_address("ray://head:10001")
