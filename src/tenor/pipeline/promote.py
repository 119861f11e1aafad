"""Is a new model better than the one in use? A paired test on sessions that neither was trained or validated on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from tenor.calendars import exchange
from tenor.errors import Conflict, ModelError, TenorError
from tenor.evaluation.significance import LEVEL, mean_test
from tenor.inference.cells import usable
from tenor.registry import Pointers, Registry
from tenor.schema import Float64, Panel
from tenor.training import Forecaster
from tenor.workspace import Workspace

ROUNDS = 5


@dataclass(frozen=True)
class Contest:
    """A challenger against the champion.

    The loss of a forecast is the squared error of log variance, since variance is what the networks can forecast. The
    loss of a day is the mean over all symbols and horizons that both models forecast.

    Attributes
    ----------
    better
        Whether the challenger's loss is lower, one-sided, at 5 %.
    days, first, last
        Number, first and last of the sessions compared, which are after both models' validation parts; the dates are
        None if there are no such sessions.
    challenger_loss, champion_loss
        Mean losses over those days.
    p
        The p-value of the difference, which allows for serial dependence (`significance.mean_test`); None if undefined.
    why
        One sentence, with the numbers.
    """

    challenger: str
    champion: str
    better: bool
    days: int
    first: str | None
    last: str | None
    challenger_loss: float | None
    champion_loss: float | None
    p: float | None
    why: str

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return asdict(self)


def compare(workspace: Workspace, challenger: str, champion: str) -> Contest:
    """Compare `challenger` with `champion` on the lake's bars; if that is impossible, `Contest.why` has the reason."""
    try:
        return _compare(workspace, challenger, champion)
    except TenorError as error:
        return _undecided(challenger, champion, f"can't be compared: {error}")


def promote(workspace: Workspace, version: str, *, force: bool = False) -> tuple[Pointers, Contest | None]:
    """Make `version` the champion if it beats the present one, or in any case with `force`.

    Returns the pointers of the registry, and the contest if there was one.

    Raises
    ------
    ModelError
        There is no such version, or it does not beat the champion; the message has the numbers.
    """
    version = workspace.registry.resolve(version)
    if force:
        before = workspace.registry.pointers().champion
        now = workspace.registry.promote(version)
        why = "it was promoted by hand (--force), whatever a comparison says."
        workspace.registry.note_contest(version, against=before, promoted=True, why=why)
        return now, None
    now, contest = challenge(workspace, version)
    if contest is not None and not contest.better:
        raise ModelError(f"{version} is not promoted: {contest.why} To promote it anyway, use --force.")
    return now, contest


def challenge(workspace: Workspace, version: str) -> tuple[Pointers, Contest | None]:
    """Promote `version` if there is no champion or if it beats the present one.

    Returns the pointers of the registry, and the contest if there was one.
    """
    return gate(workspace.registry, version, lambda champion: compare(workspace, version, champion))


def gate(registry: Registry, version: str, compared: Callable[[str], Contest]) -> tuple[Pointers, Contest | None]:
    """The rule of `challenge` for any registry; `compared` compares `version` with the champion that it is given."""
    for _ in range(ROUNDS):
        now = registry.pointers()
        if now.champion is None or now.champion == version:
            return registry.promote(version), None
        contest = compared(now.champion)
        if contest.better:
            try:
                promoted = registry.promote(version, instead_of=now.champion)
            except Conflict:  # meanwhile another version was promoted: compare with that one
                continue
            now = promoted
        registry.note_contest(version, against=contest.champion, promoted=contest.better, why=contest.why)
        return now, contest
    raise ModelError(f"the champion changed {ROUNDS} times while {version} was compared with it: try again.")


def _compare(workspace: Workspace, challenger: str, champion: str) -> Contest:
    versions = [workspace.registry.open(name) for name in (challenger, champion)]
    models = [Forecaster.from_files(version.model(), version.location) for version in versions]
    calendar = models[0].features.calendar
    if models[1].features.calendar != calendar:
        return _undecided(challenger, champion, "they do not stand on the same sessions (features.calendar).")
    horizons = sorted(set(models[0].horizons) & set(models[1].horizons))
    known = workspace.lake.symbols(calendar)
    symbols = sorted(set(models[0].symbols) & set(models[1].symbols) & set(known))
    if not horizons or not symbols:
        return _undecided(challenger, champion, "they have no symbol and horizon in common.")
    start = max(pd.Timestamp(model.split["test"][0]) for model in models)
    ours = _losses(models[0], workspace, symbols, horizons, start)
    theirs = _losses(models[1], workspace, symbols, horizons, start)
    days = ours.index.intersection(theirs.index)
    # [day, symbol x horizon], the same cells of both
    a, b = ours.loc[days].to_numpy(), theirs.loc[days].to_numpy()
    both = np.isfinite(a) & np.isfinite(b)
    compared = both.any(axis=1)
    if not compared.any():
        return _undecided(challenger, champion, "there is no session after both validation parts with a known outcome.")
    count = both[compared].sum(axis=1)
    losses: list[Float64] = [np.where(both, loss, 0.0)[compared].sum(axis=1) / count for loss in (a, b)]
    test = mean_test(losses[1] - losses[0], horizon=max(horizons), one_sided=True)
    ours_mean, theirs_mean = float(losses[0].mean()), float(losses[1].mean())
    sessions = int(compared.sum())
    first, last = map(exchange(calendar).label, days[compared][[0, -1]])
    defined = math.isfinite(test.p)
    better = defined and test.p < LEVEL
    numbers = (
        f"loss {ours_mean:.5f} against {theirs_mean:.5f} of champion {champion} over {sessions} sessions that "
        f"neither has seen, {first} … {last}"
    )
    if better:
        why = f"{numbers}: better, p = {test.p:.3f}."
    elif defined:
        why = f"{numbers}: not shown to be better, p = {test.p:.2f}."
    else:
        why = f"{numbers}: too few or too equal to tell."
    p = test.p if defined else None
    return Contest(challenger, champion, better, sessions, first, last, ours_mean, theirs_mean, p, why)


def _losses(
    model: Forecaster, workspace: Workspace, symbols: list[str], horizons: list[int], start: pd.Timestamp
) -> pd.DataFrame:
    """[session from `start`, symbol and horizon]; squared error of log variance; NaN where it is not known."""
    recipe = model.recipe
    calendar = recipe.features.calendar
    bars = workspace.bars(recipe.universe(workspace.lake.symbols(calendar), ()), calendar=calendar)
    # each model gets the kind of daily sentiment that it was trained on
    sentiment = workspace.model_news(recipe)
    panel: Panel = recipe.panel(bars, sentiment, workspace.covariates(recipe.features, recipe.own))
    predictions = model.predict(panel)
    cells = usable(panel, recipe.lookback)
    assert predictions.risk is not None
    error = predictions.risk.log_variance.astype("float64") - panel.log_variance
    error[~cells] = np.nan
    rows = slice(int(panel.sessions.searchsorted(start)), None)
    loss = {
        (symbol, horizon): error[rows, panel.symbol_index(symbol), panel.horizon_index(horizon)] ** 2
        for symbol in symbols
        for horizon in horizons
    }
    return pd.DataFrame(loss, index=panel.sessions[rows])


def _undecided(challenger: str, champion: str, why: str) -> Contest:
    return Contest(challenger, champion, False, 0, None, None, None, None, None, why)
