"""Text to score: a BERT encoder tuned for finance, its training and evaluation, and the sentiment of a session."""

from tenor.sentiment.explain import Explanation, why
from tenor.sentiment.scorer import Scorer
from tenor.sentiment.scores import LABELS, ScoreCache, Scores

__all__ = ["LABELS", "Explanation", "ScoreCache", "Scorer", "Scores", "why"]
