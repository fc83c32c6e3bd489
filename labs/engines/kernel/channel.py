"""One JSON object a line over a socket: product to engine, engine to devices."""

from __future__ import annotations

import json
import socket
from typing import Any

__all__ = ["LONGEST_WAIT_NS", "Channel", "ChannelClosed"]

MAX_LINE = 1 << 28
CHUNK = 1 << 16
LONGEST_WAIT_NS = 15 * 60 * 1_000_000_000  # of real time; both sides keep to it

Message = dict[str, Any]


class ChannelClosed(Exception):
    """The other side is gone."""


class Channel:
    """Sends whole messages and collects what came in. Blocking, but for `arrived` on a readable socket."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self._buffer = bytearray()

    def fileno(self) -> int:
        """For select."""
        return self.socket.fileno()

    def send(self, message: Message) -> None:
        """Send one message. Raises ChannelClosed."""
        try:
            self.socket.sendall(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            raise ChannelClosed(str(error)) from None

    def arrived(self) -> list[Message]:
        """Read once and return the messages that are complete. Raises ChannelClosed."""
        try:
            data = self.socket.recv(CHUNK)
        except OSError as error:
            raise ChannelClosed(str(error)) from None
        if not data:
            raise ChannelClosed("closed")
        self._buffer += data
        if len(self._buffer) > MAX_LINE:
            raise ChannelClosed("a message without end")
        if b"\n" not in data:
            return []
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        return [json.loads(line) for line in lines]

    def receive(self) -> Message:
        """Wait for one message; for a side that only asks and waits. Raises ChannelClosed."""
        while True:
            messages = self.arrived()
            if messages:
                return messages[0]

    def close(self) -> None:
        """Give the socket back."""
        self.socket.close()
