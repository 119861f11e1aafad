"""Judge anybody's forecasts, from files or frames, on bars. Only the baselines are fitted here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tenor.calendars import calendar_of
from tenor.config import FeatureConfig
from tenor.engines import Workers
from tenor.errors import ConfigError, DataError, HistoryError, UnknownSymbolError
from tenor.evaluation.significance import format_p
from tenor.features import build_panel
from tenor.ingest.files.forecast_files import ForecastRows, read_forecasts
from tenor.ingest.frames import bars_of
from tenor.progress import progress_bars
from tenor.referee.baselines import TAKEN, Baselines, StageProgress, cut, first_judged, fit
from tenor.referee.honesty import doubts, leaks
from tenor.referee.judging import DECIDES, Cells, cells_of, judge_horizon, losses_at, trading_of
from tenor.referee.losses import pairwise
from tenor.referee.placing import Places, horizons_of, place, raw_closes
from tenor.referee.result import LEAK, Finding, ModelResult, Pairwise
from tenor.referee.units import Given, given, short_list
from tenor.referee.words import ANSWERS, KIND_WORDS, MEASURE_WORDS, opening, pairwise_sentence
from tenor.schema import Bars, Panel
from tenor.symbols import known_as
from tenor.training import Split
from tenor.views import listed, table_view
from tenor.workspace import Workspace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Forecasts = str | Path | pd.DataFrame
_SHOWN_NOTES = 12
"""How many sentences a notebook shows below the table."""


@dataclass(frozen=True)
class Judgement:
    """The result of `tenor.judge` for one or more models.

    Attributes
    ----------
    models
        Each model's result, in the order in which they were given.
    pairwise
        Several models compared with each other, on the cells that all of them forecast.
    about
        The bars, the baselines and the days, in words.
    """

    models: tuple[ModelResult, ...]
    pairwise: tuple[Pairwise, ...]
    about: dict[str, str]

    @property
    def verdict(self) -> str:
        """One sentence for each model, and one for each comparison of models."""
        return " ".join([*(m.verdict for m in self.models), *(pairwise_sentence(p) for p in self.pairwise)])

    def __getitem__(self, name: str) -> ModelResult:
        """The result of the model `name`.

        Raises
        ------
        ConfigError
            No model has that name.
        """
        for model in self.models:
            if model.name == name:
                return model
        raise ConfigError(f"no model is called {name!r}; there are {listed([m.name for m in self.models])}.")

    def __len__(self) -> int:
        return len(self.to_frame())

    def __repr__(self) -> str:
        openings = "\n".join(f"{opening(model)}." for model in self.models)
        return f"{self._title()}\n{openings}"

    def _repr_html_(self) -> str:
        rows = [
            {
                "model": model.name,
                "forecast of": KIND_WORDS[outcome.kind],
                "horizon": outcome.horizon,
                "against": outcome.reference,
                "verdict": "no evidence" if model.marked else ANSWERS[outcome.side],
                "loss": MEASURE_WORDS[outcome.measure],
                "change, %": f"{100 * outcome.change:+.1f}".replace("-", "−"),
                "p": format_p(outcome.p),
                "days": outcome.days,
            }
            for model in self.models
            for outcome in model.outcomes
        ]
        notes = [f"{opening(model)}." for model in self.models]
        notes += [
            f"{model.name}: {finding.text}"
            for model in self.models
            for finding in model.findings
            if finding.text not in model.marked  # otherwise the opening sentence has it already
        ]
        notes += [f"{each[:1].upper()}{each[1:]}" for each in map(pairwise_sentence, self.pairwise)]
        if len(notes) > _SHOWN_NOTES:
            notes = [*notes[:_SHOWN_NOTES], f"… {len(notes) - _SHOWN_NOTES} more sentences."]
        more = ".to_frame() has every loss beside every baseline, .report('judged.html') the page."
        return table_view(self._title(), pd.DataFrame(rows), notes=(*notes, more))

    def _title(self) -> str:
        horizons = sorted({horizon for model in self.models for horizon in model.horizons})
        count, forecasts = len(self.models), sum(model.counted for model in self.models)
        ahead = f", horizon{'' if len(horizons) == 1 else 's'} {listed(horizons)}" if horizons else ""
        return f"Judgement({count} model{'' if count == 1 else 's'}{ahead}, {forecasts:,} forecasts)"

    def to_frame(self) -> pd.DataFrame:
        """A table of losses, changes and tests, with a row for each model, kind, horizon and compared model."""
        rows = []
        for model in self.models:
            for horizon, result in model.horizons.items():
                for measure, table in result.losses.items():
                    for other, comparison in table.comparisons.items():
                        rows.append(
                            {
                                "model": model.name,
                                "horizon": horizon,
                                "measure": measure,
                                "loss": table.values[model.name].value,
                                "other": other,
                                "other_loss": table.values[other].value,
                                "change": comparison.change,
                                "statistic": comparison.statistic,
                                "p": comparison.p,
                                "p_holm": comparison.holm,
                                "days": table.days,
                                "samples": table.samples,
                            }
                        )
        return pd.DataFrame(rows)

    def head(self, rows: int = 5) -> pd.DataFrame:
        """The first rows of `to_frame`."""
        return self.to_frame().head(rows)

    def plot(self, model: str | None = None, *, loss: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw the difference of a model's loss from that of each baseline, in per cent of the baseline's, by horizon.

        Parameters
        ----------
        model
            Name of the model; the first by default.
        loss
            ``log_variance_mse, qlike, crps, squared_error`` or ``brier``; by default the one that decides.
        ax
            Where to draw; new axes by default.

        Raises
        ------
        ConfigError
            There is no such model, or it was not judged by that loss.
        """
        from tenor.report.judge import draw_losses

        names = [each.name for each in self.models]
        if model is not None and model not in names:
            raise ConfigError(f"model is {model!r}; there are {listed(names)}.")
        result = self.models[0] if model is None else self[model]
        decides = [outcome.measure for outcome in result.outcomes]
        losses = list(dict.fromkeys([*decides, *(name for at in result.horizons.values() for name in at.losses)]))
        if not losses:
            raise ConfigError(f"nothing of {result.name} can be judged: there is nothing to draw.")
        if loss is not None and loss not in losses:
            raise ConfigError(f"loss is {loss!r}; {result.name} was judged by {listed(losses)}.")
        return draw_losses(result, losses[0] if loss is None else loss, ax=ax)

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "verdict": self.verdict,
            "about": self.about,
            "models": [model.to_json() for model in self.models],
            "pairwise": [pair.to_json() for pair in self.pairwise],
        }

    def report(self, path: str | Path) -> Path:
        """Write the result as one self-contained HTML file, and return its path.

        Raises
        ------
        UsageError
            The file can't be written there.
        """
        from tenor.report.judge import write_judgement

        return write_judgement(Path(path), self.models, self.pairwise, self.about)


