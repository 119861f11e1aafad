"""Logs as one JSON object a line, without keys, query strings and bodies; control characters are escaped."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TextIO

LOGGER = "tenor.serving"
LONGEST = 300
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


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
        return json.dumps(line, default=str)


def log_to_stream(stream: TextIO | None = None, *, level: int = logging.INFO) -> logging.Logger:
    """The service's logger, writing to `stream` (stderr by default), and no further."""
    logger = logging.getLogger(LOGGER)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
    return logger
