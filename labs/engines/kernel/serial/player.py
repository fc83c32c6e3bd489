"""The process that plays one cable, and the engine's hand on it.

It is forked before the devices. Each device gets a socket to every cable that it is on; a program there that opens its
port sends the end of a socket of its own over it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from typing import Any

from labs.engines.kernel.channel import ChannelClosed
from labs.engines.kernel.clock import LabClock
from labs.engines.kernel.codec import decode, encode
from labs.engines.kernel.sandbox import syscalls
from labs.engines.kernel.sandbox.bubblewrap import confine
from labs.engines.kernel.serial.cable import Cable, Place, Program
from labs.engines.kernel.serial.terminal import Terminal
from labs.model.bus import Bus

__all__ = ["Player"]

LONGEST = 1 << 20


class Player:
    """The engine's hand on the process of one cable."""

    def __init__(self, bus: Bus, seed: str, terminals: Mapping[Place, Terminal], clock: LabClock) -> None:
        self.bus = bus
        self.due: int | None = None
        """When something happens next, as far as it told."""
        self.socket, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                syscalls.die_with_parent()
                _play(far, bus, seed, terminals, clock)
            except BaseException:  # noqa: BLE001 - a forked child must never return into its parent's code
                traceback.print_exc(file=sys.stderr)
            finally:
                os._exit(1)
        far.close()
        for terminal in terminals.values():
            os.close(terminal.master)

    def _order(self, order: Mapping[str, Any]) -> None:
        try:
            self.socket.send(json.dumps(order).encode())
        except OSError as error:
            raise ChannelClosed(str(error)) from None

    def fileno(self) -> int:
        """For select: readable when the process has ended, but for answers that are waited for."""
        return self.socket.fileno()

    def round(self) -> bool:
        """Wait until everything that is due is done; whether anything was since the last time. Raises ChannelClosed.

        Time begins with the first round, and after a jump of the clock the process learns of it so.
        """
        self._order({"round": True})
        told = self.socket.recv(LONGEST)
        if not told:
            raise ChannelClosed(f"the process of the bus {self.bus.name}")
        answer: dict[str, Any] = json.loads(told)
        self.due = answer["due"]
        return bool(answer["active"])

    def plug(self, device: str, port: str) -> socket.socket:
        """A socket over which the programs of a device open a port."""
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        socket.send_fds(self.socket, [json.dumps({"plug": [device, port]}).encode()], [there.fileno()])
        there.close()
        return here

    def rewire(self, bus: Bus) -> None:
        """Hands change the wiring."""
        self.bus = bus
        self._order({"bus": encode(bus)})


def _play(control: socket.socket, bus: Bus, seed: str, terminals: Mapping[Place, Terminal], clock: LabClock) -> None:
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    keep = {0, 1, 2, control.fileno(), *(terminal.master for terminal in terminals.values())}
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in keep:
            with contextlib.suppress(OSError):
                os.close(int(name))
    syscalls.set_process_name(f"cable-{bus.name}")
    confine()
    _Loop(control, Cable(bus, seed, terminals, 0), terminals, clock).run()


class _Loop:
    def __init__(
        self, control: socket.socket, cable: Cable, terminals: Mapping[Place, Terminal], clock: LabClock
    ) -> None:
        self._control = control
        self._cable = cable
        self._clock = clock
        self._begun = False
        """Before, nothing happens on the bus: devices boot at one moment, whoever was first."""
        self._asked = False
        """The engine waits until everything that is due is done."""
        self._epoll = select.epoll()
        self._typists = {terminal.master: place for place, terminal in terminals.items()}
        self._terminals = terminals
        self._ways: dict[int, tuple[socket.socket, Place]] = {}
        self._programs: dict[int, tuple[socket.socket, Program]] = {}
        self._epoll.register(control.fileno(), select.EPOLLIN)
        for master in self._typists:  # a closed terminal would be ready for ever
            self._epoll.register(master, select.EPOLLIN | select.EPOLLET)

    @property
    def _now(self) -> int:
        return self._clock.now if self._begun else 0

    def run(self) -> None:
        """Until the engine is gone."""
        while True:
            real = self._now
            next_ns = self._cable.advance(real) if self._begun else None
            wait_s = None if next_ns is None else max(0.0, (next_ns - real) / 1e9)
            if self._asked and self._cable.resting(real):
                self._asked = False
                self._control.send(json.dumps({"active": self._cable.stirred(), "due": self._cable.due}).encode())
            for number, _ in self._epoll.poll(wait_s):
                self._ready(number)

    def _ready(self, number: int) -> None:
        if number == self._control.fileno():
            self._obey()
        elif number in self._typists:
            place = self._typists[number]
            self._cable.typed(place, self._terminals[place].read(), self._now)
        elif number in self._ways:
            self._open(number)
        elif number in self._programs:
            self._hear(number)

    def _obey(self) -> None:
        data, descriptors, _, _ = socket.recv_fds(self._control, LONGEST, 1)
        if not data:
            os._exit(0)
        order = json.loads(data)
        if "plug" in order:
            device, port = order["plug"]
            way = socket.socket(fileno=descriptors[0])
            self._ways[way.fileno()] = way, (device, port)
            self._epoll.register(way.fileno(), select.EPOLLIN)
        elif "bus" in order:
            self._cable.rewire(decode(order["bus"]))
        elif "round" in order:
            self._asked = self._begun = True

    def _open(self, number: int) -> None:
        way, place = self._ways[number]
        data, descriptors, _, _ = socket.recv_fds(way, 64, 1)
        if not data:  # the device has no power any more
            self._epoll.unregister(number)
            del self._ways[number]
            way.close()
            return
        for descriptor in descriptors:
            end = socket.socket(fileno=descriptor)
            end.setblocking(False)  # noqa: FBT003
            program = Program(place, _teller(end))
            self._programs[descriptor] = end, program
            self._epoll.register(descriptor, select.EPOLLIN)
            self._cable.join(program, self._now)

    def _hear(self, number: int) -> None:
        end, program = self._programs[number]
        try:
            data = end.recv(LONGEST)
        except OSError:
            data = b""
        real = self._now
        if not data:
            self._epoll.unregister(number)
            del self._programs[number]
            end.close()
            self._cable.leave(program, real)
            return
        message: dict[str, Any] = json.loads(data)
        if "ask" in message:
            self._cable.ask(program, real)
        else:
            self._cable.rested(program, message, real)


def _teller(end: socket.socket) -> Any:
    def tell(message: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # it is gone: its end says so
            end.send(json.dumps(message).encode())

    return tell
