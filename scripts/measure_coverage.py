"""How often 90 % intervals hold out of sample: one quantile from validation against adaptive ones. Tables of the docs.

The forecast is zero everywhere, since the width of an interval comes from what cannot be forecast.

    python scripts/measure_coverage.py
    python scripts/measure_coverage.py --bars FOLDER --valid 2009-01-01 --test 2010-01-10
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tenor.config import FeatureConfig
from tenor.data import embedded_bars
from tenor.errors import TenorError
from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.uncertainty import coverage
from tenor.features import build_panel
from tenor.inference.conformal import MISS, adapt
from tenor.ingest.files.bar_files import read_bars
from tenor.schema import Bars, Panel, Predictions


def bars_of(folder: Path | None) -> Bars:
    """The embedded bars, or those in the files of a folder."""
    if folder is None:
        return embedded_bars()
    bars = read_bars(sorted(folder.glob("*.csv"))).bars
    if bars is None:
        raise TenorError(f"{folder} has no .csv file with bars.")
    return bars


def one_quantile(panel: Panel, predictions: Predictions, valid: slice) -> Predictions:
    """`predictions` with bounds of volatility times one quantile of validation a horizon."""
    unit = panel.volatility[..., None] * np.sqrt(np.array(panel.horizons))
    score = np.where(panel.mask[..., None], np.abs(panel.targets - predictions.mean) / unit, np.nan)
    known = slice(valid.start, valid.stop - max(panel.horizons))
    width = (np.nanquantile(score[known], 1 - MISS, axis=(0, 1)) * unit).astype("float32")
    return replace(predictions, lower=predictions.mean - width, upper=predictions.mean + width)


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=Path, help="folder of .csv files; without it the embedded bars")
    parser.add_argument("--valid", default="2014-01-01", help="first session of validation")
    parser.add_argument("--test", default="2015-01-10", help="first session of the test; validation ends a week before")
    args = parser.parse_args()
    panel = build_panel(bars_of(args.bars), FeatureConfig(groups=("returns", "volatility"), sentiment=False))
    start, end, first = panel.sessions.searchsorted(
        [pd.Timestamp(args.valid), pd.Timestamp(args.test) - pd.Timedelta(days=7), pd.Timestamp(args.test)]
    )
    valid, test = slice(int(start), int(end)), slice(int(first), len(panel.sessions))
    zeros = np.where(panel.mask[..., None], np.zeros_like(panel.targets), np.nan).astype("float32")
    persistence = Predictions("persistence", zeros, zeros + np.float32(0.5))
    kinds = {
        "one quantile": one_quantile(panel, persistence, valid),
        "adaptive": adapt(panel, persistence, valid=valid, rows=test),
    }
    print("| intervals | ahead | overall | years | volatile days | volatile cells | violent days | width |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for horizon in panel.horizons:
        for name, predictions in kinds.items():
            result = coverage(panel, test, predictions, horizon=horizon)
            years = [year.value for year in result.by_year.values()]
            columns = [
                name,
                str(horizon),
                _shown(result.overall),
                f"{100 * min(years):.1f} to {100 * max(years):.1f}",
                _shown(result.volatile_days),
                _shown(result.volatile_cells),
                _shown(result.violent_days),
                f"{100 * result.width:.2f}",
            ]
            print(f"| {' | '.join(columns)} |")


def _shown(share: ConfidenceInterval) -> str:
    return f"{100 * share.value:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]"


if __name__ == "__main__":
    main()
