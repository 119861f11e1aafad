"""What assistants may ask for: forecasts, how good they are, verdicts on files, sentiment and the state of the data.

Each tool calls the function that the command line calls, writes nothing, and returns a bounded mapping of JSON values.
`tenor mcp` serves them; their docstrings and fields are what an assistant reads.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tenor.config import SourcesConfig
from tenor.errors import StoreError, TenorError, UsageError, did_you_mean
from tenor.ingest.status import status
from tenor.pipeline.current import current_forecasts
from tenor.sentiment.explain import why as explain
from tenor.sentiment.scorer import Scorer
from tenor.storage.files import json_values, read_json
from tenor.workspace import Workspace

MOST_FORECASTS = 50
MOST_STATUS = 200
MOST_TEXTS = 64
MOST_EXPLAINED = 4
MOST_ITEMS = 40
"""The most items of a list in the answer of a tool; further items are only counted."""
MOST_CHARACTERS = 60_000
"""The most characters of a tool's answer, about 15,000 tokens."""
MOST_BYTES = 50 * 2**20
"""The largest file that is judged or read."""

Symbol = Annotated[str, Field(min_length=1, max_length=32, examples=["AAPL"])]
Horizon = Annotated[int, Field(ge=1, le=1000, strict=True, description="Sessions ahead; models have 1, 5 and 20.")]
Model = Annotated[
    str, Field(max_length=40, description="champion (the one in use), latest, previous, or a version's 12 hex digits.")
]
File = Annotated[
    str, Field(min_length=1, max_length=300, description="A name in the folder that the server was given.")
]

INSTRUCTIONS = (
    "tenor forecasts how far a stock's price may move (volatility, intervals, value at risk), which can be forecast, "
    "and which way (p_up, expected return), which on no data tried here could be. Report 'verdict' and 'stale' of a "
    "forecast with its numbers. Nothing here is investment advice, and no tool changes anything."
)


