"""Risk forecasts, from bars to a forecast of every session of the last year, in CPU time a stock.

The stocks are simulated (`contenders/risk_stocks.py`), so that the true variance is known. What each costs is linear in
stocks, and GARCH estimated at every session takes five seconds a stock: whoever is slow is measured on fewer stocks.
"""

from __future__ import annotations

from pathlib import Path

from contest import Contender, Contest, Goal

SESSIONS, TEST, FOLDS = 2_520, 252, 1


def contest(folder: Path) -> Contest:  # noqa: ARG001 - everyone simulates the same stocks
    """The regression and the whole model beside GARCH(1, 1) of both packages."""
    arch_daily = Contender(
        "arch 8.0.0 GARCH, estimated every session", "garch", "risk_arch.py", {"stocks": 1, "every": 1}
    )
    arch_monthly = Contender(
        "arch 8.0.0 GARCH, estimated every 21 sessions", "garch", "risk_arch.py", {"stocks": 4, "every": 21}
    )
    statsforecast = Contender(
        "statsforecast 2.1.1 GARCH, estimated every session", "garch", "risk_statsforecast.py", {"stocks": 1}
    )
    rivals = arch_monthly, arch_daily, statsforecast
    regression = Contender(
        "tenor's regressions, refitted every 21 sessions", "tenor", "risk_tenor.py",
        {"stocks": 500, "regression": True},
    )  # fmt: skip
    whole = Contender(
        "tenor's network and regressions", "tenor", "risk_tenor.py",
        {"stocks": 20, "regression": False},
    )  # fmt: skip
    return Contest(
        name="risk",
        title="risk forecasts of a year",
        contenders=(regression, whole, *rivals),
        goals=tuple(Goal(5, beside=rival.name, of=own.name) for own in (regression, whole) for rival in rivals),
        arguments={"sessions": SESSIONS, "test": TEST, "folds": FOLDS},
        unit="stock",
        rounds=3,
        warm_up=False,
    )
