import pytest
import torch

from tenor.engines.device import card_name, device_of, sees_card
from tenor.errors import ConfigError


@pytest.mark.parametrize("setting", ["cpu", "auto"])
def test_the_cores_are_taken_where_nothing_else_is_worth_it(setting: str) -> None:
    assert device_of(setting, "training.device", worth=False) == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="PyTorch sees a card")
def test_without_a_card_auto_is_the_cores_and_cuda_is_refused_with_what_to_do() -> None:
    assert not sees_card()
    assert device_of("auto", "training.device") == "cpu"
    with pytest.raises(
        ConfigError, match=r"config key 'training.device' is 'cuda', and PyTorch .* sees no CUDA card"
    ) as info:
        device_of("cuda", "training.device")
    assert "take 'auto' or 'cpu', or install PyTorch's build for CUDA" in str(info.value)
    assert "\n" not in str(info.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no card")
def test_with_a_card_auto_takes_it_where_it_is_worth_it() -> None:
    assert device_of("auto", "training.device") == device_of("cuda", "training.device", worth=False) == "cuda"
    assert card_name()
