"""The value of the news, for the page of an ablation: a verdict, one table per horizon, and parts of the sessions."""

from __future__ import annotations

from tenor.evaluation.news_arms import SHUFFLED
from tenor.evaluation.news_value import (
    ALL_CELLS,
    ELSEWHERE,
    NEWS_METRICS,
    NEXT_TO_EARNINGS,
    NIGHT,
    VARIANCE,
    NewsComparison,
    NewsValue,
    best_arm,
    change_text,
    shown_p,
)
from tenor.report.page import Fold, PageSection, Paragraph, TextTable
from tenor.report.style import sentence_case, sessions_ahead

_ARMS = {
    "all news": "how many items there are",
    "sentiment": "their sentiment, read by the network",
    "topics": "how many of each topic",
    "kinds": "how many of each kind (earnings, analysts, mergers …) and of all",
    "everything": "all of these",
    SHUFFLED: "all of these, moved to other sessions",
}


def news_sections(value: NewsValue) -> list[PageSection]:
    """A section on what is compared, one per horizon, and one on parts of the sessions for the best arm."""
    arms = "; ".join(f"{arm}: {_ARMS[arm]}" for arm in value.arms)
    when = " and ".join({"close": "at the close", "open": "before the next open"}[moment] for moment in value.moments)
    sections = [
        PageSection(
            "What the news is worth",
            (
                Paragraph(value.verdict),
                Paragraph(
                    f"The same model is walked forward over the sessions with news, {value.first} – {value.last}, "
                    f"without news and with more or less of it ({arms}), {when}. Counts change the forecast of risk "
                    "after the network, so that these arms share its training."
                ),
                Paragraph(
                    "Changes of the mean loss against the same model without news, in per cent, with 95 % intervals "
                    "from resampled days; below 0 is better. P-values are corrected by Holm over arms and moments, "
                    "within a horizon and a loss; those of the placebo and of parts of the sessions are not."
                ),
                *_fold_lines(value.folds),
            ),
        )
    ]
    for horizon in value.levels:
        rows = [
            (f"{c.arm}, {_moment(c)}\n{c.days:,} days, {c.samples:,} forecasts", *_cells(value, c))
            for c in value.on(ALL_CELLS, horizon=horizon, metric=VARIANCE)
        ]
        columns = ("arm", *map(sentence_case, NEWS_METRICS.values()))
        table = TextTable(columns, tuple(rows), "Change of the loss in per cent, with interval and p-value")
        sections.append(PageSection(f"News, {sessions_ahead(horizon)}", (table,)))
    best = best_arm(value.comparisons, horizon=next(iter(value.levels)))
    if best is not None:
        parts = [
            (f"{c.cells}\n{c.days:,} days, {c.samples:,} forecasts", *_cells(value, c))
            for c in value.comparisons
            if (c.moment, c.arm, c.horizon, c.metric) == (best.moment, best.arm, best.horizon, VARIANCE)
        ]
        caption = f"{sentence_case(best.arm)} at the {best.moment}, {sessions_ahead(best.horizon)}: in which sessions"
        columns = ("sessions", *map(sentence_case, NEWS_METRICS.values()))
        sections.append(PageSection("Where the news helps", (TextTable(columns, tuple(parts), caption),)))
    return sections


def arms_fold(value: NewsValue, day: str, *, symbols: int, same_model: bool) -> Fold:
    """A fold with the table of arms, at the shortest horizon, of the ablation made on `day`."""
    horizon = next(iter(value.levels))
    lead = (
        f"'tenor ablate' of {day}, {symbols} symbols, {value.first} – {value.last}, walked forward: the same model "
        f"with more or less of the news against itself without; change of the loss in per cent."
    )
    if not same_model:
        lead += " It was made with other settings of the model than this version's."
    rows = [
        (f"{c.arm}, {_moment(c)}", *_cells(value, c)) for c in value.on(ALL_CELLS, horizon=horizon, metric=VARIANCE)
    ]
    best = best_arm(value.comparisons, horizon=horizon)
    if best is not None:
        rows += [
            (f"{c.arm}, {_moment(c)}: {c.cells}", *_cells(value, c))
            for c in value.comparisons
            if (c.moment, c.arm, c.horizon, c.metric) == (best.moment, best.arm, horizon, VARIANCE)
            and c.cells in (NEXT_TO_EARNINGS, ELSEWHERE)
        ]
    columns = ("arm", *map(sentence_case, NEWS_METRICS.values()))
    caption = f"{sentence_case(sessions_ahead(horizon))}, with 95 % interval and p-value (after Holm for all cells)"
    return Fold(
        "With more or less of the news, and what the night is worth",
        (Paragraph(lead), Paragraph(value.verdict), TextTable(columns, tuple(rows), caption)),
    )


def _moment(comparison: NewsComparison) -> str:
    return "open against close" if comparison.moment == NIGHT else f"at the {comparison.moment}"


def _cells(value: NewsValue, comparison: NewsComparison) -> tuple[str, ...]:
    """One text per metric: the change, and below it the interval and the p-value."""
    cells = []
    for metric in NEWS_METRICS:
        of_metric = value.find(comparison, metric=metric)
        if of_metric is None:
            cells.append("–")
            continue
        number, _, bounds = change_text(of_metric).partition(" ")
        below = f"{bounds}, p {shown_p(of_metric)}" if bounds else ""
        cells.append(f"{number}\n{below}" if below else number)
    return tuple(cells)


def _fold_lines(folds: str) -> list[Paragraph]:
    return [Paragraph(f"Folds of the news: {line}") for line in folds.splitlines()[1:]]
