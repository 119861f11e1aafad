"""The commands as a person types them, on a small lake of made bars, in this process."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import tenor
from tenor.cli import main
from tenor.errors import UnknownSymbolError
from tenor.pipeline.predict import predict
from tenor.schema import Bars

pytestmark = pytest.mark.torch  # the lake has a champion, trained by the command line
ROOT = Path(__file__).parent.parent
QUICK = """
[training]
seeds = [0, 1]
epochs = 2
[model]
hidden = 8
lookback = 10
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*argv: object) -> tuple[int, str, str]:
        code = main([str(a) for a in argv])
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, bars_of: Callable[..., Bars]) -> Path:
    """A lake with six symbols of 420 sessions and a trained champion."""
    folder = tmp_path_factory.mktemp("cli")
    frame = bars_of(symbols=6, sessions=420, seed=3).frame
    frame[~((frame["symbol"] == "S05") & (frame["session"] < "2015-01-01"))].to_csv(folder / "bars.csv", index=False)
    (folder / "quick.toml").write_text(QUICK)
    store = folder / "lake"
    assert main(["data", "import", str(folder / "bars.csv"), "--store", str(store)]) == 0
    config = str(folder / "quick.toml")
    assert main(["train", "--store", str(store), "--config", config, "--workers", "1"]) == 0
    return store


