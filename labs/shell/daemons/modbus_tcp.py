"""A Modbus/TCP server: takes connections, reads MBAP messages, and lets a function answer each."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING

from labs.net.process import Process, Program, Routine, Wait
from labs.net.sockets import listen
from labs.shell.daemons.clients import Clients, Requests
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
        requests = Requests(connection, read_mbap)
        while True:
            try:
                adu = yield from requests.take()
            except FrameError:
                connection.abort(node.now)
                return 1
            if adu is None:
                return 0
            pdu = yield from answer(process, adu)
            connection.send(encode_mbap(Adu(adu.unit, pdu, adu.transaction)), node.now)

    return session


def serve_tcp(process: Process, port: int, answer: Answerer) -> Program:
    """A program that listens on a port and answers, as a part of `process`. Raises SocketError.

    A device may bring a server of its own (`serve_modbus`).
    """
    own: Callable[[Process, int, Answerer], Program] | None = getattr(process.node, "serve_modbus", None)
    if own is not None:
        return own(process, port, answer)
    listener = listen(process, port)
    clients = Clients(process, process.name, MAX_CLIENTS)

    def server(own: Process) -> Routine:
        del own
        while True:
            clients.admit(listener, partial(_session, answer=answer))
            yield Wait((listener.signal,))

    return server
