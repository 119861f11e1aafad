"""Own features the whole way: checked before training, saved with the model, and the same for whoever asks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import tenor
from tenor.calendars import exchange
from tenor.cli import main
from tenor.config import Config
from tenor.errors import ConfigError, FrameError, LeakError, ModelError
from tenor.pipeline.evaluate import evaluate
from tenor.pipeline.live import OnDemand
from tenor.pipeline.own import prepare_own
from tenor.pipeline.refresh import refresh
from tenor.pipeline.train import load, train
from tenor.pipeline.upload import upload
from tenor.schema import Bars
from tenor.storage.object_store import open_store
from tenor.store import Lake
from tenor.workspace import Workspace

pytestmark = pytest.mark.torch

QUICK = ("training.seeds=[0]", "training.epochs=1", "model.hidden=4", "model.lookback=10", "features.horizons=[1, 5]")
FOLDS = ("folds.folds=1", "folds.valid_sessions=40", "folds.test_sessions=40")
MINE = """
import numpy as np
import tenor

@tenor.feature(warmup=5)
def reversal(bars):
    return np.log(bars["close"]).diff(5)

def leaky(bars):
    return bars["close"].pct_change().shift(-1)
"""


@pytest.fixture
def store(tmp_path: Path, bars_of: Callable[..., Bars]) -> Path:
    """A lake with bars, events and a table; the user's code and another table beside it."""
    bars = bars_of(symbols=4, sessions=320)
    folder = tmp_path / "lake"
    Lake(folder).append_bars(bars, source="test")
    (tmp_path / "mine.py").write_text(MINE)
    pd.DataFrame({"symbol": bars.symbols, "sector": ["Tech", "Banks", "Tech", "Banks"]}).to_csv(
        tmp_path / "sector.csv", index=False
    )
    days = pd.DatetimeIndex(bars.frame["session"].unique())
    rows = [("", f"{days[k]:%Y-%m-%d}", "fed", f"{days[k - 9]:%Y-%m-%d}") for k in range(20, 320, 30)]
    pd.DataFrame(rows, columns=["symbol", "session", "kind", "known_since"]).to_csv(tmp_path / "e.csv", index=False)
    rng = np.random.default_rng(0)
    macro = pd.DataFrame({"known_since": days[::12].strftime("%Y-%m-%d"), "rate": rng.normal(size=len(days[::12]))})
    macro.to_csv(tmp_path / "macro.csv", index=False)
    assert main(["data", "import", str(tmp_path / "e.csv"), "--store", str(folder)]) == 0
    assert main(["data", "import", str(tmp_path / "macro.csv"), "--as", "features:macro", "--store", str(folder)]) == 0
    return folder


def config(store: Path, *settings: str) -> Config:
    own = json.dumps([f"{store.parent}/mine.py:reversal", f"{store.parent}/sector.csv", "features:macro"])
    return Config.read(None, [*QUICK, f"features.own={own}", 'features.events=["fed"]', *settings])


COLUMNS = ["reversal", "macro", "macro_age", "sector_Banks", "sector_Tech", "fed_next", "fed_last"]


