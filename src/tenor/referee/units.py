"""Convert the numbers of a file to log returns and volatilities of one session, and notice other units.

Numbers that are evidently in another unit (per cent, a year, a horizon, another currency) are reported and left out.
They are not converted, because a wrong guess would judge something that nobody forecast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tenor.calendars import exchange
from tenor.ingest.files.forecast_files import ForecastRows
from tenor.referee.placing import Places
from tenor.referee.result import UNITS, Finding
from tenor.schema import Float64, Panel

FEWEST = 5
"""The fewest forecasts from which a unit can be recognised."""
_FAR = np.log(1.5)
_HUNDRED = (np.log(50), np.log(200))
_SHOWN = 4


@dataclass(frozen=True)
class Given:
    """The forecasts of a file in tenor's units, with one number for each row that can be judged; NaN if not forecast.

    Attributes
    ----------
    mean
        Log return over the horizon.
    p_up
        The probability that the return is above 0.
    volatility
        Standard deviation of the log return of one session.
    variance, log_variance
        Mean variance of a session as tenor measures it, and its expected log.
    levels, quantiles
        Levels, and quantiles [row, level] of the log return over the horizon.
    """

    mean: Float64
    p_up: Float64
    volatility: Float64
    variance: Float64
    log_variance: Float64
    levels: tuple[float, ...]
    quantiles: Float64


def given(
    rows: ForecastRows, places: Places, panel: Panel, raw: Float64
) -> tuple[Given, tuple[Finding, ...], tuple[str, ...]]:
    """The forecasts in tenor's units, the findings about other units, and notes on what was assumed.

    Parameters
    ----------
    rows, places
        The forecasts, and the places of those that can be judged.
    panel
        The panel.
    raw
        [session, symbol]; unadjusted closes.
    """
    reader = _Reader(rows, places, panel, raw)
    prices = reader.numbers("price")
    mean = reader.numbers("return")
    if np.isfinite(prices).any():
        implied = reader.returns_of(prices[:, None], "price")[:, 0]
        mean = reader.simple_or_log(mean, implied)
        mean = np.where(np.isfinite(mean), mean, implied)
    mean = reader.sized(mean, "return")
    quantiles = rows.quantiles[places.index]
    if quantiles.size and np.isfinite(quantiles).any():
        if reader.are_prices(quantiles):
            quantiles = reader.returns_of(quantiles, "quantiles")
        else:
            spread = np.nanmax(np.abs(np.nan_to_num(quantiles)), axis=1)
            sized = reader.sized(np.where(np.isfinite(quantiles).any(axis=1), spread, np.nan), "quantiles")
            quantiles = np.where(np.isfinite(sized)[:, None], quantiles, np.nan)
    volatility = reader.volatility(reader.numbers("volatility"))
    return (
        Given(
            mean,
            reader.numbers("p_up"),
            volatility,
            reader.numbers("variance"),
            reader.numbers("log_variance"),
            rows.levels,
            quantiles,
        ),
        tuple(reader.findings),
        tuple(reader.notes),
    )


class _Reader:
    """The rows of one file that can be judged, with the panel's data of their cells."""

    def __init__(self, rows: ForecastRows, places: Places, panel: Panel, raw: Float64) -> None:
        self.rows, self.places, self.panel = rows, places, panel
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        t, i, k = places.session, places.symbol, places.horizon
        self.close, self.raw = panel.close[t, i], raw[t, i]
        self.realised = panel.targets[t, i, k].astype("float64")
        self.realised_volatility = np.exp(panel.log_variance[t, i, k].astype("float64") / 2)
        self.span = np.array(panel.horizons)[k]
        self.spread = panel.volatility[t, i].astype("float64") * np.sqrt(self.span)

    def numbers(self, column: str) -> Float64:
        """The numbers in a column of the rows that can be judged."""
        return self.rows.frame[column].to_numpy(dtype="float64")[self.places.index]

    def returns_of(self, prices: Float64, what: str) -> Float64:
        """Log returns [row, n] to `prices` [row, n] from the close (adjusted or not) that is nearest to the prices."""
        last = self.numbers("last_price")
        known = np.asarray(np.isfinite(prices).any(axis=1))
        middle = np.log(np.nanmedian(np.where(known[:, None], prices, 1.0), axis=1))
        base = np.where(np.isfinite(last), last, self.close)
        lost = np.zeros(len(prices), dtype=bool)
        for i in np.unique(self.places.symbol):
            here = np.asarray((self.places.symbol == i) & known & ~np.isfinite(last))
            if not here.any():
                continue
            away = {
                name: float(np.median(middle[here] - np.log(closes[here])))
                for name, closes in (("adjusted", self.close), ("traded", self.raw))
            }
            nearest = min(away, key=lambda name: abs(away[name]))
            if nearest == "traded" and abs(away["adjusted"]) - abs(away["traded"]) > 1e-9:
                base[here] = self.raw[here]
            limit = max(0.05, 4 * float(np.median(self.spread[here])))
            if abs(away[nearest]) > limit and here.sum() >= FEWEST:
                lost |= here
                self._scale(self.panel.symbols[i], away[nearest], int(here.sum()), what)
        returns: Float64 = np.log(prices / base[:, None])
        return np.where(lost[:, None], np.nan, returns)

    def _scale(self, symbol: str, away: float, count: int, what: str) -> None:
        factor = np.exp(away)
        if _HUNDRED[0] < abs(away) < _HUNDRED[1]:
            why = "a hundred times too large or small: pence for pounds, or cents for dollars"
        elif abs(away) > _FAR:
            why = "another currency, or prices before a split"
        else:
            why = "adjusted at another date, perhaps"
        self._finding(
            f"{what} of {symbol}: {factor:.3g} times the close ({why}): left out. Write prices as the bars have them, "
            "or add last_price, the close as the model saw it",
            count,
        )

    def simple_or_log(self, mean: Float64, implied: Float64) -> Float64:
        """`mean` as log returns; it is converted if the file's own prices show that its returns are simple returns."""
        both = np.isfinite(mean) & np.isfinite(implied)
        if both.sum() < FEWEST:
            return mean
        log_away = np.abs(mean - implied)[both]
        simple_away = np.abs(mean - np.expm1(implied))[both]
        far = np.abs(np.expm1(implied) - implied)[both] > 1e-6
        if far.sum() >= FEWEST and np.median(simple_away[far]) < 0.1 * np.median(log_away[far]):
            self._finding(
                "return holds simple returns (price / last price - 1), as the file's own prices show: their logs are "
                "judged. Write log(price / last price)",
                int(both.sum()),
                excluded=False,
            )
            return np.log1p(np.maximum(mean, -0.999))
        return mean

    def sized(self, values: Float64, what: str) -> Float64:
        """`values`, which are returns; all NaN if they are evidently in per cent or for a year."""
        known = np.isfinite(values)
        if known.sum() < FEWEST:
            return values
        size, usual = (float(np.sqrt(np.mean(each[known] ** 2))) for each in (values, self.realised))
        # forecasts of returns are smaller than realised returns; numbers ten times as large are in another unit
        if size < 10 * usual:
            return values
        self._finding(
            f"{what}: their size, {size:.3g}, is {size / usual:.3g} times that of the realised log returns: in per "
            "cent? Left out. Write 0.012 for 1.2 %, over the whole horizon",
            int(known.sum()),
        )
        return np.full(len(values), np.nan)

    def are_prices(self, quantiles: Float64) -> bool:
        """Whether the quantiles are of the price."""
        if self.rows.quantiles_of:
            return self.rows.quantiles_of == "price"
        finite = np.isfinite(quantiles)
        if (quantiles[finite] <= 0).any():
            return False
        # all above zero: prices are near the close, and returns are not above 100 %
        known = finite.any(axis=1)
        middle = np.nanmedian(quantiles[known], axis=1)
        prices = bool(np.median(middle) > 1.0 or np.median(np.abs(np.log(middle / self.close[known]))) < 1.0)
        self.notes.append(f"quantiles are read as those of the {'price' if prices else 'log return'}")
        return prices

    def volatility(self, values: Float64) -> Float64:
        """`values`; all NaN if they are evidently for a year, for the horizon, in per cent, or variances."""
        for h in np.unique(self.span):
            known = np.asarray(np.isfinite(values) & np.isfinite(self.realised_volatility) & (self.span == h))
            if known.sum() < FEWEST:
                continue
            ratio = float(np.median(values[known] / self.realised_volatility[known]))
            unit = self._unit(ratio, values[known], self.realised_volatility[known], int(h))
            if unit:
                self._finding(
                    f"volatility, {int(h)} ahead: {ratio:.3g} times what was realised in a session: {unit}. Left out. "
                    "Write the standard deviation of the log return of one session",
                    int(known.sum()),
                )
                values = np.where(known, np.nan, values)
        return values

    def _unit(self, ratio: float, values: Float64, realised: Float64, horizon: int) -> str:
        year = np.sqrt(exchange(self.panel.calendar).sessions_per_year)
        # the factor by which volatilities are too large under each reading
        of_variance = float(np.median(values / realised**2))
        if 0.6 < ratio / year < 1.6:
            return f"annualised (divide by {year:.1f}, the root of the sessions in a year)"
        if 60 < ratio < 170:
            return "in per cent (divide by 100)"
        if 0.6 < ratio / (100 * year) < 1.6:
            return "annualised and in per cent"
        if ratio < 0.1 and 0.2 < of_variance < 5:
            return "a variance (take its root, or call the column variance)"
        if horizon >= 4 and 0.75 < ratio / np.sqrt(horizon) < 1.35:
            return f"over the whole horizon (divide by the root of {horizon})"
        return ""

    def _finding(self, text: str, count: int, *, excluded: bool = True) -> None:
        self.findings.append(Finding(UNITS, text, count, excluded))


def short_list(findings: tuple[Finding, ...], most: int = _SHOWN) -> tuple[Finding, ...]:
    """`findings` with at most `most` about units; a last one says how many more there are."""
    units = [finding for finding in findings if finding.kind == UNITS]
    if len(units) <= most:
        return findings
    rest = units[most:]
    others = [finding for finding in findings if finding.kind != UNITS]
    more = Finding(UNITS, f"{len(rest)} more symbols or columns likewise", sum(f.count for f in rest), excluded=True)
    return (*units[:most], more, *others)
