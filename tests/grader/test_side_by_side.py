"""Tasks at once: results with their numbers, errors, and no more than were asked for."""

from __future__ import annotations

import threading

import pytest

from grader.side_by_side import side_by_side


def test_tasks_wait_for_each_other_they_run_at_once():
    met = threading.Barrier(3, timeout=10)
    tasks = [lambda number=number: (met.wait(), number)[1] for number in range(3)]
    assert sorted(side_by_side(tasks, 3)) == [(0, 0), (1, 1), (2, 2)]


def test_more_tasks_than_places_never_more_run_than_were_asked_for():
    lock, running, most = threading.Lock(), 0, 0

    def task() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        met.wait()
        with lock:
            running -= 1

    met = threading.Barrier(2, timeout=10)
    assert [number for number, _ in sorted(side_by_side([task] * 8, 2))] == list(range(8))
    assert most == 2


def test_one_at_a_time_the_order_is_kept_and_no_thread_made():
    assert list(side_by_side([threading.current_thread] * 3, 1)) == [(n, threading.current_thread()) for n in range(3)]


@pytest.mark.parametrize("at_once", [1, 2])
def test_task_fails_its_error_is_raised_and_the_rest_is_left(at_once):
    begun: list[int] = []

    def fail() -> None:
        message = "no machine"
        raise OSError(message)

    with pytest.raises(OSError, match="no machine"):
        list(side_by_side([fail] * at_once + [lambda: begun.append(1)] * 4, at_once))
    assert begun == []
