"""A version in MLflow: its settings, metrics and files, once; and as a model that forecasts from bars."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenor.cli import main
from tenor.inference.predictor import Predictor
from tenor.registry import registry_of
from tenor.schema import Bars
from tenor.store import Lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, bars_of: Callable[..., Bars]) -> Path:
    """A champion that needs bars alone; not to be changed."""
    store = tmp_path_factory.mktemp("exported") / "lake"
    Lake(store).append_bars(bars_of(symbols=4, sessions=380, seed=3), source="test")
    settings = ("training.seeds=[0]", "training.epochs=1", "model.hidden=4", "model.lookback=10")
    words = [word for setting in settings for word in ("--set", setting)]
    assert main(["train", "--store", str(store), "--workers", "1", "--json", *words]) == 0
    return store


@pytest.fixture
def tracking(monkeypatch: pytest.MonkeyPatch) -> Any:
    """MLflow's package, with none of its settings in the environment."""
    mlflow = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_ALLOW_FILE_STORE", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return mlflow


def export(lake: Path, *options: str) -> int:
    return main(["models", "export", "--store", str(lake), "--to", "mlflow", "--json", *options])


def test_a_version_is_exported_once_with_all_that_it_is(
    lake: Path, tmp_path: Path, tracking: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "mlruns"
    answers = []
    for _ in range(2):
        assert export(lake, "--tracking-uri", str(place)) == 0
        printed = capsys.readouterr()
        answers.append(json.loads(printed.out))
        assert printed.err == ""
    version = registry_of(str(lake)).open()
    assert [answer["new"] for answer in answers] == [True, False]
    assert answers[0]["run"] == answers[1]["run"]
    client = tracking.MlflowClient(tracking_uri=place.as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("tenor").experiment_id])
    assert (run.info.status, run.data.tags["tenor.version"]) == ("FINISHED", version.name)
    assert run.data.params["model.hidden"] == "4"
    assert run.data.params["training.epochs"] == "1"
    assert run.data.params["symbols"] == "4"
    card = version.card()
    assert run.data.metrics["validation.5.log_variance_r2"] == card["validation"]["5"]["log_variance_r2"]
    folder = Path(client.download_artifacts(run.info.run_id, "version", str(tmp_path)))
    assert {path.name for path in folder.iterdir()} == {*version.files, "manifest.json"}
    for name in version.files:
        assert (folder / name).read_bytes() == version.read(name)[name]


@pytest.mark.filterwarnings("default")  # MLflow's own
def test_the_exported_model_forecasts_from_bars_as_the_predictor_does(
    lake: Path, tmp_path: Path, tracking: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "mlruns"
    assert export(lake, "--tracking-uri", str(place)) == 0
    model = json.loads(capsys.readouterr().out)["model"]
    client = tracking.MlflowClient(tracking_uri=place.as_uri())
    run = model.split("/")[1]
    local = client.download_artifacts(run, "model", str(tmp_path))
    bars = Lake(lake).bars()
    table = tracking.pyfunc.load_model(local).predict(bars.frame)
    expected = Predictor.load(registry_of(str(lake))).run(bars, None).newest(bars.symbols)
    assert table[["symbol", "horizon"]].values.tolist() == [[f.symbol, f.horizon] for f in expected]
    assert table["price"].tolist() == [f.price for f in expected]
    assert table["q95"].tolist() == [f.quantiles["0.95"] for f in expected]


def test_an_export_that_broke_off_goes_on_in_its_own_run(
    lake: Path, tmp_path: Path, tracking: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "mlruns"

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(tracking.MlflowClient, "log_artifacts", full)
        assert export(lake, "--tracking-uri", str(place)) == 1
    assert "No space left on device" in capsys.readouterr().err
    client = tracking.MlflowClient(tracking_uri=place.as_uri())
    experiment = client.get_experiment_by_name("tenor").experiment_id
    (broken,) = client.search_runs([experiment])
    assert broken.info.status == "FAILED"
    assert export(lake, "--tracking-uri", str(place)) == 0
    (whole,) = client.search_runs([experiment])
    assert (whole.info.run_id, whole.info.status) == (broken.info.run_id, "FINISHED")
    client.delete_experiment(experiment)
    assert export(lake, "--tracking-uri", str(place)) == 2
    assert "the experiment 'tenor' was deleted in MLflow: restore it there, or name another" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        (("nope", "--tracking-uri", "{tmp}/x"), 1, "no model version 'nope'"),
        (("--tracking-uri", "http://me:secret@127.0.0.1:9"), 1, "MLflow at http://127.0.0.1:9 does not answer: start"),
        (("--tracking-uri", "what://x"), 2, "can't use 'what://x': name a server, a folder"),
        (("--tracking-uri", "{tmp}/x", "--to", "wandb"), 2, "there is no export to 'wandb': known is mlflow"),
        ((), 2, "Name MLflow's server or a folder with --tracking-uri"),
    ],
)
def test_what_can_not_be_exported_is_one_line(
    lake: Path,
    tmp_path: Path,
    tracking: Any,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    code: int,
    expected: str,
) -> None:
    assert export(lake, *(option.format(tmp=tmp_path) for option in options)) == code
    error = capsys.readouterr().err
    assert expected in error
    assert "secret" not in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "x").exists()


def test_without_the_extra_it_is_named(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.delitem(sys.modules, "mlflow.tracking", raising=False)
    assert export(lake, "--tracking-uri", str(tmp_path / "x")) == 2
    assert "MLflow is not installed: pip install 'tenor[mlflow]'." in capsys.readouterr().err
