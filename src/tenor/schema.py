"""What flows between rooms: Bars, News, DailySentiment -> Panel -> Predictions -> Forecast, validated when made.

Sessions are tz-naive: midnights (an exchange's trading dates), or for bars within a day the UTC moments of their
closes. Other moments are tz-aware UTC, returns are natural logs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.distribution import Risk
from tenor.errors import DataError, HistoryError, UnknownSymbolError
from tenor.variance import close_to_close, log_mean_ahead
from tenor.views import FrameView, listed, table_view

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

PRICES = ("open", "high", "low", "close", "adj_close")
BAR_COLUMNS = ("symbol", "session", *PRICES, "volume")
NEWS_COLUMNS = ("id", "published_at", "symbol", "text", "source", "url")
SENTIMENT_COLUMNS = (
    "symbol", "session", "n", "mean", "std", "positive", "negative",
    "surprise", "recent", "market_n", "market_mean",
)  # fmt: skip
EVENT_COLUMNS = ("symbol", "session", "kind", "known_since")
BarInterval = Literal["1d", "1h", "15m"]
LENGTHS: dict[BarInterval, pd.Timedelta] = {
    "1d": pd.Timedelta(days=1),
    "1h": pd.Timedelta(hours=1),
    "15m": pd.Timedelta(minutes=15),
}


@dataclass(frozen=True, repr=False)
class Bars(FrameView):
    """Bars, one row a symbol a session, sorted by symbol and session.

    Attributes
    ----------
    frame
        Columns `BAR_COLUMNS`. Prices in the quote currency, > 0, no NaN; `adj_close` is `close` adjusted for splits
        and dividends (equal to `close` where a source has none); `volume` in shares, >= 0.
    interval
        How long a bar is. The `session` of a daily bar is its trading date, of a shorter one the UTC moment at which
        it closed.

    Raises
    ------
    DataError
        A column is missing, or rows are duplicated, NaN, not positive or have high < low; the rows are named.
    """

    frame: pd.DataFrame
    interval: BarInterval = "1d"

    def __post_init__(self) -> None:
        frame = _with_columns(self.frame, BAR_COLUMNS, "bars")
        if frame.empty:
            raise DataError("bars: no rows. Import some with 'tenor data import PATH --store DIR'.")
        frame = frame.assign(
            symbol=frame["symbol"].astype("str"),
            session=_as_sessions(frame["session"], "bars", self.interval),
            **{c: pd.to_numeric(frame[c]).astype("float64") for c in (*PRICES, "volume")},
        )
        frame = frame.sort_values(["symbol", "session"], kind="stable", ignore_index=True)
        # column by column: all five at once would be half of the frame once more
        prices = [frame[c].to_numpy() for c in PRICES]
        _refuse(frame, ~np.logical_and.reduce([np.isfinite(p) for p in prices]), "bars: a price is missing")
        _refuse(frame, ~np.logical_and.reduce([p > 0 for p in prices]), "bars: a price is not positive")
        _refuse(frame, (frame["high"] < frame["low"]).to_numpy(), "bars: high is below low")
        volume = frame["volume"].to_numpy()
        _refuse(frame, ~(np.isfinite(volume) & (volume >= 0)), "bars: volume is missing or negative")
        _refuse(frame, frame.duplicated(["symbol", "session"]).to_numpy(), "bars: a session appears twice")
        object.__setattr__(self, "frame", frame)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols, sorted."""
        return tuple(sorted(self.frame["symbol"].unique()))

    def select(self, symbols: Sequence[str]) -> Bars:
        """Only the bars of `symbols`; raises UnknownSymbolError (with a suggestion) for one that is not here."""
        known = self.symbols
        for symbol in symbols:
            if symbol not in known:
                raise UnknownSymbolError(symbol, known)
        return replace(self, frame=self.frame[self.frame["symbol"].isin(list(symbols))])

    def until(self, session: pd.Timestamp) -> Bars:
        """Only what was known after the close of `session`."""
        return replace(self, frame=self.frame[self.frame["session"] <= session])

    def adjusted(self) -> pd.DataFrame:
        """`frame` with open, high, low and close multiplied by adj_close / close."""
        factor = self.frame["adj_close"] / self.frame["close"]
        return self.frame.assign(**{c: self.frame[c] * factor for c in ("open", "high", "low", "close")})

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the rows: the same rows give the same text, in whatever order they came."""
        return _fingerprint(self.frame)


@dataclass(frozen=True, repr=False)
class News(FrameView):
    """Dated texts about symbols.

    Attributes
    ----------
    frame
        Columns `NEWS_COLUMNS`; `published_at` in UTC; `id` is `news_id(source, text)`; one row an (id, symbol,
        published_at), sorted by published_at, symbol and id.

    Raises
    ------
    DataError
        A column is missing, or an item has no time of publication or a time without a zone.
    """

    frame: pd.DataFrame

    def __post_init__(self) -> None:
        frame = _with_columns(self.frame, NEWS_COLUMNS, "news")
        if not isinstance(frame["published_at"].dtype, pd.DatetimeTZDtype):
            raise DataError("news: 'published_at' has no time zone: convert it to UTC first.")
        undated = frame["published_at"].isna().to_numpy()
        if undated.any():
            raise DataError(f"news: {int(undated.sum())} items have no time of publication: drop or date them first.")
        frame = frame.assign(
            published_at=frame["published_at"].dt.tz_convert("UTC").astype("datetime64[us, UTC]"),
            **{c: frame[c].astype("str") for c in ("id", "symbol", "text", "source", "url")},
        )
        frame = frame.drop_duplicates(["id", "symbol", "published_at"])
        frame = frame.sort_values(["published_at", "symbol", "id"], kind="stable", ignore_index=True)
        object.__setattr__(self, "frame", frame)


def news_id(source: str, text: str) -> str:
    """The identity of an item: 16 hex digits of SHA-256 over its source and text."""
    return hashlib.sha256(f"{source}\x00{text}".encode()).hexdigest()[:16]


@dataclass(frozen=True, repr=False)
class DailySentiment(FrameView):
    """What was said about a symbol, as far as it was known at a session's cut-off.

    Attributes
    ----------
    frame
        Columns `SENTIMENT_COLUMNS`, one row a symbol a session with at least one item (a session without news has no
        row). `n` items; `mean`, `std` of their scores (-1..1); `positive`, `negative` shares (0..1); `surprise` =
        `mean` less its trailing mean; `recent` = decayed mean over the last sessions; `market_n`, `market_mean` over
        all symbols of that session.
    interval
        What a session is here, as in `Bars`.
    """

    frame: pd.DataFrame
    interval: BarInterval = "1d"

    def __post_init__(self) -> None:
        frame = _with_columns(self.frame, SENTIMENT_COLUMNS, "sentiment")
        numbers = SENTIMENT_COLUMNS[2:]
        frame = frame.assign(
            symbol=frame["symbol"].astype("str"),
            session=_as_sessions(frame["session"], "sentiment", self.interval),
            **{c: pd.to_numeric(frame[c]).astype("float64") for c in numbers},
        )
        frame = frame.sort_values(["symbol", "session"], kind="stable", ignore_index=True)
        _refuse(frame, ~np.isfinite(frame[list(numbers)].to_numpy()).all(axis=1), "sentiment: a number is missing")
        _refuse(frame, (frame["n"] < 1).to_numpy(), "sentiment: a row without items")
        _refuse(frame, frame.duplicated(["symbol", "session"]).to_numpy(), "sentiment: a session appears twice")
        object.__setattr__(self, "frame", frame)

    def until(self, session: pd.Timestamp) -> DailySentiment:
        """Only what was known at the cut-off of `session`."""
        return replace(self, frame=self.frame[self.frame["session"] <= session])

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the rows."""
        return _fingerprint(self.frame)


