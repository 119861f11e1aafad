"""RSS and Atom in a process of their own, which is killed when it takes too long.

The parser has places whose time grows with the square of a text's length: 64 KB of one word in ``<author>`` took 14
seconds. A thread can't be stopped, so the work is done by a process. It is started once and reads one feed after the
other; run as a script it needs the parser alone.
"""

from __future__ import annotations

import atexit
import calendar
import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any, BinaryIO

import feedparser

SECONDS = 15.0
"""For one feed: a large sound one takes two."""
_START = 30.0
"""More, for the first feed of a process, whose modules have to be loaded first."""
_SIZE = 8
_MEMORY = 2 << 30
_ZONED = re.compile(r"(Z|[+-]\d{2}:?\d{2}|\b(GMT|UTC?|E[SD]T|C[SD]T|M[SD]T|P[SD]T))\s*$", re.IGNORECASE)

Entry = tuple[float | None, str | None, str | None]
"""Seconds since 1970, title and address of an item; None for what it lacks."""


@dataclass(frozen=True)
class ParsedFeed:
    """What a feed holds.

    Attributes
    ----------
    is_feed
        Whether it is RSS or Atom at all.
    broken
        Whether it is not well-formed.
    entries
        Its items.
    """

    is_feed: bool
    broken: bool
    entries: tuple[Entry, ...]


class FeedParser:
    """Parses feeds, one at a time, in a process that is killed after `seconds` and started again for the next.

    Parameters
    ----------
    seconds
        For one feed.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        atexit.register(self.close)

    def parse(self, body: bytes) -> ParsedFeed:
        """What `body` holds.

        Raises
        ------
        TimeoutError
            It took too long.
        OSError
            The process could not be started, or ended by itself.
        """
        with self._lock:
            begins = self._process is None or self._owner != os.getpid() or self._process.poll() is not None
            process = self._started() if begins or self._process is None else self._process
            try:
                answer = _ask(process, body, self._seconds + (_START if begins else 0.0))
            except BaseException:
                self._end()
                raise
        fields = json.loads(answer)
        return ParsedFeed(fields["is_feed"], fields["broken"], tuple((at, t, u) for at, t, u in fields["entries"]))

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        self._end()
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        # -P: the folder of this file has modules called as some of Python's own
        command = [sys.executable, "-P", __file__]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        self._owner = os.getpid()
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():  # that of a process which this one was forked from
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _ask(process: subprocess.Popen[bytes], body: bytes, seconds: float) -> bytes:
    """Send `body` and read the answer, within `seconds`."""
    assert process.stdin is not None
    assert process.stdout is not None
    into, out = process.stdin, process.stdout
    outcome: list[bytes | OSError] = []

    def exchange() -> None:
        try:
            into.write(len(body).to_bytes(_SIZE, "big") + body)
            into.flush()
            size = out.read(_SIZE)
            answer = out.read(int.from_bytes(size, "big"))
        except (OSError, ValueError) as error:  # it was killed, and the pipes closed
            outcome.append(ConnectionError(str(error)))
        else:
            whole = len(size) == _SIZE and len(answer) == int.from_bytes(size, "big")
            outcome.append(answer if whole else ConnectionError("the parser of feeds ended"))

    # by a thread, which ends with the process: not every system can wait for a pipe with a limit of time
    thread = threading.Thread(target=exchange, name="tenor-feed", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]


def read_feed(body: bytes) -> dict[str, Any]:
    """The fields of `ParsedFeed`, as JSON has them."""
    parsed = feedparser.parse(body)
    entries = [[_published(entry), _text(entry.get("title")), _text(entry.get("link"))] for entry in parsed.entries]
    return {"is_feed": bool(parsed.get("version")), "broken": bool(parsed.bozo), "entries": entries}


def _published(entry: Any) -> float | None:
    """Seconds since 1970 (the parser takes a time without a zone for UTC: that is refused here)."""
    for field in ("published", "updated"):
        if field not in entry:
            continue
        parsed = entry.get(f"{field}_parsed")
        if parsed and _ZONED.search(str(entry[field])[-40:]):
            return float(calendar.timegm(parsed))
    return None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer one feed after the other, until there are no more."""
    while len(size := requests.read(_SIZE)) == _SIZE:
        body = requests.read(int.from_bytes(size, "big"))
        try:
            fields = read_feed(body)
        except Exception:  # noqa: BLE001 - of the parser, for a feed that it was not made for
            fields = {"is_feed": True, "broken": True, "entries": []}
        answer = json.dumps(fields).encode()
        answers.write(len(answer).to_bytes(_SIZE, "big") + answer)
        answers.flush()


if __name__ == "__main__":
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    serve(sys.stdin.buffer, sys.stdout.buffer)
