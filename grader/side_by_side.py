"""Several tasks at once, each in a thread that nobody has to wait for: labs of an engine in real time mostly sleep."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

__all__ = ["side_by_side"]

T = TypeVar("T")


def side_by_side(tasks: Sequence[Callable[[], T]], at_once: int) -> Iterator[tuple[int, T]]:
    """The number and the result of each task, in the order in which they end; `at_once` of them run at a time.

    What a task raises is raised here, and no further one begins then. With one at a time no thread is made.
    """
    if min(at_once, len(tasks)) <= 1:
        for number, task in enumerate(tasks):
            yield number, task()
        return
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    ended: queue.SimpleQueue[tuple[int, T | None, BaseException | None]] = queue.SimpleQueue()
    given_up = threading.Event()
    for number in range(len(tasks)):
        waiting.put(number)

    def work() -> None:
        while not given_up.is_set():
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                ended.put((number, tasks[number](), None))
            except BaseException as error:  # noqa: BLE001 - raised again where the results are read
                ended.put((number, None, error))
                return

    for _ in range(min(at_once, len(tasks))):
        threading.Thread(target=work, daemon=True).start()  # a daemon: Ctrl-C does not wait for a lab
    try:
        for _ in tasks:
            number, result, error = ended.get()
            if error is not None:
                raise error
            yield number, result  # type: ignore[misc]
    finally:
        given_up.set()
