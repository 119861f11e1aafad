import subprocess
import sys

import tenor


def test_the_public_names_are_sorted_and_all_there() -> None:
    assert tenor.__all__ == sorted(tenor.__all__)
    assert set(tenor.__all__) == set(tenor._ROOMS)
    for name in tenor.__all__:
        value = getattr(tenor, name)
        assert value.__module__.startswith("tenor.")
        assert value.__doc__
    assert dir(tenor) == tenor.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(tenor, "forecast_everything")


def test_reading_bars_loads_no_torch() -> None:
    probe = "import sys, tenor; tenor.embedded_bars(); tenor.Lake; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
