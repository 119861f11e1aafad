"""The lake: all imported and fetched data, as immutable Parquet files ("parts") in a folder or bucket."""

from tenor.store.compaction import Compacted
from tenor.store.item_scores import LakeScores
from tenor.store.lake import Lake
from tenor.store.versions import Appended

__all__ = ["Appended", "Compacted", "Lake", "LakeScores"]
