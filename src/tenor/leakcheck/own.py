"""Checks own features before training: do they contain anything that was not yet known?

Functions are run with changed futures (`check_features`). Tables are tested for information on later moves
(`check_dataset` if there is one row per session, `_sparse_leads` if there are few rows), static tables for statistics
of the whole history, and events for dates that can't have been known at the stated time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from tenor.calendars import interval_of
from tenor.errors import DataError
from tenor.features.axis import Axis, calendars_of
from tenor.features.own import Own, OwnFunction, OwnTable, StaticTable
from tenor.features.own.functions import COLUMNS, frame_of
from tenor.leakcheck.functions import check_features
from tenor.leakcheck.lead import BEYOND_CHANCE, LEAST_ROWS, MOST_AHEAD, PLAIN
from tenor.leakcheck.report import LeakFinding, LeakReport
from tenor.leakcheck.runner import RunProgress
from tenor.leakcheck.tables import check_dataset
from tenor.schema import Bars, Events, Float64

FUNCTION_SYMBOLS, FUNCTION_SESSIONS = 4, 750
"""Number of symbols, and of latest sessions, on which a function is checked."""
LEAST_EVENTS = 30
"""Least number of rows of a sparse table for a test."""
HELD = 0.5
"""If a daily column changes in at most this share of its rows, the changes are also tested like a sparse table."""
LEAST_SYMBOLS = 6
"""Least number of symbols of a static table for a test."""
FARTHEST_KNOWN = pd.Timedelta(days=3 * 366)
"""Event dates further ahead than this can't all have become known on one day."""
_ALIKE = 1e-6
"""If 1 - r² is below this, a static column is an affine function of a statistic."""


def check_own(
    own: Own,
    bars: Bars,
    *,
    calendar: str = "XNYS",
    train_end: pd.Timestamp | None = None,
    seed: int = 0,
) -> dict[str, LeakReport]:
    """Check each own feature.

    Parameters
    ----------
    own
        The fitted own features, with their events.
    bars
        The bars that the features are computed from.
    calendar
        The exchange calendar of the panel.
    train_end
        The last session of the training part, for the check of static tables.
    seed
        Seed of the random changes.

    Returns
    -------
    dict of str to LeakReport
        The report of each own feature by its name, and of events by their kind.

    Raises
    ------
    DataError
        A function can't be run, or there are too few bars to check it.
    """
    reports = {f.name: check_own_function(f, bars, calendar=calendar, seed=seed) for f in own.functions}
    market = _Market.of(bars, calendar)
    for table in own.tables:
        reports[table.name] = _check_table(table, market, calendar)
    for static in own.statics:
        reports[static.name] = _check_static(static, market, train_end)
    for kind in own.kinds:
        if own.events is not None:
            reports[kind.kind] = _check_events(kind.kind, own.events)
    return reports


@dataclass(frozen=True)
class _Market:
    """Closes of all symbols on one axis.

    Attributes
    ----------
    axis
        The sessions.
    symbols
        The symbols, in the order of the columns.
    returns
        [session, symbol]; log return since the previous bar of the symbol; NaN if there is none.
    """

    axis: Axis
    symbols: tuple[str, ...]
    returns: Float64

    @classmethod
    def of(cls, bars: Bars, calendar: str) -> _Market:
        axis = Axis.of(bars, calendar)
        returns = np.full((len(axis.sessions), len(bars.symbols)), np.nan)
        calendars = calendars_of(bars.symbols, calendar)
        by_symbol = bars.frame.groupby("symbol", sort=True)
        for i, ((_, rows), own) in enumerate(zip(by_symbol, calendars, strict=True)):
            place, bar = axis.rows(pd.DatetimeIndex(rows["session"]), own)
            close = np.log(rows["adj_close"].to_numpy())[bar]
            returns[place, i] = np.diff(close, prepend=np.nan)
        return cls(axis, bars.symbols, returns)

    def of_symbol(self, symbol: str) -> Float64:
        """[session]; returns of a symbol, or for ``""`` the mean over all symbols."""
        if symbol:
            return np.asarray(self.returns[:, self.symbols.index(symbol)])
        known = np.isfinite(self.returns)
        return np.asarray(np.nansum(self.returns, axis=1) / np.maximum(known.sum(axis=1), 1))

    def beside_market(self, symbol: str) -> Float64:
        """[session]; the return of a symbol minus the mean of all; for ``""`` or a single symbol, the return itself."""
        if not symbol or len(self.symbols) == 1:
            return self.of_symbol(symbol)
        return self.of_symbol(symbol) - self.of_symbol("")


