"""inetd: runs a program of /etc/inetd.conf for each connection, with the connection as its standard input and output.

Read first: inetd(8). A bad line is logged and left out, as the real one does. On `dgram udp` lines the
program gets one datagram to read, and what it prints is one datagram back.
"""

from __future__ import annotations

import posixpath
from functools import partial
from typing import NamedTuple

from labs.model.addresses import Address
from labs.net.ipv4 import ANY
from labs.net.ipv6 import ANY6
from labs.net.process import SIGKILL, Interrupt, Pipe, Process, Program, Routine, Wait, Writer
from labs.net.service_names import port_number
from labs.net.sockets import Datagram, SocketError, TcpListener, UdpSocket, listen
from labs.net.tcp import TcpConnection
from labs.shell.daemons.clients import Clients
from labs.shell.registry import command

__all__ = ["inetd"]

CONFIG = "/etc/inetd.conf"
MAX_CLIENTS = 64


class Line(NamedTuple):
    """One service: the port and the command line that serves it."""

    protocol: str
    port: int
    argv: tuple[str, ...]
    wide: bool = False
    """tcp6, udp6."""


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
        wide = protocol.endswith("6")
        protocol = protocol.rstrip("46")
        port = port_number(protocol, service)
        if (kind, protocol, wait.partition(".")[0]) not in (("stream", "tcp", "nowait"), ("dgram", "udp", "wait")):
            process.print(f"{CONFIG}:{number}: {kind}/{protocol}/{wait} is not simulated here")
        elif port is None:
            process.print(f"{service}/{protocol}: unknown service")
        elif command(posixpath.basename(path)) is None:
            process.print(f"{CONFIG}:{number}: {path}: No such file or directory")
        else:
            lines.append(Line(protocol, port, (posixpath.basename(path), *argv[1:]), wide))
    return lines


class _Reply(Writer):
    """Standard output of a program that serves one datagram."""

    def __init__(self, socket: UdpSocket, asked: Datagram, process: Process) -> None:
        self._socket = socket
        self._asked = asked
        self._transport = process.node.transport

    def write(self, text: str) -> None:
        """Send."""
        self._transport.udp_send(self._socket, self._asked.source, self._asked.sport, text.encode())


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
        process.cleanup.append(lambda: served.kill(SIGKILL))
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
    sockets: list[tuple[UdpSocket, Line]] = []
    for line in _read(process, node.files.get(CONFIG)):
        try:
            if line.protocol == "udp":
                sockets.append((_bind(process, line), line))
            else:
                listeners.append((listen(process, line.port, _address(line), v6only=True), line))
        except SocketError as error:
            process.print(f"bind: {line.port}/{line.protocol}: {error}")
    clients = Clients(process, "inetd", MAX_CLIENTS)
    while True:
        for socket, line in sockets:
            while socket.queue:
                _serve_datagram(process, socket, socket.queue.popleft(), line.argv)
        for listener, line in listeners:
            clients.admit(listener, partial(_serve, argv=line.argv))
        yield Wait((*(listener.signal for listener, _ in listeners), *(socket.signal for socket, _ in sockets)))


def _address(line: Line) -> Address:
    return ANY6 if line.wide else ANY


def _bind(process: Process, line: Line) -> UdpSocket:
    transport = process.node.transport
    socket = transport.udp_open(line.port, _address(line), program="inetd", v6only=True)
    process.cleanup.append(lambda: transport.udp_close(socket))
    return socket


def _serve_datagram(process: Process, socket: UdpSocket, asked: Datagram, argv: tuple[str, ...]) -> None:
    program = command(argv[0])
    assert program is not None
    stdin = Pipe(asked.data.decode("utf-8", "replace"), closed=True)
    process.node.spawn(list(argv), program, stdin=stdin, stdout=_Reply(socket, asked, process), directory="/")
