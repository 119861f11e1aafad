"""A fitted model, with everything that is needed to use it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as unpack
from safetensors.torch import save as pack

from tenor.config import FeatureConfig, ModelConfig, TrainConfig, from_mapping, to_mapping
from tenor.errors import ModelError, TenorError
from tenor.heads import HEADS, Outputs
from tenor.inference import artifact
from tenor.inference.at_once import blocks_of_symbols
from tenor.inference.cells import network_input, usable
from tenor.inference.forecasts import PanelForecasts, Run
from tenor.inference.recipe import Recipe
from tenor.model import FramedNetwork, Network, Output, make_network
from tenor.model.admission import require_honest
from tenor.model.export import to_onnx
from tenor.registry.manifest import NETWORK
from tenor.schema import Float32, Forecast, Panel, Predictions
from tenor.training.trainer import History


@dataclass(frozen=True)
class PanelAttention:
    """The weights of attention at every cell, averaged over the networks; NaN where nothing is forecast.

    Attributes
    ----------
    time
        [session, symbol, horizon, lookback]; weights of the sessions t-lookback+1 .. t (the last is t) in the forecast
        of risk; they sum to 1.
    feature
        [session, symbol, feature]; weight of each feature at t; they sum to 1.
    """

    time: Float32
    feature: Float32


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Forecaster:
    """An ensemble of trained networks, one for each seed, with its recipe; `tenor.training.fit` returns it.

    A forecast made after the close of session t depends only on the panel's rows up to t. A cell is forecast if the
    symbol traded and it is at least its `recipe.lookback`-th session with all features; other cells are NaN.

    Attributes
    ----------
    networks
        The networks in evaluation mode, in the order of `training.seeds`.
    recipe
        The settings, scaler and calibration; its version is that of the model.
    training
        Settings of the training.
    history
        Learning curves, one for each seed.
    fingerprint
        SHA-256 of the data on which it was trained and validated.
    """

    networks: tuple[Network, ...]
    recipe: Recipe
    training: TrainConfig
    history: tuple[History, ...]
    fingerprint: str

    def __post_init__(self) -> None:
        # the version is a hash of the content and can't be chosen: it changes with any weight, setting or calibration
        body = repr(sorted(self._document().items())).encode()
        version = hashlib.sha256(self._weights() + body).hexdigest()[:12]
        object.__setattr__(self, "recipe", dataclasses.replace(self.recipe, version=version))

    def __repr__(self) -> str:
        return f"Forecaster({self.recipe!r}, {len(self.networks)} networks)"

    @property
    def version(self) -> str:
        """Twelve hex digits that name this model."""
        return self.recipe.version

    @property
    def name(self) -> str:
        """Its name in tables."""
        return self.recipe.name

    @property
    def features(self) -> FeatureConfig:
        """Settings of the features in its panel."""
        return self.recipe.features

    @property
    def model(self) -> ModelConfig:
        """Settings of its networks."""
        return self.recipe.model

    @property
    def attends(self) -> bool:
        """Whether its networks return weights of attention."""
        return self.networks[0].attends

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that it was trained on."""
        return self.recipe.symbols

    @property
    def split(self) -> Mapping[str, tuple[str, str]]:
        """First and last day of the training, validation and test parts."""
        return self.recipe.split

    @property
    def horizons(self) -> tuple[int, ...]:
        """The horizons forecast, in sessions."""
        return self.recipe.horizons

    def curves(self) -> list[dict[str, Any]]:
        """The learning curves: ``seed, train, valid, best_epoch`` (counted from 1) for each seed."""
        return [
            {"seed": seed, **dataclasses.asdict(history)}
            for seed, history in zip(self.training.seeds, self.history, strict=True)
        ]

    def predict(self, panel: Panel) -> Predictions:
        """Forecast every cell of an unscaled panel by the mean over the networks.

        Raises
        ------
        ModelError
            The panel's features or horizons are not those that the model was fitted on.
        """
        scaled = self.recipe.scaled(panel)
        return self.recipe.predictions(panel, mean_outputs(outputs(network, scaled) for network in self.networks))

    def predict_with_each(self, panel: Panel) -> tuple[Predictions, list[Predictions]]:
        """The result of `predict`, and the predictions of each single network, from one run of the networks.

        The latter are in the order of `training.seeds`, with the calibration of the ensemble.
        """
        scaled, regressions = self.recipe.scaled(panel), self.recipe.regressions(panel)
        each = [outputs(network, scaled) for network in self.networks]
        mean = mean_outputs(each)
        news = self.recipe.news_effect(panel, mean)
        together, *alone = (self.recipe.predictions(panel, one, regressions, news) for one in (mean, *each))
        return together, alone

    def attention(self, panel: Panel, rows: slice | None = None) -> PanelAttention:
        """The weights of attention at each cell of `rows` (None: all sessions), averaged over the networks.

        Raises
        ------
        ModelError
            The model has no attention, or the panel does not fit it.
        """
        if not self.attends:
            if self.model.network:
                raise ModelError(f"{self.name} gives no weights of attention: there are none to show.")
            raise ModelError("this model was trained without attention (model.attention = false): it has no weights.")
        start, stop, _ = (rows or slice(None)).indices(len(panel.sessions))
        scaled = self.recipe.scaled(panel).between(0, stop)
        widths = ((len(panel.horizons), self.model.lookback), (len(scaled.features),))
        time, feature = (np.zeros((stop - start, len(panel.symbols), *w), dtype=np.float32) for w in widths)
        for network in self.networks:
            for columns, out in _runs(network, scaled):
                for total, weights in ((time, out.time_weights), (feature, out.feature_weights)):
                    assert weights is not None
                    total[:, columns] += weights[:, start:].numpy().swapaxes(0, 1) / len(self.networks)
        silent = ~usable(scaled, self.model.lookback)[start:]
        time[silent] = feature[silent] = np.nan
        return PanelAttention(time, feature)

    def forecast(self, panel: Panel, symbol: str, horizon: int) -> Forecast:
        """The forecast of `symbol` from its last session with all features. For many symbols, use `run`.

        That session is the panel's last one, unless the symbol has no bar there; see `Forecast.session` and `as_of`.

        Raises
        ------
        UnknownSymbolError
            The panel has no such symbol.
        DataError
            The panel has no such horizon.
        HistoryError
            The symbol has too few sessions for the lookback.
        """
        forecasts = self.run(panel).newest([symbol], [horizon])
        for error in forecasts.failed.values():
            raise error
        return forecasts[0]

    def run(self, panel: Panel) -> PanelForecasts:
        """All that the model predicts over an unscaled panel, from one run of its networks."""
        return PanelForecasts.of(self.recipe, self._ensemble, panel)

    def files(self) -> dict[str, bytes]:
        """The files of the model by name, as `save` writes them."""
        return artifact.packed(self._saved())

    def to_onnx(self) -> bytes:
        """The ensemble as one ONNX graph; see `tenor.model.export.to_onnx`."""
        return to_onnx(self.networks)

    def save(self, folder: str | Path) -> None:
        """Write ``forecaster.json``, ``weights.safetensors`` and a user's ``network.py`` into `folder`.

        A model that is already in the folder is replaced.

        Raises
        ------
        ModelError
            The folder holds something other than a model, or can't be written.
        """
        artifact.write_folder(Path(folder), self._saved())

    @classmethod
    def load(cls, folder: str | Path) -> Forecaster:
        """Read a model that `save` wrote. The code of a user's own network is run: load only models that you trust.

        Raises
        ------
        ModelError
            A file is missing, truncated or changed; the message names it.
        """
        return cls._of(artifact.read_folder(Path(folder)), str(folder))

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], where: str) -> Forecaster:
        """The model in `files`; `where` names their folder in messages. Errors are those of `load`."""
        return cls._of(artifact.unpacked(files, where), where)

    @classmethod
    def _of(cls, saved: artifact.Saved, where: str) -> Forecaster:
        document = saved.document
        try:
            recipe = Recipe.from_mapping(document, "", saved.others)
            if NETWORK in saved.others:
                code = saved.others[NETWORK].decode()
                recipe = dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, code=code))
            training = from_mapping(TrainConfig, document["training"], "training")
            tensors = unpack(saved.weights)
            networks = build(
                [
                    {n.removeprefix(f"{s}."): t for n, t in tensors.items() if n.startswith(f"{s}.")}
                    for s in training.seeds
                ],
                recipe.model,
                len(recipe.scaler.features),
                len(recipe.horizons),
            )
            return cls(
                networks=networks,
                recipe=recipe,
                training=training,
                history=tuple(History(**curve) for curve in document["history"]),
                fingerprint=document["fingerprint"],
            )
        except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError, TenorError) as error:
            raise ModelError(f"{where} holds a model that this tenor can't read ({error}): train it again.") from error

    def _saved(self) -> artifact.Saved:
        document = {"tenor": installed("tenor"), **self._document()}
        network = {NETWORK: self.model.code.encode()} if self.model.code else {}
        return artifact.Saved(document, self._weights(), network | self.recipe.files())

    def _document(self) -> dict[str, Any]:
        return {
            **self.recipe.to_mapping(),
            "training": to_mapping(self.training),
            "history": [dataclasses.asdict(history) for history in self.history],
            "fingerprint": self.fingerprint,
        }

    def _weights(self) -> bytes:
        return pack(
            {
                f"{seed}.{name}": value.clone()  # layers of a user's network may share a tensor
                for seed, network in zip(self.training.seeds, self.networks, strict=True)
                for name, value in network.state_dict().items()
            }
        )

    def _ensemble(self, scaled: Panel) -> Iterator[tuple[slice, Run]]:
        """The mean over the networks of their outputs, some symbols at a time."""
        for every in zip(*(_runs(network, scaled) for network in self.networks), strict=True):
            columns = every[0][0]
            outs = [out for _, out in every]
            heads = mean_outputs([{name: output.numpy() for name, output in out.heads.items()} for out in outs])
            time = feature = None
            if self.attends:
                time = np.mean([_numpy(out.time_weights) for out in outs], axis=0)
                feature = np.mean([_numpy(out.feature_weights) for out in outs], axis=0)
            yield columns, Run(heads, time, feature)


