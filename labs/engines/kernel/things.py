"""Things and other programs of ours as small processes: forked from the init, confined, with real sockets.

They read the same files, measure the same world and print the same lines as on the simulator; the MQTT is paho's.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

from labs.engines.kernel.inetd import inetd
from labs.engines.kernel.machine import Machine
from labs.engines.kernel.syscalls import confine, set_process_name
from labs.model.world import Act
from labs.net.process import SIGKILL, Interrupt, Process, Routine, Wait
from labs.shell.daemons.heartbeat import CONFIG, REMIND, Settings, read_settings

__all__ = ["run_forked"]

HEARTBEAT_TIMEOUT_S = 5.0
TICK_S = 0.3
NAMES = {"sensor": "sensord", "display": "displayd"}


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
        set_process_name(NAMES.get(kind, kind))
        confine()
        sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", closefd=False)
        status = _program(kind)(machine)
    except Exception as error:  # noqa: BLE001 - the last words of a forked process
        say(f"{type(error).__name__}: {error}")
    finally:
        os._exit(status)


def _program(kind: str) -> Callable[[Machine], int]:
    if kind == "inetd":
        return inetd
    if kind == "heartbeat":
        return heartbeat
    from labs.engines.kernel.mqtt_things import display, sensor

    return sensor if kind == "sensor" else display


def say(*lines: str) -> None:
    """Print for the journal."""
    for line in lines:
        with contextlib.suppress(OSError):
            os.write(1, f"{line}\n".encode())


def hear(machine: Machine) -> None:
    """Take over what was done to the world since the last time."""
    with contextlib.suppress(BlockingIOError):
        for line in os.read(0, 1 << 16).splitlines():
            if line:
                machine.world.happen(Act(*json.loads(line)))


def heartbeat(machine: Machine) -> int:
    """Connect to something again and again and tell how that went."""
    settings = read_settings(machine.files.get(CONFIG))
    if isinstance(settings, str):
        say(settings)
        return 1
    before, same = "", 0
    while True:
        began = time.monotonic()
        result = _beat(settings)
        same = same + 1 if result == before else 0
        if same % REMIND == 0:
            say(f"{settings.target}:{settings.port} {result}")
        before = result
        if select.select([0], [], [], max(0.0, settings.interval_s - (time.monotonic() - began)))[0]:
            hear(machine)  # time passed without passing: a beat somewhere in it
            time.sleep(random.uniform(0.0, TICK_S))  # noqa: S311 - no secret


def _beat(settings: Settings) -> str:
    try:
        address = socket.gethostbyname(settings.target)
        socket.create_connection((address, settings.port), HEARTBEAT_TIMEOUT_S).close()
    except OSError as error:
        return f"failed: {reason(error)}"
    return "ok"


def reason(error: OSError) -> str:
    """An error as a person reads it."""
    return "Connection timed out" if isinstance(error, TimeoutError) else (error.strerror or str(error))
