"""The clients of a TCP server: a process for each connection, and requests cut out of the bytes that come in."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Generic, TypeVar

from labs.net.process import SIGKILL, Process, Program, Wait

if TYPE_CHECKING:
    from labs.net.sockets import TcpListener
    from labs.net.tcp import TcpConnection

__all__ = ["Clients", "Requests"]

Request = TypeVar("Request")


class Clients:
    """The processes that serve the connections of `process`, `most` at a time; they end when it ends."""

    def __init__(self, process: Process, name: str, most: int) -> None:
        self._node = process.node
        self._name = name
        self._most = most
        self._running: list[Process] = []
        process.cleanup.append(self._end)

    def _end(self) -> None:
        for client in self._running:
            client.kill(SIGKILL)

    def admit(self, listener: TcpListener, serve: Callable[[TcpConnection], Program]) -> None:
        """Start a process for each connection that waits; one too many is aborted."""
        node = self._node
        while listener.backlog:
            connection = listener.backlog.popleft()
            self._running = [client for client in self._running if client.running]
            if len(self._running) >= self._most:
                connection.abort(node.now)
            else:
                self._running.append(node.spawn([self._name], serve(connection), directory="/"))


class Requests(Generic[Request]):
    """The requests of one connection. `read` cuts the first one off; None while it is not whole."""

    def __init__(self, connection: TcpConnection, read: Callable[[bytes], tuple[Request, bytes] | None]) -> None:
        self._connection = connection
        self._read = read
        self._buffer = b""

    def take(self) -> Generator[Wait, None, Request | None]:
        """Wait for the next one; None when no more can come. Raises what `read` raises."""
        connection = self._connection
        while True:
            self._buffer += connection.receive()
            found = self._read(self._buffer)
            if found is not None:
                request, self._buffer = found
                return request
            if connection.peer_done or connection.error is not None:
                return None
            yield Wait((connection.signal,))
