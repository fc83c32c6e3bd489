"""A program of ours as a process of its own: forked from the init, confined, with real sockets."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module

from labs.engines.kernel.machine import Machine
from labs.engines.kernel.syscalls import confine, set_process_name
from labs.engines.kernel.things.journal import say
from labs.net.process import SIGKILL, Interrupt, Process, Routine, Wait

__all__ = ["PROGRAMS", "run_forked"]

PROGRAMS: dict[str, tuple[str, str]] = {
    "inetd": ("inetd", "inetd"),
    "heartbeat": ("things.heartbeat", "heartbeat"),
    "sensor": ("things.mqtt", "sensord"),
    "display": ("things.mqtt", "displayd"),
}
"""Unit to the module with its program, and what the process is called."""


class Forked:
    """A forked process with the face of a Popen."""

    def __init__(self, pid: int, output: int, news: int) -> None:
        self.pid = pid
        self.stdout = os.fdopen(output, "rb", buffering=0)
        self.stdin = os.fdopen(news, "wb", buffering=0)
        self.returncode: int | None = None


def run_forked(process: Process, kind: str) -> Routine:
    """A program of ours in a process of its own: prints what it prints and ends as it does."""
    machine: Machine = process.node  # type: ignore[assignment]
    forked = _fork(machine, kind)
    child = machine.adopt(forked, process.stdout.write)  # type: ignore[arg-type]
    machine.tells(forked.stdin)
    machine.became(process, child)
    while child.status is None:
        try:
            yield Wait((child.exited,))
        except Interrupt as interrupt:
            machine.finish(child, interrupt.signal)
            raise
        except GeneratorExit:
            machine.finish(child, SIGKILL)
            raise
    return child.status


def _fork(machine: Machine, kind: str) -> Forked:
    reading, writing = os.pipe()
    hearing, news = os.pipe()
    os.set_blocking(hearing, False)
    os.set_blocking(news, False)
    pid = os.fork()
    if pid:
        os.close(writing)
        os.close(hearing)
        return Forked(pid, reading, news)
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        os.dup2(hearing, 0)
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        os.closerange(3, 1024)
        set_process_name(PROGRAMS[kind][1])
        confine()
        sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", closefd=False)
        status = _program(kind)(machine)
    except Exception as error:  # noqa: BLE001 - the last words of a forked process
        say(f"{type(error).__name__}: {error}")
    finally:
        os._exit(status)


def _program(kind: str) -> Callable[[Machine], int]:
    program: Callable[[Machine], int] = getattr(import_module(f"labs.engines.kernel.{PROGRAMS[kind][0]}"), kind)
    return program
