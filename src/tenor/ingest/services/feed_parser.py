"""Parse RSS and Atom in a separate process, which is killed if it takes too long.

In some places the parser's time grows with the square of a text's length: 64 KB of one word in ``<author>`` took 14
seconds. A thread can't be stopped, so the work is done by a process. It is started once and parses one feed after the
other. This file is run as a script in that process, and then imports only the parser.
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
"""Time limit for one feed, in seconds; a large valid feed takes two."""
_START = 30.0
"""Additional seconds for the first feed of a process, which must load its modules first."""
_SIZE = 8
_MEMORY = 2 << 30
_ZONED = re.compile(r"(Z|[+-]\d{2}:?\d{2}|\b(GMT|UTC?|E[SD]T|C[SD]T|M[SD]T|P[SD]T))\s*$", re.IGNORECASE)

Entry = tuple[float | None, str | None, str | None]
"""Time (seconds since 1970), title and address of an item; None for those that it lacks."""


@dataclass(frozen=True)
class ParsedFeed:
    """A parsed feed.

    Attributes
    ----------
    is_feed
        Whether the document is RSS or Atom.
    broken
        Whether it is not well-formed XML.
    entries
        The items of the feed.
    """

    is_feed: bool
    broken: bool
    entries: tuple[Entry, ...]


class FeedParser:
    """Parses feeds, one at a time, in a process that is killed after `seconds` and restarted for the next feed.

    Parameters
    ----------
    seconds
        Time limit for one feed.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        atexit.register(self.close)

    def parse(self, body: bytes) -> ParsedFeed:
        """Parse the feed `body`.

        Raises
        ------
        TimeoutError
            Parsing took too long.
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
        # -P: some modules in the folder of this file have the names of modules of Python's standard library
        command = [sys.executable, "-P", __file__]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        self._owner = os.getpid()
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():  # it belongs to the process that this one was forked from
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
        except (OSError, ValueError) as error:  # the process was killed and its pipes are closed
            outcome.append(ConnectionError(str(error)))
        else:
            whole = len(size) == _SIZE and len(answer) == int.from_bytes(size, "big")
            outcome.append(answer if whole else ConnectionError("the parser of feeds ended"))

    # in a thread, which ends together with the process: not every system can wait for a pipe with a time limit
    thread = threading.Thread(target=exchange, name="tenor-feed", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]


def read_feed(body: bytes) -> dict[str, Any]:
    """The fields of `ParsedFeed`, as JSON values."""
    parsed = feedparser.parse(body)
    entries = [[_published(entry), _text(entry.get("title")), _text(entry.get("link"))] for entry in parsed.entries]
    return {"is_feed": bool(parsed.get("version")), "broken": bool(parsed.bozo), "entries": entries}


def _published(entry: Any) -> float | None:
    """Seconds since 1970; None for a time without a zone, which the parser would read as UTC."""
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
    """Parse one feed after the other, until there are no more requests."""
    while len(size := requests.read(_SIZE)) == _SIZE:
        body = requests.read(int.from_bytes(size, "big"))
        try:
            fields = read_feed(body)
        except Exception:  # noqa: BLE001 - any error of the parser on an unexpected feed
            fields = {"is_feed": True, "broken": True, "entries": []}
        answer = json.dumps(fields).encode()
        answers.write(len(answer).to_bytes(_SIZE, "big") + answer)
        answers.flush()


if __name__ == "__main__":
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    serve(sys.stdin.buffer, sys.stdout.buffer)
