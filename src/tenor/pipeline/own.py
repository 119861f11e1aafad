"""The user's own features for a training: loaded, fitted on the training part, and checked for leaks beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from tenor.config import Config, FeatureConfig, FoldConfig
from tenor.errors import ConfigError, LeakError
from tenor.features.axis import Axis
from tenor.features.own import LAKE, Own, OwnFunction
from tenor.features.own.bundle import Given
from tenor.ingest.frames import plain_frame
from tenor.schema import Bars
from tenor.workspace import Workspace

if TYPE_CHECKING:
    from tenor.leakcheck.report import LeakReport


@dataclass(frozen=True)
class Prepared:
    """The own features of a training.

    Attributes
    ----------
    config
        The settings, completed with the kinds of events that ``features.events = true`` stands for, and with the names
        of features that were given.
    own
        The features.
    leaks
        From the name of each feature to the result of the leak check; empty if there are no own features.
    """

    config: Config
    own: Own = field(default_factory=Own)
    leaks: Mapping[str, LeakReport] = field(default_factory=dict)

    def card(self) -> dict[str, Any]:
        """The entry about them in a model's card; empty if there are none."""
        if not self.own:
            return {}
        leaks = {name: [finding.describe() for finding in report.findings] for name, report in self.leaks.items()}
        allowed = sorted(name for name, findings in leaks.items() if findings)
        features = {name: list(columns) for name, columns in self.own.parts.items()}
        return {"own": {"features": features, "leaks": leaks, "leaks_allowed": allowed, **self._sums()}}

    def _sums(self) -> dict[str, Any]:
        return {"sha256": self.own.to_mapping()["sha256"]}


def prepare_own(
    workspace: Workspace,
    config: Config,
    bars: Bars,
    *,
    given: Sequence[Given] = (),
    train_end: pd.Timestamp | None = None,
    allow_leak: bool = False,
) -> Prepared:
    """The own features that `config` and `given` name, fitted up to `train_end` and checked for leaks.

    Parameters
    ----------
    workspace
        The store whose lake has events and tables.
    config
        Settings, of which ``features.own`` and ``features.events`` are used.
    bars
        The bars to train on.
    given
        Further own features: functions and frames.
    train_end
        The last session of the training part.
    allow_leak
        Train in spite of a finding; the model's card records it.

    Raises
    ------
    LeakError
        A feature sees the future.
    ConfigError
        A feature does not exist, can't be saved with the model, or has the name of another one.
    DataError
        A feature can't be computed.
    """
    features = config.features
    if isinstance(given, str) or not isinstance(given, Sequence):
        one = (
            "('sector', frame)" if hasattr(given, "columns") else repr(given) if isinstance(given, str) else "function"
        )
        raise ConfigError(f"own takes a list, own=[{one}]; it is a {type(given).__name__}.")
    if not (features.own or features.events or given):
        return Prepared(config)
    from tenor.leakcheck.own import check_own  # loads SciPy, which a training without own features does not need here

    given = [_plain(each) for each in given]
    own = Own.of(features, given=given, covariates=workspace.covariates(features)).fitted(bars, train_end)
    leaks = check_own(own, bars, calendar=features.calendar, train_end=train_end)
    refuse_leaks(leaks, allow=allow_leak)
    named = (*features.own, *map(_label, given))
    kinds = tuple(kind.kind for kind in own.kinds)
    return Prepared(replace(config, features=replace(features, own=named, events=kinds)), own, leaks)


def end_of_first_training(bars: Bars, config: Config, folds: FoldConfig) -> pd.Timestamp:
    """The last session of the training part of the first of `folds`; what was known by then is known in every fold."""
    from tenor.training.folds import walk_forward  # loads torch, as all of tenor.training

    sessions = Axis.of(bars, config.features.calendar).sessions
    first = walk_forward(sessions, folds, purge=max(config.features.horizons))[0]
    end: pd.Timestamp = sessions[first.train.stop - 1]
    return end


def refuse_leaks(leaks: Mapping[str, LeakReport], *, allow: bool) -> None:
    """Raise LeakError with the first finding of `leaks`, unless they are allowed."""
    findings = [(name, finding) for name, report in leaks.items() for finding in report.findings]
    if findings and not allow:
        name, finding = findings[0]
        more = f" ({len(findings) - 1} more findings.)" if len(findings) > 1 else ""
        raise LeakError(
            f"own feature {name!r} is refused: {finding.describe()}{more} Nothing was trained; --allow-leak trains it "
            "anyway."
        )


def require_same_code(features: FeatureConfig, own: Own, version: str) -> None:
    """Raise ConfigError if a function that `features` names is not the code with which `version` was trained."""
    trained = {function.name: function for function in own.functions}
    for spec in features.own:
        if ":" not in spec or spec.startswith(LAKE):
            continue
        function = OwnFunction.of(spec)
        if function.name in trained and function.source.text != trained[function.name].source.text:
            raise ConfigError(
                f"{function.title} is not the code that version {version} was trained with: train with it first, or "
                "leave the config out, and what was saved with the version is judged."
            )


def _plain(given: Given) -> Given:
    """A frame of whatever library as one of pandas, with what its index says as columns."""
    if not isinstance(given, tuple) or len(given) != 2 or not isinstance(given[0], str):
        return given
    return given[0], plain_frame(given[1], f"own table {given[0]!r}")


def _label(given: Given) -> str:
    if isinstance(given, tuple):
        return f"{given[0]}.csv"
    if isinstance(given, str):
        return given
    function = OwnFunction.of(given)
    return f"{function.source.file}:{function.source.name}"
