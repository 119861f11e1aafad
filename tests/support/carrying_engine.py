"""An engine that, as a cluster does, sees no file of this machine and works on copies of what it is given."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import joblib


def carried(value: Any) -> Any:
    """`value` after the way to another process, as joblib sends it."""
    sent = io.BytesIO()
    joblib.dump(value, sent)
    sent.seek(0)
    return joblib.load(sent)


class CarryingEngine:
    """Runs the tasks here, last first, each on data that went through bytes; arrays can't be written to."""

    shares_files = False
    processor = "another machine's"
    cores = 2

    def __init__(self) -> None:
        self.ran: list[Any] = []

    def map(
        self,
        function: Callable[[Any, Any], Any],
        tasks: Sequence[Any],
        *,
        shared: Any = None,
        done: Callable[[int, Any], None] | None = None,
    ) -> Iterator[Any]:
        results = {}
        for place in reversed(range(len(tasks))):
            self.ran.append(tasks[place])
            results[place] = carried(carried(function)(carried(shared), carried(tasks[place])))
            if done is not None:
                done(place, results[place])
        return iter([results[place] for place in range(len(tasks))])
