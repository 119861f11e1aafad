"""How often does each test reject where there is no effect, and where there is one? Figure and tables of the docs.

Stocks share a market, volatility comes in bouts, returns are Student t with 4 degrees of freedom, targets of 5 sessions
overlap, and forecasts may be slow (`persistence` is their autocorrelation from day to day).

    python scripts/simulate_significance.py --figure docs/images/significance-size.svg
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from scipy import stats

from tenor.evaluation.significance import diebold_mariano, drawn_days, pesaran_timmermann, resampled
from tenor.report.style import AGAINST, CALM, FOURTH, INK, MUTED, OURS, THIRD, canvas, styled
from tenor.schema import Float64

TESTS = {
    "Diebold-Mariano": OURS,
    "day-block bootstrap": THIRD,
    "Pesaran-Timmermann by day": FOURTH,
    "Pesaran-Timmermann classic": AGAINST,
}
DAYS = (60, 120, 250, 500)
LEVELS = (0.01, 0.05, 0.10)
SYMBOLS = 20
SHARED_DRAWS = 20
"""Repetitions that share their resampled days: drawing them anew costs more than all else."""


@dataclass(frozen=True)
class World:
    """What is simulated.

    Attributes
    ----------
    horizon
        Sessions ahead.
    persistence
        Autocorrelation of the forecasts from day to day.
    known
        Share of the return that the first forecast contains.
    """

    horizon: int
    persistence: float
    known: float = 0.0


def slow(rng: np.random.Generator, shape: tuple[int, ...], persistence: float) -> Float64:
    """Normal numbers with variance 1 and autocorrelation `persistence` along the first axis."""
    out = rng.standard_normal(shape)
    for t in range(1, len(out)):
        out[t] = persistence * out[t - 1] + math.sqrt(1 - persistence**2) * out[t]
    return out


def draw(rng: np.random.Generator, days: int, world: World) -> tuple[Float64, Float64, Float64]:
    """Returns and two forecasts [day, symbol] in units of a day's volatility."""
    h = world.horizon
    bouts = np.exp(0.5 * slow(rng, (days + h, 1), 0.97))
    market = rng.standard_t(4, (days + h, 1)) / math.sqrt(2)
    own = rng.standard_t(4, (days + h, SYMBOLS)) / math.sqrt(2)
    level = np.cumsum(np.vstack([np.zeros(SYMBOLS), 0.03 + bouts * (0.6 * market + 0.8 * own)]), axis=0)
    returns = level[h : h + days] - level[:days]
    spread = 0.3 * math.sqrt(h)

    def forecast() -> Float64:
        shared, own = slow(rng, (days, 1), world.persistence), slow(rng, (days, SYMBOLS), world.persistence)
        return spread * math.sqrt(0.5) * (shared + own)

    ours, other = forecast(), forecast()
    return returns, ours + world.known * returns, other


def p_values(rng: np.random.Generator, days: int, world: World, repetitions: int) -> dict[str, Float64]:
    """P-values of each of `TESTS`, [repetition]."""
    by_test: dict[str, list[float]] = {name: [] for name in TESTS}
    h = world.horizon
    for repetition in range(repetitions):
        if repetition % SHARED_DRAWS == 0:
            drawn, block = drawn_days(days, horizon=h, seed=int(rng.integers(2**31)))
        returns, ours, other = draw(rng, days, world)
        by_test["Diebold-Mariano"].append(diebold_mariano(ours, other, returns, horizon=h).p)
        differentials = ((ours - returns) ** 2 - (other - returns) ** 2).mean(axis=1)
        draws = drawn @ differentials / days
        difference = resampled(float(differentials.mean()), draws, days=days, block=block)
        by_test["day-block bootstrap"].append(difference.p)
        direction = pesaran_timmermann(1 / (1 + np.exp(0.1 - ours)), returns, horizon=h)
        by_test["Pesaran-Timmermann by day"].append(direction.by_day.p)
        by_test["Pesaran-Timmermann classic"].append(direction.classic.p)
    return {name: np.array(values) for name, values in by_test.items()}


Shares = dict[tuple[int, int, str, float], float]
"""(horizon, days, test, level) -> share rejected."""


def size(persistence: float, repetitions: int, seed: int) -> Shares:
    """How often each test rejects where neither forecast contains anything of the return."""
    shares: Shares = {}
    for horizon in (1, 5):
        for days in DAYS:
            rng = np.random.default_rng([seed, horizon, days])
            by_test = p_values(rng, days, World(horizon, persistence), repetitions)
            for name, p in by_test.items():
                for level in LEVELS:
                    shares[horizon, days, name, level] = float((p < level).mean())
    return shares


