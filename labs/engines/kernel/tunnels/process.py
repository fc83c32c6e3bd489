"""Starting the process that carries packets, and telling it of tunnels."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any

from labs.engines.kernel.device.machine import Machine
from labs.engines.kernel.sandbox.bubblewrap import confine
from labs.engines.kernel.sandbox.syscalls import set_process_name
from labs.engines.kernel.tunnels.carrier import Counters, carry

__all__ = ["CarrierProcess", "TunnelError"]

NAME = "tunnels"
ANSWER_S = 5.0
AGAIN_S = 0.1


class TunnelError(Exception):
    """Something about a tunnel failed, in the words of the system."""


class _Forked:
    """A forked process with the face of a Popen."""

    stdout = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None


class CarrierProcess:
    """The process; it runs while there are tunnels. Whoever ends it gets a new one."""

    def __init__(self, machine: Machine, revived: Callable[[], None]) -> None:
        self._machine = machine
        self._revived = revived
        self._control: socket.socket | None = None
        self._watching: asyncio.Task[None] | None = None
        self.memory = Counters.memory()

    def tell(self, message: dict[str, Any], device: int = -1) -> None:
        """Send a message, and a TUN device with it; returns when it is done. Raises TunnelError."""
        if self._control is None:
            self._start()
        assert self._control is not None
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], [device] if device >= 0 else [])
            if not self._control.recv(64):
                raise TunnelError("the process that carries packets has ended")
        except OSError as error:
            raise TunnelError(f"the process that carries packets: {error.strerror}") from None

    def stop(self) -> None:
        """There are no tunnels any more."""
        if self._control is not None:
            self._control.close()
            self._control = None

    def _start(self) -> None:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here.settimeout(ANSWER_S)
        pid = os.fork()
        if pid == 0:
            try:
                _run(there, self)
            except BaseException:  # noqa: BLE001 - a forked child must never return into its parent's code
                traceback.print_exc(file=sys.stderr)
            finally:
                os._exit(0)
        there.close()
        self._control = here
        child = self._machine.adopt(_Forked(pid), lambda _: None)  # type: ignore[arg-type]

        async def watch() -> None:
            await child.finished.wait()
            if self._control is here:
                self.stop()
                await asyncio.sleep(AGAIN_S)
                self._revived()

        self._watching = self._machine.loop.create_task(watch())


def _run(control: socket.socket, process: CarrierProcess) -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.setsid()
    os.dup2(control.fileno(), 0, inheritable=False)
    os.closerange(3, 1024)
    with contextlib.suppress(OSError):
        control.detach()
    set_process_name(NAME)
    confine()
    carry(socket.socket(fileno=0), process.memory)