def _numpy(weights: torch.Tensor | None) -> Float32:
    assert weights is not None
    array: Float32 = weights.numpy()
    return array


def mean_outputs(each: Iterable[Outputs]) -> Outputs:
    """The mean over networks of their outputs, head by head; of an iterator, with two of them in memory at a time."""
    count, sums = 0, dict[str, Float32]()
    for count, heads in enumerate(each, start=1):  # noqa: B007 (how many there were)
        sums = {name: output + sums[name] if sums else output for name, output in heads.items()}
    return {name: total / np.float32(count) for name, total in sums.items()}


def build(
    weights: Sequence[Mapping[str, torch.Tensor]], model: ModelConfig, n_features: int, n_horizons: int
) -> tuple[Network, ...]:
    """The networks with these weights, in evaluation mode; weights that do not fit raise RuntimeError."""
    networks = []
    with torch.random.fork_rng(devices=[]):  # networks draw first weights, but not from the caller's generator
        for one in weights:
            network = make_network(model, n_features, n_horizons).requires_grad_(requires_grad=False).eval()
            network.load_state_dict(one)
            networks.append(network)
    return tuple(networks)


def outputs(network: Network, scaled: Panel) -> Outputs:
    """The outputs of `network` at every cell, by head, each [session, symbol, horizon]."""
    shape = (len(scaled.sessions), len(scaled.symbols), len(scaled.horizons))
    heads: Outputs = {head.name: np.empty(shape, dtype=np.float32) for head in HEADS}
    for columns, out in _runs(network, scaled):
        for name, output in heads.items():
            output[:, columns] = out.heads[name].numpy().transpose(1, 0, 2)
    return heads


def _runs(network: Network, scaled: Panel) -> Iterator[tuple[slice, Output]]:
    """Run `network` along all sessions, some symbols at a time."""
    for columns in blocks_of_symbols(network.config, scaled):
        x = torch.from_numpy(network_input(scaled, columns))
        with torch.no_grad():  # not around the yield, since several of these run at the same time
            out = network(x)
            if isinstance(network, FramedNetwork):
                require_honest(network, x, out)
        yield columns, out
