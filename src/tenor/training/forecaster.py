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

from tenor.errors import HistoryError, ModelError, TenorError
from tenor.features import FeatureConfig, Scaler
from tenor.model import AttentionLSTM, ModelConfig, Output
from tenor.options import from_mapping, to_mapping
from tenor.schema import Float32, Forecast, Panel, Predictions
from tenor.sessions import exchange
from tenor.training import saving
from tenor.training.calibration import Calibration
from tenor.training.config import TrainConfig
from tenor.training.seed import History
from tenor.training.sequences import WARM_UP, spread, symbol_first, usable

CHUNK = 32
"""Symbols that run through a network at once: it bounds memory."""


@dataclass(frozen=True)
class Attention:
    """What the networks looked at, averaged over them; NaN where nothing is forecast.

    Attributes
    ----------
    time : [session, symbol, lookback]; weight of the states at t-lookback+1 .. t (the last is t), they sum to 1.
    feature : [session, symbol, feature]; weight of each feature at t, they sum to 1.
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
    networks : in evaluation mode, in the order of `training.seeds`.
    scaler : fitted on the training part. `calibration` : on validation.
    features, model, training : the configs.
    symbols : those it was trained on.
    split : first and last day of each part.
    history : learning curves, one a seed.
    fingerprint : SHA-256 of the data that it was trained and validated on.
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
        return self.model.lookback + WARM_UP

    @property
    def name(self) -> str:
        """What tables call it."""
        return "attention LSTM" if self.model.attention else "LSTM"

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
        ModelError : the panel's features or horizons are not those that the model was fitted on.
        """
        scaled = self._scaled(panel)
        heads = [outputs(network, scaled) for network in self.networks]
        mean, logit = (np.mean([head[i] for head in heads], axis=0) for i in (0, 1))
        return self._predictions(panel, mean, logit)

    def predict_each(self, panel: Panel) -> list[Predictions]:
        """What each network alone says, in the order of `training.seeds`; calibrated as the ensemble is."""
        scaled = self._scaled(panel)
        return [self._predictions(panel, *outputs(network, scaled)) for network in self.networks]

    def attention(self, panel: Panel, rows: slice | None = None) -> Attention:
        """Where the networks looked at each cell of `rows` (all sessions if None): the mean over the networks.

        Raises
        ------
        ModelError : the model was trained without attention, or the panel does not fit it.
        """
        if not self.model.attention:
            raise ModelError("this model was trained without attention (model.attention = false): it has no weights.")
        start, stop, _ = (rows or slice(None)).indices(len(panel.sessions))
        scaled = self._scaled(panel).between(0, stop)
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
        """The forecast of `symbol` from its last session with all features.

        That is the panel's last session, unless the symbol has no bar there: `Forecast.session` and `as_of` tell.

        Raises
        ------
        UnknownSymbolError : the panel has no such symbol.
        DataError : the panel has no such horizon.
        HistoryError : the symbol has too few sessions for the lookback.
        """
        column = panel.symbol_index(symbol)
        k = panel.horizon_index(horizon)
        one = _only(panel, column)
        lookback = self.model.lookback
        rows = np.flatnonzero(usable(one, lookback)[:, 0])
        if not len(rows):
            raise HistoryError(
                f"{symbol} has {int(one.mask.sum())} sessions with all features, and the model needs {lookback} "
                "(model.lookback): import more of its history."
            )
        row = int(rows[-1])
        one = one.between(0, row + 1)
        said = self.predict(one)
        assert said.lower is not None
        assert said.upper is not None
        last, session = float(one.close[row, 0]), one.sessions[row]
        mean, low, high = (float(a[row, 0, k]) for a in (said.mean, said.lower, said.upper))
        looked_time: dict[str, float] = {}
        looked_feature: dict[str, float] = {}
        if self.model.attention:
            looked = self.attention(one, slice(row - lookback + 1, row + 1))
            days = (f"{day:%Y-%m-%d}" for day in one.sessions[row - lookback + 1 :])
            looked_time = dict(zip(days, looked.time[-1, 0].tolist(), strict=True))
            mean_weight = np.nanmean(looked.feature[:, 0], axis=0)
            looked_feature = dict(zip(panel.features, mean_weight.tolist(), strict=True))
        calendar = exchange(self.features.calendar)
        return Forecast(
            symbol=symbol,
            as_of=calendar.close(session),
            session=session,
            target_session=calendar.following(session, horizon),
            horizon=horizon,
            expected_return=mean,
            last_price=last,
            price=last * float(np.exp(mean)),
            lower=last * float(np.exp(low)),
            upper=last * float(np.exp(high)),
            p_up=float(said.p_up[row, 0, k]),
            attention_time=looked_time,
            attention_features=looked_feature,
            model_version=self.version,
        )

    def save(self, folder: str | Path) -> None:
        """Write ``forecaster.json`` and ``weights.safetensors`` into `folder`, in place of a model that is there.

        Raises
        ------
        ModelError : the folder holds something else, or can't be written.
        """
        saving.write(Path(folder), {"tenor": version("tenor"), **self._document()}, self._weights())

    @classmethod
    def load(cls, folder: str | Path) -> Forecaster:
        """Read what `save` wrote.

        Raises
        ------
        ModelError : a file is missing, truncated or changed; the message names it.
        """
        document, weights = saving.read(Path(folder))
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
            raise ModelError(f"{folder} holds a model that this tenor can't read ({error}): train it again.") from error

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

    def _scaled(self, panel: Panel) -> Panel:
        if panel.horizons != self.horizons:
            raise ModelError(
                f"the panel has horizons {list(panel.horizons)}, the model {list(self.horizons)}: build the panel with "
                "the model's own feature config."
            )
        return self.scaler.transform(panel)

    def _predictions(self, panel: Panel, mean: Float32, logit: Float32) -> Predictions:
        scale = spread(panel)
        width = np.asarray(self.calibration.width)
        said = np.where(usable(panel, self.model.lookback)[:, :, None], 1.0, np.nan)
        parts = (
            mean * scale * said,
            self.calibration.p_up(logit) * said,
            (mean - width) * scale * said,
            (mean + width) * scale * said,
        )
        return Predictions(self.name, *(part.astype(np.float32) for part in parts))


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
        with torch.no_grad():
            yield columns, network(torch.from_numpy(symbol_first(scaled.values[:, columns])))


def _only(panel: Panel, column: int) -> Panel:
    """The panel of one symbol, as views."""
    cut = slice(column, column + 1)
    return dataclasses.replace(
        panel,
        values=panel.values[:, cut],
        mask=panel.mask[:, cut],
        targets=panel.targets[:, cut],
        volatility=panel.volatility[:, cut],
        open=panel.open[:, cut],
        close=panel.close[:, cut],
        symbols=panel.symbols[cut],
    )
