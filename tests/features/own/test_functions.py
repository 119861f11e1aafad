"""A function of the user's as a feature: what it may return, and what is said of what it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tenor
from tenor.config import FeatureConfig
from tenor.errors import ConfigError, DataError
from tenor.features import build_panel
from tenor.features.own import Own, OwnFunction
from tenor.features.own.bundle import sample_frames
from tenor.schema import Bars

HEAD = "import numpy as np\nimport pandas as pd\nimport tenor\n\n"
CONFIG = FeatureConfig(horizons=(1,))


def written(folder: Path, body: str, name: str = "f") -> OwnFunction:
    (folder / "mine.py").write_text(f"{HEAD}{body}\n")
    return OwnFunction.of(f"{folder / 'mine.py'}:{name}")


def test_one_column_and_several_stand_in_the_panel_by_their_names(tmp_path: Path, bars: Bars) -> None:
    (tmp_path / "mine.py").write_text(
        f"{HEAD}@tenor.feature(warmup=30)\ndef reversal(bars):\n    return np.log(bars['close']).diff(5)\n\n"
        "@tenor.feature(name='ranges')\ndef g(bars, window=10):\n"
        "    return pd.DataFrame({'high': bars['high'].rolling(window).max() / bars['close'],\n"
        "                         'low': bars['low'].rolling(window).min() / bars['close']})\n"
    )
    config = FeatureConfig(horizons=(1,), own=(f"{tmp_path}/mine.py:reversal", f"{tmp_path}/mine.py:g"))
    panel, plain = build_panel(bars, config), build_panel(bars, CONFIG)
    assert panel.features == (*plain.features, "reversal", "ranges_high", "ranges_low")
    assert np.array_equal(panel.values[:, :, :-3], plain.values)  # nothing else changes by a bit
    assert np.array_equal(panel.mask, plain.mask)
    close = bars.adjusted().query("symbol == 'S01'")["close"].to_numpy()
    assert np.allclose(panel.values[100:, 1, -3], np.log(close[100:] / close[95:-5]), atol=1e-6)


def test_rows_without_a_number_are_warm_up_and_a_declared_one_counts(tmp_path: Path, bars: Bars) -> None:
    body = "@tenor.feature(warmup={})\ndef f(bars):\n    return bars['close'].pct_change(150)"
    assert not build_panel(bars, _config(tmp_path, body.format("None"))).mask[:150].any()
    assert build_panel(bars, _config(tmp_path, body.format("None"))).mask[150:].all()
    assert not build_panel(bars, _config(tmp_path, body.format("200"))).mask[:200].any()


def _config(folder: Path, body: str) -> FeatureConfig:
    name = f"m{len(list(folder.iterdir()))}.py"
    (folder / name).write_text(f"{HEAD}{body}\n")
    return FeatureConfig(horizons=(1,), own=(f"{folder / name}:f",))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return bars['close'].to_numpy()[1:]", r"returned 299 rows for the 300 bars of S00: return a Series"),
        ("return bars['close'].iloc[1:]", r"returned 299 rows for the 300 bars of S00"),
        (
            "return pd.concat([bars['close'], pd.Series([1.0], [bars.index[-1] + pd.Timedelta(days=1)])])",
            r"returned 1 row after the last bar of S00, \d{4}-\d\d-\d\d \(the first is .*none for the future",
        ),
        ("return bars['close'].astype('str')", r"returned (str|object) in column 'f' for S00, '\d+.*return numbers"),
        ("return bars['close'].map(lambda x: {})", r"returned object in column 'f' for S00, \{\} for example"),
        ("return pd.Series(bars.index, bars.index)", r"returned datetime64.* in column 'f'"),
        ("return bars['close'] * np.nan", r"returned no number at all in column 'f' for S00, .*needs more bars"),
        ("return bars['close'] / 0", r"returned inf for S00 at 2014-01-02 in column 'f': return NaN where"),
        (
            "return bars['close'].reset_index(drop=True)",
            r"returned rows with another index \(0 first, the frame has 2014-01-02\) for S00",
        ),
        ("return 1 / 0", r"raised ZeroDivisionError \(division by zero\) on the 300 bars of S00: make it work"),
        ("raise SystemExit(3)", r"raised SystemExit \(3\) on the 300 bars"),
        ("return None", r"returned NoneType, not numbers for each bar"),
        ("return bars['close'].mean()", r"returned float\w*, not numbers for each bar"),
        ("return bars[[]]", r"returned a frame without columns"),
        ("return pd.concat([bars['close'], bars['close']], axis=1)", r"returned two columns named 'close'"),
        (
            "return pd.Series(np.random.default_rng().normal(size=len(bars)), bars.index)",
            r"returned other numbers in column 'f' when it was called again with the bars of S00: fix its seeds",
        ),
        ("return bars['close'] + 1j", r"returned complex128 in column 'f'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(tmp_path: Path, bars: Bars, body: str, message: str) -> None:
    function = written(tmp_path, f"def f(bars):\n    {body}")
    with pytest.raises(DataError, match=rf"own feature 'f' \(mine\.py\) {message}") as refused:
        function.measured(sample_frames(bars))
    assert "\n" not in str(refused.value)


def test_a_slow_function_is_refused(tmp_path: Path, bars: Bars) -> None:
    ticks = iter(range(0, 10_000, 40))
    function = written(tmp_path, "def f(bars):\n    return bars['close'].pct_change()")
    with pytest.raises(DataError, match=r"took 40\.0 s for the 300 bars of S00, .*5 s for 1,000 bars is the most"):
        function.measured(sample_frames(bars), clock=lambda: next(ticks))


def test_other_columns_for_another_symbol_are_refused(tmp_path: Path, bars: Bars) -> None:
    few = Bars(bars.frame[(bars.frame["symbol"] != "S03") | (bars.frame["session"] >= "2014-06-02")])
    body = "def f(bars):\n    return pd.DataFrame({('a' if len(bars) > 250 else 'b'): bars['close'].diff(), 'c': 1.0})"
    own = Own(functions=(written(tmp_path, body).measured(dict(list(sample_frames(few).items())[:1])),))
    with pytest.raises(DataError, match="returned the columns f_b, f_c for S03, and f_a, f_c before"):
        build_panel(few, CONFIG, own=own)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def f():\n    return 1", r"takes \(\); it must take one argument"),
        ("def f(a, b):\n    return a", r"takes \(a, b\); it must take one argument"),
        ("def f(bars, *, window):\n    return bars", r"takes \(bars, window\)"),
        ("f = 3", r"mine\.py has no function 'f'"),
        ("def g(bars):\n    return 1", r"mine\.py has no function 'f'"),
        ("def f(bars:\n", r"mine\.py' can't be run: SyntaxError"),
        ("raise ValueError('no')", r"mine\.py' can't be run: ValueError: no"),
        ("from . import helpers\ndef f(bars):\n    return 1", "imports ., which lies beside it"),
        ("@tenor.feature(name='a b')\ndef f(bars):\n    return 1", r"own feature 'a b': a name is made of letters"),
        ("@tenor.feature(warmup=-1)\ndef f(bars):\n    return 1", r"warmup is -1; it must be a whole number"),
    ],
)
def test_a_function_that_can_not_be_one_is_refused(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        written(tmp_path, body)


def test_names_are_given_once_and_are_not_those_of_tenor(tmp_path: Path, bars: Bars) -> None:
    body = (
        "def rsi_14(bars):\n    return bars['close'].diff()\n\ndef sentiment(bars):\n    return bars['close'].diff()\n"
    )
    (tmp_path / "mine.py").write_text(HEAD + body)
    for name in ("rsi_14", "sentiment"):
        with pytest.raises(
            ConfigError, match=f"own feature '{name}' would be named '{name}' as a feature of tenor's is"
        ):
            Own.of(FeatureConfig(own=(f"{tmp_path}/mine.py:{name}",)))
    (tmp_path / "other.py").write_text(HEAD + "def same(bars):\n    return bars['close'].diff()\n")
    (tmp_path / "third.py").write_text(HEAD + "def same(bars):\n    return bars['close'].diff(2)\n")
    with pytest.raises(ConfigError, match="two own features are named 'same': rename one"):
        Own.of(FeatureConfig(own=(f"{tmp_path}/other.py:same", f"{tmp_path}/third.py:same")))
    with pytest.raises(ConfigError, match=r"config key 'features\.own' is .*name each once"):
        FeatureConfig(own=("a.py:f", "a.py:f"))


def test_a_file_that_imports_what_lies_beside_it_can_not_travel(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text("X = 1\n")
    with pytest.raises(ConfigError, match=r"mine\.py imports helpers, which lies beside it and does not travel"):
        written(tmp_path, "import helpers\ndef f(bars):\n    return bars['close']")


def test_a_function_writes_into_a_copy(tmp_path: Path, bars: Bars) -> None:
    body = "def f(bars):\n    bars['close'] = 0.0\n    return bars['volume']"
    config = _config(tmp_path, body)
    assert np.array_equal(build_panel(bars, config).close, build_panel(bars, CONFIG).close)


def test_of_a_symbol_with_too_few_bars_nothing_is_asked(tmp_path: Path, bars: Bars) -> None:
    frame = bars.frame[(bars.frame["symbol"] != "S03") | (bars.frame["session"] >= "2015-02-20")]
    config = _config(
        tmp_path, "def f(bars):\n    if len(bars) < 61:\n        raise ValueError\n    return bars['close'].diff()"
    )
    own = Own.of(config).fitted(bars)
    assert not build_panel(Bars(frame), config, own=own).mask[:, 3].any()


SCALE = 2.0


def _inner(values: pd.Series[float]) -> pd.Series[float]:
    return values * SCALE


@tenor.feature
def from_here(bars: pd.DataFrame) -> pd.Series[float]:
    """A function of a module: the module travels."""
    return _inner(bars["close"].pct_change())


def test_a_function_object_is_the_same_as_its_file(bars: Bars) -> None:
    function = OwnFunction.of(from_here)
    assert "SCALE = 2.0" in function.source.text
    own = Own.of(CONFIG, given=[from_here]).fitted(bars)
    assert build_panel(bars, CONFIG, own=own).features[-1] == "from_here"


def test_of_a_notebook_a_function_takes_along_what_it_uses(bars: Bars, tmp_path: Path) -> None:
    namespace = _notebook(
        tmp_path,
        "import numpy as np\nfrom tenor import feature\nWINDOW = 7\nDATA = object()\n"
        "def log(x):\n    return np.log(x)\n\n"
        "@feature\ndef move(bars):\n    return log(bars['close']).diff(WINDOW)\n\n"
        "def bad(bars):\n    return DATA\n\nquick = lambda bars: bars['close']\n"
        "def outer(n):\n    def inner(bars):\n        return bars['close'].diff(n)\n    return inner\n",
    )
    function = OwnFunction.of(namespace["move"])
    assert function.source.text.count("def ") == 2
    assert function.source.load() is not namespace["move"]
    frame = sample_frames(bars)["S00"]
    assert np.allclose(function.compute(frame, "S00")["move"][7:], np.log(frame["close"]).diff(7).to_numpy()[7:])
    with pytest.raises(ConfigError, match=r"bad uses 'DATA' \(object\), which can't travel with a model"):
        OwnFunction.of(namespace["bad"])
    with pytest.raises(ConfigError, match="'<lambda>' is a lambda: its source can't travel"):
        OwnFunction.of(namespace["quick"])
    with pytest.raises(ConfigError, match="inner uses n of the function around it"):
        OwnFunction.of(namespace["outer"](3))
    exec("def typed(bars):\n    return bars['close']", namespace)
    with pytest.raises(ConfigError, match=r"typed has no source that could travel .*name it file\.py:typed"):
        OwnFunction.of(namespace["typed"])
    with pytest.raises(ConfigError, match="int, not a function"):
        OwnFunction.of(3)  # type: ignore[arg-type]


def _notebook(folder: Path, text: str) -> dict[str, Any]:
    """What a cell of a notebook defines: functions of the module ``__main__`` whose source can be found."""
    path = folder / "cell"
    path.write_text(text)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, str(path), "exec"), namespace)
    return namespace


def test_what_is_not_there_is_refused_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def reversal(bars):\n    return bars\n")
    for spec, message in (
        (f"{tmp_path}/mein.py:f", "no file .* Did you mean 'mine.py'"),
        (f"{tmp_path}/mine.py:reversl", "has no function 'reversl'. Did you mean 'reversal'"),
        ("nowhere", "names no function: write path/to/file.py:function"),
        ("no.such.module:f", "module 'no.such.module' can't be imported"),
        (f"{tmp_path}/macro.csv", "no file"),
        ("features:macro", "the lake has no such table .*tenor data import FILE --as features:macro"),
    ):
        with pytest.raises((ConfigError, DataError), match=message):
            Own.of(FeatureConfig(own=(spec,)))
