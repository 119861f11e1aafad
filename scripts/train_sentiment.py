"""Rebuild the weights in src/tenor/sentiment/weights from the published TFNS and SEntFiN files, and our own statements.

About an hour on one core, and PyTorch, transformers and onnx (the extras train, sentiment, finetune).

python scripts/train_sentiment.py FOLDER [--work build/sentiment] [--out src/tenor/sentiment/weights]

FOLDER holds tfns/, sentfin/ and fpb/ as published. A killed run goes on from the folder given as --work.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tenor.sentiment.encoder import SHIPPED
from tenor.sentiment.recipe import train_shipped


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build/sentiment"))
    parser.add_argument("--out", type=Path, default=SHIPPED)
    arguments = parser.parse_args()
    quality = train_shipped(
        arguments.folder,
        arguments.out,
        work=arguments.work,
        on_epoch=print,
        on_step=lambda step, steps: print(f"step {step} of {steps}", flush=True) if step % 100 == 0 else None,
    )
    print(json.dumps(quality.to_json(), indent=1))


if __name__ == "__main__":
    main()