class Tools:
    """The tools over one store.

    Parameters
    ----------
    store
        A folder, or ``s3://bucket/prefix``.
    files
        The only folder from which `judge` and `evaluate` read files; without it they read no files.
    """

    def __init__(self, store: str, files: Path | None = None) -> None:
        self.store, self.files = store, files
        # one at a time, because a run over all symbols takes a core and some hundred megabytes
        self._turn = threading.Lock()

    def all(self) -> list[Callable[..., dict[str, Any]]]:
        """The tools that work with these options; without a folder of files, `judge` is left out."""
        tools: list[Callable[..., dict[str, Any]]] = [self.forecast, self.evaluate, self.sentiment, self.data_status]
        if self.files is not None:
            tools.append(self.judge)
        return tools

    def forecast(
        self,
        symbols: Annotated[list[Symbol], Field(min_length=1, max_length=MOST_FORECASTS)],
        horizon: Horizon = 1,
        model: Model = "champion",
    ) -> dict[str, Any]:
        """Forecast symbols from the last bars in the store: volatility of a session, quantiles of the price (90 % of
        prices are expected between lower and upper), value at risk and expected shortfall (shares of the price), then
        expected return (log), p_up, and a verdict on how good such forecasts are. 'stale' says why one is old. A symbol
        without a forecast is in 'problems' with the reason.
        """
        with self._turn:
            current = current_forecasts(self.store, symbols, horizons=[horizon], version=model)
        forecasts = []
        for plain in current.forecasts:
            del plain["attention_time"]
            plain["attention_features"] = _largest(plain["attention_features"], 5)
            forecasts.append({**plain, "stale": current.stale.get(plain["symbol"])})
        return bounded({"forecasts": forecasts, "problems": current.failed, "notes": current.notes})

    def evaluate(
        self,
        model: Model = "champion",
        report: Annotated[
            str | None,
            Field(max_length=300, description="The JSON file that 'tenor evaluate' wrote beside its report."),
        ] = None,
    ) -> dict[str, Any]:
        """How good a model's forecasts are, from what was saved; nothing is trained. Without a report: what training
        measured on the validation part (per horizon), and the track record of published forecasts on sessions that the
        model had not seen. With one: the walk-forward evaluation against baselines, with tests and a verdict.
        """
        if report is not None:
            return bounded({"report": report, **_read_report(self._inside(report))})
        workspace = Workspace(self.store)
        card = workspace.registry.open(model).card()
        shown = {name: card.get(name) for name in ("version", "created_at", "split", "horizons", "validation")}
        track, note = None, f"no forecasts of it are published: run 'tenor refresh --store {self.store}'"
        try:
            index = workspace.published.index()
        except TenorError as error:  # the results of validation are known without it
            note = str(error)
        else:
            if index is not None and index.head["model_version"] == card["version"]:
                track, note = index.head.get("track"), ""
        return bounded({**shown, "symbols": len(card.get("symbols", ())), "track_record": track, "note": note})

    def judge(
        self,
        file: File,
        trained_until: Annotated[
            str | None,
            Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="The last date whose close the file's model has seen."),
        ] = None,
    ) -> dict[str, Any]:
        """Judge a file of forecasts (CSV or Parquet, anybody's) against the store's bars and simple baselines: losses,
        paired tests by day with Holm's correction, calibration, findings such as forecasts made too late, and a verdict
        in words.
        """
        from tenor.pipeline.judge import judge  # it brings what fits baselines

        path = self._inside(file)
        with self._turn:
            judged = judge(path, self.store, quick=True, trained_until=trained_until, workers=1, progress=False)
        return bounded(judged.to_json())

    def sentiment(
        self,
        texts: Annotated[list[Annotated[str, Field(max_length=5000)]], Field(min_length=1, max_length=MOST_TEXTS)],
        explain_words: Annotated[
            bool, Field(description=f"Also how much each word moves a score; for {MOST_EXPLAINED} texts at most.")
        ] = False,
    ) -> dict[str, Any]:
        """Score English headlines or posts about companies: P(positive), P(neutral), P(negative), a score from -1 to 1,
        and what each is about: the probability of each kind of news.
        """
        if explain_words and len(texts) > MOST_EXPLAINED:
            raise UsageError(f"explain_words takes at most {MOST_EXPLAINED} texts at a time, not {len(texts)}.")
        with self._turn:
            scorer = Scorer.load()
            scores = scorer.score(texts, kinds=scorer.has_kinds)
            rows = scores.rows()
            for text, row in zip(texts, rows, strict=True):
                if explain_words and not row["empty"]:
                    row["words"] = {word.text: word.contribution for word in explain(scorer, text).words}
        return bounded({"scores": rows, "model_id": scores.model_id})

    def data_status(
        self,
        symbols: Annotated[
            list[Symbol], Field(max_length=MOST_STATUS, description="Empty for all, of which the first are shown.")
        ] = [],  # noqa: B006 - never changed
        interval: Annotated[Literal["1d", "1h", "15m"], Field(description="How long a bar is.")] = "1d",
    ) -> dict[str, Any]:
        """How fresh the store's data is: by symbol its last bar, its source, how many sessions it is behind, the last
        news. It also says which symbols there are.
        """
        rows = status(self.store, SourcesConfig(), symbols or None, interval=interval)
        shown = [row.to_json() for row in rows[:MOST_STATUS]]
        return bounded(
            {"symbols": len(rows), "stale": sum(row.stale for row in rows), "rows": shown}, items=MOST_STATUS
        )

    def _inside(self, name: str) -> Path:
        """The file `name` below `files`; raises UsageError for any other."""
        if self.files is None:
            raise UsageError(f"{name[:80]!r} can't be read: start the server with --files FOLDER.")
        root = self.files.resolve()
        try:
            path = (root / name).resolve()
            whole = path.is_relative_to(root) and path.is_file()
        except (OSError, ValueError):  # a name too long, or with a NUL
            whole = False
        if not whole:
            files = (path for path in root.rglob("*") if path.suffix in (".csv", ".parquet", ".json"))
            # files that would be refused, such as a link out of the folder, are not suggested either
            files = (path for path in files if path.is_file() and path.resolve().is_relative_to(root))
            known = sorted(path.relative_to(root).as_posix() for path in itertools.islice(files, 1000))
            hint = did_you_mean(name, known) or f" There are: {', '.join(known[:8]) or 'none'}."
            raise UsageError(f"there is no file {name[:80]!r} in the folder of --files.{hint}")
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{name[:80]!r} has more than {MOST_BYTES // 2**20} MB: use the command line for it.")
        return path


def bounded(value: Mapping[str, Any], *, items: int = MOST_ITEMS) -> dict[str, Any]:
    """`value` as JSON values, with lists cut to `items` items and the whole to `MOST_CHARACTERS` characters.

    >>> bounded({"equity": [1.0] * 5, "rows": [{"x": float("nan")}]}, items=2)
    {'equity': [1.0, 1.0, '… 3 more'], 'rows': [{'x': None}]}
    """
    while True:
        cut: dict[str, Any] = _cut(json_values(dict(value)), items)
        if len(json.dumps(cut)) <= MOST_CHARACTERS:
            return cut
        if items <= 1:
            return {"too_long": f"the answer has more than {MOST_CHARACTERS:,} characters: ask for less at once."}
        items //= 2


def _cut(value: Any, items: int) -> Any:
    if isinstance(value, dict):
        return {str(key): _cut(inner, items) for key, inner in value.items()}
    if isinstance(value, list):
        rest = [f"… {len(value) - items} more"] if len(value) > items else []
        return [_cut(inner, items) for inner in value[:items]] + rest
    return value


def _largest(weights: Mapping[str, float], count: int) -> dict[str, float]:
    return dict(sorted(weights.items(), key=lambda item: -item[1])[:count])


def _read_report(path: Path) -> dict[str, Any]:
    try:
        report = read_json(path.read_bytes())
    except OSError as error:
        raise StoreError(f"{path.name} can't be read: {error.strerror or error}.") from None
    except ValueError:
        report = None
    if not isinstance(report, dict) or "verdict" not in report:
        raise UsageError(f"{path.name} is not an evaluation: name the JSON file that 'tenor evaluate' wrote.")
    return report
