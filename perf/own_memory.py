"""The memory of this process that is no file's, and the most that it has been."""

from __future__ import annotations

import threading
from pathlib import Path


class OwnMemory:
    """Looks fifty times a second: pages of mapped files do not count, which can be dropped when others need room.

    Attributes
    ----------
    most
        MiB since the start, or since `forget`.
    """

    def __init__(self) -> None:
        self.most = self.now()
        threading.Thread(target=self._watch, daemon=True).start()

    @staticmethod
    def now() -> float:
        """MiB at this moment."""
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024

    def forget(self) -> None:
        """Begin anew."""
        self.most = self.now()

    def _watch(self) -> None:
        pause = threading.Event()
        while not pause.wait(0.02):
            self.most = max(self.most, self.now())
