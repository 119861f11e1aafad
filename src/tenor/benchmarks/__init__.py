"""Published benchmarks of movement prediction: tenor and other models by the same protocol and samples."""

from tenor.benchmarks.acl18 import acl18
from tenor.benchmarks.glt import glt, read_glt, read_glt_news
from tenor.benchmarks.kdd17 import kdd17
from tenor.benchmarks.result import BenchmarkResult, ModelScores, PublishedRow, Row, Score

__all__ = [
    "BenchmarkResult",
    "ModelScores",
    "PublishedRow",
    "Row",
    "Score",
    "acl18",
    "glt",
    "kdd17",
    "read_glt",
    "read_glt_news",
]
