"""inetd: accepts connections on the ports of /etc/inetd.conf and runs a program for each, with the connection as its streams.

Read first: inetd(8). Simulated are `stream tcp nowait` lines; a bad line is logged and left out, as the real one does.
"""

from __future__ import annotations

import posixpath
from typing import NamedTuple

from labs.net.linux.units import Unit
from labs.net.process import Interrupt, Pipe, Process, Program, Routine, Wait, Writer
from labs.net.service_names import port_number
from labs.net.sockets import SocketError, TcpListener, listen
from labs.net.tcp import TcpConnection
from labs.shell.registry import command

__all__ = ["INETD", "inetd"]

CONFIG = "/etc/inetd.conf"
MAX_CLIENTS = 64


class Line(NamedTuple):
    """One service: the port and the command line that serves it."""

    port: int
    argv: tuple[str, ...]


def _read(process: Process, text: str) -> list[Line]:
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) < 6:
            process.print(f"{CONFIG}:{number}: incomplete entry")
            continue
        service, kind, protocol, wait, _, path, *argv = words
        port = port_number(protocol.rstrip("46"), service)
        if (kind, protocol.rstrip("46"), wait) != ("stream", "tcp", "nowait"):
            process.print(f"{CONFIG}:{number}: {kind}/{protocol}/{wait} is not simulated here")
        elif port is None:
            process.print(f"{service}/{protocol}: unknown service")
        elif command(posixpath.basename(path)) is None:
            process.print(f"{CONFIG}:{number}: {path}: No such file or directory")
        else:
            lines.append(Line(port, (posixpath.basename(path), *argv[1:])))
    return lines


class _Connection(Writer):
    """Standard output of a served program: whatever it prints goes to the client."""

    def __init__(self, connection: TcpConnection, process: Process) -> None:
        self._connection = connection
        self._process = process

    def write(self, text: str) -> None:
        """Send."""
        self._connection.send(text.encode(), self._process.node.now)


def _serve(connection: TcpConnection, argv: tuple[str, ...]) -> Program:
    """A program that feeds one client's bytes to the served program until either is done."""

    def session(process: Process) -> Routine:
        node = process.node
        program = command(argv[0])
        assert program is not None
        stdin = Pipe()
        served = node.spawn(list(argv), program, stdin=stdin, stdout=_Connection(connection, process), directory="/")
        process.cleanup.append(lambda: served.kill(9))
        while served.running:
            data = connection.receive()
            if data:
                try:
                    stdin.write(data.decode("utf-8", "replace"))
                except Interrupt:
                    break
            if connection.peer_done:
                stdin.close()
            if connection.error is not None:
                break
            yield Wait((connection.signal, served.exited))
        connection.close(node.now)
        return 0

    return session


def inetd(process: Process) -> Routine:
    """The daemon."""
    node = process.node
    listeners: list[tuple[TcpListener, Line]] = []
    for line in _read(process, node.files.get(CONFIG)):
        try:
            listeners.append((listen(process, line.port), line))
        except SocketError as error:
            process.print(f"bind: {line.port}/tcp: {error}")
    clients: list[Process] = []
    process.cleanup.append(lambda: [client.kill(9) for client in clients])  # type: ignore[func-returns-value]
    while True:
        for listener, line in listeners:
            while listener.backlog:
                connection = listener.backlog.popleft()
                clients = [client for client in clients if client.running]
                if len(clients) >= MAX_CLIENTS:
                    connection.abort(node.now)
                else:
                    clients.append(node.spawn(["inetd"], _serve(connection, line.argv), directory="/"))
        yield Wait(tuple(listener.signal for listener, _ in listeners))


INETD = Unit("inetd", "Internet superserver", inetd, "/usr/sbin/inetd", config=CONFIG)
