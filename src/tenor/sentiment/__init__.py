"""Scores of texts by a BERT encoder tuned for finance, its tuning and evaluation, and the daily sentiment."""

from tenor.kinds import KINDS
from tenor.sentiment.explain import Explanation, why
from tenor.sentiment.scorer import Scorer
from tenor.sentiment.scores import LABELS, ScoreCache, Scores

__all__ = ["KINDS", "LABELS", "Explanation", "ScoreCache", "Scorer", "Scores", "why"]
