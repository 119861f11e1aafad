"""Tables that come in from outside: bars, news, daily sentiment, events."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.errors import DataError, UnknownSymbolError
from tenor.schema.arrays import Bool
from tenor.views import FrameView

PRICES = ("open", "high", "low", "close", "adj_close")
BAR_COLUMNS = ("symbol", "session", *PRICES, "volume")
NEWS_COLUMNS = ("id", "published_at", "symbol", "text", "source", "url")
SENTIMENT_COLUMNS = (
    "symbol", "session", "n", "mean", "std", "positive", "negative",
    "surprise", "recent", "market_n", "market_mean",
)  # fmt: skip
KIND_COLUMNS = ("symbol", "session", "kind", "n", "mean")
EVENT_COLUMNS = ("symbol", "session", "kind", "known_since")
WITHDRAWN = "withdrawn_since"
"""The optional column of `Events`."""
BarInterval = Literal["1d", "1h", "15m"]
AsOf = Literal["close", "open"]
"""The moment that forecasts are made at: after the close of a session, or before the next open."""
LENGTHS: dict[BarInterval, pd.Timedelta] = {
    "1d": pd.Timedelta(days=1),
    "1h": pd.Timedelta(hours=1),
    "15m": pd.Timedelta(minutes=15),
}


@dataclass(frozen=True, repr=False)
class Bars(FrameView):
    """Bars: one row for each symbol and session, sorted by symbol and session.

    Attributes
    ----------
    frame
        Columns `BAR_COLUMNS`. Prices in the quote currency, > 0, no NaN; `adj_close` is `close` adjusted for splits
        and dividends (equal to `close` where a source has none); `volume` in shares, >= 0.
    interval
        The length of a bar. The `session` of a daily bar is its trading date; that of a shorter bar is the UTC moment
        at which it closed.

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

    @functools.cached_property
    def symbols(self) -> tuple[str, ...]:
        """The symbols, sorted."""
        return tuple(self.frame["symbol"].iloc[self.starts])

    @functools.cached_property
    def starts(self) -> NDArray[np.intp]:
        """[symbol]; the place in `frame` of each symbol's first row."""
        codes, _ = pd.factorize(self.frame["symbol"])
        return np.flatnonzero(np.diff(codes, prepend=-1))

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
        Columns `NEWS_COLUMNS`. `published_at` is in UTC, `id` is `news_id(source, text)`. There is one row for each
        combination of id, symbol and published_at; rows are sorted by published_at, symbol and id.

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
    """The id of an item: the first 16 hex digits of the SHA-256 of its source and text."""
    return hashlib.sha256(f"{source}\x00{text}".encode()).hexdigest()[:16]


@dataclass(frozen=True, repr=False)
class DailyKinds(FrameView):
    """Counts of the news about each symbol by kind and session, as known at the session's cut-off.

    Attributes
    ----------
    frame
        Columns `KIND_COLUMNS`; one row for each symbol, session and kind with at least one item. `kind` is one of
        `tenor.kinds.KINDS`, ``topic:NAME``, or empty for all readable items, whatever they are about. An item may be
        of several kinds or of none. `n` is the number of items of the kind, `mean` the mean of their scores (-1..1).
    interval
        What a session is here, as in `Bars`.
    as_of
        Up to which moment items belong to a session: its close, or the next open.

    Raises
    ------
    DataError
        A column is missing, a number is not finite, a row has no item or appears twice, or a symbol has items of a kind
        in a session that has no row of all items; the rows are named.
    """

    frame: pd.DataFrame
    interval: BarInterval = "1d"
    as_of: AsOf = "close"

    def __post_init__(self) -> None:
        frame = _with_columns(self.frame, KIND_COLUMNS, "kinds")
        frame = frame.assign(
            symbol=frame["symbol"].astype("str"),
            session=_as_sessions(frame["session"], "kinds", self.interval),
            kind=frame["kind"].fillna("").astype("str"),
            **{c: pd.to_numeric(frame[c]).astype("float64") for c in ("n", "mean")},
        )
        frame = frame.sort_values(["symbol", "session", "kind"], kind="stable", ignore_index=True)
        _refuse(frame, ~np.isfinite(frame[["n", "mean"]].to_numpy()).all(axis=1), "kinds: a number is missing")
        _refuse(frame, (frame["n"] < 1).to_numpy(), "kinds: a row without items")
        _refuse(frame, (frame["mean"].abs() > 1).to_numpy(), "kinds: a mean is not between -1 and 1")
        _refuse(frame, frame.duplicated(["symbol", "session", "kind"]).to_numpy(), "kinds: a kind appears twice")
        # sorted, the empty kind is the first row of its symbol and session
        alone = (frame["kind"] != "") & ~frame.duplicated(["symbol", "session"])
        _refuse(frame, alone.to_numpy(), "kinds: no row of all items (an empty kind)")
        object.__setattr__(self, "frame", frame)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that occur, sorted, without the empty one."""
        return tuple(sorted(kind for kind in self.frame["kind"].unique() if kind))

    def until(self, session: pd.Timestamp) -> DailyKinds:
        """Only what was known at the cut-off of `session`."""
        return replace(self, frame=self.frame[self.frame["session"] <= session])

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the rows."""
        return _fingerprint(self.frame)