@dataclass(frozen=True)
class Events:
    """What is known ahead: earnings dates, dividends, releases.

    Attributes
    ----------
    frame
        Columns `EVENT_COLUMNS`; `symbol` is empty where the event is of all symbols, `session` its date, `known_since`
        the moment (UTC) from which the date was known; one row a symbol, session and kind, sorted by session.

    Raises
    ------
    DataError
        A column or a value is missing, an event appears twice, or was known only after its day.
    """

    frame: pd.DataFrame

    def __post_init__(self) -> None:
        frame = _with_columns(self.frame, EVENT_COLUMNS, "events")
        if not isinstance(frame["known_since"].dtype, pd.DatetimeTZDtype):
            raise DataError("events: 'known_since' has no time zone: convert it to UTC first.")
        frame = frame.assign(
            symbol=frame["symbol"].fillna("").astype("str"),
            session=_as_sessions(frame["session"], "events", "1d"),
            kind=frame["kind"].astype("str"),
            known_since=frame["known_since"].dt.tz_convert("UTC").astype("datetime64[us, UTC]"),
        )
        frame = frame.sort_values(["session", "symbol", "kind"], kind="stable", ignore_index=True)
        _refuse(frame, frame["known_since"].isna().to_numpy(), "events: known_since is missing")
        _refuse(frame, (frame["kind"] == "").to_numpy(), "events: the kind is missing")
        # a day later: the day of an event ends at a close, which in UTC may be of the next date
        late = frame["known_since"] >= frame["session"].dt.tz_localize("UTC") + pd.Timedelta(days=2)
        _refuse(frame, late.to_numpy(), "events: known only after the day of the event")
        _refuse(frame, frame.duplicated(["symbol", "session", "kind"]).to_numpy(), "events: an event appears twice")
        object.__setattr__(self, "frame", frame)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds there are, sorted."""
        return tuple(sorted(self.frame["kind"].unique()))

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the rows."""
        return _fingerprint(self.frame)


