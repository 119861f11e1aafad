import os
from pathlib import Path

import pytest
from engine_tasks import die, product

from tenor.engines import LocalEngine, engine_of
from tenor.errors import DataError, TrainingError


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks_and_each_is_reported_once(workers: int) -> None:
    reported: dict[int, int] = {}

    def done(place: int, result: tuple[int, int]) -> None:
        assert place not in reported
        reported[place] = result[0]

    results = list(LocalEngine(workers).map(product, range(7), shared=3, done=done))
    assert [value for value, _ in results] == [0, 3, 6, 9, 12, 15, 18]
    assert reported == {place: 3 * place for place in range(7)}
    assert (os.getpid() in {process for _, process in results}) == (workers == 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_task_raises_is_raised_here(workers: int) -> None:
    with pytest.raises(DataError, match="-1 is below zero"):
        list(LocalEngine(workers).map(product, [1, -1, 2], shared=3))


def test_no_task_is_no_result() -> None:
    assert list(LocalEngine(2).map(product, [], shared=3)) == []


@pytest.mark.processes
def test_a_killed_process_is_one_line_that_says_what_to_do() -> None:
    with pytest.raises(TrainingError, match="a process was killed, most likely because memory ran out"):
        list(LocalEngine(2).map(die, range(4)))
    assert [value for value, _ in LocalEngine(2).map(product, [1, 2], shared=3)] == [3, 6]


def test_a_number_stands_for_processes_and_an_engine_for_itself() -> None:
    engine = LocalEngine(3)
    assert engine_of(engine) is engine
    assert engine_of(2).cores == 2
    assert engine_of(None).cores >= 1


def test_files_are_shared(tmp_path: Path) -> None:
    assert LocalEngine(2).shares_files
