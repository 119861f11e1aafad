"""Lines of requests answered side by side are written at once, in order, and none is lost."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest

from tenor.serving import logs


class Counted(io.StringIO):
    """A stream that counts its writes."""

    writes = 0

    def write(self, text: str) -> int:
        """Count, and write."""
        self.writes += 1
        return super().write(text)


@pytest.fixture
def stream() -> Iterator[Counted]:
    stream = Counted()
    logs.log_to_stream(stream)
    yield stream
    logging.getLogger(logs.LOGGER).handlers[:] = []


def events(stream: Counted) -> list[str]:
    return [json.loads(line)["event"] for line in stream.getvalue().splitlines()]


def test_without_a_loop_each_line_is_written_as_it_comes(stream: Counted) -> None:
    log = logging.getLogger(logs.LOGGER)
    log.info("one")
    assert events(stream) == ["one"]
    log.info("two")
    assert events(stream) == ["one", "two"]


def test_in_a_loop_lines_of_one_turn_are_one_write(stream: Counted) -> None:
    log = logging.getLogger(logs.LOGGER)

    async def answer(number: int) -> None:
        log.info("answer %d", number)

    async def many() -> None:
        await asyncio.gather(*map(answer, range(10)))
        await asyncio.sleep(0)

    asyncio.run(many())
    assert events(stream) == [f"answer {number}" for number in range(10)]
    assert stream.writes < 10


def test_a_warning_is_written_at_once_after_what_waited(stream: Counted) -> None:
    log = logging.getLogger(logs.LOGGER)

    async def both() -> list[str]:
        log.info("news")
        log.warning("trouble")
        return events(stream)

    assert asyncio.run(both()) == ["news", "trouble"]


def test_the_last_line_before_a_loop_ends_is_written(stream: Counted) -> None:
    async def last() -> None:
        logging.getLogger(logs.LOGGER).info("last")

    asyncio.run(last())
    assert events(stream) == ["last"]


def test_a_stream_that_was_closed_ends_nothing(stream: Counted) -> None:
    stream.close()
    logging.getLogger(logs.LOGGER).info("nobody reads")
