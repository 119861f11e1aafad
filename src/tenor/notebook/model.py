"""A fitted model for a notebook: it forecasts, draws figures, and is saved to and loaded from a store."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from tenor.errors import ConfigError, ModelError
from tenor.features.extra_sessions import on_sessions
from tenor.features.own.bundle import Covariates
from tenor.inference.forecasts import Forecasts
from tenor.inference.predictor import Predictor
from tenor.ingest.frames import events_of, read_frame, read_news
from tenor.lake_forecasts import LakeForecasts
from tenor.notebook.frame_store import SOURCE, TemporaryFolder
from tenor.schema import Bars, DailySentiment
from tenor.symbols import known_as
from tenor.views import listed, table_view
from tenor.workspace import NEWS, Workspace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HISTORY = 120
"""Sessions of the past that a plot shows."""


class FittedModel:
    """A trained model with the bars that it forecasts from; `tenor.fit` and `tenor.load` return it.

    Every forecast is computed by ONNX Runtime from the stored model, as on the command line and on the server. So a
    model gives the same forecasts, bit by bit, after it was saved and loaded.

    Parameters
    ----------
    workspace
        The store that holds model, bars and news.
    version
        Which model of the store; by default its champion, the version in use.
    notes
        What was assumed in reading frames.
    folder
        The temporary folder of the store, if it has one; it is removed with this object.

    Attributes
    ----------
    predictor : Predictor
        The model itself: recipe, card and networks.
    notes : tuple of str
        What was assumed in reading frames, and which symbols the model was not trained on.
    """

    def __init__(
        self,
        workspace: Workspace,
        version: str | None = None,
        *,
        notes: Sequence[str] = (),
        folder: TemporaryFolder | None = None,
    ) -> None:
        self._workspace = workspace
        self._folder = folder
        self.predictor: Predictor = workspace.predictor(version)
        self.notes: tuple[str, ...] = tuple(notes)

    @property
    def version(self) -> str:
        """Twelve hex digits that name the model."""
        return self.predictor.recipe.version

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that the model was trained on."""
        return self.predictor.recipe.symbols

    @property
    def horizons(self) -> tuple[int, ...]:
        """The horizons of its forecasts, in sessions ahead."""
        return self.predictor.recipe.horizons

    @property
    def bars(self) -> Bars:
        """The bars of `symbols` that it forecasts from if `predict` gets no others.

        Raises
        ------
        ModelError
            The store has no bars of these symbols.
        """
        bars = self._newest.trained_bars
        if bars is None:
            raise ModelError(
                f"{self._workspace.store} has the model {self.version} and no bars of its symbols: hand them over, as "
                "model.predict(df), or save the model with its bars."
            )
        return bars

    def predict(
        self,
        bars: Any = None,
        symbols: str | Sequence[str] | None = None,
        horizons: int | Sequence[int] | None = None,
        *,
        news: Any = None,
        events: Any = None,
        symbol: str | None = None,
    ) -> pd.DataFrame:
        """Forecasts from the last session of each symbol.

        Parameters
        ----------
        bars
            Newer bars, as `tenor.fit` takes them, of all symbols that the model was trained on. They must include the
            history that features are computed from; two years are enough. The model is not trained again. By default
            the bars that it was trained with.
        symbols
            The symbols to forecast; all by default. Other services' notations (``BRK.B``) are understood.
        horizons
            Sessions ahead; all horizons of the model by default.
        news
            News up to the last session of `bars`, as `tenor.fit` takes them; by default the news that the model was
            trained with.
        events
            Events that are known at the last session of `bars`, as `tenor.fit` takes them; by default likewise.
        symbol
            The symbol of the bars, if the frame has no column that says it.

        Returns
        -------
        DataFrame
            One row for each symbol and horizon, with the columns of `tenor.inference.forecasts.FORECAST_COLUMNS`. Among
            them are ``price`` (the expected adjusted close), ``volatility`` (the standard deviation of the log return
            of one session, averaged over the horizon), the quantiles of the price ``q01`` to ``q99``, and ``p_up``
            (the probability that the price rises).

        Raises
        ------
        FrameError
            `bars` or `news` can't be used.
        UnknownSymbolError
            There are no bars of any of the symbols.
        HistoryError
            All symbols have too few bars.
        DataError
            The model has no such horizon.
        """
        return self.forecasts(bars, symbols, horizons, news=news, events=events, symbol=symbol).to_frame()

    def forecasts(
        self,
        bars: Any = None,
        symbols: str | Sequence[str] | None = None,
        horizons: int | Sequence[int] | None = None,
        *,
        news: Any = None,
        events: Any = None,
        symbol: str | None = None,
    ) -> Forecasts:
        """As `predict`, but as `Forecast` objects, which also hold the weights of attention and the verdict."""
        if isinstance(bars, str) or (symbols is None and _is_symbols(bars)):  # predict("AAPL")
            bars, symbols = None, bars
        wanted = None if horizons is None else (horizons,) if isinstance(horizons, int) else tuple(horizons)
        names = [symbols] if isinstance(symbols, str) else None if symbols is None else list(symbols)
        if bars is None:
            if any(each is not None for each in (news, events, symbol)):
                raise ConfigError(
                    "news, events and symbol go with bars: hand over the bars as well, as model.predict(df, …)."
                )
            known = self._newest.known
            names = list(self.bars.symbols) if names is None else [known_as(name, known) for name in names]
            forecasts = self._newest.newest(names, wanted)
        else:
            calendar = self.predictor.recipe.features.calendar
            read = on_sessions(read_frame(bars, symbol=symbol, calendar=calendar).bars, calendar)
            run = self.predictor.run(read, self._sentiment(news), covariates=self._covariates(events))
            names = list(read.symbols) if names is None else [known_as(name, read.symbols) for name in names]
            forecasts = run.newest(names, wanted)
        if not forecasts:
            for error in forecasts.failed.values():
                raise error
        for error in (*forecasts.failed.values(), *forecasts.incomplete.values()):
            warnings.warn(str(error), stacklevel=3)
        return forecasts

    def plot(
        self, symbol: str | None = None, *, bars: Any = None, history: int = HISTORY, ax: Axes | None = None
    ) -> Axes:
        """Draw the last prices of a symbol, and the quantiles of the forecast price as a fan chart.

        Parameters
        ----------
        symbol
            The symbol to draw; the first by default.
        bars
            Newer bars, as `predict` takes them.
        history
            How many past sessions to draw.
        ax
            Where to draw; new axes by default.

        Returns
        -------
        Axes
            The axes of matplotlib, on which you can set titles and limits.
        """
        from tenor.report.fan import draw_fan

        own = self.bars if bars is None else read_frame(bars, calendar=self.predictor.recipe.features.calendar).bars
        name = own.symbols[0] if symbol is None else known_as(symbol, own.symbols)
        forecasts = self.forecasts(bars, name)
        frame = own.select([name]).adjusted().set_index("session")
        return draw_fan(frame["close"].iloc[-history:], forecasts, ax=ax)

    def save(self, location: str | os.PathLike[str], *, bars: bool = True, promote: bool = True) -> str:
        """Write the model, and the bars and news that it forecasts from, into a store.

        `tenor.load` reads it. The commands ``tenor predict --store`` and ``tenor serve --store`` use it, and
        ``tenor data fetch`` adds newer bars.

        Parameters
        ----------
        location
            A folder or ``s3://bucket/prefix``. What it already holds is kept.
        bars
            Whether to write bars and news too. Without them, `predict` needs bars after `tenor.load`.
        promote
            Whether to make it the champion of the store, the version that `tenor.load` and all commands use; ``tenor
            models rollback`` undoes that. If False, it becomes the champion only if the store has none.

        Returns
        -------
        str
            The model's version.

        Raises
        ------
        StoreError
            The place can't be written.
        """
        target = Workspace(os.fspath(location))
        if bars:
            self._save_data(target)
        opened = self._workspace.registry.open(self.version)
        version = target.registry.copy(opened)
        if promote:
            target.registry.promote(version)
        return version

    def to_frame(self) -> pd.DataFrame:
        """The newest forecasts of all symbols: what `predict` gives."""
        return self.predict()

    def head(self, rows: int = 5) -> pd.DataFrame:
        """The first rows of `to_frame`."""
        return self.to_frame().head(rows)

    def __len__(self) -> int:
        return len(self.symbols)

    def __repr__(self) -> str:
        count, horizons = len(self.symbols), listed(self.horizons)
        last = self._last_session()
        return (
            f"FittedModel({count} symbol{'' if count == 1 else 's'}, horizon{'' if len(self.horizons) == 1 else 's'} "
            f"{horizons}, {f'bars up to {last}' if last else 'no bars'})"
        )

    def _repr_html_(self) -> str:
        verdict = self.predictor.verdicts()[self.horizons[0]]
        rows = self.to_frame() if self._last_session() else pd.DataFrame()
        return table_view(repr(self), rows, notes=(verdict, *self.notes))

    @functools.cached_property
    def _newest(self) -> LakeForecasts:
        return LakeForecasts(self._workspace, self.predictor)

    def _last_session(self) -> str:
        bars = self._newest.trained_bars
        return "" if bars is None else f"{bars.frame['session'].max():%Y-%m-%d}"

    def _sentiment(self, news: Any) -> DailySentiment | None:
        """The daily sentiment of `news`, or the model's own."""
        if news is None:
            return self._newest.sentiment
        recipe = self.predictor.recipe
        if not recipe.with_sentiment:
            raise ConfigError(
                "the model was trained without news: hand news to tenor.fit first, or leave them out here."
            )
        about = read_news(news).news
        return self._workspace.sentiment_of(about, recipe)

    def _covariates(self, events: Any) -> Covariates | None:
        """What is known for the model's own features: by `events`, or by the model's own store."""
        known = self._newest.covariates
        if events is None:
            return known
        features = self.predictor.recipe.features
        if not features.events:
            raise ConfigError("the model was trained without events: hand events to tenor.fit first.")
        return Covariates(events_of(events, calendar=features.calendar), known.tables if known else {})

    def _save_data(self, target: Workspace) -> None:
        recipe, lake = self.predictor.recipe, self._workspace.lake
        target.lake.append_bars(lake.bars(self.bars.symbols), source=SOURCE)
        if (known := self._newest.covariates) is not None:
            if known.events is not None:
                target.lake.append_events(known.events, source=SOURCE)
            for name, table in known.tables.items():
                target.lake.append_covariates(name, table, source=SOURCE)
        if not recipe.with_sentiment:
            return
        if recipe.sentiment.source == NEWS:
            target.lake.append_news(lake.news())
            calendar, as_of, kinds = recipe.features.calendar, recipe.features.as_of, recipe.with_kinds
            scored = self._workspace.scored_news(recipe.sentiment, kinds=kinds)
            if (topics := self._workspace.topic_model(recipe.sentiment)) is not None:
                target.topics.save_version(topics)
            target.daily_sentiment(
                recipe.sentiment, calendar=calendar, as_of=as_of, kinds=kinds, scored=scored, save=True
            )
        elif (daily := self._newest.sentiment) is not None:
            target.lake.append_sentiment(daily, source=recipe.sentiment.source)


def load(location: str | os.PathLike[str], version: str | None = None) -> FittedModel:
    """The model in a store, with the bars that it forecasts from.

    Parameters
    ----------
    location
        A folder or ``s3://bucket/prefix``: where `FittedModel.save` or ``tenor train`` wrote it.
    version
        Its name, or ``champion`` (by default), ``previous`` or ``latest``.

    Raises
    ------
    ModelError
        There is no such model, or a file of it is missing, truncated or changed.

    Examples
    --------
    >>> import tempfile, tenor
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tenor.load(folder)
    Traceback (most recent call last):
    tenor.errors.ModelError: no trained model under ...
    """
    return FittedModel(Workspace(os.fspath(location)), version)


def _is_symbols(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(each, str) for each in value)
