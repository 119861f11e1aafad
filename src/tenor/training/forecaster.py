"""A fitted model and all that it needs to be used."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as unpack
from safetensors.torch import save as pack

from tenor.config import FeatureConfig, ModelConfig, TrainConfig, from_mapping, to_mapping
from tenor.errors import ModelError, TenorError
from tenor.features import Scaler
from tenor.inference import artifact, forecasts
from tenor.inference.calibration import Calibration
from tenor.inference.cells import symbol_first, usable
from tenor.inference.forecasts import CHUNK, Forecasts
from tenor.inference.recipe import Recipe, Run, model_name
from tenor.model import AttentionLSTM, Output
from tenor.model.export import to_onnx
from tenor.schema import Float32, Forecast, Panel, Predictions
from tenor.training.trainer import History


@dataclass(frozen=True)
class Attention:
    """What the networks looked at, averaged over them; NaN where nothing is forecast.

    Attributes
    ----------
    time
        [session, symbol, lookback]; weight of the states at t-lookback+1 .. t (the last is t), they sum to 1.
    feature
        [session, symbol, feature]; weight of each feature at t, they sum to 1.
    """

    time: Float32
    feature: Float32


@dataclass(frozen=True, eq=False, kw_only=True)
class Forecaster:
    """An ensemble of trained networks, one a seed, with scaler and calibration; `fit` makes it.

    A forecast after the close of session t depends on the panel's rows up to t alone. Cells are forecast where the
    symbol traded and it is at least its `model.lookback`-th session with all features; elsewhere there is NaN.

    Attributes
    ----------
    networks
        In evaluation mode, in the order of `training.seeds`.
    scaler
        Fitted on the training part.
    calibration
        On validation.
    features, model, training
        The configs.
    symbols
        Those it was trained on.
    split
        First and last day of each part.
    history
        Learning curves, one a seed.
    fingerprint
        SHA-256 of the data that it was trained and validated on.
    """

    networks: tuple[AttentionLSTM, ...]
    scaler: Scaler
    calibration: Calibration
    features: FeatureConfig
    model: ModelConfig
    training: TrainConfig
    symbols: tuple[str, ...]
    split: Mapping[str, tuple[str, str]]
    history: tuple[History, ...]
    fingerprint: str

    @property
    def horizons(self) -> tuple[int, ...]:
        """The horizons forecast, in sessions."""
        return self.features.horizons

    @property
    def history_needed(self) -> int:
        """Sessions with all features, after which a forecast no longer feels where the panel begins (< 1e-3 sd)."""
        return self.recipe.history_needed

    @property
    def name(self) -> str:
        """What tables call it."""
        return model_name(attention=self.model.attention)

    @functools.cached_property
    def version(self) -> str:
        """Twelve hex digits that name this model: they change with any weight, config or calibration."""
        body = repr(sorted(self._document().items())).encode()
        return hashlib.sha256(self._weights() + body).hexdigest()[:12]

    def curves(self) -> list[dict[str, Any]]:
        """The learning curves: ``seed, train, valid, best_epoch`` (counted from 1) for each seed."""
        return [
            {"seed": seed, **dataclasses.asdict(history)}
            for seed, history in zip(self.training.seeds, self.history, strict=True)
        ]

    def predict(self, panel: Panel) -> Predictions:
        """Forecast every cell of an unscaled panel: the mean over the networks.

        Raises
        ------
        ModelError
            The panel's features or horizons are not those that the model was fitted on.
        """
        scaled = self.recipe.scaled(panel)
        heads = [outputs(network, scaled) for network in self.networks]
        mean, logit = (np.mean([head[i] for head in heads], axis=0) for i in (0, 1))
        return self.recipe.predictions(panel, mean, logit)

    def predict_each(self, panel: Panel) -> list[Predictions]:
        """What each network alone says, in the order of `training.seeds`; calibrated as the ensemble is."""
        scaled = self.recipe.scaled(panel)
        return [self.recipe.predictions(panel, *outputs(network, scaled)) for network in self.networks]

    def attention(self, panel: Panel, rows: slice | None = None) -> Attention:
        """Where the networks looked at each cell of `rows` (all sessions if None): the mean over the networks.

        Raises
        ------
        ModelError
            The model was trained without attention, or the panel does not fit it.
        """
        if not self.model.attention:
            raise ModelError("this model was trained without attention (model.attention = false): it has no weights.")
        start, stop, _ = (rows or slice(None)).indices(len(panel.sessions))
        scaled = self.recipe.scaled(panel).between(0, stop)
        width = (self.model.lookback, len(panel.features))
        time, feature = (np.zeros((stop - start, len(panel.symbols), w), dtype=np.float32) for w in width)
        for network in self.networks:
            for columns, out in _runs(network, scaled):
                for total, weights in ((time, out.time_weights), (feature, out.feature_weights)):
                    assert weights is not None
                    total[:, columns] += weights[:, start:].numpy().transpose(1, 0, 2) / len(self.networks)
        silent = ~usable(scaled, self.model.lookback)[start:]
        time[silent] = feature[silent] = np.nan
        return Attention(time, feature)

    def forecast(self, panel: Panel, symbol: str, horizon: int) -> Forecast:
        """The forecast of `symbol` from its last session with all features; `forecasts` makes many in one run.

        That is the panel's last session, unless the symbol has no bar there: `Forecast.session` and `as_of` tell.

        Raises
        ------
        UnknownSymbolError
            The panel has no such symbol.
        DataError
            The panel has no such horizon.
        HistoryError
            The symbol has too few sessions for the lookback.
        """
        made = self.forecasts(panel, [symbol], [horizon])
        for error in made.failed.values():
            raise error
        return made[0]

    def forecasts(self, panel: Panel, symbols: Sequence[str], horizons: Sequence[int] | None = None) -> Forecasts:
        """The newest forecasts of `symbols` at `horizons` (all by default); see `tenor.inference.forecasts.newest`."""
        return forecasts.newest(self.recipe, self._ensemble, panel, symbols, horizons or panel.horizons)

    def files(self) -> dict[str, bytes]:
        """The files of the model by name, as `save` writes them."""
        return artifact.packed(self._saved(), self._weights())

    def to_onnx(self) -> bytes:
        """The ensemble as one ONNX graph; see `tenor.model.export.to_onnx`."""
        return to_onnx(self.networks)

    def save(self, folder: str | Path) -> None:
        """Write ``forecaster.json`` and ``weights.safetensors`` into `folder`, in place of a model that is there.

        Raises
        ------
        ModelError
            The folder holds something else, or can't be written.
        """
        artifact.write(Path(folder), self._saved(), self._weights())

    @classmethod
    def load(cls, folder: str | Path) -> Forecaster:
        """Read what `save` wrote.

        Raises
        ------
        ModelError
            A file is missing, truncated or changed; the message names it.
        """
        return cls._of(*artifact.read(Path(folder)), str(folder))

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], where: str) -> Forecaster:
        """Read what `files` gave; `where` they were is for messages. Raises ModelError as `load` does."""
        return cls._of(*artifact.unpacked(files, where), where)

    @classmethod
    def _of(cls, document: Mapping[str, Any], weights: bytes, where: str) -> Forecaster:
        try:
            model = from_mapping(ModelConfig, document["model"], "model")
            training = from_mapping(TrainConfig, document["training"], "training")
            features = from_mapping(FeatureConfig, document["features"], "features")
            scaler = Scaler.from_mapping(document["scaler"])
            tensors = unpack(weights)
            networks = build(
                [
                    {n.removeprefix(f"{s}."): t for n, t in tensors.items() if n.startswith(f"{s}.")}
                    for s in training.seeds
                ],
                model,
                len(scaler.features),
                len(features.horizons),
            )
            return cls(
                networks=networks,
                scaler=scaler,
                calibration=Calibration.from_mapping(document["calibration"]),
                features=features,
                model=model,
                training=training,
                symbols=tuple(document["symbols"]),
                split={name: (first, last) for name, (first, last) in document["split"].items()},
                history=tuple(History(**curve) for curve in document["history"]),
                fingerprint=document["fingerprint"],
            )
        except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError, TenorError) as error:
            raise ModelError(f"{where} holds a model that this tenor can't read ({error}): train it again.") from error

    @functools.cached_property
    def recipe(self) -> Recipe:
        """All but the networks."""
        return Recipe.of(self._document(), self.version)

    def _saved(self) -> dict[str, Any]:
        return {"tenor": version("tenor"), **self._document()}

    def _document(self) -> dict[str, Any]:
        return {
            "model": to_mapping(self.model),
            "training": to_mapping(self.training),
            "features": to_mapping(self.features),
            "scaler": self.scaler.to_mapping(),
            "calibration": self.calibration.to_mapping(),
            "symbols": list(self.symbols),
            "split": {name: list(days) for name, days in self.split.items()},
            "history": [dataclasses.asdict(history) for history in self.history],
            "fingerprint": self.fingerprint,
        }

    def _weights(self) -> bytes:
        return pack(
            {
                f"{seed}.{name}": value
                for seed, network in zip(self.training.seeds, self.networks, strict=True)
                for name, value in network.state_dict().items()
            }
        )

    def _ensemble(self, scaled: Panel) -> Iterator[tuple[slice, Run]]:
        """The mean over the networks of what they say, some symbols at a time."""
        for every in zip(*(_runs(network, scaled) for network in self.networks), strict=True):
            time = feature = None
            mean, logit, *weights = (
                np.mean([out.numpy() for out in outs], axis=0)
                for outs in zip(*(out for _, out in every), strict=True)
                if outs[0] is not None
            )
            if weights:
                time, feature = weights
            yield every[0][0], Run(mean, logit, time, feature)


def build(
    weights: Sequence[Mapping[str, torch.Tensor]], model: ModelConfig, n_features: int, n_horizons: int
) -> tuple[AttentionLSTM, ...]:
    """The networks with these weights, in evaluation mode; weights that do not fit raise RuntimeError."""
    networks = []
    with torch.random.fork_rng(devices=[]):  # a network draws first weights: not from the caller's generator
        for one in weights:
            network = AttentionLSTM(model, n_features, n_horizons).requires_grad_(requires_grad=False).eval()
            network.load_state_dict(one)
            networks.append(network)
    return tuple(networks)


def outputs(network: AttentionLSTM, scaled: Panel) -> tuple[Float32, Float32]:
    """Mean (in units of volatility) and up logit of every cell, [session, symbol, horizon] each."""
    shape = (len(scaled.sessions), len(scaled.symbols), len(scaled.horizons))
    mean, logit = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
    for columns, out in _runs(network, scaled):
        mean[:, columns] = out.mean.numpy().transpose(1, 0, 2)
        logit[:, columns] = out.up_logit.numpy().transpose(1, 0, 2)
    return mean, logit


def _runs(network: AttentionLSTM, scaled: Panel) -> Iterator[tuple[slice, Output]]:
    """Run `network` along all sessions, some symbols at a time."""
    for start in range(0, len(scaled.symbols), CHUNK):
        columns = slice(start, start + CHUNK)
        with torch.no_grad():  # not around the yield: several of these run side by side
            out = network(torch.from_numpy(symbol_first(scaled.values[:, columns])))
        yield columns, out
