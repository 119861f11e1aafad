"""Compare the live service's forecast of each symbol with one made here from the same store.

``KEY=… python deployment/smoke.py --url https://… --store lake`` exits with 1 where they differ, and says how.
"""

from __future__ import annotations

import argparse
import os
import sys

import pandas as pd

import tenor
from tenor.errors import TenorError
from tenor.pipeline.train import predict

CLOSE = 1e-4
"""Relative difference that machines of another kind may make."""


def main() -> None:
    """Compare, print a line a symbol, and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--url", required=True)
    parser.add_argument("--store", default="lake", help="A store with the bars and the model that the service has.")
    parser.add_argument("--symbols", nargs="*", help="By default the first five that the service knows.")
    options = parser.parse_args()
    try:
        differing = compare(options.url, options.store, options.symbols)
    except TenorError as error:
        sys.exit(f"smoke: {error}")
    if differing:
        sys.exit(f"{len(differing)} forecasts differ: {', '.join(differing)}")
    print("the forecasts of the service equal those made here")


def compare(url: str, store: str, symbols: list[str] | None) -> list[str]:
    """The symbols whose live forecast is not the local one."""
    differing = []
    with tenor.Client(url, key=os.environ.get("KEY")) as client:
        for symbol in symbols or [row.symbol for row in client.symbols().symbols][:5]:
            live = client.forecast(symbol)
            here = predict(store, [symbol], horizon=live.horizon, version=live.model_version)[0]
            difference = abs(live.price / here.price - 1)
            same = difference < CLOSE and pd.Timestamp(live.as_of) == here.as_of
            print(f"{symbol}: live {live.price:.4f} as of {live.as_of}, here {here.price:.4f} as of {here.as_of}")
            if not same:
                differing.append(symbol)
    return differing


if __name__ == "__main__":
    main()
