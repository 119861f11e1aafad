"""Agents on markets that we made ourselves: how often they claim something, and what they earn.

    python perf/rl_sanity.py noise 100 FOLDER

Trained agents stay in FOLDER, so that a stopped run goes on.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from tenor.trading.rl.accounts import Accounts, Terms
from tenor.trading.rl.sanity import MARKETS, noise, sanity_run


def speed(count: int = 256, seconds: float = 2.0) -> float:
    """Steps of the environment in a second of CPU time, of ten symbols, observations and actions included."""
    market = noise(0, sessions=1000, symbols=10)
    rng = np.random.default_rng(0)
    accounts, terms, steps = Accounts(market, Terms(), count), Terms(), 0
    actions = rng.uniform(-1, 1, (count, 10))
    begun = time.process_time()
    while time.process_time() - begun < seconds:
        accounts.open_at(np.arange(count), rng.integers(0, 900, count))
        for _ in range(60):
            accounts.observe()
            accounts.step(terms.weights_of(actions))
            steps += count
    return steps / (time.process_time() - begun)


def main() -> None:
    """One line a run, and the sum of them."""
    kind, runs, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    if kind == "speed":
        print(f"{speed():,.0f} steps a CPU-second")
        return
    assert kind in MARKETS, f"{kind!r} is none of {', '.join(MARKETS)}, speed"
    claims, ratios = 0, []
    for number in range(runs):
        verdict = sanity_run(kind, number, folder).verdict
        claims += verdict.claims
        ratios.append(verdict.agent.sharpe)
        print(
            f"{kind} {number}: claims {verdict.claims}, Sharpe ratio {ratios[-1]:.2f}; {verdict.sentence}", flush=True
        )
    print(f"{kind}: {claims} of {runs} claim something; Sharpe ratios {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
