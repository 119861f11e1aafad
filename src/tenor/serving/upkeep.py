"""Beside a running service: refreshes after each close, in a process of their own so that requests do not wait."""

from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from tenor.serving.freshness import due
from tenor.serving.journal import LOGGER
from tenor.serving.view import View

LOOK = 20.0
"""Seconds between two looks at the clock."""
RETRY = 900.0
"""Seconds before what failed, or found nothing new, is tried again."""
LONGEST = 1800.0

log = logging.getLogger(LOGGER)


@dataclass
class Upkeep:
    """Runs `command`, which refreshes the board, whenever a session has closed that the board has not seen.

    Parameters
    ----------
    view : tells what the board has seen. `delay` : seconds after a close at which its bars can be had.
    always : False to refresh only a board that is empty.
    """

    command: Sequence[str]
    view: View
    delay: float = 1800.0
    always: bool = True
    _tried: float = field(default=0.0, init=False)

    def __call__(self, stop: threading.Event) -> None:
        """Keep it fresh until `stop` is set."""
        while not stop.is_set():
            self.look(stop)
            stop.wait(LOOK)

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
            killer = threading.Timer(LONGEST, child.kill)
            killer.start()
            watcher = threading.Thread(target=_end_with, args=(child, stop), daemon=True)
            watcher.start()
            assert child.stderr is not None
            told = child.stderr.read()
            code = child.wait()
            killer.cancel()
        if code:
            reason = (told.strip().splitlines() or [f"it ended with {code}"])[-1].removeprefix("tenor: ")[:200]
            self.view.note("refresh", f"the last refresh failed: {reason}")
            log.error("refresh failed", extra={"code": code, "error": reason})
        else:
            self.view.note("refresh", None)
            log.info("refresh done")


def _end_with(child: subprocess.Popen[str], stop: threading.Event) -> None:
    """Let no refresh outlive the service."""
    while child.poll() is None:
        if stop.wait(0.5):
            child.terminate()
            return
