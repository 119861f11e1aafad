"""Train the classifier of the kinds of news that ships beside the encoder, or one for an encoder of your own.

    python scripts/kinds/train_kinds.py --data FOLDER [--model NAME --out FILE]

FOLDER holds ``stocknet-dataset.tar.xz``, ``sentiment/tfns`` and ``sentiment/sentfin`` as published. Their texts are
labelled by rule (`kind_rules.py`) and, some of them, by reading (`read.csv`: the hash of a text and its kinds);
`sentences.csv` holds sentences of our own. Without ``--data`` it trains on our own sentences alone. Deterministic: the
same inputs and library versions give the same bytes. About 10 minutes on one core.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import random
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from kind_rules import weak_labels
from sklearn.metrics import f1_score

from tenor.errors import DataError, TenorError
from tenor.kinds import KINDS, PRESENT
from tenor.sentiment.encoder import CONFIG, SHIPPED, Encoder, OnnxEncoder
from tenor.sentiment.kinds import FILE
from tenor.sentiment.text import clean, duplicate_key, looks_english, text_hash
from tenor.sentiment.training.kinds import fit_kinds
from tenor.storage.files import read_json, write_text, write_whole

HERE = Path(__file__).resolve().parent
WEAK = 10_000
Labels = npt.NDArray[np.int8]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line `arguments`; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the published sets (default: our own sentences alone)")
    parser.add_argument("--model", help="another encoder: a folder of weights or a Hugging Face id")
    parser.add_argument("--out", type=Path, help="the file to write (default: beside the shipped encoder)")
    parser.add_argument("--without", type=Path, help="a file of text hashes to leave out, one a line: a test set")
    options = parser.parse_args(arguments)
    try:
        if options.model and not options.out:
            raise DataError("--model needs --out FILE: where its classifier is to be written.")
        train(options.data, options.model, options.out, options.without)
    except TenorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def train(data: Path | None, model: str | None, out: Path | None, without: Path | None) -> None:
    """Read, label, fit, write; print F1 by kind on the texts labelled by hand, five folds."""
    encoder = encoder_of(model)
    texts, labels = own_sentences()
    own = len(texts)
    weak: list[str] = []
    if data is not None:
        left_out = set(without.read_text().split()) if without else set()
        published = {name: text for name, text in published_texts(data).items() if name not in left_out}
        read = read_labels()
        by_hand = sorted(set(read) & set(published))
        texts += [published[name] for name in by_hand]
        labels = np.concatenate([labels, np.array([read[name] for name in by_hand], np.int8).reshape(-1, len(KINDS))])
        rest = sorted(set(published) - set(read))
        weak = chosen([published[name] for name in random.Random(0).sample(rest, len(rest))])
    ruled = np.array([weak_labels(clean(text)) for text in weak], np.int8).reshape(-1, len(KINDS))
    content, held_out = fit_kinds(encoder, texts, labels, weak_texts=weak, weak_labels=ruled)
    print(f"{own} sentences of our own, {len(texts) - own} read, {len(weak)} by rule")
    for name, part in (("own", slice(own)), ("read", slice(own, None))):
        if len(labels[part]):
            f1 = f1_score(labels[part], held_out[part] >= PRESENT, average=None, zero_division=0)
            by_kind = " ".join(f"{kind} {value:.3f}" for kind, value in zip(KINDS, f1, strict=True))
            print(f"{name}: macro-F1 {f1.mean():.3f}: {by_kind}")
    write(content, out)


def chosen(texts: list[str]) -> list[str]:
    """`WEAK` of `texts`: the first ones of each rare kind, and then the first of all."""
    rare = [KINDS.index(kind) for kind in KINDS if kind not in ("earnings", "macro", "price")]
    of_rare = [text for text in texts if weak_labels(clean(text))[rare].any()][: WEAK // 2]
    taken = set(of_rare)
    return of_rare + [text for text in texts if text not in taken][: WEAK - len(of_rare)]


def encoder_of(model: str | None) -> Encoder:
    """The encoder `model`; the shipped one for None."""
    if model is None or ((Path(model) / CONFIG).exists() and (Path(model) / "model.onnx").exists()):
        return OnnxEncoder(SHIPPED if model is None else Path(model))
    from tenor.sentiment.transformer import TransformersEncoder

    return TransformersEncoder(model)


def write(content: bytes, out: Path | None) -> None:
    """Write the classifier to `out`, or beside the shipped encoder, whose config then names it."""
    path = out or SHIPPED / FILE
    write_whole(path, content)
    if out is None:
        config = read_json((SHIPPED / CONFIG).read_text(encoding="utf-8"))
        config["kinds"] = {"file": FILE, "sha256": hashlib.sha256(content).hexdigest()}
        write_text(SHIPPED / CONFIG, json.dumps(config, indent=1) + "\n")
    print(f"{path}: {len(content) / 1024:.0f} KiB")


def own_sentences() -> tuple[list[str], Labels]:
    """Texts and labels of ``sentences.csv``."""
    rows = list(csv.DictReader((HERE / "sentences.csv").read_text(encoding="utf-8").splitlines()))
    return [row["text"] for row in rows], np.array([as_labels(row["kinds"]) for row in rows], np.int8)


def read_labels() -> dict[str, list[int]]:
    """Labels of ``read.csv`` by text hash."""
    rows = csv.DictReader((HERE / "read.csv").read_text(encoding="utf-8").splitlines())
    return {row["text_hash"]: as_labels(row["kinds"]) for row in rows}


def as_labels(kinds: str) -> list[int]:
    """0 or 1 for each kind, from their names with ``|`` between."""
    names = set(kinds.split("|")) - {""}
    if unknown := names - set(KINDS):
        raise DataError(f"{', '.join(sorted(unknown))} is no kind of news: use {', '.join(KINDS)}.")
    return [int(kind in names) for kind in KINDS]


def published_texts(data: Path) -> dict[str, str]:
    """Texts of the sets in `data` by their hash: English ones, of those that say the same one."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for text in _texts(data):
        cleaned = clean(text)
        key = duplicate_key(text)
        if cleaned and key not in seen:
            seen.add(key)
            found[text_hash(cleaned)] = text
    # StockNet's posts are many: only those are checked for English that may be taken
    names = sorted(found)
    random.Random(1).shuffle(names)
    read = read_labels()
    chosen = [name for name in names if name in read] + names[: 4 * WEAK]
    return {name: found[name] for name in chosen if looks_english(clean(found[name]))}


def _texts(data: Path) -> Iterator[str]:
    for part in ("sent_train.csv", "sent_valid.csv"):
        for row in _rows(data / "sentiment" / "tfns" / part):
            yield row["text"]
    for row in _rows(data / "sentiment" / "sentfin" / "SEntFiN.csv"):
        yield row["Title"]
    archive = data / "stocknet-dataset.tar.xz"
    if not archive.exists():
        raise DataError(f"{archive} is not there: name a folder with the published sets.")
    with tarfile.open(archive) as files:
        for member in files:
            if member.isfile() and "/tweet/raw/" in f"/{member.name}":
                handle = files.extractfile(member)
                for line in handle.read().decode().splitlines() if handle else ():
                    yield json.loads(line)["text"]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if not path.exists():
        raise DataError(f"{path} is not there: name a folder with the published sets.")
    with path.open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


if __name__ == "__main__":
    sys.exit(main())