def judge(
    forecasts: Forecasts | Sequence[Forecasts] | Mapping[str, Forecasts],
    bars: Any,
    *,
    report: str | Path | None = None,
    trained_until: str | None = None,
    columns: Mapping[str, str] | None = None,
    dates: str | None = None,
    calendar: str | None = None,
    quick: bool = False,
    workers: Workers = None,
    progress: StageProgress | bool = True,
) -> Judgement:
    """Judge anybody's forecasts beside baselines that are fitted on the bars before them.

    Parameters
    ----------
    forecasts
        A file (CSV or Parquet) or frame of forecasts, a sequence of these, or a mapping from a model's name to one. The
        columns are ``symbol``; ``session`` (the last session that the forecast knows) or ``as_of``; ``horizon`` in
        sessions; and at least one of ``price``, ``return`` (log), ``volatility`` (of one session), ``p_up`` and
        quantiles of the price ``q05`` … (``docs/judge.md``).
    bars
        A store, or bars as `tenor.bars_of` takes them.
    report
        An HTML file to write.
    trained_until
        The last session whose close the models' training used. A column of that name can state it for each row.
    columns
        From tenor's names of columns to those of the files.
    dates
        The order of dates such as 02/12/2024: ``dmy``, ``mdy`` or ``ymd``.
    calendar
        Calendar of the sessions. By default that of the symbols; New York's if they have several.
    quick
        Use only the fast baselines: no boosting, GARCH or ARIMA. Those that decide the verdict are among the fast ones.
    workers
        Processes that share the symbols of the slow baselines; None means one for each core.
    progress
        Whether to show a progress bar (on stderr), or a function that is called for every step.

    Returns
    -------
    Judgement
        The result, with ``verdict``, ``to_frame()``, ``plot()``, ``to_json()`` and ``report(path)``.

    Raises
    ------
    DataError
        A file can't be used; the message names the row, the value and the remedy. For a frame it is a `FrameError`,
        with the line of code that repairs it.
    UnknownSymbolError
        The bars have none of the symbols.
    HistoryError
        No forecast can be judged, or too few bars lie before them.
    """
    models = _read(forecasts, columns, dates, calendar)
    bars = _bars(bars, models, calendar)
    calendar = calendar or _calendar(bars.symbols)
    horizons = sorted({int(h) for rows in models for h in np.unique(horizons_of(rows, calendar)) if h > 0})
    if not horizons:
        raise DataError("no forecast has a horizon: its session and target_session are not sessions of the exchange.")
    panel = build_panel(bars, FeatureConfig(horizons=tuple(horizons), calendar=calendar, sentiment=False))
    first = first_judged(horizons)
    placed = [place(rows, panel, first=first) for rows in models]
    _require_any(models, placed, panel)
    start = min(int(p.session.min()) for p in placed if len(p.index))
    stop = max(int(p.session.max()) for p in placed if len(p.index)) + 1
    splits = cut(panel, start, stop)
    raw = raw_closes(bars, panel)
    read = [given(rows, places, panel, raw) for rows, places in zip(models, placed, strict=True)]
    with progress_bars(quiet=progress is not True) as shown:
        baselines = fit(
            panel,
            splits,
            returns=any(np.isfinite(g.mean).any() or np.isfinite(g.p_up).any() for g, *_ in read),
            risk=any(_of_risk(g) for g, *_ in read),
            quick=quick,
            workers=workers,
            progress=progress if callable(progress) else shown.arm,
        )
    judged = [
        _judge_model(rows, places, own, panel, slice(start, stop), baselines, trained_until)
        for rows, places, own in zip(models, placed, read, strict=True)
    ]
    judgement = Judgement(
        tuple(result for result, _ in judged),
        tuple(_pairwise(panel, {result.name: cells for result, cells in judged}, baselines, horizons)),
        _about(bars, panel, splits, baselines),
    )
    if report is not None:
        judgement.report(report)
    return judgement


