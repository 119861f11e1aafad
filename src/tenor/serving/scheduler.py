"""Beside a running service: refreshes after each close, in a process of their own so that requests do not wait."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tenor.errors import MissingObject, ModelError, StoreError
from tenor.registry import manifest
from tenor.serving.logs import LOGGER
from tenor.serving.staleness import due
from tenor.serving.view import View
from tenor.storage.object_store import ObjectStore

LOOK = 20.0
"""Seconds between two looks at the clock."""
RETRY = 900.0
"""Seconds before what failed, or found nothing new, is tried again."""
LONGEST = 1800.0
SLOW = 300.0
"""Seconds after which a refresh that still runs is told of: what it waits for may hang."""
CHECKED = 300.0
"""Seconds between two checks of the model's files."""

log = logging.getLogger(LOGGER)


@dataclass
class RefreshScheduler:
    """Runs `command`, which refreshes the board, whenever a session has closed that the board has not seen.

    Parameters
    ----------
    view
        Tells what the board has seen.
    delay
        Seconds after a close at which its bars can be had.
    always
        False to refresh only a board that is empty.
    models
        Where the model versions lie; the files of the one in use are read again and again, and what was changed is
        told before a refresh fails on it.
    """

    command: Sequence[str]
    view: View
    delay: float = 1800.0
    always: bool = True
    models: ObjectStore | None = None
    slow: float = SLOW
    longest: float = LONGEST
    _tried: float = field(default=0.0, init=False)
    _checked: float = field(default=float("-inf"), init=False)

    def __call__(self, stop: threading.Event) -> None:
        """Keep it fresh until `stop` is set."""
        while not stop.is_set():
            self.look(stop)
            self.check()
            stop.wait(LOOK)

    def check(self) -> None:
        """See that the files of the model whose forecasts are served are what was trained, every `CHECKED` seconds."""
        if self.models is None or not self.view.ready or time.monotonic() - self._checked < CHECKED:
            return
        self._checked = time.monotonic()
        try:
            manifest.check(self.models, str(self.view.snapshot.index.head["model_version"]))
        except (ModelError, MissingObject) as error:
            self._checked = float("-inf")  # so that its repair is seen soon
            told = f"the model in use is damaged: {error}"
            if told not in self.view.problems:
                log.error("model damaged", extra={"error": str(error)})
            self.view.note("model", told)
        except StoreError:
            self._checked = float("-inf")  # its place is away, as the board tells
        else:
            self.view.note("model", None)

    def look(self, stop: threading.Event) -> bool:
        """Refresh if it is time to; whether it was."""
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
        self._run(stop)
        return True

    def _run(self, stop: threading.Event) -> None:
        with subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
            killer = threading.Timer(self.longest, child.kill)
            killer.start()
            teller = threading.Timer(self.slow, self._tell_of_slowness)
            teller.start()
            watcher = threading.Thread(target=_end_with, args=(child, stop), daemon=True)
            watcher.start()
            assert child.stderr is not None
            told = child.stderr.read()
            code = child.wait()
            late = not killer.is_alive()
            killer.cancel()
            teller.cancel()
        if code:
            said = [line for line in told.splitlines() if line.startswith("tenor: ")]
            reason = said[-1].removeprefix("tenor: ")[:200] if said else f"it ended with {code}"
            if late:
                reason = f"it did not end within {self.longest / 60:g} minutes and was stopped"
            self.view.note("refresh", f"the last refresh failed: {reason}")
            log.error("refresh failed", extra={"code": code, "error": reason})
        else:
            self.view.note("refresh", None)
            log.info("refresh done")

    def _tell_of_slowness(self) -> None:
        self.view.note("refresh", f"a refresh has been under way for more than {self.slow / 60:g} minutes")
        log.warning("refresh is slow")


def _end_with(child: subprocess.Popen[str], stop: threading.Event) -> None:
    """Let no refresh outlive the service."""
    while child.poll() is None:
        if stop.wait(0.5):
            child.terminate()
            return
