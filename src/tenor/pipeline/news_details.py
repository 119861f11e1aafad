"""The section on news of a report: what the news is about, what it changed, and what an ablation of the store found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tenor.config import SentimentConfig
from tenor.evaluation.evaluate import Evaluation
from tenor.evaluation.risk import RiskEvaluation
from tenor.inference.recipe import Recipe
from tenor.pipeline.saved_news_value import saved_news_value
from tenor.report import NewsDetails
from tenor.report.news_topics import topics_fold
from tenor.report.news_value import arms_fold
from tenor.report.page import Block, Fold, Paragraph
from tenor.report.sentiment import sentiment_blocks
from tenor.schema import DailySentiment, Panel
from tenor.sentiment import Scorer, why
from tenor.training import Split
from tenor.workspace import Workspace


def news_details(
    workspace: Workspace,
    recipe: Recipe,
    panel: Panel,
    split: Split,
    sentiment: DailySentiment | None,
    symbols: Sequence[str],
    *,
    returns: Mapping[int, Evaluation],
    risk: Mapping[int, RiskEvaluation],
    ours: str,
    without: str,
) -> NewsDetails | None:
    """The content of a report's section on news; None if the version uses no news and no ablation asked about it.

    Parameters
    ----------
    workspace, recipe
        The store, and the version's recipe.
    panel, split
        The version's panel and split; the panel's mask has the cells that are evaluated.
    sentiment
        The daily sentiment that it uses, with counts by kind; None if it uses none.
    symbols
        The symbols that are shown one by one.
    returns, risk
        From each horizon to the comparison of the model with itself without the news, on the sessions with news.
    ours, without
        The names of these two models in the comparisons.
    """
    saved = saved_news_value(workspace.registry, recipe.model)
    blocks: list[Block | Fold] = []
    if saved is not None:
        blocks.append(arms_fold(saved.value, saved.day, symbols=saved.symbols, same_model=saved.same_model))
    if sentiment is not None:
        if saved is None:
            blocks.append(
                Paragraph(
                    "What kinds of news, topics, sentiment and the night are worth by themselves: run 'tenor ablate "
                    f"--store {workspace.store} --without news'; its table stands here afterwards."
                )
            )
        topics = workspace.topic_model(recipe.sentiment)
        words = {} if topics is None else {n: t.words for n, t in zip(topics.names, topics.topics, strict=True)}
        parts = {"train": split.train, "test": split.test}
        blocks.append(topics_fold(sentiment.kinds, panel.sessions, parts, words))
        blocks += sentiment_blocks(
            panel,
            sentiment,
            split.test,
            symbols,
            ablation=returns,
            risk=risk,
            ours=ours,
            without=without,
            whys=_explained_texts(workspace, recipe.sentiment, symbols),
        )
    if not blocks:
        return None
    return NewsDetails(risk, returns, without, tuple(blocks), None if saved is None else saved.value)


@dataclass(frozen=True)
class ExplainedText:
    """A text of the lake, and how much each of its words moved its score."""

    text: str
    score: float
    words: tuple[tuple[str, float], ...]


def _explained_texts(
    workspace: Workspace, config: SentimentConfig, symbols: Sequence[str], count: int = 3
) -> list[ExplainedText]:
    """The `count` texts about `symbols` whose scores are farthest from 0, explained; none without news."""
    scored = workspace.scored_news(config, symbols=symbols)
    if scored is None:
        return []
    texts = scored.news.frame["text"]
    # of equal texts only the first is explained; a text that does not look English has no score to explain
    strength = np.abs(np.where(scored.scores.language_ok, scored.scores.score, 0))
    strength = np.where(texts.duplicated().to_numpy(), -1.0, strength)
    order = np.argsort(-strength, kind="stable")[: min(count, int((strength >= 0).sum()))]
    scorer = Scorer.load(config.model, device=config.device)
    explained = [(text, why(scorer, text)) for text in texts.iloc[order]]
    return [ExplainedText(text, e.score, tuple((w.text, w.contribution) for w in e.words)) for text, e in explained]
