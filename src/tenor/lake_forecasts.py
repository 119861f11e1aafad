"""A model's forecasts from a lake, each run made once, and the newest ones saved beside the model."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tenor.errors import DataError, StoreError
from tenor.features.own import Covariates
from tenor.inference.forecasts import Attention, Forecasts, PanelForecasts
from tenor.inference.predictor import Predictor
from tenor.inference.recipe import Recipe
from tenor.schema import Bars, DailySentiment, Forecast
from tenor.storage.files import content_key, read_json
from tenor.workspace import Workspace

log = logging.getLogger("tenor.lake_forecasts")


class LakeForecasts:
    """A model's forecasts from the lake's bars and daily sentiment, the same for every caller and choice of symbols.

    Symbols that the model was trained on are always forecast from one run over all of them that the lake has. Features
    across stocks and adaptive intervals use all symbols, so a run over other symbols would give other forecasts.
    Symbols that the model was not trained on are forecast by a second run over all symbols, which does not affect the
    first. Each run is made when it is first needed.

    Parameters
    ----------
    workspace
        The store.
    predictor
        The model.
    until
        The last session that is used; by default the last of the lake.
    """

    def __init__(self, workspace: Workspace, predictor: Predictor, *, until: pd.Timestamp | None = None) -> None:
        self._workspace, self._predictor, self._until = workspace, predictor, until
        self.recipe: Recipe = predictor.recipe
        self.card = predictor.card
        self._calendar = predictor.recipe.features.calendar
        self.known: tuple[str, ...] = workspace.lake.symbols(self._calendar)
        """The symbols of the lake."""

    @functools.cached_property
    def sentiment(self) -> DailySentiment | None:
        """The daily sentiment that the model uses."""
        return self._workspace.model_news(self.recipe)

    @functools.cached_property
    def covariates(self) -> Covariates | None:
        """The lake's data for the model's own features."""
        return self._workspace.covariates(self.recipe.features, self.recipe.own)

    @functools.cached_property
    def trained_bars(self) -> Bars | None:
        """The bars of the symbols that the model was trained on; None if the lake has none of them."""
        symbols = self.recipe.universe(self.known, ())
        return self._bars(symbols) if symbols else None

    def _bars(self, symbols: Sequence[str]) -> Bars:
        bars = self._workspace.bars(symbols, calendar=self._calendar)
        return bars if self._until is None else bars.until(self._until)

    @functools.cached_property
    def all_bars(self) -> Bars:
        """The bars of all symbols of the lake."""
        bars = self.trained_bars
        if bars is not None and not set(self.known) - set(bars.symbols):
            return bars
        return self._bars(self.known)

    @functools.cached_property
    def trained(self) -> PanelForecasts | None:
        """The run over the symbols that the model was trained on; None if the lake has none of them."""
        return None if self.trained_bars is None else self._run(self.trained_bars)

    @functools.cached_property
    def everything(self) -> PanelForecasts:
        """The run over all symbols of the lake, for symbols that the model was not trained on."""
        if self.trained is not None and self.all_bars is self.trained_bars:
            return self.trained
        return self._run(self.all_bars)

    def _run(self, bars: Bars) -> PanelForecasts:
        return self._predictor.run(bars, self.sentiment, covariates=self.covariates)

    def newest(self, symbols: Sequence[str], horizons: Sequence[int] | None = None) -> Forecasts:
        """The newest forecasts of `symbols`, as `PanelForecasts.newest`; saved ones if the inputs are the same.

        Raises
        ------
        DataError
            The model has no such horizon.
        """
        wanted = tuple(horizons or self.recipe.horizons)
        for horizon in wanted:
            if horizon not in self.recipe.horizons:
                with_it = ",".join(map(str, sorted({*self.recipe.horizons, horizon})))
                raise DataError(
                    f"horizon {horizon} is not in model {self.recipe.version}; it has {list(self.recipe.horizons)}: "
                    f"train one with --set 'features.horizons=[{with_it}]'."
                )
        trained, unseen = self._by_training(symbols)
        saved = self._saved() if trained and "trained" not in self.__dict__ else {}
        if all(set(wanted) <= {f.horizon for f in saved.get(symbol, ())} for symbol in trained):
            known = Forecasts([f for symbol in trained for f in saved[symbol] if f.horizon in wanted])
        else:
            known = Forecasts() if self.trained is None else self.trained.newest(trained, wanted)
        others = self.everything.newest(unseen, wanted) if unseen else Forecasts()
        return known + others

    def history(self, symbols: Sequence[str], sessions: int) -> Forecasts:
        """The forecasts of the last `sessions` sessions, as `PanelForecasts.history`."""
        trained, unseen = self._by_training(symbols)
        known = self.trained.history(trained, sessions) if self.trained is not None and trained else Forecasts()
        others = self.everything.history(unseen, sessions) if unseen else Forecasts()
        return known + others

    def attention(self, symbol: str) -> Attention | None:
        """The attention of the newest forecast of `symbol`, as `PanelForecasts.attention`."""
        run = self.trained if self.trained is not None and symbol in self.recipe.symbols else self.everything
        return run.attention(symbol)

    @functools.cached_property
    def newest_of_trained(self) -> Forecasts:
        """The newest forecasts of all symbols that the model was trained on."""
        return Forecasts() if self.trained is None else self.trained.newest(self.trained.panel.symbols)

    def save(self, known: Mapping[str, Any] | None = None) -> None:
        """Save the newest forecasts beside the model, so that later calls with the same inputs can read them.

        They can be computed again at any time, so a failure to write is only logged.

        Parameters
        ----------
        known
            What shows that the inputs are the same without reading them (`tenor.pipeline.current`).
        """
        if self.trained is None:
            return
        try:
            self._workspace.registry.objects.put(self._key, self._document(known))
        except StoreError as error:
            log.warning("the newest forecasts are not kept", extra={"error": str(error)})

    def _document(self, known: Mapping[str, Any] | None) -> bytes:
        """JSON in lines: `known`, with the places in what follows; the inputs; and a line a forecast."""
        body = bytearray(f'"inputs": {json.dumps(self._inputs())}, "forecasts": [\n'.encode())
        places: dict[str, list[tuple[int, int, int]]] = {}
        for count, forecast in enumerate(self.newest_of_trained):
            text = json.dumps(forecast.to_json(), allow_nan=False).encode()
            body += b",\n" if count else b""
            places.setdefault(forecast.symbol, []).append((forecast.horizon, len(body), len(text)))
            body += text
        body += b"]}"
        if known is not None:
            known = {**known, "places": places, "body": hashlib.sha256(body).hexdigest()}
        return f'{{"known": {json.dumps(known, allow_nan=False)},\n'.encode() + body

    @property
    def _key(self) -> str:
        return f"forecasts/{self.recipe.version}.json"

    def _inputs(self) -> str:
        """What stands for all that the run over the trained symbols depends on."""
        bars, sentiment = self.trained_bars, self.sentiment
        return content_key(
            self.recipe.version,
            "" if bars is None else bars.fingerprint(),
            "" if sentiment is None else sentiment.fingerprint(),
            *([] if self.covariates is None else [self.covariates.fingerprint()]),
        )

    def _saved(self) -> dict[str, list[Forecast]]:
        """The saved forecasts by symbol, if they are of these inputs; a copy that can't be read is none."""
        try:
            saved = read_json(self._workspace.registry.objects.get(self._key).data)
            if saved["inputs"] != self._inputs():
                return {}
            forecasts: dict[str, list[Forecast]] = {}
            for values in saved["forecasts"]:
                forecasts.setdefault(values["symbol"], []).append(Forecast.from_json(values))
        except (StoreError, ValueError, KeyError, TypeError):
            return {}
        return forecasts

    def _by_training(self, symbols: Sequence[str]) -> tuple[list[str], list[str]]:
        distinct = list(dict.fromkeys(symbols))
        trained = [symbol for symbol in distinct if symbol in self.recipe.symbols and symbol in self.known]
        return trained, [symbol for symbol in distinct if symbol not in trained]