def test_import_again_changes_nothing_and_json_tells_it(run: Run, lake: Path) -> None:
    code, out, _ = run("data", "import", lake.parent / "bars.csv", "--store", lake, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["bars"]["new"] == told["bars"]["revised"] == 0
    assert told["bars"]["unchanged"] == told["files"][0]["usable"] > 2_000
    assert told["refused"] == []


def test_check_prints_one_object_a_symbol(run: Run, lake: Path) -> None:
    code, out, _ = run("data", "check", "--store", lake, "--json")
    reports = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [r["symbol"] for r in reports] == [f"S{i:02d}" for i in range(6)]
    code, out, _ = run("data", "check", "--store", lake)
    assert code == 0
    assert re.search(r"\d of 6 symbols are clean", out)


def test_evaluate_writes_report_and_json_and_says_how_it_stands(run: Run, lake: Path, tmp_path: Path) -> None:
    report = tmp_path / "r.html"
    options = ("--store", lake, "--report", report, "--workers", 1)
    code, out, _ = run("evaluate", *options, "--config", lake.parent / "quick.toml")
    assert code == 0
    printed = out.splitlines()[0]
    assert "attention LSTM" in out
    assert report.read_text().lstrip().startswith("<!")
    code, out, _ = run("evaluate", *options, "--json")
    told = json.loads(out)
    assert code == 0
    assert told == json.loads(report.with_suffix(".json").read_text())
    assert next(iter(told)) == "verdict"
    walked = told["walk_forward"]
    assert printed == told["verdict"]
    assert printed.startswith("How far: ")
    which_way = walked["verdict"]
    assert printed.endswith(f" Which way: {which_way[0].lower()}{which_way[1:]}")
    # the verdict says of each horizon what the test against persistence says, and nothing else
    words = {
        0: "no edge over persistence at 5 %",
        1: "beats persistence",
        -1: "is worse than persistence",
        None: "too few days to tell",
    }
    sides = set()
    for evaluation in walked["evaluations"]:
        (test,) = (t for t in evaluation["tests"] if t["other"] == "persistence")
        if test["holm"] is None:
            sides.add(None)
        else:
            sides.add(0 if test["holm"] >= 0.05 else 1 if test["squared_error"]["value"] < 0 else -1)
    assert {side for side, text in words.items() if text in printed.lower()} == sides
    assert {"ARIMA", "ETS", "theta", "LSTM", "boosting"} < set(walked["evaluations"][0]["table"])
    assert [e["horizon"] for e in told["evaluations"]] == [1, 5, 20]
    table = told["evaluations"][0]["table"]
    assert {"attention LSTM", "LSTM", "persistence", "drift", "always-up", "ridge+logistic", "boosting"} == set(table)
    assert table["persistence"]["skill"]["value"] == 0
    for metrics in table.values():
        assert set(metrics["return_rmse"]) == {"value", "low", "high"}


def test_evaluate_refuses_a_config_that_the_model_was_not_trained_with(run: Run, lake: Path) -> None:
    code, _, err = run("evaluate", "--store", lake, "--set", "model.hidden=9")
    assert code == 2
    assert "model.hidden is 9, but version" in err


def test_a_symbol_that_can_not_be_forecast_hides_no_other(run: Run, lake: Path) -> None:
    code, out, err = run("predict", "S01", "NOPE", "s02", "--store", lake, "--json")
    assert code == 1
    assert [json.loads(line)["symbol"] for line in out.splitlines()] == ["S01", "S02"]
    assert [line for line in err.splitlines() if "stale" not in line] == [
        next(line for line in err.splitlines() if line.startswith("tenor: unknown symbol 'NOPE'"))
    ]
    with pytest.warns(UserWarning, match="unknown symbol 'NOPE'"):
        forecasts = predict(str(lake), ["S01", "NOPE"])
    assert [forecast.symbol for forecast in forecasts] == ["S01"]
    assert list(forecasts.failed) == ["NOPE"]
    with pytest.raises(UnknownSymbolError):
        predict(str(lake), ["NOPE"])


def test_a_symbol_unseen_in_training_has_a_forecast_and_one_of_thirty_sessions_a_reason(
    run: Run, lake: Path, tmp_path: Path, bars_of: Callable[..., Bars]
) -> None:
    store = tmp_path / "lake"
    shutil.copytree(lake, store)
    frame = bars_of(symbols=2, sessions=420, seed=5).frame
    frame["symbol"] = frame["symbol"].map({"S00": "UNSEEN", "S01": "YOUNG"})
    old, young = (frame[frame["symbol"] == symbol] for symbol in ("UNSEEN", "YOUNG"))
    pd.concat([old, young[-30:]]).to_csv(tmp_path / "more.csv", index=False)
    assert run("data", "import", tmp_path / "more.csv", "--store", store)[0] == 0
    code, out, err = run("predict", "UNSEEN", "YOUNG", "S01", "--store", store, "--json")
    assert code == 1
    unseen, known = map(json.loads, out.splitlines())
    assert (unseen["symbol"], known["symbol"]) == ("UNSEEN", "S01")
    assert 0 < unseen["lower"] < unseen["price"] < unseen["upper"] < math.inf
    assert 0 < unseen["volatility"] < 1
    (reason,) = [line for line in err.splitlines() if "YOUNG" in line and "stale" not in line]
    assert re.match(r"tenor: .*YOUNG.* import more of its history", reason)
    # thirty sessions of everything, from import to a training that says what it lacks
    short = tmp_path / "short"
    frame[frame["session"] >= young["session"].iloc[-30]].to_csv(tmp_path / "short.csv", index=False)
    assert run("data", "import", tmp_path / "short.csv", "--store", short)[0] == 0
    code, _, err = run("train", "--store", short, "--config", lake.parent / "quick.toml", "--workers", 1)
    assert code == 1
    assert re.search(r"^tenor: too little history: .* import more history", err, re.MULTILINE)
    assert run("models", "list", "--store", short)[1].startswith("no models in")


def test_predict_writes_a_table_of_what_it_can_forecast(run: Run, lake: Path, tmp_path: Path) -> None:
    asked = ("predict", "S01", "NOPE", "S02", "--horizon", 1, "--horizon", 5, "--store", lake, "--output")
    code, out, err = run(*asked, tmp_path / "forecasts.csv")
    assert (code, out) == (1, f"4 forecasts: {tmp_path / 'forecasts.csv'}\n")
    assert "unknown symbol 'NOPE'" in err
    lines = (tmp_path / "forecasts.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["symbol", "S01", "S01", "S02", "S02"]
    code, out, err = run(*asked, tmp_path / "forecasts.xls")
    assert (code, out) == (2, "")
    assert "names no format of forecasts: let it end in .csv or .parquet" in err
    (tmp_path / "file").write_text("")
    assert run(*asked, tmp_path / "file" / "f.csv")[0] == 1
    code, _, _ = run("predict", "NOPE", "--store", lake, "--output", tmp_path / "none.csv")
    assert (code, (tmp_path / "none.csv").exists()) == (1, False)


def test_near_misses_are_named(run: Run, lake: Path, tmp_path: Path) -> None:
    for asked, said in (
        (("train", "--set", "hidden=16", "--store", lake), "unknown config key 'hidden'. Did you mean 'model.hidden'?"),
        (("train", "--set", "training.seeds=0", "--store", lake), "'training.seeds' takes a list, not 0: write [0]."),
        (("predict", "S01", "--horizon", 3, "--store", lake), "train one with --set 'features.horizons=[1,3,5,20]'."),
        (("data", "import", "embeded", "--store", tmp_path / "none"), "Did you mean 'embedded'?"),
    ):
        code, _, err = run(*asked)
        assert code in (1, 2)
        assert said in err
    assert not (tmp_path / "none").exists()
    assert run("models", "list", "--store", tmp_path / "none")[1].startswith("no models in")
    assert run("--version")[1] == f"tenor {tenor.__version__}\n"


def test_predict_tells_a_symbol_once_however_it_is_written(run: Run, lake: Path) -> None:
    code, out, _ = run("predict", "S02", "s01", "S02", "S01", "--store", lake, "--json")
    assert (code, [json.loads(line)["symbol"] for line in out.splitlines()]) == (0, ["S02", "S01"])
    code, out, _ = run("predict", "s01", "S01", "nope", "NOPE", "--store", lake, "--json")
    assert (code, len(out.splitlines())) == (1, 1)


def test_predict_tells_the_next_session(run: Run, lake: Path) -> None:
    code, out, _ = run("predict", "S01", "S02", "--store", lake, "--json")
    first, second = (json.loads(line) for line in out.splitlines())
    assert code == 0
    assert (first["symbol"], second["symbol"]) == ("S01", "S02")
    assert first["session"] < first["target_session"]
    assert first["lower"] < first["price"] < first["upper"]
    assert 0 < first["p_up"] < 1
    assert first["volatility"] > 0
    assert first["expected_shortfall"]["0.99"] >= first["value_at_risk"]["0.99"] > first["value_at_risk"]["0.95"]
    # by the calendar, although the bars came from a file
    assert re.fullmatch(
        rf"the last session used is {first['session']}: [\d,]+ sessions have closed since", first["stale"]
    )
    assert sum(first["attention_time"].values()) == pytest.approx(1, abs=1e-5)
    assert sum(first["attention_features"].values()) == pytest.approx(1, abs=1e-5)
    assert first["model_version"] == json.loads((lake / "models" / "pointers.json").read_text())["champion"]
    code, out, err = run("predict", "S01", "S02", "--horizon", 5, "--store", lake)
    assert code == 0
    assert err.count("tenor: stale: the last session used is") == 1  # the same of both
    lines = [line.split()[0] for line in out.splitlines() if line.startswith("  ")]
    assert lines[:9] == ["as", "90", "volatility", "EWMA", "VaR", "shortfall", "price", "P(up)", "verdict"]
    assert re.search(r"90 % +[\d.]+ … [\d.]+ \(−[\d.]+ % … \+[\d.]+ %\)", out)
    assert re.search(r"a session: (calmer|more volatile) than (\d+ % of|all) days of its last year", out)
    assert re.search(r"VaR +[\d.]+ % at 95 %, [\d.]+ % at 99 %", out)
    assert "On the validation part" in out


def test_training_again_with_the_same_seeds_gives_the_same_version(run: Run, lake: Path) -> None:
    before = json.loads((lake / "models" / "pointers.json").read_text())
    code, out, _ = run("train", "--store", lake, "--config", lake.parent / "quick.toml", "--workers", 1, "--json")
    assert code == 0
    assert json.loads(out)["version"] == before["champion"] == before["latest"]


GOOD = "symbol,date,open,high,low,close,volume\n" + "".join(
    f"AB,2015-01-{day:02d},10,11,9,10,5\n" for day in (2, 5, 6, 7, 8)
)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("empty.csv", "", "empty"),
        ("header.csv", "symbol,date,open,high,low,close,volume\n", "no rows"),
        ("columns.csv", "symbol,date,price\nAB,2015-01-02,3\n", "open"),
        ("text.csv", GOOD.replace("2015-01-05,10", "2015-01-05,ten"), "'ten'"),
        ("negative.csv", GOOD.replace("2015-01-05,10", "2015-01-05,-10"), "'-10'"),
        ("twice.csv", GOOD + "AB,2015-01-08,10,12,9,11,5\n", "2015-01-08"),
    ],
)
def test_what_a_file_has_wrong_is_told_with_file_and_value(
    run: Run, tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    code, out, err = run("data", "import", tmp_path / name, "--store", tmp_path / "lake", "--json")
    told = json.loads(out)
    assert message in " ".join(told["refused"])
    assert name in " ".join(told["refused"])
    kept = told["files"][0]["usable"] if told["files"] else 0
    assert code == (0 if kept else 1)
    assert bool(err) == (kept == 0)


def test_unsorted_rows_are_sorted(run: Run, tmp_path: Path) -> None:
    header, *rows = GOOD.splitlines()
    (tmp_path / "x.csv").write_text("\n".join([header, *reversed(rows)]))
    code, out, _ = run("data", "import", tmp_path / "x.csv", "--store", tmp_path / "lake", "--json")
    assert (code, json.loads(out)["bars"]["new"]) == (0, 5)


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (("data", "import", "/no/such.csv", "--store", "{lake}"), 1, "/no/such.csv: there is no such file"),
        (("data", "check", "--store", "{tmp}/nothing"), 1, "has no bars yet: import some with 'tenor data import"),
        (("predict", "S1", "--store", "{lake}"), 1, "unknown symbol 'S1'. Did you mean 'S01'"),
        (("predict", "S01", "--store", "{lake}", "--horizon", "3"), 1, "horizon 3"),
        (("predict", "S01", "--store", "{lake}", "--model", "zzz"), 1, "no model version 'zzz'"),
        (("predict", "S01", "--store", "{tmp}/nothing"), 1, "run 'tenor train' first"),
        (("train", "--store", "{lake}", "--set", "model.lokback=3"), 2, "Did you mean 'lookback'"),
        (("train", "--store", "{lake}", "--set", "model.lookback=900"), 1, "too little history"),
        (("train", "--store", "{lake}", "--set", "features.horizons=[5000]"), 1, "5000"),
        (("train", "--store", "{lake}", "--set", "symbols=['S1']"), 1, "Did you mean"),
        (("train", "--store", "{lake}", "--config", "{tmp}/no.toml"), 2, "no config file"),
        (("predict",), 2, "Missing argument"),
        (("prediction",), 2, "No such command"),
    ],
)
def test_failures_are_one_line_and_usage_errors_exit_2(
    run: Run, lake: Path, tmp_path: Path, argv: tuple[str, ...], code: int, message: str
) -> None:
    got, out, err = run(*(a.format(lake=lake, tmp=tmp_path) for a in argv))
    assert got == code
    assert message in err.replace("\n", " ")
    assert out == ""
    if code == 1:
        assert err.count("\n") == 1
        assert "Traceback" not in err