def check_own_function(
    function: OwnFunction, bars: Bars, *, calendar: str = "XNYS", seed: int = 0, progress: RunProgress | None = None
) -> LeakReport:
    """Run `check_features` on a function of one symbol's bars, for a few symbols and sessions."""
    counts = bars.frame["symbol"].value_counts(sort=False).sort_values(kind="stable", ascending=False)
    chosen = list(dict.fromkeys([*counts.index[: FUNCTION_SYMBOLS - 1], counts.index[-1]]))
    frame = bars.select(chosen).frame
    sessions = np.sort(frame["session"].unique())
    frame = frame[frame["session"] >= sessions[max(len(sessions) - FUNCTION_SESSIONS, 0)]]
    few = Bars(frame, interval_of(calendar))

    def computed(long: pd.DataFrame) -> pd.DataFrame:
        parts = []
        function.source.load(fresh=True)  # values cached from another future would hide a leak
        for symbol, rows in long.groupby("symbol", sort=True):
            factor = rows["adj_close"] / rows["close"]
            prices = {c: (rows[c] * factor).to_numpy(dtype="float64") for c in COLUMNS[:4]}
            series = {**prices, "volume": (rows["volume"] / factor).to_numpy(dtype="float64")}
            try:
                columns = function.compute(frame_of(pd.DatetimeIndex(rows["session"]), series), str(symbol))
            except DataError as error:
                raise (error.__cause__ or error) from None
            parts.append(pd.DataFrame({**columns, "symbol": symbol, "session": rows["session"].to_numpy()}))
        return pd.concat(parts, ignore_index=True)

    return check_features(computed, few, cuts=3, calendar=calendar, seed=seed, name=function.name, progress=progress)


def _check_table(table: OwnTable, market: _Market, calendar: str) -> LeakReport:
    findings = _known_too_early(table)
    notes: list[str] = []
    checked = [f"{len(table.frame)} rows, known since {table.frame['known_since'].min():%Y-%m-%d} at the earliest"]
    rows = _placed(table, market)
    counts = rows.groupby("symbol").size()
    dense = counts[counts >= LEAST_ROWS].index
    daily = rows[rows["symbol"].isin(list(dense))]
    if len(daily):
        report = _check_daily(table, daily, market, calendar)
        findings += report.findings
        checked += report.checked
        if not report.findings:  # a value carried forward from day to day has information only on its first day
            for column in table.numbers:
                changed = _changes(rows, column)
                if len(changed) <= HELD * len(rows):
                    findings += _sparse_leads(table.name, [column], changed, market)
                    checked.append(f"likewise the {len(changed)} rows in which {column!r} changes")
    else:
        leads = list(_sparse_leads(table.name, table.numbers, rows, market))
        findings += leads
        (checked if len(rows) >= LEAST_EVENTS else notes).append(
            f"whether a value knows the returns of the {MOST_AHEAD} sessions after it became known: {len(rows)} rows"
            + ("" if len(rows) >= LEAST_EVENTS else f", {LEAST_EVENTS} are needed")
        )
    return LeakReport(tuple(findings), tuple(checked), tuple(notes))


def _known_too_early(table: OwnTable) -> list[LeakFinding]:
    """Finding for rows whose known_since is before their own session."""
    frame = table.frame
    early = frame[(frame["known_since"].dt.tz_localize(None) < frame["session"]).to_numpy()]
    if early.empty:
        return []
    row = early.iloc[0]
    of, day = row["symbol"] or "all symbols", f"{row['session']:%Y-%m-%d}"
    text = (
        f"{len(early)} of {len(frame)} rows were known before the session that they are of: {of} {day}, known since "
        f"{row['known_since']:%Y-%m-%d}; the session of an estimate is the day on which it was made"
    )
    return [LeakFinding("future_value", f"table {table.name!r}", text)]


def _placed(table: OwnTable, market: _Market) -> pd.DataFrame:
    """The rows that become known on the axis, the last one per symbol and session, with their index ``place`` on it."""
    frame = table.frame
    place = np.asarray(market.axis.closes.searchsorted(pd.DatetimeIndex(frame["known_since"])))
    inside = (place < len(market.axis.sessions)) & frame["symbol"].isin(["", *market.symbols]).to_numpy()
    inside &= (frame["known_since"] >= market.axis.closes[0] - pd.Timedelta(days=1)).to_numpy()
    rows = frame[inside].assign(place=place[inside])
    return rows.drop_duplicates(["symbol", "place"], keep="last")


