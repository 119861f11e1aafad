"""Train and judge the head for items that name several companies, on SEntFiN's labels by company.

``python scripts/sentiment/entities.py DATA [--write]``: DATA holds ``sentiment/sentfin/SEntFiN.csv``. Titles are
split by a hash of their words, all companies of a title on one side: a fifth is held out, the penalty is chosen by
cross-validation on the other four, and the head that ships is trained on all.
"""

from __future__ import annotations

import argparse
import ast
import csv
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

from tenor.sentiment.encoder import SHIPPED, OnnxEncoder
from tenor.sentiment.entities import FILE, clause_of, features_of, head_bytes
from tenor.sentiment.scores import LABELS
from tenor.sentiment.text import clean, duplicate_key

COLUMNS = 384
PENALTIES = (1e-3, 3e-3, 1e-2, 3e-2)
FOLDS, HELD_OUT = 5, 4


def read(path: Path) -> list[tuple[str, str, int]]:
    """(title, clause, label) of each company of the titles that name several."""
    rows = []
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            try:
                labels = ast.literal_eval(line["Decisions"])
            except (ValueError, SyntaxError):
                continue  # 13 of 10,753 can't be read
            title = clean(line["Title"])
            for name, label in labels.items():
                start = title.lower().find(clean(name).lower())
                if len(labels) > 1 and start >= 0:
                    clause = clause_of(title, start, start + len(clean(name)))
                    rows.append((title, clause, LABELS.index(label)))
    return rows


def fitted(x: Any, y: Any, penalty: float) -> tuple[Any, Any, LogisticRegression]:
    """Mean, scale and the regression on standardised numbers."""
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-6
    return mean, scale, LogisticRegression(C=penalty, max_iter=500).fit((x - mean) / scale, y)


def report(name: str, y: Any, predicted: Any, parts: dict[str, Any]) -> None:
    """A line of accuracy and macro-F1 by part."""
    cells = [
        f"{part} ({int(m.sum())}): {accuracy_score(y[m], predicted[m]):.3f} / "
        f"{f1_score(y[m], predicted[m], average='macro', labels=[0, 1, 2], zero_division=0):.3f}"
        for part, m in parts.items()
    ]
    print(f"{name:12s} {'; '.join(cells)}", flush=True)


def main() -> None:
    """Train, judge and, with ``--write``, write the head beside the encoder's weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    rows = read(args.data / "sentiment" / "sentfin" / "SEntFiN.csv")
    encoder = OnnxEncoder(SHIPPED)
    titles, clauses = [row[0] for row in rows], [row[1] for row in rows]
    distinct = sorted({*titles, *clauses})
    place = {text: i for i, text in enumerate(distinct)}
    numbers = features_of(encoder, distinct, COLUMNS)
    x = np.hstack([numbers[[place[t] for t in texts]] for texts in (titles, clauses)]).astype(float)
    y = np.array([row[2] for row in rows])
    fold = np.array([zlib.crc32(duplicate_key(title).encode()) % FOLDS for title in titles])
    labels: dict[str, set[int]] = {}
    for title, _, label in rows:
        labels.setdefault(title, set()).add(label)
    differ = np.array([len(labels[title]) > 1 for title in titles])
    opposed = np.array([{0, 2} <= labels[title] for title in titles])
    own = np.array([clause != title for title, clause, _ in rows])
    loss = {}
    for penalty in PENALTIES:
        losses = []
        for part in range(HELD_OUT):
            train = (fold != part) & (fold != HELD_OUT) & own
            mean, scale, model = fitted(x[train], y[train], penalty)
            valid = (fold == part) & own
            p = model.predict_proba((x[valid] - mean) / scale)
            losses.append(-np.log(p[np.arange(len(p)), y[valid]] + 1e-9))
        loss[penalty] = float(np.concatenate(losses).mean())
        print(f"C {penalty}: negative log-likelihood {loss[penalty]:.4f}", flush=True)
    penalty = min(loss, key=loss.__getitem__)
    mean, scale, model = fitted(x[(fold != HELD_OUT) & own], y[(fold != HELD_OUT) & own], penalty)
    sentence = x[:, : len(LABELS)].argmax(axis=1)
    head = np.where(own, model.predict((x - mean) / scale), sentence)
    out = fold == HELD_OUT
    parts = {"all": out, "differ": out & differ, "agree": out & ~differ, "opposed": out & opposed}
    report("sentence", y, sentence, parts)
    report("clause", y, x[:, len(LABELS) + COLUMNS :][:, : len(LABELS)].argmax(axis=1), parts)
    report(f"head, C {penalty}", y, head, parts)
    if args.write:
        mean, scale, model = fitted(x[own], y[own], penalty)
        arrays = {"mean": mean, "scale": scale, "weights": model.coef_.T, "bias": model.intercept_}
        (SHIPPED / FILE).write_bytes(head_bytes(encoder.model_id, COLUMNS, arrays))


if __name__ == "__main__":
    main()
