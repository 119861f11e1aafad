"""A user's network through the whole of training: the same bytes, resumed, saved, served without its code."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import WHOLE, changed, own, written
from sklearn.base import clone

from tenor.config import ModelConfig, TrainConfig
from tenor.errors import ConfigError, ModelError
from tenor.evaluation import faithfulness as deletion
from tenor.inference.forecasts import PanelForecasts
from tenor.inference.predictor import Predictor
from tenor.model import make_network
from tenor.model.reproducible import reproducible
from tenor.registry import registry_of
from tenor.schema import Panel
from tenor.training import Forecaster, Split, checkpoint
from tenor.training.estimator import PanelForecaster
from tenor.training.fit import prepare
from tenor.training.grid import candidates, configs_of, read_grid
from tenor.training.trainer import Trainer

FILES = ("forecaster.json", "network.py", "weights.safetensors")
QUICK = TrainConfig(seeds=(0, 7), epochs=2, segment=24, burn_in=8, segments_per_step=8, learning_rate=1e-2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelConfig:
    return own(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def trained(fit_it: Callable[..., Forecaster], model: ModelConfig) -> Forecaster:
    return fit_it(model=model, training=QUICK)


def test_it_forecasts_every_usable_cell_as_the_other_networks_do(
    trained: Forecaster, forecaster: Forecaster, panel: Panel
) -> None:
    ours, theirs = trained.predict(panel), forecaster.predict(panel)
    assert trained.name == ours.model == "Net (mine.py)"
    for name in ("mean", "p_up", "lower", "upper"):
        assert np.array_equal(np.isnan(getattr(ours, name)), np.isnan(getattr(theirs, name)))
    assert ours.risk is not None
    # the level was set by the training part: within a factor of two of the realised variance from the first epoch on
    error = ours.risk.log_variance - panel.log_variance
    assert abs(np.nanmean(error)) < np.log(2)


def test_the_same_seed_gives_the_same_bytes_in_other_processes(
    trained: Forecaster, fit_it: Callable[..., Forecaster], model: ModelConfig
) -> None:
    again = fit_it(model=model, training=QUICK, workers=2)
    assert again.files() == trained.files()
    assert again.to_onnx() == trained.to_onnx()


def test_there_and_back_to_the_bit_wherever_the_file_is_by_then(
    trained: Forecaster, panel: Panel, tmp_path: Path, model: ModelConfig
) -> None:
    trained.save(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == list(FILES)
    assert (tmp_path / "model" / "network.py").read_text() == WHOLE
    Path(model.path).rename(tmp_path / "moved.py")
    try:
        loaded = Forecaster.load(tmp_path / "model")
    finally:
        (tmp_path / "moved.py").rename(model.path)
    assert (loaded.version, loaded.recipe, loaded.model.code) == (trained.version, trained.recipe, WHOLE)
    ours, again = trained.predict(panel), loaded.predict(panel)
    assert (ours.mean.tobytes(), ours.p_up.tobytes()) == (again.mean.tobytes(), again.p_up.tobytes())


def test_no_forecast_depends_on_a_later_session(trained: Forecaster, panel: Panel) -> None:
    row = 180
    rng = np.random.default_rng(1)
    values, variance = panel.values.copy(), panel.variance.copy()
    values[row + 1 :] += 9 * rng.normal(size=values[row + 1 :].shape).astype(np.float32)
    variance[row + 1 :] *= 7
    before, after = trained.predict(panel), trained.predict(replace(panel, values=values, variance=variance))
    for name in ("mean", "p_up", "lower", "upper"):
        ours, other = getattr(before, name), getattr(after, name)
        assert ours[: row + 1].tobytes() == other[: row + 1].tobytes()
        assert ours[row + 1 :].tobytes() != other[row + 1 :].tobytes()


@pytest.mark.parametrize("name", FILES)
def test_a_changed_or_missing_file_is_named(trained: Forecaster, name: str, tmp_path: Path) -> None:
    trained.save(tmp_path / "model")
    path = tmp_path / "model" / name
    path.write_bytes(path.read_bytes().replace(b"e", b"f", 1))
    with pytest.raises(ModelError, match=f"{name} is truncated or was changed"):
        Forecaster.load(tmp_path / "model")
    path.unlink()
    with pytest.raises(ModelError, match=f"{name} is missing"):
        Forecaster.load(tmp_path / "model")


def test_a_killed_training_goes_on_and_another_text_starts_anew(
    panel: Panel,
    split: Split,
    model: ModelConfig,
    trained: Forecaster,
    fit_it: Callable[..., Forecaster],
    tmp_path: Path,
) -> None:
    task = prepare(panel, split, model, QUICK).tasks[0]
    fingerprint = task.data.fingerprint()
    folder = tmp_path / checkpoint.folder_name(task, fingerprint)
    with reproducible():
        killed = Trainer(task)
        killed.run_epoch()
        checkpoint.save(folder, killed)
    epochs: list[tuple[int, int]] = []
    resumed = fit_it(
        model=model,
        training=QUICK,
        checkpoints=tmp_path,
        progress=lambda seed, epoch, *_: epochs.append((seed, epoch)),
    )
    assert resumed.files() == trained.files()
    assert epochs == [(0, 1), (0, 2), (7, 1), (7, 2)]
    (tmp_path / "other").mkdir()
    other = replace(task, model=own(tmp_path / "other", WHOLE + "# the same, but for this\n"))
    assert checkpoint.folder_name(other, fingerprint) != folder.name


def test_frozen_unused_and_shared_weights_are_trained_saved_and_resumed(
    fit_it: Callable[..., Forecaster], panel: Panel, split: Split, tmp_path: Path
) -> None:
    text = changed(
        ("        self.width = n_horizons\n", "        self.unused = nn.Linear(3, 3)\n"),
        (
            "        self.lstm =",
            (
                "        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)\n"
                "        self.second.weight = self.first.weight\n"
                "        self.first.bias.requires_grad_(False)\n"
                "        self.lstm ="
            ),
        ),
        ("torch.tanh(self.inputs(x))", "torch.tanh(self.second(self.first(self.inputs(x))))"),
    )
    model = own(tmp_path, text)
    whole = fit_it(model=model, training=QUICK)
    task = prepare(panel, split, model, QUICK).tasks[0]
    with reproducible():
        killed = Trainer(task)
        killed.run_epoch()
        checkpoint.save(tmp_path / "c" / checkpoint.folder_name(task, task.data.fingerprint()), killed)
    assert fit_it(model=model, training=QUICK, checkpoints=tmp_path / "c").files() == whole.files()
    whole.save(tmp_path / "model")
    assert Forecaster.load(tmp_path / "model").version == whole.version


def test_a_network_of_risk_alone_leaves_the_price_and_gives_the_base_rate(
    fit_it: Callable[..., Forecaster], panel: Panel, split: Split, tmp_path: Path
) -> None:
    model = own(tmp_path, changed((', "mean": mean, "up_logit": up', "")))
    forecaster = fit_it(model=model, training=QUICK)
    predictions = forecaster.predict(panel)
    known = np.isfinite(predictions.mean)
    assert known.any()
    assert not predictions.mean[known].any()
    for k in range(2):
        (p_up,) = np.unique(predictions.p_up[:, :, k][known[:, :, k]])
        assert 0.3 < p_up < 0.7
    assert np.unique(predictions.risk.log_variance[known]).size > 100


def test_attention_is_shown_where_it_is_given_and_named_where_it_is_not(
    trained: Forecaster, fit_it: Callable[..., Forecaster], panel: Panel, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"Net \(mine.py\) gives no weights of attention: there are none to show"):
        trained.attention(panel)
    assert trained.forecast(panel, "S00", 1).attention_time == {}
    with pytest.raises(
        ModelError, match=r"Net \(mine.py\) is not tenor's own network, and this tests the attention of that one"
    ):
        deletion.faithfulness(trained, panel, slice(200, 220))
    assert not deletion.testable(trained, panel)
    weights = (
        ', "time_weights": x[..., :1, None].expand(-1, -1, 2, 8).softmax(-1)'
        ', "feature_weights": x[..., :-1].softmax(-1)}'
    )
    model = own(tmp_path, changed((', "up_logit": up}', ', "up_logit": up' + weights)))
    forecaster = fit_it(model=model, training=QUICK)
    attention = forecaster.attention(panel)
    assert np.nanmax(np.abs(attention.time - 1 / 8)) < 1e-6
    forecast = forecaster.forecast(panel, "S00", 1)
    assert len(forecast.attention_time) == 8
    assert abs(sum(forecast.attention_features.values()) - 1) < 1e-5


def test_it_is_served_from_the_registry_without_torch_and_without_its_code(
    trained: Forecaster, panel: Panel, tmp_path: Path
) -> None:
    registry = registry_of(str(tmp_path))
    version = registry.add(trained, {"name": trained.name, "fingerprint": trained.fingerprint})
    assert registry.open().files["network.py"] == registry.open().files["network.py"]
    (tmp_path / "models" / "versions" / version / "network.py").unlink()
    predictor = Predictor.load(registry)
    served = PanelForecasts.of(predictor.recipe, predictor._runs, panel).predictions
    assert served.risk is not None
    own_run = trained.run(panel).predictions
    np.testing.assert_allclose(served.mean, own_run.mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(served.risk.volatility, own_run.risk.volatility, rtol=1e-4)
    with pytest.raises(ModelError, match=r"network.py is missing: train the model again"):
        registry.open().model()
    probe = (
        "import sys, json; from tenor.registry import registry_of; from tenor.inference.predictor import Predictor; "
        f"print(Predictor.load(registry_of({str(tmp_path)!r})).recipe.name, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Net (mine.py) False"


def test_the_document_names_the_text_and_its_checksum(trained: Forecaster) -> None:
    document = json.loads(trained.files()["forecaster.json"])
    assert document["model"]["network"] == trained.model.network
    assert document["sha256"]["network.py"] == hashlib.sha256(WHOLE.encode()).hexdigest()
    with pytest.raises(ConfigError, match=r"the code of network mine.py:Net@\w+ is not at hand: name its file"):
        make_network(replace(trained.model, code=""), 5, 2)


def test_a_refused_network_trains_nothing_and_leaves_no_checkpoint(
    fit_it: Callable[..., Forecaster], tmp_path: Path
) -> None:
    model = own(tmp_path, changed(("(self.inputs(x))", "(self.inputs(x).roll(-1, 1))")))
    with pytest.raises(ConfigError, match="looks ahead"):
        fit_it(model=model, checkpoints=tmp_path / "checkpoints")
    assert not (tmp_path / "checkpoints").exists()


def test_a_grid_tries_networks_and_their_options(tmp_path: Path) -> None:
    text = changed(
        ("n_horizons):\n", "n_horizons, units=6):\n"),
        ("nn.LSTM(6, 6", "nn.LSTM(6, units"),
        ("nn.Linear(6, 3", "nn.Linear(units, 3"),
    )
    model = own(tmp_path, text)
    grid = read_grid(
        words=["model.options.units=4,6", f"network={model.network_file},{written(tmp_path, name='b.py')}"]
    )
    assert grid["model.options.units"] == (4, 6)
    first, second, *_ = (configs_of(point, {"model": model})["model"] for point in candidates(grid))
    assert (first.network, first.code, first.options) == (model.network, text, {"units": 4})
    assert (second.code, second.path) == (WHOLE, str(tmp_path / "b.py"))
    forecaster = PanelForecaster(model=model)
    assert not {"model__code", "model__path"} & set(forecaster.get_params())
    cloned = clone(forecaster).set_params(model__options__units=5, model__hidden=3)
    assert (cloned.model.options, cloned.model.code, cloned.model.hidden) == ({"units": 5}, text, 3)
    for word, message in (
        ("model.options=1,2", r"can't be searched: name one of its keys"),
        ("options.units=4,4", r"grid key 'model.options.units' has a value twice"),
        ("network=nowhere.py:Net", r"no file 'nowhere.py'"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_grid(words=[word])


PEEKING = "        h = torch.cat((h[:, 1:], h[:, -1:]), 1) if {} else h\n        risk, mean"
"""The next session's state in place of this one's, under a condition."""
MANY = 8
ONE_SEED = replace(QUICK, seeds=(0,), epochs=1)


@pytest.fixture(scope="module")
def wide(panel_of: Callable[..., Panel]) -> Panel:
    """A panel of more symbols than any check before training tries."""
    return panel_of(symbols=MANY)


@pytest.mark.parametrize("condition", [f"x.shape[0] == {MANY}", "x.shape[0] > 3 and x.shape[1] > 200"])
def test_a_network_that_looks_ahead_on_the_panel_alone_is_caught_when_it_forecasts(
    fit_it: Callable[..., Forecaster], wide: Panel, tmp_path: Path, condition: str
) -> None:
    condition = f"not self.training and {condition} and x.shape[0] != 5"  # the graph is compared with five
    text = changed(("        risk, mean", PEEKING.format(condition)))
    with pytest.raises(ConfigError, match=rf"on the {MANY} symbols and \d+ sessions .* looks ahead"):
        fit_it(panel=wide, model=own(tmp_path, text), training=ONE_SEED).predict(wide)


def test_a_network_that_mixes_many_symbols_is_caught_when_it_forecasts(
    fit_it: Callable[..., Forecaster], wide: Panel, tmp_path: Path
) -> None:
    mixed = f"        h = h + h.mean(0, keepdim=True) if x.shape[0] == {MANY} else h\n        risk, mean"
    trained_on = own(tmp_path, changed(("        risk, mean", mixed)))
    with pytest.raises(ConfigError, match=rf"on the {MANY} symbols and \d+ sessions .* mixes symbols"):
        fit_it(panel=wide, model=trained_on, training=ONE_SEED).predict(wide)
