"""The lake: what was imported and scored, as immutable Parquet parts in a folder or an s3:// bucket."""

from tenor.store.lake import Appended, Lake, ScoreCache

__all__ = ["Appended", "Lake", "ScoreCache"]
