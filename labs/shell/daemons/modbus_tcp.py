"""A Modbus/TCP server: takes connections, reads MBAP messages, and lets a function answer each."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from labs.net.process import SIGKILL, Process, Program, Routine, Wait
from labs.net.sockets import listen
from labs.things.modbus.framing import Adu, FrameError, encode_mbap, read_mbap

if TYPE_CHECKING:
    from labs.net.tcp import TcpConnection

__all__ = ["MAX_CLIENTS", "Answerer", "serve_tcp"]

Answerer = Callable[[Process, Adu], Generator[Wait, None, bytes]]
MAX_CLIENTS = 4  # what small gateways allow


def _session(connection: TcpConnection, answer: Answerer) -> Program:
    def session(process: Process) -> Routine:
        node = process.node
        process.cleanup.append(lambda: connection.release(node.now))
        buffer = b""
        while True:
            buffer += connection.receive()
            try:
                found = read_mbap(buffer)
            except FrameError:
                connection.abort(node.now)
                return 1
            if found is not None:
                adu, buffer = found
                pdu = yield from answer(process, adu)
                connection.send(encode_mbap(Adu(adu.unit, pdu, adu.transaction)), node.now)
                continue
            if connection.peer_done or connection.error is not None:
                return 0
            yield Wait((connection.signal,))

    return session


def serve_tcp(process: Process, port: int, answer: Answerer) -> Program:
    """A program that listens on a port and answers, as a part of `process`. Raises SocketError.

    A device may bring a server of its own (`serve_modbus`).
    """
    own: Callable[[Process, int, Answerer], Program] | None = getattr(process.node, "serve_modbus", None)
    if own is not None:
        return own(process, port, answer)
    listener = listen(process, port)
    clients: list[Process] = []

    def end_clients() -> None:
        for client in clients:
            client.kill(SIGKILL)

    process.cleanup.append(end_clients)

    def server(own: Process) -> Routine:
        node = own.node
        while True:
            while listener.backlog:
                connection = listener.backlog.popleft()
                clients[:] = [client for client in clients if client.running]
                if len(clients) >= MAX_CLIENTS:
                    connection.abort(node.now)
                else:
                    clients.append(node.spawn([process.name], _session(connection, answer), directory="/"))
            yield Wait((listener.signal,))

    return server
