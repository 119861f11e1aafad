"""Published benchmarks of movement prediction: our row beside others', by their protocols, to the sample count."""

from tenor.evaluation.benchmarks.acl18 import acl18
from tenor.evaluation.benchmarks.glt import glt, read_glt, read_glt_news
from tenor.evaluation.benchmarks.judging import Judged, Score
from tenor.evaluation.benchmarks.kdd17 import kdd17
from tenor.evaluation.benchmarks.published import Published
from tenor.evaluation.benchmarks.result import BenchmarkResult, Row

__all__ = [
    "BenchmarkResult",
    "Judged",
    "Published",
    "Row",
    "Score",
    "acl18",
    "glt",
    "kdd17",
    "read_glt",
    "read_glt_news",
]