def test_server_command_line_and_python_compute_the_same_from_the_saved_files(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = train(str(store), config(store), workers=1)
    assert list(trained.forecaster.recipe.scaler.features[-7:]) == COLUMNS
    for name in ("mine.py", "sector.csv", "macro.csv", "e.csv"):
        (store.parent / name).unlink()  # nothing of it is read any more
    for file in (store / "models" / "forecasts").glob("*.json"):
        file.unlink()
    by_python = {s: tenor.predict(str(store), [s])[0].to_json() for s in ("S00", "S02", "S03")}
    assert set(COLUMNS) < set(by_python["S00"]["attention_features"])
    capsys.readouterr()
    for symbol, forecast in by_python.items():
        assert main(["predict", symbol, "--store", str(store), "--json"]) == 0
        assert {**json.loads(capsys.readouterr().out), **forecast} == {**forecast, "stale": _any(symbol, store)}
    live = OnDemand(str(store), seconds=120)
    assert {s: live(s)[0] for s in by_python} == by_python
    workspace = Workspace(str(store))
    refresh(workspace, workspace.predictor)
    index = workspace.published.index()
    assert index is not None
    published = [json.loads(workspace.published.read(entry)) for entry in index.entries.values()]
    newest = {f["symbol"]: f for one in published for f in one["forecasts"] if f["horizon"] == 1}
    assert {s: newest[s] for s in by_python} == by_python
    bars = workspace.bars(None, calendar="XNYS")
    recipe = workspace.predictor().recipe
    panel = recipe.panel(bars, None, workspace.covariates(recipe.features, recipe.own))
    again = load(workspace.registry, "latest").forecast(panel, "S00", 1)
    assert again.volatility == pytest.approx(by_python["S00"]["volatility"], rel=1e-5)


def _any(symbol: str, store: Path) -> Any:
    from tenor.pipeline.predict import forecasts_of, stale_forecasts

    return stale_forecasts(forecasts_of(Workspace(str(store)), [symbol], horizons=[1], version=None)[0], "XNYS")[symbol]


def test_the_code_trained_with_counts_not_the_one_that_lies_there_now(store: Path) -> None:
    train(str(store), config(store), workers=1)
    before = tenor.predict(str(store), ["S01"])[0]
    mine = store.parent / "mine.py"
    mine.write_text(MINE.replace("diff(5)", "diff(50)"))
    for file in (store / "models" / "forecasts").glob("*.json"):
        file.unlink()
    assert tenor.predict(str(store), ["S01"])[0] == before
    with pytest.raises(ConfigError, match=r"'reversal' \(mine\.py\) is not the code that version \w+ was trained with"):
        evaluate(str(store), config=config(store), report=store.parent / "r.html", workers=1)


def test_code_that_was_changed_in_the_registry_is_not_run(store: Path) -> None:
    version = train(str(store), config(store), workers=1).forecaster.version
    (file,) = (store / "models" / "versions" / version / "own").glob("*-mine.py")
    file.write_text(file.read_text() + "\nraise SystemExit\n")
    with pytest.raises(ModelError, match=r"own/\w+-mine\.py is truncated or was changed since it was saved"):
        tenor.predict(str(store), ["S01"])
    file.unlink()
    with pytest.raises(ModelError, match=r"own/\w+-mine\.py is missing"):
        tenor.predict(str(store), ["S01"])


def test_a_model_in_a_folder_carries_its_files(store: Path, tmp_path: Path) -> None:
    forecaster = train(str(store), config(store), workers=1).forecaster
    forecaster.save(tmp_path / "saved")
    again = tenor.Forecaster.load(tmp_path / "saved")
    assert again.version == forecaster.version
    assert again.recipe == forecaster.recipe
    (file,) = (tmp_path / "saved" / "own").glob("*-mine.py")
    file.write_text("def reversal(bars):\n    return bars['close']\n")
    with pytest.raises(ModelError, match=r"own/\w+-mine\.py is truncated or was changed since it was saved"):
        tenor.Forecaster.load(tmp_path / "saved")


def test_a_row_that_comes_into_the_lake_later_reaches_the_forecast(store: Path) -> None:
    train(str(store), config(store), workers=1)
    before = tenor.predict(str(store), ["S01"])[0]
    day = f"{before.session:%Y-%m-%d}"
    (store.parent / "macro.csv").write_text(f"known_since,rate\n{day},30\n")
    options = ["--as", "features:macro", "--store", str(store)]
    assert main(["data", "import", str(store.parent / "macro.csv"), *options]) == 0
    after = tenor.predict(str(store), ["S01"])[0]
    assert after.volatility != before.volatility
    following = exchange("XNYS").following(before.session, 2)
    (store.parent / "e.csv").write_text(f"symbol,session,kind,known_since\n,{following:%Y-%m-%d},fed,{day}\n")
    assert main(["data", "import", str(store.parent / "e.csv"), "--store", str(store)]) == 0
    assert tenor.predict(str(store), ["S01"])[0].volatility != after.volatility


def test_from_a_bucket_the_same_is_forecast(store: Path, s3_environment: str) -> None:
    train(str(store), config(store), workers=1)
    before = tenor.predict(str(store), ["S01"])
    del s3_environment  # the keys and the endpoint are in the environment
    bucket = "s3://own/lake"
    open_store(bucket).put("first", b"")  # a bucket is there before anything goes into it
    upload(str(store), bucket)
    workspace = Workspace(bucket)
    for key in workspace.registry.objects.keys("forecasts/"):
        workspace.registry.objects.delete(key)
    assert tenor.predict(bucket, ["S01"]) == before
    refreshed = refresh(workspace, workspace.predictor)
    assert len(refreshed.symbols) == 4
    assert not refreshed.notes


def test_a_leak_is_refused_in_one_line_unless_it_is_allowed(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leaky = [*QUICK, f'features.own=["{store.parent}/mine.py:leaky"]']
    options = ["--store", str(store), "--workers", "1", *(part for s in leaky for part in ("--set", s))]
    capsys.readouterr()
    assert main(["train", *options]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "own feature 'leaky' is refused: future_value: feature 'leaky', session" in said
    assert "it looks 1 session ahead" in said
    assert "--allow-leak trains it anyway" in said
    assert not (store / "models" / "versions").exists()
    assert main(["train", *options, "--allow-leak"]) == 0
    own = Workspace(str(store)).registry.open("latest").card()["own"]
    assert own["leaks_allowed"] == ["leaky"]
    assert "future_value" in own["leaks"]["leaky"][0]
    with pytest.raises(LeakError, match="own feature 'leaky' is refused"):
        tenor.train(str(store), Config.read(None, leaky), workers=1)


def test_functions_and_frames_of_python_are_trained_with(store: Path) -> None:
    frame = pd.DataFrame({"symbol": ["S00", "S01", "S02", "S03"], "size": [1.0, 2.0, 3.0, 4.0]})
    quick = Config.read(None, QUICK)
    forecaster = train(str(store), quick, own=[range_of, ("firm", frame)], workers=1).forecaster
    assert forecaster.recipe.scaler.features[-2:] == ("range_of", "firm")
    assert forecaster.features.own == ("test_own.py:range_of", "firm.csv")
    assert tenor.predict(str(store), ["S01"])


@tenor.feature
def range_of(bars: pd.DataFrame) -> Any:
    """The range of a bar."""
    return bars["high"] / bars["low"] - 1


def test_ablate_leaves_out_an_own_feature_by_name_or_all(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [*QUICK, *FOLDS, f'features.own=["{store.parent}/mine.py:reversal", "features:macro"]']
    options = ["--store", str(store), "--workers", "1", *(part for s in settings for part in ("--set", s))]
    capsys.readouterr()
    assert main(["ablate", *options, "--without", "nothing"]) == 2
    assert "no own feature 'nothing' to leave out. There are own, reversal, macro." in capsys.readouterr().err
    report = store.parent / "ablation.html"
    asked = ["--without", "reversal", "--without", "own"]
    assert main(["ablate", *options, *asked, "--report", str(report), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["horizons"] == result["attention"] == []
    assert list(result["own"]) == ["reversal", "own"]
    first = result["own"]["reversal"][0]
    assert list(first["levels"]) == ["with reversal", "without reversal"]
    assert "reversal" in first["verdict"]
    assert first["levels"]["with reversal"] == result["own"]["own"][0]["levels"]["with own"]  # one arm, from the cache
    page = report.read_text(encoding="utf-8")
    assert "Do reversal and own help?" in page
    assert main(["ablate", *options, "--without", "macro"]) == 0
    assert "with macro minus" in capsys.readouterr().out


def test_evaluate_and_tune_have_the_own_features(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [*QUICK, *FOLDS, f'features.own=["{store.parent}/mine.py:reversal"]', "features.events=true"]
    options = ["--store", str(store), "--workers", "1", *(part for s in settings for part in ("--set", s))]
    best = str(store.parent / "best.toml")
    assert main(["tune", *options, "--grid", "hidden=3,4", "--out", best]) == 0
    assert main(["tune", *options, "--grid", 'features.events=["fed"]', "--out", f"{best}2"]) == 2
    assert "own features can't be tried one by one" in capsys.readouterr().err
    assert main(["train", "--store", str(store), "--config", best, "--workers", "1"]) == 0
    report = store.parent / "report.html"
    assert main(["evaluate", *options[:4], "--report", str(report)]) == 0
    assert "reversal, fed_next, fed_last" in report.read_text(encoding="utf-8")


def test_without_own_features_nothing_is_saved_of_them(store: Path) -> None:
    forecaster = train(str(store), Config.read(None, QUICK), workers=1).forecaster
    assert "own" not in forecaster.recipe.to_mapping()
    assert not {"own", "events"} & set(forecaster.recipe.to_mapping()["features"])
    assert not any(name.startswith("own/") for name in forecaster.files())
    assert "own" not in Workspace(str(store)).registry.open("latest").card()


def macro(days: pd.DatetimeIndex) -> pd.DataFrame:
    return pd.DataFrame({"symbol": "", "session": days, "rate": np.linspace(0, 1, len(days)) ** 2})


@pytest.fixture
def prepared(store: Path) -> Callable[[Any], tuple[str, ...]]:
    """The columns that a table handed over in Python becomes."""
    workspace = Workspace(str(store))
    bars = workspace.bars(None, calendar="XNYS")

    def columns(table: Any) -> tuple[str, ...]:
        given = [("macro", table)]
        # what a table without sense seems to know is another test's business
        made = prepare_own(workspace, Config.read(None, QUICK), bars, given=given, allow_leak=True)
        return made.own.parts["macro"]

    return columns


@pytest.fixture
def days(store: Path) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.sort(Workspace(str(store)).bars(None, calendar="XNYS").frame["session"].unique()))


@pytest.mark.parametrize(
    "shape",
    [
        lambda frame: frame,
        lambda frame: frame.drop(columns="symbol").set_index("session"),
        lambda frame: frame.set_index("session")["rate"],
        lambda frame: frame.set_index("session")["rate"].rename_axis(None),
        lambda frame: frame.set_index(["symbol", "session"])["rate"],
        lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    ],
    ids=["columns", "dates as index", "a series", "an index without a name", "symbols and dates as index", "arrow"],
)
def test_a_table_in_python_may_have_any_shape(
    prepared: Callable[[Any], tuple[str, ...]], days: pd.DatetimeIndex, shape: Callable[[pd.DataFrame], Any]
) -> None:
    assert prepared(shape(macro(days))) == ("macro", "macro_age")


# what is wrong -> the table, and what its message names; the line mends it
TABLES: dict[str, tuple[Callable[[pd.DataFrame], Any], str]] = {
    "a list of rows": (lambda table: table.to_dict("records"), "own table 'macro' is a list, not a table"),
    "a text": (lambda table: table.assign(rate=["n/a", *table["rate"][1:]]), "row 0: rate 'n/a' is not a number"),
    "infinite": (lambda table: table.assign(rate=[np.inf, *table["rate"][1:]]), "row 0: rate 'inf' is not a number"),
    "a column of texts": (lambda table: table.assign(note="x"), "320 rows have this fault"),
    "a day": (
        lambda table: table.assign(session=["soon", *table["session"][1:].astype(str)]),
        "row 0: session 'soon' is not a date",
    ),
    "days first": (
        lambda table: table[table["session"].dt.day > 12].assign(
            session=lambda t: t["session"].dt.strftime("%d/%m/%Y")
        ),
        "is not a date",
    ),
    "no zone": (
        lambda table: table.assign(known_since=table["session"] + pd.Timedelta(hours=20)),
        "has a time and no zone; 320 rows have this fault",
    ),
    "not known": (
        lambda table: table.assign(known_since=table["session"].where(table.index != 7)),
        "row 7: known_since is missing",
    ),
    "beyond the calendar": (
        lambda table: table.assign(session=[*table["session"][:-1], pd.Timestamp("2150-01-01")]),
        "row 319: session 2150-01-01 lies after the last session",
    ),
    "two of one day": (
        lambda table: pd.concat([table, table.assign(rate=0.5).iloc[3:4]]),
        "has two rows that differ and were known at the same moment; 2 rows have this fault",
    ),
    "one name twice": (lambda table: table.iloc[:, [0, 1, 2, 2]], "two columns are called 'rate'"),
    "no number": (lambda table: table.assign(other=np.nan), "other has no number at all"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_can_not_be_used_names_its_row_and_the_line_that_mends_it(
    prepared: Callable[[Any], tuple[str, ...]], days: pd.DatetimeIndex, name: str
) -> None:
    make, message = TABLES[name]
    with pytest.raises(FrameError) as refused:
        prepared(make(macro(days)))
    error = refused.value
    assert message in str(error)
    assert "\n" not in str(error)
    scope = {"df": make(macro(days)), "pd": pd, "np": np}
    for _ in range(2):  # a column of texts becomes one without a number, and goes
        exec(error.mend, scope)
        try:
            columns = prepared(scope["df"])
            break
        except FrameError as again:
            error = again
    assert columns == ("macro", "macro_age")


def test_a_symbol_that_is_none_is_not_taken_for_all_of_them(
    prepared: Callable[[Any], tuple[str, ...]], days: pd.DatetimeIndex
) -> None:
    with pytest.raises(FrameError, match="row 0: symbol 'my stock' is not a symbol; 320 rows have this fault"):
        prepared(macro(days).assign(symbol="my stock"))


@pytest.mark.parametrize("given", [("macro",), ("macro", 1, 2), (1, 2)])
def test_what_is_no_pair_of_name_and_table_is_named(store: Path, given: Any) -> None:
    workspace = Workspace(str(store))
    with pytest.raises(ConfigError, match="a table is a pair of its name and a frame"):
        prepare_own(workspace, Config.read(None, QUICK), workspace.bars(None, calendar="XNYS"), given=[given])


@pytest.mark.parametrize("given", ["mine.py:reversal", macro, pd.DataFrame({"symbol": ["AAPL"], "sector": ["Tech"]})])
def test_one_alone_is_asked_for_as_a_list(store: Path, given: Any) -> None:
    workspace = Workspace(str(store))
    with pytest.raises(ConfigError, match=r"own takes a list, own=\["):
        prepare_own(workspace, Config.read(None, QUICK), workspace.bars(None, calendar="XNYS"), given=given)
