"""On markets that we made ourselves: it wins where there is something to learn, and claims nothing where there is not.

docs/reinforcement-learning.md has the figures of a hundred runs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tenor.trading.rl.sanity import MARKETS, sanity_run

RUNS = 3


def test_the_markets_are_what_they_are_called() -> None:
    def lead(kind: str, sessions: int) -> float:
        """Correlation of the return up to a close with the one after the next open."""
        before, after = [], []
        for seed in range(20):
            market = MARKETS[kind](seed)
            close, opens = np.log(market.close), np.log(market.open)
            before.append((close[20:-8] - close[20 - sessions : -8 - sessions]).ravel())
            after.append((opens[26:-2] - opens[21:-7]).ravel())
        return float(np.corrcoef(np.concatenate(before), np.concatenate(after))[0, 1])

    assert lead("mean-reverting", 5) < -0.15
    assert lead("trending", 20) > 0.15
    assert abs(lead("noise", 5)) < 0.03


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.parametrize(("kind", "claims"), [("mean-reverting", RUNS), ("trending", RUNS), ("noise", 0)])
def test_the_agent_claims_what_there_is(kind: str, claims: int, tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    assert sum(sanity_run(kind, number, tmp_path).verdict.claims for number in range(RUNS)) == claims
