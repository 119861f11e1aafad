"""The lake: everything that was brought in, as immutable Parquet parts in a folder or a bucket."""

from tenor.store.compaction import Compacted
from tenor.store.item_scores import LakeScores
from tenor.store.lake import Lake
from tenor.store.versions import Appended

__all__ = ["Appended", "Compacted", "Lake", "LakeScores"]