def _read(
    forecasts: Forecasts | Sequence[Forecasts] | Mapping[str, Forecasts],
    columns: Mapping[str, str] | None,
    dates: str | None,
    calendar: str | None,
) -> list[ForecastRows]:
    named: list[tuple[str | None, Any]]
    if (isinstance(forecasts, Mapping) and "symbol" in forecasts) or _are_records(forecasts):
        table: Any = forecasts
        named = [(None, pd.DataFrame(table))]
    elif isinstance(forecasts, Mapping):
        named = list(forecasts.items())
    elif isinstance(forecasts, (list, tuple)):
        named = [(None, each) for each in forecasts]
    else:
        named = [(None, forecasts)]
    if not named or forecasts is None:
        raise ConfigError("nothing to judge: name at least one file of forecasts.")
    models: list[ForecastRows] = []
    for name, source in named:
        models += read_forecasts(source, columns=columns, dates=dates, name=name, calendar=calendar or "XNYS")
    unique: dict[str, ForecastRows] = {}
    for rows in models:
        own = f"{rows.name} (file)" if rows.name in TAKEN else rows.name
        count = 1
        while own in unique:
            count += 1
            own = f"{rows.name} ({count})"
        unique[own] = replace(rows, name=own)
    return list(unique.values())


def _are_records(forecasts: Any) -> bool:
    """Whether they are rows as mappings, one a forecast."""
    return isinstance(forecasts, (list, tuple)) and bool(forecasts) and all(isinstance(f, Mapping) for f in forecasts)


def _bars(bars: Any, models: Sequence[ForecastRows], calendar: str | None) -> Bars:
    """The bars of the symbols that are forecast."""
    wanted = sorted({str(symbol) for rows in models for symbol in rows.frame["symbol"].unique()})
    if isinstance(bars, (str, Path)):
        workspace = Workspace(str(bars))
        known = workspace.lake.symbols()
    else:
        bars = bars_of(bars, calendar=calendar)
        known = bars.symbols
    there = sorted({own for symbol in wanted if (own := known_as(symbol, set(known))) in known})
    if not there:
        raise UnknownSymbolError(wanted[0], known)
    if isinstance(bars, Bars):
        return bars.select(there)
    return workspace.bars(there, calendar=calendar or _calendar(there))


def _calendar(symbols: Sequence[str]) -> str:
    """The one calendar of all `symbols`, or New York's."""
    calendars = {calendar_of(symbol, "XNYS") for symbol in symbols}
    return calendars.pop() if len(calendars) == 1 else "XNYS"


def _require_any(models: Sequence[ForecastRows], placed: Sequence[Places], panel: Panel) -> None:
    if any(len(places.index) for places in placed):
        return
    reasons = "; ".join(each.describe() for places in placed for each in places.unjudged)
    span = f"{panel.sessions[0]:%Y-%m-%d} … {panel.sessions[-1]:%Y-%m-%d}"
    names = ", ".join(rows.name for rows in models)
    raise HistoryError(f"no forecast of {names} can be judged on bars of {span}: {reasons}.")


