"""Results of encoders for texts: sentiment, kinds of news and embeddings, by text hash and model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from tenor.kinds import KINDS, StoredKinds
from tenor.schema.arrays import Float16
from tenor.store.tables import ITEM_EMBEDDINGS, ITEM_KINDS, SCORES, Table
from tenor.store.versions import Appended, Versions

Probabilities = tuple[float, float, float]
_LABELS = ("positive", "neutral", "negative")


@dataclass(frozen=True)
class LakeScores:
    """The scores of a lake with the interface of `tenor.sentiment.ScoreCache`."""

    versions: Versions

    def get(self, text_hashes: Sequence[str], model_id: str) -> Mapping[str, Probabilities]:
        """The scores of those `text_hashes` that are known, by hash."""
        return get_scores(self.versions, text_hashes, model_id)

    def put(self, scores: Mapping[str, Probabilities], model_id: str) -> None:
        """Save `scores`, by hash; saving one again changes nothing."""
        put_scores(self.versions, scores, model_id)

    def get_kinds(self, text_hashes: Sequence[str], model_id: str, *, embeddings: bool) -> StoredKinds:
        """The known kinds of `text_hashes`; with `embeddings`, only of texts whose embedding is known too."""
        rows = _rows(self.versions, ITEM_KINDS, KINDS, text_hashes, model_id)
        if not embeddings:
            return _stored(rows, None)
        rows_too = _rows(self.versions, ITEM_EMBEDDINGS, ("embedding",), text_hashes, model_id)
        both = rows.join(rows_too, "text_hash", join_type="inner").combine_chunks()
        return _stored(both, _numbers(both["embedding"].to_pylist()))

    def put_kinds(self, kinds: StoredKinds, model_id: str) -> None:
        """Save `kinds` and their embeddings. If a text occurs twice, the later one counts."""
        if not len(kinds.text_hashes):
            return
        # written without comparing with stored rows: only texts that were missing are scored, and comparing would read
        # all rows
        names = {"text_hash": pa.array(kinds.text_hashes, pa.string())}
        names["model_id"] = pa.array([model_id] * len(kinds.text_hashes), pa.string())
        columns = {kind: pa.array(kinds.kinds[:, i]) for i, kind in enumerate(KINDS)}
        self.versions.write(ITEM_KINDS, pa.table({**names, **columns}).sort_by("text_hash"))
        if kinds.embeddings is not None:
            blobs = pa.array([row.tobytes() for row in kinds.embeddings.astype("<f2")], pa.binary())
            self.versions.write(ITEM_EMBEDDINGS, pa.table({**names, "embedding": blobs}).sort_by("text_hash"))


def put_scores(versions: Versions, scores: Mapping[str, Probabilities], model_id: str) -> Appended:
    """Save `scores` by `model_id`; only scores that are new or differ are written."""
    if not scores:
        return Appended(0, 0, 0)
    numbers = np.array(list(scores.values()), dtype="float64")
    frame = pd.DataFrame(numbers, columns=list(_LABELS))
    return versions.append(SCORES, frame.assign(text_hash=list(scores), model_id=model_id))


def get_scores(versions: Versions, text_hashes: Sequence[str], model_id: str) -> dict[str, Probabilities]:
    """The scores by `model_id` of `text_hashes`, by hash."""
    rows = _rows(versions, SCORES, _LABELS, text_hashes, model_id).to_pydict()
    numbers = zip(*(rows[name] for name in _LABELS), strict=True)
    return dict(zip(rows["text_hash"], numbers, strict=True))


def _rows(
    versions: Versions, table: Table, columns: Sequence[str], text_hashes: Sequence[str], model_id: str
) -> pa.Table:
    """``text_hash`` and `columns` of the rows that count."""
    wanted = pa.table({"text_hash": pa.array(list(text_hashes), pa.string())})
    # selected before versions are compared, since comparing all rows would take the memory of the whole table
    where = "model_id = ? AND text_hash IN (SELECT text_hash FROM wanted)"
    with versions.connect(table) as connection:
        connection.register("wanted", wanted)
        rows: pa.Table = connection.sql(
            table.picked(("text_hash", *columns), where=(where,)), params=[model_id]
        ).to_arrow_table()
    return rows


def _stored(rows: pa.Table, embeddings: Float16 | None) -> StoredKinds:
    kinds = np.column_stack([rows[kind].to_numpy() for kind in KINDS]).astype(np.float32)
    return StoredKinds(rows["text_hash"].to_pylist(), kinds, embeddings)


def _numbers(blobs: Sequence[bytes]) -> Float16:
    """Embeddings of their bytes, all of the same length; ``[0, 0]`` where there is none."""
    if not blobs:
        return np.zeros((0, 0), np.float16)
    return np.frombuffer(b"".join(blobs), dtype="<f2").reshape(len(blobs), -1).astype(np.float16)