_LEFT_OUT: Any = None
"""Of a field that `Panel` fills in."""


@dataclass(frozen=True, repr=False)
class Panel:
    """Everything a model may see, dense over sessions and symbols.

    Attributes
    ----------
    values
        [session, symbol, feature] float32, finite; 0 where `mask` is False. Row t holds what was known after the
        close of session t.
    mask
        [session, symbol] bool; True where the symbol traded and every feature was known.
    targets
        [session, symbol, horizon] float32; log return of the adjusted close from t to t + h sessions; NaN where it is
        not known (yet).
    volatility
        [session, symbol] float32; EWMA of daily log returns' root mean square up to t, one session; NaN where `mask`
        is False.
    variance
        [session, symbol] float64; what the symbol moved since its last session (`tenor.variance`); NaN where it did
        not trade. Left out, it is that of the closes.
    log_variance
        [session, symbol, horizon] float32; log of the mean of `variance` over t + 1 .. t + h, the target of risk; NaN
        where it is not known (yet). Left out, it follows from `variance`.
    open, close
        [session, symbol] float64; adjusted prices; NaN where the symbol did not trade.
    sessions, symbols, features, horizons
        The names of the axes.
    calendar
        Whose sessions they are, and so how many make a year.
    """

    values: Float32
    mask: Bool
    targets: Float32
    volatility: Float32
    open: Float64
    close: Float64
    sessions: pd.DatetimeIndex
    symbols: tuple[str, ...]
    features: tuple[str, ...]
    horizons: tuple[int, ...]
    calendar: str = "XNYS"
    variance: Float64 = _LEFT_OUT
    log_variance: Float32 = _LEFT_OUT

    def __post_init__(self) -> None:
        if self.variance is _LEFT_OUT:
            object.__setattr__(self, "variance", close_to_close(self.close))
        if self.log_variance is _LEFT_OUT:
            object.__setattr__(self, "log_variance", log_mean_ahead(self.variance, self.close, self.horizons))
        grid = (len(self.sessions), len(self.symbols))
        shapes = {
            "values": (*grid, len(self.features)),
            "mask": grid,
            "targets": (*grid, len(self.horizons)),
            "volatility": grid,
            "variance": grid,
            "log_variance": (*grid, len(self.horizons)),
            "open": grid,
            "close": grid,
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise DataError(f"panel: {name} has shape {getattr(self, name).shape}, its axes say {shape}.")
        if not self.sessions.is_monotonic_increasing or not self.sessions.is_unique:
            raise DataError("panel: its sessions are not in order.")

    def __repr__(self) -> str:
        span = " … ".join(labels(self.sessions[[0, -1]])) if len(self.sessions) else "no sessions"
        size = f"{len(self.symbols)} symbols, {len(self.sessions):,} sessions {span}, {len(self.features)} features"
        return f"Panel({size}, horizons {listed(self.horizons)}, {self.calendar})"

    def _repr_html_(self) -> str:
        names = {"symbols": self.symbols, "features": self.features}
        rows = [
            (axis, len(each), ", ".join(each[:8]) + (" …" if len(each) > 8 else "")) for axis, each in names.items()
        ]
        rows.insert(
            1,
            ("sessions", len(self.sessions), " … ".join(labels(self.sessions[[0, -1]])) if len(self.sessions) else ""),
        )
        rows.append(("horizons", len(self.horizons), ", ".join(map(str, self.horizons))))
        cells = f"{int(self.mask.sum()):,} cells have all features: .to_frame() has them, a row each."
        return table_view(repr(self), pd.DataFrame(rows, columns=["axis", "length", "values"]), notes=(cells,))

    def to_frame(self) -> pd.DataFrame:
        """A row a cell that is masked in: ``symbol, session``, the features, and ``target_1`` …, the returns ahead."""
        rows, columns = np.nonzero(self.mask.T)[::-1]
        numbers = np.concatenate((self.values[rows, columns], self.targets[rows, columns]), axis=1)
        frame = pd.DataFrame(numbers, columns=[*self.features, *(f"target_{horizon}" for horizon in self.horizons)])
        frame.insert(0, "session", self.sessions[rows])
        frame.insert(0, "symbol", np.array(self.symbols, dtype=object)[columns])
        return frame

    def windows(self, lookback: int) -> Float32:
        """Every run of `lookback` sessions, [session - lookback + 1, symbol, lookback, feature], as a view: no copy.

        Window i ends at session i + lookback - 1.
        """
        if len(self.sessions) < lookback:
            raise HistoryError(
                f"{len(self.sessions)} sessions are too few for a lookback of {lookback}: "
                "import more history or lower model.lookback."
            )
        view = np.lib.stride_tricks.sliding_window_view(self.values, lookback, axis=0)
        return np.moveaxis(view, -1, 2)

    def between(self, start: int, stop: int) -> Panel:
        """Sessions start .. stop - 1, as views."""
        cut = slice(start, stop)
        return replace(
            self,
            values=self.values[cut],
            mask=self.mask[cut],
            targets=self.targets[cut],
            volatility=self.volatility[cut],
            variance=self.variance[cut],
            log_variance=self.log_variance[cut],
            open=self.open[cut],
            close=self.close[cut],
            sessions=self.sessions[cut],
        )

    def horizon_index(self, horizon: int) -> int:
        """The place of `horizon` on the last axis of `targets`."""
        if horizon not in self.horizons:
            raise DataError(f"horizon {horizon} is not in this panel; it has {list(self.horizons)}.")
        return self.horizons.index(horizon)

    def symbol_index(self, symbol: str) -> int:
        """The place of `symbol` on the symbol axis; raises UnknownSymbolError with a suggestion."""
        if symbol not in self.symbols:
            raise UnknownSymbolError(symbol, self.symbols)
        return self.symbols.index(symbol)


@dataclass(frozen=True)
class Predictions:
    """The predictions of one model at every cell of a panel.

    Attributes
    ----------
    model
        The model's name, as it stands in tables.
    mean
        [session, symbol, horizon] float32; expected log return from t to t + h, made after the close of t; NaN where
        there is none.
    p_up
        [session, symbol, horizon] float32; P(return > 0); NaN where there is no prediction.
    lower, upper
        The same shape, bounds of the 90 % interval of the return, or None for a model that gives none.
    risk
        How far the return may lie from zero, or None for a model that forecasts no volatility.
    """

    model: str
    mean: Float32
    p_up: Float32
    lower: Float32 | None = None
    upper: Float32 | None = None
    risk: Risk | None = None

    def __post_init__(self) -> None:
        for name in ("p_up", "lower", "upper"):
            value = getattr(self, name)
            if value is not None and value.shape != self.mean.shape:
                raise DataError(f"predictions of {self.model}: {name} has shape {value.shape}, mean {self.mean.shape}.")


@dataclass(frozen=True, repr=False)
class Forecast:
    """One symbol, one horizon, made after the close of a session.

    Attributes
    ----------
    as_of
        UTC; the latest moment of information used (that session's close).
    session
        The last session seen, of the model's calendar.
    target_session
        The session the forecast is for.
    expected_return
        Log return to the close of `target_session`; `price` the adjusted close that it means. Of a symbol of another
        market: from its last close known at the one to its last known at the other (``docs/sources.md``).
    last_price
        Adjusted close of `session`.
    lower, upper
        90 % interval of the price: the quantiles 0.05 and 0.95.
    p_up
        P(return > 0).
    volatility
        Forecast standard deviation of the log return of one session, over the horizon.
    volatility_rank
        Its place in the symbol's own last year: the share of that year's forecasts of the same horizon that were lower.
    baseline_volatility
        What an exponentially weighted mean of past squared returns (half-life 20 sessions) says, to compare with.
    quantiles
        Of the price, by level (``"0.01"`` to ``"0.99"``).
    value_at_risk, expected_shortfall
        By confidence (``"0.95"``, ``"0.99"``): the loss over the horizon, a share of `last_price`, that is exceeded
        with the remaining probability; and the mean loss where it is. Above 0 is a loss.
    verdict
        What is known of how good such forecasts are, in one sentence.
    attention_time
        Weight of each of the last L sessions in the forecast of risk (by date, they sum to 1).
    attention_features
        Mean weight of each feature over those sessions (they sum to 1).
    """

    symbol: str
    as_of: pd.Timestamp
    session: pd.Timestamp
    target_session: pd.Timestamp
    horizon: int
    expected_return: float
    last_price: float
    price: float
    lower: float
    upper: float
    p_up: float
    volatility: float
    volatility_rank: float
    baseline_volatility: float
    quantiles: dict[str, float]
    value_at_risk: dict[str, float]
    expected_shortfall: dict[str, float]
    verdict: str
    attention_time: dict[str, float]
    attention_features: dict[str, float]
    model_version: str

    def __repr__(self) -> str:
        ahead = "the next session" if self.horizon == 1 else f"{self.horizon} sessions ahead"
        return (
            f"Forecast({self.symbol} {label(self.session, intraday=self.intraday)}, {ahead}: {self.lower:.6g} to "
            f"{self.upper:.6g} (90 %), volatility {100 * self.volatility:.2f} %, P(up) {self.p_up:.2f})"
        )

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON scalars; sessions as `label` writes them, `as_of` in ISO 8601."""
        plain = dict(self.__dict__)
        plain["as_of"] = self.as_of.isoformat()
        for key in ("session", "target_session"):
            plain[key] = label(getattr(self, key), intraday=self.intraday)
        return plain

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Forecast:
        """Read what `to_json` wrote, to the bit."""
        moments = {key: pd.Timestamp(values[key]) for key in ("as_of", "session", "target_session")}
        return cls(**{**values, **moments})

    @property
    def intraday(self) -> bool:
        """Whether its sessions are bars within a day: those are named by their close, which `as_of` is too."""
        return self.session == self.as_of.tz_convert("UTC").tz_localize(None)


def label(session: pd.Timestamp, *, intraday: bool) -> str:
    """A session as text: a date (YYYY-MM-DD), or the UTC moment of a bar's close (YYYY-MM-DDTHH:MM)."""
    return f"{session:%Y-%m-%dT%H:%M}" if intraday else f"{session:%Y-%m-%d}"


def labels(sessions: pd.DatetimeIndex) -> list[str]:
    """The sessions of one axis as texts, all of one form (see `label`)."""
    intraday = within_days(sessions)
    return [label(session, intraday=intraday) for session in sessions]


def within_days(sessions: pd.DatetimeIndex) -> bool:
    """Whether the sessions of an axis are bars within days: dates are midnights, all of them."""
    return bool((sessions != sessions.normalize()).any())


def _with_columns(frame: pd.DataFrame, columns: Sequence[str], what: str) -> pd.DataFrame:
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise DataError(
            f"{what}: no column {', '.join(map(repr, missing))}; it has {', '.join(map(str, frame.columns))}."
        )
    return frame.loc[:, list(columns)]


def _as_sessions(column: pd.Series[Any], what: str, interval: BarInterval) -> pd.Series[Any]:
    dates = pd.to_datetime(column)
    if isinstance(dates.dtype, pd.DatetimeTZDtype):
        meaning = "a trading date" if interval == "1d" else "a bar's close in UTC"
        raise DataError(f"{what}: 'session' is {meaning} and has no time zone; it came as {dates.dtype}.")
    if interval != "1d":
        if dates.isna().any():
            raise DataError(f"{what}: 'session' is missing in some rows: it must be the UTC moment of a bar's close.")
        return dates.astype("datetime64[us]")
    if dates.isna().any() or (dates != dates.dt.normalize()).any():
        raise DataError(f"{what}: 'session' is missing or has a time of day in some rows: it must be a date.")
    return dates.astype("datetime64[us]")


def _refuse(frame: pd.DataFrame, bad: NDArray[np.bool_], why: str) -> None:
    if bad.any():
        rows = frame.loc[bad, ["symbol", "session"]].head(3)
        days = labels(pd.DatetimeIndex(rows["session"]))
        named = ", ".join(f"{s} {d}" for s, d in zip(rows["symbol"], days, strict=True))
        more = int(bad.sum()) - len(rows)
        raise DataError(f"{why} at {named}{f' and {more} more' if more else ''}: repair or drop these rows.")


def _fingerprint(frame: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for column in frame.columns:
        values = frame[column]
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            values = values.dt.tz_convert("UTC").dt.tz_localize(None)
        if pd.api.types.is_datetime64_any_dtype(values):
            digest.update(values.to_numpy().astype("datetime64[us]").astype("<i8").tobytes())
        elif pd.api.types.is_numeric_dtype(values):
            digest.update(values.to_numpy(dtype="<f8").tobytes())
        else:
            digest.update("\x00".join(values).encode())
    return digest.hexdigest()
