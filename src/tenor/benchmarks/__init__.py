"""Published benchmarks of movement prediction: tenor's row beside others', by their protocols, to the sample count."""

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
