"""inetd on the real kernel: a program of /etc/inetd.conf for each connection, which is its input and output."""

from __future__ import annotations

import os
import select
import socket
import subprocess
from typing import NamedTuple

from labs.engines.kernel.device.machine import ENVIRONMENT, Machine
from labs.engines.kernel.device.observe import speaks_six

__all__ = ["inetd"]

CONFIG = "/etc/inetd.conf"
MAX_CLIENTS = 64
BACKLOG = 64
DATAGRAM_S = 5.0
FAMILIES = {"": (socket.AF_INET, socket.AF_INET6), "4": (socket.AF_INET,), "6": (socket.AF_INET6,)}


class Line(NamedTuple):
    """One service: the port, the families it is offered to, and the command line that serves it."""

    protocol: str
    families: tuple[socket.AddressFamily, ...]
    port: int
    path: str
    argv: tuple[str, ...]


def _say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def _read(text: str) -> list[Line]:
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) < 6:
            _say(f"{CONFIG}:{number}: incomplete entry")
            continue
        service, kind, protocol, wait, _, path, *argv = words
        families = FAMILIES.get(protocol[3:], ())
        protocol = protocol.rstrip("46")
        if (kind, protocol, wait.partition(".")[0]) not in (("stream", "tcp", "nowait"), ("dgram", "udp", "wait")):
            _say(f"{CONFIG}:{number}: {kind}/{protocol}/{wait} is not implemented here")
            continue
        try:
            port = int(service) if service.isdecimal() else socket.getservbyname(service, protocol)
        except OSError:
            _say(f"{service}/{protocol}: unknown service")
            continue
        if not os.access(path, os.X_OK):
            _say(f"{CONFIG}:{number}: {path}: No such file or directory")
            continue
        lines.append(Line(protocol, families, port, path, tuple(argv)))
    return lines


def inetd(machine: Machine) -> int:
    """The daemon."""
    sockets: dict[int, tuple[socket.socket, Line]] = {}
    wide = speaks_six()
    offers = [(line, family) for line in _read(machine.files.get(CONFIG)) for family in line.families]
    for line, family in offers:
        if family == socket.AF_INET6 and not wide:
            continue
        kind = socket.SOCK_DGRAM if line.protocol == "udp" else socket.SOCK_STREAM
        end = socket.socket(family, kind | socket.SOCK_CLOEXEC)
        try:
            if family == socket.AF_INET6:
                end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if line.protocol == "tcp":
                end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            end.bind(("", line.port))
            if line.protocol == "tcp":
                end.listen(BACKLOG)
        except OSError as error:
            _say(f"bind: {line.port}/{line.protocol}: {error.strerror}")
            continue
        sockets[end.fileno()] = (end, line)
    clients: list[subprocess.Popen[bytes]] = []
    while True:
        ready, _, _ = select.select(list(sockets), [], [], 1.0 if clients else None)
        clients = [client for client in clients if client.poll() is None]
        for number in ready:
            end, line = sockets[number]
            if line.protocol == "udp":
                _datagram(end, line)
                continue
            try:
                connection, _ = end.accept()
            except OSError:
                continue
            with connection:
                if len(clients) < MAX_CLIENTS:
                    clients.append(
                        subprocess.Popen(
                            list(line.argv) or [line.path], executable=line.path, stdin=connection.fileno(),
                            stdout=connection.fileno(),
                            stderr=subprocess.DEVNULL, env=ENVIRONMENT, cwd="/",
                        )
                    )  # fmt: skip


def _datagram(end: socket.socket, line: Line) -> None:
    """One datagram to read, and what the program prints is one datagram back."""
    data, source = end.recvfrom(1 << 16)
    try:
        done = subprocess.run(
            list(line.argv) or [line.path], executable=line.path, input=data, capture_output=True, check=False,
            env=ENVIRONMENT, cwd="/", timeout=DATAGRAM_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return
    if done.stdout:
        end.sendto(done.stdout, source)