@styled
def figure(shares: Shares, repetitions: int) -> Figure:
    """Rejections of a true null by days, one panel a horizon, at three levels, with 95 % binomial intervals."""
    mpl.rcParams["svg.fonttype"] = "path"  # a figure by itself: its letters must not depend on the reader's fonts
    drawing = canvas(4.6)
    panels = drawing.subplots(1, 2, sharey=True)
    for axes, horizon in zip(panels, (1, 5), strict=True):
        for level in LEVELS:
            axes.axhline(level, color=CALM, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        for i, (name, colour) in enumerate(TESTS.items()):
            for j, level in enumerate(LEVELS):
                rate = np.array([shares[horizon, days, name, level] for days in DAYS])
                bounds = [stats.binomtest(round(r * repetitions), repetitions).proportion_ci() for r in rate]
                errors = np.array([[r - b.low for r, b in zip(rate, bounds, strict=True)],
                                   [b.high - r for r, b in zip(rate, bounds, strict=True)]])  # fmt: skip
                axes.errorbar(
                    np.arange(len(DAYS)) + 0.17 * (i - 1.5),
                    rate,
                    yerr=errors,
                    color=colour,
                    fmt="osD^"[i],
                    markersize=5,
                    linewidth=1.4,
                    label=name if j == 0 else None,
                )
        axes.set_yscale("log")
        axes.set_ylim(0.002, 0.45)
        axes.set_yticks([*LEVELS, 0.25], ["1\u00a0%", "5\u00a0%", "10\u00a0%", "25\u00a0%"])
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_xticks(range(len(DAYS)), [str(days) for days in DAYS])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: str(DAYS[round(x)])))
        axes.grid(visible=False)
        axes.set_title(f"{horizon} session{'s' if horizon > 1 else ''} ahead")
        axes.set_xlabel("days in the test")
    panels[0].set_ylabel("share of true nulls rejected")
    drawing.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        frameon=False,
        labelcolor=INK,
        fontsize=9.5,
    )
    drawing.suptitle(
        "Tests by day reject about as often as they say; cells taken as independent do not",
        x=0.01, ha="left", color=INK, fontsize=11.5, fontweight="bold",
    )  # fmt: skip
    drawing.text(0.995, 0.995, "dashed: nominal level", ha="right", va="top", color=MUTED, fontsize=9)
    return drawing


def table(shares: Shares) -> str:
    """Markdown: percent rejected at 1 / 5 / 10 %."""
    lines = ["| days | ahead | " + " | ".join(TESTS) + " |", "| --- | --- |" + " --- |" * len(TESTS)]
    for horizon in (1, 5):
        for days in DAYS:
            rates = (
                " / ".join(f"{100 * shares[horizon, days, name, level]:.1f}" for level in LEVELS) for name in TESTS
            )
            lines.append(f"| {days} | {horizon} | " + " | ".join(rates) + " |")
    return "\n".join(lines)


def power(repetitions: int, seed: int) -> str:
    """Markdown: percent rejected at 5 % as the first forecast contains more of the return (250 days, 1 ahead)."""
    lines = ["| share of the return contained | " + " | ".join(TESTS) + " |", "| --- |" + " --- |" * len(TESTS)]
    for known in (0.0, 0.02, 0.05, 0.1, 0.2):
        by_test = p_values(np.random.default_rng([seed, 9]), 250, World(1, 0.9, known), repetitions)
        rates = (f"{100 * (p < 0.05).mean():.0f}" for p in by_test.values())
        lines.append(f"| {known:g} | " + " | ".join(rates) + " |")
    return "\n".join(lines)


def main() -> None:
    """Simulate, print the tables, draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figure", type=Path, help="where the figure goes (.svg or .png)")
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    without_memory = size(0.0, args.repetitions, args.seed)
    with_memory = size(0.9, args.repetitions, args.seed)
    print(f"Slow forecasts (autocorrelation 0.9)\n\n{table(with_memory)}\n")
    print(f"Forecasts without memory\n\n{table(without_memory)}\n")
    print(f"Power\n\n{power(args.repetitions // 4, args.seed)}")
    if args.figure:
        args.figure.parent.mkdir(parents=True, exist_ok=True)
        figure(with_memory, args.repetitions).savefig(args.figure, dpi=120, facecolor="white")


if __name__ == "__main__":
    main()
