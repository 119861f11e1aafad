"""Refreshes of a running service, after each close, in a separate process so that requests do not wait."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tenor.errors import MissingObject, ModelError, StoreError
from tenor.registry import manifest
from tenor.serving.logs import LOGGER
from tenor.serving.schemas import Progress
from tenor.serving.staleness import due
from tenor.serving.view import View
from tenor.storage.object_store import ObjectStore

INTERVAL = 20.0
"""Seconds between two checks of whether a refresh is due."""
RETRY = 900.0
"""Seconds before a refresh that failed, or found nothing new, is tried again."""
LONGEST = 1800.0
"""Seconds after which a refresh is stopped."""
SLOW = 300.0
"""Seconds after which a running refresh is reported as slow, because it may hang."""
CHECK_INTERVAL = 300.0
"""Seconds between two checks of the model's files."""

log = logging.getLogger(LOGGER)


@dataclass
class RefreshScheduler:
    """Runs `command`, which refreshes the forecasts, when a session has closed whose bar they do not use yet.

    Parameters
    ----------
    command
        The command line. Every user of the machine can read it, so secrets must be in `secrets`.
    view
        The published forecasts.
    delay
        Seconds after a close until its bars are available.
    always
        False to refresh only if nothing is published.
    models
        The place of the model versions. The files of the one in use are checked regularly, so that damage is reported
        before a refresh fails.
    slow
        Seconds after which a refresh is reported as slow.
    longest
        Seconds after which it is stopped.
    secrets
        Environment variables for the command, in addition to those of this process.
    """

    command: Sequence[str]
    view: View
    delay: float = 1800.0
    always: bool = True
    models: ObjectStore | None = None
    slow: float = SLOW
    longest: float = LONGEST
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    _tried: float = field(default=0.0, init=False)
    _checked: float = field(default=float("-inf"), init=False)

    def __call__(self, stop: threading.Event) -> None:
        """Keep the forecasts fresh until `stop` is set."""
        while not stop.is_set():
            self.refresh_if_due(stop)
            self.check()
            stop.wait(INTERVAL)

    def check(self) -> None:
        """Compare the files of the model in use with their checksums, every `CHECK_INTERVAL` seconds."""
        if self.models is None or not self.view.ready or time.monotonic() - self._checked < CHECK_INTERVAL:
            return
        self._checked = time.monotonic()
        try:
            manifest.check(self.models, str(self.view.snapshot.index.head["model_version"]))
        except (ModelError, MissingObject) as error:
            self._checked = float("-inf")  # so that a repair is noticed soon
            problem = f"the model in use is damaged: {error}"
            if problem not in self.view.problems:
                log.error("model damaged", extra={"error": str(error)})
            self.view.note("model", problem)
        except StoreError:
            self._checked = float("-inf")  # the store can't be reached, which the view reports
        else:
            self.view.note("model", None)

    def refresh_if_due(self, stop: threading.Event) -> bool:
        """Refresh if a refresh is due; returns whether it was."""
        if not self.view.ready:
            self.view.poll(wait=True)
        now = self.view.clock()
        index = self.view.snapshot.index if self.view.ready else None
        if (index is not None and not self.always) or not due(index, now, delay=self.delay):
            return False
        if self._tried and now - self._tried < RETRY:
            return False
        self._tried = now
        log.info("refresh begins")
        self.view.progress = Progress("starting", 0, 0)
        self._run(stop)
        return True

    def _run(self, stop: threading.Event) -> None:
        environment = {**os.environ, **self.secrets}
        with subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
        ) as child:
            too_long = threading.Timer(self.longest, child.kill)
            too_long.start()
            slow = threading.Timer(self.slow, self._report_slow)
            slow.start()
            threading.Thread(target=_end_with, args=(child, stop), daemon=True).start()
            assert child.stderr is not None
            errors = []
            for line in child.stderr:
                errors += [line.rstrip()] if line.startswith("tenor: ") else []
                self.view.progress = _progress(line) or self.view.progress
            code = child.wait()
            killed = not too_long.is_alive()
            too_long.cancel()
            slow.cancel()
        if not code and not self.view.ready:
            self.view.poll(wait=True)  # so that waiting clients see the new forecasts next
        self.view.progress = None
        if code:
            reason = errors[-1].removeprefix("tenor: ")[:200] if errors else f"it ended with {code}"
            if killed:
                reason = f"it did not end within {self.longest / 60:g} minutes and was stopped"
            self.view.note("refresh", f"the last refresh failed: {reason}")
            log.error("refresh failed", extra={"code": code, "error": reason})
        else:
            self.view.note("refresh", None)
            log.info("refresh done")

    def _report_slow(self) -> None:
        self.view.note("refresh", f"a refresh has been under way for more than {self.slow / 60:g} minutes")
        log.warning("refresh is slow")


def _progress(line: str) -> Progress | None:
    """How far a refresh is, by a line of its log; None where the line is of something else."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        record = json.loads(line)
        if record["event"] == "progress":
            return Progress(str(record["stage"]), int(record["done"]), int(record["total"]))
    return None


def _end_with(child: subprocess.Popen[str], stop: threading.Event) -> None:
    """Terminate `child` when the service stops."""
    while child.poll() is None:
        if stop.wait(0.5):
            child.terminate()
            return
