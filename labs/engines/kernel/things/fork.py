"""A program of ours as a process of its own: forked from the init, confined, with real sockets."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from labs.engines.kernel.device.machine import Machine, stand_by
from labs.engines.kernel.sandbox.bubblewrap import confine
from labs.engines.kernel.sandbox.syscalls import set_process_name
from labs.engines.kernel.things.journal import say
from labs.net.process import Process, Routine

if TYPE_CHECKING:
    from labs.engines.kernel.things.station import Station

__all__ = ["OWN", "SHARED", "WITHOUT_MQTT", "modules_of", "run_forked"]

CONTROL = 3
"""The descriptor on which a forked program speaks to its init."""
OWN: dict[str, tuple[str, str]] = {
    "inetd": ("device.inetd", "inetd"),
}
"""Unit to the module of this engine with its program, and what the process is called."""
SHARED: dict[str, tuple[str, str]] = {
    "sensor": ("sensor", "sensord"),
    "display": ("display", "displayd"),
    "inputs": ("inputs", "inputsd"),
    "actuator": ("actuator", "actuatord"),
    "rules": ("rules", "rulesd"),
    "dashboard": ("dashboard", "dashboardd"),
    "modbus": ("modbus", "modbusd"),
    "push": ("push", "pushd"),
    "collector": ("push", "collectord"),
    "coap": ("coap", "coapd"),
    "gateway": ("gateway", "gatewayd"),
    "heartbeat": ("heartbeat", "heartbeat"),
}
"""Unit to the daemon of the simulator that runs here on real connections, and what the process is called."""
MODBUS = frozenset({"modbus", "gateway"})
WITHOUT_MQTT = frozenset({"modbus", "push", "collector", "coap", "heartbeat"})


class Forked:
    """A forked process with the face of a Popen."""

    def __init__(self, pid: int, output: int, news: int, said: int) -> None:
        self.pid = pid
        self.said = said
        self.stdout = os.fdopen(output, "rb", buffering=0)
        self.stdin = os.fdopen(news, "wb", buffering=0)
        self.returncode: int | None = None


def run_forked(process: Process, kind: str) -> Routine:
    """A program of ours in a process of its own: prints what it prints and ends as it does."""
    machine: Machine = process.node  # type: ignore[assignment]
    forked = _fork(machine, kind)
    child = machine.adopt(forked, process.stdout.write)  # type: ignore[arg-type]
    machine.crew.join(forked.pid, forked.stdin, forked.said)
    return (yield from stand_by(process, child, killed=True))


def _fork(machine: Machine, kind: str) -> Forked:
    reading, writing = os.pipe()
    hearing, news = os.pipe()
    said, control = os.pipe() if kind in SHARED else (-1, -1)
    os.set_blocking(hearing, False)
    os.set_blocking(news, False)
    pid = os.fork()
    if pid:
        os.close(writing)
        os.close(hearing)
        if control >= 0:
            os.close(control)
        return Forked(pid, reading, news, said)
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        os.dup2(hearing, 0)
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        if control >= 0:
            os.dup2(control, CONTROL)
        os.closerange(3 if control < 0 else CONTROL + 1, 1024)
        set_process_name((SHARED if kind in SHARED else OWN)[kind][1])
        confine()
        sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", closefd=False)
        status = _run(machine, kind)
    except Exception as error:  # noqa: BLE001 - the last words of a forked process
        say(f"{type(error).__name__}: {error}")
    finally:
        os._exit(status)


def _run(machine: Machine, kind: str) -> int:
    if kind in OWN:
        program: Callable[[Machine], int] = getattr(import_module(f"labs.engines.kernel.{OWN[kind][0]}"), kind)
        return program(machine)
    module, name = SHARED[kind]
    return _station(machine).run(name, getattr(import_module(f"labs.shell.daemons.{module}"), kind))


def _station(machine: Machine) -> Station:
    if machine.serial:
        from labs.engines.kernel.things.bus_station import BusStation

        return BusStation(machine)
    from labs.engines.kernel.things.station import Station

    return Station(machine)


def modules_of(kind: str) -> tuple[str, ...]:
    """What has to be imported before a device that may start this unit is closed."""
    if kind in OWN:
        return (f"labs.engines.kernel.{OWN[kind][0]}",)
    own = [
        "bus_station",
        *(["modbus_server"] if kind in MODBUS else ()),
        *(["paho_link"] if kind not in WITHOUT_MQTT else ()),
    ]
    return (f"labs.shell.daemons.{SHARED[kind][0]}", *(f"labs.engines.kernel.things.{name}" for name in own))