@dataclass(frozen=True, repr=False)
class DailySentiment(FrameView):
    """The sentiment of the news about each symbol by session, as known at the session's cut-off.

    Attributes
    ----------
    frame
        Columns `SENTIMENT_COLUMNS`; one row for each symbol and session with at least one item (a session without news
        has no row). `n` is the number of items; `mean` and `std` are the mean and standard deviation of their scores
        (-1..1); `positive` and `negative` are the shares of such items (0..1). `surprise` is `mean` minus its trailing
        mean; `recent` is an exponentially weighted mean over the last sessions. `market_n` and `market_mean` are number
        and mean score of the items about all symbols in that session.
    interval
        What a session is here, as in `Bars`.
    as_of
        Up to which moment items belong to a session: its close, or the next open.
    kinds
        Counts of the same items by kind, or None.
    """

    frame: pd.DataFrame
    interval: BarInterval = "1d"
    as_of: AsOf = "close"
    kinds: DailyKinds | None = None

    def __post_init__(self) -> None:
        if self.kinds is not None and (self.kinds.interval, self.kinds.as_of) != (self.interval, self.as_of):
            raise DataError(
                f"sentiment of {self.interval} at the {self.as_of} has kinds of {self.kinds.interval} at the "
                f"{self.kinds.as_of}: make both by the same settings."
            )
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
        kinds = None if self.kinds is None else self.kinds.until(session)
        return replace(self, frame=self.frame[self.frame["session"] <= session], kinds=kinds)

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the rows, those of its kinds included."""
        own = _fingerprint(self.frame)
        if self.kinds is None:
            return own
        return hashlib.sha256(f"{own} {self.kinds.fingerprint()}".encode()).hexdigest()


@dataclass(frozen=True)
class Events:
    """Events whose dates are known ahead: earnings, dividends, releases of economic data.

    Attributes
    ----------
    frame
        Columns `EVENT_COLUMNS` and ``withdrawn_since``. `symbol` is empty if the event concerns all symbols. `session`
        is its date, and `known_since` the moment (UTC) from which the date was known. `withdrawn_since` is the moment
        from which the date no longer held because the event was moved or called off; NaT if it still holds. Rows are
        sorted by session; a date that was withdrawn and announced again has a row for each announcement.

    Raises
    ------
    DataError
        A column or a value is missing, an event appears twice, was known only after its day, or was withdrawn before it
        was known.
    """

    frame: pd.DataFrame

    def __post_init__(self) -> None:
        frame = _with_columns(self.frame, EVENT_COLUMNS, "events")
        never = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us, UTC]")
        frame = frame.assign(
            known_since=_in_utc(frame["known_since"], "events"),
            withdrawn_since=_in_utc(self.frame[WITHDRAWN], "events") if WITHDRAWN in self.frame else never,
        )
        frame = frame.assign(
            symbol=frame["symbol"].fillna("").astype("str"),
            session=_as_sessions(frame["session"], "events", "1d"),
            kind=frame["kind"].astype("str"),
        )
        key = ["symbol", "session", "kind"]
        frame = frame.sort_values(["session", "symbol", "kind", "known_since"], kind="stable", ignore_index=True)
        _refuse(frame, frame["known_since"].isna().to_numpy(), "events: known_since is missing")
        _refuse(frame, (frame["kind"] == "").to_numpy(), "events: the kind is missing")
        # a day later: the day of an event ends at a close, which in UTC may be of the next date
        late = frame["known_since"] >= frame["session"].dt.tz_localize("UTC") + pd.Timedelta(days=2)
        _refuse(frame, late.to_numpy(), "events: known only after the day of the event")
        back = frame[WITHDRAWN] <= frame["known_since"]
        _refuse(frame, back.to_numpy(), "events: withdrawn before it was known")
        # announced again only after it was withdrawn
        before = frame.groupby(key, sort=False)[WITHDRAWN].shift()
        twice = frame.duplicated(key) & ~(before <= frame["known_since"])
        _refuse(frame, twice.to_numpy(), "events: an event appears twice")
        object.__setattr__(self, "frame", frame)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that occur, sorted."""
        return tuple(sorted(self.frame["kind"].unique()))

    @property
    def standing(self) -> pd.DataFrame:
        """The rows that were not withdrawn."""
        return self.frame[self.frame[WITHDRAWN].isna()].reset_index(drop=True)

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the rows."""
        # events without withdrawals have the same fingerprint as before the column existed
        return _fingerprint(self.frame if self.frame[WITHDRAWN].notna().any() else self.frame[list(EVENT_COLUMNS)])


def label(session: pd.Timestamp, *, intraday: bool) -> str:
    """A session as text: a date (YYYY-MM-DD), or the UTC moment of a bar's close (YYYY-MM-DDTHH:MM)."""
    return f"{session:%Y-%m-%dT%H:%M}" if intraday else f"{session:%Y-%m-%d}"


def labels(sessions: pd.DatetimeIndex) -> list[str]:
    """The sessions of one axis as texts, all in the same form (see `label`)."""
    intraday = within_days(sessions)
    return [label(session, intraday=intraday) for session in sessions]


def within_days(sessions: pd.DatetimeIndex) -> bool:
    """Whether the sessions of an axis are intraday bars; those of an axis of days are all midnights."""
    return bool((sessions != sessions.normalize()).any())


def _with_columns(frame: pd.DataFrame, columns: Sequence[str], what: str) -> pd.DataFrame:
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise DataError(
            f"{what}: no column {', '.join(map(repr, missing))}; it has {', '.join(map(str, frame.columns))}."
        )
    return frame.loc[:, list(columns)]


def _in_utc(column: pd.Series[Any], what: str) -> pd.Series[Any]:
    if not isinstance(column.dtype, pd.DatetimeTZDtype):
        raise DataError(f"{what}: {column.name!r} has no time zone: convert it to UTC first.")
    moments: pd.Series[Any] = column.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    return moments


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


def _refuse(frame: pd.DataFrame, bad: Bool, why: str) -> None:
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
            digest.update("\x00".join(values.to_numpy(dtype=object)).encode())  # iterating over a Series is slow
    return digest.hexdigest()