def _of_risk(own: Given) -> bool:
    return any(np.isfinite(each).any() for each in (own.volatility, own.variance, own.log_variance, own.quantiles))


def _judge_model(
    rows: ForecastRows,
    places: Places,
    own: tuple[Given, tuple[Finding, ...], tuple[str, ...]],
    panel: Panel,
    span: slice,
    baselines: Baselines,
    trained_until: str | None,
) -> tuple[ModelResult, Cells]:
    numbers, units, notes = own
    doubted = doubts(rows, places, panel, trained_until=trained_until)
    every = cells_of(numbers, places, panel, baselines)
    sound = np.zeros(panel.targets.shape, dtype=bool)
    sound[places.session, places.symbol, places.horizon] = ~doubted.rows
    marked = ""
    if doubted.rows.any() and doubted.rows.all():
        marked = f"every forecast is {_doubt(doubted.findings)}"
        cells = every
    else:
        cells = every.only(sound)
    horizons = {}
    findings = [*doubted.findings, *short_list(units)]
    for horizon in panel.horizons:
        at_horizon = judge_horizon(panel, span, cells, rows.name, baselines, horizon)
        if at_horizon is None:
            continue
        horizons[horizon] = at_horizon
        k = panel.horizon_index(horizon)
        of_kind = {"return": cells.mean, "p_up": cells.p_up, "volatility": cells.variance}
        losses: dict[str, tuple[float, float]] = {}
        for measure in ("log_variance_mse", "crps"):
            if measure in at_horizon.losses:
                values = at_horizon.losses[measure].values
                losses[measure] = (
                    values[rows.name].value,
                    min(value.value for name, value in values.items() if name != rows.name),
                )
        forecast = {name: each[:, :, k] for name, each in of_kind.items() if np.isfinite(each[:, :, k]).any()}
        findings += leaks(panel, forecast, horizon, losses)
    leaking = [finding for finding in findings if finding.kind == LEAK]
    if leaking and not marked:
        marked = f"it knows the future, it seems ({leaking[0].text})"
    first = min(horizons, default=0)
    trading = None
    if horizons and horizons[first].evaluation is not None:
        trading = trading_of(panel, cells, rows.name, first)
    result = ModelResult(
        name=rows.name,
        rows=len(rows),
        judged=len(places.index),
        counted=int((~doubted.rows).sum()) if not (marked and doubted.rows.all()) else len(places.index),
        unjudged=places.unjudged,
        findings=tuple(findings),
        horizons=horizons,
        trading=trading,
        marked=marked,
        notes=(*rows.notes, *notes),
    ).corrected()
    return result, cells


def _doubt(findings: Sequence[Finding]) -> str:
    words = {
        "late": "made too late",
        "hindsight": "computed in hindsight",
        "training": "within the stated training period",
    }
    return " or ".join(dict.fromkeys(words[finding.kind] for finding in findings))


def _pairwise(
    panel: Panel, cells: Mapping[str, Cells], baselines: Baselines, horizons: Sequence[int]
) -> list[Pairwise]:
    if len(cells) < 2:
        return []
    pairs = []
    for horizon in horizons:
        losses = {name: losses_at(panel, each, name, baselines, horizon) for name, each in cells.items()}
        for measure, reference in DECIDES.values():
            able = [name for name, each in losses.items() if measure in each]
            if len(able) < 2:
                continue
            common = {name: losses[name][measure][name] for name in able}
            common[reference] = losses[able[0]][measure][reference]
            pair = pairwise(measure, common, horizon, models=able, reference=reference)
            if pair is not None:
                pairs.append(pair)
    return pairs


def _about(bars: Bars, panel: Panel, splits: Sequence[Split], baselines: Baselines) -> dict[str, str]:
    train = splits[0].dates(panel.sessions)
    last = splits[-1].dates(panel.sessions)
    named = list(dict.fromkeys((*baselines.predictions, *baselines.risks)))
    return {
        "Bars": f"{len(panel.symbols)} symbols, {panel.sessions[0]:%Y-%m-%d} … {panel.sessions[-1]:%Y-%m-%d} "
        f"({panel.calendar})",
        "Judged sessions": f"{train['test'][0]} … {last['test'][1]}",
        "Baselines": ", ".join(named),
        "Fitted on": f"bars before the forecasts, {len(splits)} time{'s' if len(splits) > 1 else ''}: first "
        f"{train['train'][0]} … {train['train'][1]}, chosen on {train['validation'][0]} … {train['validation'][1]}",
        "Bars' fingerprint": bars.fingerprint()[:16],
    }
