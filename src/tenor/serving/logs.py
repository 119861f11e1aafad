"""Logs without keys, query strings and bodies: one JSON object per line, or short lines for a person at a terminal.

Control characters are escaped in both.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from typing import TextIO

LOGGER = "tenor.serving"
LONGEST = 300
REQUEST = "request"
PROGRESS = "progress"
"""The event whose fields are shown in another order at a terminal."""
FAILED = 400
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


_ENCODER = json.JSONEncoder(default=str)


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: time (UTC), level, event, and the fields of `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage()[:LONGEST],
        }
        for name, value in vars(record).items():
            if name not in _OWN:
                line[name] = value[:LONGEST] if isinstance(value, str) else value
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = f"{record.exc_info[0].__name__}: {record.exc_info[1]}"[:LONGEST]
            place = record.exc_info[2]
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            if place is not None:
                line["at"] = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
        return _ENCODER.encode(line)


class PlainFormatter(logging.Formatter):
    """A record as a line for people: local time, the event, its fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        fields = {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.getMessage() == PROGRESS:
            text = f"{fields.get('stage')}: {fields.get('done')} of {fields.get('total')}"
        elif record.getMessage() == REQUEST:
            text = f"{fields.get('method')} {fields.get('path')}: {fields.get('status')} in {fields.get('ms')} ms"
        else:
            shown = ", ".join(f"{name.replace('_', ' ')} {_shown(value)}" for name, value in fields.items())
            text = f"{record.getMessage()}{f' ({shown})' if shown else ''}"
        if record.exc_info and record.exc_info[0] is not None:
            text += f": {record.exc_info[0].__name__}: {record.exc_info[1]}"
        plain = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
        return f"{moment}  {level}{plain[: 2 * LONGEST]}"


class TogetherHandler(logging.StreamHandler[TextIO]):
    """Writes the lines of requests that are answered together with one write, which takes longer than an answer.

    Outside an event loop, and for warnings and errors, lines are written at once; the order is always kept.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, now or at the end of the event loop's present turn."""
        try:
            self._lines.append(self.format(record) + self.terminator)
            loop = asyncio.get_running_loop() if record.levelno < logging.WARNING else None
        except RuntimeError:  # no loop runs in this thread
            loop = None
        except Exception:  # noqa: BLE001 - as logging's own handlers do
            self.handleError(record)
            return
        if loop is None:
            self.flush()
        elif len(self._lines) == 1:
            loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write the lines that wait."""
        with self.lock:  # type: ignore[union-attr]  # it has one from the start
            lines, self._lines = self._lines, []
            try:
                if lines:
                    self.stream.write("".join(lines))
                super().flush()
            except (OSError, ValueError):
                return  # the reader went away, or the stream is closed: there is nowhere to tell it


def _shown(value: object) -> str:
    return "; ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _worth_a_look(record: logging.LogRecord) -> bool:
    """Whether a person at a terminal wants to see it: answered requests are not news."""
    return record.getMessage() != REQUEST or int(getattr(record, "status", 0)) >= FAILED


def log_to_stream(stream: TextIO | None = None, *, level: int = logging.INFO) -> logging.Logger:
    """The service's logger, which writes only to `stream` (by default stderr).

    At a terminal the lines are for people, and answered requests are left out.
    """
    logger = logging.getLogger(LOGGER)
    stream = stream or sys.stderr
    handler = TogetherHandler(stream)
    person = stream.isatty()
    handler.setFormatter(PlainFormatter() if person else JsonFormatter())
    if person:
        handler.addFilter(_worth_a_look)
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
    return logger