def _check_daily(table: OwnTable, rows: pd.DataFrame, market: _Market, calendar: str) -> LeakReport:
    """Run `check_dataset` on the rows with the price of the session in which each became known."""
    parts = []
    for symbol, of_symbol in rows.groupby("symbol"):
        price = np.exp(np.cumsum(np.nan_to_num(market.of_symbol(str(symbol)))))
        columns = {f"{table.name}.{c}": of_symbol[c].to_numpy() for c in table.numbers}
        dates = market.axis.sessions[of_symbol["place"]]
        close = {"close": 100 * price[of_symbol["place"]]}
        parts.append(pd.DataFrame({"symbol": str(symbol) or "all", "session": dates, **columns, **close}))
    frame = pd.concat(parts, ignore_index=True)
    features = [f"{table.name}.{c}" for c in table.numbers]
    return check_dataset(frame, features=features, price="close", date="session", symbol="symbol", calendar=calendar)


def _changes(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows in which the value of `column` differs from the symbol's previous row."""
    known = rows[rows[column].notna()].sort_values(["symbol", "place"], kind="stable")
    before = known.groupby("symbol")[column].shift()
    return known[(known[column] != before).to_numpy()]


def _sparse_leads(name: str, columns: Sequence[str], rows: pd.DataFrame, market: _Market) -> Iterator[LeakFinding]:
    """Findings for columns that explain later returns better than a table without a leak can."""
    if len(rows) < LEAST_EVENTS:
        return
    count = len(market.axis.sessions)
    ahead: list[Float64] = []  # [row, session ahead]
    for symbol, place in zip(rows["symbol"], rows["place"], strict=True):
        returns = market.beside_market(symbol)
        steps = np.arange(place + 1, place + 1 + MOST_AHEAD)
        ahead.append(np.where(steps < count, returns[np.minimum(steps, count - 1)], np.nan))
    moves = np.vstack(ahead)
    sums = {f"the next {k}": moves[:, :k].sum(axis=1) for k in (2, 3, 5, 10, 20, 30)}
    singles = {f"session {k + 1} alone": moves[:, k] for k in range(MOST_AHEAD)}
    for column in columns:
        values = rows[column].to_numpy(dtype="float64")
        change = rows.groupby("symbol")[column].diff().to_numpy(dtype="float64")
        best = max(
            (
                (*_explained(form, move), words)
                for form in (values, change)
                for words, move in {**sums, **singles}.items()
            ),
            default=(0.0, 1.0, ""),
        )
        share, chance, words = best
        if share >= PLAIN and chance < BEYOND_CHANCE:
            text = (
                f"{share:.0%} of its values is explained by returns after the row became known ({words}; an honest "
                f"table stays below {PLAIN:.0%}; {len(rows)} rows): known_since lies before the value was known"
            )
            yield LeakFinding("future_value", f"column {column!r} of table {name!r}", text)


def _explained(x: Float64, y: Float64) -> tuple[float, float]:
    """The squared correlation of `x` and `y` with clipped extremes, and its p-value."""
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < LEAST_EVENTS:
        return 0.0, 1.0
    a, b = (np.clip(v, *np.quantile(v, [0.02, 0.98])) for v in (x[both], y[both]))
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0, 1.0
    result = stats.pearsonr(a, b)
    return float(result.statistic) ** 2, float(result.pvalue)


def _check_static(table: StaticTable, market: _Market, train_end: pd.Timestamp | None) -> LeakReport:
    """Check whether a column is a statistic of the whole history, or contains information on returns after training."""
    stop = len(market.axis.sessions) if train_end is None else int(market.axis.sessions.searchsorted(train_end)) + 1
    symbols = [s for s in market.symbols if s in set(table.frame["symbol"])]
    if len(symbols) < LEAST_SYMBOLS or stop >= len(market.axis.sessions) - 20:
        note = f"whether it knows the future: {len(symbols)} symbols, {LEAST_SYMBOLS} are needed, and 20 later sessions"
        return LeakReport((), (), (note,))
    columns = [market.symbols.index(s) for s in symbols]
    whole, past, later = (
        _statistics(market.returns[rows][:, columns]) for rows in (slice(None), slice(stop), slice(stop, None))
    )
    rows = table.frame.set_index("symbol").loc[symbols]
    findings = []
    for column in table.values:
        text = column in table.texts
        cells = rows[column]
        dummies = (
            {str(c): (cells == c).to_numpy(dtype="float64") for c in sorted(set(cells.dropna()))}
            if text
            else {"": cells.to_numpy(dtype="float64")}
        )
        known = np.column_stack(list(dummies.values()))
        words = _statistic_of(known, whole, past) or _knows_later(
            known, later["the mean return"], past["the mean return"]
        )
        if words:
            findings.append(LeakFinding("future_value", f"column {column!r} of static table {table.name!r}", words))
    line = (
        f"statistics of all returns, and those after {market.axis.sessions[stop - 1]:%Y-%m-%d}: {len(symbols)} symbols"
    )
    return LeakReport(tuple(findings), (line,))


def _statistics(returns: Float64) -> dict[str, Float64]:
    """Common statistics of a whole history, each [symbol]."""
    with np.errstate(all="ignore"):
        count = np.isfinite(returns).sum(axis=0)
        mean = np.nansum(returns, axis=0) / np.maximum(count, 1)
        spread = np.sqrt(np.nansum((returns - mean) ** 2, axis=0) / np.maximum(count - 1, 1))
        simple = np.nansum(np.expm1(returns), axis=0) / np.maximum(count, 1)
        path = np.nancumsum(returns, axis=0)
        highest = np.max(path, axis=0)
        return {
            "the mean return": mean,
            "the mean simple return": simple,
            "the total return": np.expm1(path[-1]),
            "the volatility": spread,
            "the variance": spread**2,
            "the log of volatility": np.log(spread),
            "the return over volatility": mean / spread,
            "the largest return": np.fmax.reduce(returns, axis=0),
            "the smallest return": np.fmin.reduce(returns, axis=0),
            "the highest close": np.exp(highest),
            "the largest loss": np.min(path - np.maximum.accumulate(path, axis=0), axis=0),
        }


def _statistic_of(known: Float64, whole: Mapping[str, Float64], past: Mapping[str, Float64]) -> str:
    """The statistic of the whole history, and not of the training part, that a column equals, in words; else empty."""
    if known.shape[1] != 1:
        return ""
    for name, values in whole.items():
        if _unlike(known[:, 0], values) < _ALIKE and _unlike(known[:, 0], past[name]) >= _ALIKE:
            return f"it is {name} of the whole history, later sessions included: compute it up to the end of training"
    return ""


def _unlike(x: Float64, y: Float64) -> float:
    """1 - r² of `x` and `y`; 1 if one of them is constant."""
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < LEAST_SYMBOLS or np.ptp(x[both]) == 0 or np.ptp(y[both]) == 0:
        return 1.0
    return 1.0 - float(np.corrcoef(x[both], y[both])[0, 1]) ** 2


def _knows_later(known: Float64, later: Float64, past: Float64) -> str:
    """How much of the symbols' mean returns after training a column explains beyond chance, in words; else empty."""
    rows = np.isfinite(known).all(axis=1) & np.isfinite(later) & np.isfinite(past)
    x, y = known[rows][:, np.ptp(known[rows], axis=0) > 0], later[rows]
    base = np.column_stack([np.ones(rows.sum()), past[rows]])
    full = np.column_stack([base, x])
    terms = int(np.linalg.matrix_rank(full) - np.linalg.matrix_rank(base))
    free = len(y) - int(np.linalg.matrix_rank(full))
    if terms < 1 or free < 10:
        return ""
    before, after = (float(((y - m @ np.linalg.lstsq(m, y, rcond=None)[0]) ** 2).sum()) for m in (base, full))
    if after <= 0:
        return "it knows the mean returns after the training part to the digit"
    chance = float(stats.f.sf((before - after) / terms / (after / free), terms, free))
    share = 1 - after / max(before, 1e-300)
    if chance >= BEYOND_CHANCE:
        return ""
    return f"it explains {share:.0%} of the symbols' mean returns after the training part (p = {chance:.0e})"


def _check_events(kind: str, events: Events) -> LeakReport:
    frame = events.frame[events.frame["kind"] == kind]
    findings = []
    for moment, rows in frame.groupby("known_since"):
        known = pd.Timestamp(str(moment))
        last = rows["session"].max()
        if len(rows) > 1 and last - known.tz_localize(None) > FARTHEST_KNOWN:
            text = (
                f"{len(rows)} of {len(frame)} events, up to {last:%Y-%m-%d}, say that they were known since "
                f"{known:%Y-%m-%d}: nobody knew those dates then; known_since is the day on which each was announced"
            )
            findings.append(LeakFinding("future_value", f"events of the kind {kind!r}", text))
            break
    return LeakReport(tuple(findings), (f"{len(frame)} dates against the days from which they were known",))
