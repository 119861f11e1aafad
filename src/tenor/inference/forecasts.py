"""One run of the networks over a panel, and its views: newest forecasts, past ones, attention. Needs no torch.

Nearly all the time of a forecast goes into building features, running the networks and adapting the intervals. This is
done once, in an object, `PanelForecasts`, whose methods then select from the result.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from tenor.calendars import exchange
from tenor.distribution import CONFIDENCES, LEVELS
from tenor.errors import DataError, HistoryError, TenorError
from tenor.heads import HEADS, Outputs
from tenor.inference.cells import usable
from tenor.inference.news_effect import NewsDriver, NewsEffect
from tenor.inference.recipe import Recipe
from tenor.schema import Bool, Float32, Forecast, Panel, Predictions
from tenor.variance import STILL
from tenor.views import listed, table_view

SHOWN_PROBLEMS = 3
"""How many reasons for missing forecasts a notebook shows."""
SHOWN_LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Levels of the quantiles that a `Forecast` holds."""
FORECAST_COLUMNS = (
    *("symbol", "session", "target_session", "horizon", "last_price", "price", "expected_return", "volatility"),
    *(f"q{round(100 * level):02d}" for level in SHOWN_LEVELS),
    *("p_up", "as_of"),
)
"""Columns of a frame of forecasts: the fields of `Forecast`, and the quantiles of the price."""


class Run(NamedTuple):
    """The outputs of the ensemble at every session of some symbols: the mean over its networks.

    Attributes
    ----------
    heads
        From the name of each head (`tenor.heads.HEADS`) to its output, [symbol, session, horizon] float32.
    time_weights
        [symbol, session, horizon, lookback]; weights of attention over sessions; None without attention.
    feature_weights
        [symbol, session, feature]; weights of attention over features; None without attention.
    """

    heads: Outputs
    time_weights: Float32 | None
    feature_weights: Float32 | None


Runs = Callable[[Panel], Iterator[tuple[slice, Run]]]
"""Runs the networks along all sessions of a scaled panel, some symbols at a time."""


class Forecasts(list[Forecast]):
    """A list of forecasts, with the reasons why some symbols or horizons have none.

    Parameters
    ----------
    forecasts
        The forecasts.
    failed
        From each symbol without a forecast to the error that says why.
    incomplete
        From each horizon that is missing for some symbols to the error that says why: the calendar ends before it.
    """

    def __init__(
        self,
        forecasts: Sequence[Forecast] = (),
        failed: dict[str, TenorError] | None = None,
        incomplete: dict[int, TenorError] | None = None,
    ) -> None:
        super().__init__(forecasts)
        self.failed: dict[str, TenorError] = failed or {}
        self.incomplete: dict[int, TenorError] = incomplete or {}

    def to_frame(self) -> pd.DataFrame:
        """A table with one row for each forecast and the columns `FORECAST_COLUMNS`.

        Sessions are dates, `as_of` is in UTC. If forecasts are made before the open, ``before_open`` (UTC) is the time
        of that open.
        """
        fields = [name for name in FORECAST_COLUMNS if name in Forecast.__annotations__]
        frame = pd.DataFrame([{name: getattr(each, name) for name in fields} for each in self], columns=fields)
        for level in SHOWN_LEVELS:
            frame[f"q{round(100 * level):02d}"] = [each.quantiles[f"{level:g}"] for each in self]
        frame = frame[list(FORECAST_COLUMNS)]
        if any(each.before_open is not None for each in self):
            frame["before_open"] = [each.before_open for each in self]
        return frame

    def __repr__(self) -> str:
        symbols = len({each.symbol for each in self})
        horizons = listed(list(dict.fromkeys(each.horizon for each in self))) if self else "none"
        without = f", {len(self.failed)} without a forecast" if self.failed else ""
        return f"Forecasts({symbols} symbol{'' if symbols == 1 else 's'}, horizons {horizons}{without})"

    def _repr_html_(self) -> str:
        problems = [*self.failed.values(), *self.incomplete.values()]
        notes = [str(error) for error in problems[:SHOWN_PROBLEMS]]
        if len(problems) > SHOWN_PROBLEMS:
            notes.append(f"… {len(problems) - SHOWN_PROBLEMS} more without a forecast: .failed has the reasons.")
        return table_view(repr(self), self.to_frame(), notes=notes)

    def __add__(self, other: Forecasts) -> Forecasts:  # type: ignore[override]
        """Both together."""
        return Forecasts([*self, *other], {**self.failed, **other.failed}, {**self.incomplete, **other.incomplete})