def test_one_symbol_is_enough(run: Run, tmp_path: Path, bars_of: Callable[..., Bars]) -> None:
    bars_of(symbols=1, sessions=400).frame.to_csv(tmp_path / "S00.csv", index=False)
    store, report = tmp_path / "lake", tmp_path / "one.html"
    quick = ("--set", "training.epochs=1", "--set", "training.seeds=[0]", "--set", "model.hidden=4")
    assert run("data", "import", tmp_path / "S00.csv", "--store", store)[0] == 0
    assert run("train", "--store", store, "--workers", 1, *quick)[0] == 0
    code, _, err = run("evaluate", "--store", store, "--report", report, "--workers", 1, "--json")
    assert (code, err) == (0, "")
    assert report.exists()


@pytest.mark.parametrize("script", ["prepare_data.py", "train_model.py", "evaluate_model.py"])
def test_the_scripts_take_the_options_of_their_verbs(script: str) -> None:
    verb = script.partition("_")[0]
    told = [
        subprocess.run(
            [sys.executable, *command, "--help"], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout
        for command in ([script], ["-m", "tenor", verb])
    ]
    assert told[0] == told[1]
    assert "--store" in told[0]


def test_a_number_that_json_can_not_hold_never_gets_out(run: Run, lake: Path, tmp_path: Path) -> None:
    _, out, _ = run("evaluate", "--store", lake, "--report", tmp_path / "r.html", "--workers", 1, "--json")
    assert "NaN" not in out
    assert "Infinity" not in out
    assert pd.notna(json.loads(out)["evaluations"][0]["samples"])


def test_help_is_quick_because_it_imports_no_heavy_room() -> None:
    probe = (
        "import sys, tenor.cli; print([m for m in ('torch', 'sklearn', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
