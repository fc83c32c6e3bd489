"""The serial port of one program at a cable: it is told what time it is there, and says until when it rests."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from labs.engines.kernel.serial.cable import write_settings
from labs.net.serial import Chunk, SerialPort, SerialSettings

if TYPE_CHECKING:
    from labs.net.actions import SerialSend

__all__ = ["CableGone", "Tap"]

LONGEST = 1 << 20


class CableGone(Exception):
    """The process that plays the cable has ended, and with it the lab."""


class Tap:
    """One program at a port. `ways` leads to the cable on the one port of the device; `node` emits what is sent."""

    def __init__(self, ways: Mapping[str, socket.socket], node: Any) -> None:
        ((name, way),) = ways.items()
        self._socket, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        socket.send_fds(way, [b"open"], [far.fileno()])
        far.close()
        self.port = SerialPort(node, name)
        self._sends: list[tuple[bytes, SerialSettings]] = []
        self._asked = True  # whoever opens is told what time it is
        self._taken = False

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def close(self) -> None:
        """Leave the port."""
        self._socket.close()

    def emit(self, item: SerialSend) -> None:
        """Send, as soon as the program rests."""
        self._sends.append((item.data, item.settings))

    def ask(self) -> None:
        """Ask for the time: there is something to do that did not come over the bus. Raises CableGone."""
        if not self._asked:
            self._asked = True
            self._put({"ask": True})

    def hear(self) -> int:
        """Take what was heard; what time it is on the bus, which stands still until `rest`. Raises CableGone."""
        try:
            data = self._socket.recv(LONGEST)
        except OSError:
            data = b""
        if not data:
            raise CableGone
        told = json.loads(data)
        self._asked = False
        self._see_turn(taken=told["taken"])
        for moment, heard, errors in told["heard"]:
            if self.port.settings is not None:
                self.port.deliver(Chunk(moment, bytes.fromhex(heard), errors))
        return int(told["now"])

    def rest(self, until: int | None) -> None:
        """All is said and done until a time, or until something is heard. Raises CableGone."""
        sends = [[data.hex(), write_settings(settings)] for data, settings in self._sends]
        self._sends.clear()
        holds = self.port.busy and not self._taken
        self._put({"sends": sends, "settings": write_settings(self.port.settings), "until": until, "holds": holds})

    def _see_turn(self, *, taken: bool) -> None:
        """Another process on this port waits for an answer, or does no more."""
        if taken and not self.port.busy:
            self.port.busy = self._taken = True
        elif self._taken and not taken:
            self.port.busy = self._taken = False
            self.port.free.fire()

    def _put(self, message: dict[str, Any]) -> None:
        try:
            self._socket.send(json.dumps(message).encode())
        except OSError:
            raise CableGone from None