@dataclass(frozen=True)
class Attention:
    """The attention of one symbol's newest forecast.

    Attributes
    ----------
    sessions, features
        The names of the sessions (L of them) and features (F of them).
    time
        [horizon, L]; the weight of each session in the forecast of each horizon; rows sum to 1.
    feature
        [L, F]; the weight of each feature in each session; rows sum to 1.
    complete
        [L]; whether the symbol had all features in the session.
    """

    sessions: tuple[str, ...]
    features: tuple[str, ...]
    time: Float32
    feature: Float32
    complete: Bool

    def by_session(self, k: int) -> dict[str, float]:
        """The weight of each session in the forecast of the k-th horizon, by the session's name."""
        return dict(zip(self.sessions, self.time[k].tolist(), strict=True))

    def by_feature(self) -> dict[str, float]:
        """The mean weight of each feature over the sessions that are complete, by the feature's name."""
        return dict(zip(self.features, self.feature[self.complete].mean(axis=0).tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class PanelForecasts:
    """All that a model predicts over a panel, from one run of its networks.

    Attributes
    ----------
    recipe
        The recipe of the model.
    panel
        The panel, unscaled.
    predictions
        The predictions of every cell, with adapted intervals.
    last
        [symbol]; the row of each symbol's newest forecast, -1 where it has none.
    verdicts
        From each horizon to a sentence on how good the model's forecasts are.
    """

    recipe: Recipe
    panel: Panel
    predictions: Predictions
    last: np.ndarray[tuple[int], np.dtype[np.intp]]
    verdicts: Mapping[int, str]
    _cells: Bool
    _attention: dict[int, Attention]
    _news: NewsEffect | None = None

    @classmethod
    def of(cls, recipe: Recipe, runs: Runs, panel: Panel, verdicts: Mapping[int, str] | None = None) -> PanelForecasts:
        """Run the networks over all symbols of `panel`; the intervals learn from all of them.

        Parameters
        ----------
        recipe
            The recipe of the model.
        runs
            Runs the model's networks.
        panel
            The panel, unscaled.
        verdicts
            From each horizon to a sentence on how good the model's forecasts are.

        Raises
        ------
        ModelError
            The panel is not what the model was fitted on.
        """
        cells = usable(panel, recipe.lookback)
        # argmax finds the first True of the reversed rows, which is the last one; it is 0 where there is none
        last = np.where(cells.any(axis=0), len(cells) - 1 - cells[::-1].argmax(axis=0), -1)
        shape = (len(panel.sessions), len(panel.symbols), len(panel.horizons))
        outputs: Outputs = {head.name: np.empty(shape, dtype=np.float32) for head in HEADS}
        attention: dict[int, Attention] = {}
        names = tuple(map(exchange(panel.calendar).label, panel.sessions))
        scaled = recipe.scaled(panel)
        for columns, run in runs(scaled):
            for name, output in outputs.items():
                output[:, columns] = run.heads[name].transpose(1, 0, 2)
            if run.time_weights is None or run.feature_weights is None:
                continue
            for place, column in enumerate(range(columns.start, columns.start + len(run.time_weights))):
                row = int(last[column])
                if row >= 0:
                    window = slice(row - recipe.lookback + 1, row + 1)
                    # copies, because a view would keep the weights of all sessions in memory
                    attention[column] = Attention(
                        names[window],
                        scaled.features,
                        run.time_weights[place, row].copy(),
                        run.feature_weights[place, window].copy(),
                        cells[window, column],
                    )
        news = recipe.news_effect(panel, outputs)
        predictions = recipe.adapted(panel, recipe.predictions(panel, outputs, news=news))
        return cls(recipe, panel, predictions, last, verdicts or {}, cells, attention, news)

    def attention(self, symbol: str) -> Attention | None:
        """The attention of the newest forecast of `symbol`; None without a forecast or without attention."""
        return self._attention.get(self.panel.symbol_index(symbol))

    def newest(self, symbols: Sequence[str], horizons: Sequence[int] | None = None) -> Forecasts:
        """The forecasts of `symbols` at `horizons` (all by default), each from the last session with all features.

        ``failed`` of the result has the error of each symbol without a forecast: UnknownSymbolError if the panel has no
        such symbol, HistoryError if it has too few sessions, DataError if the calendar ends before all horizons.

        Raises
        ------
        DataError
            The panel has no such horizon.
        """
        axes = [self.panel.horizon_index(horizon) for horizon in horizons or self.panel.horizons]
        forecasts: list[Forecast] = []
        failed: dict[str, TenorError] = {}
        incomplete: dict[int, TenorError] = {}
        for symbol in dict.fromkeys(symbols):
            try:
                column = self.panel.symbol_index(symbol)
                self._require_history(symbol, column)
            except TenorError as error:
                failed[symbol] = error
                continue
            attention = self._attention.get(column)
            by_feature = attention.by_feature() if attention is not None else {}
            row, before = int(self.last[column]), len(forecasts)
            beyond: dict[int, TenorError] = {}
            for k in axes:
                by_session = attention.by_session(k) if attention is not None else {}
                try:
                    news = () if self._news is None else self._news.drivers(row, column, k)
                    forecasts.append(self._forecast(row, column, k, by_session, by_feature, news))
                except DataError as error:  # the calendar ends before this horizon; nearer ones are forecast
                    beyond[self.panel.horizons[k]] = error
            if beyond and len(forecasts) == before:
                failed[symbol] = next(iter(beyond.values()))
            else:
                incomplete |= beyond
        return Forecasts(forecasts, failed, incomplete)

    def history(self, symbols: Sequence[str], sessions: int) -> Forecasts:
        """The forecasts made after each of the last `sessions` sessions of the panel, at every horizon.

        They lack the weights of attention and the effects of news. Sessions in which a symbol has no forecast are left
        out; a symbol that the panel does not have is in ``failed``. The order is by symbol as given, then by session
        and horizon.
        """
        forecasts: list[Forecast] = []
        failed: dict[str, TenorError] = {}
        count = len(self.panel.sessions)
        for symbol in dict.fromkeys(symbols):
            try:
                column = self.panel.symbol_index(symbol)
            except TenorError as error:
                failed[symbol] = error
                continue
            for row in range(max(0, count - sessions), count):
                if not self._cells[row, column]:
                    continue
                for k in range(len(self.panel.horizons)):
                    with contextlib.suppress(DataError):  # the calendar ends before its target
                        forecasts.append(self._forecast(row, column, k, {}, {}))
        return Forecasts(forecasts, failed)

    def _require_history(self, symbol: str, column: int) -> None:
        if self.last[column] < 0:
            moving = self.panel.close[:, column]
            moving = moving[np.isfinite(moving)][-STILL:]
            if len(moving) == STILL and np.ptp(moving) == 0:
                raise HistoryError(
                    f"the price of {symbol} has not moved in its last {STILL} sessions or more, and it has too few "
                    "sessions before them: it counts as suspended, and there is no forecast of it."
                )
            raise HistoryError(
                f"{symbol} has {int(self.panel.mask[:, column].sum())} sessions with all features, and the model needs "
                f"{self.recipe.lookback} (model.lookback): import more of its history."
            )

    def _forecast(
        self,
        row: int,
        column: int,
        k: int,
        by_session: dict[str, float],
        by_feature: dict[str, float],
        news: tuple[NewsDriver, ...] = (),
    ) -> Forecast:
        panel, predictions = self.panel, self.predictions
        assert predictions.lower is not None
        assert predictions.upper is not None
        risk = predictions.risk
        assert risk is not None
        horizon = panel.horizons[k]

        # `Risk` computes this for whole arrays; here for one cell, as a history has a hundred thousand forecasts
        reach = risk.volatility[row, column, k] * risk.widening[row, column, k]

        def price(level: float) -> float:
            return close * float(np.exp(float(reach * risk.quantiles[row, k, LEVELS.index(level)])))

        close, session = float(panel.close[row, column]), pd.Timestamp(panel.sessions[row])
        mean = float(predictions.mean[row, column, k])
        as_of, target = _dates(panel.calendar, session, horizon)
        return Forecast(
            symbol=panel.symbols[column],
            as_of=as_of,
            session=session,
            target_session=target,
            horizon=horizon,
            expected_return=mean,
            last_price=close,
            price=close * float(np.exp(mean)),
            lower=close * float(np.exp(float(predictions.lower[row, column, k]))),
            upper=close * float(np.exp(float(predictions.upper[row, column, k]))),
            p_up=float(predictions.p_up[row, column, k]),
            volatility=float(risk.volatility[row, column, k] * risk.scale[row, k]),
            volatility_rank=self._rank(row, column, k),
            baseline_volatility=float(panel.volatility[row, column]),
            quantiles={f"{level:g}": price(level) for level in SHOWN_LEVELS},
            value_at_risk={f"{c:g}": 1 - price(round(1 - c, 4)) / close for c in CONFIDENCES},
            expected_shortfall={
                f"{c:g}": -math.expm1(-float(reach * risk.shortfalls[row, k, i])) for i, c in enumerate(CONFIDENCES)
            },
            verdict=self.verdicts.get(horizon, ""),
            attention_time=by_session,
            attention_features=by_feature,
            model_version=self.recipe.version,
            **self._before_open(session),
            news=tuple(map(asdict, news)),
        )

    def _before_open(self, session: pd.Timestamp) -> dict[str, pd.Timestamp]:
        """The moments that a forecast made before the open carries."""
        if self.recipe.features.as_of == "close":
            return {}
        moment = _next_open(self.panel.calendar, session)
        return {
            "before_open": moment,
            "news_until": moment - pd.Timedelta(minutes=self.recipe.sentiment.margin_minutes),
        }

    def _rank(self, row: int, column: int, k: int) -> float:
        """The share of the symbol's forecast volatilities of the year up to `row` that are lower than that of `row`."""
        assert self.predictions.risk is not None
        year = round(exchange(self.panel.calendar).sessions_per_year)
        own = self.predictions.risk.volatility[max(0, row - year) : row, column, k]
        own = own[np.isfinite(own)]
        return float((own < self.predictions.risk.volatility[row, column, k]).mean()) if len(own) else 0.5


@functools.lru_cache(maxsize=4096)
def _dates(calendar: str, session: pd.Timestamp, horizon: int) -> tuple[pd.Timestamp, pd.Timestamp]:
    """The close of `session`, and the session that a forecast made then is for: the same for every symbol."""
    days = exchange(calendar)
    return days.close(session), days.following(session, horizon)


@functools.lru_cache(maxsize=4096)
def _next_open(calendar: str, session: pd.Timestamp) -> pd.Timestamp:
    """The open after `session`."""
    days = exchange(calendar)
    moment: pd.Timestamp = days.opens(pd.DatetimeIndex([days.following(session)]))[0]
    return moment
